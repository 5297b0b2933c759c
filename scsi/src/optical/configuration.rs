//! GET CONFIGURATION: which features the drive has, and which of them the disc in it makes current (MMC-6).

use super::{Disc, PROFILE_CD_ROM, PROFILE_DVD_ROM};
use crate::command::Asked;
use crate::plan::Plan;
use crate::sense::Sense;

/// Features from a number on: all of them, the current ones, or one.
pub(crate) fn get(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let disc = current(asked);
    let (which, from) = (asked.cdb.u8(1) & 0x03, asked.cdb.u16(2));
    let wanted = |feature: &&Feature| match which {
        ALL => feature.code >= from,
        CURRENT => feature.code >= from && (feature.current)(disc),
        _ => feature.code == from,
    };
    if which > ONE {
        return Err(Sense::invalid_bit(1, 1));
    }
    let list: Vec<u8> = FEATURES.iter().filter(wanted).flat_map(|feature| feature.descriptor(disc)).collect();
    // DATA LENGTH counts what comes behind it.
    let len = (list.len() + 4) as u32;
    let profile = disc.map_or(0, Disc::profile);
    let header = [&len.to_be_bytes()[..], &[0, 0], &profile.to_be_bytes()].concat();
    Ok(Plan::data([header, list].concat(), asked.cdb.u16(7).into()))
}

/// The disc that can be read now.
fn current(asked: &Asked<'_>) -> Option<Disc> {
    let medium = asked.unit.medium();
    (medium.blocks > 0 && !asked.unit.book().tray().open).then(|| Disc::of(medium))
}

/// REQUESTED TYPE.
const ALL: u8 = 0;
const CURRENT: u8 = 1;
const ONE: u8 = 2;

/// One feature descriptor.
struct Feature {
    code: u16,
    version: u8,
    /// It is current whatever disc there is.
    persistent: bool,
    current: fn(Option<Disc>) -> bool,
    data: fn(Option<Disc>) -> Vec<u8>,
}

impl Feature {
    fn descriptor(&self, disc: Option<Disc>) -> Vec<u8> {
        const PERSISTENT: u8 = 0x02;
        const CURRENT: u8 = 0x01;
        let mut flags = self.version << 2;
        flags |= if self.persistent { PERSISTENT } else { 0 };
        flags |= if (self.current)(disc) { CURRENT } else { 0 };
        let data = (self.data)(disc);
        [&self.code.to_be_bytes()[..], &[flags, data.len() as u8], &data].concat()
    }
}

fn always(_: Option<Disc>) -> bool {
    true
}

static FEATURES: [Feature; 7] = [
    // Profile list
    Feature { code: 0x0000, version: 0, persistent: true, current: always, data: profiles },
    // Core: the SCSI family of interfaces; it tells when it is busy (DBE).
    Feature { code: 0x0001, version: 2, persistent: true, current: always, data: |_| vec![0, 0, 0, 1, 1, 0, 0, 0] },
    // Morphing: events are polled for.
    Feature { code: 0x0002, version: 0, persistent: true, current: always, data: |_| vec![0; 4] },
    // Removable medium: a tray that loads, ejects and can be locked.
    Feature { code: 0x0003, version: 1, persistent: true, current: always, data: |_| vec![0x39, 0, 0, 0] },
    // Random readable: blocks of 2048 bytes, one by one; the error recovery page is there (PP).
    Feature {
        code: 0x0010,
        version: 0,
        persistent: false,
        current: |disc| disc.is_some(),
        data: |_| vec![0, 0, 8, 0, 0, 1, 1, 0],
    },
    // CD read: no C2 errors, no text, no audio.
    Feature {
        code: 0x001E,
        version: 2,
        persistent: false,
        current: |disc| disc == Some(Disc::Cd),
        data: |_| vec![0; 4],
    },
    // DVD read
    Feature {
        code: 0x001F,
        version: 0,
        persistent: false,
        current: |disc| disc == Some(Disc::Dvd),
        data: |_| Vec::new(),
    },
];

/// Profile descriptors, in descending order of preference.
fn profiles(disc: Option<Disc>) -> Vec<u8> {
    let profile = |number: u16| {
        let [high, low] = number.to_be_bytes();
        [high, low, u8::from(disc.map(Disc::profile) == Some(number)), 0]
    };
    [profile(PROFILE_DVD_ROM), profile(PROFILE_CD_ROM)].concat()
}

#[cfg(test)]
mod tests {
    use crate::sense::Sense;
    use crate::tests::{Bench, good, refused};

    fn get(which: u8, from: u8, room: u8) -> [u8; 10] {
        [0x46, which, 0, from, 0, 0, 0, 0, room, 0]
    }

    #[test]
    fn a_cd_makes_the_features_of_a_cd_current() {
        let golden = [
            &[0, 0, 0, 68, 0, 0, 0, 0x08][..],
            &[0x00, 0x00, 0x03, 8, 0x00, 0x10, 0, 0, 0x00, 0x08, 1, 0],
            &[0x00, 0x01, 0x0B, 8, 0, 0, 0, 1, 1, 0, 0, 0],
            &[0x00, 0x02, 0x03, 4, 0, 0, 0, 0],
            &[0x00, 0x03, 0x07, 4, 0x39, 0, 0, 0],
            &[0x00, 0x10, 0x01, 8, 0, 0, 8, 0, 0, 1, 1, 0],
            &[0x00, 0x1E, 0x09, 4, 0, 0, 0, 0],
            &[0x00, 0x1F, 0x00, 0],
        ]
        .concat();
        assert_eq!(Bench::drive(1000).ask(&get(0, 0, 255)), good(&golden));
    }

    #[test]
    fn a_dvd_and_no_disc_make_others_current() {
        let codes = |blocks| {
            let data = Bench::drive(blocks).data(&get(1, 0, 255));
            let mut codes = Vec::new();
            let mut at = 8;
            while at < data.len() {
                codes.push(data[at + 1]);
                at += 4 + usize::from(data[at + 3]);
            }
            (data[7], codes)
        };
        assert_eq!(codes(400_000), (0x10, vec![0x00, 0x01, 0x02, 0x03, 0x10, 0x1F]));
        assert_eq!(codes(0), (0x00, vec![0x00, 0x01, 0x02, 0x03]));
        let mut opened = Bench::drive(1000);
        opened.done(&[0x1B, 0, 0, 0, 2, 0]);
        assert_eq!(opened.data(&get(0, 0, 255))[7], 0);
    }

    #[test]
    fn one_feature_or_those_from_a_number_on_can_be_asked_for() {
        let mut bench = Bench::drive(1000);
        assert_eq!(bench.ask(&get(2, 3, 255)), good(&[0, 0, 0, 12, 0, 0, 0, 8, 0, 3, 7, 4, 0x39, 0, 0, 0]));
        assert_eq!(bench.ask(&get(2, 4, 255)), good(&[0, 0, 0, 4, 0, 0, 0, 8]));
        assert_eq!(bench.data(&get(0, 0x1F, 255)).len(), 12);
        assert_eq!(bench.ask(&get(3, 0, 255)), refused(Sense::invalid_bit(1, 1)));
        assert_eq!(bench.data(&get(0, 0, 8)), [0, 0, 0, 68, 0, 0, 0, 8]);
        assert_eq!(bench.ask(&get(0, 0, 0)), good(&[]));
    }
}
