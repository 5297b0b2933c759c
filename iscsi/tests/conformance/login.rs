//! Login stages, names, and how a login is refused (RFC 7143 §6.3, §11.12, §11.13).

use std::time::Duration;

use ferrite_iscsi::initiator::{Error, Pdu, Settings};
use ferrite_iscsi::wire::{NopOut, ScsiCommand};
use ferrite_iscsi::{Cost, LoginLimits, LoginStatus};

use crate::kit::dialogue::{Dialogue, FULL_FEATURE, NAMES, OPERATIONAL, SECURITY};
use crate::kit::{INITIATOR, Kit, TARGET, discovery, settings};

/// RFC 7143 §6.3: security stage, operational stage, full feature phase.
#[test]
fn both_stages_lead_to_full_feature_phase() {
    let kit = Kit::new();
    kit.target().terms.portal_group = 42;
    kit.target().terms.target_alias = Some("a test target".into());
    let mut initiator = kit.login();
    assert_eq!(initiator.agreed().portal_group, Some(42));
    assert_eq!(initiator.agreed().target_alias.as_deref(), Some("a test target"));
    assert_ne!(initiator.agreed().tsih, 0);
    initiator.test_unit_ready(0).unwrap();
    let target = kit.target();
    assert_eq!(target.session().initiator(), INITIATOR);
    assert_eq!(target.session().target(), Some(TARGET));
}

/// RFC 7143 §6.3.2: the security stage may be left out where no proof is asked for.
#[test]
fn a_login_may_start_in_the_operational_stage() {
    let kit = Kit::new();
    let said = Dialogue::new(&kit).say(OPERATIONAL, Some(FULL_FEATURE), &NAMES);
    assert_eq!((said.status(), said.header.transit, said.header.nsg), ((0, 0), true, FULL_FEATURE));
    assert_ne!(said.header.tsih, 0);
}

/// RFC 7143 §6.3: the operational stage may be left out too.
#[test]
fn a_login_may_go_from_security_to_full_feature_phase() {
    let kit = Kit::new();
    let said = Dialogue::new(&kit).say(SECURITY, Some(FULL_FEATURE), &[&NAMES[..], &[("AuthMethod", "None")]].concat());
    assert_eq!((said.status(), said.header.transit, said.header.nsg), ((0, 0), true, FULL_FEATURE));
    assert_eq!(kit.target().session().params().max_burst, 262_144, "what was not negotiated has its default");
}

/// RFC 7143 §11.13.3, §11.13.4: ISID, ITT and CmdSN come back, TSIH only in the last response.
#[test]
fn responses_repeat_what_names_the_session() {
    let kit = Kit::new();
    let mut dialogue = Dialogue::new(&kit);
    dialogue.request.cmd_sn = 0xffff_ffff;
    let first = dialogue.say(SECURITY, Some(OPERATIONAL), &[&NAMES[..], &[("AuthMethod", "None")]].concat()).header;
    assert_eq!((first.isid, first.itt, first.tsih), (dialogue.request.isid, 0x1234, 0));
    assert_eq!(first.exp_cmd_sn, 0xffff_ffff);
    let last = dialogue.say(OPERATIONAL, Some(FULL_FEATURE), &[]).header;
    assert_eq!((last.isid, last.itt), (dialogue.request.isid, 0x1234));
    assert_ne!(last.tsih, 0);
    assert_eq!(last.stat_sn, first.stat_sn.wrapping_add(1));
}

/// RFC 7143 §13.9: the portal group is told with the first response that can.
#[test]
fn the_portal_group_tag_is_told_once_and_not_in_discovery() {
    let kit = Kit::new();
    let mut dialogue = Dialogue::new(&kit);
    let first = dialogue.say(SECURITY, Some(OPERATIONAL), &[&NAMES[..], &[("AuthMethod", "None")]].concat());
    assert_eq!(first.value("TargetPortalGroupTag"), Some("1"));
    let last = dialogue.say(OPERATIONAL, Some(FULL_FEATURE), &[]);
    assert_eq!(last.value("TargetPortalGroupTag"), None);
    let session = kit.try_login(&discovery()).unwrap();
    assert_eq!(session.agreed().portal_group, None);
}

/// RFC 7143 §11.13.5: 0207h, a parameter is missing.
#[test]
fn names_are_required() {
    for missing in 0..2 {
        let kit = Kit::new();
        let mut text = NAMES.to_vec();
        let (key, _) = text.remove(missing);
        let said = Dialogue::new(&kit).say(SECURITY, Some(OPERATIONAL), &text);
        assert_eq!(said.status(), (2, 7), "without {key}");
    }
}

/// RFC 7143 §13.21: a session without a SessionType is a normal one.
#[test]
fn a_session_is_normal_unless_it_says_otherwise() {
    let kit = Kit::new();
    Dialogue::new(&kit).say(OPERATIONAL, Some(FULL_FEATURE), &NAMES[..2]);
    assert!(!kit.target().session().is_discovery());
}

/// RFC 7143 §13.21: a discovery session needs no TargetName.
#[test]
fn a_discovery_session_needs_no_target() {
    let kit = Kit::new();
    kit.try_login(&discovery()).unwrap();
    assert!(kit.target().session().is_discovery());
    assert!(kit.target().candidates.iter().all(|candidate| candidate.discovery && candidate.target.is_none()));
}

/// RFC 7143 §11.13.5: 0203h, no such target.
#[test]
fn an_unknown_target_is_not_found() {
    let kit = Kit::new();
    let refused = kit.try_login(&Settings::normal(INITIATOR, "iqn.2026-11.org.example:nobody"));
    assert!(matches!(refused, Err(Error::Refused { class: 2, detail: 3, .. })), "{refused:?}");
    assert!(kit.target().is_closed());
}

/// RFC 7143 §11.13.5: 020Ah, the session does not exist.
#[test]
fn a_connection_cannot_join_a_session_that_is_not_there() {
    let kit = Kit::new();
    let refused = kit.try_login(&Settings { tsih: 5, ..settings() });
    assert!(matches!(refused, Err(Error::Refused { class: 2, detail: 0x0a, .. })), "{refused:?}");
    assert_eq!(kit.target().candidates[0].tsih, 5);
}

/// RFC 7143 §11.12.4, §11.13.5: 0205h, version 0 is the only one.
#[test]
fn another_version_is_refused() {
    let kit = Kit::new();
    let mut dialogue = Dialogue::new(&kit);
    (dialogue.request.version_min, dialogue.request.version_max) = (1, 2);
    assert_eq!(dialogue.say(SECURITY, Some(OPERATIONAL), &NAMES).status(), (2, 5));
    let mut dialogue = Dialogue::new(&kit);
    dialogue.request.version_max = 2;
    assert_eq!(dialogue.say(SECURITY, Some(OPERATIONAL), &NAMES).status(), (0, 0), "0 to 2 includes 0");
}

/// RFC 7143 §11.13.5: every status reaches the initiator with its own number.
#[test]
fn each_refusal_carries_its_status() {
    use LoginStatus::*;
    for status in [
        InitiatorError,
        AuthenticationFailure,
        AuthorizationFailure,
        NotFound,
        TargetRemoved,
        TooManyConnections,
        CannotIncludeInSession,
        SessionTypeNotSupported,
        TargetError,
        ServiceUnavailable,
        OutOfResources,
    ] {
        let kit = Kit::new();
        kit.target().refuses = Some(status);
        let Err(Error::Refused { class, detail, .. }) = kit.try_login(&settings()) else {
            panic!("{status} was not refused");
        };
        assert_eq!((class, detail), status.code());
        assert_eq!(kit.target().failures.len(), 1);
    }
}

/// RFC 7143 §11.13.5: a redirection names the other address.
#[test]
fn a_candidate_can_be_sent_elsewhere() {
    for (permanently, expected) in [(false, 1), (true, 2)] {
        let kit = Kit::new();
        kit.target().redirects = Some(("192.0.2.9:3260,2".into(), permanently));
        let Err(Error::Refused { class: 1, detail, redirect }) = kit.try_login(&settings()) else {
            panic!("there was no redirection");
        };
        assert_eq!((detail, redirect.as_deref()), (expected, Some("192.0.2.9:3260,2")));
    }
}

/// RFC 7143 §6.2: a text may be cut anywhere, inside a key too, and goes on under the C bit.
#[test]
fn names_may_come_in_pieces() {
    let text: Vec<u8> = NAMES.iter().flat_map(|(key, value)| format!("{key}={value}\0").into_bytes()).collect();
    for cut in 1..text.len() {
        let kit = Kit::new();
        let mut dialogue = Dialogue::new(&kit);
        let half = dialogue.say_text(OPERATIONAL, None, true, &text[..cut]).unwrap();
        assert_eq!((half.status(), half.header.transit, half.pairs.len()), ((0, 0), false, 0), "cut at {cut}");
        let said = dialogue.say_text(OPERATIONAL, Some(FULL_FEATURE), false, &text[cut..]).unwrap();
        assert_eq!((said.status(), said.header.transit), ((0, 0), true), "cut at {cut}");
    }
}

/// RFC 7143 §6.2: what goes on under the C bit cannot be ready for another stage.
#[test]
fn a_text_that_goes_on_does_not_move_to_another_stage() {
    let kit = Kit::new();
    let mut dialogue = Dialogue::new(&kit);
    let said = dialogue.say_text(OPERATIONAL, Some(FULL_FEATURE), true, b"InitiatorName=").unwrap();
    assert_eq!(said.status().0, 2);
}

/// RFC 7143 §6.2: at least 8192 bytes of text are taken; without a limit, a candidate could fill the memory.
#[test]
fn a_text_without_end_is_refused() {
    let kit = Kit::new();
    let mut dialogue = Dialogue::new(&kit);
    let long = format!("X-example.com.key={}\0", "v".repeat(200)).repeat(30);
    let mut taken = 0;
    let status = loop {
        match dialogue.say_text(OPERATIONAL, None, true, long.as_bytes()) {
            Ok(said) if said.status() == (0, 0) => taken += long.len(),
            Ok(said) => break said.status(),
            Err(error) => panic!("the login ended without a status: {error}"),
        }
    };
    assert_eq!(status.0, 2);
    assert!((8192 - long.len()..64 * 1024).contains(&taken), "{taken} bytes were taken");
}

/// RFC 7143 §11.12.3: NSG must lie ahead of CSG, and 2 is no stage.
#[test]
fn a_stage_that_is_none_is_refused() {
    for (csg, nsg) in [(SECURITY, SECURITY), (SECURITY, 2), (OPERATIONAL, OPERATIONAL), (OPERATIONAL, SECURITY), (2, 3)]
    {
        let kit = Kit::new();
        let said = Dialogue::new(&kit).say(csg, Some(nsg), &NAMES);
        assert_eq!(said.status().0, 2, "from {csg} to {nsg}");
        assert!(kit.target().is_closed());
    }
}

/// RFC 7143 §6.3: there is no way back.
#[test]
fn the_security_stage_cannot_be_entered_again() {
    let kit = Kit::new();
    let mut dialogue = Dialogue::operational(&kit);
    assert_eq!(dialogue.say(SECURITY, Some(OPERATIONAL), &[]).status().0, 2);
}

/// RFC 7143 §6.2: each key is negotiated once in a login.
#[test]
fn a_key_that_comes_twice_is_refused() {
    let kit = Kit::new();
    let mut dialogue = Dialogue::operational(&kit);
    dialogue.say(OPERATIONAL, None, &[("MaxBurstLength", "65536")]);
    assert_eq!(dialogue.say(OPERATIONAL, None, &[("MaxBurstLength", "65536")]).status().0, 2);
}

/// RFC 7143 §6.3: the target need not move on before the initiator does.
#[test]
fn the_initiator_decides_when_a_stage_is_over() {
    let kit = Kit::new();
    let mut dialogue = Dialogue::operational(&kit);
    for key in ["MaxBurstLength", "FirstBurstLength", "MaxOutstandingR2T"] {
        let said = dialogue.say(OPERATIONAL, None, &[(key, "512")]);
        assert!(!said.header.transit && said.value(key).is_some(), "{said:?}");
    }
    assert!(dialogue.say(OPERATIONAL, Some(FULL_FEATURE), &[]).header.transit);
}

/// RFC 7143 §6.3.1: the first PDU is a Login Request, or the connection ends.
#[test]
fn what_does_not_start_with_a_login_request_is_dropped() {
    let kit = Kit::new();
    let mut frames = kit.frames();
    frames.send(&ScsiCommand { fin: true, ..ScsiCommand::default() }.encode(), &[], &[]).unwrap();
    assert!(matches!(frames.receive(), Err(Error::Closed { .. })));
    assert_eq!(kit.target().faults[0].cost, Cost::Connection);
}

/// RFC 7143 §11.13.5: 020Bh, a PDU that has no place in a login.
#[test]
fn another_pdu_inside_a_login_ends_it() {
    let kit = Kit::new();
    let mut dialogue = Dialogue::operational(&kit);
    dialogue.frames.send(&NopOut { immediate: true, ..NopOut::default() }.encode(), &[], &[]).unwrap();
    let answer = dialogue.frames.receive().map(|pdu| pdu.bhs[36..38].to_vec());
    assert!(matches!(answer.as_deref(), Ok([2, 0x0b])), "{answer:?}");
    assert!(kit.target().is_closed());
}

/// RFC 7143 §11.12: identifiers stay the same over a login.
#[test]
fn a_login_that_changes_its_name_halfway_is_refused() {
    let change: [fn(&mut Dialogue); 3] = [
        |dialogue| dialogue.request.isid[5] ^= 1,
        |dialogue| dialogue.request.cid += 1,
        |dialogue| dialogue.request.tsih = 7,
    ];
    for (index, change) in change.into_iter().enumerate() {
        let kit = Kit::new();
        let mut dialogue = Dialogue::operational(&kit);
        change(&mut dialogue);
        assert_eq!(dialogue.say(OPERATIONAL, Some(FULL_FEATURE), &[]).status().0, 2, "change {index}");
    }
}

/// RFC 7143 §13.12: during login, 8192 bytes of data are the most that one PDU may carry.
#[test]
fn a_login_pdu_longer_than_8192_bytes_ends_the_login() {
    let kit = Kit::new();
    let mut frames = kit.frames();
    let request = Dialogue::new(&kit).request;
    let mut pdu = Pdu::new(request.encode(), [], vec![0; 8192]);
    frames.send_pdu(&pdu).unwrap();
    let kept = frames.receive().map(|pdu| pdu.bhs[36]);
    assert!(kept.is_ok(), "8192 bytes are read, whatever they say: {kept:?}");

    let mut frames = kit.frames();
    pdu = Pdu::new(request.encode(), [], vec![0; 8193]);
    frames.send_pdu(&pdu).unwrap();
    while frames.receive().is_ok() {}
    assert!(kit.target().is_closed());
}

/// A candidate that stops talking does not stay (a limit of this library, and why every server needs one).
#[test]
fn a_login_that_takes_too_long_ends() {
    let kit = Kit::new();
    kit.target().login_limits = LoginLimits { timeout: Duration::from_secs(15) };
    let mut dialogue = Dialogue::operational(&kit);
    kit.target().pass(Duration::from_millis(14_999));
    assert_eq!(dialogue.say(OPERATIONAL, None, &[]).status(), (0, 0));
    kit.target().pass(Duration::from_millis(2));
    assert!(kit.target().is_closed());
    let target = kit.target();
    assert_eq!(target.faults.len() + target.failures.len(), 1);
}

/// RFC 7143 §4.2.2.1: the first command has the CmdSN of the login, immediate as that was.
#[test]
fn the_first_command_has_the_number_of_the_login() {
    for cmd_sn in [0, 1, 0x7fff_ffff, 0xffff_ffff] {
        let kit = Kit::new();
        let mut initiator = kit.try_login(&Settings { cmd_sn, ..settings() }).unwrap();
        assert_eq!(initiator.cmd_sn(), cmd_sn);
        initiator.test_unit_ready(0).unwrap();
        initiator.test_unit_ready(0).unwrap();
    }
}
