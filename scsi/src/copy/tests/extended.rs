//! EXTENDED COPY as ESX, sg_xcopy and libiscsi's suite send it.

use super::*;
use crate::sense::{Forwarded, SenseSource};

fn xcopy(target: &mut Target, list: &[u8]) -> Reply {
    target.send(1, 0, &out(0x00, 0, list.len()), list)
}

fn both() -> [Vec<u8>; 2] {
    [cscd(0, 512), cscd(1, 512)]
}

/// The sense of a copy that stops at segment `number`, at byte `field` of its descriptor.
fn stopped(asc: u8, ascq: u8, number: u16, field: u16) -> Reply {
    Sense::copy_aborted(asc, ascq, number).at_segment_field(field).into()
}

#[test]
fn a_clone_of_four_mebibytes_in_segments_is_what_the_source_was() {
    let mut target = Target::new();
    let segments: Vec<Vec<u8>> = (0..8).map(|part| segment(0, 1, 64, part * 64, 100 + part * 64)).collect();
    let list = lid1(0, &both(), &segments);
    assert_eq!(xcopy(&mut target, &list).status, Status::Good);
    assert_eq!(target.disks[1][100 * 512..612 * 512], target.disks[0][..512 * 512]);
    let untouched = Target::new();
    assert_eq!(target.disks[1][..100 * 512], untouched.disks[1][..100 * 512]);
    assert_eq!(target.disks[1][612 * 512..], untouched.disks[1][612 * 512..]);
}

#[test]
fn within_one_unit_the_last_blocks_become_the_first() {
    let mut target = Target::new();
    let list = lid1(1, &[cscd(0, 512)], &[segment(0, 0, 1024, 0, 1024)]);
    assert_eq!(xcopy(&mut target, &list).status, Status::Good);
    assert_eq!(target.disks[0][1024 * 512..], target.disks[0][..1024 * 512]);
}

#[test]
fn the_copy_manager_need_be_neither_source_nor_destination() {
    let mut target = Target::new();
    let list = lid1(1, &both(), &[segment(0, 1, 8, 0, 0)]);
    target.good(1, 2, &out(0x00, 0, list.len()), &list);
    assert_eq!(target.disks[1][..4096], target.disks[0][..4096]);
}

#[test]
fn the_unit_that_was_asked_has_a_number_of_its_own() {
    let mut target = Target::new();
    let list = lid1(1, &[cscd(1, 0)], &[segment(0xFFFF, 0, 8, 40, 0)]);
    assert_eq!(xcopy(&mut target, &list).status, Status::Good);
    assert_eq!(target.disks[1][..4096], target.disks[0][40 * 512..48 * 512]);
}

#[test]
fn any_name_of_a_unit_that_fits_will_do() {
    let mut target = Target::new();
    let eui: Designator = "eui.0123456789abcdef".parse().unwrap();
    let t10: Designator = "t10.FERRITE short".parse().unwrap();
    let unit = target.port.units[1].1.clone();
    let identity = Identity::derive("unit 1").with_designators(vec![eui, t10]).unwrap();
    target.port.units[1].1 = Arc::new(LogicalUnit::new(identity, unit.medium().clone(), unit.book().clone()));
    for name in [&b"\x01\x02\0\x08\x01\x23\x45\x67\x89\xab\xcd\xef"[..], b"\x02\x01\0\x0DFERRITE short"] {
        let mut cscd = [&[0xE4, 0, 0, 0][..], name].concat();
        cscd.resize(32, 0);
        let list = lid1(1, &[cscd.clone()], &[segment(0xFFFF, 0, 8, 0, 0)]);
        assert_eq!(xcopy(&mut target, &list).status, Status::Good);
        cscd[8] ^= 1;
        let list = lid1(1, &[cscd], &[segment(0xFFFF, 0, 8, 0, 0)]);
        assert_eq!(xcopy(&mut target, &list), stopped(0x0D, 0x02, 0, 6));
    }
}

#[test]
fn a_longer_name_than_the_descriptor_has_room_for_names_nobody() {
    let mut target = Target::new();
    for len in [0, 7, 9, 21, 255] {
        let mut wrong = cscd(1, 512);
        wrong[7] = len;
        let list = lid1(1, &[wrong], &[segment(0xFFFF, 0, 8, 0, 0)]);
        assert_eq!(xcopy(&mut target, &list), stopped(0x0D, 0x02, 0, 6), "{len} bytes");
    }
}

#[test]
fn lu_id_type_and_nul_mean_nothing_and_another_device_type_is_another_device() {
    let mut target = Target::new();
    let with = |kind: u8| {
        let mut cscd = cscd(1, 512);
        cscd[1] = kind;
        lid1(1, &[cscd], &[segment(0xFFFF, 0, 8, 0, 0)])
    };
    assert_eq!(xcopy(&mut target, &with(0xE0)).status, Status::Good);
    assert_eq!(xcopy(&mut target, &with(0x01)), stopped(0x0D, 0x03, 0, 6));
}

#[test]
fn a_descriptor_that_does_not_exist_is_unreachable() {
    let mut target = Target::new();
    for (from, to, field) in [(0, 2, 6), (2, 0, 4), (0x07FF, 0, 4), (0, 0xFFFE, 6)] {
        let list = lid1(1, &both(), &[segment(from, to, 1, 0, 0)]);
        assert_eq!(xcopy(&mut target, &list), stopped(0x08, 0x04, 0, field));
    }
}

#[test]
fn a_block_length_that_is_not_the_units_is_pointed_at_in_the_list() {
    let mut target = Target::new();
    let list = lid1(1, &[cscd(0, 512), cscd(1, 4096)], &[segment(0, 1, 1, 0, 0)]);
    assert_eq!(xcopy(&mut target, &list), Sense::invalid_parameter(16 + 32 + 29).into());
}

#[test]
fn blocks_that_do_not_exist_stop_the_copy_at_their_address() {
    let mut target = Target::new();
    for (blocks, from, to, field) in [
        (2, 2047, 0, 12),
        (1, 2048, 0, 12),
        (2, 0, 1023, 20),
        (1, 0, 1024, 20),
        (1, u64::MAX, 0, 12),
        (2, 0, u64::MAX, 20),
    ] {
        let list = lid1(1, &both(), &[segment(0, 1, blocks, from, to)]);
        assert_eq!(xcopy(&mut target, &list), stopped(0x00, 0x00, 0, field));
    }
    let list = lid1(1, &both(), &[segment(0, 1, 1, 2047, 1023)]);
    assert_eq!(xcopy(&mut target, &list).status, Status::Good);
}

#[test]
fn segments_before_the_wrong_one_are_done() {
    let mut target = Target::new();
    let segments = [segment(0, 1, 8, 0, 0), segment(0, 1, 0, 0, 0), segment(0, 7, 8, 0, 8), segment(0, 1, 8, 0, 16)];
    let list = lid1(9, &both(), &segments);
    assert_eq!(xcopy(&mut target, &list), stopped(0x08, 0x04, 2, 6));
    assert_eq!(target.disks[1][..4096], target.disks[0][..4096]);
    assert_eq!(target.disks[1][4096..], Target::new().disks[1][4096..]);
    let status = target.good(1, 0, &receive(0x00, 9, 12), &[]);
    assert_eq!(status, [0, 0, 0, 8, 0x02, 0, 2, 0, 0, 0, 0x10, 0]);
}

#[test]
fn a_list_that_is_wrong_further_on_is_not_begun() {
    let mut target = Target::new();
    let segments = [segment(0, 9, 8, 0, 0), segment(0, 2, 8, 0, 0)];
    let list = lid1(9, &[cscd(0, 512), cscd(1, 512), cscd(2, 512)], &segments);
    assert_eq!(xcopy(&mut target, &list), Sense::invalid_parameter(16 + 64 + 29).into());
    assert_eq!(target.refused(1, 0, &receive(0x00, 9, 12), &[]), Sense::invalid_field(2));
}

#[test]
fn counts_are_in_blocks_of_the_source_or_with_dc_of_the_destination() {
    let mut target = Target::new();
    let cscds = [cscd(0, 512), cscd(2, 4096)];
    let list = lid1(1, &cscds, &[segment(0, 1, 16, 0, 3)]);
    assert_eq!(xcopy(&mut target, &list).status, Status::Good);
    assert_eq!(target.disks[2][3 * 4096..5 * 4096], target.disks[0][..8192]);
    let mut dc = segment(0, 1, 2, 100, 7);
    dc[1] = 0x02;
    assert_eq!(xcopy(&mut target, &lid1(1, &cscds, &[dc])).status, Status::Good);
    assert_eq!(target.disks[2][7 * 4096..9 * 4096], target.disks[0][100 * 512..116 * 512]);
}

#[test]
fn a_rest_that_is_no_whole_block_is_a_granularity_violation() {
    let mut target = Target::new();
    let list = lid1(1, &[cscd(0, 512), cscd(2, 4096)], &[segment(0, 1, 9, 0, 0)]);
    assert_eq!(xcopy(&mut target, &list), stopped(0x26, 0x0A, 0, 10));
}

#[test]
fn a_run_onto_itself_is_already_there_and_one_that_overlaps_itself_is_refused() {
    let mut target = Target::new();
    let list = |to| lid1(1, &[cscd(0, 512)], &[segment(0, 0, 10, 50, to)]);
    assert_eq!(xcopy(&mut target, &list(50)).status, Status::Good);
    for near in [41, 49, 51, 59] {
        assert_eq!(xcopy(&mut target, &list(near)), stopped(0x00, 0x00, 0, 20));
    }
    assert_eq!(target.disks, Target::new().disks);
    for beside in [40, 60] {
        assert_eq!(xcopy(&mut target, &list(beside)).status, Status::Good);
    }
}

#[test]
fn nothing_to_do_is_good() {
    let mut target = Target::new();
    assert_eq!(xcopy(&mut target, &[]).status, Status::Good);
    assert_eq!(xcopy(&mut target, &lid1(1, &[], &[])).status, Status::Good);
    assert_eq!(xcopy(&mut target, &lid1(1, &both(), &[segment(0, 1, 0, 0, 0)])).status, Status::Good);
    assert_eq!(target.disks, Target::new().disks);
}

#[test]
fn a_list_is_as_long_as_its_header_and_as_the_transport_says() {
    let mut target = Target::new();
    for (action, id, header) in [(0x00, 0, 16), (0x01, 0, 48), (0x10, 1, 16), (0x11, 1, 536)] {
        for len in [1, header - 1, 65_536, u32::MAX as usize] {
            assert_eq!(target.refused(1, 0, &out(action, id, len), &[]), Sense::PARAMETER_LIST_LENGTH);
        }
        assert_eq!(target.refused(1, 0, &out(action, id, 2000), &[0; 1999]), Sense::DATA_OUT_LENGTH);
        target.good(1, 0, &out(action, id, 0), &[]);
    }
}

#[test]
fn a_unit_that_fails_is_heard_and_what_was_done_before_is_told() {
    let mut target = Target::new();
    target.broken = Some((1, 600 * 512, Sense::NO_SPACE));
    let list = lid1(5, &both(), &[segment(0, 1, 100, 0, 0), segment(0, 1, 100, 0, 550)]);
    let forwarded = Forwarded::new(SenseSource::CopyDestination, Some(Sense::NO_SPACE));
    assert_eq!(xcopy(&mut target, &list), Sense::third_party(1, forwarded).into());
    assert_eq!(target.disks[1][550 * 512..600 * 512], target.disks[0][..50 * 512]);
    let status = target.good(1, 0, &receive(0x00, 5, 12), &[]);
    assert_eq!(status, [0, 0, 0, 8, 0x02, 0, 1, 0, 0, 1, 0x2C, 0]);
}

#[test]
fn a_unit_that_somebody_else_holds_is_neither_read_nor_written() {
    let mut target = Target::new();
    target.good(2, 1, &[0x16, 0, 0, 0, 0, 0], &[]);
    for (list, source) in [
        (lid1(5, &both(), &[segment(0, 1, 1, 0, 0)]), SenseSource::CopyDestination),
        (lid1(5, &both(), &[segment(1, 0, 1, 0, 0)]), SenseSource::CopySource),
    ] {
        let forwarded = Forwarded::new(source, None);
        assert_eq!(xcopy(&mut target, &list), Sense::third_party(0, forwarded).into());
    }
    assert_eq!(target.disks, Target::new().disks);
}

#[test]
fn a_read_only_unit_is_read_and_not_written() {
    let mut target = Target::new();
    target.change(1, |medium| Medium { read_only: true, ..medium });
    let list = lid1(5, &both(), &[segment(0, 1, 1, 0, 0)]);
    let forwarded = Forwarded::new(SenseSource::CopyDestination, Some(Sense::WRITE_PROTECTED));
    assert_eq!(xcopy(&mut target, &list), Sense::third_party(0, forwarded).into());
    let list = lid1(5, &both(), &[segment(1, 0, 1, 0, 0)]);
    assert_eq!(xcopy(&mut target, &list).status, Status::Good);
}

#[test]
fn a_unit_can_be_verified_and_with_tur_it_must_be_ready() {
    let mut target = Target::new();
    let verify = |id: u8, ready: u8| vec![0x07, 0, 0, 8, 0, id, 0, 0, ready, 0, 0, 0];
    assert_eq!(xcopy(&mut target, &lid1(1, &both(), &[verify(1, 1)])).status, Status::Good);
    assert_eq!(xcopy(&mut target, &lid1(1, &both(), &[verify(2, 0)])), stopped(0x08, 0x04, 0, 4));
    target.port.units[1].1.book().set_access(1, AccessState::Standby, None);
    assert_eq!(xcopy(&mut target, &lid1(1, &both(), &[verify(1, 0)])).status, Status::Good);
    let standby = AccessState::Standby.hindrance();
    let forwarded = Forwarded::new(SenseSource::CopySource, standby);
    assert_eq!(xcopy(&mut target, &lid1(1, &both(), &[verify(1, 1)])), Sense::third_party(0, forwarded).into());
}

#[test]
fn a_unit_behind_another_target_is_out_of_reach() {
    let mut target = Target::new();
    target.port.units.pop();
    let list = lid1(1, &[cscd(2, 4096)], &[segment(0, 0xFFFF, 1, 0, 0)]);
    assert_eq!(xcopy(&mut target, &list), stopped(0x0D, 0x02, 0, 4));
}
