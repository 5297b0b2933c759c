//! Does login go as its clauses say (RFC 7143 §6.3, §11.12, §11.13, §12.1)?

mod chap;

use super::*;
use crate::connection::{Event, Want};
use crate::params::TaskReporting;
use crate::wire::codes::stage::{FULL_FEATURE, OPERATIONAL, SECURITY};
use crate::wire::{NO_TAG, NopOut, ScsiCommand, TextRequest};

const NAMES: &str = "InitiatorName=iqn.i\0TargetName=iqn.t\0SessionType=Normal\0";

struct Peer {
    login: Login,
    now: Instant,
}

/// A Login Request's fields that tests vary.
fn request(csg: u8, transit_to: Option<u8>) -> LoginRequest {
    LoginRequest {
        immediate: true,
        transit: transit_to.is_some(),
        csg,
        nsg: transit_to.unwrap_or(0),
        isid: [0x80, 1, 2, 3, 4, 5],
        itt: 9,
        cid: 3,
        cmd_sn: 100,
        ..Default::default()
    }
}

fn bytes(request: LoginRequest, text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let bhs = LoginRequest { data_len: text.len() as u32, ..request }.encode();
    pdu::append(&mut bytes, &bhs, &[], text, Digests::default());
    bytes
}

fn terms(auth: Auth) -> Terms {
    Terms { auth, portal_group: 7, target_alias: Some("the disk".into()), offer: Offer::default() }
}

impl Peer {
    fn new() -> Self {
        let now = Instant::now();
        Self { login: Login::new(LoginLimits::default(), Entropy::new([5; 32]), now), now }
    }

    /// A peer whose names were answered with terms.
    fn with(auth: Auth, csg: u8, text: &str) -> Self {
        let mut peer = Self::new();
        peer.say(request(csg, None), &format!("{NAMES}{text}"));
        assert!(matches!(peer.login.poll_event(), Some(LoginEvent::Names(_))));
        peer.login.offer(terms(auth));
        peer
    }

    fn say(&mut self, request: LoginRequest, text: &str) {
        let bytes = bytes(request, text.as_bytes());
        assert_eq!(self.login.receive(&bytes, self.now), bytes.len());
    }

    /// The only response, and its pairs.
    fn answer(&mut self) -> (LoginResponse, Vec<(String, String)>) {
        let output = self.login.output();
        let mut assembler = Assembler::new(SEGMENT_MAX);
        assert_eq!(assembler.feed(&output), Ok(output.len()), "one PDU");
        let pdu = assembler.pdu().expect("a response");
        let pairs = text::parse(pdu.data).unwrap();
        let pairs = pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        (LoginResponse::decode(pdu.bhs), pairs)
    }

    fn value(&mut self, key: &str) -> Option<String> {
        self.answer().1.into_iter().find(|pair| pair.0 == key).map(|pair| pair.1)
    }

    /// Login has failed with this status, and said so.
    fn failed(&mut self) -> LoginStatus {
        let (response, _) = self.answer();
        match self.login.poll_event() {
            Some(LoginEvent::Failed { status, why }) => {
                assert_eq!((response.status_class, response.status_detail), status.code());
                assert!(!response.transit && !why.is_empty());
                assert_eq!(self.login.receive(&[0; 48], self.now), 0, "nothing more is read");
                status
            }
            other => panic!("no failure but {other:?}"),
        }
    }

    fn ready(&mut self) -> Candidate {
        match self.login.poll_event() {
            Some(LoginEvent::Ready(candidate)) => candidate,
            other => panic!("not ready but {other:?}, {:?}", self.login.output()),
        }
    }
}

#[test]
fn the_shortest_login_needs_one_request() {
    let mut peer = Peer::new();
    let text =
        format!("{NAMES}InitiatorAlias=me\0InitialR2T=No\0MaxRecvDataSegmentLength=65536\0TaskReporting=FastAbort\0");
    peer.say(request(OPERATIONAL, Some(FULL_FEATURE)), &text);
    let Some(LoginEvent::Names(names)) = peer.login.poll_event() else { panic!("no names") };
    let want = Candidate {
        initiator: "iqn.i".into(),
        initiator_alias: Some("me".into()),
        target: Some("iqn.t".into()),
        isid: crate::session::Isid([0x80, 1, 2, 3, 4, 5]),
        tsih: 0,
        cid: 3,
        user: None,
        discovery: false,
    };
    assert_eq!(names, want);
    assert_eq!(peer.login.receive(b"x", peer.now), 0, "nothing is taken while the owner thinks");
    peer.login.offer(terms(Auth::None));
    assert_eq!(peer.ready(), want);
    assert!(peer.login.output().is_empty(), "the last response waits for admission");
    let now = peer.now;
    let (session, mut connection) =
        peer.login.admit::<Vec<u8>>(Tsih::new(77).unwrap(), ConnectionLimits::default(), now);
    assert_eq!((session.tsih().get(), session.portal_group(), session.initiator()), (77, 7, "iqn.i"));
    let params = session.params();
    assert_eq!((params.initial_r2t, params.initiator_segment, params.target_segment), (false, 65536, 262_144));
    assert_eq!(params.task_reporting, TaskReporting::FastAbort);
    let mut slices = Vec::new();
    connection.outgoing().slices(&mut slices, 8, 10_000);
    let output: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
    let mut assembler = Assembler::new(SEGMENT_MAX);
    assembler.feed(&output).unwrap();
    let pdu = assembler.pdu().unwrap();
    let response = LoginResponse::decode(pdu.bhs);
    assert!(response.transit && response.tsih == 77 && response.nsg == FULL_FEATURE && response.csg == OPERATIONAL);
    assert_eq!((response.exp_cmd_sn, response.max_cmd_sn, response.itt), (100, 227, 9));
    let pairs = text::parse(pdu.data).unwrap();
    for pair in [
        ("TargetPortalGroupTag", "7"),
        ("TargetAlias", "the disk"),
        ("InitialR2T", "No"),
        ("MaxRecvDataSegmentLength", "262144"),
    ] {
        assert!(pairs.contains(&pair), "{pair:?} in {pairs:?}");
    }
}

#[test]
fn full_feature_phase_begins_exactly_after_the_last_login_request() {
    let mut peer = Peer::new();
    let mut stream = bytes(request(OPERATIONAL, Some(FULL_FEATURE)), NAMES.as_bytes());
    let end = stream.len();
    let command = ScsiCommand { fin: true, read: true, itt: 1, expected: 8, cmd_sn: 100, ..Default::default() };
    stream.extend(command.encode());
    assert_eq!(peer.login.receive(&stream, peer.now), end);
    peer.login.poll_event();
    peer.login.offer(terms(Auth::None));
    peer.ready();
    let (mut session, mut connection) =
        peer.login.admit::<Vec<u8>>(Tsih::new(1).unwrap(), ConnectionLimits::default(), Instant::now());
    assert_eq!(connection.want(), Want::Bytes);
    assert_eq!(connection.receive(&mut session, &stream[end..], peer.now), 48);
    assert!(matches!(connection.poll_event(), Some(Event::Command(_))));
}

#[test]
fn login_goes_through_both_stages() {
    let mut peer = Peer::new();
    peer.say(request(SECURITY, Some(OPERATIONAL)), &format!("{NAMES}AuthMethod=CHAP,None\0"));
    peer.login.poll_event();
    peer.login.offer(terms(Auth::None));
    let (response, pairs) = peer.answer();
    assert!(response.transit && response.nsg == OPERATIONAL && response.tsih == 0);
    assert!(pairs.contains(&("AuthMethod".into(), "None".into())));
    assert!(pairs.contains(&("TargetPortalGroupTag".into(), "7".into())), "in the first response (§13.9)");
    assert!(!pairs.iter().any(|pair| pair.0 == "MaxRecvDataSegmentLength"), "no operational key in this stage");
    peer.say(request(OPERATIONAL, None), "HeaderDigest=CRC32C,None\0");
    let (second, pairs) = peer.answer();
    assert!(!second.transit && second.stat_sn == response.stat_sn.wrapping_add(1));
    assert_eq!(pairs[0], ("MaxRecvDataSegmentLength".into(), "262144".into()));
    assert_eq!(pairs[1], ("HeaderDigest".into(), "CRC32C".into()));
    peer.say(request(OPERATIONAL, Some(FULL_FEATURE)), "");
    peer.ready();
}

#[test]
fn security_may_lead_straight_to_full_feature_phase() {
    let mut peer = Peer::new();
    peer.say(request(SECURITY, Some(FULL_FEATURE)), &format!("{NAMES}AuthMethod=None\0"));
    peer.login.poll_event();
    peer.login.offer(terms(Auth::None));
    peer.ready();
    let (session, _) = peer.login.admit::<Vec<u8>>(Tsih::new(1).unwrap(), ConnectionLimits::default(), Instant::now());
    assert_eq!(session.params().target_segment, 8192, "it was never declared, so the default holds");
}

#[test]
fn text_over_several_requests_is_put_together() {
    let mut peer = Peer::new();
    let mut more = request(OPERATIONAL, None);
    more.more = true;
    for part in ["Initiator", "Name=iqn.i\0Targe"] {
        peer.say(more, part);
        let (response, pairs) = peer.answer();
        assert!(pairs.is_empty() && !response.transit);
        assert_eq!(peer.login.poll_event(), None);
    }
    peer.say(request(OPERATIONAL, None), "tName=iqn.t\0");
    assert!(matches!(peer.login.poll_event(), Some(LoginEvent::Names(_))));
}

#[test]
fn login_is_the_same_however_the_stream_is_cut() {
    let stream = bytes(request(OPERATIONAL, Some(FULL_FEATURE)), NAMES.as_bytes());
    for cut in 1..stream.len() {
        let mut peer = Peer::new();
        assert_eq!(peer.login.receive(&stream[..cut], peer.now), cut);
        assert_eq!(peer.login.poll_event(), None);
        assert_eq!(peer.login.receive(&stream[cut..], peer.now), stream.len() - cut);
        assert!(matches!(peer.login.poll_event(), Some(LoginEvent::Names(_))));
    }
}

#[test]
fn discovery_needs_no_target_name_and_is_told_no_portal_group() {
    let mut peer = Peer::new();
    peer.say(request(OPERATIONAL, None), "InitiatorName=iqn.i\0SessionType=Discovery\0InitialR2T=No\0");
    let Some(LoginEvent::Names(names)) = peer.login.poll_event() else { panic!("no names") };
    assert!(names.discovery && names.target.is_none());
    peer.login.offer(terms(Auth::None));
    let (_, pairs) = peer.answer();
    assert!(!pairs.iter().any(|pair| pair.0 == "TargetPortalGroupTag" || pair.0 == "TargetAlias"));
    assert!(pairs.contains(&("InitialR2T".into(), "Irrelevant".into())));
}

#[test]
fn first_requests_fail_with_the_status_that_fits() {
    let plain = request(OPERATIONAL, None);
    #[rustfmt::skip]
    let table = [
        (plain, "TargetName=iqn.t\0", LoginStatus::MissingParameter),
        (plain, "InitiatorName=iqn.i\0", LoginStatus::MissingParameter),
        (plain, "InitiatorName=iqn.i\0TargetName=t\0SessionType=Odd\0", LoginStatus::SessionTypeNotSupported),
        (plain, "InitiatorName=\0TargetName=t\0", LoginStatus::InitiatorError),
        (plain, "InitiatorName=a b\0TargetName=t\0", LoginStatus::InitiatorError),
        (plain, "no pair\0", LoginStatus::InitiatorError),
        (LoginRequest { version_min: 1, version_max: 1, ..plain }, NAMES, LoginStatus::UnsupportedVersion),
        (LoginRequest { csg: 2, ..plain }, NAMES, LoginStatus::InitiatorError),
        (LoginRequest { csg: 3, ..plain }, NAMES, LoginStatus::InitiatorError),
        (LoginRequest { transit: true, nsg: 1, ..plain }, NAMES, LoginStatus::InitiatorError),
        (LoginRequest { transit: true, nsg: 2, ..plain }, NAMES, LoginStatus::InitiatorError),
        (LoginRequest { transit: true, nsg: 3, more: true, ..plain }, NAMES, LoginStatus::InitiatorError),
    ];
    for (request, text, want) in table {
        let mut peer = Peer::new();
        peer.say(request, text);
        assert_eq!(peer.failed(), want, "{text:?} {request:?}");
    }
}

#[test]
fn what_must_not_change_during_login_must_not_change() {
    let plain = request(OPERATIONAL, None);
    for changed in [
        LoginRequest { csg: SECURITY, ..plain },
        LoginRequest { isid: [0; 6], ..plain },
        LoginRequest { tsih: 5, ..plain },
        LoginRequest { cid: 5, ..plain },
    ] {
        let mut peer = Peer::with(Auth::None, OPERATIONAL, "");
        peer.answer();
        peer.say(changed, "");
        assert_eq!(peer.failed(), LoginStatus::InitiatorError, "{changed:?}");
    }
}

#[test]
fn a_key_that_comes_twice_fails_even_over_two_requests() {
    let mut peer = Peer::with(Auth::None, OPERATIONAL, "MaxBurstLength=65536\0");
    assert_eq!(peer.value("MaxBurstLength").as_deref(), Some("65536"));
    peer.say(request(OPERATIONAL, None), "MaxBurstLength=65536\0");
    assert_eq!(peer.failed(), LoginStatus::InitiatorError);
    let mut peer = Peer::with(Auth::None, OPERATIONAL, "InitiatorName=iqn.again\0");
    assert_eq!(peer.failed(), LoginStatus::InitiatorError);
}

#[test]
fn names_hold_at_their_limit_and_break_one_past_it() {
    for (len, good) in [(NAME_MAX, true), (NAME_MAX + 1, false)] {
        let mut peer = Peer::new();
        peer.say(request(OPERATIONAL, None), &format!("InitiatorName={}\0TargetName=t\0", "i".repeat(len)));
        match good {
            true => assert!(matches!(peer.login.poll_event(), Some(LoginEvent::Names(_)))),
            false => assert_eq!(peer.failed(), LoginStatus::InitiatorError),
        }
    }
}

#[test]
fn requests_and_texts_are_bounded() {
    let mut peer = Peer::with(Auth::None, OPERATIONAL, "");
    for _ in 1..REQUESTS_MAX {
        peer.answer();
        peer.say(request(OPERATIONAL, None), "");
        assert_eq!(peer.login.poll_event(), None);
    }
    peer.answer();
    peer.say(request(OPERATIONAL, None), "");
    assert_eq!(peer.failed(), LoginStatus::InitiatorError);

    let mut more = request(OPERATIONAL, None);
    more.more = true;
    let mut peer = Peer::new();
    let half = "\0".repeat(text::TEXT_MAX / 2);
    for _ in 0..2 {
        peer.say(more, &half);
        peer.answer();
    }
    assert_eq!(peer.login.poll_event(), None);
    peer.say(more, "\0");
    assert_eq!(peer.failed(), LoginStatus::InitiatorError);

    let mut peer = Peer::with(Auth::None, OPERATIONAL, "");
    peer.answer();
    let long = bytes(request(OPERATIONAL, None), &[0; SEGMENT_MAX as usize + 1]);
    peer.login.receive(&long, peer.now);
    assert_eq!(peer.failed(), LoginStatus::InitiatorError);
}

#[test]
fn the_longest_answers_fit_one_response() {
    let unknown: String = (0..60).map(|n| format!("{:k<60}{n:02}=\0", "")).collect();
    let mut peer = Peer::with(Auth::None, OPERATIONAL, &unknown);
    let (_, pairs) = peer.answer();
    assert_eq!(pairs.iter().filter(|pair| pair.1 == "NotUnderstood").count(), 60);
}

#[test]
fn other_pdus_have_no_place_in_login() {
    let nop = NopOut { immediate: true, itt: 1, ttt: NO_TAG, ..Default::default() }.encode();
    let mut peer = Peer::new();
    peer.login.receive(&nop, peer.now);
    assert!(matches!(peer.login.poll_event(), Some(LoginEvent::Fault(_))));
    assert!(peer.login.output().is_empty(), "a stranger gets no answer");
    let mut peer = Peer::with(Auth::None, OPERATIONAL, "");
    peer.answer();
    peer.login.receive(&TextRequest { fin: true, ..Default::default() }.encode(), peer.now);
    assert_eq!(peer.failed(), LoginStatus::InvalidDuringLogin);
}

#[test]
fn login_has_a_deadline() {
    let mut peer = Peer::with(Auth::None, OPERATIONAL, "");
    peer.login.on_deadline(peer.login.deadline() - Duration::from_millis(1));
    assert_eq!(peer.login.poll_event(), None);
    // Bytes that keep trickling do not help.
    let late = peer.login.deadline();
    assert_eq!(peer.login.receive(&[0x43], late), 0);
    let Some(LoginEvent::Fault(fault)) = peer.login.poll_event() else { panic!("no fault") };
    assert_eq!(fault.clause, "limit login timeout");
}

#[test]
fn the_owner_may_refuse_at_any_pause() {
    let mut peer = Peer::new();
    peer.say(request(OPERATIONAL, Some(FULL_FEATURE)), NAMES);
    peer.login.poll_event();
    peer.login.refuse(LoginStatus::NotFound, "no such target");
    assert_eq!(peer.failed(), LoginStatus::NotFound);
    let mut peer = Peer::new();
    peer.say(request(OPERATIONAL, Some(FULL_FEATURE)), NAMES);
    peer.login.poll_event();
    peer.login.offer(terms(Auth::None));
    peer.ready();
    peer.login.refuse(LoginStatus::OutOfResources, "full");
    assert_eq!(peer.failed(), LoginStatus::OutOfResources);
}

#[test]
fn a_redirect_tells_the_address() {
    for (permanently, want) in [(false, 1), (true, 2)] {
        let mut peer = Peer::new();
        peer.say(request(SECURITY, None), NAMES);
        peer.login.poll_event();
        peer.login.redirect("192.0.2.9:3260", permanently, "moved");
        let (response, pairs) = peer.answer();
        assert_eq!((response.status_class, response.status_detail), (1, want));
        assert_eq!(pairs, [("TargetAddress".to_owned(), "192.0.2.9:3260".to_owned())]);
    }
}
