//! Text in full feature phase, and discovery (RFC 7143 §11.10, §11.11, Appendix C).

use ferrite_iscsi::TargetRecord;
use ferrite_iscsi::initiator::{Answer, Error, Keys, Request, Settings, cdb};
use ferrite_iscsi::wire::codes::reject;
use ferrite_iscsi::wire::{DataOut, NO_TAG, Opcode, TextRequest, TextResponse};

use crate::kit::{Kit, TARGET, discovery, next, settings};

fn record(index: usize) -> TargetRecord {
    let portals = (0..index % 3).map(|portal| (format!("[2001:db8::{portal}]:3260"), portal as u16)).collect();
    TargetRecord { name: format!("iqn.2026-11.org.example:disk-{index:04}"), portals }
}

/// Appendix C: SendTargets=All in a discovery session tells all targets with their addresses.
#[test]
fn a_discovery_session_is_told_all_targets() {
    let kit = Kit::new();
    kit.target().records = (0..5).map(record).collect();
    let mut session = kit.try_login(&discovery()).unwrap();
    let found = session.send_targets("All").unwrap();
    let expected: Vec<_> = (0..5).map(|index| (record(index).name, record(index).portals)).collect();
    assert_eq!(found.into_iter().map(|target| (target.name, target.portals)).collect::<Vec<_>>(), expected);
    assert_eq!(session.logout().unwrap(), 0);
}

/// Appendix C: a name asks for that target alone; an unknown one has no record.
#[test]
fn one_target_can_be_asked_for() {
    let kit = Kit::new();
    kit.target().records = (0..5).map(record).collect();
    let mut session = kit.try_login(&discovery()).unwrap();
    assert_eq!(session.send_targets(&record(3).name).unwrap()[0].name, record(3).name);
    assert_eq!(session.send_targets("iqn.2026-11.org.example:nobody").unwrap(), []);
}

/// Appendix C: in a normal session, an empty value asks for the session's own target, and All is not for it.
#[test]
fn a_normal_session_asks_for_its_own_target() {
    let kit = Kit::new();
    let mut session = kit.login();
    let found = session.send_targets("").unwrap();
    assert_eq!((found.len(), found[0].name.as_str()), (1, TARGET));
    assert_eq!(session.text(&[("SendTargets", "All")]).unwrap(), [("SendTargets".into(), "Reject".into())]);
}

/// §11.11: an answer longer than one PDU goes on under the C bit, a step for each empty request.
#[test]
fn long_answers_come_in_steps() {
    for segment in [512, 777, 8192] {
        let kit = Kit::new();
        kit.target().records = (0..500).map(record).collect();
        let keys = Keys { max_recv_data_segment_length: segment, ..Keys::default() };
        let mut session = kit.try_login(&Settings { keys, ..discovery() }).unwrap();
        assert_eq!(session.send_targets("All").unwrap().len(), 500, "segments of {segment} bytes");
        assert_eq!(session.send_targets(&record(7).name).unwrap().len(), 1, "and the next exchange is a new one");
    }
}

/// §11.11.2, §11.11.4: C with F=0 and a tag to go on with; the last has F and none.
#[test]
fn steps_of_an_answer_carry_a_tag() {
    let kit = Kit::new();
    kit.target().records = (0..30).map(record).collect();
    let keys = Keys { max_recv_data_segment_length: 512, ..Keys::default() };
    let mut session = kit.try_login(&Settings { keys, ..discovery() }).unwrap();
    let itt = session.submit_text(b"SendTargets=All\0", true, None).unwrap();
    let mut steps = 0;
    loop {
        let pdu = next(&mut session);
        assert_eq!(pdu.opcode(), Some(Opcode::TextResponse));
        let response = TextResponse::decode(&pdu.bhs);
        assert_eq!(response.itt, itt);
        if response.fin {
            assert_eq!((response.more, response.ttt), (false, NO_TAG));
            break;
        }
        assert!(response.more && response.ttt != NO_TAG && pdu.data.len() == 512);
        session.submit_text(&[], true, Some((itt, response.ttt))).unwrap();
        steps += 1;
    }
    assert!(steps > 2);
}

/// §11.10.3, §11.10.4: a step with a tag that was not given is no part of any exchange.
#[test]
fn a_step_with_a_wrong_tag_is_rejected() {
    let kit = Kit::new();
    kit.target().records = (0..30).map(record).collect();
    let keys = Keys { max_recv_data_segment_length: 512, ..Keys::default() };
    let mut session = kit.try_login(&Settings { keys, ..discovery() }).unwrap();
    let itt = session.submit_text(b"SendTargets=All\0", true, None).unwrap();
    let response = TextResponse::decode(&next(&mut session).bhs);
    session.submit_text(&[], true, Some((itt, response.ttt ^ 0x100))).unwrap();
    assert_eq!(next(&mut session).opcode(), Some(Opcode::Reject));
}

/// §11.10.4: a request without a tag gives the exchange that was under way up.
#[test]
fn a_new_exchange_takes_the_place_of_an_unfinished_one() {
    let kit = Kit::new();
    kit.target().records = (0..30).map(record).collect();
    let keys = Keys { max_recv_data_segment_length: 512, ..Keys::default() };
    let mut session = kit.try_login(&Settings { keys, ..discovery() }).unwrap();
    let first = session.submit_text(b"SendTargets=All\0", true, None).unwrap();
    assert!(matches!(session.complete_one(first).unwrap(), Answer::Text { fin: false, .. }));
    assert_eq!(session.send_targets(&record(4).name).unwrap().len(), 1);
}

/// §11.10.2: a question may come in pieces, cut anywhere.
#[test]
fn questions_may_come_in_pieces() {
    let text = b"SendTargets=All\0";
    for cut in 1..text.len() {
        let kit = Kit::new();
        let mut session = kit.try_login(&discovery()).unwrap();
        let cmd_sn = session.take_cmd_sn();
        let more =
            TextRequest { more: true, itt: 0x700, ttt: NO_TAG, cmd_sn, data_len: cut as u32, ..Default::default() };
        session.frames().send(&more.encode(), &[], &text[..cut]).unwrap();
        let half = next(&mut session);
        let response = TextResponse::decode(&half.bhs);
        assert!(!response.fin && response.ttt != NO_TAG && half.data.is_empty(), "cut at {cut}");
        session.submit_text(&text[cut..], true, Some((0x700, response.ttt))).unwrap();
        let Answer::Text { data, fin: true, .. } = session.complete_one(0x700).unwrap() else {
            panic!("cut at {cut}");
        };
        assert!(data.starts_with(format!("TargetName={TARGET}\0").as_bytes()));
    }
}

/// §6.2: a text has an end, or it is given up.
#[test]
fn a_question_without_end_is_rejected() {
    let kit = Kit::new();
    let mut session = kit.try_login(&discovery()).unwrap();
    let mut ttt = NO_TAG;
    let part = vec![b'x'; 8000];
    for _ in 0..64 {
        let cmd_sn = session.take_cmd_sn();
        let request = TextRequest { more: true, itt: 0x700, ttt, cmd_sn, data_len: 8000, ..Default::default() };
        session.frames().send(&request.encode(), &[], &part).unwrap();
        let pdu = next(&mut session);
        if pdu.opcode() == Some(Opcode::Reject) {
            return;
        }
        ttt = TextResponse::decode(&pdu.bhs).ttt;
    }
    panic!("half a megabyte of text was taken");
}

/// §6.2: in full feature phase too, every key has an answer.
#[test]
fn keys_of_full_feature_phase_are_answered() {
    let kit = Kit::new();
    let mut session = kit.login();
    let answer = session.text(&[("X-com.example.key", "1"), ("Unknown", "2")]).unwrap();
    let answer: Vec<_> = answer.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(answer, [("X-com.example.key", "NotUnderstood"), ("Unknown", "NotUnderstood")]);
}

/// §13: keys that belong to login alone cannot be changed later.
#[test]
fn keys_of_login_cannot_be_changed_later() {
    let kit = Kit::new();
    let mut session = kit.login();
    let before = *kit.target().session().params();
    for (key, value) in [("HeaderDigest", "CRC32C"), ("MaxBurstLength", "512"), ("InitialR2T", "Yes")] {
        let answer = session.text(&[(key, value)]);
        match answer {
            Ok(pairs) => assert_eq!(pairs, [(key.to_owned(), "Reject".to_owned())]),
            Err(Error::Rejected { .. }) => {}
            Err(error) => panic!("{key}: {error}"),
        }
    }
    assert_eq!(*kit.target().session().params(), before);
    session.test_unit_ready(0).unwrap();
}

/// §13.12: the segment length may be declared anew, and holds from then on.
#[test]
fn the_segment_length_may_be_declared_again() {
    let kit = Kit::new();
    let mut session = kit.try_login(&settings()).unwrap();
    session.text(&[("MaxRecvDataSegmentLength", "512")]).unwrap();
    session.submit(&Request::new(0, &cdb::read10(0, 4)).reading(2048)).unwrap();
    let lengths: Vec<usize> = (0..4).map(|_| next(&mut session).data.len()).collect();
    assert_eq!(lengths, [512; 4]);
}

/// §4.3, Appendix C: a discovery session carries text, nothing else.
#[test]
fn a_discovery_session_takes_no_commands() {
    let kit = Kit::new();
    let mut session = kit.try_login(&discovery()).unwrap();
    let refused = session.command(&Request::new(0, &cdb::TEST_UNIT_READY));
    assert!(matches!(refused, Err(Error::Rejected { reason: reject::NOT_SUPPORTED, .. })), "{refused:?}");
    let data = DataOut { fin: true, itt: 1, ttt: 1, ..DataOut::default() };
    session.frames().send(&data.encode(), &[], &[]).unwrap();
    assert_eq!(next(&mut session).opcode(), Some(Opcode::Reject));
    assert_eq!(session.send_targets("All").unwrap().len(), 1, "and it goes on");
}
