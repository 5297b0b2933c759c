//! Which text keys are there (RFC 7143 §12, §13, RFC 7144 §6.1)? One table; a key that has no row is not understood.

use std::ops::RangeInclusive;

use crate::login::terms::{DigestOffer, Offer};
use crate::params::Params;
use crate::wire::DATA_SEGMENT_MAX;

/// One key.
pub(super) struct Key {
    pub(super) name: &'static str,
    /// Where the standard defines it.
    pub(super) section: &'static str,
    pub(super) place: Place,
    /// It means nothing in a discovery session and is answered Irrelevant there.
    pub(super) normal_only: bool,
    pub(super) rule: Rule,
}

/// When a key may be sent by an initiator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
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
pub(super) enum Rule {
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

pub(super) const LENGTH: RangeInclusive<u32> = 512..=DATA_SEGMENT_MAX;

const fn key(name: &'static str, section: &'static str, place: Place, normal_only: bool, rule: Rule) -> Key {
    Key { name, section, place, normal_only, rule }
}

#[rustfmt::skip]
pub(super) static KEYS: [Key; 37] = [
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
