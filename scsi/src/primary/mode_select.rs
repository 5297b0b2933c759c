//! MODE SELECT (6) and (10): an initiator sets the unit, for all initiators (SPC-4).

use crate::attention::Attention;
use crate::command::Asked;
use crate::lasting::{Lasting, Settings};
use crate::page::mode::{Header, disk, select};
use crate::plan::{Amendment, Plan};
use crate::sense::Sense;

/// MODE SELECT (6): the parameter list first.
pub(crate) fn six(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let len = asked.cdb.u8(4);
    begin(asked, len.into())
}

/// MODE SELECT (10): the parameter list first.
pub(crate) fn ten(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let len = asked.cdb.u16(7);
    begin(asked, len)
}

/// The list of MODE SELECT (6).
pub(crate) fn gathered_six(asked: &mut Asked<'_>, list: &[u8]) -> Result<Plan, Sense> {
    gathered(asked, Header::Six, list)
}

/// The list of MODE SELECT (10).
pub(crate) fn gathered_ten(asked: &mut Asked<'_>, list: &[u8]) -> Result<Plan, Sense> {
    gathered(asked, Header::Ten, list)
}

/// # Errors
/// 5/24/00 where SP asks for stable storage that nobody has, or a list is not of the format of SPC (PF zero).
fn begin(asked: &Asked<'_>, len: u16) -> Result<Plan, Sense> {
    if asked.cdb.flag(1, SP) && !asked.unit.book().keeps() {
        return Err(Sense::invalid_bit(1, 0));
    }
    match len {
        // No list is no change; what has been set before can be saved by it all the same.
        0 => Ok(become_true(asked, asked.unit.book().settings())),
        _ if !asked.cdb.flag(1, PF) => Err(Sense::invalid_bit(1, 4)),
        _ if asked.data_out < u32::from(len) => Err(Sense::DATA_OUT_LENGTH),
        _ => Ok(Plan::Gather { len: len.into() }),
    }
}

fn gathered(asked: &Asked<'_>, header: Header, list: &[u8]) -> Result<Plan, Sense> {
    let now = asked.unit.book().settings();
    let settings = select(&disk::PAGES, asked.unit.medium(), now, header, list)?;
    Ok(become_true(asked, settings))
}

/// Sets the unit so, first on stable storage where SP asks for it.
fn become_true(asked: &Asked<'_>, settings: Settings) -> Plan {
    let (book, session) = (asked.unit.book(), asked.nexus.id().session);
    let now = book.lasting();
    // What has been written while there was a cache is to be as durable as what is written from now on (SBC-3, WCE).
    let then = match settings.write_through && !now.settings.write_through {
        true => Plan::Flush { at: 0, len: 0, immediate: false },
        false => Plan::good(),
    };
    if asked.cdb.flag(1, SP) && book.saved_settings() != Some(settings) {
        let posts = if settings == now.settings { Vec::new() } else { vec![(session, Attention::ModeChanged)] };
        let keep = Lasting { settings, ..book.kept() };
        let next = Lasting { settings, ..now };
        return Plan::Keep(Box::new(Amendment { keep, next, posts, told: Vec::new(), then }));
    }
    book.set(settings, session);
    then
}

/// Save pages.
const SP: u8 = 0x01;
/// Page format.
const PF: u8 = 0x10;

#[cfg(test)]
mod tests {
    use crate::attention::Attention;
    use crate::lasting::{Lasting, Settings};
    use crate::medium::Medium;
    use crate::plan::Plan;
    use crate::sense::Sense;
    use crate::tests::{Bench, attention, good, refused};

    const WRITE: [u8; 10] = [0x2A, 0, 0, 0, 0, 0, 0, 0, 1, 0];
    const TEST_UNIT_READY: [u8; 6] = [0; 6];

    /// MODE SELECT (6) with PF.
    fn six(save: u8, len: usize) -> [u8; 6] {
        [0x15, 0x10 | save, 0, 0, len as u8, 0]
    }

    /// A list with the control page, in which byte 4 is `swp` and byte 2 is `d_sense`.
    fn control(d_sense: u8, swp: u8) -> Vec<u8> {
        [&[0, 0, 0, 0, 0x0A, 0x0A, 0x02 | d_sense, 0x10, swp], &[0, 0, 0, 0xFF, 0xFF, 0, 0][..]].concat()
    }

    fn caching(wce: u8) -> Vec<u8> {
        [&[0, 0, 0, 0, 0x08, 0x12, wce], &[0; 17][..]].concat()
    }

    #[test]
    fn software_write_protection_refuses_writes_of_all_until_it_is_taken_back() {
        let mut bench = Bench::disk();
        let mut other = bench.neighbour(2);
        bench.gives(&six(0, 16), &control(0, 0x08));
        assert_eq!(other.ask(&TEST_UNIT_READY), attention(Attention::ModeChanged));
        for bench in [&mut bench, &mut other] {
            assert_eq!(bench.plan_with(&WRITE, 512), refused(Sense::SOFTWARE_WRITE_PROTECTED));
            assert_eq!(bench.data(&[0x1A, 8, 0x0A, 0, 255, 0])[2], 0x90);
        }
        bench.gives(&six(0, 16), &control(0, 0));
        assert!(matches!(bench.plan_with(&WRITE, 512), Plan::Write { .. }));
        assert_eq!(other.ask(&TEST_UNIT_READY), attention(Attention::ModeChanged));
        assert_eq!(bench.ask(&TEST_UNIT_READY), good(&[]));
    }

    #[test]
    fn descriptor_sense_is_for_every_nexus() {
        let mut bench = Bench::disk();
        let mut other = bench.neighbour(2);
        bench.gives(&six(0, 16), &control(0x04, 0));
        assert_eq!(other.ask(&TEST_UNIT_READY), attention(Attention::ModeChanged));
        assert_eq!(bench.ask(&TEST_UNIT_READY), good(&[]));
        assert!(bench.nexus.wants_descriptors() && other.nexus.wants_descriptors());
    }

    #[test]
    fn what_changes_nothing_is_told_to_nobody() {
        let mut bench = Bench::disk();
        let mut other = bench.neighbour(2);
        bench.gives(&six(0, 16), &control(0, 0));
        assert_eq!(bench.ask(&six(0, 0)), good(&[]));
        assert_eq!(other.ask(&TEST_UNIT_READY), good(&[]));
    }

    #[test]
    fn turning_the_cache_off_makes_durable_what_is_in_it() {
        let mut bench = Bench::with(|medium| Medium { write_cache: true, ..medium });
        let flush = Plan::Flush { at: 0, len: 0, immediate: false };
        assert_eq!(bench.gathered(&six(0, 24), &caching(0)), flush);
        assert_eq!(bench.data(&[0x1A, 8, 0x08, 0, 255, 0])[6], 0x00);
        assert!(bench.nexus.verdict().write_through);
        assert_eq!(bench.gathered(&six(0, 24), &caching(0)), good(&[]));
        assert_eq!(bench.gathered(&six(0, 24), &caching(0x04)), good(&[]));
        assert_eq!(bench.data(&[0x1A, 8, 0x08, 0, 255, 0])[6], 0x04);
    }

    #[test]
    fn what_is_to_be_saved_becomes_true_once_it_is_safe() {
        let mut bench = Bench::keeping(Lasting::default());
        let mut other = bench.neighbour(2);
        let plan = bench.gathered(&six(1, 16), &control(0, 0x08));
        assert_eq!(bench.unit.book().settings(), Settings::default());
        let saved = Settings { write_protect: true, ..Settings::default() };
        assert!(
            matches!(&plan, Plan::Keep(amendment) if amendment.keep == Lasting { settings: saved, ..Lasting::default() })
        );
        assert_eq!(bench.kept(plan), good(&[]));
        assert_eq!((bench.unit.book().settings(), bench.unit.book().saved_settings()), (saved, Some(saved)));
        assert_eq!(other.ask(&TEST_UNIT_READY), attention(Attention::ModeChanged));
        assert_eq!(bench.ask(&TEST_UNIT_READY), good(&[]));
        assert_eq!(bench.gathered(&six(1, 16), &control(0, 0x08)), good(&[]), "it is saved already");
    }

    #[test]
    fn what_was_set_without_saving_is_not_saved_by_something_else_and_can_be_saved_afterwards() {
        let mut bench = Bench::keeping(Lasting::default());
        bench.gives(&six(0, 16), &control(0, 0x08));
        assert_eq!(bench.unit.book().kept(), Lasting::default());
        assert_eq!(bench.data(&[0x1A, 8, 0xCA, 0, 255, 0])[8], 0x00);
        let mut other = bench.neighbour(2);
        let plan = bench.ask(&six(1, 0));
        assert_eq!(bench.kept(plan), good(&[]));
        assert_eq!(bench.data(&[0x1A, 8, 0xCA, 0, 255, 0])[8], 0x08);
        assert_eq!(other.ask(&TEST_UNIT_READY), good(&[]), "nothing has changed");
    }

    #[test]
    fn saving_needs_a_place_for_it_and_a_list_the_page_format() {
        assert_eq!(Bench::disk().plan_with(&six(1, 16), 16), refused(Sense::invalid_bit(1, 0)));
        assert_eq!(Bench::disk().plan_with(&[0x15, 0, 0, 0, 16, 0], 16), refused(Sense::invalid_bit(1, 4)));
        assert_eq!(Bench::disk().plan_with(&[0x15, 0, 0, 0, 0, 0], 0), good(&[]));
        assert_eq!(Bench::disk().plan_with(&[0x15, 0x12, 0, 0, 0, 0], 0), refused(Sense::invalid_bit(1, 1)));
    }

    #[test]
    fn as_much_is_gathered_as_the_list_is_long_and_no_less_may_be_announced() {
        let ten = |len: u16| [&[0x55, 0x10, 0, 0, 0, 0, 0][..], &len.to_be_bytes(), &[0]].concat();
        assert_eq!(Bench::disk().plan_with(&ten(0x1234), 0x1234), Plan::Gather { len: 0x1234 });
        assert_eq!(Bench::disk().plan_with(&ten(0x1234), 0x1233), refused(Sense::DATA_OUT_LENGTH));
        assert_eq!(Bench::disk().plan_with(&six(0, 255), 255), Plan::Gather { len: 255 });
        assert_eq!(Bench::disk().plan_with(&six(0, 255), 254), refused(Sense::DATA_OUT_LENGTH));
    }

    #[test]
    fn each_command_has_the_header_of_its_length() {
        let ten = [&[0, 0, 0, 0][..], &control(0, 0x08)].concat();
        let mut bench = Bench::disk();
        bench.gives(&[0x55, 0x10, 0, 0, 0, 0, 0, 0, 20, 0], &ten);
        assert!(bench.unit.book().settings().write_protect);
        let wrong = bench.gathered(&six(0, 20), &ten);
        assert_eq!(wrong, refused(Sense::invalid_parameter(4)), "a page 00h that is not there");
        assert!(bench.unit.book().settings().write_protect, "nothing of a wrong list counts");
    }
}
