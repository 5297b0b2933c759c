//! READ CAPACITY: how many blocks, of what size, and how they lie on the disk (SBC-3)?

use crate::command::Asked;
use crate::medium::PHYSICAL_EXPONENT_MAX;
use crate::plan::Plan;
use crate::sense::Sense;

/// READ CAPACITY (10): FFFF_FFFFh for a disk that needs the longer form.
pub(crate) fn ten(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let medium = asked.unit.medium();
    let last = u32::try_from(medium.blocks - 1).unwrap_or(u32::MAX);
    let data = [last.to_be_bytes(), medium.block_size.to_be_bytes()].concat();
    Ok(Plan::data(data, u32::MAX))
}

/// READ CAPACITY (16).
pub(crate) fn sixteen(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    const LBPME: u8 = 0x80;
    const LBPRZ: u8 = 0x40;
    let medium = asked.unit.medium();
    let provisioning = match medium.unmap {
        Some(unmap) if unmap.reads_zero => LBPME | LBPRZ,
        Some(_) => LBPME,
        None => 0,
    };
    let [aligned_high, aligned_low] = medium.lowest_aligned.to_be_bytes();
    let mut data = vec![0; 32];
    data[..8].copy_from_slice(&(medium.blocks - 1).to_be_bytes());
    data[8..12].copy_from_slice(&medium.block_size.to_be_bytes());
    data[13] = medium.physical_exponent.min(PHYSICAL_EXPONENT_MAX);
    data[14] = provisioning | (aligned_high & 0x3F);
    data[15] = aligned_low;
    Ok(Plan::data(data, asked.cdb.u32(10)))
}

#[cfg(test)]
mod tests {
    use crate::medium::{Medium, UnmapLimits};
    use crate::sense::Sense;
    use crate::tests::{Bench, good, refused};

    const TEN: [u8; 10] = [0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    fn sixteen(room: u8) -> [u8; 16] {
        [0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, room, 0, 0]
    }

    #[test]
    fn the_short_form_has_the_last_block_and_the_block_size() {
        assert_eq!(Bench::disk().ask(&TEN), good(&[0, 0, 7, 255, 0, 0, 2, 0]));
        let mut of_4096 = Bench::with(|medium| Medium { block_size: 4096, ..medium });
        assert_eq!(of_4096.ask(&TEN), good(&[0, 0, 7, 255, 0, 0, 16, 0]));
    }

    #[test]
    fn the_short_form_gives_up_one_block_past_its_field() {
        let last = |blocks| Bench::with(|medium| Medium { blocks, ..medium }).data(&TEN)[..4].to_vec();
        assert_eq!(last((1 << 32) - 1), [0xFF, 0xFF, 0xFF, 0xFE]);
        assert_eq!(last(1 << 32), [0xFF; 4]);
        assert_eq!(last((1 << 32) + 1), [0xFF; 4]);
    }

    #[test]
    fn the_obsolete_fields_of_the_short_form_mean_nothing() {
        assert_eq!(Bench::disk().data(&[0x25, 0, 1, 2, 3, 4, 0, 0, 1, 0]).len(), 8);
    }

    #[test]
    fn the_long_form_tells_alignment_and_provisioning() {
        let mut golden = vec![0; 32];
        golden[..12].copy_from_slice(&[0, 0, 0, 0, 0, 0, 7, 255, 0, 0, 2, 0]);
        assert_eq!(Bench::disk().ask(&sixteen(32)), good(&golden));
        golden[12..16].copy_from_slice(&[0, 3, 0xC1, 2]);
        let mut bench = Bench::with(|medium| Medium {
            physical_exponent: 3,
            lowest_aligned: 0x0102,
            unmap: Some(UnmapLimits {
                max_blocks: 1,
                max_descriptors: 1,
                granularity: 1,
                alignment: 0,
                reads_zero: true,
            }),
            ..medium
        });
        assert_eq!(bench.ask(&sixteen(255)), good(&golden));
        assert_eq!(bench.ask(&sixteen(9)), good(&golden[..9]));
    }

    #[test]
    fn other_service_actions_are_unknown() {
        let mut report_referrals = sixteen(32);
        report_referrals[1] = 0x13;
        assert_eq!(Bench::disk().ask(&report_referrals), refused(Sense::INVALID_OPCODE));
    }
}
