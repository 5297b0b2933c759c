//! READ DISC INFORMATION and READ TRACK INFORMATION: the disc is complete, and nothing can be written (MMC-6).

use super::{SESSION, TRACK, loaded};
use crate::command::Asked;
use crate::plan::Plan;
use crate::sense::Sense;

/// READ DISC INFORMATION, of the standard data type.
pub(crate) fn information(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    const COMPLETE_DISC: u8 = 0x02;
    const COMPLETE_SESSION: u8 = 0x0C;
    const UNRESTRICTED_USE: u8 = 0x20;
    loaded(asked)?;
    if asked.cdb.u8(1) & 0x07 != 0 {
        return Err(Sense::invalid_bit(1, 2));
    }
    let mut data = vec![0; 34];
    data[1] = 32;
    data[2] = COMPLETE_DISC | COMPLETE_SESSION;
    // First track on the disc; sessions; first and last track of the last session.
    data[3..7].copy_from_slice(&[TRACK, SESSION, TRACK, TRACK]);
    data[7] = UNRESTRICTED_USE;
    // Where the next session could begin, and end: nowhere.
    data[16..24].fill(0xFF);
    Ok(Plan::data(data, asked.cdb.u16(7).into()))
}

/// READ TRACK INFORMATION, by a block of the track, its number, or its session's.
pub(crate) fn track(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    const DATA_TRACK: u8 = 0x04;
    const MODE_1: u8 = 0x01;
    let medium = loaded(asked)?;
    let number = asked.cdb.u32(2);
    match asked.cdb.u8(1) & 0x03 {
        0 if u64::from(number) >= medium.blocks => return Err(Sense::LBA_OUT_OF_RANGE),
        0 => {}
        1 if number == u32::from(TRACK) => {}
        2 if number == u32::from(SESSION) => {}
        1 | 2 => return Err(Sense::invalid_field(2)),
        _ => return Err(Sense::invalid_bit(1, 1)),
    }
    let mut data = vec![0; 36];
    data[1] = 34;
    data[2..4].copy_from_slice(&[TRACK, SESSION]);
    data[5] = DATA_TRACK;
    data[6] = MODE_1;
    data[24..28].copy_from_slice(&(medium.blocks as u32).to_be_bytes());
    Ok(Plan::data(data, asked.cdb.u16(7).into()))
}

#[cfg(test)]
mod tests {
    use crate::sense::Sense;
    use crate::tests::{Bench, good, refused};

    #[test]
    fn a_disc_is_complete_with_one_session_of_one_track() {
        let mut golden = vec![0; 34];
        golden[1..8].copy_from_slice(&[32, 0x0E, 1, 1, 1, 1, 0x20]);
        golden[16..24].fill(0xFF);
        let mut bench = Bench::drive(1000);
        assert_eq!(bench.ask(&[0x51, 0, 0, 0, 0, 0, 0, 0, 255, 0]), good(&golden));
        assert_eq!(bench.ask(&[0x51, 0, 0, 0, 0, 0, 0, 0, 2, 0]), good(&golden[..2]));
        assert_eq!(bench.ask(&[0x51, 0, 0, 0, 0, 0, 0, 0, 0, 0]), good(&[]));
        assert_eq!(bench.ask(&[0x51, 1, 0, 0, 0, 0, 0, 0, 255, 0]), refused(Sense::invalid_bit(1, 2)));
        assert_eq!(Bench::drive(0).ask(&[0x51, 0, 0, 0, 0, 0, 0, 0, 255, 0]), refused(Sense::NO_MEDIUM));
    }

    #[test]
    fn the_track_is_found_by_block_number_and_session() {
        let mut golden = vec![0; 36];
        golden[1..7].copy_from_slice(&[34, 1, 1, 0, 4, 1]);
        golden[26..28].copy_from_slice(&[3, 0xE8]);
        let mut bench = Bench::drive(1000);
        let by = |kind: u8, number: u16| {
            let [high, low] = number.to_be_bytes();
            [0x52, kind, 0, 0, high, low, 0, 0, 255, 0]
        };
        for cdb in [by(0, 0), by(0, 999), by(1, 1), by(2, 1)] {
            assert_eq!(bench.ask(&cdb), good(&golden), "{cdb:02x?}");
        }
        assert_eq!(bench.ask(&by(0, 1000)), refused(Sense::LBA_OUT_OF_RANGE));
        for cdb in [by(1, 0), by(1, 2), by(2, 2), by(1, 0xFF)] {
            assert_eq!(bench.ask(&cdb), refused(Sense::invalid_field(2)), "{cdb:02x?}");
        }
        assert_eq!(bench.ask(&by(3, 0)), refused(Sense::invalid_bit(1, 1)));
        assert_eq!(Bench::drive(0).ask(&by(1, 1)), refused(Sense::NO_MEDIUM));
    }
}
