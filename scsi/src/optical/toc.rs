//! READ TOC/PMA/ATIP: where the track begins, and where the disc ends (MMC-6).

use super::{SESSION, TRACK, loaded, to_msf};
use crate::command::Asked;
use crate::plan::Plan;
use crate::sense::Sense;

/// The table of contents, the last session, or the table as a lead-in holds it.
pub(crate) fn read(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    // Drivers for ATAPI of old have the format where the CONTROL byte is vendor specific.
    let format = match asked.cdb.u8(2) & 0x0F {
        0 => asked.cdb.u8(9) >> 6,
        format => format,
    };
    let end = loaded(asked)?.blocks;
    let msf = asked.cdb.flag(1, 0x02);
    let from = asked.cdb.u8(6);
    let list = match format {
        0 if from > TRACK && from != LEAD_OUT => return Err(Sense::invalid_field(6)),
        0 => {
            let tracks = [(TRACK, 0), (LEAD_OUT, end)];
            tracks
                .iter()
                .filter(|(track, _)| *track >= from)
                .flat_map(|(track, lba)| entry(*track, *lba, msf))
                .collect()
        }
        1 => entry(TRACK, 0, msf).to_vec(),
        2 => lead_in(end),
        _ => return Err(Sense::invalid_field(2)),
    };
    // The first and the last track, or session.
    let len = (list.len() + 2) as u16;
    let header = [len.to_be_bytes(), [TRACK, TRACK]].concat();
    Ok(Plan::data([header, list].concat(), asked.cdb.u16(7).into()))
}

/// TOC track descriptor.
fn entry(track: u8, lba: u64, msf: bool) -> [u8; 8] {
    let [a, b, c, d] = match msf {
        true => {
            let [minutes, seconds, frames] = to_msf(lba);
            [0, minutes, seconds, frames]
        }
        false => (lba as u32).to_be_bytes(),
    };
    [0, DATA_TRACK, track, 0, a, b, c, d]
}

/// What the Q sub-channel of the lead-in says: the first and the last track, the end, and each track.
fn lead_in(end: u64) -> Vec<u8> {
    const FIRST: u8 = 0xA0;
    const LAST: u8 = 0xA1;
    const END: u8 = 0xA2;
    let points = [(FIRST, [TRACK, 0, 0]), (LAST, [TRACK, 0, 0]), (END, to_msf(end)), (TRACK, to_msf(0))];
    let point = |(point, [minutes, seconds, frames]): (u8, [u8; 3])| {
        [SESSION, DATA_TRACK, 0, point, 0, 0, 0, 0, minutes, seconds, frames]
    };
    points.into_iter().flat_map(point).collect()
}

/// ADR 1h (the position), CONTROL 4h: an uninterrupted track of data that may not be copied digitally by old players.
const DATA_TRACK: u8 = 0x14;

/// TRACK NUMBER of what comes after the last track.
const LEAD_OUT: u8 = 0xAA;

#[cfg(test)]
mod tests {
    use crate::sense::Sense;
    use crate::tests::{Bench, good, refused};

    fn toc(msf: u8, format: u8, from: u8, room: u8) -> [u8; 10] {
        [0x43, msf, format, 0, 0, 0, from, 0, room, 0]
    }

    #[test]
    fn there_is_one_track_of_data_and_the_end() {
        let mut bench = Bench::drive(1000);
        let whole = [0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xAA, 0, 0, 0, 3, 0xE8];
        assert_eq!(bench.ask(&toc(0, 0, 0, 255)), good(&whole));
        assert_eq!(bench.ask(&toc(0, 0, 1, 255)), good(&whole));
        let times = [0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 2, 0, 0, 0x14, 0xAA, 0, 0, 0, 15, 25];
        assert_eq!(bench.ask(&toc(2, 0, 0, 255)), good(&times));
        let end = [0, 10, 1, 1, 0, 0x14, 0xAA, 0, 0, 0, 3, 0xE8];
        assert_eq!(bench.ask(&toc(0, 0, 0xAA, 255)), good(&end));
        for from in [2, 0xA9, 0xAB] {
            assert_eq!(bench.ask(&toc(0, 0, from, 255)), refused(Sense::invalid_field(6)));
        }
    }

    #[test]
    fn the_last_session_is_the_first() {
        let session = [0, 10, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0];
        assert_eq!(Bench::drive(1000).ask(&toc(0, 1, 0, 255)), good(&session));
    }

    #[test]
    fn the_lead_in_tells_the_same_in_its_own_way() {
        let raw = [
            &[0, 46, 1, 1][..],
            &[1, 0x14, 0, 0xA0, 0, 0, 0, 0, 1, 0, 0],
            &[1, 0x14, 0, 0xA1, 0, 0, 0, 0, 1, 0, 0],
            &[1, 0x14, 0, 0xA2, 0, 0, 0, 0, 0, 15, 25],
            &[1, 0x14, 0, 1, 0, 0, 0, 0, 0, 2, 0],
        ]
        .concat();
        assert_eq!(Bench::drive(1000).ask(&toc(0, 2, 0, 255)), good(&raw));
    }

    #[test]
    fn the_format_may_stand_where_atapi_had_it() {
        let mut bench = Bench::drive(1000);
        let session = bench.ask(&toc(0, 1, 0, 255));
        assert_eq!(bench.ask(&[0x43, 0, 0, 0, 0, 0, 0, 0, 255, 0x40]), session);
    }

    #[test]
    fn what_is_not_on_the_disc_is_refused_and_the_rest_is_cut() {
        let mut bench = Bench::drive(1000);
        for format in 3..16 {
            assert_eq!(bench.ask(&toc(0, format, 0, 255)), refused(Sense::invalid_field(2)));
        }
        assert_eq!(bench.ask(&toc(0, 0, 0, 4)), good(&[0, 18, 1, 1]));
        assert_eq!(bench.ask(&toc(0, 0, 0, 0)), good(&[]));
        assert_eq!(Bench::drive(0).ask(&toc(0, 0, 0, 255)), refused(Sense::NO_MEDIUM));
    }
}
