//! RECEIVE COPY RESULTS, COPY OPERATION ABORT, and what a unit says that it offers.

use super::*;
use crate::book::Copies;

/// A copy of 8 blocks from unit 0 to unit 1 that is answered before it is done.
fn put_off(target: &mut Target, session: u64, id: u32) -> Reply {
    let list = lid4_immediate(id, &[cscd(0, 512), cscd(1, 512)], &[segment(0, 1, 8, 0, 0)]);
    target.send(session, 0, &out(0x01, 0, list.len()), &list)
}

fn abort(id: u32) -> [u8; 16] {
    let mut cdb = [0; 16];
    (cdb[0], cdb[1]) = (0x83, 0x1C);
    cdb[2..6].copy_from_slice(&id.to_be_bytes());
    cdb
}

/// COPY OPERATION STATUS, and bytes that have moved.
fn status(target: &mut Target, session: u64, id: u32) -> (u8, u64) {
    let data = target.good(session, 0, &receive(0x05, id, 1000), &[]);
    assert_eq!(u32::from_be_bytes(data[..4].try_into().unwrap()) as usize, data.len() - 4);
    (data[5], u64::from_be_bytes(data[16..24].try_into().unwrap()))
}

#[test]
fn the_operating_parameters_are_those_that_are_kept() {
    let golden = [
        &[0, 0, 0, 43, 0x01, 0, 0, 0, 0, 64, 0, 64][..], // SNLID, CSCD and segment descriptors
        &4096u32.to_be_bytes(),                          // of so many bytes
        &(256u32 << 20).to_be_bytes(),                   // for so many bytes each
        &[0; 12],                                        // no inline data, no held data, no streams
        &[0, 0, 0, 64, 64],                              // copies at a time
        &[9, 0, 0, 0, 0, 0, 3, 0x02, 0x07, 0xE4],        // whole blocks of 512 bytes; three descriptor types
    ]
    .concat();
    assert_eq!(Target::new().good(1, 0, &receive(0x03, 0, 1000), &[]), golden);
}

#[test]
fn page_8f_tells_limits_commands_descriptors_and_token_types() {
    let golden = [
        &[0, 0x8F, 1, 120][..],
        &[0x00, 0x00, 0, 32, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 2, 88, 0, 0, 0, 60],
        &[0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0],
        &[0x00, 0x01, 0, 20, 16, 0x83, 5, 0x00, 0x01, 0x10, 0x11, 0x1C],
        &[0x84, 7, 0x00, 0x01, 0x03, 0x04, 0x05, 0x07, 0x08, 0, 0, 0],
        &[0x00, 0x04, 0, 28, 0, 0, 0, 0, 0, 64, 0, 64, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0x00, 0x08, 0, 4, 3, 0x02, 0x07, 0xE4],
        &[0x00, 0x0C, 0, 4, 0, 2, 0xFF, 0xFF],
        &[0x01, 0x06, 0, 92, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 255, 255, 255, 255, 0, 0, 2, 88],
        &[0; 18],
        &[0, 48, 0, 0, 0, 44, 0, 0, 0, 0],
        &[0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0],
        &[0; 8],
        &[0x01, 0x08, 0, 132, 0, 0, 0, 128, 0x00, 0x01, 0x00, 0x00, 0x03],
        &[0; 59],
        &[0xFF, 0xFF, 0x00, 0x01, 0x02],
        &[0; 59],
        &[0x80, 0x01, 0, 32, 0, 0, 0, 64, 0, 0, 0, 64, 16, 0, 0, 0, 9],
        &[0; 19],
    ]
    .concat();
    let page = Target::new().good(1, 0, &[0x12, 1, 0x8F, 4, 0, 0], &[]);
    assert_eq!(page, golden);
}

#[test]
fn what_is_received_is_cut_to_its_room() {
    let mut target = Target::new();
    let list = lid1(7, &[cscd(0, 512)], &[segment(0, 9, 1, 0, 0)]);
    target.refused(1, 0, &out(0x00, 0, list.len()), &list);
    for action in [0x00, 0x01, 0x03, 0x04, 0x05, 0x07, 0x08] {
        let all = target.good(1, 0, &receive(action, 7, u32::MAX), &[]);
        for room in [0, 1, 4, all.len() - 1] {
            assert_eq!(target.good(1, 0, &receive(action, 7, room as u32), &[]), all[..room.min(all.len())]);
        }
    }
}

#[test]
fn a_copy_that_nobody_made_is_pointed_at() {
    let mut target = Target::new();
    for action in [0x00, 0x01, 0x04, 0x05, 0x07] {
        assert_eq!(target.refused(1, 0, &receive(action, 1, 100), &[]), Sense::invalid_field(2));
    }
    assert_eq!(target.refused(1, 0, &abort(1), &[]), Sense::invalid_field(2));
}

#[test]
fn results_belong_to_one_nexus_and_one_unit() {
    let mut target = Target::new();
    put_off(&mut target, 1, 7);
    assert_eq!(target.refused(2, 0, &receive(0x05, 7, 100), &[]), Sense::invalid_field(2));
    assert_eq!(target.refused(1, 1, &receive(0x05, 7, 100), &[]), Sense::invalid_field(2));
    assert_eq!(status(&mut target, 1, 7), (0x12, 0));
}

#[test]
fn a_copy_that_is_put_off_is_in_progress_until_it_is_done() {
    let mut target = Target::new();
    assert_eq!(put_off(&mut target, 1, 0x0102_0304).status, Status::Good);
    assert_eq!(put_off(&mut target, 1, 0x0102_0304), Sense::OPERATION_IN_PROGRESS.into());
    assert_eq!(status(&mut target, 1, 0x0102_0304), (0x12, 0));
    target.background[0].moved(2048);
    assert_eq!(status(&mut target, 1, 0x0102_0304), (0x12, 2048));
    target.work();
    let golden = [
        &[0, 0, 0, 28, 0x01, 0x01, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0, 0, 0x00][..],
        &4096u64.to_be_bytes(),
        &[0, 1, 0, 0, 0, 0, 0, 0],
    ]
    .concat();
    assert_eq!(target.good(1, 0, &receive(0x05, 0x0102_0304, 1000), &[]), golden);
    assert_eq!(target.disks[1][..4096], target.disks[0][..4096]);
}

#[test]
fn a_copy_that_is_aborted_ends_and_says_so() {
    let mut target = Target::new();
    put_off(&mut target, 1, 7);
    target.good(1, 0, &abort(7), &[]);
    assert!(target.background[0].is_cancelled());
    assert_eq!(status(&mut target, 1, 7), (0x12, 0), "it has not ended yet");
    target.work();
    assert_eq!(status(&mut target, 1, 7), (0x60, 0));
    assert_eq!(target.disks, Target::new().disks);
}

#[test]
fn a_copy_that_is_given_up_is_terminated() {
    let mut target = Target::new();
    put_off(&mut target, 1, 7);
    target.background.clear();
    assert_eq!(status(&mut target, 1, 7), (0x60, 0));
    assert_eq!(put_off(&mut target, 1, 7).status, Status::Good, "its identifier is free");
}

#[test]
fn losing_the_nexus_or_resetting_the_unit_ends_what_is_under_way() {
    for reset in [false, true] {
        let mut target = Target::new();
        put_off(&mut target, 1, 7);
        let book = target.port.units[0].1.book().clone();
        if reset {
            book.reset(Some(1), Attention::DeviceReset)
        } else {
            book.forget(1)
        }
        assert!(target.background[0].is_cancelled());
        assert_eq!(target.refused(1, 0, &receive(0x05, 7, 100), &[]), Sense::invalid_field(2));
    }
}

#[test]
fn more_copies_than_there_may_be_are_told_to_wait() {
    let mut target = Target::new();
    for id in 0..Copies::MAX as u32 {
        assert_eq!(put_off(&mut target, 1, id).status, Status::Good);
    }
    assert_eq!(put_off(&mut target, 1, 1000).status, Status::Busy);
    target.work();
    assert_eq!(put_off(&mut target, 1, 1000).status, Status::Good);
}

#[test]
fn the_details_of_a_failure_are_its_sense_in_the_format_that_the_nexus_wants() {
    let mut target = Target::new();
    let list = lid1(7, &[cscd(0, 512)], &[segment(0, 9, 1, 0, 0)]);
    let sense = target.refused(1, 0, &out(0x00, 0, list.len()), &list).to_bytes(false);
    let details = target.good(1, 0, &receive(0x04, 7, 1000), &[]);
    assert_eq!((&details[..5], &details[56..60]), (&[0, 0, 0, 74, 0][..], &[0x02, 0, 0, 18][..]));
    assert_eq!(&details[60..], &*sense);
    let long = target.good(1, 0, &receive(0x05, 7, 1000), &[]);
    assert_eq!((long.len(), long[5], long[12], long[13], long[14]), (52, 0x02, 0x02, 20, 18));
    assert_eq!(&long[32..50], &*sense);
    let good = lid1(7, &[], &[]);
    target.good(1, 0, &out(0x00, 0, good.len()), &good);
    assert_eq!(target.good(1, 0, &receive(0x04, 7, 1000), &[]), [0; 4]);
}

#[test]
fn no_data_is_ever_held() {
    let mut target = Target::new();
    let list = lid1(7, &[], &[]);
    target.good(1, 0, &out(0x00, 0, list.len()), &list);
    assert_eq!(target.good(1, 0, &receive(0x01, 7, 1000), &[]), [0; 4]);
}

#[test]
fn a_count_that_four_bytes_cannot_hold_is_told_in_larger_units() {
    let mut target = Target::new();
    put_off(&mut target, 1, 7);
    for (bytes, unit, count) in [(u64::from(u32::MAX), 0, [0xFF; 4]), (1 << 32, 1, [0, 0x40, 0, 0])] {
        target.background[0].moved(bytes);
        let status = target.good(1, 0, &receive(0x00, 7, 12), &[]);
        assert_eq!((status[4], status[7], &status[8..]), (0x00, unit, &count[..]));
    }
}
