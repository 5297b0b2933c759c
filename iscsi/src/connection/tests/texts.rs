//! How is text exchanged (RFC 7143 §11.10, §11.11, Appendix C)?

use super::*;
use crate::wire::codes::reject;
use crate::wire::text::TEXT_MAX;
use crate::wire::{Reject, TextResponse};

fn asked(pair: &mut Pair) -> TargetsAsked {
    match pair.event() {
        Some(Event::SendTargets(asked)) => asked,
        other => panic!("no SendTargets but {other:?}"),
    }
}

fn answer(pair: &mut Pair) -> (TextResponse, String) {
    let (bhs, data) = pair.only();
    assert_eq!(Opcode::of(&bhs), Some(Opcode::TextResponse));
    (TextResponse::decode(&bhs), String::from_utf8(data).unwrap())
}

fn records(count: usize) -> Vec<TargetRecord> {
    let portals = vec![("192.0.2.1:3260".to_owned(), 1), ("[2001:db8::1]:3260".to_owned(), 2)];
    (0..count)
        .map(|n| TargetRecord { name: format!("iqn.2026-11.com.example:t{n}"), portals: portals.clone() })
        .collect()
}

#[test]
fn send_targets_asks_by_appendix_c() {
    let table = [
        (true, "All", Some(TargetsAsked::All)),
        (true, "iqn.a", Some(TargetsAsked::One("iqn.a".into()))),
        (true, "", None),
        (false, "All", None),
        (false, "iqn.a", Some(TargetsAsked::One("iqn.a".into()))),
        (false, "", Some(TargetsAsked::Own)),
    ];
    for (discovery, value, want) in table {
        let mut pair = if discovery { Pair::discovery(usual()) } else { Pair::new(usual()) };
        pair.text(1, NO_TAG, true, false, format!("SendTargets={value}\0").as_bytes());
        match want {
            Some(want) => assert_eq!(asked(&mut pair), want),
            None => assert_eq!(answer(&mut pair).1, "SendTargets=Reject\0", "{discovery} {value:?}"),
        }
    }
}

#[test]
fn a_short_answer_stands_in_one_response() {
    let mut pair = Pair::discovery(usual());
    pair.text(1, NO_TAG, true, false, b"SendTargets=All\0");
    asked(&mut pair);
    pair.connection.answer_targets(&mut pair.session, &records(1));
    let (response, text) = answer(&mut pair);
    assert!(response.fin && !response.more && response.ttt == NO_TAG && response.itt == 1);
    let want =
        "TargetName=iqn.2026-11.com.example:t0\0TargetAddress=192.0.2.1:3260,1\0TargetAddress=[2001:db8::1]:3260,2\0";
    assert_eq!(text, want);
}

#[test]
fn no_targets_is_an_answer_too() {
    let mut pair = Pair::discovery(usual());
    pair.text(1, NO_TAG, true, false, b"SendTargets=All\0");
    asked(&mut pair);
    pair.connection.answer_targets(&mut pair.session, &[]);
    let (response, text) = answer(&mut pair);
    assert!(response.fin && text.is_empty());
}

#[test]
fn a_long_answer_goes_on_from_request_to_request() {
    let mut pair = Pair::discovery(usual());
    pair.text(1, NO_TAG, true, false, b"SendTargets=All\0");
    asked(&mut pair);
    pair.connection.answer_targets(&mut pair.session, &records(40));
    let (mut response, mut text) = answer(&mut pair);
    while response.more {
        assert!(!response.fin && response.data_len == 1024 && response.ttt != NO_TAG);
        pair.text(1, response.ttt, true, false, b"");
        let next = answer(&mut pair);
        response = next.0;
        text += &next.1;
    }
    assert!(response.fin);
    assert_eq!(text.matches("TargetName=").count(), 40);
    assert!(text.ends_with("TargetAddress=[2001:db8::1]:3260,2\0"));
}

#[test]
fn an_answer_is_bounded_at_a_whole_record() {
    let mut pair = Pair::discovery(usual());
    pair.text(1, NO_TAG, true, false, b"SendTargets=All\0");
    asked(&mut pair);
    let one = "x".repeat(text::ANSWER_MAX / 4 - "TargetName=".len() - 1);
    let records = vec![TargetRecord { name: one, portals: Vec::new() }; 5];
    pair.connection.answer_targets(&mut pair.session, &records);
    assert_eq!(pair.connection.state.exchange.answer_len(), text::ANSWER_MAX, "four fit, the fifth does not");
}

#[test]
fn a_request_over_several_pdus_is_put_together() {
    let mut pair = Pair::discovery(usual());
    pair.text(1, NO_TAG, false, true, b"SendTar");
    let (response, text) = answer(&mut pair);
    assert!(!response.fin && !response.more && text.is_empty() && response.ttt != NO_TAG);
    pair.text(1, response.ttt, true, false, b"gets=All\0");
    assert_eq!(asked(&mut pair), TargetsAsked::All);
}

#[test]
fn a_request_holds_at_the_text_limit_and_breaks_one_past_it() {
    for (extra, good) in [(0, true), (1, false)] {
        let mut pair = Pair::discovery(usual());
        // Many pairs are short of the limits on keys and values.
        let text = format!("X-a={}\0", "v".repeat(1019)).repeat(TEXT_MAX / 1024) + &"\0".repeat(extra);
        let mut ttt = NO_TAG;
        let parts: Vec<&[u8]> = text.as_bytes().chunks(1000).collect();
        let mut last = Opcode::TextResponse;
        for (at, part) in parts.iter().enumerate() {
            let end = at + 1 == parts.len();
            pair.text(1, ttt, end, !end, part);
            let (bhs, _) = pair.only();
            last = Opcode::of(&bhs).unwrap();
            ttt = TextResponse::decode(&bhs).ttt;
        }
        assert_eq!(last, if good { Opcode::TextResponse } else { Opcode::Reject });
    }
}

#[test]
fn the_second_question_waits_for_the_first_and_foreign_tags_are_rejected() {
    let mut pair = Pair::discovery(usual());
    pair.text(1, NO_TAG, true, false, b"SendTargets=All\0");
    asked(&mut pair);
    pair.text(2, NO_TAG, true, false, b"SendTargets=All\0");
    assert_eq!(Reject::decode(&pair.only().0).reason, reject::PROTOCOL);
    pair.connection.answer_targets(&mut pair.session, &records(40));
    let (response, _) = answer(&mut pair);
    pair.text(1, response.ttt ^ 1, true, false, b"");
    assert_eq!(Reject::decode(&pair.only().0).reason, reject::PROTOCOL);
    // A new question drops the old one.
    pair.text(3, NO_TAG, true, false, b"SendTargets=All\0");
    asked(&mut pair);
}

#[test]
fn other_keys_are_answered_and_a_new_segment_length_holds_at_once() {
    let mut pair = Pair::new(usual());
    pair.text(1, NO_TAG, true, false, b"MaxRecvDataSegmentLength=512\0X-odd=1\0MaxBurstLength=512\0");
    assert_eq!(answer(&mut pair).1, "X-odd=NotUnderstood\0MaxBurstLength=Reject\0");
    assert_eq!(pair.session.params().initiator_segment, 512);
    let task = pair.read(5, 1024);
    pair.connection.send_data(&mut pair.session, task, bytes(1024), Outcome::good(1024));
    assert_eq!(pair.opcodes(), [Opcode::DataIn, Opcode::DataIn]);
}

#[test]
fn malformed_text_is_rejected() {
    for (fin, more, text) in [(true, false, &b"no pair\0"[..]), (true, true, b"a=b\0")] {
        let mut pair = Pair::new(usual());
        pair.text(1, NO_TAG, fin, more, text);
        assert_eq!(Reject::decode(&pair.only().0).reason, reject::PROTOCOL);
        pair.text(1, NO_TAG, true, false, b"");
        assert!(answer(&mut pair).0.fin);
    }
}
