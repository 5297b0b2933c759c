//! Offloaded data transfer as Windows and ddpt send it: a token for blocks, and blocks for a token.

use super::*;
use crate::copy::rod;

/// A parameter list of POPULATE TOKEN.
fn populate_list(flags: u8, idle_s: u32, ranges: &[(u64, u32)]) -> Vec<u8> {
    let len = (ranges.len() * 16) as u16;
    let mut list = vec![0; 16];
    list[..2].copy_from_slice(&(len + 14).to_be_bytes());
    list[2] = flags;
    list[4..8].copy_from_slice(&idle_s.to_be_bytes());
    list[14..].copy_from_slice(&len.to_be_bytes());
    with_ranges(list, ranges)
}

/// A parameter list of WRITE USING TOKEN.
fn write_list(flags: u8, offset: u64, token: &[u8], ranges: &[(u64, u32)]) -> Vec<u8> {
    let len = (ranges.len() * 16) as u16;
    let mut list = vec![0; 536];
    list[..2].copy_from_slice(&(len + 534).to_be_bytes());
    list[2] = flags;
    list[8..16].copy_from_slice(&offset.to_be_bytes());
    list[16..528].copy_from_slice(token);
    list[534..].copy_from_slice(&len.to_be_bytes());
    with_ranges(list, ranges)
}

fn with_ranges(mut list: Vec<u8>, ranges: &[(u64, u32)]) -> Vec<u8> {
    for (lba, blocks) in ranges {
        list.extend([&lba.to_be_bytes()[..], &blocks.to_be_bytes(), &[0; 4]].concat());
    }
    list
}

/// A token that session 1 has for blocks of unit `lun`.
fn token(target: &mut Target, lun: u16, ranges: &[(u64, u32)]) -> Vec<u8> {
    let list = populate_list(0, 0, ranges);
    target.good(1, lun, &out(0x10, 77, list.len()), &list);
    let information = target.good(1, lun, &receive(0x07, 77, 1000), &[]);
    information[38..].to_vec()
}

fn write(target: &mut Target, session: u64, lun: u16, list: &[u8]) -> Reply {
    target.send(session, lun, &out(0x11, 78, list.len()), list)
}

fn zero_token() -> Vec<u8> {
    let mut token = vec![0xFF, 0xFF, 0x00, 0x01, 0, 0, 0x01, 0xF8];
    token.resize(512, 0);
    token
}

#[test]
fn a_file_is_offloaded_from_one_disk_to_another() {
    let mut target = Target::new();
    // POPULATE TOKEN with IMMED, the type left to the copy manager.
    let list = populate_list(0x01, 0, &[(100, 8), (300, 4)]);
    target.good(1, 0, &out(0x10, 5, list.len()), &list);
    let information = target.good(1, 0, &receive(0x07, 5, 550), &[]);
    let golden = [
        &[0, 0, 0x02, 0x22, 0x10, 0x01, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0xF1][..],
        &12u64.to_be_bytes(),
        &[0; 8],
        &[0, 0, 2, 2, 0, 0],
        &[0x00, 0x01, 0x00, 0x00, 0, 0, 0x01, 0xF8],
    ]
    .concat();
    assert_eq!((information.len(), &information[..46]), (550, &golden[..]));
    // WRITE USING TOKEN with IMMED, polled until it is done.
    let list = write_list(0x01, 0, &information[38..], &[(0, 2), (10, 10)]);
    target.good(1, 1, &out(0x11, 6, list.len()), &list);
    let under_way = target.good(1, 1, &receive(0x07, 6, 1000), &[]);
    assert_eq!((under_way[4], under_way[5], &under_way[8..12]), (0x11, 0x12, &[0, 0, 0, 100][..]));
    target.work();
    let golden =
        [&[0, 0, 0, 32, 0x11, 0x01, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0xF1][..], &12u64.to_be_bytes(), &[0; 12]]
            .concat();
    assert_eq!(target.good(1, 1, &receive(0x07, 6, 1000), &[]), golden);
    let source = [&target.disks[0][100 * 512..108 * 512], &target.disks[0][300 * 512..304 * 512]].concat();
    assert_eq!(target.disks[1][..1024], source[..1024]);
    assert_eq!(target.disks[1][10 * 512..20 * 512], source[1024..]);
    assert_eq!(target.disks[1][1024..10 * 512], Target::new().disks[1][1024..10 * 512]);
}

#[test]
fn a_token_has_the_fields_of_its_type_and_no_two_are_the_same() {
    let mut target = Target::new();
    let (one, two) = (token(&mut target, 2, &[(0, 3)]), token(&mut target, 2, &[(0, 3)]));
    assert_eq!(one.len(), rod::TOKEN);
    assert_eq!(one[..8], [0x00, 0x01, 0x00, 0x00, 0, 0, 0x01, 0xF8]);
    assert_eq!(one[16..48], cscd(2, 4096));
    assert_eq!(one[48..64], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x30, 0]);
    assert_eq!(one[96..104], [0, 0, 0x10, 0, 0, 0, 0, 0]);
    assert_eq!(&one[128..164], b"\x53\xA8\0\x20iqn.2026-11.com.example:copy\0\0\0\0");
    assert_ne!(one[8..16], two[8..16]);
    assert_ne!(one[256..320], two[256..320]);
}

#[test]
fn a_piece_from_the_middle_is_had_by_an_offset() {
    let mut target = Target::new();
    let token = token(&mut target, 0, &[(0, 4), (100, 4)]);
    let list = write_list(0, 3, &token, &[(0, 3)]);
    assert_eq!(write(&mut target, 1, 1, &list).status, Status::Good);
    let source = [&target.disks[0][3 * 512..4 * 512], &target.disks[0][100 * 512..102 * 512]].concat();
    assert_eq!(target.disks[1][..3 * 512], source);
}

#[test]
fn a_token_is_worth_as_many_bytes_as_it_stands_for() {
    let mut target = Target::new();
    let token = token(&mut target, 0, &[(0, 8)]);
    for (offset, blocks, refused) in [(0, 9, 534), (1, 8, 534), (8, 1, 534), (9, 1, 8), (u64::MAX, 1, 8)] {
        let list = write_list(0, offset, &token, &[(0, blocks)]);
        assert_eq!(write(&mut target, 1, 1, &list), Sense::invalid_parameter(refused).into());
    }
    let list = write_list(0, 8, &token, &[(0, 0)]);
    assert_eq!(write(&mut target, 1, 1, &list).status, Status::Good);
    assert_eq!(target.disks, Target::new().disks);
}

#[test]
fn the_token_that_everybody_knows_writes_zeroes() {
    let mut target = Target::new();
    let list = write_list(0, 1 << 60, &zero_token(), &[(5, 3), (0, 1)]);
    assert_eq!(write(&mut target, 1, 1, &list).status, Status::Good);
    assert_eq!(target.disks[1][..512], [0; 512]);
    assert_eq!(target.disks[1][5 * 512..8 * 512], [0; 3 * 512]);
    assert_eq!(target.disks[1][512..5 * 512], Target::new().disks[1][512..5 * 512]);
}

#[test]
fn whoever_has_a_token_can_use_it_until_it_is_deleted() {
    let mut target = Target::new();
    let token = token(&mut target, 0, &[(0, 8)]);
    let keep = write_list(0, 0, &token, &[(0, 8)]);
    assert_eq!(write(&mut target, 2, 1, &keep).status, Status::Good);
    let delete = write_list(0x02, 0, &token, &[(8, 8)]);
    assert_eq!(write(&mut target, 3, 1, &delete).status, Status::Good);
    assert_eq!(target.disks[1][8 * 512..16 * 512], target.disks[0][..8 * 512]);
    assert_eq!(write(&mut target, 1, 1, &keep), rod::UNKNOWN.into());
}

#[test]
fn a_token_that_could_not_be_used_is_not_deleted() {
    let mut target = Target::new();
    let token = token(&mut target, 0, &[(0, 8)]);
    let under_way = write_list(0x01, 0, &token, &[(0, 8)]);
    assert_eq!(write(&mut target, 1, 1, &under_way).status, Status::Good);
    let delete = write_list(0x02, 0, &token, &[(8, 8)]);
    assert_eq!(write(&mut target, 1, 1, &delete), Sense::OPERATION_IN_PROGRESS.into());
    target.work();
    assert_eq!(write(&mut target, 1, 1, &delete).status, Status::Good);
}

#[test]
fn a_token_lives_as_long_as_was_agreed_after_its_last_use() {
    let mut target = Target::new();
    let list = populate_list(0, 600, &[(0, 8)]);
    target.good(1, 0, &out(0x10, 77, list.len()), &list);
    let long = target.good(1, 0, &receive(0x07, 77, 1000), &[])[38..].to_vec();
    let short = token(&mut target, 0, &[(0, 8)]);
    target.pass(60);
    for token in [&short, &long] {
        assert_eq!(write(&mut target, 1, 1, &write_list(0, 0, token, &[(0, 8)])).status, Status::Good);
    }
    target.pass(61);
    assert_eq!(write(&mut target, 1, 1, &write_list(0, 0, &short, &[(0, 8)])), rod::EXPIRED.into());
    target.pass(600 - 61);
    assert_eq!(write(&mut target, 1, 1, &write_list(0, 0, &long, &[(0, 8)])).status, Status::Good);
    target.pass(601);
    assert_eq!(write(&mut target, 1, 1, &write_list(0, 0, &long, &[(0, 8)])), rod::EXPIRED.into());
}

#[test]
fn fields_of_populate_token_are_pointed_at() {
    let mut target = Target::new();
    let mut refused = |list: &[u8]| target.refused(1, 0, &out(0x10, 1, list.len()), list);
    assert_eq!(refused(&populate_list(0, 601, &[(0, 1)])), Sense::invalid_parameter(4));
    let mut point_in_time = populate_list(0x02, 0, &[(0, 1)]);
    point_in_time[8..12].copy_from_slice(&[0x00, 0x80, 0x00, 0x00]);
    assert_eq!(refused(&point_in_time), Sense::invalid_parameter(8));
    assert_eq!(refused(&populate_list(0, 0, &[])), Sense::invalid_parameter(0));
    assert_eq!(refused(&populate_list(0, 0, &[(2048, 1)])), Sense::LBA_OUT_OF_RANGE);
    point_in_time[8..12].copy_from_slice(&[0x00, 0x01, 0x00, 0x00]);
    target.good(1, 0, &out(0x10, 1, point_in_time.len()), &point_in_time);
}

#[test]
fn a_forged_token_is_worth_nothing() {
    let mut target = Target::new();
    let good = token(&mut target, 0, &[(0, 8)]);
    for (at, sense) in [
        (0, rod::UNSUPPORTED_TYPE),
        (7, rod::INVALID_LENGTH),
        (15, rod::UNKNOWN),
        (60, rod::CORRUPT),
        (300, rod::CORRUPT),
    ] {
        let mut forged = good.clone();
        forged[at] ^= 0x01;
        assert_eq!(write(&mut target, 1, 1, &write_list(0, 0, &forged, &[(0, 8)])), sense.into());
    }
    assert_eq!(target.disks, Target::new().disks);
}

#[test]
fn a_token_outlives_growth_but_not_shrinking_nor_removal() {
    let mut target = Target::new();
    let (low, high) = (token(&mut target, 0, &[(0, 8)]), token(&mut target, 0, &[(2040, 8)]));
    let gone = token(&mut target, 2, &[(0, 1)]);
    target.change(0, |medium| Medium { blocks: 4096, ..medium });
    assert_eq!(write(&mut target, 1, 1, &write_list(0, 0, &high, &[(0, 8)])).status, Status::Good);
    target.change(0, |medium| Medium { blocks: 2047, ..medium });
    assert_eq!(write(&mut target, 1, 1, &write_list(0, 0, &high, &[(0, 8)])), rod::REVOKED.into());
    assert_eq!(write(&mut target, 1, 1, &write_list(0, 0, &low, &[(0, 8)])).status, Status::Good);
    let removed = target.port.units.pop();
    assert_eq!(write(&mut target, 1, 1, &write_list(0, 0, &gone, &[(0, 8)])), rod::UNKNOWN.into());
    drop(removed);
    assert_eq!(write(&mut target, 1, 1, &write_list(0, 0, &gone, &[(0, 8)])), rod::REVOKED.into());
}

#[test]
fn between_disks_with_other_blocks_whole_blocks_of_both_move() {
    let mut target = Target::new();
    let small = token(&mut target, 0, &[(0, 16)]);
    assert_eq!(write(&mut target, 1, 2, &write_list(0, 0, &small, &[(5, 2)])).status, Status::Good);
    assert_eq!(target.disks[2][5 * 4096..7 * 4096], target.disks[0][..8192]);
    let torn = token(&mut target, 0, &[(0, 12), (100, 4)]);
    assert_eq!(write(&mut target, 1, 2, &write_list(0, 0, &torn, &[(5, 2)])), Sense::invalid_parameter(536).into());
    let large = token(&mut target, 2, &[(1, 1)]);
    assert_eq!(write(&mut target, 1, 1, &write_list(0, 0, &large, &[(100, 8)])).status, Status::Good);
    assert_eq!(target.disks[1][100 * 512..108 * 512], target.disks[2][4096..8192]);
}

#[test]
fn blocks_written_with_their_own_token_stay_and_a_shift_by_less_is_refused() {
    let mut target = Target::new();
    let token = token(&mut target, 0, &[(10, 8)]);
    assert_eq!(write(&mut target, 1, 0, &write_list(0, 0, &token, &[(10, 8)])).status, Status::Good);
    let information = target.good(1, 0, &receive(0x07, 78, 1000), &[]);
    assert_eq!((information[5], information[23]), (0x01, 8));
    assert_eq!(write(&mut target, 1, 0, &write_list(0, 0, &token, &[(14, 8)])), Sense::invalid_parameter(536).into());
    assert_eq!(target.disks, Target::new().disks);
}

#[test]
fn the_unit_that_is_written_speaks_for_itself_and_the_source_is_forwarded() {
    use crate::sense::{Forwarded, SenseSource};
    let mut target = Target::new();
    let token = token(&mut target, 0, &[(0, 8)]);
    let list = write_list(0, 0, &token, &[(0, 8)]);
    target.broken = Some((1, 1024, Sense::NO_SPACE));
    assert_eq!(write(&mut target, 1, 1, &list), Sense::NO_SPACE.into());
    let information = target.good(1, 1, &receive(0x07, 78, 1000), &[]);
    assert_eq!((information[5], information[12], information[23], information[34]), (0x02, 0x02, 2, 7));
    target.broken = Some((0, 1024, Sense::read_error(2)));
    let forwarded = Forwarded::new(SenseSource::CopySource, Some(Sense::read_error(2)));
    assert_eq!(write(&mut target, 1, 1, &list), Sense::third_party(0, forwarded).into());
    target.broken = None;
    target.good(2, 0, &[0x16, 0, 0, 0, 0, 0], &[]);
    let forwarded = Forwarded::new(SenseSource::CopySource, None);
    assert_eq!(write(&mut target, 1, 1, &list), Sense::third_party(0, forwarded).into());
    target.good(2, 1, &[0x16, 0, 0, 0, 0, 0], &[]);
    assert_eq!(write(&mut target, 1, 1, &list).status, Status::ReservationConflict);
}

#[test]
fn all_tokens_are_listed_without_what_cannot_be_guessed() {
    let mut target = Target::new();
    assert_eq!(target.good(1, 0, &receive(0x08, 0, 1000), &[]), [0, 0, 0, 4, 0, 0, 0, 0]);
    let mut tokens = [token(&mut target, 0, &[(0, 1)]), token(&mut target, 2, &[(0, 1)])];
    tokens.sort();
    let listed = target.good(2, 1, &receive(0x08, 0, 1000), &[]);
    assert_eq!(listed[..8], [0, 0, 0, 196, 0, 0, 0, 0]);
    assert_eq!((&listed[8..104], &listed[104..]), (&tokens[0][..96], &tokens[1][..96]));
    let elsewhere = target.port.units.pop();
    assert_eq!(target.good(2, 1, &receive(0x08, 0, 1000), &[]).len(), 104);
    drop(elsewhere);
}
