//! GET EVENT STATUS NOTIFICATION: what happened to the medium since the nexus last asked (MMC-6).

use crate::book::{MediaEvent, TrayStatus};
use crate::command::Asked;
use crate::plan::Plan;
use crate::sense::Sense;

/// Only polled: an event is told when it is asked for, to each nexus once. Of several the last is told, which says how
/// the medium is now.
pub(crate) fn get(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    const POLLED: u8 = 0x01;
    if !asked.cdb.flag(1, POLLED) {
        return Err(Sense::invalid_bit(1, 0));
    }
    let wanted = asked.cdb.u8(4);
    let room = asked.cdb.u16(7);
    // Whoever has no room for an event has not heard of it.
    let (class, event) = match wanted & SUPPORTED {
        0 => (NO_EVENT_AVAILABLE, None),
        classes if classes & 1 << MEDIA != 0 => (MEDIA, Some(media(asked, usize::from(room) >= 8))),
        _ => (BUSY, Some([0; 4])),
    };
    let data: Vec<u8> = event.into_iter().flatten().collect();
    let [high, low] = (data.len() as u16 + 2).to_be_bytes();
    Ok(Plan::data([&[high, low, class, SUPPORTED][..], &data].concat(), room.into()))
}

/// The media event descriptor.
fn media(asked: &mut Asked<'_>, told: bool) -> [u8; 4] {
    const DOOR_OPEN: u8 = 0x01;
    const MEDIA_PRESENT: u8 = 0x02;
    let TrayStatus { open, events, last, .. } = asked.unit.book().tray();
    let present = asked.unit.medium().blocks > 0;
    let seen = asked.nexus.media_events();
    // A nexus that never asked has POWER ON to tell it that everything may be new.
    let event = if seen.is_none_or(|seen| seen == events) { MediaEvent::NoChange } else { last };
    if told {
        *seen = Some(events);
    }
    let status = if open { DOOR_OPEN } else { 0 } | if present && !open { MEDIA_PRESENT } else { 0 };
    [event as u8, status, 0, 0]
}

/// NOTIFICATION CLASS.
const MEDIA: u8 = 4;
const BUSY: u8 = 6;
/// NEA: none of the classes that are asked for is supported.
const NO_EVENT_AVAILABLE: u8 = 0x80;
/// SUPPORTED EVENT CLASSES.
const SUPPORTED: u8 = 1 << MEDIA | 1 << BUSY;

#[cfg(test)]
mod tests {
    use crate::sense::Sense;
    use crate::tests::{Bench, good, refused};

    fn poll(classes: u8, room: u8) -> [u8; 10] {
        [0x4A, 1, 0, 0, classes, 0, 0, 0, room, 0]
    }

    const MEDIA: u8 = 0x10;

    #[test]
    fn each_nexus_hears_once_what_happened_to_the_medium() {
        let mut bench = Bench::drive(1000);
        let mut other = bench.neighbour(2);
        let told = |event: u8, status: u8| good(&[0, 6, 4, 0x50, event, status, 0, 0]);
        for nexus in [&mut bench, &mut other] {
            assert_eq!(nexus.ask(&poll(MEDIA, 8)), told(0, 2));
        }
        bench.done(&[0x1B, 0, 0, 0, 2, 0]);
        for nexus in [&mut bench, &mut other] {
            assert_eq!(nexus.ask(&poll(MEDIA, 4)), good(&[0, 6, 4, 0x50]), "no room to hear of it");
            assert_eq!(nexus.ask(&poll(MEDIA, 8)), told(3, 1));
            assert_eq!(nexus.ask(&poll(MEDIA, 8)), told(0, 1));
        }
        bench.done(&[0x1B, 0, 0, 0, 3, 0]);
        bench.nexus.meet(bench.unit.book());
        bench.nexus.forget_attentions();
        assert_eq!(bench.ask(&poll(MEDIA, 8)), told(2, 2));
        assert_eq!(bench.ask(&poll(MEDIA, 8)), told(0, 2));
    }

    #[test]
    fn an_operator_who_wants_a_locked_medium_is_heard_as_an_event_and_an_attention() {
        let mut bench = Bench::drive(1000);
        bench.done(&poll(MEDIA, 8));
        bench.done(&[0x1E, 0, 0, 0, 1, 0]);
        assert!(!bench.unit.book().request_removal());
        assert_eq!(bench.ask(&[0; 6]), crate::tests::attention(crate::Attention::RemovalRequest));
        assert_eq!(bench.ask(&poll(MEDIA, 8)), good(&[0, 6, 4, 0x50, 1, 2, 0, 0]));
        bench.done(&[0x1E, 0, 0, 0, 0, 0]);
        assert!(bench.unit.book().request_removal());
    }

    #[test]
    fn an_empty_drive_has_no_medium_and_nothing_happened_to_it() {
        assert_eq!(Bench::drive(0).ask(&poll(MEDIA, 8)), good(&[0, 6, 4, 0x50, 0, 0, 0, 0]));
    }

    #[test]
    fn classes_that_are_not_there_have_no_event_and_a_drive_is_never_busy() {
        let mut bench = Bench::drive(1000);
        for classes in [0x00, 0x01, 0x02, 0x04, 0x08, 0x20, 0x80] {
            assert_eq!(bench.ask(&poll(classes, 8)), good(&[0, 2, 0x80, 0x50]));
        }
        assert_eq!(bench.ask(&poll(0x40, 8)), good(&[0, 6, 6, 0x50, 0, 0, 0, 0]));
        assert_eq!(bench.ask(&poll(0xFF, 0)), good(&[]));
    }

    #[test]
    fn nobody_is_called_back() {
        assert_eq!(Bench::drive(0).ask(&[0x4A, 0, 0, 0, MEDIA, 0, 0, 0, 8, 0]), refused(Sense::invalid_bit(1, 0)));
    }
}
