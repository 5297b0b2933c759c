//! How does data go out (RFC 7143 §11.4, §11.7)?

use super::*;
use crate::wire::{DataIn, ScsiResponse};

fn data_ins(pair: &mut Pair) -> Vec<(DataIn, Vec<u8>)> {
    let decode = |(bhs, data): (Bhs, Vec<u8>)| {
        assert_eq!(Opcode::of(&bhs), Some(Opcode::DataIn));
        (DataIn::decode(&bhs), data)
    };
    pair.sent().into_iter().map(decode).collect()
}

#[test]
fn a_read_is_cut_at_the_segment_and_the_burst_and_ends_with_good() {
    let mut pair = Pair::new(Params { max_burst: 2500, ..usual() });
    let task = pair.read(7, 6001);
    let data = bytes(6001);
    pair.connection.send_data(&mut pair.session, task, data.clone(), Outcome::good(6001));
    let sent = data_ins(&mut pair);
    let shape: Vec<_> = sent.iter().map(|(pdu, _)| (pdu.offset, pdu.data_len, pdu.fin, pdu.status_here)).collect();
    let want = [
        (0, 1024, false, false),
        (1024, 1024, false, false),
        (2048, 452, true, false),
        (2500, 1024, false, false),
        (3524, 1024, false, false),
        (4548, 452, true, false),
        (5000, 1001, true, true),
    ];
    assert_eq!(shape, want);
    assert_eq!(sent.iter().map(|(pdu, _)| pdu.data_sn).collect::<Vec<_>>(), (0..7).collect::<Vec<_>>());
    assert_eq!(sent.concat_data(), data);
    let last = sent.last().unwrap().0;
    assert_eq!((last.stat_sn, last.status, last.residual, last.ttt, last.itt, last.lun), (1, 0, 0, NO_TAG, 7, LUN));
    assert_eq!(pair.session.in_flight(), 0);
}

trait ConcatData {
    fn concat_data(&self) -> Vec<u8>;
}

impl ConcatData for Vec<(DataIn, Vec<u8>)> {
    fn concat_data(&self) -> Vec<u8> {
        self.iter().flat_map(|(_, data)| data.clone()).collect()
    }
}

#[test]
fn segments_that_are_no_words_are_cut_to_words() {
    let mut pair = Pair::new(Params { initiator_segment: 1023, max_burst: 513, ..usual() });
    let task = pair.read(1, 1025);
    pair.connection.send_data(&mut pair.session, task, bytes(1025), Outcome::good(1025));
    let sent = data_ins(&mut pair);
    assert_eq!(
        sent.iter().map(|(pdu, _)| (pdu.offset, pdu.data_len)).collect::<Vec<_>>(),
        [(0, 512), (512, 512), (1024, 1)]
    );
    assert_eq!(sent.concat_data(), bytes(1025));
}

#[test]
fn status_other_than_good_follows_in_a_response_with_its_sense() {
    let mut pair = Pair::new(usual());
    let task = pair.read(7, 2048);
    pair.connection.send_data(
        &mut pair.session,
        task,
        bytes(1500),
        Outcome { status: 2, sense: &[0x70, 1, 2], wanted: 1500 },
    );
    let sent = pair.sent();
    let opcodes: Vec<_> = sent.iter().map(|(bhs, _)| Opcode::of(bhs).unwrap()).collect();
    assert_eq!(opcodes, [Opcode::DataIn, Opcode::DataIn, Opcode::ScsiResponse]);
    let last_data = DataIn::decode(&sent[1].0);
    assert!(last_data.fin && !last_data.status_here);
    let response = ScsiResponse::decode(&sent[2].0);
    assert_eq!((response.status, response.exp_data_sn, response.underflow, response.residual), (2, 2, true, 548));
    assert_eq!(sent[2].1, [0, 3, 0x70, 1, 2], "SenseLength stands before the sense data (§11.4.7.1)");
}

#[test]
fn sense_data_is_cut_at_its_limit() {
    for len in [Outcome::SENSE_MAX, Outcome::SENSE_MAX + 1] {
        let mut pair = Pair::new(usual());
        let task = pair.read(7, 0);
        pair.connection.respond(&mut pair.session, task, Outcome { status: 2, sense: &vec![9; len], wanted: 0 });
        assert_eq!(pair.only().1.len(), 2 + Outcome::SENSE_MAX);
    }
}

#[test]
fn residuals_tell_what_the_command_wanted_against_what_was_expected() {
    // expected, payload, wanted, sent, overflow, underflow, residual (§11.4.5)
    let table = [
        (512, 512, 512, 512, false, false, 0),
        (1024, 512, 512, 512, false, true, 512),
        (256, 512, 512, 256, true, false, 256),
        (256, 256, 512, 256, true, false, 256),
        (0, 512, 512, 0, true, false, 512),
        (512, 0, 0, 0, false, true, 512),
    ];
    for (expected, payload, wanted, sent, overflow, underflow, residual) in table {
        let mut pair = Pair::new(usual());
        let task = pair.read(1, expected);
        pair.connection.send_data(&mut pair.session, task, bytes(payload), Outcome::good(wanted));
        let (bhs, data) = pair.only();
        assert_eq!(data.len(), sent);
        let found = match Opcode::of(&bhs) {
            Some(Opcode::DataIn) => {
                let pdu = DataIn::decode(&bhs);
                assert!(pdu.status_here && pdu.fin);
                (pdu.overflow, pdu.underflow, pdu.residual)
            }
            _ => {
                let pdu = ScsiResponse::decode(&bhs);
                (pdu.overflow, pdu.underflow, pdu.residual)
            }
        };
        assert_eq!(found, (overflow, underflow, residual), "expected {expected}, wanted {wanted}");
    }
}

#[test]
fn digests_cover_headers_data_and_padding() {
    let digests = Digests { header: true, data: true };
    let mut pair = Pair::new(Params { digests, ..usual() });
    let task = pair.read(1, 1501);
    pair.connection.send_data(&mut pair.session, task, bytes(1501), Outcome::good(1501));
    // The harness checks every digest when it takes the PDUs apart.
    assert_eq!(data_ins(&mut pair).concat_data(), bytes(1501));
}

#[test]
fn a_task_is_answered_once_and_later_answers_are_passed_over() {
    let mut pair = Pair::new(usual());
    let task = pair.read(1, 512);
    pair.connection.abort(&mut pair.session, task);
    pair.connection.send_data(&mut pair.session, task, bytes(512), Outcome::good(512));
    pair.connection.respond(&mut pair.session, task, Outcome::good(0));
    pair.connection.begin_write(&mut pair.session, task, 1);
    assert!(pair.sent().is_empty());
}

#[test]
fn a_long_cdb_comes_whole() {
    let mut pair = Pair::new(usual());
    let rest = bytes(16);
    let ahs = crate::wire::ahs::extended_cdb(&rest);
    let mut bhs =
        ScsiCommand { fin: true, read: true, itt: 1, expected: 8, cmd_sn: 1, cdb: [0x7f; 16], ..Default::default() };
    bhs.ahs_words = (ahs.len() / 4) as u8;
    let mut stream = Vec::new();
    pdu::append(&mut stream, &bhs.encode(), &ahs, &[], Digests::default());
    pair.feed(&stream);
    assert_eq!(pair.command().extended.unwrap()[..], [&[0x7f; 16][..], &rest].concat());
}

#[test]
fn reading_allocates_nothing_once_warm() {
    let mut pair = Pair::new(Params { max_burst: 65536, initiator_segment: 8192, ..usual() });
    let mut round = |itt| {
        let task = pair.read(itt, 8192);
        pair.connection.send_data(&mut pair.session, task, bytes(8192), Outcome::good(8192));
        let capacity = pair.connection.out.capacities();
        pair.sent_bytes();
        capacity
    };
    let warm: Vec<_> = (0..100).map(&mut round).collect();
    assert!(warm[10..].windows(2).all(|pair| pair[0] == pair[1]), "{warm:?}");
}
