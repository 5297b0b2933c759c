//! READ, WRITE, WRITE AND VERIFY, in all their lengths (SBC-3).

use super::range::unless_empty;
use super::verify::{ByteCheck, byte_check};
use crate::command::Asked;
use crate::plan::Plan;
use crate::sense::Sense;

/// READ (6), (10), (12), (16), (32).
pub(crate) fn read(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let (at, len) = asked.addressed().transfer(asked.unit.medium())?;
    Ok(unless_empty(len, Plan::Read { at, len, fua: forces_access(asked) }))
}

/// WRITE (6), (10), (12), (16), (32).
pub(crate) fn write(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let (at, len) = asked.addressed().transfer(asked.unit.medium())?;
    Ok(unless_empty(len, Plan::Write { at, len, fua: forced(asked) }))
}

/// WRITE AND VERIFY (10), (12), (16), (32): to the medium, so durable, whatever FUA would say.
pub(crate) fn write_and_verify(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let compare = match byte_check(asked) {
        ByteCheck::Readable => false,
        ByteCheck::Same => true,
        ByteCheck::Reserved | ByteCheck::SameBlock => return Err(asked.wrong_flag(2)),
    };
    let (at, len) = asked.addressed().transfer(asked.unit.medium())?;
    Ok(unless_empty(len, Plan::WriteAndVerify { at, len, compare }))
}

/// Whether what is written has to be on the medium before the answer: FUA asks for it, or whoever turned the write cache
/// off for all (WCE).
pub(super) fn forced(asked: &Asked<'_>) -> bool {
    asked.nexus.verdict().write_through || forces_access(asked)
}

/// FUA; or FUA_NV, which asks for what survives a power loss: without a non-volatile cache that is the medium, too.
fn forces_access(asked: &Asked<'_>) -> bool {
    const FUA: u8 = 0x08;
    const FUA_NV: u8 = 0x02;
    asked.flags() & (FUA | FUA_NV) != 0
}

#[cfg(test)]
mod tests {
    use crate::book::Book;
    use crate::medium::Medium;
    use crate::plan::Plan;
    use crate::sense::Sense;
    use crate::tests::{Bench, good, refused};
    use crate::unit::LogicalUnit;

    #[test]
    fn reads_of_every_length_become_bytes() {
        let mut bench = Bench::disk();
        let expected = Plan::Read { at: 3 * 512, len: 2 * 512, fua: false };
        assert_eq!(bench.plan(&[0x08, 0, 0, 3, 2, 0]), expected);
        assert_eq!(bench.plan(&[0x28, 0, 0, 0, 0, 3, 0, 0, 2, 0]), expected);
        assert_eq!(bench.plan(&[0xA8, 0, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0]), expected);
        assert_eq!(bench.plan(&[0x88, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0]), expected);
    }

    #[test]
    fn writes_of_every_length_become_bytes() {
        let mut bench = Bench::disk();
        let expected = Plan::Write { at: 3 * 512, len: 2 * 512, fua: false };
        assert_eq!(bench.plan(&[0x0A, 0, 0, 3, 2, 0]), expected);
        assert_eq!(bench.plan(&[0x2A, 0, 0, 0, 0, 3, 0, 0, 2, 0]), expected);
        assert_eq!(bench.plan(&[0xAA, 0, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0]), expected);
        assert_eq!(bench.plan(&[0x8A, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0]), expected);
    }

    #[test]
    fn the_longest_commands_do_the_same_and_leave_tags_aside() {
        let cdb = |action: u8, flags: u8| {
            let mut cdb = [0; 32];
            (cdb[0], cdb[7], cdb[9], cdb[10], cdb[19], cdb[31]) = (0x7F, 0x18, action, flags, 3, 2);
            cdb[20..28].fill(0xA5);
            cdb[6] = 0x11;
            cdb
        };
        let (at, len) = (3 * 512, 2 * 512);
        let mut bench = Bench::disk();
        assert_eq!(bench.plan(&cdb(0x09, 0x10)), Plan::Read { at, len, fua: false });
        assert_eq!(bench.plan(&cdb(0x09, 0x08)), Plan::Read { at, len, fua: true });
        assert_eq!(bench.plan(&cdb(0x0A, 0x02)), Plan::Compare { at, len });
        assert_eq!(bench.plan(&cdb(0x0B, 0x08)), Plan::Write { at, len, fua: true });
        assert_eq!(bench.plan(&cdb(0x0C, 0x02)), Plan::WriteAndVerify { at, len, compare: true });
        assert_eq!(bench.ask(&cdb(0x0A, 0x04)), refused(Sense::invalid_bit(10, 2)));
        assert_eq!(bench.ask(&cdb(0x0C, 0x06)), refused(Sense::invalid_bit(10, 2)));
        assert_eq!(bench.ask(&cdb(0x09, 0x20)), refused(Sense::invalid_bit(10, 5)));
        let mut beyond = cdb(0x09, 0);
        beyond[12] = 0x80;
        assert_eq!(bench.ask(&beyond), refused(Sense::LBA_OUT_OF_RANGE));
        let mut too_much = cdb(0x0B, 0);
        (too_much[19], too_much[31]) = (0, 9);
        let mut short = Bench::with(|medium| Medium { max_transfer: 8, ..medium });
        assert_eq!(short.ask(&too_much), refused(Sense::invalid_field(28)));
        assert_eq!(bench.ask(&cdb(0x09, 0)[..31]), refused(Sense::INVALID_FIELD_IN_CDB));
    }

    #[test]
    fn a_write_is_durable_where_the_write_cache_is_off_for_all() {
        let disk = Bench::disk().unit;
        let mut lasting = disk.book().lasting();
        lasting.settings.write_through = true;
        let book = Book::keeping(lasting);
        let unit = LogicalUnit::new(disk.identity().clone(), disk.medium().clone(), book.into());
        let mut bench = Bench::on(unit);
        assert_eq!(bench.plan(&[0x0A, 0, 0, 3, 2, 0]), Plan::Write { at: 3 * 512, len: 1024, fua: true });
        assert_eq!(bench.plan(&[0x2A, 0, 0, 0, 0, 3, 0, 0, 2, 0]), Plan::Write { at: 3 * 512, len: 1024, fua: true });
        assert_eq!(bench.plan(&[0x08, 0, 0, 3, 2, 0]), Plan::Read { at: 3 * 512, len: 1024, fua: false });
        let zero = Plan::Zero { at: 3 * 512, len: 1024, may_unmap: false, fua: true };
        assert_eq!(bench.gathered(&[0x41, 0, 0, 0, 0, 3, 0, 0, 2, 0], &[0; 512]), zero);
        let same = Plan::WriteSame { at: 3 * 512, len: 1024, fua: true, pattern: [1; 512].into() };
        assert_eq!(bench.gathered(&[0x41, 0, 0, 0, 0, 3, 0, 0, 2, 0], &[1; 512]), same);
    }

    #[test]
    fn blocks_of_4096_bytes_are_counted_in_bytes_too() {
        let mut bench = Bench::with(|medium| Medium { block_size: 4096, ..medium });
        let expected = Plan::Read { at: 3 * 4096, len: 2 * 4096, fua: false };
        assert_eq!(bench.plan(&[0x28, 0, 0, 0, 0, 3, 0, 0, 2, 0]), expected);
    }

    #[test]
    fn the_shortest_commands_count_zero_as_256() {
        assert_eq!(Bench::disk().plan(&[0x08, 0, 0, 0, 0, 0]), Plan::Read { at: 0, len: 131_072, fua: false });
    }

    #[test]
    fn the_shortest_commands_do_not_take_an_address_for_fua() {
        let mut bench = Bench::with(|medium| Medium { blocks: 1 << 21, ..medium });
        let expected = Plan::Write { at: 0x0A_0000 * 512, len: 512, fua: false };
        assert_eq!(bench.plan(&[0x0A, 0x0A, 0, 0, 1, 0]), expected);
    }

    #[test]
    fn fua_and_fua_nv_force_the_medium_and_dpo_changes_nothing() {
        for (flags, forced) in [(0x00, false), (0x10, false), (0x08, true), (0x02, true), (0x1A, true)] {
            let read = Bench::disk().plan(&[0x28, flags, 0, 0, 0, 0, 0, 0, 1, 0]);
            assert_eq!(read, Plan::Read { at: 0, len: 512, fua: forced });
            let write = Bench::disk().plan(&[0x8A, flags, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
            assert_eq!(write, Plan::Write { at: 0, len: 512, fua: forced });
        }
    }

    #[test]
    fn protection_information_is_refused() {
        for protect in 1..8u8 {
            for opcode in [0x28, 0x2A, 0x2E, 0x2F] {
                let cdb = [opcode, protect << 5, 0, 0, 0, 0, 0, 0, 1, 0];
                let highest = 7 - (protect << 5).leading_zeros() as u8;
                assert_eq!(Bench::disk().ask(&cdb), refused(Sense::invalid_bit(1, highest)));
            }
        }
    }

    #[test]
    fn no_blocks_are_good_where_the_address_exists() {
        assert_eq!(Bench::disk().ask(&[0x28, 0, 0, 0, 0, 0, 0, 0, 0, 0]), good(&[]));
        assert_eq!(Bench::disk().ask(&[0x2A, 0, 0, 0, 7, 255, 0, 0, 0, 0]), good(&[]));
        assert_eq!(Bench::disk().ask(&[0x28, 0, 0, 0, 8, 0, 0, 0, 0, 0]), refused(Sense::LBA_OUT_OF_RANGE));
    }

    #[test]
    fn blocks_beyond_the_last_are_out_of_range() {
        for (lba, blocks) in [(2047u32, 2u16), (2048, 1), (0x8000_0000, 1), (u32::MAX, 1), (0, 2049)] {
            let ([a, b, c, d], [e, f]) = (lba.to_be_bytes(), blocks.to_be_bytes());
            for opcode in [0x28, 0x2A, 0x2E, 0x2F] {
                assert_eq!(Bench::disk().ask(&[opcode, 0, a, b, c, d, 0, e, f, 0]), refused(Sense::LBA_OUT_OF_RANGE));
            }
        }
        let mut far = [0x88, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 2, 0, 0];
        assert_eq!(Bench::disk().ask(&far), refused(Sense::LBA_OUT_OF_RANGE));
        far[0] = 0x8A;
        assert_eq!(Bench::disk().ask(&far), refused(Sense::LBA_OUT_OF_RANGE));
    }

    #[test]
    fn a_transfer_longer_than_the_limit_is_refused_and_one_at_it_is_not() {
        let mut bench = Bench::with(|medium| Medium { max_transfer: 4, ..medium });
        assert!(matches!(bench.plan(&[0x28, 0, 0, 0, 0, 0, 0, 0, 4, 0]), Plan::Read { len: 2048, .. }));
        assert_eq!(bench.ask(&[0x28, 0, 0, 0, 0, 0, 0, 0, 5, 0]), refused(Sense::invalid_field(7)));
        assert_eq!(bench.ask(&[0xAA, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0]), refused(Sense::invalid_field(6)));
    }

    #[test]
    fn write_and_verify_is_durable_and_compares_when_told_to() {
        let mut bench = Bench::disk();
        for (check, compare) in [(0x00, false), (0x10, false), (0x02, true)] {
            let expected = Plan::WriteAndVerify { at: 512, len: 1024, compare };
            assert_eq!(bench.plan(&[0x2E, check, 0, 0, 0, 1, 0, 0, 2, 0]), expected);
            assert_eq!(bench.plan(&[0xAE, check, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0]), expected);
            assert_eq!(bench.plan(&[0x8E, check, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0]), expected);
        }
        for reserved in [0x04, 0x06] {
            assert_eq!(bench.ask(&[0x2E, reserved, 0, 0, 0, 1, 0, 0, 2, 0]), refused(Sense::invalid_bit(1, 2)));
        }
    }

    #[test]
    fn a_read_only_disk_refuses_every_command_that_writes_and_reads_on() {
        let mut bench = Bench::thin_with(|medium| Medium { read_only: true, ..medium });
        let refused_as_read_only: Vec<u8> = Bench::every_command()
            .into_iter()
            .filter(|cdb| bench.ask(cdb) == refused(Sense::WRITE_PROTECTED))
            .map(|cdb| cdb[0])
            .collect();
        let expected = [
            0x04, 0x0A, 0x2A, 0x2E, 0x41, 0x42, 0x48, 0x48, 0x7F, 0x7F, 0x7F, 0x83, 0x89, 0x8A, 0x8B, 0x8E, 0x93, 0x9C,
            0xAA, 0xAE,
        ];
        assert_eq!(refused_as_read_only, expected);
        assert!(matches!(bench.plan(&[0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0]), Plan::Read { .. }));
    }

    #[test]
    fn hints_are_not_taken_but_not_refused() {
        let mut bench = Bench::disk();
        assert!(matches!(bench.plan(&[0x28, 0x04, 0, 0, 0, 0, 0x1F, 0, 1, 0]), Plan::Read { .. }));
        assert!(matches!(bench.plan(&[0x2A, 0, 0, 0, 0, 0, 0x1F, 0, 1, 0]), Plan::Write { .. }));
    }
}
