//! TEST UNIT READY, START STOP UNIT, PREVENT ALLOW MEDIUM REMOVAL and MECHANISM STATUS of a drive (MMC-6).

use super::loaded;
use crate::command::Asked;
use crate::plan::Plan;
use crate::sense::Sense;

/// TEST UNIT READY: there is a disc.
pub(crate) fn test(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    loaded(asked).map(|_| Plan::good())
}

/// START STOP UNIT: the tray opens and shuts; nothing turns that could be started or stopped.
pub(crate) fn start_stop(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    const LOEJ: u8 = 0x02;
    const START: u8 = 0x01;
    let book = asked.unit.book();
    let is_loaded = asked.unit.medium().blocks > 0;
    match (asked.cdb.flag(4, LOEJ), asked.cdb.flag(4, START)) {
        (true, false) => book.eject()?,
        (true, true) => book.load(is_loaded),
        (false, true) if book.tray().open => return Err(Sense::NO_MEDIUM_TRAY_OPEN),
        (false, true) => drop(loaded(asked)?),
        (false, false) => {}
    }
    Ok(Plan::good())
}

/// PREVENT ALLOW MEDIUM REMOVAL: the tray stays shut while any nexus prevents it from opening. The persistent form is
/// not offered: a prevention ends with its nexus.
pub(crate) fn prevent_allow(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let session = asked.nexus.id().session;
    match asked.cdb.u8(4) & 0x03 {
        0 => asked.unit.book().allow_removal(session),
        1 => asked.unit.book().prevent_removal(session),
        _ => return Err(Sense::invalid_bit(4, 1)),
    }
    Ok(Plan::good())
}

/// MECHANISM STATUS: whether the door is open; there is no changer behind it.
pub(crate) fn mechanism_status(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    const DOOR_OPEN: u8 = 0x10;
    let door = if asked.unit.book().tray().open { DOOR_OPEN } else { 0 };
    Ok(Plan::data(vec![0, door, 0, 0, 0, 0, 0, 0], asked.cdb.u16(8).into()))
}

#[cfg(test)]
mod tests {
    use crate::attention::Attention;
    use crate::sense::Sense;
    use crate::tests::{Bench, attention, good, refused};

    const READY: [u8; 6] = [0; 6];
    const EJECT: [u8; 6] = [0x1B, 0, 0, 0, 0x02, 0];
    const LOAD: [u8; 6] = [0x1B, 0, 0, 0, 0x03, 0];
    const START: [u8; 6] = [0x1B, 0, 0, 0, 0x01, 0];
    const PREVENT: [u8; 6] = [0x1E, 0, 0, 0, 1, 0];
    const ALLOW: [u8; 6] = [0x1E, 0, 0, 0, 0, 0];
    const MECHANISM: [u8; 12] = [0xBD, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0];

    #[test]
    fn a_drive_is_ready_with_a_disc_in_it_and_not_without() {
        assert_eq!(Bench::drive(1000).ask(&READY), good(&[]));
        assert_eq!(Bench::drive(1000).ask(&START), good(&[]));
        assert_eq!(Bench::drive(0).ask(&READY), refused(Sense::NO_MEDIUM));
        assert_eq!(Bench::drive(0).ask(&START), refused(Sense::NO_MEDIUM));
        assert_eq!(Bench::drive(0).ask(&[0x1B, 0, 0, 0, 0, 0]), good(&[]));
    }

    #[test]
    fn an_opened_tray_is_told_by_every_command_that_needs_a_disc_until_it_is_shut() {
        let mut bench = Bench::drive(1000);
        let mut other = bench.neighbour(2);
        bench.done(&EJECT);
        bench.done(&EJECT);
        for nexus in [&mut bench, &mut other] {
            assert_eq!(nexus.ask(&READY), refused(Sense::NO_MEDIUM_TRAY_OPEN));
            assert_eq!(nexus.ask(&[0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0]), refused(Sense::NO_MEDIUM_TRAY_OPEN));
            assert_eq!(nexus.ask(&START), refused(Sense::NO_MEDIUM_TRAY_OPEN));
            assert_eq!(nexus.ask(&MECHANISM), good(&[0, 0x10, 0, 0, 0, 0, 0, 0]));
        }
        bench.done(&LOAD);
        for nexus in [&mut bench, &mut other] {
            assert_eq!(nexus.ask(&READY), attention(Attention::MediumChanged));
            assert_eq!(nexus.ask(&READY), good(&[]));
            assert_eq!(nexus.ask(&MECHANISM), good(&[0; 8]));
        }
        bench.done(&LOAD);
        assert_eq!(bench.ask(&READY), good(&[]), "it was shut already");
    }

    #[test]
    fn an_empty_tray_that_is_shut_is_no_new_medium() {
        let mut bench = Bench::drive(0);
        bench.done(&EJECT);
        bench.done(&LOAD);
        assert_eq!(bench.ask(&READY), refused(Sense::NO_MEDIUM));
    }

    #[test]
    fn the_tray_stays_shut_while_anybody_prevents_its_opening() {
        let mut bench = Bench::drive(1000);
        let mut other = bench.neighbour(2);
        bench.done(&PREVENT);
        other.done(&PREVENT);
        other.done(&PREVENT);
        for _ in 0..2 {
            assert_eq!(bench.ask(&EJECT), refused(Sense::REMOVAL_PREVENTED));
        }
        bench.done(&ALLOW);
        assert_eq!(bench.ask(&EJECT), refused(Sense::REMOVAL_PREVENTED), "the other still prevents it");
        other.done(&ALLOW);
        bench.done(&EJECT);
    }

    #[test]
    fn a_prevention_ends_with_its_nexus_and_by_a_reset() {
        let mut bench = Bench::drive(1000);
        let mut other = bench.neighbour(2);
        other.done(&PREVENT);
        bench.unit.book().forget(2);
        bench.done(&EJECT);
        bench.done(&LOAD);
        let mut bench = bench.neighbour(3);
        bench.done(&PREVENT);
        bench.unit.book().reset(Some(3), Attention::DeviceReset);
        bench.done(&EJECT);
    }

    #[test]
    fn what_a_drive_does_not_do_is_refused() {
        let mut bench = Bench::drive(1000);
        assert_eq!(bench.ask(&[0x1B, 0, 0, 0, 0x10, 0]), refused(Sense::invalid_bit(4, 4)));
        assert_eq!(bench.ask(&[0x1B, 0, 0, 0, 0x04, 0]), refused(Sense::invalid_bit(4, 2)));
        assert_eq!(bench.ask(&[0x1E, 0, 0, 0, 2, 0]), refused(Sense::invalid_bit(4, 1)));
        assert_eq!(bench.ask(&[0x1E, 0, 0, 0, 3, 0]), refused(Sense::invalid_bit(4, 1)));
    }

    #[test]
    fn mechanism_status_is_cut_to_the_allocation_length() {
        for room in [0u8, 1, 7] {
            let cdb = [0xBD, 0, 0, 0, 0, 0, 0, 0, 0, room, 0, 0];
            assert_eq!(Bench::drive(0).ask(&cdb), good(&vec![0; room.into()]));
        }
    }
}
