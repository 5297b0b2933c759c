//! SEND DIAGNOSTIC and RECEIVE DIAGNOSTIC RESULTS: can the unit be trusted (SPC-4)? The default self-test reads a block;
//! of diagnostic pages there is only the one that says so.

use crate::command::Asked;
use crate::plan::Plan;
use crate::sense::Sense;

/// SEND DIAGNOSTIC.
///
/// # Errors
/// 5/24/00 for self-tests other than the default one, and for one that comes with a list; 5/1A/00 for a list that is no
/// page.
pub(crate) fn send(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    const SELFTEST: u8 = 0x04;
    const SELF_TEST_CODE: u8 = 0xE0;
    const PF: u8 = 0x10;
    let len = asked.cdb.u16(3);
    if asked.cdb.flag(1, SELF_TEST_CODE) {
        return Err(Sense::invalid_bit(1, 7));
    }
    match (asked.cdb.flag(1, SELFTEST), len) {
        (true, 0) => Ok(Plan::Verify { at: 0, len: asked.unit.medium().block_size }),
        (false, 0) => Ok(Plan::good()),
        (true, _) => Err(Sense::invalid_field(3)),
        (false, _) if !asked.cdb.flag(1, PF) => Err(Sense::invalid_bit(1, 4)),
        (false, _) if len != PAGE_HEADER => Err(Sense::PARAMETER_LIST_LENGTH),
        (false, _) if asked.data_out < len.into() => Err(Sense::DATA_OUT_LENGTH),
        (false, _) => Ok(Plan::Gather { len: len.into() }),
    }
}

/// With the page: SUPPORTED DIAGNOSTIC PAGES, whose answer is what RECEIVE DIAGNOSTIC RESULTS always gives.
///
/// # Errors
/// 5/26/00 for any other page.
pub(crate) fn sent(_: &mut Asked<'_>, list: &[u8]) -> Result<Plan, Sense> {
    match list.iter().position(|&byte| byte != 0) {
        None => Ok(Plan::good()),
        Some(at) => Err(Sense::invalid_parameter(at as u16)),
    }
}

/// RECEIVE DIAGNOSTIC RESULTS: the supported diagnostic pages; without PCV, because nothing else can have been sent.
///
/// # Errors
/// 5/24/00 for another page.
pub(crate) fn receive(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    if asked.cdb.u8(2) != SUPPORTED_PAGES {
        return Err(Sense::invalid_field(2));
    }
    Ok(Plan::data(vec![SUPPORTED_PAGES, 0, 0, 1, SUPPORTED_PAGES], asked.cdb.u16(3).into()))
}

const SUPPORTED_PAGES: u8 = 0x00;

/// Bytes of a page that has nothing behind its length.
const PAGE_HEADER: u16 = 4;

#[cfg(test)]
mod tests {
    use crate::medium::Medium;
    use crate::plan::Plan;
    use crate::sense::Sense;
    use crate::tests::{Bench, good, refused};

    fn send(flags: u8, len: u8) -> [u8; 6] {
        [0x1D, flags, 0, 0, len, 0]
    }

    #[test]
    fn the_default_self_test_reads_a_block() {
        assert_eq!(Bench::disk().plan(&send(0x04, 0)), Plan::Verify { at: 0, len: 512 });
        assert_eq!(Bench::disk().plan(&send(0x07, 0)), Plan::Verify { at: 0, len: 512 });
        let mut of_4096 = Bench::with(|medium| Medium { block_size: 4096, ..medium });
        assert_eq!(of_4096.plan(&send(0x04, 0)), Plan::Verify { at: 0, len: 4096 });
        assert_eq!(Bench::disk().ask(&send(0, 0)), good(&[]));
        assert_eq!(Bench::disk().ask(&send(0x10, 0)), good(&[]));
    }

    #[test]
    fn other_self_tests_are_refused() {
        for code in 1..8u8 {
            assert_eq!(Bench::disk().ask(&send(code << 5, 0)), refused(Sense::invalid_bit(1, 7)));
        }
        assert_eq!(Bench::disk().plan_with(&send(0x04, 4), 4), refused(Sense::invalid_field(3)));
        assert_eq!(Bench::disk().ask(&send(0x08, 0)), refused(Sense::invalid_bit(1, 3)));
    }

    #[test]
    fn the_page_of_pages_can_be_sent_and_no_other() {
        let mut bench = Bench::disk();
        assert_eq!(bench.plan_with(&send(0x10, 4), 4), Plan::Gather { len: 4 });
        assert_eq!(bench.gathered(&send(0x10, 4), &[0; 4]), good(&[]));
        assert_eq!(bench.gathered(&send(0x10, 4), &[0x40, 0, 0, 0]), refused(Sense::invalid_parameter(0)));
        assert_eq!(bench.gathered(&send(0x10, 4), &[0, 0, 0, 1]), refused(Sense::invalid_parameter(3)));
        assert_eq!(bench.plan_with(&send(0x10, 4), 3), refused(Sense::DATA_OUT_LENGTH));
        assert_eq!(bench.plan_with(&send(0x10, 5), 5), refused(Sense::PARAMETER_LIST_LENGTH));
        assert_eq!(bench.plan_with(&send(0x00, 4), 4), refused(Sense::invalid_bit(1, 4)));
    }

    #[test]
    fn the_page_of_pages_can_be_received_and_no_other() {
        let mut bench = Bench::disk();
        let page = [0, 0, 0, 1, 0];
        assert_eq!(bench.ask(&[0x1C, 1, 0, 0, 255, 0]), good(&page));
        assert_eq!(bench.ask(&[0x1C, 0, 0, 0, 255, 0]), good(&page));
        assert_eq!(bench.ask(&[0x1C, 1, 0, 0, 3, 0]), good(&page[..3]));
        assert_eq!(bench.ask(&[0x1C, 1, 0, 0, 0, 0]), good(&[]));
        assert_eq!(bench.ask(&[0x1C, 1, 0x40, 0, 255, 0]), refused(Sense::invalid_field(2)));
        assert_eq!(bench.ask(&[0x1C, 2, 0, 0, 255, 0]), refused(Sense::invalid_bit(1, 1)));
    }
}
