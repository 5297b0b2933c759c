//! A drive for optical discs that only reads (MMC-6): the image in it is one track of data in one session.

pub(crate) mod configuration;
pub(crate) mod disc;
pub(crate) mod drive;
pub(crate) mod events;
pub(crate) mod mode;
pub(crate) mod read;
pub(crate) mod structure;
pub(crate) mod toc;

use crate::command::Asked;
use crate::medium::Medium;
use crate::sense::{Sense, SenseKey};

/// What kind of disc an image is: by its size, as there is nothing else to go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disc {
    Cd,
    Dvd,
}

impl Disc {
    fn of(medium: &Medium) -> Disc {
        if medium.blocks <= CD_BLOCKS_MAX { Disc::Cd } else { Disc::Dvd }
    }

    /// Its PROFILE NUMBER.
    fn profile(self) -> u16 {
        match self {
            Disc::Cd => PROFILE_CD_ROM,
            Disc::Dvd => PROFILE_DVD_ROM,
        }
    }
}

/// Minutes, seconds and frames of a block; beyond what three bytes can say, the last that they can.
fn to_msf(lba: u64) -> [u8; 3] {
    let frame = (lba + PREGAP).min(MSF_MAX);
    [(frame / (75 * 60)) as u8, (frame / 75 % 60) as u8, (frame % 75) as u8]
}

/// The block at these minutes, seconds and frames.
///
/// # Errors
/// 5/21/00 in front of the first block; 5/24/00 where seconds or frames are too many, at byte `at` of the CDB.
fn from_msf(msf: [u8; 3], at: u16) -> Result<u64, Sense> {
    let [minutes, seconds, frames] = msf;
    if seconds >= 60 || frames >= 75 {
        return Err(Sense::invalid_field(at));
    }
    let frame = (u64::from(minutes) * 60 + u64::from(seconds)) * 75 + u64::from(frames);
    frame.checked_sub(PREGAP).ok_or(Sense::LBA_OUT_OF_RANGE)
}

/// The disc in the drive; an open tray is in the way of a command before this is asked.
///
/// # Errors
/// 2/3A/01: the tray is shut and empty.
fn loaded<'a>(asked: &Asked<'a>) -> Result<&'a Medium, Sense> {
    let medium = asked.unit.medium();
    if medium.blocks == 0 { Err(Sense::NO_MEDIUM) } else { Ok(medium) }
}

/// What only a drive says.
impl Sense {
    /// 2/3A/01: the tray is shut, and nothing is in it.
    pub const NO_MEDIUM: Sense = Sense::new(SenseKey::NotReady, 0x3A, 0x01);
    /// 2/3A/02: the tray is open.
    pub const NO_MEDIUM_TRAY_OPEN: Sense = Sense::new(SenseKey::NotReady, 0x3A, 0x02);
    /// 5/30/02: the medium does not have what is asked for.
    pub const INCOMPATIBLE_MEDIUM: Sense = Sense::new(SenseKey::IllegalRequest, 0x30, 0x02);
    /// 5/53/02: somebody prevents the removal of the medium.
    pub const REMOVAL_PREVENTED: Sense = Sense::new(SenseKey::IllegalRequest, 0x53, 0x02);
    /// 5/64/00: blocks of this track cannot be read so.
    pub const ILLEGAL_MODE: Sense = Sense::new(SenseKey::IllegalRequest, 0x64, 0x00);
}

const PROFILE_CD_ROM: u16 = 0x0008;
const PROFILE_DVD_ROM: u16 = 0x0010;

/// Eighty minutes; what is longer was never a CD.
const CD_BLOCKS_MAX: u64 = 80 * 60 * 75;

/// Two seconds before the first block of a CD.
const PREGAP: u64 = 150;

/// 255:59:74
const MSF_MAX: u64 = (255 * 60 + 59) * 75 + 74;

/// The only track, and the only session.
const TRACK: u8 = 1;
const SESSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_seconds_and_frames_begin_two_seconds_before_the_first_block() {
        for (lba, msf) in [(0, [0, 2, 0]), (74, [0, 2, 74]), (75, [0, 3, 0]), (4350, [1, 0, 0])] {
            assert_eq!(to_msf(lba), msf);
            assert_eq!(from_msf(msf, 3), Ok(lba));
        }
        assert_eq!(to_msf(u64::MAX - PREGAP), [255, 59, 74]);
        assert_eq!(from_msf([0, 1, 74], 3), Err(Sense::LBA_OUT_OF_RANGE));
        assert_eq!(from_msf([0, 60, 0], 3), Err(Sense::invalid_field(3)));
        assert_eq!(from_msf([0, 2, 75], 6), Err(Sense::invalid_field(6)));
    }

    #[test]
    fn an_image_of_up_to_eighty_minutes_is_a_cd_and_a_longer_one_a_dvd() {
        let disc = |blocks: u64| Disc::of(&Medium::disc(blocks * 2048).unwrap());
        assert_eq!((disc(360_000), disc(360_001)), (Disc::Cd, Disc::Dvd));
    }
}
