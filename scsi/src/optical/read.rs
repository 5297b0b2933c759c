//! READ CAPACITY, READ, READ CD and READ CD MSF of a drive (MMC-6).

use super::{Disc, from_msf, loaded};
use crate::block::range::{Addressed, unless_empty};
use crate::command::Asked;
use crate::plan::Plan;
use crate::sense::Sense;

/// READ CAPACITY: the last block, and how long blocks are.
pub(crate) fn capacity(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let medium = loaded(asked)?;
    let last = u32::try_from(medium.blocks - 1).expect("a disc has no more blocks than four bytes can say");
    Ok(Plan::data([last.to_be_bytes(), medium.block_size.to_be_bytes()].concat(), u32::MAX))
}

/// READ (10), (12). Nothing can be cached that is newer than the disc, so FUA is always honoured.
pub(crate) fn read(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let (at, len) = asked.addressed().transfer(loaded(asked)?)?;
    Ok(unless_empty(len, Plan::Read { at, len, fua: false }))
}

/// READ CD: the user data of blocks of a CD, and nothing else that a real one has between them.
pub(crate) fn read_cd(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let blocks = asked.cdb.u32(5) & 0x00FF_FFFF;
    user_data(asked, Addressed { lba: asked.cdb.u32(2).into(), blocks, blocks_field: 6 })
}

/// READ CD MSF: the same, from a time to a time.
pub(crate) fn read_cd_msf(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let time = |at: usize| from_msf([asked.cdb.u8(at), asked.cdb.u8(at + 1), asked.cdb.u8(at + 2)], at as u16);
    let (from, to) = (time(3)?, time(6)?);
    let blocks = to.checked_sub(from).ok_or(Sense::invalid_field(6))?;
    user_data(asked, Addressed { lba: from, blocks: blocks as u32, blocks_field: 6 })
}

fn user_data(asked: &Asked<'_>, blocks: Addressed) -> Result<Plan, Sense> {
    const ANY: u8 = 0;
    const MODE_1: u8 = 2;
    const USER_DATA: u8 = 0x10;
    let medium = loaded(asked)?;
    let expected = asked.cdb.u8(1) >> 2 & 0x07;
    if Disc::of(medium) != Disc::Cd || !matches!(expected, ANY | MODE_1) {
        return Err(Sense::ILLEGAL_MODE);
    }
    let (at, len) = blocks.transfer(medium)?;
    match asked.cdb.u8(9) {
        // Nothing of a block is asked for.
        0 => Ok(Plan::good()),
        USER_DATA => Ok(unless_empty(len, Plan::Read { at, len, fua: false })),
        _ => Err(Sense::invalid_field(9)),
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::Plan;
    use crate::sense::Sense;
    use crate::tests::{Bench, good, refused};

    const ONE_BLOCK: Plan = Plan::Read { at: 3 * 2048, len: 2048, fua: false };

    #[test]
    fn capacity_is_the_last_block_of_2048_bytes() {
        let cdb = [0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(Bench::drive(1000).ask(&cdb), good(&[0, 0, 3, 0xE7, 0, 0, 8, 0]));
        assert_eq!(Bench::drive(0).ask(&cdb), refused(Sense::NO_MEDIUM));
    }

    #[test]
    fn blocks_are_read_in_bytes_and_to_the_last() {
        let mut bench = Bench::drive(1000);
        assert_eq!(bench.plan(&[0x28, 0, 0, 0, 0, 3, 0, 0, 1, 0]), ONE_BLOCK);
        assert_eq!(bench.plan(&[0xA8, 0x18, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0]), ONE_BLOCK);
        assert_eq!(bench.ask(&[0x28, 0, 0, 0, 0, 3, 0, 0, 0, 0]), good(&[]));
        assert!(matches!(bench.plan(&[0x28, 0, 0, 0, 3, 0xE7, 0, 0, 1, 0]), Plan::Read { .. }));
        for cdb in [[0x28, 0, 0, 0, 3, 0xE7, 0, 0, 2, 0], [0x28, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 1, 0]] {
            assert_eq!(bench.ask(&cdb), refused(Sense::LBA_OUT_OF_RANGE));
        }
        assert_eq!(Bench::drive(0).ask(&[0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0]), refused(Sense::NO_MEDIUM));
    }

    #[test]
    fn of_a_cd_the_user_data_can_be_read_by_address_and_by_time() {
        let mut bench = Bench::drive(1000);
        let by_address = |kind: u8, what: u8| [0xBE, kind, 0, 0, 0, 3, 0, 0, 1, what, 0, 0];
        assert_eq!(bench.plan(&by_address(0, 0x10)), ONE_BLOCK);
        assert_eq!(bench.plan(&by_address(0x08, 0x10)), ONE_BLOCK);
        assert_eq!(bench.ask(&by_address(0, 0)), good(&[]));
        assert_eq!(bench.ask(&by_address(0, 0xF8)), refused(Sense::invalid_field(9)));
        assert_eq!(bench.ask(&by_address(0x04, 0x10)), refused(Sense::ILLEGAL_MODE));
        let by_time =
            |from: [u8; 3], to: [u8; 3]| [0xB9, 0, 0, from[0], from[1], from[2], to[0], to[1], to[2], 0x10, 0, 0];
        assert_eq!(bench.plan(&by_time([0, 2, 3], [0, 2, 4])), ONE_BLOCK);
        assert_eq!(bench.ask(&by_time([0, 2, 3], [0, 2, 3])), good(&[]));
        assert_eq!(bench.ask(&by_time([0, 2, 3], [0, 2, 2])), refused(Sense::invalid_field(6)));
        assert_eq!(bench.ask(&by_time([0, 1, 0], [0, 2, 2])), refused(Sense::LBA_OUT_OF_RANGE));
        assert_eq!(bench.ask(&by_time([99, 0, 0], [99, 0, 1])), refused(Sense::LBA_OUT_OF_RANGE));
        assert_eq!(Bench::drive(400_000).ask(&by_address(0, 0x10)), refused(Sense::ILLEGAL_MODE));
    }
}
