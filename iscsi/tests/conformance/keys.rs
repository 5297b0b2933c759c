//! The operational keys: what both sides hold afterwards, and what is answered to nonsense (RFC 7143 §6.2, §13).

use ferrite_iscsi::Offer;
use ferrite_iscsi::initiator::{Agreed, Keys};
use proptest::prelude::*;

use crate::kit::dialogue::{Dialogue, FULL_FEATURE, OPERATIONAL, SECURITY};
use crate::kit::{INITIATOR, Kit, settings};

/// What the target holds must be what the initiator holds.
#[track_caller]
fn assert_same(kit: &Kit, agreed: &Agreed) {
    let target = kit.target();
    let params = target.session().params();
    let theirs = (
        (params.digests.header, params.digests.data, params.initial_r2t, params.immediate_data),
        (params.initiator_segment, params.target_segment, params.max_burst, params.first_burst),
        (params.time_to_wait, params.time_to_retain, params.max_outstanding_r2t, params.max_connections),
        (params.data_pdu_in_order, params.data_sequence_in_order, params.error_recovery_level),
    );
    let ours = (
        (agreed.header_digest, agreed.data_digest, agreed.initial_r2t, agreed.immediate_data),
        (
            agreed.max_recv_data_segment_length,
            agreed.max_send_data_segment_length,
            agreed.max_burst_length,
            agreed.first_burst_length,
        ),
        (agreed.default_time2wait, agreed.default_time2retain, agreed.max_outstanding_r2t, agreed.max_connections),
        (agreed.data_pdu_in_order, agreed.data_sequence_in_order, agreed.error_recovery_level),
    );
    assert_eq!(theirs, ours);
}

/// RFC 7143 §13.10, §13.11: InitialR2T is Yes where one side says so, ImmediateData is No where one side says so.
#[test]
fn booleans_follow_their_result_functions() {
    for bits in 0..16 {
        let bit = |at: u32| bits >> at & 1 == 1;
        let kit = Kit::offering(Offer { initial_r2t: bit(0), immediate_data: bit(1), ..Offer::default() });
        let keys = Keys { initial_r2t: bit(2), immediate_data: bit(3), ..Keys::default() };
        let initiator = kit.login_with(keys);
        assert_eq!(initiator.agreed().initial_r2t, bit(0) || bit(2));
        assert_eq!(initiator.agreed().immediate_data, bit(1) && bit(3));
        assert_same(&kit, initiator.agreed());
    }
}

/// RFC 7143 §13.13, §13.14, §13.17: the smaller of two numbers, and FirstBurstLength within MaxBurstLength.
#[test]
fn lengths_are_the_smaller_of_both() {
    let kit =
        Kit::offering(Offer { max_burst: 65_536, first_burst: 65_536, max_outstanding_r2t: 4, ..Offer::default() });
    let keys =
        Keys { max_burst_length: 16_776_192, first_burst_length: 8192, max_outstanding_r2t: 16, ..Keys::default() };
    let initiator = kit.login_with(keys);
    assert_eq!((initiator.agreed().max_burst_length, initiator.agreed().first_burst_length), (65_536, 8192));
    assert_eq!(initiator.agreed().max_outstanding_r2t, 4);
    assert_same(&kit, initiator.agreed());

    let kit = Kit::offering(Offer { max_burst: 4096, first_burst: 4096, ..Offer::default() });
    let initiator = kit.login();
    assert_eq!(initiator.agreed().first_burst_length, 4096, "a first burst is not longer than a burst");
    assert_same(&kit, initiator.agreed());
}

/// RFC 7143 §13.1: the first value of the initiator's list that the target takes.
#[test]
fn digests_are_chosen_in_the_order_of_the_initiator() {
    for (list, expected) in
        [(vec!["CRC32C", "None"], true), (vec!["None", "CRC32C"], false), (vec!["CRC32C"], true), (vec!["None"], false)]
    {
        let kit = Kit::new();
        let initiator = kit.login_with(Keys { header_digest: list.clone(), data_digest: list, ..Keys::default() });
        assert_eq!((initiator.agreed().header_digest, initiator.agreed().data_digest), (expected, expected));
        assert_same(&kit, initiator.agreed());
    }
}

/// RFC 7143 §6.2.1: unknown entries of a list are passed over; a list without a known one is rejected.
#[test]
fn unknown_digests_are_passed_over() {
    let kit = Kit::new();
    let mut dialogue = Dialogue::operational(&kit);
    let said = dialogue.say(OPERATIONAL, None, &[("HeaderDigest", "X-example,CRC32C"), ("DataDigest", "X-example")]);
    assert_eq!(said.value("HeaderDigest"), Some("CRC32C"));
    assert!(said.value("DataDigest") == Some("Reject") || said.status().0 == 2, "{said:?}");
}

/// RFC 7143 §6.2: a key that nobody knows is answered, and the login goes on.
#[test]
fn unknown_keys_are_not_understood() {
    let kit = Kit::new();
    let extra = [("X-com.example.fast", "Yes"), ("FuturisticKey", "12"), ("X#registered", "a")];
    let extra = extra.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    let initiator = kit.try_login(&ferrite_iscsi::initiator::Settings { extra: extra.clone(), ..settings() }).unwrap();
    let expected: Vec<_> = extra.into_iter().map(|(key, _)| (key, "NotUnderstood".to_owned())).collect();
    assert_eq!(initiator.agreed().other, expected);
}

/// RFC 7143 §13.25: keys of RFC 3720 that are no more are known all the same.
#[test]
fn marker_keys_are_answered_as_obsolete() {
    for (key, value, answers) in [
        ("IFMarker", "Yes", &["Reject", "No"][..]),
        ("OFMarker", "Yes", &["Reject", "No"]),
        ("IFMarkInt", "2048~65535", &["Reject"]),
        ("OFMarkInt", "2048~65535", &["Reject"]),
    ] {
        let kit = Kit::new();
        let said = Dialogue::operational(&kit).say(OPERATIONAL, None, &[(key, value)]);
        assert!(answers.contains(&said.value(key).unwrap()), "{key}: {said:?}");
    }
}

/// RFC 7143 §6.2: a value outside of its range, or of another kind, is rejected.
#[test]
fn values_that_make_no_sense_are_rejected() {
    for (key, value) in [
        ("MaxBurstLength", "511"),
        ("MaxBurstLength", "16777216"),
        ("MaxBurstLength", "-1"),
        ("MaxBurstLength", "many"),
        ("MaxBurstLength", ""),
        ("MaxOutstandingR2T", "0"),
        ("MaxOutstandingR2T", "65536"),
        ("ErrorRecoveryLevel", "3"),
        ("DefaultTime2Wait", "3601"),
        ("InitialR2T", "yes"),
        ("ImmediateData", "1"),
    ] {
        let kit = Kit::new();
        let said = Dialogue::operational(&kit).say(OPERATIONAL, None, &[(key, value)]);
        assert!(said.value(key) == Some("Reject") || said.status().0 == 2, "{key}={value}: {said:?}");
    }
}

/// RFC 7143 §6.1: numbers come in decimal and in hexadecimal.
#[test]
fn numbers_may_be_hexadecimal() {
    let kit = Kit::new();
    let said = Dialogue::operational(&kit).say(OPERATIONAL, None, &[("MaxBurstLength", "0x10000")]);
    let answer = said.value("MaxBurstLength").unwrap();
    assert!(answer == "65536" || answer.eq_ignore_ascii_case("0x10000"), "{answer}");
}

/// RFC 7143 §13.12: a declaration, made by each side for itself.
#[test]
fn segment_lengths_are_declared_and_not_negotiated() {
    let kit = Kit::offering(Offer { target_segment: 65_536, ..Offer::default() });
    let mut dialogue = Dialogue::operational(&kit);
    let said = dialogue.say(OPERATIONAL, Some(FULL_FEATURE), &[("MaxRecvDataSegmentLength", "1024")]);
    assert_eq!(said.value("MaxRecvDataSegmentLength"), Some("65536"));
    let target = kit.target();
    assert_eq!((target.session().params().initiator_segment, target.session().params().target_segment), (1024, 65_536));
}

/// RFC 7143 §13.12: without a declaration, 8192 bytes.
#[test]
fn an_initiator_that_declares_no_segment_length_has_8192() {
    let kit = Kit::new();
    Dialogue::operational(&kit).say(OPERATIONAL, Some(FULL_FEATURE), &[]);
    assert_eq!(kit.target().session().params().initiator_segment, 8192);
}

/// RFC 7143 §13, "Irrelevant when: SessionType=Discovery".
#[test]
fn keys_of_data_transfer_are_irrelevant_to_discovery() {
    let kit = Kit::new();
    let mut dialogue = Dialogue::new(&kit);
    let names = [("InitiatorName", INITIATOR), ("SessionType", "Discovery"), ("AuthMethod", "None")];
    dialogue.say(SECURITY, Some(OPERATIONAL), &names);
    for key in ["InitialR2T", "ImmediateData", "DataPDUInOrder"] {
        assert_eq!(dialogue.say(OPERATIONAL, None, &[(key, "Yes")]).value(key), Some("Irrelevant"), "{key}");
    }
    for key in ["MaxBurstLength", "FirstBurstLength", "MaxOutstandingR2T", "MaxConnections"] {
        assert_eq!(dialogue.say(OPERATIONAL, None, &[(key, "1024")]).value(key), Some("Irrelevant"), "{key}");
    }
}

/// RFC 7143 §13.20: only level 0 is offered, whatever is asked for.
#[test]
fn error_recovery_levels_come_down_to_zero() {
    for level in 0..=2 {
        let kit = Kit::new();
        let initiator = kit.login_with(Keys { error_recovery_level: level, ..Keys::default() });
        assert_eq!(initiator.agreed().error_recovery_level, 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// RFC 7143 §6.2: whatever both sides ask for, they end up with the same.
    #[test]
    fn both_sides_hold_the_same_after_any_negotiation(
        ours in (any::<[bool; 4]>(), 512u32..1 << 24, 512u32..1 << 24, 512u32..1 << 24, 1u32..65_536, 0u32..=3600),
        theirs in (any::<[bool; 2]>(), 512u32..1 << 24, 512u32..1 << 24, 512u32..1 << 24, 1u32..65_536, 0u32..=3600),
    ) {
        let keys = Keys {
            initial_r2t: ours.0[0],
            immediate_data: ours.0[1],
            data_pdu_in_order: ours.0[2],
            data_sequence_in_order: ours.0[3],
            max_recv_data_segment_length: ours.1,
            max_burst_length: ours.2,
            first_burst_length: ours.3.min(ours.2),
            max_outstanding_r2t: ours.4,
            max_connections: ours.4,
            default_time2wait: ours.5,
            default_time2retain: ours.5,
            ..Keys::default()
        };
        let kit = Kit::offering(Offer {
            initial_r2t: theirs.0[0],
            immediate_data: theirs.0[1],
            target_segment: theirs.1,
            max_burst: theirs.2,
            first_burst: theirs.3.min(theirs.2),
            max_outstanding_r2t: theirs.4,
            max_connections: theirs.4,
            time_to_wait: theirs.5,
            time_to_retain: theirs.5,
            ..Offer::default()
        });
        let initiator = kit.login_with(keys);
        assert_same(&kit, initiator.agreed());
    }
}
