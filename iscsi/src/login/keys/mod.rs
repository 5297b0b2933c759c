//! What comes out when both sides name a value for a key (RFC 7143 §6.2, §13, RFC 7144 §6.1)?

mod table;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use super::status::LoginStatus;
use super::terms::{DigestOffer, Offer};
use crate::params::{Params, TaskReporting};
use crate::wire::text;
use table::Place::{Anywhere, FullFeature, Login, Never, Operational, Security};
use table::Rule::{And, Declared, Digest, Handled, Ignored, Maximum, Minimum, Obsolete, Or, Reporting};
use table::{KEYS, Key, LENGTH};

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
