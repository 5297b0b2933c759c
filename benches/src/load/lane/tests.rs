//! Does a lane say what its session allows, and stop at the first wrong answer?

use crate::load::workload::Plan;

use super::*;
use std::sync::Arc;

use ferrite_iscsi::initiator::Keys;
use ferrite_iscsi::wire::pdu::append;
use ferrite_iscsi::wire::{Bhs, DataIn, DataOut, Digests, NopIn, R2t, Reject, ScsiCommand, ScsiResponse};

const BLOCK: u32 = 4096;

#[derive(Default)]
struct Count(u32);

impl Finished for Count {
    fn finished(&mut self, _: Instant) {
        self.0 += 1;
    }
}

/// A lane at depth 4 in a session with these agreements.
fn lane(writes: bool, digests: bool, agree: impl FnOnce(&mut Agreed)) -> Lane {
    let mut agreed = agreed();
    (agreed.header_digest, agreed.data_digest) = (digests, digests);
    agree(&mut agreed);
    let access = if writes { Access::Write } else { Access::Read };
    let plan = Plan { block_len: BLOCK, logical_block: 512, capacity: 1 << 20, access, random: false };
    let workload = plan.part(0, 1, &vec![7; BLOCK as usize].into()).unwrap();
    let start = Start { agreed, cmd_sn: 10, exp_stat_sn: 20, max_cmd_sn: 12, lun: [0; 8] };
    let mut lane = Lane::new(start, workload, 4);
    lane.fill(Instant::now());
    lane
}

/// What two sides without wishes agree on.
fn agreed() -> Agreed {
    let Keys { max_recv_data_segment_length, .. } = Keys::default();
    Agreed {
        tsih: 1,
        portal_group: Some(1),
        target_alias: None,
        header_digest: false,
        data_digest: false,
        max_connections: 1,
        initial_r2t: false,
        immediate_data: true,
        max_send_data_segment_length: 8192,
        max_recv_data_segment_length,
        max_burst_length: 8192,
        first_burst_length: 8192,
        default_time2wait: 2,
        default_time2retain: 0,
        max_outstanding_r2t: 1,
        data_pdu_in_order: true,
        data_sequence_in_order: true,
        error_recovery_level: 0,
        other: Vec::new(),
    }
}

/// The PDUs that are due, without digests.
fn sent(lane: &mut Lane) -> Vec<(Bhs, Vec<u8>)> {
    let mut bytes = Vec::new();
    let pattern = Arc::clone(lane.workload.pattern());
    lane.out.write(&mut bytes, &pattern).unwrap();
    let mut pdus = Vec::new();
    let mut rest = &bytes[..];
    while let Some((bhs, after)) = rest.split_first_chunk::<48>() {
        let len = ferrite_iscsi::wire::data_len(bhs) as usize;
        let (data, after) = after.split_at(len.next_multiple_of(4));
        pdus.push((*bhs, data[..len].to_vec()));
        rest = after;
    }
    assert!(rest.is_empty(), "the stream ends with a whole PDU");
    pdus
}

fn pdu(bhs: Bhs, data: &[u8], digests: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    append(&mut bytes, &bhs, &[], data, Digests { header: digests, data: digests });
    bytes
}

fn good(itt: u32, stat_sn: u32) -> Vec<u8> {
    let response = ScsiResponse { itt, stat_sn, exp_cmd_sn: 13, max_cmd_sn: 20, ..ScsiResponse::default() };
    pdu(response.encode(), &[], false)
}

fn data_in(itt: u32, offset: u32, len: u32, last: bool, digests: bool) -> Vec<u8> {
    let header = DataIn {
        fin: last,
        status_here: last,
        itt,
        stat_sn: 20,
        exp_cmd_sn: 13,
        max_cmd_sn: 20,
        offset,
        data_len: len,
        ..DataIn::default()
    };
    pdu(header.encode(), &vec![3; len as usize], digests)
}

#[test]
fn commands_keep_to_the_window_and_to_the_depth() {
    let mut lane = lane(false, false, |_| {});
    let commands: Vec<ScsiCommand> = sent(&mut lane).iter().map(|(bhs, _)| ScsiCommand::decode(bhs)).collect();
    let numbers: Vec<u32> = commands.iter().map(|command| command.cmd_sn).collect();
    assert_eq!(numbers, [10, 11, 12], "MaxCmdSN is 12");
    assert!(commands.iter().all(|command| command.read && command.fin && command.expected == BLOCK));
    let mut count = Count::default();
    lane.receive(&data_in(commands[0].itt, 0, BLOCK, true, false), &mut count).unwrap();
    assert_eq!((count.0, lane.in_flight()), (1, 2));
    lane.fill(Instant::now());
    assert_eq!((sent(&mut lane).len(), lane.in_flight()), (2, 4), "the window has opened, the depth is 4");
}

#[test]
fn answers_are_understood_however_the_stream_is_cut() {
    for digests in [false, true] {
        let stream = [
            data_in(0, 0, 4093, false, digests),
            data_in(0, 4093, 3, true, digests),
            data_in(1, 0, BLOCK, true, digests),
        ];
        let stream = stream.concat();
        for piece in [1, 3, 47, 48, 52, 53, 4099, stream.len()] {
            let mut lane = lane(false, digests, |_| {});
            let mut count = Count::default();
            stream.chunks(piece).for_each(|bytes| lane.receive(bytes, &mut count).unwrap());
            assert_eq!((count.0, lane.in_flight()), (2, 1), "pieces of {piece}, digests {digests}");
            assert_eq!(lane.exp_stat_sn, 21);
        }
    }
}

#[test]
fn write_data_goes_out_as_agreed_and_as_asked_for() {
    let agreements: [(bool, bool, u32, u32, &[usize]); 4] = [
        (true, false, 8192, 8192, &[4096]),
        (true, false, 8192, 1024, &[1024, 1024, 1024, 1024]),
        (false, false, 2048, 1024, &[0, 1024, 1024]),
        (false, true, 8192, 8192, &[0]),
    ];
    for (immediate, initial_r2t, first_burst, segment, expected) in agreements {
        let mut lane = lane(true, false, |agreed| {
            agreed.immediate_data = immediate;
            agreed.initial_r2t = initial_r2t;
            agreed.first_burst_length = first_burst;
            agreed.max_send_data_segment_length = segment;
        });
        let pdus = sent(&mut lane);
        let lengths: Vec<usize> = pdus[..expected.len()].iter().map(|(_, data)| data.len()).collect();
        assert_eq!(lengths, expected);
        let fins: Vec<bool> = pdus[..expected.len()].iter().map(|(bhs, _)| bhs[1] & 0x80 != 0).collect();
        assert!(fins.iter().rev().skip(1).all(|fin| !fin) && fins[fins.len() - 1], "F ends what comes unasked");
    }
    let mut lane = lane(true, false, |agreed| (agreed.immediate_data, agreed.initial_r2t) = (false, true));
    sent(&mut lane);
    let r2t = R2t { itt: 2, ttt: 77, offset: 1000, desired: 2001, exp_cmd_sn: 13, max_cmd_sn: 13, ..R2t::default() };
    lane.receive(&pdu(r2t.encode(), &[], false), &mut Count::default()).unwrap();
    let (bhs, data) = sent(&mut lane).remove(0);
    let out = DataOut::decode(&bhs);
    assert_eq!((out.itt, out.ttt, out.offset, out.fin, data.len()), (2, 77, 1000, true, 2001));
    let mut count = Count::default();
    lane.receive(&good(2, 20), &mut count).unwrap();
    assert_eq!(count.0, 1);
}

#[test]
fn a_run_does_not_go_on_after_a_wrong_answer() {
    let check = |stat| {
        let response = ScsiResponse { status: stat, stat_sn: 20, data_len: 4, ..ScsiResponse::default() };
        pdu(response.encode(), &[0, 2, 0x70, 0], false)
    };
    let r2t = |offset, desired| pdu(R2t { itt: 0, offset, desired, ..R2t::default() }.encode(), &[], false);
    for (what, writes, bytes) in [
        ("a status", true, check(2)),
        ("GOOD without data", false, good(0, 20)),
        ("a tag that is not in use", true, good(3, 20)),
        ("a tag that never was", true, good(4, 20)),
        ("an R2T for a read", false, r2t(0, 512)),
        ("an R2T past the end", true, r2t(4000, 512)),
        ("an R2T past the end of numbers", true, r2t(u32::MAX, 512)),
        ("a Reject", true, pdu(Reject { reason: 4, ..Reject::default() }.encode(), &[], false)),
    ] {
        assert!(lane(writes, false, |_| {}).receive(&bytes, &mut Count::default()).is_err(), "{what}");
    }
}

#[test]
fn a_damaged_answer_ends_the_run() {
    let clean = data_in(0, 0, BLOCK, true, true);
    for byte in [0, 30, 47, 48, 51, 52, 2000, clean.len() - 1] {
        let mut bytes = clean.clone();
        bytes[byte] ^= 4;
        let mut lane = lane(false, true, |_| {});
        assert!(matches!(lane.receive(&bytes, &mut Count::default()), Err(Error::Digest)), "byte {byte}");
    }
}

#[test]
fn a_ping_is_answered() {
    let mut lane = lane(false, false, |_| {});
    sent(&mut lane);
    let ping = NopIn { itt: NO_TAG, ttt: 5, stat_sn: 20, exp_cmd_sn: 13, max_cmd_sn: 12, ..NopIn::default() };
    lane.receive(&pdu(ping.encode(), &[], false), &mut Count::default()).unwrap();
    let (bhs, _) = sent(&mut lane).remove(0);
    assert_eq!((bhs[0], &bhs[16..24]), (0x40, &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 5][..]));
}
