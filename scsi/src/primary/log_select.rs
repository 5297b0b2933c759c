//! LOG SELECT: counting begins anew (SPC-4).

use crate::attention::Attention;
use crate::command::Asked;
use crate::page::log::LogPage;
use crate::plan::Plan;
use crate::sense::Sense;

/// Resets the statistics, where PCR or a page control of default cumulative values asks for it, and the page is theirs
/// or is 00h, which here means all; every other nexus hears it.
///
/// # Errors
/// 5/24/00 for a page that is not there, and for a parameter list: no parameter can be set to a value.
pub(crate) fn select(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let (control, page, subpage) = (asked.cdb.u8(2) >> 6, asked.cdb.u8(2) & 0x3F, asked.cdb.u8(3));
    let reset = asked.cdb.flag(1, PCR);
    if asked.cdb.u16(7) != 0 {
        return Err(Sense::invalid_field(7));
    }
    let page = match (page, subpage) {
        (0, 0) => None,
        _ => Some(LogPage::find(asked.unit.medium(), page, subpage).ok_or(Sense::invalid_field(2))?),
    };
    let theirs = matches!(page, None | Some(LogPage::Statistics));
    if theirs && (reset || control == DEFAULT_CUMULATIVE) {
        let book = asked.unit.book();
        book.gauges().reset();
        book.post(Some(asked.nexus.id().session), Attention::LogChanged);
    }
    Ok(Plan::good())
}

/// Parameter code reset.
const PCR: u8 = 0x02;
/// PAGE CONTROL.
const DEFAULT_CUMULATIVE: u8 = 0b11;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gauges::Usage;
    use crate::tests::{Bench, attention, conflict, good, refused};

    fn counted() -> Bench {
        let bench = Bench::disk();
        bench.unit.book().gauges().slot(0).read(8, 1, false);
        bench
    }

    #[test]
    fn statistics_are_reset_by_either_way_to_say_it_and_the_others_hear_it() {
        for cdb in [[0x02, 0x00], [0x02, 0x19], [0x02, 0x59], [0x00, 0xC0], [0x00, 0xD9]] {
            let mut bench = counted();
            let mut other = bench.neighbour(2);
            assert_eq!(bench.ask(&[0x4C, cdb[0], cdb[1], 0, 0, 0, 0, 0, 0, 0]), good(&[]));
            assert_eq!(bench.unit.book().gauges().usage(), Usage::default(), "{cdb:02x?}");
            assert_eq!(other.ask(&[0; 6]), attention(Attention::LogChanged));
            assert_eq!(bench.ask(&[0; 6]), good(&[]));
        }
    }

    #[test]
    fn what_asks_for_no_reset_changes_nothing() {
        for cdb in [[0x00, 0x40], [0x00, 0x59], [0x00, 0x19], [0x02, 0x00]] {
            let mut bench = counted();
            let mut other = bench.neighbour(2);
            let subpage = if cdb[0] == 0x02 { 0xFF } else { 0 };
            assert_eq!(bench.ask(&[0x4C, cdb[0], cdb[1], subpage, 0, 0, 0, 0, 0, 0]), good(&[]));
            assert_ne!(bench.unit.book().gauges().usage(), Usage::default(), "{cdb:02x?}");
            assert_eq!(other.ask(&[0; 6]), good(&[]));
        }
    }

    #[test]
    fn lists_saving_and_pages_that_are_not_there_are_pointed_at() {
        assert_eq!(counted().plan_with(&[0x4C, 0, 0x40, 0, 0, 0, 0, 0, 8, 0], 8), refused(Sense::invalid_field(7)));
        assert_eq!(counted().ask(&[0x4C, 0x03, 0x40, 0, 0, 0, 0, 0, 0, 0]), refused(Sense::invalid_bit(1, 0)));
        assert_eq!(counted().ask(&[0x4C, 0x02, 0x0D, 0, 0, 0, 0, 0, 0, 0]), refused(Sense::invalid_field(2)));
        assert_eq!(counted().ask(&[0x4C, 0x02, 0x19, 1, 0, 0, 0, 0, 0, 0]), refused(Sense::invalid_field(2)));
    }

    #[test]
    fn a_reservation_keeps_others_from_it() {
        let mut holder = counted();
        let mut other = holder.neighbour(2);
        holder.done(&[0x16, 0, 0, 0, 0, 0]);
        assert_eq!(other.ask(&[0x4C, 0x02, 0, 0, 0, 0, 0, 0, 0, 0]), conflict());
    }
}
