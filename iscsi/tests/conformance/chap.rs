//! CHAP: who may come in, who is proved to be who, and what an attacker learns (RFC 7143 §12.1).

use ferrite_iscsi::initiator::{Chap, ChapAlgorithm, Credentials, Error, Settings};
use ferrite_iscsi::wire::text::{binary, to_hex};
use ferrite_iscsi::{Account, Auth, Secret};

use crate::kit::dialogue::{Dialogue, FULL_FEATURE, NAMES, OPERATIONAL, SECURITY, Said};
use crate::kit::{Kit, settings};

const USER: &str = "alice";
const SECRET: &str = "wonderland twelve";
const TARGET_USER: &str = "the target";
const TARGET_SECRET: &str = "looking glass 12";

fn account(name: &str, secret: &str) -> Account {
    Account { name: name.into(), secret: Secret::from(secret) }
}

fn guarded() -> Kit {
    let kit = Kit::new();
    kit.target().terms.auth = Auth::Chap {
        accounts: vec![account("bob", "some other secret"), account(USER, SECRET)],
        mutual: Some(account(TARGET_USER, TARGET_SECRET)),
    };
    kit
}

fn with(chap: Chap) -> Settings {
    Settings { chap: Some(chap), ..settings() }
}

fn back(secret: &str) -> Chap {
    Chap::one_way(USER, SECRET).and_back(Credentials::new(TARGET_USER, secret), 0xa5, vec![0x5a; 16])
}

#[track_caller]
fn assert_refused(kit: &Kit, settings: &Settings) {
    let refused = kit.try_login(settings);
    assert!(matches!(refused, Err(Error::Refused { class: 2, detail: 1, .. })), "{refused:?}");
    assert!(kit.target().is_closed());
}

/// RFC 7143 §12.1.3: MD5 for everybody, and the hashes registered since.
#[test]
fn every_algorithm_lets_the_right_secret_in_and_no_other() {
    for algorithm in ChapAlgorithm::ALL {
        let kit = guarded();
        let mut chap = Chap::one_way(USER, SECRET);
        chap.algorithms = vec![algorithm];
        kit.try_login(&with(chap.clone())).unwrap().test_unit_ready(0).unwrap();
        let admitted = kit.target().candidates.last().unwrap().clone();
        assert_eq!(admitted.user.as_deref(), Some(USER), "{algorithm:?}");
        chap.credentials = Credentials::new(USER, "wonderland eleven");
        assert_refused(&guarded(), &with(chap));
    }
}

/// RFC 7143 §12.1.3: the target proves itself where it is asked to, under every algorithm.
#[test]
fn the_target_answers_a_challenge_of_the_initiator() {
    for algorithm in ChapAlgorithm::ALL {
        let mut chap = back(TARGET_SECRET);
        chap.algorithms = vec![algorithm];
        guarded().try_login(&with(chap)).unwrap();
    }
}

/// RFC 7143 §12.1.3: an initiator that expects another target notices.
#[test]
fn a_target_with_another_secret_is_not_trusted() {
    let untrusted = guarded().try_login(&with(back("not this one here")));
    assert!(matches!(untrusted, Err(Error::Untrusted(_))), "{untrusted:?}");
}

/// RFC 7143 §12.1.3: a target without a secret of its own cannot answer, and does not pretend to.
#[test]
fn a_target_that_cannot_prove_itself_does_not_let_the_login_go_on() {
    let kit = Kit::new();
    kit.target().terms.auth = Auth::Chap { accounts: vec![account(USER, SECRET)], mutual: None };
    let result = kit.try_login(&with(back(TARGET_SECRET)));
    assert!(matches!(result, Err(Error::Refused { class: 2, detail: 1, .. } | Error::Untrusted(_))), "{result:?}");
}

/// RFC 7143 §12.1.3: the target takes the first algorithm of the list that it has.
#[test]
fn algorithms_are_chosen_in_the_order_of_the_initiator() {
    for (list, expected) in [("5,7", "5"), ("7,5", "7"), ("1,99,6", "6"), ("8,7,6,5", "8")] {
        let kit = guarded();
        assert_eq!(challenged(&kit, list).1.value("CHAP_A"), Some(expected), "{list}");
    }
}

/// RFC 7143 §12.1.3: without a common algorithm there is no authentication.
#[test]
fn an_unknown_algorithm_is_refused() {
    for list in ["4", "99", "", "MD5", "0x"] {
        let kit = guarded();
        assert_eq!(challenged(&kit, list).1.status(), (2, 1), "{list:?}");
    }
}

/// RFC 7143 §12.1, §11.13.5: who must prove itself cannot leave that out.
#[test]
fn authentication_cannot_be_passed_by() {
    assert_refused(&guarded(), &settings());
    for next in [OPERATIONAL, FULL_FEATURE] {
        let said = Dialogue::new(&guarded()).say(SECURITY, Some(next), &NAMES);
        assert!(said.status() == (2, 1) || !said.header.transit, "to {next} without a word of it: {said:?}");
    }
    let said = Dialogue::new(&guarded()).say(OPERATIONAL, Some(FULL_FEATURE), &NAMES);
    assert_eq!(said.status(), (2, 1), "straight to the operational stage");
    let (mut dialogue, _) = challenged(&guarded(), "5");
    let said = dialogue.say(SECURITY, Some(OPERATIONAL), &[]);
    assert!(said.status() == (2, 1) || !said.header.transit, "past the challenge: {said:?}");
    let (mut dialogue, _) = challenged(&guarded(), "5");
    assert_eq!(dialogue.say(OPERATIONAL, Some(FULL_FEATURE), &[]).status().0, 2, "into the next stage");
}

/// A stranger and a wrong secret are told the same, or names could be found out.
#[test]
fn an_unknown_name_looks_like_a_wrong_secret() {
    let answer = |name: &str, secret: &str| {
        let (mut dialogue, challenge) = challenged(&guarded(), "7");
        let said = respond(&mut dialogue, &challenge, name, secret, &[]);
        (said.status(), said.pairs, said.header)
    };
    assert_eq!(answer(USER, "wrong secret here"), answer("nobody", "wrong secret here"));
}

/// RFC 7143 §12.1.3, §9.2.1: an answer that was had from the target itself proves nothing.
#[test]
fn a_challenge_that_is_sent_back_is_refused() {
    let (mut dialogue, challenge) = challenged(&guarded(), "7");
    let same = challenge.value("CHAP_C").unwrap().to_owned();
    let said = respond(&mut dialogue, &challenge, USER, SECRET, &[("CHAP_I", "9"), ("CHAP_C", &same)]);
    assert_eq!(said.status(), (2, 1));
}

/// RFC 1994 §2.3: a challenge is used once.
#[test]
fn challenges_are_fresh() {
    let kit = guarded();
    let challenges: Vec<Vec<u8>> =
        (0..8).map(|_| binary(challenged(&kit, "7").1.value("CHAP_C").unwrap()).unwrap()).collect();
    assert!(challenges.iter().all(|challenge| challenge.len() >= 16));
    for (index, challenge) in challenges.iter().enumerate() {
        assert!(!challenges[..index].contains(challenge));
    }
}

/// RFC 7143 §6.1: long values come in hexadecimal and in base64.
#[test]
fn an_answer_may_be_written_in_base64() {
    let (mut dialogue, challenge) = challenged(&guarded(), "5");
    let answer = answer(&challenge, ChapAlgorithm::Md5, SECRET);
    let said = dialogue.say(SECURITY, Some(OPERATIONAL), &[("CHAP_N", USER), ("CHAP_R", &base64(&answer))]);
    assert_eq!((said.status(), said.header.transit), ((0, 0), true));
}

/// RFC 7143 §12.1.3: half an answer, and answers of another form, let nobody in.
#[test]
fn a_malformed_answer_is_refused() {
    let long = to_hex(&[1; 1024]);
    let cases: [&[(&str, &str)]; 8] = [
        &[("CHAP_N", USER)],
        &[("CHAP_R", "0x00")],
        &[("CHAP_N", ""), ("CHAP_R", "0x00")],
        &[("CHAP_N", USER), ("CHAP_R", "")],
        &[("CHAP_N", USER), ("CHAP_R", "0x")],
        &[("CHAP_N", USER), ("CHAP_R", "no number")],
        &[("CHAP_N", USER), ("CHAP_R", &long)],
        &[("CHAP_N", USER), ("CHAP_R", "0x00"), ("CHAP_I", "1")],
    ];
    for case in cases {
        let (mut dialogue, _) = challenged(&guarded(), "5");
        assert_eq!(dialogue.say(SECURITY, Some(OPERATIONAL), case).status().0, 2, "{case:?}");
    }
}

/// RFC 7143 §12.1.3: the initiator's challenge must be one that can be answered.
#[test]
fn a_malformed_challenge_is_refused() {
    for (identifier, challenge) in [("256", "0x00"), ("-1", "0x00"), ("", "0x00"), ("1", ""), ("1", "0x"), ("1", "7")] {
        let (mut dialogue, told) = challenged(&guarded(), "5");
        let more = [("CHAP_I", identifier), ("CHAP_C", challenge)];
        let answer = to_hex(&answer(&told, ChapAlgorithm::Md5, SECRET));
        let text = [&[("CHAP_N", USER), ("CHAP_R", answer.as_str())][..], &more].concat();
        assert_eq!(dialogue.say(SECURITY, Some(OPERATIONAL), &text).status().0, 2, "{more:?}");
    }
}

/// RFC 7143 §12.1: an initiator that could do without is still let in by its secret.
#[test]
fn the_target_chooses_chap_from_a_list() {
    for list in ["CHAP,None", "None,CHAP", "KRB5,CHAP"] {
        let mut dialogue = Dialogue::new(&guarded());
        let said = dialogue.say(SECURITY, None, &[&NAMES[..], &[("AuthMethod", list)]].concat());
        assert_eq!(said.value("AuthMethod"), Some("CHAP"), "{list}");
    }
}

/// RFC 7143 §12.1: a target that asks for no proof takes the None that it is offered.
#[test]
fn an_open_target_takes_none_from_a_list() {
    let mut dialogue = Dialogue::new(&Kit::new());
    let said = dialogue.say(SECURITY, Some(OPERATIONAL), &[&NAMES[..], &[("AuthMethod", "CHAP,None")]].concat());
    assert_eq!((said.value("AuthMethod"), said.header.transit), (Some("None"), true));
}

/// A dialogue in which the target has sent its challenge, or refused the list of algorithms.
fn challenged(kit: &Kit, algorithms: &str) -> (Dialogue, Said) {
    let mut dialogue = Dialogue::new(kit);
    let said = dialogue.say(SECURITY, None, &[&NAMES[..], &[("AuthMethod", "CHAP")]].concat());
    assert_eq!((said.status(), said.value("AuthMethod")), ((0, 0), Some("CHAP")));
    let said = dialogue.say(SECURITY, None, &[("CHAP_A", algorithms)]);
    (dialogue, said)
}

fn respond(dialogue: &mut Dialogue, challenge: &Said, name: &str, secret: &str, more: &[(&str, &str)]) -> Said {
    let algorithm = ChapAlgorithm::from_number(challenge.value("CHAP_A").unwrap()).unwrap();
    let answer = to_hex(&answer(challenge, algorithm, secret));
    let text = [&[("CHAP_N", name), ("CHAP_R", answer.as_str())][..], more].concat();
    dialogue.say(SECURITY, Some(OPERATIONAL), &text)
}

fn answer(challenge: &Said, algorithm: ChapAlgorithm, secret: &str) -> Vec<u8> {
    let identifier = challenge.value("CHAP_I").unwrap().parse().unwrap();
    algorithm.response(identifier, secret.as_bytes(), &binary(challenge.value("CHAP_C").unwrap()).unwrap())
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("0b");
    for group in bytes.chunks(3) {
        let word = group.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for at in 0..4 {
            let digit = ALPHABET[(word >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= group.len() { digit as char } else { '=' });
        }
    }
    text
}
