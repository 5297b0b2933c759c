//! Does CHAP let in whom it should, and nobody else (RFC 7143 §12.1.3)?

use sha2::Digest;

use super::*;

fn account(name: &str, secret: &str) -> Account {
    Account { name: name.into(), secret: secret.into() }
}

fn chap(mutual: bool) -> Auth {
    let mutual = mutual.then(|| account("target", "looking glass 1"));
    Auth::Chap { accounts: vec![account("alice", "wonderland 12")], mutual }
}

/// Goes on to the challenge: identifier and bytes.
fn challenged(peer: &mut Peer, algorithms: &str) -> (u8, Vec<u8>, String) {
    assert_eq!(peer.value("AuthMethod").as_deref(), Some("CHAP"));
    peer.say(request(SECURITY, None), &format!("CHAP_A={algorithms}\0"));
    let (response, pairs) = peer.answer();
    assert!(!response.transit);
    let find = |key: &str| pairs.iter().find(|pair| pair.0 == key).unwrap().1.clone();
    (find("CHAP_I").parse().unwrap(), text::binary(&find("CHAP_C")).unwrap(), find("CHAP_A"))
}

fn md5(id: u8, secret: &str, challenge: &[u8]) -> String {
    text::to_hex(&md5::Md5::new().chain_update([id]).chain_update(secret).chain_update(challenge).finalize())
}

#[test]
fn chap_lets_the_right_secret_in_and_names_the_user() {
    let mut peer = Peer::with(chap(false), SECURITY, "AuthMethod=CHAP,None\0");
    let (id, challenge, algorithm) = challenged(&mut peer, "99,5,7");
    assert_eq!(algorithm, "5");
    let response = md5(id, "wonderland 12", &challenge);
    peer.say(request(SECURITY, Some(FULL_FEATURE)), &format!("CHAP_N=alice\0CHAP_R={response}\0"));
    assert_eq!(peer.ready().user.as_deref(), Some("alice"));
}

#[test]
fn chap_proves_both_sides() {
    let mut peer = Peer::with(chap(true), SECURITY, "AuthMethod=CHAP\0");
    let (id, challenge, _) = challenged(&mut peer, "5");
    let response = md5(id, "wonderland 12", &challenge);
    let text = format!("CHAP_N=alice\0CHAP_R={response}\0CHAP_I=200\0CHAP_C=0bAQIDBAUGBwg=\0");
    peer.say(request(SECURITY, Some(OPERATIONAL)), &text);
    let (answer, pairs) = peer.answer();
    assert!(answer.transit);
    let proof = md5(200, "looking glass 1", &[1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(pairs, [("CHAP_N".to_owned(), "target".to_owned()), ("CHAP_R".to_owned(), proof)]);
    peer.say(request(OPERATIONAL, Some(FULL_FEATURE)), "");
    assert_eq!(peer.ready().user.as_deref(), Some("alice"));
}

#[test]
fn wrong_name_and_wrong_secret_fail_alike() {
    let mut outputs = Vec::new();
    for (name, secret) in [("alice", "wonderland 13"), ("mallory", "wonderland 12")] {
        let mut peer = Peer::with(chap(false), SECURITY, "AuthMethod=CHAP\0");
        let (id, challenge, _) = challenged(&mut peer, "5");
        let response = md5(id, secret, &challenge);
        peer.say(request(SECURITY, Some(FULL_FEATURE)), &format!("CHAP_N={name}\0CHAP_R={response}\0"));
        outputs.push((peer.login.out.clone(), peer.login.events.clone()));
        assert_eq!(peer.failed(), LoginStatus::AuthenticationFailure);
    }
    assert_eq!(outputs[0], outputs[1], "byte for byte, and in the log");
}

#[test]
fn every_way_around_authentication_is_closed() {
    // In the first request, with what the owner then demands.
    for (csg, nsg, text) in [
        (OPERATIONAL, None, ""),
        (OPERATIONAL, Some(FULL_FEATURE), ""),
        (SECURITY, None, "AuthMethod=None\0"),
        (SECURITY, Some(OPERATIONAL), ""),
        (SECURITY, Some(FULL_FEATURE), "AuthMethod=None\0"),
        (SECURITY, None, "CHAP_N=alice\0CHAP_R=0x00\0"),
        (SECURITY, None, "AuthMethod=KRB5\0"),
    ] {
        let mut peer = Peer::new();
        peer.say(request(csg, nsg), &format!("{NAMES}{text}"));
        peer.login.poll_event();
        peer.login.offer(terms(chap(true)));
        assert_eq!(peer.failed(), LoginStatus::AuthenticationFailure, "{csg} {nsg:?} {text:?}");
    }
    // In the middle of CHAP.
    let mut peer = Peer::with(chap(true), SECURITY, "AuthMethod=CHAP\0");
    peer.answer();
    peer.say(request(SECURITY, Some(OPERATIONAL)), "");
    assert!(!peer.answer().0.transit, "the stage is not left");
    peer.say(request(OPERATIONAL, Some(FULL_FEATURE)), "");
    assert_eq!(peer.failed(), LoginStatus::InitiatorError);
    for text in ["CHAP_A=4\0", "CHAP_N=alice\0", "CHAP_A=\0"] {
        let mut peer = Peer::with(chap(true), SECURITY, "AuthMethod=CHAP\0");
        peer.answer();
        peer.say(request(SECURITY, None), text);
        assert_eq!(peer.failed(), LoginStatus::AuthenticationFailure, "{text}");
    }
    for text in ["CHAP_N=alice\0", "CHAP_R=0x00\0", "CHAP_N=alice\0CHAP_R=0x00\0CHAP_I=1\0"] {
        let mut peer = Peer::with(chap(true), SECURITY, "AuthMethod=CHAP\0");
        challenged(&mut peer, "5");
        peer.say(request(SECURITY, Some(FULL_FEATURE)), text);
        assert_eq!(peer.failed(), LoginStatus::AuthenticationFailure, "{text}");
    }
}

#[test]
fn an_initiator_that_insists_on_chap_is_not_let_in_without() {
    let mut peer = Peer::with(Auth::None, SECURITY, "AuthMethod=CHAP\0");
    assert_eq!(peer.failed(), LoginStatus::AuthenticationFailure);
}

#[test]
fn our_own_challenge_is_not_answered() {
    let mut peer = Peer::with(chap(true), SECURITY, "AuthMethod=CHAP\0");
    let (id, challenge, _) = challenged(&mut peer, "5");
    let response = md5(id, "wonderland 12", &challenge);
    let back = text::to_hex(&challenge);
    peer.say(request(SECURITY, None), &format!("CHAP_N=alice\0CHAP_R={response}\0CHAP_I={id}\0CHAP_C={back}\0"));
    assert_eq!(peer.failed(), LoginStatus::AuthenticationFailure);
}
