//! VERIFY: can the blocks be read, and do they hold what the initiator thinks (SBC-3)?

use super::range::unless_empty;
use crate::command::Asked;
use crate::plan::Plan;
use crate::sense::Sense;

/// VERIFY (10), (12), (16), (32).
pub(crate) fn verify(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let check = byte_check(asked);
    if check == ByteCheck::Reserved {
        return Err(asked.wrong_flag(2));
    }
    let medium = asked.unit.medium();
    let (at, len) = asked.addressed().transfer(medium)?;
    let plan = match check {
        ByteCheck::Same => Plan::Compare { at, len },
        ByteCheck::SameBlock => Plan::CompareRepeated { at, len: len.into(), pattern: medium.block_size },
        _ => Plan::Verify { at, len },
    };
    Ok(unless_empty(len, plan))
}

/// BYTCHK: against what are the blocks checked?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByteCheck {
    /// Nothing: they can be read.
    Readable,
    /// As much data-out.
    Same,
    /// Not a value.
    Reserved,
    /// One block of data-out, every block of them.
    SameBlock,
}

pub(crate) fn byte_check(asked: &Asked<'_>) -> ByteCheck {
    match asked.flags() >> 1 & 0x03 {
        0 => ByteCheck::Readable,
        1 => ByteCheck::Same,
        2 => ByteCheck::Reserved,
        _ => ByteCheck::SameBlock,
    }
}

#[cfg(test)]
mod tests {
    use crate::medium::Medium;
    use crate::plan::Plan;
    use crate::sense::Sense;
    use crate::tests::{Bench, good, refused};

    #[test]
    fn each_byte_check_in_each_length_is_a_plan_of_its_own() {
        let mut bench = Bench::disk();
        for (check, expected) in [
            (0x00, Plan::Verify { at: 512, len: 1024 }),
            (0x10, Plan::Verify { at: 512, len: 1024 }),
            (0x02, Plan::Compare { at: 512, len: 1024 }),
            (0x06, Plan::CompareRepeated { at: 512, len: 1024, pattern: 512 }),
        ] {
            assert_eq!(bench.plan(&[0x2F, check, 0, 0, 0, 1, 0, 0, 2, 0]), expected);
            assert_eq!(bench.plan(&[0xAF, check, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0]), expected);
            assert_eq!(bench.plan(&[0x8F, check, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0]), expected);
        }
        assert_eq!(bench.ask(&[0x2F, 0x04, 0, 0, 0, 1, 0, 0, 2, 0]), refused(Sense::invalid_bit(1, 2)));
    }

    #[test]
    fn nothing_to_verify_is_good() {
        for check in [0x00, 0x02, 0x06] {
            assert_eq!(Bench::disk().ask(&[0x2F, check, 0, 0, 0, 1, 0, 0, 0, 0]), good(&[]));
        }
    }

    #[test]
    fn a_read_only_disk_can_be_verified() {
        let mut bench = Bench::with(|medium| Medium { read_only: true, ..medium });
        assert_eq!(bench.plan(&[0x2F, 2, 0, 0, 0, 0, 0, 0, 1, 0]), Plan::Compare { at: 0, len: 512 });
    }
}
