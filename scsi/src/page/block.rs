//! Pages B0h, B1h, B2h: limits, characteristics and provisioning of a disk (SBC-3).

use crate::command::Asked;
use crate::medium::{Provisioning, Rotation};

/// B0h BLOCK LIMITS. WSNZ is zero: WRITE SAME of "0 blocks" means to the end of the medium, within the limit.
pub(crate) fn limits(asked: &Asked<'_>) -> Vec<u8> {
    const UGAVALID: u32 = 1 << 31;
    let medium = asked.unit.medium();
    let mut body = vec![0; 0x3C];
    let mut put = |at: usize, value: &[u8]| body[at - 4..at - 4 + value.len()].copy_from_slice(value);
    put(5, &[medium.compare_and_write_max()]);
    put(6, &medium.optimal_granularity.to_be_bytes());
    put(8, &medium.transfer_max().to_be_bytes());
    put(12, &medium.transfer_optimal().to_be_bytes());
    put(16, &medium.transfer_max().to_be_bytes());
    if let Some(unmap) = medium.unmap {
        put(20, &unmap.max_blocks.to_be_bytes());
        put(24, &unmap.max_descriptors.to_be_bytes());
    }
    if let Some((granularity, alignment)) = medium.unmap_granules() {
        put(28, &granularity.to_be_bytes());
        put(32, &(UGAVALID | alignment).to_be_bytes());
    }
    put(36, &medium.write_same_max().to_be_bytes());
    if let Some(atomic) = medium.atomic_shown() {
        put(44, &atomic.max_blocks.to_be_bytes());
        put(48, &atomic.alignment.to_be_bytes());
        put(52, &atomic.granularity.to_be_bytes());
    }
    body
}

/// B1h BLOCK DEVICE CHARACTERISTICS: what turns; a form factor it has not. After a block erase blocks can be read before
/// they are written (WABEREQ), and unmapped blocks can be compared (VBULS).
pub(crate) fn characteristics(asked: &Asked<'_>) -> Vec<u8> {
    let rate: u16 = match asked.unit.medium().rotation {
        Rotation::Unknown => 0,
        Rotation::Solid => 1,
        // Values between are reserved.
        Rotation::Rpm(rate) if rate > 0x0400 && rate < 0xFFFF => rate,
        Rotation::Rpm(_) => 0,
    };
    const WABEREQ_READS_GOOD: u8 = 0x40;
    const VBULS: u8 = 0x01;
    let mut body = vec![0; 0x3C];
    body[..2].copy_from_slice(&rate.to_be_bytes());
    body[3] = if asked.unit.medium().block_erases() { WABEREQ_READS_GOOD } else { 0 };
    body[4] = VBULS;
    body
}

/// B2h LOGICAL BLOCK PROVISIONING. Without UNMAP the whole page says nothing.
pub(crate) fn provisioning(asked: &Asked<'_>) -> Vec<u8> {
    const LBPU: u8 = 0x80;
    const LBPWS: u8 = 0x40;
    const LBPWS10: u8 = 0x20;
    const LBPRZ: u8 = 0x04;
    const ANC_SUP: u8 = 0x02;
    const RESOURCE: u8 = 1;
    const THIN: u8 = 2;
    let medium = asked.unit.medium();
    let Some(unmap) = medium.unmap else {
        return vec![0; 4];
    };
    let reads_zero = if unmap.reads_zero { LBPRZ } else { 0 };
    let anchors = if medium.anchors { ANC_SUP } else { 0 };
    // Thresholds are told of space that can run out.
    let (kind, exponent) = match medium.provisioning {
        Provisioning::Full => (RESOURCE, 0),
        Provisioning::Thin => (THIN, medium.threshold_exponent()),
    };
    vec![exponent, LBPU | LBPWS | LBPWS10 | reads_zero | anchors, kind, 0]
}

#[cfg(test)]
mod tests {
    use crate::medium::{AtomicLimits, Medium, Provisioning, Rotation, UnmapLimits};
    use crate::tests::{Bench, good};

    fn vpd(code: u8) -> [u8; 6] {
        [0x12, 1, code, 1, 0, 0]
    }

    #[test]
    fn block_limits_of_a_plain_disk_have_no_unmap_in_them() {
        let mut golden = vec![0; 64];
        golden[..4].copy_from_slice(&[0, 0xB0, 0, 0x3C]);
        golden[5] = 0xFF;
        golden[8..12].copy_from_slice(&0x8000u32.to_be_bytes());
        golden[16..20].copy_from_slice(&0x8000u32.to_be_bytes());
        golden[36..44].copy_from_slice(&0x8_0000u64.to_be_bytes());
        assert_eq!(Bench::disk().ask(&vpd(0xB0)), good(&golden));
    }

    #[test]
    fn block_limits_show_what_the_medium_has_within_what_initiators_accept() {
        let mut bench = Bench::with(|medium| Medium {
            physical_exponent: 3,
            max_transfer: 0x2000,
            optimal_transfer: 0x1007,
            optimal_granularity: 8,
            atomic: Some(AtomicLimits { max_blocks: 0x2345, alignment: 8, granularity: 16, natural: false }),
            unmap: Some(UnmapLimits {
                max_blocks: 0x0010_0000,
                max_descriptors: 0x100,
                granularity: 8192,
                alignment: 2049,
                reads_zero: true,
            }),
            ..medium
        });
        let golden = [
            &[0, 0xB0, 0, 0x3C, 0, 0xFF, 0, 8][..],
            &[0, 0, 0x20, 0, 0, 0, 0x10, 0, 0, 0, 0x20, 0],
            &[0, 0x10, 0, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0x80, 0, 0, 1],
            &[0, 0, 0, 0, 0, 8, 0, 0],
            &[0, 0, 0x20, 0, 0, 0, 0, 8, 0, 0, 0, 16],
            &[0; 8],
        ]
        .concat();
        assert_eq!(bench.ask(&vpd(0xB0)), good(&golden));
    }

    #[test]
    fn characteristics_tell_what_turns() {
        let rate = |rotation| Bench::with(|medium| Medium { rotation, ..medium }).data(&vpd(0xB1))[4..6].to_vec();
        assert_eq!(rate(Rotation::Unknown), [0, 0]);
        assert_eq!(rate(Rotation::Solid), [0, 1]);
        assert_eq!(rate(Rotation::Rpm(7200)), [0x1C, 0x20]);
        assert_eq!(rate(Rotation::Rpm(1)), [0, 0]);
        assert_eq!(rate(Rotation::Rpm(0xFFFF)), [0, 0]);
        let page = Bench::disk().data(&vpd(0xB1));
        assert_eq!((&page[..4], page.len()), (&[0, 0xB1, 0, 0x3C][..], 64));
        assert_eq!(page[6..10], [0, 0, 1, 0]);
        assert_eq!(Bench::thin_disk().data(&vpd(0xB1))[7], 0x40);
    }

    #[test]
    fn provisioning_is_claimed_only_with_unmap() {
        let page =
            |provisioning, unmap| Bench::with(|medium| Medium { provisioning, unmap, ..medium }).data(&vpd(0xB2));
        let limits = |reads_zero| {
            Some(UnmapLimits { max_blocks: 1, max_descriptors: 1, granularity: 0, alignment: 0, reads_zero })
        };
        assert_eq!(page(Provisioning::Full, None), [0, 0xB2, 0, 4, 0, 0, 0, 0]);
        assert_eq!(page(Provisioning::Thin, None), [0, 0xB2, 0, 4, 0, 0, 0, 0]);
        assert_eq!(page(Provisioning::Thin, limits(true)), [0, 0xB2, 0, 4, 11, 0xE4, 2, 0]);
        assert_eq!(page(Provisioning::Full, limits(false)), [0, 0xB2, 0, 4, 0, 0xE0, 1, 0]);
        assert_eq!(Bench::thin_with(|medium| Medium { anchors: true, ..medium }).data(&vpd(0xB2))[5], 0xE6);
    }
}
