//! Does each key follow its rule?

use super::*;
use crate::wire::DATA_SEGMENT_MAX;
use proptest::prelude::*;

fn answers(negotiation: &mut Negotiation, pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut answer = Vec::new();
    negotiation.take(false, pairs, &mut answer).unwrap();
    let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    text::parse(&answer).unwrap().into_iter().map(owned).collect()
}

fn answer(offer: Offer, key: &str, value: &str) -> (String, Params) {
    let mut negotiation = Negotiation::new(offer, false);
    let found = answers(&mut negotiation, &[(key, value)]);
    let value = found.first().map_or(String::new(), |(_, value)| value.clone());
    (value, negotiation.finish().unwrap())
}

#[test]
fn each_row_has_the_default_that_params_start_with() {
    let mut params = Params::default();
    for key in &KEYS {
        match &key.rule {
            Or(default, field) | And(default, field) => assert_eq!(field(&mut params), default, "{}", key.name),
            Minimum(default, range, field) | Maximum(default, range, field) | Declared(default, range, field) => {
                assert_eq!(field(&mut params), default, "{}", key.name);
                assert!(range.contains(default), "{}", key.name);
            }
            _ => {}
        }
    }
}

#[test]
fn names_are_unique_and_fit_the_grammar() {
    for (at, key) in KEYS.iter().enumerate() {
        assert!(KEYS[at + 1..].iter().all(|other| other.name != key.name), "{}", key.name);
        assert!(text::parse(format!("{}=x", key.name).as_bytes()).is_ok());
        assert!(key.section.starts_with("RFC 714"));
    }
    assert!(KEYS.len() <= 64, "one bit each");
}

#[test]
fn numbers_follow_their_rule_inside_the_range_and_are_rejected_one_past_it() {
    let ours = Offer::default();
    #[rustfmt::skip]
    let table = [
        ("MaxBurstLength", "511", "Reject"), ("MaxBurstLength", "512", "512"),
        ("MaxBurstLength", "16777215", "1048576"), ("MaxBurstLength", "16777216", "Reject"),
        ("MaxBurstLength", "0x40000", "262144"), ("MaxBurstLength", "many", "Reject"),
        ("FirstBurstLength", "262144", "262144"), ("FirstBurstLength", "511", "Reject"),
        ("MaxOutstandingR2T", "0", "Reject"), ("MaxOutstandingR2T", "1", "1"), ("MaxOutstandingR2T", "65535", "16"),
        ("MaxOutstandingR2T", "65536", "Reject"),
        ("MaxConnections", "8", "1"), ("MaxConnections", "0", "Reject"),
        ("DefaultTime2Wait", "0", "2"), ("DefaultTime2Wait", "3600", "3600"), ("DefaultTime2Wait", "3601", "Reject"),
        ("DefaultTime2Retain", "20", "0"),
        ("ErrorRecoveryLevel", "2", "0"), ("ErrorRecoveryLevel", "3", "Reject"),
        ("iSCSIProtocolLevel", "31", "2"), ("iSCSIProtocolLevel", "1", "1"), ("iSCSIProtocolLevel", "32", "Reject"),
        ("MaxRecvDataSegmentLength", "512", ""), ("MaxRecvDataSegmentLength", "511", "Reject"),
        ("MaxRecvDataSegmentLength", "16777215", ""), ("MaxRecvDataSegmentLength", "16777216", "Reject"),
    ];
    for (key, value, want) in table {
        assert_eq!(answer(ours, key, value).0, want, "{key}={value}");
    }
}

#[test]
fn booleans_follow_or_and_and() {
    for (ours, theirs) in [(false, false), (false, true), (true, false), (true, true)] {
        let offer = Offer { initial_r2t: ours, immediate_data: ours, ..Offer::default() };
        let word = if theirs { "Yes" } else { "No" };
        let (value, params) = answer(offer, "InitialR2T", word);
        assert_eq!((value.as_str(), params.initial_r2t), (if ours | theirs { "Yes" } else { "No" }, ours | theirs));
        let (value, params) = answer(offer, "ImmediateData", word);
        assert_eq!((value.as_str(), params.immediate_data), (if ours & theirs { "Yes" } else { "No" }, ours & theirs));
    }
    assert_eq!(answer(Offer::default(), "InitialR2T", "yes").0, "Reject");
    assert_eq!(answer(Offer::default(), "DataPDUInOrder", "No").0, "Yes", "we insist on order");
    assert_eq!(answer(Offer::default(), "DataSequenceInOrder", "No").0, "Yes");
}

#[test]
fn the_first_digest_of_the_list_that_we_have_is_taken() {
    let offer = |header_digest| Offer { header_digest, ..Offer::default() };
    #[rustfmt::skip]
    let table = [
        (DigestOffer::Welcome, "CRC32C,None", "CRC32C"), (DigestOffer::Welcome, "None,CRC32C", "None"),
        (DigestOffer::Welcome, "SHA-1,CRC32C", "CRC32C"), (DigestOffer::Never, "CRC32C,None", "None"),
        (DigestOffer::Never, "CRC32C", "Reject"), (DigestOffer::Welcome, "SHA-1", "Reject"),
    ];
    for (ours, theirs, want) in table {
        assert_eq!(answer(offer(ours), "HeaderDigest", theirs).0, want, "{ours:?} {theirs}");
    }
    let mut strict = Negotiation::new(offer(DigestOffer::Required), false);
    assert_eq!(answers(&mut strict, &[("HeaderDigest", "None")]), [("HeaderDigest".into(), "Reject".into())]);
    assert_eq!(strict.finish().unwrap_err().0, LoginStatus::InitiatorError);
    assert_eq!(answer(offer(DigestOffer::Required), "HeaderDigest", "None,CRC32C").0, "CRC32C");
}

#[test]
fn the_first_task_reporting_of_the_list_that_we_have_is_taken() {
    let offer = |task_reporting| Offer { task_reporting, ..Offer::default() };
    assert_eq!(answer(Offer::default(), "TaskReporting", "FastAbort,RFC3720").0, "FastAbort");
    assert_eq!(answer(Offer::default(), "TaskReporting", "X,ResponseFence,FastAbort").0, "ResponseFence");
    assert_eq!(answer(offer(TaskReporting::Rfc3720), "TaskReporting", "FastAbort,RFC3720").0, "RFC3720");
    assert_eq!(answer(offer(TaskReporting::Rfc3720), "TaskReporting", "FastAbort").0, "Reject");
}

#[test]
fn unknown_keys_are_not_understood_and_obsolete_ones_have_their_constants() {
    for key in ["X-com.example.speed", "X#Other", "RDMAExtensions", "nosuchkey"] {
        assert_eq!(answer(Offer::default(), key, "Yes").0, "NotUnderstood");
    }
    #[rustfmt::skip]
    let table = [("IFMarker", "No"), ("OFMarker", "No"), ("IFMarkInt", "Reject"), ("OFMarkInt", "Reject")];
    for (key, want) in table {
        assert_eq!(answer(Offer::default(), key, "Yes").0, want, "RFC 7143 §13.25");
    }
    assert_eq!(answer(Offer::default(), "X#NodeArchitecture", "Linux").0, "", "a declaration needs no answer");
}

#[test]
fn first_burst_length_is_answered_by_a_number_even_where_there_is_no_unsolicited_data() {
    let off = [("FirstBurstLength", "65536"), ("InitialR2T", "Yes"), ("ImmediateData", "No")];
    let found = answers(&mut Negotiation::new(Offer::default(), false), &off);
    assert!(found.contains(&("FirstBurstLength".into(), "65536".into())), "{found:?}");
    let on = [("FirstBurstLength", "65536"), ("InitialR2T", "No"), ("ImmediateData", "No")];
    let found = answers(&mut Negotiation::new(Offer::default(), false), &on);
    assert!(found.contains(&("FirstBurstLength".into(), "65536".into())), "{found:?}");
}

#[test]
fn first_burst_length_never_exceeds_max_burst_length() {
    let pairs = [("FirstBurstLength", "262144"), ("MaxBurstLength", "4096")];
    let mut negotiation = Negotiation::new(Offer::default(), false);
    let found = answers(&mut negotiation, &pairs);
    assert!(found.contains(&("FirstBurstLength".into(), "4096".into())), "{found:?}");
    let mut silent = Negotiation::new(Offer::default(), false);
    answers(&mut silent, &[("MaxBurstLength", "4096")]);
    assert_eq!(silent.finish().unwrap().first_burst, 4096);
}

#[test]
fn discovery_sessions_find_session_keys_irrelevant() {
    let mut negotiation = Negotiation::new(Offer::default(), true);
    let pairs = [("InitialR2T", "No"), ("MaxBurstLength", "1048576"), ("HeaderDigest", "CRC32C")];
    let found = answers(&mut negotiation, &pairs);
    let want = [("InitialR2T", "Irrelevant"), ("MaxBurstLength", "Irrelevant"), ("HeaderDigest", "CRC32C")];
    assert_eq!(found, want.map(|(key, value)| (key.to_owned(), value.to_owned())));
    assert!(negotiation.finish().unwrap().initial_r2t, "the default holds");
}

#[test]
fn a_key_that_comes_twice_or_in_the_wrong_stage_ends_login() {
    let mut negotiation = Negotiation::new(Offer::default(), false);
    let mut take = |security, pairs: &[_]| negotiation.take(security, pairs, &mut Vec::new());
    assert!(take(false, &[("InitialR2T", "No")]).is_ok());
    assert_eq!(take(false, &[("InitialR2T", "No")]).unwrap_err().0, LoginStatus::InitiatorError);
    assert!(take(true, &[("MaxBurstLength", "512")]).is_err(), "operational in the security stage");
    assert!(take(false, &[("AuthMethod", "None")]).is_err(), "security in the operational stage");
    assert!(take(false, &[("SendTargets", "All")]).is_err(), "full feature phase only");
    assert!(take(false, &[("TargetPortalGroupTag", "1")]).is_err(), "the target's to say");
}

#[test]
fn offers_out_of_range_are_brought_into_it() {
    let offer = Offer { max_burst: 1, max_outstanding_r2t: 0, target_segment: u32::MAX, ..Offer::default() };
    assert_eq!(answer(offer, "MaxBurstLength", "65536").0, "512");
    assert_eq!(answer(offer, "MaxOutstandingR2T", "8").0, "1");
    let mut negotiation = Negotiation::new(offer, false);
    negotiation.declare(&mut Vec::new());
    assert_eq!(negotiation.finish().unwrap().target_segment, DATA_SEGMENT_MAX);
}

#[test]
fn full_feature_phase_takes_declarations_only() {
    let mut params = Params::default();
    let mut say = |key, value| {
        let mut answer = Vec::new();
        in_full_feature(key, value, &mut params, &mut answer);
        (String::from_utf8(answer).unwrap(), params.initiator_segment)
    };
    assert_eq!(say("MaxRecvDataSegmentLength", "65536"), (String::new(), 65536));
    assert_eq!(say("MaxRecvDataSegmentLength", "1"), ("MaxRecvDataSegmentLength=Reject\0".into(), 65536));
    assert_eq!(say("InitiatorAlias", "me").0, "");
    assert_eq!(say("MaxBurstLength", "512").0, "MaxBurstLength=Reject\0");
    assert_eq!(say("X-foo", "1").0, "X-foo=NotUnderstood\0");
}

proptest! {
    #[test]
    fn results_lie_in_their_range_whatever_is_offered(at in 0..KEYS.len(), value in "[0-9]{1,9}|Yes|No|[ -~]{0,20}") {
        let mut negotiation = Negotiation::new(Offer::default(), false);
        let _ = negotiation.take(false, &[(KEYS[at].name, &value)], &mut Vec::new());
        let mut params = negotiation.finish().unwrap();
        for key in &KEYS {
            if let Minimum(_, range, field) | Maximum(_, range, field) | Declared(_, range, field) = &key.rule {
                prop_assert!(range.contains(field(&mut params)));
            }
        }
        prop_assert!(params.first_burst <= params.max_burst);
    }
}
