//! Writes that nothing may come between, and that are done as a whole or not at all: COMPARE AND WRITE, ORWRITE (SBC-3)
//! and WRITE ATOMIC (SBC-4).

use super::range::{Addressed, unless_empty};
use super::transfer::forced;
use crate::command::Asked;
use crate::plan::Plan;
use crate::sense::Sense;

/// COMPARE AND WRITE: twice as much data-out as blocks, what should be there before what should become of it.
///
/// # Errors
/// 5/0E/03 for any other amount of data-out: half of a lock is worse than none. 5/24/00 for data of no blocks: whoever
/// sends 256 of them finds zero in the one byte that there is for their number.
pub(crate) fn compare_and_write(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let medium = asked.unit.medium();
    let blocks = asked.cdb.u8(13);
    let (at, len) = Addressed { lba: asked.cdb.u64(2), blocks: blocks.into(), blocks_field: 13 }.transfer(medium)?;
    if blocks > medium.compare_and_write_max() {
        return Err(Sense::invalid_field(13));
    }
    if blocks == 0 && asked.data_out != 0 {
        return Err(Sense::invalid_field(13));
    }
    if asked.data_out != 2 * len {
        return Err(Sense::DATA_OUT_LENGTH);
    }
    Ok(unless_empty(len, Plan::CompareAndWrite { at, len, fua: forced(asked) }))
}

/// ORWRITE (16).
pub(crate) fn or_write(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let (at, len) = asked.addressed().transfer(asked.unit.medium())?;
    Ok(unless_empty(len, Plan::OrWrite { at, len, fua: forced(asked) }))
}

/// WRITE ATOMIC (16). ATOMIC BOUNDARY is zero: the row knows no bit of it.
///
/// # Errors
/// 5/24/00 for more blocks, another alignment or another granularity than the block limits page shows; 5/0E/03 for less
/// data-out than that, for a part cannot be the whole.
pub(crate) fn write_atomic(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    const ADDRESS: u16 = 2;
    const COUNT: u16 = 12;
    let medium = asked.unit.medium();
    let limits = medium.atomic_shown().ok_or(Sense::INVALID_OPCODE)?;
    let (lba, blocks) = (asked.cdb.u64(2), u32::from(asked.cdb.u16(12)));
    let (at, len) = Addressed { lba, blocks, blocks_field: COUNT }.transfer(medium)?;
    if blocks == 0 {
        return Ok(Plan::good());
    }
    if !lba.is_multiple_of(limits.alignment.max(1).into()) {
        return Err(Sense::invalid_field(ADDRESS));
    }
    if blocks > limits.max_blocks || !blocks.is_multiple_of(limits.granularity.max(1)) {
        return Err(Sense::invalid_field(COUNT));
    }
    if limits.natural && !blocks.is_power_of_two() {
        return Err(Sense::invalid_field(COUNT));
    }
    if limits.natural && !lba.is_multiple_of(blocks.into()) {
        return Err(Sense::invalid_field(ADDRESS));
    }
    if asked.data_out < len {
        return Err(Sense::DATA_OUT_LENGTH);
    }
    Ok(Plan::WriteAtomic { at, len, fua: forced(asked) })
}

#[cfg(test)]
mod tests {
    use crate::medium::{AtomicLimits, Medium};
    use crate::plan::Plan;
    use crate::sense::Sense;
    use crate::tests::{Bench, good, refused};

    fn caw(flags: u8, lba: u64, blocks: u8) -> [u8; 16] {
        let mut cdb = [0; 16];
        (cdb[0], cdb[1], cdb[13]) = (0x89, flags, blocks);
        cdb[2..10].copy_from_slice(&lba.to_be_bytes());
        cdb
    }

    fn long(opcode: u8, flags: u8, lba: u64, blocks: u32) -> [u8; 16] {
        let mut cdb = [0; 16];
        (cdb[0], cdb[1]) = (opcode, flags);
        cdb[2..10].copy_from_slice(&lba.to_be_bytes());
        cdb[10..14].copy_from_slice(&blocks.to_be_bytes());
        cdb
    }

    fn atomic(limits: AtomicLimits) -> Bench {
        Bench::with(|medium| Medium { atomic: Some(limits), ..medium })
    }

    const PLAIN: AtomicLimits = AtomicLimits { max_blocks: 64, alignment: 0, granularity: 0, natural: false };

    #[test]
    fn a_compare_and_write_has_the_blocks_twice_as_data_out() {
        let mut bench = Bench::disk();
        let plan = |fua| Plan::CompareAndWrite { at: 3 * 512, len: 1024, fua };
        assert_eq!(bench.plan_with(&caw(0, 3, 2), 2048), plan(false));
        assert_eq!(bench.plan_with(&caw(0x10, 3, 2), 2048), plan(false));
        assert_eq!(bench.plan_with(&caw(0x08, 3, 2), 2048), plan(true));
        for data_out in [0, 1024, 2047, 2049, 4096] {
            assert_eq!(bench.plan_with(&caw(0, 3, 2), data_out), refused(Sense::DATA_OUT_LENGTH), "{data_out}");
        }
    }

    #[test]
    fn comparing_and_writing_nothing_is_good() {
        assert_eq!(Bench::disk().ask(&caw(0, 3, 0)), good(&[]));
        assert_eq!(Bench::disk().ask(&caw(0, 2048, 0)), refused(Sense::LBA_OUT_OF_RANGE));
        let of_256_blocks = Bench::disk().plan_with(&caw(0, 0, 0), 2 * 256 * 512);
        assert_eq!(of_256_blocks, refused(Sense::invalid_field(13)));
    }

    #[test]
    fn a_compare_and_write_is_as_long_as_shown_and_no_longer() {
        let longest = Bench::disk().plan_with(&caw(0, 0, 255), 2 * 255 * 512);
        assert_eq!(longest, Plan::CompareAndWrite { at: 0, len: 255 * 512, fua: false });
        let mut short = Bench::with(|medium| Medium { max_transfer: 4, ..medium });
        assert!(matches!(short.plan_with(&caw(0, 0, 4), 4096), Plan::CompareAndWrite { len: 2048, .. }));
        assert_eq!(short.plan_with(&caw(0, 0, 5), 5120), refused(Sense::invalid_field(13)));
    }

    #[test]
    fn the_last_blocks_can_be_compared_and_none_beyond_them() {
        let mut bench = Bench::disk();
        assert!(matches!(bench.plan_with(&caw(0, 2047, 1), 1024), Plan::CompareAndWrite { .. }));
        for (lba, blocks) in [(2047, 2), (2048, 1), (1 << 63, 1), (u64::MAX, 1), (u64::MAX - 1, 255)] {
            let plan = bench.plan_with(&caw(0, lba, blocks), 1024 * u32::from(blocks));
            assert_eq!(plan, refused(Sense::LBA_OUT_OF_RANGE), "{lba}");
        }
    }

    #[test]
    fn fields_of_protection_and_reserved_bytes_are_refused() {
        let mut bench = Bench::disk();
        assert_eq!(bench.plan_with(&caw(0x20, 0, 1), 1024), refused(Sense::invalid_bit(1, 5)));
        for at in 10..13u16 {
            let mut cdb = caw(0, 0, 1);
            cdb[usize::from(at)] = 0x40;
            assert_eq!(bench.plan_with(&cdb, 1024), refused(Sense::invalid_bit(at, 6)));
        }
        assert_eq!(bench.plan_with(&long(0x8B, 0xE0, 0, 1), 512), refused(Sense::invalid_bit(1, 7)));
        assert_eq!(atomic(PLAIN).plan_with(&long(0x9C, 0x20, 0, 1), 512), refused(Sense::invalid_bit(1, 5)));
    }

    #[test]
    fn what_is_combined_is_a_transfer_like_any_other() {
        let mut bench = Bench::with(|medium| Medium { max_transfer: 8, ..medium });
        for (flags, fua) in [(0, false), (0x10, false), (0x08, true), (0x02, true)] {
            let plan = bench.plan_with(&long(0x8B, flags, 3, 2), 1024);
            assert_eq!(plan, Plan::OrWrite { at: 3 * 512, len: 1024, fua });
        }
        assert_eq!(bench.ask(&long(0x8B, 0, 3, 0)), good(&[]));
        assert_eq!(bench.ask(&long(0x8B, 0, 2048, 0)), refused(Sense::LBA_OUT_OF_RANGE));
        assert_eq!(bench.ask(&long(0x8B, 0, 2047, 2)), refused(Sense::LBA_OUT_OF_RANGE));
        assert_eq!(bench.ask(&long(0x8B, 0, u64::MAX, 1)), refused(Sense::LBA_OUT_OF_RANGE));
        assert!(matches!(bench.plan_with(&long(0x8B, 0, 0, 8), 4096), Plan::OrWrite { len: 4096, .. }));
        assert_eq!(bench.plan_with(&long(0x8B, 0, 0, 9), 4608), refused(Sense::invalid_field(10)));
    }

    #[test]
    fn an_atomic_write_exists_only_where_the_medium_has_it() {
        assert_eq!(Bench::disk().plan_with(&long(0x9C, 0, 0, 1), 512), refused(Sense::INVALID_OPCODE));
        let plan = atomic(PLAIN).plan_with(&long(0x9C, 0x08, 3, 2), 1024);
        assert_eq!(plan, Plan::WriteAtomic { at: 3 * 512, len: 1024, fua: true });
    }

    #[test]
    fn an_atomic_write_keeps_to_what_is_shown() {
        let limits = AtomicLimits { alignment: 8, granularity: 16, ..PLAIN };
        let mut bench = atomic(limits);
        let ok = |plan| matches!(plan, Plan::WriteAtomic { .. });
        assert!(ok(bench.plan_with(&long(0x9C, 0, 8, 64), 64 * 512)));
        assert!(ok(bench.plan_with(&long(0x9C, 0, 2048 - 48, 48), 48 * 512)));
        assert_eq!(bench.plan_with(&long(0x9C, 0, 8, 80), 80 * 512), refused(Sense::invalid_field(12)));
        assert_eq!(bench.plan_with(&long(0x9C, 0, 8, 8), 8 * 512), refused(Sense::invalid_field(12)));
        assert_eq!(bench.plan_with(&long(0x9C, 0, 1, 16), 16 * 512), refused(Sense::invalid_field(2)));
        assert_eq!(bench.plan_with(&long(0x9C, 0, 8, 16), 16 * 512 - 1), refused(Sense::DATA_OUT_LENGTH));
        assert_eq!(bench.ask(&long(0x9C, 0, 1, 0)), good(&[]));
        for lba in [2048, 1 << 63, u64::MAX, 0u64.wrapping_sub(8)] {
            assert_eq!(bench.ask(&long(0x9C, 0, lba, 0)), refused(Sense::LBA_OUT_OF_RANGE));
            assert_eq!(bench.ask(&long(0x9C, 0, lba, 16)), refused(Sense::LBA_OUT_OF_RANGE));
        }
    }

    #[test]
    fn an_atomic_boundary_is_refused() {
        let boundary = long(0x9C, 0, 0, 0x0001_0001);
        assert_eq!(atomic(PLAIN).plan_with(&boundary, 512), refused(Sense::invalid_bit(11, 0)));
    }

    #[test]
    fn a_disk_that_writes_powers_of_two_takes_nothing_else() {
        let mut bench = atomic(AtomicLimits { natural: true, ..PLAIN });
        assert!(matches!(bench.plan_with(&long(0x9C, 0, 32, 16), 16 * 512), Plan::WriteAtomic { .. }));
        assert_eq!(bench.plan_with(&long(0x9C, 0, 32, 24), 24 * 512), refused(Sense::invalid_field(12)));
        assert_eq!(bench.plan_with(&long(0x9C, 0, 8, 16), 16 * 512), refused(Sense::invalid_field(2)));
    }

    #[test]
    fn a_read_only_disk_takes_none_of_them() {
        let mut bench = Bench::with(|medium| Medium { read_only: true, atomic: Some(PLAIN), ..medium });
        assert_eq!(bench.plan_with(&caw(0, 0, 1), 1024), refused(Sense::WRITE_PROTECTED));
        assert_eq!(bench.plan_with(&long(0x8B, 0, 0, 1), 512), refused(Sense::WRITE_PROTECTED));
        assert_eq!(bench.plan_with(&long(0x9C, 0, 0, 1), 512), refused(Sense::WRITE_PROTECTED));
    }
}
