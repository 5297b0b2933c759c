//! RESERVE and RELEASE (SPC-2): the unit for one initiator, until it lets go or is lost.

use crate::command::Asked;
use crate::plan::Plan;
use crate::sense::Sense;

/// RESERVE (6) and (10), of the whole unit and for oneself: extents and third parties are not in the table.
pub(crate) fn reserve(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    Ok(Plan::Reply(asked.unit.book().reserve(asked.nexus.id())))
}

/// RELEASE (6) and (10): GOOD also for those who held nothing.
pub(crate) fn release(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    Ok(Plan::Reply(asked.unit.book().release(asked.nexus.id())))
}

#[cfg(test)]
mod tests {
    use crate::attention::Attention;
    use crate::plan::{Plan, Status};
    use crate::sense::Sense;
    use crate::tests::{Bench, attention, conflict, good, refused};

    const TEST_UNIT_READY: [u8; 6] = [0; 6];
    const RESERVE_6: [u8; 6] = [0x16, 0, 0, 0, 0, 0];
    const RELEASE_6: [u8; 6] = [0x17, 0, 0, 0, 0, 0];
    const RESERVE_10: [u8; 10] = [0x56, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    const RELEASE_10: [u8; 10] = [0x57, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    #[test]
    fn a_reservation_shuts_the_others_out_until_it_is_released() {
        let mut holder = Bench::disk();
        let mut other = holder.neighbour(2);
        assert_eq!(holder.ask(&RESERVE_6), good(&[]));
        assert_eq!(other.ask(&TEST_UNIT_READY), conflict());
        assert_eq!(other.ask(&RESERVE_6), conflict());
        assert_eq!(other.ask(&RESERVE_10), conflict());
        assert_eq!(holder.ask(&TEST_UNIT_READY), good(&[]));
        assert_eq!(holder.ask(&RELEASE_10), good(&[]));
        assert_eq!(other.ask(&TEST_UNIT_READY), good(&[]));
        assert_eq!(other.ask(&RESERVE_10), good(&[]));
        assert_eq!(holder.ask(&RESERVE_6), conflict());
    }

    #[test]
    fn releasing_what_one_does_not_hold_is_good_and_does_nothing() {
        let mut holder = Bench::disk();
        let mut other = holder.neighbour(2);
        assert_eq!(other.ask(&RELEASE_6), good(&[]));
        holder.done(&RESERVE_6);
        assert_eq!(other.ask(&RELEASE_6), good(&[]));
        assert_eq!(other.ask(&RELEASE_10), good(&[]));
        assert_eq!(other.ask(&TEST_UNIT_READY), conflict());
    }

    #[test]
    fn losing_the_holder_frees_the_unit() {
        let mut holder = Bench::disk();
        let mut other = holder.neighbour(2);
        holder.done(&RESERVE_6);
        holder.unit.book().forget(holder.nexus.id().session);
        assert_eq!(other.ask(&TEST_UNIT_READY), good(&[]));
    }

    #[test]
    fn a_reset_frees_the_unit_and_is_told_even_to_those_shut_out_meanwhile() {
        let mut holder = Bench::disk();
        let mut other = holder.neighbour(2);
        let mut third = holder.neighbour(3);
        holder.done(&RESERVE_6);
        holder.unit.book().reset(Some(2), Attention::DeviceReset);
        assert_eq!(other.ask(&RESERVE_6), good(&[]));
        assert_eq!(holder.ask(&TEST_UNIT_READY), attention(Attention::DeviceReset));
        assert_eq!(holder.ask(&TEST_UNIT_READY), conflict());
        assert_eq!(third.ask(&TEST_UNIT_READY), attention(Attention::DeviceReset));
    }

    #[test]
    fn a_reservation_conflict_comes_before_attentions_that_are_no_resets() {
        let mut holder = Bench::disk();
        let mut other = holder.neighbour(2);
        holder.done(&RESERVE_6);
        other.nexus.post(Attention::CapacityChanged);
        assert_eq!(other.ask(&TEST_UNIT_READY), conflict());
        holder.done(&RELEASE_6);
        assert_eq!(other.ask(&TEST_UNIT_READY), attention(Attention::CapacityChanged));
    }

    /// The tables of SPC-2 and SBC-2 for commands that meet another initiator's reservation.
    #[test]
    fn under_a_reservation_each_command_is_allowed_or_conflicts_as_its_table_says() {
        let mut allowed: Vec<Vec<u8>> = Vec::new();
        for mut cdb in Bench::every_command() {
            let mut holder = Bench::thin_disk();
            holder.done(&RESERVE_6);
            let mut other = holder.neighbour(2);
            if other.ask(&cdb) != conflict() {
                cdb.truncate(2);
                allowed.push(cdb);
            }
        }
        // PREVENT ALLOW is among them because the plain form of each command here allows.
        assert_eq!(
            allowed,
            [
                &[0x03, 0][..],
                &[0x12, 0],
                &[0x17, 0],
                &[0x1E, 0],
                &[0x25, 0],
                &[0x4D, 0],
                &[0x57, 0],
                &[0x9E, 0x10],
                &[0xA0, 0],
                &[0xA3, 0x05],
                &[0xA3, 0x0A],
                &[0xA3, 0x0C],
                &[0xA3, 0x0D],
                &[0xA3, 0x0F],
            ]
        );
    }

    #[test]
    fn starting_and_allowing_do_not_conflict_but_stopping_and_preventing_do() {
        let mut holder = Bench::disk();
        holder.done(&RESERVE_6);
        let mut other = holder.neighbour(2);
        assert_eq!(other.ask(&[0x1B, 0, 0, 0, 1, 0]), good(&[]));
        assert_eq!(other.ask(&[0x1B, 0, 0, 0, 0, 0]), conflict());
        assert_eq!(other.ask(&[0x1B, 0, 0, 0, 0x11, 0]), conflict());
        assert_eq!(other.ask(&[0x1E, 0, 0, 0, 0, 0]), good(&[]));
        assert_eq!(other.ask(&[0x1E, 0, 0, 0, 1, 0]), conflict());
    }

    #[test]
    fn extents_and_third_parties_are_refused() {
        let mut bench = Bench::disk();
        assert_eq!(bench.ask(&[0x16, 0x01, 0, 0, 0, 0]), refused(Sense::invalid_bit(1, 0)));
        assert_eq!(bench.ask(&[0x16, 0x10, 0, 0, 0, 0]), refused(Sense::invalid_bit(1, 4)));
        assert_eq!(bench.ask(&[0x17, 0x1E, 0, 0, 0, 0]), refused(Sense::invalid_bit(1, 4)));
        assert_eq!(bench.ask(&[0x56, 0x02, 0, 0, 0, 0, 0, 0, 8, 0]), refused(Sense::invalid_bit(1, 1)));
        assert_eq!(bench.unit.book().holder(), None);
    }

    #[test]
    fn what_the_holder_reads_is_not_slowed_by_its_own_reservation() {
        let mut holder = Bench::disk();
        holder.done(&RESERVE_6);
        assert!(matches!(holder.plan(&[0x08, 0, 0, 0, 1, 0]), Plan::Read { .. }));
        assert_eq!(Status::ReservationConflict as u8, 0x18);
    }
}
