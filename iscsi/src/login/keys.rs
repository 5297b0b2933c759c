//! Which text keys are there, and what comes out when both sides name a value (RFC 7143 §6.2, §13, RFC 7144 §6.1)?
//!
//! One table. A row that is missing is a key nobody understands.

use std::ops::RangeInclusive;

use super::status::LoginStatus;
use super::terms::{DigestOffer, Offer};
use crate::params::{Params, TaskReporting};
use crate::wire::DATA_SEGMENT_MAX;
use crate::wire::text;

/// One key.
struct Key {
    name: &'static str,
    /// Where the standard defines it.
    section: &'static str,
    place: Place,
    /// It means nothing in a discovery session and is answered Irrelevant there.
    normal_only: bool,
    rule: Rule,
}

/// When a key may be sent by an initiator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Security,
    Operational,
    /// Either stage of login.
    Login,
    /// Login and full feature phase.
    Anywhere,
    FullFeature,
    /// Only a target sends it.
    Never,
}

/// How a value comes about.
enum Rule {
    /// The owner's and the stages' business: names, session type, authentication, SendTargets.
    Handled,
    /// Yes when one side says so.
    Or(bool, fn(&mut Params) -> &mut bool),
    /// Yes when both sides say so.
    And(bool, fn(&mut Params) -> &mut bool),
    /// The smaller number.
    Minimum(u32, RangeInclusive<u32>, fn(&mut Params) -> &mut u32),
    /// The greater number.
    Maximum(u32, RangeInclusive<u32>, fn(&mut Params) -> &mut u32),
    /// Each side says what holds for itself.
    Declared(u32, RangeInclusive<u32>, fn(&mut Params) -> &mut u32),
    /// A list of digests, best first.
    Digest(fn(&Offer) -> DigestOffer, fn(&mut Params) -> &mut bool),
    /// A list of ways to report tasks, best first.
    Reporting,
    /// A key of RFC 3720 that is always answered so (RFC 7143 §13.25).
    Obsolete(&'static str),
    /// A declaration of no consequence.
    Ignored,
}

use Place::{Anywhere, FullFeature, Login, Never, Operational, Security};
use Rule::{And, Declared, Digest, Handled, Ignored, Maximum, Minimum, Obsolete, Or, Reporting};

const LENGTH: RangeInclusive<u32> = 512..=DATA_SEGMENT_MAX;

const fn key(name: &'static str, section: &'static str, place: Place, normal_only: bool, rule: Rule) -> Key {
    Key { name, section, place, normal_only, rule }
}

#[rustfmt::skip]
static KEYS: [Key; 37] = [
    // name, section, place, not in discovery, rule (default, range)
    key("HeaderDigest",             "RFC 7143 §13.1",    Operational, false, Digest(|o| o.header_digest, |p| &mut p.digests.header)),
    key("DataDigest",               "RFC 7143 §13.1",    Operational, false, Digest(|o| o.data_digest, |p| &mut p.digests.data)),
    key("MaxConnections",           "RFC 7143 §13.2",    Operational, true,  Minimum(1, 1..=65535, |p| &mut p.max_connections)),
    key("SendTargets",              "RFC 7143 §13.3",    FullFeature, false, Handled),
    key("TargetName",               "RFC 7143 §13.4",    Login,       false, Handled),
    key("InitiatorName",            "RFC 7143 §13.5",    Login,       false, Handled),
    key("TargetAlias",              "RFC 7143 §13.6",    Never,       false, Ignored),
    key("InitiatorAlias",           "RFC 7143 §13.7",    Anywhere,    false, Handled),
    key("TargetAddress",            "RFC 7143 §13.8",    Never,       false, Ignored),
    key("TargetPortalGroupTag",     "RFC 7143 §13.9",    Never,       false, Ignored),
    key("InitialR2T",               "RFC 7143 §13.10",   Operational, true,  Or(true, |p| &mut p.initial_r2t)),
    key("ImmediateData",            "RFC 7143 §13.11",   Operational, true,  And(true, |p| &mut p.immediate_data)),
    key("MaxRecvDataSegmentLength", "RFC 7143 §13.12",   Anywhere,    false, Declared(8192, LENGTH, |p| &mut p.initiator_segment)),
    key("MaxBurstLength",           "RFC 7143 §13.13",   Operational, true,  Minimum(262_144, LENGTH, |p| &mut p.max_burst)),
    key("FirstBurstLength",         "RFC 7143 §13.14",   Operational, true,  Minimum(65_536, LENGTH, |p| &mut p.first_burst)),
    key("DefaultTime2Wait",         "RFC 7143 §13.15",   Operational, false, Maximum(2, 0..=3600, |p| &mut p.time_to_wait)),
    key("DefaultTime2Retain",       "RFC 7143 §13.16",   Operational, false, Minimum(20, 0..=3600, |p| &mut p.time_to_retain)),
    key("MaxOutstandingR2T",        "RFC 7143 §13.17",   Operational, true,  Minimum(1, 1..=65535, |p| &mut p.max_outstanding_r2t)),
    key("DataPDUInOrder",           "RFC 7143 §13.18",   Operational, true,  Or(true, |p| &mut p.data_pdu_in_order)),
    key("DataSequenceInOrder",      "RFC 7143 §13.19",   Operational, true,  Or(true, |p| &mut p.data_sequence_in_order)),
    key("ErrorRecoveryLevel",       "RFC 7143 §13.20",   Operational, false, Minimum(0, 0..=2, |p| &mut p.error_recovery_level)),
    key("SessionType",              "RFC 7143 §13.21",   Login,       false, Handled),
    key("TaskReporting",            "RFC 7143 §13.23",   Operational, true,  Reporting),
    key("X#NodeArchitecture",       "RFC 7143 §13.26",   Login,       false, Ignored),
    key("iSCSIProtocolLevel",       "RFC 7144 §6.1.1",   Operational, true,  Minimum(1, 0..=31, |p| &mut p.protocol_level)),
    // "No" is allowed and is what initiators of RFC 3720 expect; the intervals can only be rejected.
    key("IFMarker",                 "RFC 7143 §13.25",   Operational, false, Obsolete("No")),
    key("OFMarker",                 "RFC 7143 §13.25",   Operational, false, Obsolete("No")),
    key("IFMarkInt",                "RFC 7143 §13.25",   Operational, false, Obsolete("Reject")),
    key("OFMarkInt",                "RFC 7143 §13.25",   Operational, false, Obsolete("Reject")),
    key("AuthMethod",               "RFC 7143 §12.1",    Security,    false, Handled),
    key("CHAP_A",                   "RFC 7143 §12.1.3",  Security,    false, Handled),
    key("CHAP_I",                   "RFC 7143 §12.1.3",  Security,    false, Handled),
    key("CHAP_C",                   "RFC 7143 §12.1.3",  Security,    false, Handled),
    key("CHAP_N",                   "RFC 7143 §12.1.3",  Security,    false, Handled),
    key("CHAP_R",                   "RFC 7143 §12.1.3",  Security,    false, Handled),
    // Other methods of the standard have keys too, but no method of ours would ask for them.
    key("KRB_AP_REQ",               "RFC 7143 §12.1.1",  Security,    false, Obsolete("Reject")),
    key("SRP_U",                    "RFC 7143 §12.1.2",  Security,    false, Obsolete("Reject")),
];

/// Why login cannot go on.
pub(super) type Refusal = (LoginStatus, String);

/// The negotiation of one login.
#[derive(Debug)]
pub(super) struct Negotiation {
    offer: Offer,
    /// Our side, in the shape of the result.
    ours: Params,
    /// What holds so far.
    params: Params,
    discovery: bool,
    /// One bit for each row that was used.
    seen: u64,
}

impl Negotiation {
    pub(super) fn new(offer: Offer, discovery: bool) -> Self {
        let mut ours = Params {
            max_connections: offer.max_connections,
            initial_r2t: offer.initial_r2t,
            immediate_data: offer.immediate_data,
            max_burst: offer.max_burst,
            first_burst: offer.first_burst,
            time_to_wait: offer.time_to_wait,
            time_to_retain: offer.time_to_retain,
            max_outstanding_r2t: offer.max_outstanding_r2t,
            protocol_level: offer.protocol_level,
            ..Params::default()
        };
        let mut params = Params::default();
        for key in &KEYS {
            match &key.rule {
                Or(default, field) | And(default, field) => *field(&mut params) = *default,
                Minimum(default, range, field) | Maximum(default, range, field) => {
                    *field(&mut params) = *default;
                    let value = field(&mut ours);
                    *value = (*value).clamp(*range.start(), *range.end());
                }
                Declared(default, _, field) => *field(&mut params) = *default,
                Digest(..) | Reporting | Obsolete(_) | Ignored | Handled => {}
            }
        }
        Self { offer, ours, params, discovery, seen: 0 }
    }

    /// Takes the pairs of one text, appends the answers, and gives back the pairs that are the stage's business.
    pub(super) fn take<'t>(
        &mut self,
        security_stage: bool,
        pairs: &[(&'t str, &'t str)],
        answer: &mut Vec<u8>,
    ) -> Result<Vec<(&'t str, &'t str)>, Refusal> {
        let mut handled = Vec::new();
        let mut first_burst = None;
        for &(name, value) in pairs {
            let Some(at) = KEYS.iter().position(|key| key.name == name) else {
                text::push(answer, name, "NotUnderstood");
                continue;
            };
            let key = &KEYS[at];
            let in_place = match key.place {
                Login | Anywhere => true,
                Security => security_stage,
                Operational => !security_stage,
                FullFeature | Never => false,
            };
            if !in_place {
                let what = format!("key {name} has no place here ({})", key.section);
                return Err((LoginStatus::InitiatorError, what));
            }
            let seen = self.seen;
            self.seen |= 1 << at;
            if self.seen == seen {
                return Err((LoginStatus::InitiatorError, format!("key {name} came twice (RFC 7143 §6.2)")));
            }
            match key.rule {
                Handled => handled.push((name, value)),
                // What it means depends on keys that may stand behind it.
                _ if name == "FirstBurstLength" => first_burst = Some((key, value)),
                _ => self.negotiate(key, value, answer),
            }
        }
        if let Some((key, value)) = first_burst {
            // Without unsolicited data the key means nothing (RFC 7143 §13.14); it is still answered by a number,
            // because initiators read one there.
            self.ours.first_burst = self.ours.first_burst.min(self.params.max_burst);
            self.negotiate(key, value, answer);
        }
        Ok(handled)
    }

    /// We declare our MaxRecvDataSegmentLength: it holds for full feature phase.
    pub(super) fn declare(&mut self, answer: &mut Vec<u8>) {
        let declared = self.offer.target_segment.clamp(*LENGTH.start(), *LENGTH.end());
        self.params.target_segment = declared;
        text::push(answer, "MaxRecvDataSegmentLength", &declared.to_string());
    }

    /// What was agreed on.
    pub(super) fn finish(&self) -> Result<Params, Refusal> {
        let mut params = self.params;
        for (name, offer, agreed) in [
            ("HeaderDigest", self.offer.header_digest, params.digests.header),
            ("DataDigest", self.offer.data_digest, params.digests.data),
        ] {
            if offer == DigestOffer::Required && !agreed {
                return Err((LoginStatus::InitiatorError, format!("{name}=CRC32C is required here")));
            }
        }
        // Either may be a default that was never negotiated (RFC 7143 §13.14).
        params.first_burst = params.first_burst.min(params.max_burst);
        Ok(params)
    }

    fn negotiate(&mut self, key: &Key, value: &str, answer: &mut Vec<u8>) {
        if key.normal_only && self.discovery {
            return text::push(answer, key.name, "Irrelevant");
        }
        let (ours, params) = (&mut self.ours, &mut self.params);
        let result = match &key.rule {
            Or(_, field) => boolean(value).map(|theirs| yes_or_no(set(field(params), theirs | *field(ours)))),
            And(_, field) => boolean(value).map(|theirs| yes_or_no(set(field(params), theirs & *field(ours)))),
            Minimum(_, range, field) => {
                number(value, range).map(|theirs| set(field(params), theirs.min(*field(ours))).to_string())
            }
            Maximum(_, range, field) => {
                number(value, range).map(|theirs| set(field(params), theirs.max(*field(ours))).to_string())
            }
            Declared(_, range, field) => match number(value, range) {
                Some(theirs) => {
                    *field(params) = theirs;
                    return;
                }
                None => None,
            },
            Digest(offer, field) => digest(value, offer(&self.offer)).map(|crc| {
                *field(params) = crc;
                if crc { "CRC32C".to_owned() } else { "None".to_owned() }
            }),
            Reporting => reporting(value, self.offer.task_reporting).map(|(name, reporting)| {
                params.task_reporting = reporting;
                name.to_owned()
            }),
            Obsolete(constant) => Some((*constant).to_owned()),
            Ignored | Handled => return,
        };
        text::push(answer, key.name, result.as_deref().unwrap_or("Reject"));
    }
}

/// A key other than SendTargets in full feature phase: only declarations are taken there.
pub(crate) fn in_full_feature(name: &str, value: &str, params: &mut Params, answer: &mut Vec<u8>) {
    let Some(key) = KEYS.iter().find(|key| key.name == name) else {
        return text::push(answer, name, "NotUnderstood");
    };
    match &key.rule {
        Declared(_, range, field) => match number(value, range) {
            Some(theirs) => *field(params) = theirs,
            None => text::push(answer, name, "Reject"),
        },
        _ if key.place == Anywhere => {}
        _ => text::push(answer, name, "Reject"),
    }
}

/// The values of a list, best first.
pub(super) fn list(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim)
}

fn set<T: Copy>(field: &mut T, value: T) -> T {
    *field = value;
    value
}

fn boolean(value: &str) -> Option<bool> {
    match value {
        "Yes" => Some(true),
        "No" => Some(false),
        _ => None,
    }
}

fn yes_or_no(value: bool) -> String {
    if value { "Yes".to_owned() } else { "No".to_owned() }
}

fn number(value: &str, range: &RangeInclusive<u32>) -> Option<u32> {
    text::number(value).filter(|number| range.contains(number))
}

fn digest(value: &str, offer: DigestOffer) -> Option<bool> {
    list(value).find_map(|choice| match (choice, offer) {
        ("None", DigestOffer::Never | DigestOffer::Welcome) => Some(false),
        ("CRC32C", DigestOffer::Welcome | DigestOffer::Required) => Some(true),
        _ => None,
    })
}

fn reporting(value: &str, best: TaskReporting) -> Option<(&'static str, TaskReporting)> {
    const WAYS: [(&str, TaskReporting); 3] = [
        ("RFC3720", TaskReporting::Rfc3720),
        ("ResponseFence", TaskReporting::ResponseFence),
        ("FastAbort", TaskReporting::FastAbort),
    ];
    let ours = &WAYS[..=best as usize];
    list(value).find_map(|choice| ours.iter().copied().find(|&(name, _)| name == choice))
}

#[cfg(test)]
mod tests {
    use super::*;
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
            assert_eq!(
                (value.as_str(), params.immediate_data),
                (if ours & theirs { "Yes" } else { "No" }, ours & theirs)
            );
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
}
