//! FORMAT UNIT and SANITIZE: what becomes of the whole medium (SBC-3)?

use crate::command::Asked;
use crate::lasting::{Lasting, Operation};
use crate::plan::{Amendment, Erase, Erasure, Plan};
use crate::sense::Sense;

/// FORMAT UNIT. Without FMTDATA every block becomes zeroes. The CDB does not say how long the parameter list is, so the
/// transport's word for it is taken.
///
/// # Errors
/// 5/1A/00 where not even the header is announced.
pub(crate) fn format(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    const FMTDATA: u8 = 0x10;
    if !asked.cdb.flag(1, FMTDATA) {
        return Ok(erase(Operation::Format, Erasure::Zero, false));
    }
    if (asked.data_out as usize) < header_len(asked) {
        return Err(Sense::PARAMETER_LIST_LENGTH);
    }
    Ok(Plan::Gather { len: asked.data_out.min(FORMAT_LIST_MAX) })
}

/// With the parameter list: header, then an initialization pattern descriptor, where IP says so. There are no defects
/// that an initiator could know of.
///
/// # Errors
/// 5/26/00 for protection information, defect lists, vendor specific bits, and for options without FOV; 5/1A/00 where
/// the list ends before what it announces.
pub(crate) fn format_with(asked: &mut Asked<'_>, list: &[u8]) -> Result<Plan, Sense> {
    const FOV: u8 = 0x80;
    const DPRY_DCRT_STPF: u8 = 0x70;
    const IP: u8 = 0x08;
    const IMMED: u8 = 0x02;
    const VENDOR: u8 = 0x01;
    let header_len = header_len(asked);
    let (header, rest) = list.split_at_checked(header_len).ok_or(Sense::PARAMETER_LIST_LENGTH)?;
    let options = header[1];
    // The long header has the protection information exponents before a wider length of the defect list.
    let defects = header_len / 2;
    let must_be_zero = [(0, 0xFF), (1, VENDOR), (2, if header_len == LONG { 0xFF } else { 0 })];
    for (at, mask) in must_be_zero.into_iter().chain([(3, if header_len == LONG { 0xFF } else { 0 })]) {
        refuse_bits(header, at, mask)?;
    }
    if header[defects..].iter().any(|&byte| byte != 0) {
        return Err(Sense::invalid_parameter(defects as u16));
    }
    if options & FOV == 0 {
        refuse_bits(header, 1, DPRY_DCRT_STPF | IP)?;
    }
    let erasure = if options & IP != 0 { initialization(asked, header_len as u16, rest)? } else { Erasure::Zero };
    Ok(erase(Operation::Format, erasure, options & IMMED != 0))
}

/// The initialization pattern descriptor at byte `offset` of the list.
fn initialization(asked: &Asked<'_>, offset: u16, descriptor: &[u8]) -> Result<Erasure, Sense> {
    const DEFAULT: u8 = 0x00;
    const REPEAT: u8 = 0x01;
    let (fixed, pattern) = descriptor.split_at_checked(4).ok_or(Sense::PARAMETER_LIST_LENGTH)?;
    // IP MODIFIER would write addresses into the blocks, SI would overwrite what no address reaches.
    if fixed[0] != 0 {
        return Err(Sense::invalid_parameter(offset));
    }
    let len = u16::from_be_bytes([fixed[2], fixed[3]]);
    let fits = match fixed[1] {
        DEFAULT => len == 0,
        REPEAT => len != 0 && u32::from(len) <= asked.unit.medium().block_size,
        _ => return Err(Sense::invalid_parameter(offset + 1)),
    };
    if !fits {
        return Err(Sense::invalid_parameter(offset + 2));
    }
    let pattern = pattern.get(..len.into()).ok_or(Sense::PARAMETER_LIST_LENGTH)?;
    if pattern.iter().all(|&byte| byte == 0) {
        return Ok(Erasure::Zero);
    }
    Ok(Erasure::Overwrite { pattern: pattern.into(), passes: 1, invert: false })
}

/// SANITIZE, OVERWRITE: the pattern first.
///
/// # Errors
/// 5/24/00 for a list without a pattern, or with more than a block of it.
pub(crate) fn overwrite(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let len = asked.cdb.u16(7);
    if len <= OVERWRITE_HEADER || u32::from(len - OVERWRITE_HEADER) > asked.unit.medium().block_size {
        return Err(Sense::invalid_field(7));
    }
    if asked.data_out < len.into() {
        return Err(Sense::DATA_OUT_LENGTH);
    }
    Ok(Plan::Gather { len: len.into() })
}

/// With the pattern.
///
/// # Errors
/// 5/26/00 for no passes, a vendor's TEST, and a pattern that is nothing or more than a block; 5/1A/00 where the list
/// ends before it.
pub(crate) fn overwrite_with(asked: &mut Asked<'_>, list: &[u8]) -> Result<Plan, Sense> {
    const INVERT: u8 = 0x80;
    const TEST: u8 = 0x60;
    const OVERWRITE_COUNT: u8 = 0x1F;
    let (header, pattern) = list.split_at_checked(OVERWRITE_HEADER.into()).ok_or(Sense::PARAMETER_LIST_LENGTH)?;
    refuse_bits(header, 0, TEST)?;
    let passes = header[0] & OVERWRITE_COUNT;
    if passes == 0 {
        return Err(Sense::invalid_parameter_bit(0, 4));
    }
    refuse_bits(header, 1, 0xFF)?;
    let len = u16::from_be_bytes([header[2], header[3]]);
    if len == 0 || u32::from(len) > asked.unit.medium().block_size {
        return Err(Sense::invalid_parameter(2));
    }
    let pattern = pattern.get(..len.into()).ok_or(Sense::PARAMETER_LIST_LENGTH)?;
    let erasure = Erasure::Overwrite { pattern: pattern.into(), passes, invert: header[0] & INVERT != 0 };
    sanitize(asked, erasure)
}

/// SANITIZE, BLOCK ERASE.
pub(crate) fn block_erase(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    sanitize(asked, Erasure::Discard)
}

/// SANITIZE, EXIT FAILURE MODE. Where nothing has failed, there is nothing to do.
///
/// # Errors
/// 5/24/00 where the sanitize that failed was started without AUSE.
pub(crate) fn exit_failure_mode(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let book = asked.unit.book();
    let (now, kept) = (book.lasting(), book.kept());
    if let Some(Operation::Sanitize { may_exit: true }) = now.unfinished {
        // It is kept that it failed, so it has to be kept that this is over.
        let keep = Lasting { unfinished: None, ..kept };
        let next = Lasting { unfinished: None, ..now };
        return Ok(Plan::Keep(Box::new(Amendment {
            keep,
            next,
            posts: Vec::new(),
            told: Vec::new(),
            then: Plan::good(),
        })));
    }
    if book.exit_failure() { Ok(Plan::good()) } else { Err(Sense::invalid_bit(1, 4)) }
}

/// Begins, in the restricted or the unrestricted completion mode.
///
/// # Errors
/// 5/24/00 for AUSE after a sanitize without it has failed: nobody gets a way out that the first one closed.
fn sanitize(asked: &Asked<'_>, erasure: Erasure) -> Result<Plan, Sense> {
    const IMMED: u8 = 0x80;
    const AUSE: u8 = 0x20;
    let may_exit = asked.cdb.flag(1, AUSE);
    if may_exit && asked.unit.book().failed() == Some(Operation::Sanitize { may_exit: false }) {
        return Err(Sense::invalid_bit(1, 5));
    }
    Ok(erase(Operation::Sanitize { may_exit }, erasure, asked.cdb.flag(1, IMMED)))
}

fn erase(operation: Operation, erasure: Erasure, immediate: bool) -> Plan {
    Plan::Erase(Box::new(Erase { operation, erasure, immediate }))
}

/// 5/26/00 that points at the first of the bits of `mask` that byte `at` has.
fn refuse_bits(list: &[u8], at: usize, mask: u8) -> Result<(), Sense> {
    match list[at] & mask {
        0 => Ok(()),
        wrong => Err(Sense::invalid_parameter_bit(at as u16, 7 - wrong.leading_zeros() as u8)),
    }
}

/// Bytes of the header of FORMAT UNIT's parameter list.
fn header_len(asked: &Asked<'_>) -> usize {
    const LONGLIST: u8 = 0x20;
    if asked.cdb.flag(1, LONGLIST) { LONG } else { SHORT }
}

const SHORT: usize = 4;
const LONG: usize = 8;

/// What is read of a parameter list of FORMAT UNIT: the longest that means anything is a long header, a descriptor, and
/// a block.
const FORMAT_LIST_MAX: u32 = 8192;

/// Bytes before the pattern of OVERWRITE.
const OVERWRITE_HEADER: u16 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::{Book, Progress};
    use crate::medium::Medium;
    use crate::tests::{Bench, good, refused};
    use crate::unit::LogicalUnit;
    use std::sync::Arc;

    fn erasing(operation: Operation, erasure: Erasure, immediate: bool) -> Plan {
        Plan::Erase(Box::new(Erase { operation, erasure, immediate }))
    }

    fn format_unit(flags: u8, list: &[u8]) -> Plan {
        let mut bench = Bench::disk();
        let cdb = [0x04, flags, 0, 0, 0, 0];
        match bench.plan_with(&cdb, list.len() as u32) {
            Plan::Gather { len } => bench.gathered(&cdb, &list[..len as usize]),
            other => other,
        }
    }

    fn sanitize_cdb(byte_1: u8, len: u16) -> [u8; 10] {
        let [high, low] = len.to_be_bytes();
        [0x48, byte_1, 0, 0, 0, 0, 0, high, low, 0]
    }

    fn overwriting(byte_1: u8, list: &[u8]) -> Plan {
        let mut bench = Bench::disk();
        let cdb = sanitize_cdb(byte_1, list.len() as u16);
        match bench.plan_with(&cdb, list.len() as u32) {
            Plan::Gather { len } => bench.gathered(&cdb, &list[..len as usize]),
            other => other,
        }
    }

    fn pattern(passes: u8, invert: bool, pattern: &[u8]) -> Erasure {
        Erasure::Overwrite { pattern: pattern.into(), passes, invert }
    }

    #[test]
    fn a_format_without_data_zeroes_everything() {
        assert_eq!(format_unit(0, &[]), erasing(Operation::Format, Erasure::Zero, false));
        assert_eq!(format_unit(0x05, &[]), erasing(Operation::Format, Erasure::Zero, false));
    }

    #[test]
    fn both_headers_of_a_format_say_whether_to_wait() {
        for (options, immediate) in [(0, false), (0x02, true), (0x80, false), (0xF2, true), (0x06, true)] {
            let expected = erasing(Operation::Format, Erasure::Zero, immediate);
            assert_eq!(format_unit(0x10, &[0, options, 0, 0]), expected);
            assert_eq!(format_unit(0x30, &[0, options, 0, 0, 0, 0, 0, 0]), expected);
        }
    }

    #[test]
    fn each_field_of_a_format_header_that_is_not_known_is_pointed_at() {
        let bit = |byte, bit| refused(Sense::invalid_parameter_bit(byte, bit));
        for (list, expected) in [
            ([0x01, 0, 0, 0], bit(0, 0)),
            ([0, 0x01, 0, 0], bit(1, 0)),
            ([0, 0x40, 0, 0], bit(1, 6)),
            ([0, 0x08, 0, 0], bit(1, 3)),
            ([0, 0, 0, 4], refused(Sense::invalid_parameter(2))),
        ] {
            assert_eq!(format_unit(0x10, &list), expected, "{list:02x?}");
        }
        assert_eq!(format_unit(0x30, &[0, 0, 1, 0, 0, 0, 0, 0]), bit(2, 0));
        assert_eq!(format_unit(0x30, &[0, 0, 0, 0x10, 0, 0, 0, 0]), bit(3, 4));
        assert_eq!(format_unit(0x30, &[0, 0, 0, 0, 0, 0, 0, 8]), refused(Sense::invalid_parameter(4)));
    }

    #[test]
    fn a_format_list_that_ends_before_its_fields_is_too_short() {
        let short = refused(Sense::PARAMETER_LIST_LENGTH);
        assert_eq!(format_unit(0x10, &[]), short);
        assert_eq!(format_unit(0x10, &[0, 0, 0]), short);
        assert_eq!(format_unit(0x30, &[0; 7]), short);
        assert_eq!(format_unit(0x10, &[0, 0x88, 0, 0, 0, 1, 0]), short);
        assert_eq!(format_unit(0x10, &[0, 0x88, 0, 0, 0, 1, 0, 2, 0xAA]), short);
    }

    #[test]
    fn a_format_has_the_pattern_that_it_was_given() {
        let with = |descriptor: &[u8]| format_unit(0x10, &[&[0, 0x88, 0, 0], descriptor].concat());
        let expected = |erasure| erasing(Operation::Format, erasure, false);
        assert_eq!(with(&[0, 1, 0, 2, 0xAA, 0xBB]), expected(pattern(1, false, &[0xAA, 0xBB])));
        assert_eq!(with(&[0, 1, 0, 2, 0, 0]), expected(Erasure::Zero));
        assert_eq!(with(&[0, 0, 0, 0]), expected(Erasure::Zero));
        let block = [&[0, 1, 2, 0][..], &[7; 512]].concat();
        assert_eq!(with(&block), expected(pattern(1, false, &[7; 512])));
    }

    #[test]
    fn a_pattern_descriptor_of_another_kind_or_size_is_pointed_at() {
        let with = |descriptor: &[u8]| format_unit(0x10, &[&[0, 0x88, 0, 0], descriptor].concat());
        let at = |byte| refused(Sense::invalid_parameter(byte));
        assert_eq!(with(&[0x40, 1, 0, 1, 7]), at(4));
        assert_eq!(with(&[0x20, 1, 0, 1, 7]), at(4));
        assert_eq!(with(&[0, 2, 0, 1, 7]), at(5));
        assert_eq!(with(&[0, 1, 0, 0]), at(6));
        assert_eq!(with(&[0, 0, 0, 1, 7]), at(6));
        let more_than_a_block = [&[0, 1, 2, 1][..], &[7; 513]].concat();
        assert_eq!(with(&more_than_a_block), at(6));
    }

    #[test]
    fn protection_information_cannot_be_formatted() {
        assert_eq!(format_unit(0x40, &[]), refused(Sense::invalid_bit(1, 6)));
        assert_eq!(format_unit(0x80, &[]), refused(Sense::invalid_bit(1, 7)));
        let vendor = Bench::disk().ask(&[0x04, 0, 1, 0, 0, 0]);
        assert_eq!(vendor, refused(Sense::invalid_bit(2, 0)));
    }

    #[test]
    fn a_format_list_is_read_no_further_than_it_can_mean_something() {
        let plan = |data_out| Bench::disk().plan_with(&[0x04, 0x10, 0, 0, 0, 0], data_out);
        assert_eq!(plan(8192), Plan::Gather { len: 8192 });
        assert_eq!(plan(8193), Plan::Gather { len: 8192 });
        assert_eq!(plan(u32::MAX), Plan::Gather { len: 8192 });
    }

    #[test]
    fn an_overwrite_has_its_pattern_passes_and_flags() {
        let operation = |may_exit| Operation::Sanitize { may_exit };
        let list = [0x03, 0, 0, 2, 1, 2];
        assert_eq!(overwriting(0x01, &list), erasing(operation(false), pattern(3, false, &[1, 2]), false));
        assert_eq!(overwriting(0xA1, &list), erasing(operation(true), pattern(3, false, &[1, 2]), true));
        let inverted = [0x9F, 0, 0, 1, 0];
        assert_eq!(overwriting(0x01, &inverted), erasing(operation(false), pattern(31, true, &[0]), false));
        let block = [&[1, 0, 2, 0][..], &[7; 512]].concat();
        assert_eq!(overwriting(0x01, &block), erasing(operation(false), pattern(1, false, &[7; 512]), false));
    }

    #[test]
    fn an_overwrite_list_has_from_one_byte_to_a_block_of_pattern() {
        let plan = |len, data_out| Bench::disk().plan_with(&sanitize_cdb(1, len), data_out);
        for len in (0..=4).chain([517, u16::MAX]) {
            assert_eq!(plan(len, 1000), refused(Sense::invalid_field(7)), "{len}");
        }
        assert_eq!(plan(5, 5), Plan::Gather { len: 5 });
        assert_eq!(plan(516, 516), Plan::Gather { len: 516 });
        assert_eq!(plan(516, 515), refused(Sense::DATA_OUT_LENGTH));
    }

    #[test]
    fn each_field_of_an_overwrite_list_that_is_wrong_is_pointed_at() {
        for (list, expected) in [
            ([0x00, 0, 0, 1, 7], Sense::invalid_parameter_bit(0, 4)),
            ([0x80, 0, 0, 1, 7], Sense::invalid_parameter_bit(0, 4)),
            ([0x21, 0, 0, 1, 7], Sense::invalid_parameter_bit(0, 5)),
            ([0x01, 8, 0, 1, 7], Sense::invalid_parameter_bit(1, 3)),
            ([0x01, 0, 0, 0, 7], Sense::invalid_parameter(2)),
            ([0x01, 0, 2, 1, 7], Sense::invalid_parameter(2)),
            ([0x01, 0, 0, 2, 7], Sense::PARAMETER_LIST_LENGTH),
        ] {
            assert_eq!(overwriting(0x01, &list), refused(expected), "{list:02x?}");
        }
    }

    #[test]
    fn a_block_erase_is_there_where_it_can_be_seen() {
        let cdb = sanitize_cdb(0x02, 0);
        let operation = Operation::Sanitize { may_exit: false };
        assert_eq!(Bench::thin_disk().plan(&cdb), erasing(operation, Erasure::Discard, false));
        let unknown = refused(Sense::invalid_bit(1, 4));
        assert_eq!(Bench::disk().plan(&cdb), unknown);
        assert_eq!(Bench::thin_with(|medium| Medium { maps: false, ..medium }).plan(&cdb), unknown);
        let with_a_list = Bench::thin_disk().plan_with(&sanitize_cdb(0x02, 8), 8);
        assert_eq!(with_a_list, refused(Sense::invalid_bit(8, 3)));
    }

    #[test]
    fn other_ways_to_sanitize_are_invalid_and_so_are_reserved_bits() {
        for action in (0..0x20).filter(|action| ![0x01, 0x02, 0x1F].contains(action)) {
            assert_eq!(Bench::thin_disk().plan(&sanitize_cdb(action, 0)), refused(Sense::invalid_bit(1, 4)));
        }
        for action in [0x01, 0x02, 0x1F] {
            let reserved = Bench::thin_disk().plan(&sanitize_cdb(0x40 | action, 0));
            assert_eq!(reserved, refused(Sense::invalid_bit(1, 6)));
            for at in 2..7u16 {
                let mut cdb = sanitize_cdb(action, 0);
                cdb[usize::from(at)] = 2;
                assert_eq!(Bench::thin_disk().plan(&cdb), refused(Sense::invalid_bit(at, 1)));
            }
        }
    }

    #[test]
    fn a_read_only_disk_is_neither_formatted_nor_sanitized() {
        let mut bench = Bench::thin_with(|medium| Medium { read_only: true, ..medium });
        assert_eq!(bench.ask(&[0x04, 0, 0, 0, 0, 0]), refused(Sense::WRITE_PROTECTED));
        assert_eq!(bench.ask(&sanitize_cdb(0x01, 8)), refused(Sense::WRITE_PROTECTED));
        assert_eq!(bench.ask(&sanitize_cdb(0x02, 0)), refused(Sense::WRITE_PROTECTED));
    }

    fn begun(bench: &Bench, operation: Operation) -> Arc<Progress> {
        bench.unit.book().begin(operation).expect("nothing runs")
    }

    #[test]
    fn while_it_runs_only_those_commands_pass_that_need_no_medium() {
        let mut bench = Bench::thin_disk();
        let mut other = bench.neighbour(2);
        let progress = begun(&bench, Operation::Sanitize { may_exit: true });
        progress.set(3, 4);
        let not_ready = refused(Sense::SANITIZING.with_progress(0xC000));
        for cdb in [&[0; 6][..], &[0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0], &[0x1B, 0, 0, 0, 1, 0], &[0x04, 0, 0, 0, 0, 0]] {
            assert_eq!(bench.ask(cdb), not_ready);
            assert_eq!(other.ask(cdb), not_ready);
        }
        for action in [0x02, 0x1F] {
            assert_eq!(other.ask(&sanitize_cdb(action, 0)), not_ready);
        }
        progress.set(4, 4);
        assert_eq!(bench.ask(&[0; 6]), refused(Sense::SANITIZING.with_progress(0xFFFF)));
        bench.done(&[0x12, 0, 0, 0, 36, 0]);
        bench.done(&[0xA0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0]);
        bench.unit.book().reset(None, crate::Attention::DeviceReset);
        assert_eq!(bench.unit.book().underway(), Some(Sense::SANITIZING.with_progress(0xFFFF)));
        bench.unit.book().end(Operation::Sanitize { may_exit: true }, true);
        bench.nexus.meet(&bench.unit.book().clone());
        bench.nexus.forget_attentions();
        assert_eq!(bench.ask(&[0; 6]), good(&[]));
    }

    #[test]
    fn a_failed_format_is_mended_by_another_erasure_and_by_nothing_else() {
        let mut bench = Bench::thin_disk();
        begun(&bench, Operation::Format);
        bench.unit.book().end(Operation::Format, false);
        let corrupted = refused(Sense::FORMAT_CORRUPTED);
        assert_eq!(bench.ask(&[0; 6]), corrupted);
        assert_eq!(bench.ask(&[0x0A, 0, 0, 0, 1, 0]), corrupted);
        assert!(matches!(bench.plan(&[0x04, 0, 0, 0, 0, 0]), Plan::Erase(_)));
        assert!(matches!(bench.plan(&sanitize_cdb(0x02, 0)), Plan::Erase(_)));
        begun(&bench, Operation::Format);
        bench.unit.book().end(Operation::Format, true);
        assert_eq!(bench.ask(&[0; 6]), good(&[]));
    }

    #[test]
    fn a_failed_sanitize_is_mended_by_a_sanitize_or_left_where_that_was_allowed() {
        for may_exit in [false, true] {
            let mut bench = Bench::thin_disk();
            let operation = Operation::Sanitize { may_exit };
            assert_eq!(bench.ask(&sanitize_cdb(0x1F, 0)), good(&[]));
            begun(&bench, operation);
            bench.unit.book().end(operation, false);
            let failed = refused(Sense::SANITIZE_FAILED);
            assert_eq!(bench.ask(&[0; 6]), failed);
            assert_eq!(bench.ask(&[0x04, 0, 0, 0, 0, 0]), failed);
            assert!(matches!(bench.plan(&sanitize_cdb(0x02, 0)), Plan::Erase(_)));
            let (exit, after) = match may_exit {
                true => (good(&[]), good(&[])),
                false => (refused(Sense::invalid_bit(1, 4)), failed),
            };
            match bench.plan(&sanitize_cdb(0x22, 0)) {
                Plan::Erase(_) => assert!(may_exit),
                other => assert_eq!((may_exit, other), (false, refused(Sense::invalid_bit(1, 5)))),
            }
            assert_eq!(bench.ask(&sanitize_cdb(0x1F, 0)), exit);
            assert_eq!(bench.ask(&[0; 6]), after);
        }
    }

    #[test]
    fn a_unit_comes_back_from_a_failure_as_unusable_as_it_was_left() {
        let restarted = |lasting: Lasting| {
            let disk = Bench::thin_disk().unit;
            let book = Book::keeping(lasting).into();
            Bench::on(LogicalUnit::new(disk.identity().clone(), disk.medium().clone(), book))
        };
        let bench = restarted(Lasting::default());
        let operation = Operation::Sanitize { may_exit: true };
        begun(&bench, operation);
        let text = serde_json::to_string(&bench.unit.book().mark(Some(operation))).unwrap();
        let mut bench = restarted(serde_json::from_str(&text).unwrap());
        assert_eq!(bench.ask(&[0; 6]), refused(Sense::SANITIZE_FAILED));
        let Plan::Keep(amendment) = bench.plan(&sanitize_cdb(0x1F, 0)) else { panic!("it has to be kept") };
        assert_eq!(amendment.keep, Lasting::default());
        assert_eq!(bench.ask(&[0; 6]), refused(Sense::SANITIZE_FAILED));
        assert_eq!(bench.unit.book().amend(*amendment), good(&[]));
        assert_eq!(bench.ask(&[0; 6]), good(&[]));
        begun(&bench, Operation::Format);
        bench.unit.book().mark(Some(Operation::Format));
        assert_eq!(bench.unit.book().mark(None), Lasting::default());
    }
}
