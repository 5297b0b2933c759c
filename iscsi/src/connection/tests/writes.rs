//! How does data come in (RFC 7143 §4.2.5.2, §11.7, §11.8)?

use super::*;
use crate::wire::{R2t, ScsiResponse};

/// R2Ts that were sent: tag, R2TSN, offset, length.
fn r2ts(pair: &mut Pair) -> Vec<(u32, u32, u32, u32)> {
    let decode = |(bhs, _): (Bhs, Vec<u8>)| {
        assert_eq!(Opcode::of(&bhs), Some(Opcode::R2t));
        let r2t = R2t::decode(&bhs);
        (r2t.ttt, r2t.r2t_sn, r2t.offset, r2t.desired)
    };
    pair.sent().into_iter().map(decode).collect()
}

/// Answers R2Ts with Data-Out PDUs of at most `segment` bytes until none is due.
fn serve(pair: &mut Pair, itt: u32, data: &[u8], segment: usize) -> Vec<(u32, u32)> {
    let mut asked = Vec::new();
    let mut queue: VecDeque<_> = r2ts(pair).into();
    while let Some((ttt, _, offset, len)) = queue.pop_front() {
        asked.push((offset, len));
        let burst = &data[offset as usize..(offset + len) as usize];
        let count = burst.len().div_ceil(segment);
        for (sn, part) in burst.chunks(segment).enumerate() {
            let at = offset + (sn * segment) as u32;
            pair.data_out(itt, ttt, sn as u32, at, sn + 1 == count, part);
        }
        if pair.events.is_empty() {
            queue.extend(r2ts(pair));
        }
    }
    asked
}

#[test]
fn all_four_combinations_of_immediate_data_and_initial_r2t_bring_the_data_home() {
    for (immediate_data, initial_r2t) in [(true, true), (true, false), (false, true), (false, false)] {
        for digests in [Digests::default(), Digests { header: true, data: true }] {
            let mut pair = Pair::new(Params { immediate_data, initial_r2t, digests, ..usual() });
            let data = bytes(10_001);
            let immediate = if immediate_data { 1001 } else { 0 };
            pair.write(5, 10_001, &data[..immediate], initial_r2t);
            let command = pair.command();
            assert_eq!(command.data_follows, immediate_data || !initial_r2t);
            pair.connection.begin_write(&mut pair.session, command.task, 10_001);
            pair.feed(&[]);
            let mut at = immediate;
            if !initial_r2t {
                assert!(pair.sent().is_empty(), "unsolicited data comes first");
                for (sn, fin) in [(0, false), (1, true)] {
                    let end = (at + 700).min(2048);
                    pair.data_out(5, NO_TAG, sn, at as u32, fin, &data[at..end]);
                    at = end;
                }
            }
            let asked = serve(&mut pair, 5, &data, 1000);
            assert_eq!(asked.first().map(|&(offset, _)| offset as usize), Some(at));
            assert!(asked.iter().all(|&(_, len)| len <= 4096));
            assert_eq!(pair.event(), Some(Event::DataComplete(command.task)));
            assert_eq!(pair.landed, in_place(&data), "{immediate_data} {initial_r2t} {digests:?}");
            pair.connection.respond(&mut pair.session, command.task, Outcome::good(10_001));
            let (bhs, _) = pair.only();
            let response = ScsiResponse::decode(&bhs);
            assert_eq!((response.status, response.underflow, response.exp_data_sn), (0, false, asked.len() as u32));
        }
    }
}

#[test]
fn as_many_r2ts_are_outstanding_as_were_agreed_on() {
    for max in [1, 2, 3] {
        let mut pair = Pair::new(Params { max_outstanding_r2t: max, ..usual() });
        let data = bytes(5 * 4096);
        pair.write(5, data.len() as u32, &[], true);
        let task = pair.command().task;
        pair.connection.begin_write(&mut pair.session, task, data.len() as u32);
        let first = r2ts(&mut pair);
        let want: Vec<_> = (0..max).map(|n| (task.to_wire(), n, n * 4096, 4096)).collect();
        assert_eq!(first, want);
        // One burst is served: one more R2T goes out.
        for (sn, part) in data[..4096].chunks(1024).enumerate() {
            pair.data_out(5, task.to_wire(), sn as u32, sn as u32 * 1024, sn == 3, part);
        }
        assert_eq!(r2ts(&mut pair), [(task.to_wire(), max, max * 4096, 4096)]);
    }
}

#[test]
fn nothing_is_read_while_the_owner_has_not_decided_about_data_that_follows() {
    let mut pair = Pair::new(usual());
    pair.write(5, 1000, &bytes(1000), true);
    let task = pair.command().task;
    assert_eq!(pair.connection.want(), Want::Nothing);
    assert!(pair.landed.is_empty());
    pair.connection.begin_write(&mut pair.session, task, 1000);
    assert_eq!(pair.connection.want(), Want::Payload { task, offset: 0, len: 1000 });
    pair.feed(&[]);
    assert_eq!(pair.event(), Some(Event::DataComplete(task)));
    assert_eq!(pair.landed, in_place(&bytes(1000)));
}

#[test]
fn unsolicited_data_waits_for_the_owner_too() {
    let mut pair = Pair::new(usual());
    pair.write(5, 2000, &[], false);
    let task = pair.command().task;
    assert_eq!(pair.connection.want(), Want::Bytes, "other commands may come meanwhile");
    pair.data_out(5, NO_TAG, 0, 0, false, &bytes(1000));
    assert_eq!(pair.connection.want(), Want::Nothing);
    pair.connection.begin_write(&mut pair.session, task, 2000);
    pair.feed(&[]);
    pair.data_out(5, NO_TAG, 1, 1000, true, &bytes(2000)[1000..]);
    assert_eq!(pair.event(), Some(Event::DataComplete(task)));
    assert_eq!(pair.landed, in_place(&bytes(2000)));
}

#[test]
fn bytes_beyond_what_the_owner_takes_are_let_pass() {
    let mut pair = Pair::new(usual());
    pair.write(5, 2000, &bytes(1000), false);
    let task = pair.command().task;
    pair.connection.begin_write(&mut pair.session, task, 600);
    pair.feed(&[]);
    assert_eq!(pair.event(), Some(Event::DataComplete(task)));
    pair.data_out(5, NO_TAG, 0, 1000, true, &bytes(1000));
    assert_eq!(pair.landed, in_place(&bytes(600)));
    assert!(r2ts(&mut pair).is_empty());
    pair.connection.respond(&mut pair.session, task, Outcome::good(600));
    let (bhs, _) = pair.only();
    assert_eq!(ScsiResponse::decode(&bhs).residual, 1400);
}

#[test]
fn a_write_that_takes_nothing_is_complete_at_once() {
    let mut pair = Pair::new(usual());
    pair.write(5, 512, &[], true);
    let task = pair.command().task;
    pair.connection.begin_write(&mut pair.session, task, 0);
    assert_eq!(pair.event(), Some(Event::DataComplete(task)));
    assert!(pair.sent().is_empty());
}

#[test]
fn data_of_a_refused_command_is_swallowed_immediate_unsolicited_and_solicited() {
    let mut pair = Pair::new(usual());
    pair.write(5, 10_000, &bytes(500), false);
    let task = pair.command().task;
    pair.connection.respond(&mut pair.session, task, Outcome { status: 2, sense: &[1; 18], wanted: 0 });
    pair.feed(&[]);
    pair.data_out(5, NO_TAG, 0, 500, false, &bytes(100));
    pair.data_out(5, NO_TAG, 1, 600, true, &bytes(100));
    assert_eq!(pair.opcodes(), [Opcode::ScsiResponse]);
    // The sequence has ended: the tag means nothing any more.
    pair.write(6, 10_000, &[], true);
    let task = pair.command().task;
    pair.connection.begin_write(&mut pair.session, task, 10_000);
    let ttt = r2ts(&mut pair)[0].0;
    pair.data_out(6, ttt, 0, 0, false, &bytes(1000));
    pair.connection.abort(&mut pair.session, task);
    pair.data_out(6, ttt, 1, 1000, false, &bytes(1000));
    // The place is taken by another task meanwhile; the old tag still stands for nothing but late data.
    let next = pair.read(7, 0);
    assert_eq!(next.index(), task.index());
    pair.data_out(6, ttt, 2, 2000, true, &bytes(1000));
    assert!(pair.events.is_empty());
    assert_eq!(pair.landed.len(), 1000, "only what came before the abort");
}

#[test]
fn a_task_that_ends_in_the_middle_of_its_data_lets_the_rest_pass() {
    let mut pair = Pair::new(Params { digests: Digests { header: false, data: true }, ..usual() });
    let bhs =
        ScsiCommand { fin: true, write: true, itt: 5, expected: 1000, cmd_sn: 1, data_len: 1000, ..Default::default() };
    let mut stream = Vec::new();
    pdu::append(&mut stream, &bhs.encode(), &[], &bytes(1000), Digests { header: false, data: true });
    pair.next_cmd_sn();
    pair.feed(&stream[..48]);
    let task = pair.command().task;
    pair.connection.begin_write(&mut pair.session, task, 1000);
    pair.feed(&stream[48..400]);
    pair.connection.abort(&mut pair.session, task);
    assert_eq!(pair.connection.want(), Want::Discard { len: 1000 - 352 });
    pair.feed(&stream[400..]);
    pair.ping(9, b"still here");
    assert_eq!(pair.only().1, b"still here");
    assert!(pair.events.is_empty());
}

#[test]
fn unsolicited_data_of_a_command_that_was_forgotten_is_a_fault() {
    let mut pair = Pair::new(usual());
    pair.data_out(99, NO_TAG, 0, 0, true, &bytes(10));
    assert_eq!(pair.fault().clause, "RFC 7143 §11.7.3");
    assert_eq!(pair.opcodes(), [Opcode::Reject]);
}

#[test]
fn garbage_tags_are_a_fault() {
    for ttt in [0, 1, 0x1234_5678, 0xffff_fffe] {
        let mut pair = Pair::new(usual());
        pair.read(1, 512);
        pair.data_out(1, ttt, 0, 0, true, &bytes(10));
        assert_eq!(pair.fault().clause, "RFC 7143 §11.7.3", "{ttt:08x}");
        assert_eq!(pair.opcodes(), [Opcode::Reject]);
    }
}

#[test]
fn data_out_of_its_row_is_a_fault_that_names_the_clause() {
    // DataSN, offset, F, length, clause; the R2T asks for 4096 bytes at 0.
    let table = [
        (1, 0, false, 1024, "RFC 7143 §11.7.4"),
        (0, 4, false, 1024, "RFC 7143 §13.18"),
        (0, 0, true, 1024, "RFC 7143 §11.7.1"),
    ];
    for (data_sn, offset, fin, len, clause) in table {
        let mut pair = Pair::new(usual());
        pair.write(5, 10_000, &[], true);
        let task = pair.command().task;
        pair.connection.begin_write(&mut pair.session, task, 10_000);
        pair.sent();
        pair.data_out(5, task.to_wire(), data_sn, offset, fin, &bytes(len));
        assert_eq!(pair.fault().clause, clause);
        assert_eq!(pair.connection.want(), Want::Nothing);
    }
}

#[test]
fn a_burst_ends_exactly_where_the_r2t_said() {
    // One byte beyond, and the end without F.
    for (len, fin, clause) in [(1001, true, "RFC 7143 §11.8.4"), (1000, false, "RFC 7143 §11.7.1")] {
        let mut pair = Pair::new(usual());
        pair.write(5, 1000, &[], true);
        let task = pair.command().task;
        pair.connection.begin_write(&mut pair.session, task, 1000);
        pair.sent();
        pair.data_out(5, task.to_wire(), 0, 0, fin, &bytes(len));
        assert_eq!(pair.fault().clause, clause);
    }
}

#[test]
fn first_burst_holds_at_its_limit_and_breaks_one_past_it() {
    for (extra, good) in [(0, true), (1, false)] {
        let mut pair = Pair::new(usual());
        pair.write(5, 10_000, &bytes(1024), false);
        let task = pair.command().task;
        pair.connection.begin_write(&mut pair.session, task, 10_000);
        pair.feed(&[]);
        pair.data_out(5, NO_TAG, 0, 1024, false, &bytes(1000));
        pair.data_out(5, NO_TAG, 1, 2024, true, &bytes(24 + extra));
        if good {
            assert_eq!(r2ts(&mut pair)[0].2, 2048);
        } else {
            assert_eq!(pair.fault().clause, "RFC 7143 §13.14");
        }
    }
}

#[test]
fn unsolicited_data_after_its_end_is_a_fault() {
    let mut pair = Pair::new(usual());
    pair.write(5, 10_000, &[], false);
    let task = pair.command().task;
    pair.connection.begin_write(&mut pair.session, task, 10_000);
    pair.data_out(5, NO_TAG, 0, 0, true, &bytes(100));
    pair.data_out(5, NO_TAG, 0, 100, true, &bytes(100));
    assert_eq!(pair.fault().clause, "RFC 7143 §4.2.5.2");
}

#[test]
fn what_was_not_agreed_on_is_a_fault() {
    let immediate = |params| {
        let mut pair = Pair::new(params);
        pair.write(5, 10_000, &bytes(100), true);
        pair.fault().clause
    };
    assert_eq!(immediate(Params { immediate_data: false, ..usual() }), "RFC 7143 §13.11");
    assert_eq!(immediate(Params { first_burst: 99, ..usual() }), "RFC 7143 §13.14");
    let mut pair = Pair::new(Params { initial_r2t: true, ..usual() });
    pair.write(5, 10_000, &[], false);
    assert_eq!(pair.fault().clause, "RFC 7143 §13.10");
    let mut pair = Pair::new(usual());
    pair.write(5, 99, &bytes(100), true);
    assert_eq!(pair.fault().clause, "RFC 7143 §11.3.4");
}

#[test]
fn a_wrong_data_digest_is_rejected_and_ends_the_connection() {
    let digests = Digests { header: false, data: true };
    for (at, from) in [(48, "data"), (1051, "digest")] {
        let mut pair = Pair::new(Params { digests, ..usual() });
        let bhs = ScsiCommand {
            fin: true,
            write: true,
            itt: 5,
            expected: 999,
            cmd_sn: 1,
            data_len: 999,
            ..Default::default()
        };
        let mut stream = Vec::new();
        pdu::append(&mut stream, &bhs.encode(), &[], &bytes(999), digests);
        stream[at] ^= 1;
        pair.feed(&stream);
        let task = pair.command().task;
        pair.connection.begin_write(&mut pair.session, task, 999);
        pair.feed(&[]);
        assert_eq!(pair.fault().clause, "RFC 7143 §7.8", "in the {from}");
        let (reject, header) = pair.only();
        assert_eq!(crate::wire::Reject::decode(&reject).reason, crate::wire::codes::reject::DATA_DIGEST);
        assert_eq!(header, bhs.encode(), "the Reject carries the header of the bad PDU");
    }
}

#[test]
fn a_wrong_header_digest_ends_the_connection_without_a_reject() {
    let digests = Digests { header: true, data: false };
    let mut pair = Pair::new(Params { digests, ..usual() });
    let mut stream = Vec::new();
    let bhs = ScsiCommand { fin: true, read: true, itt: 5, expected: 999, cmd_sn: 1, ..Default::default() };
    pdu::append(&mut stream, &bhs.encode(), &[], &[], digests);
    stream[20] ^= 1;
    pair.feed(&stream);
    assert_eq!(pair.fault().clause, "RFC 7143 §7.7");
    assert!(pair.sent().is_empty());
}
