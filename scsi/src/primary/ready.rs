//! TEST UNIT READY, and PREVENT ALLOW MEDIUM REMOVAL for a medium that cannot be removed.

use crate::command::Asked;
use crate::plan::Plan;
use crate::sense::Sense;

/// TEST UNIT READY: whatever could be in the way has been looked at before this.
pub(crate) fn test(_: &mut Asked<'_>) -> Result<Plan, Sense> {
    Ok(Plan::good())
}

/// PREVENT ALLOW MEDIUM REMOVAL (SBC-3): nobody can remove this medium, so preventing it is easily promised.
/// The upper bit of PREVENT is for a medium changer, and obsolete.
pub(crate) fn prevent_allow(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    if asked.cdb.flag(4, 0x02) {
        return Err(Sense::invalid_bit(4, 1));
    }
    Ok(Plan::good())
}

#[cfg(test)]
mod tests {
    use crate::sense::Sense;
    use crate::tests::{Bench, good, refused};

    #[test]
    fn a_disk_is_always_ready() {
        assert_eq!(Bench::disk().ask(&[0, 0, 0, 0, 0, 0]), good(&[]));
    }

    #[test]
    fn test_unit_ready_knows_no_fields() {
        assert_eq!(Bench::disk().ask(&[0, 0, 0, 0, 1, 0]), refused(Sense::invalid_bit(4, 0)));
        assert_eq!(Bench::disk().ask(&[0, 0, 0, 0, 0, 4]), refused(Sense::invalid_bit(5, 2)));
    }

    #[test]
    fn removal_may_be_prevented_and_allowed() {
        assert_eq!(Bench::disk().ask(&[0x1E, 0, 0, 0, 1, 0]), good(&[]));
        assert_eq!(Bench::disk().ask(&[0x1E, 0, 0, 0, 0, 0]), good(&[]));
        assert_eq!(Bench::disk().ask(&[0x1E, 0, 0, 0, 2, 0]), refused(Sense::invalid_bit(4, 1)));
        assert_eq!(Bench::disk().ask(&[0x1E, 0, 0, 0, 4, 0]), refused(Sense::invalid_bit(4, 2)));
    }
}
