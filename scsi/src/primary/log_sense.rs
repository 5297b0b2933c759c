//! LOG SENSE: what has the unit counted (SPC-4)?

use crate::command::Asked;
use crate::gauges::Usage;
use crate::page::log::{LogPage, Parameter, provisioning, statistics};
use crate::plan::{Answer, Plan, Question};
use crate::sense::Sense;

/// The page that is asked for; the disk is asked where only it knows.
///
/// # Errors
/// 5/24/00 for a page or subpage that is not there, for thresholds of counters (there are none), and for a parameter
/// beyond the last.
pub(crate) fn sense(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let page = page(asked)?;
    match page {
        LogPage::Supported | LogPage::SupportedSubpages if asked.cdb.u16(5) != 0 => Err(Sense::invalid_field(5)),
        LogPage::Supported | LogPage::SupportedSubpages => {
            let list = page.list(asked.unit.medium());
            Ok(Plan::data(page.with(&list), asked.cdb.u16(7).into()))
        }
        LogPage::Provisioning => Ok(Plan::Ask(Question::Usage)),
        LogPage::Statistics => {
            let usage = match asked.cdb.u8(2) >> 6 {
                CUMULATIVE => asked.unit.book().gauges().usage(),
                DEFAULT_CUMULATIVE => Usage::default(),
                _ => return Err(Sense::invalid_bit(2, 7)),
            };
            with_parameters(asked, page, &statistics(&usage))
        }
    }
}

/// The page of which only the disk knew.
pub(crate) fn answered(asked: &mut Asked<'_>, answer: &Answer) -> Result<Plan, Sense> {
    let page = page(asked)?;
    with_parameters(asked, page, &provisioning(asked.unit.medium(), answer))
}

fn page(asked: &Asked<'_>) -> Result<LogPage, Sense> {
    let (page, subpage) = (asked.cdb.u8(2) & 0x3F, asked.cdb.u8(3));
    let medium = asked.unit.medium();
    let missing = || if LogPage::find(medium, page, 0).is_some() { 3 } else { 2 };
    LogPage::find(medium, page, subpage).ok_or_else(|| Sense::invalid_field(missing()))
}

/// The page from PARAMETER POINTER on.
fn with_parameters(asked: &Asked<'_>, page: LogPage, parameters: &[Parameter]) -> Result<Plan, Sense> {
    let from = asked.cdb.u16(5);
    let wanted: Vec<&Parameter> = parameters.iter().filter(|parameter| parameter.code >= from).collect();
    if wanted.is_empty() && from != 0 {
        return Err(Sense::invalid_field(5));
    }
    let body: Vec<u8> = wanted.into_iter().flat_map(Parameter::bytes).collect();
    Ok(Plan::data(page.with(&body), asked.cdb.u16(7).into()))
}

/// PAGE CONTROL, of counters.
const CUMULATIVE: u8 = 0b01;
const DEFAULT_CUMULATIVE: u8 = 0b11;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::medium::Medium;
    use crate::tests::{Bench, good, refused};

    fn log(control: u8, page: u8, subpage: u8, pointer: u16, room: u16) -> Vec<u8> {
        let byte_2 = control << 6 | page;
        [&[0x4D, 0, byte_2, subpage, 0][..], &pointer.to_be_bytes(), &room.to_be_bytes(), &[0]].concat()
    }

    #[test]
    fn the_supported_pages_are_those_that_are_there() {
        assert_eq!(Bench::disk().ask(&log(1, 0, 0, 0, 255)), good(&[0, 0, 0, 2, 0x00, 0x19]));
        assert_eq!(Bench::thin_disk().ask(&log(1, 0, 0, 0, 255)), good(&[0, 0, 0, 3, 0x00, 0x0C, 0x19]));
        let golden = [0x40, 0xFF, 0, 8, 0, 0, 0, 0xFF, 0x0C, 0, 0x19, 0];
        assert_eq!(Bench::thin_disk().ask(&log(1, 0, 0xFF, 0, 255)), good(&golden));
        for (page, subpage) in (0..0x40).flat_map(|page| [(page, 0), (page, 0xFF), (page, 1)]) {
            let there = matches!((page, subpage), (0x00, 0 | 0xFF) | (0x0C | 0x19, 0));
            let answer = Bench::thin_disk().plan(&log(1, page, subpage, 0, 255));
            assert_eq!(
                !matches!(&answer, Plan::Reply(reply) if reply.sense.is_some()),
                there,
                "{page:02x}/{subpage:02x}"
            );
        }
    }

    #[test]
    fn what_is_not_there_is_pointed_at() {
        assert_eq!(Bench::disk().ask(&log(1, 0x02, 0, 0, 255)), refused(Sense::invalid_field(2)));
        assert_eq!(Bench::disk().ask(&log(1, 0x0C, 0, 0, 255)), refused(Sense::invalid_field(2)));
        assert_eq!(Bench::disk().ask(&log(1, 0x19, 0x20, 0, 255)), refused(Sense::invalid_field(3)));
        assert_eq!(Bench::disk().ask(&log(1, 0x00, 0, 1, 255)), refused(Sense::invalid_field(5)));
        for thresholds in [0b00, 0b10] {
            assert_eq!(Bench::disk().ask(&log(thresholds, 0x19, 0, 0, 255)), refused(Sense::invalid_bit(2, 7)));
        }
        let save = [0x4D, 0x01, 0x40, 0, 0, 0, 0, 0, 255, 0];
        assert_eq!(Bench::disk().ask(&save), refused(Sense::invalid_bit(1, 0)));
    }

    #[test]
    fn statistics_are_what_has_been_counted() {
        let mut bench = Bench::disk();
        bench.unit.book().gauges().slot(0).read(8, 0x0100, false);
        bench.unit.book().gauges().slot(1).wrote(16, 0x0200, true);
        let counters = |values: [u64; 8]| values.map(u64::to_be_bytes).concat();
        let golden = [
            &[0x99, 0, 0, 0x94, 0, 1, 0x02, 0x40][..],
            &counters([1, 1, 16, 8, 0x0100, 0x0200, 0, 0]),
            &[0, 3, 0x03, 8, 0, 0, 0, 9, 0, 0, 0, 1],
            &[0, 4, 0x02, 0x40],
            &counters([0, 1, 0, 0, 0, 0x0200, 0, 0]),
        ]
        .concat();
        assert_eq!(bench.ask(&log(1, 0x19, 0, 0, 1000)), good(&golden));
        let default = bench.data(&log(3, 0x19, 0, 0, 1000));
        assert_eq!((&default[8..72], default.len()), (&[0; 64][..], golden.len()));
        for room in [0, 3, 4, 100, 152] {
            assert_eq!(bench.data(&log(1, 0x19, 0, 0, room)), golden[..room.into()]);
        }
    }

    #[test]
    fn a_page_begins_with_the_parameter_that_is_pointed_to_or_the_next() {
        let mut bench = Bench::disk();
        let all = bench.data(&log(1, 0x19, 0, 0, 1000));
        let from = |bench: &mut Bench, pointer| bench.data(&log(1, 0x19, 0, pointer, 1000));
        assert_eq!(from(&mut bench, 1), all);
        assert_eq!(from(&mut bench, 2)[4..], all[72..]);
        assert_eq!(from(&mut bench, 3), [&[0x99, 0, 0, 12 + 68], &all[72..]].concat());
        assert_eq!(from(&mut bench, 4), [&[0x99, 0, 0, 68], &all[84..]].concat());
        assert_eq!(bench.ask(&log(1, 0x19, 0, 5, 1000)), refused(Sense::invalid_field(5)));
    }

    #[test]
    fn space_is_asked_of_the_disk_and_told_in_mebibytes_to_its_disadvantage() {
        let provisioning = log(1, 0x0C, 0, 0, 255);
        let mut bench = Bench::thin_disk();
        assert_eq!(bench.plan(&provisioning), Plan::Ask(Question::Usage));
        let answer = Answer::Usage { used: (5 << 20) + 1, available: (0x0102 << 20) + 99 };
        let golden = [0x8C, 0, 0, 24, 0, 1, 3, 8, 0, 0, 1, 2, 2, 0, 0, 0, 0, 2, 3, 8, 0, 0, 0, 6, 1, 0, 0, 0];
        assert_eq!(bench.answered(&provisioning, &answer), good(&golden));
        let mut large_blocks = Bench::thin_with(|medium| Medium { block_size: 4096, ..medium });
        assert_eq!(large_blocks.answered(&provisioning, &answer), good(&golden));
        assert_eq!(bench.answered(&log(1, 0x0C, 0, 2, 12), &answer), good(&[0x8C, 0, 0, 12, 0, 2, 3, 8, 0, 0, 0, 6]));
        let vast = Answer::Usage { used: u64::MAX, available: u64::MAX };
        assert!(matches!(bench.answered(&provisioning, &vast), Plan::Reply(reply) if reply.data[8..12] == [0xFF; 4]));
        assert_eq!(bench.answered(&provisioning, &Answer::Unknown), good(&[0x8C, 0, 0, 0]));
    }

    #[test]
    fn a_reservation_of_another_keeps_nobody_from_asking() {
        let mut holder = Bench::disk();
        let mut other = holder.neighbour(2);
        holder.done(&[0x16, 0, 0, 0, 0, 0]);
        other.data(&log(1, 0x19, 0, 0, 1000));
    }
}
