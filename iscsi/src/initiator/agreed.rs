//! What a login agreed on, and whether the target's answers were allowed ones.

use super::error::Error;
use super::settings::Keys;
use crate::wire::text;

/// The parameters of a session and its one connection as both sides hold them after login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// Session handle that the target assigned (RFC 7143 §11.13.3).
    pub tsih: u16,
    /// `TargetPortalGroupTag`; `None` in a discovery session.
    pub portal_group: Option<u16>,
    /// `TargetAlias`, where the target has one.
    pub target_alias: Option<String>,
    /// Header digests are CRC32C.
    pub header_digest: bool,
    /// Data digests are CRC32C.
    pub data_digest: bool,
    /// `MaxConnections`.
    pub max_connections: u32,
    /// `InitialR2T`: unsolicited Data-Out PDUs are forbidden.
    pub initial_r2t: bool,
    /// `ImmediateData`.
    pub immediate_data: bool,
    /// The target's `MaxRecvDataSegmentLength`: what we may send in one PDU.
    pub max_send_data_segment_length: u32,
    /// Our own `MaxRecvDataSegmentLength`.
    pub max_recv_data_segment_length: u32,
    /// `MaxBurstLength`.
    pub max_burst_length: u32,
    /// `FirstBurstLength`.
    pub first_burst_length: u32,
    /// `DefaultTime2Wait`.
    pub default_time2wait: u32,
    /// `DefaultTime2Retain`.
    pub default_time2retain: u32,
    /// `MaxOutstandingR2T`.
    pub max_outstanding_r2t: u32,
    /// `DataPDUInOrder`.
    pub data_pdu_in_order: bool,
    /// `DataSequenceInOrder`.
    pub data_sequence_in_order: bool,
    /// `ErrorRecoveryLevel`.
    pub error_recovery_level: u32,
    /// Every other pair that the target sent, as it was: answers to `extra` keys, vendor declarations.
    pub other: Vec<(String, String)>,
}

impl Agreed {
    /// Before any answer: the defaults of RFC 7143 §13, which also hold for a key that was never negotiated.
    pub(crate) fn new(keys: &Keys) -> Self {
        Agreed {
            tsih: 0,
            portal_group: None,
            target_alias: None,
            header_digest: false,
            data_digest: false,
            max_connections: 1,
            initial_r2t: true,
            immediate_data: true,
            max_send_data_segment_length: 8192,
            max_recv_data_segment_length: keys.max_recv_data_segment_length,
            max_burst_length: 262_144,
            first_burst_length: 65_536,
            default_time2wait: 2,
            default_time2retain: 20,
            max_outstanding_r2t: 1,
            data_pdu_in_order: true,
            data_sequence_in_order: true,
            error_recovery_level: 0,
            other: Vec::new(),
        }
    }

    /// Takes one pair of the target in.
    ///
    /// # Errors
    /// [`Error::Protocol`] where the value is not one that our proposal allows.
    pub(crate) fn take(&mut self, keys: &Keys, key: &str, value: &str) -> Result<(), Error> {
        let answer = Answer { key, value };
        if answer.declines() && keys.proposal(false).iter().any(|(proposed, _)| *proposed == key) {
            return Err(answer.wrong("declined a key that every implementation must know"));
        }
        match key {
            "HeaderDigest" => self.header_digest = answer.choice(&keys.header_digest)? == "CRC32C",
            "DataDigest" => self.data_digest = answer.choice(&keys.data_digest)? == "CRC32C",
            "MaxConnections" => self.max_connections = answer.at_most(1, keys.max_connections)?,
            "InitialR2T" => self.initial_r2t = answer.or(keys.initial_r2t)?,
            "ImmediateData" => self.immediate_data = answer.and(keys.immediate_data)?,
            "MaxRecvDataSegmentLength" => self.max_send_data_segment_length = answer.at_most(512, (1 << 24) - 1)?,
            "MaxBurstLength" => self.max_burst_length = answer.at_most(512, keys.max_burst_length)?,
            "FirstBurstLength" => self.first_burst_length = answer.at_most(512, keys.first_burst_length)?,
            "DefaultTime2Wait" => self.default_time2wait = answer.between(keys.default_time2wait, 3600)?,
            "DefaultTime2Retain" => self.default_time2retain = answer.at_most(0, keys.default_time2retain)?,
            "MaxOutstandingR2T" => self.max_outstanding_r2t = answer.at_most(1, keys.max_outstanding_r2t)?,
            "DataPDUInOrder" => self.data_pdu_in_order = answer.or(keys.data_pdu_in_order)?,
            "DataSequenceInOrder" => self.data_sequence_in_order = answer.or(keys.data_sequence_in_order)?,
            "ErrorRecoveryLevel" => self.error_recovery_level = answer.at_most(0, keys.error_recovery_level)?,
            "TargetPortalGroupTag" => self.portal_group = Some(answer.between(0, 65_535)? as u16),
            "TargetAlias" => self.target_alias = Some(value.to_owned()),
            _ => self.other.push((key.to_owned(), value.to_owned())),
        }
        Ok(())
    }
}

/// One pair that the target sent.
struct Answer<'a> {
    key: &'a str,
    value: &'a str,
}

impl<'a> Answer<'a> {
    fn declines(&self) -> bool {
        matches!(self.value, "Reject" | "NotUnderstood")
    }

    fn wrong(&self, why: &str) -> Error {
        Error::protocol("RFC 7143 §6.2", format!("{}={}: the target {why}", self.key, self.value))
    }

    /// One entry of the list we offered (RFC 7143 §6.2.1).
    fn choice(&self, offered: &[&'static str]) -> Result<&'a str, Error> {
        if offered.contains(&self.value) { Ok(self.value) } else { Err(self.wrong("chose what was not offered")) }
    }

    /// A number whose result function is the minimum (RFC 7143 §6.2.2): never above our proposal.
    fn at_most(&self, lowest: u32, proposed: u32) -> Result<u32, Error> {
        self.between(lowest, proposed)
    }

    fn between(&self, lowest: u32, highest: u32) -> Result<u32, Error> {
        match text::number(self.value) {
            Some(number) if (lowest..=highest).contains(&number) => Ok(number),
            _ => Err(self.wrong(&format!("answered outside of {lowest}..={highest}"))),
        }
    }

    fn or(&self, proposed: bool) -> Result<bool, Error> {
        let answered = self.boolean()?;
        if proposed && !answered {
            Err(self.wrong("undid our Yes, and the result function is OR"))
        } else {
            Ok(answered)
        }
    }

    fn and(&self, proposed: bool) -> Result<bool, Error> {
        let answered = self.boolean()?;
        if answered && !proposed {
            Err(self.wrong("undid our No, and the result function is AND"))
        } else {
            Ok(answered)
        }
    }

    fn boolean(&self) -> Result<bool, Error> {
        match self.value {
            "Yes" => Ok(true),
            "No" => Ok(false),
            _ => Err(self.wrong("answered neither Yes nor No")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(key: &str, value: &str) -> Result<Agreed, Error> {
        let keys = Keys { max_burst_length: 65_536, initial_r2t: true, immediate_data: false, ..Keys::default() };
        let mut agreed = Agreed::new(&keys);
        agreed.take(&keys, key, value).map(|()| agreed)
    }

    #[test]
    fn a_minimum_may_be_lowered_and_not_raised() {
        assert_eq!(take("MaxBurstLength", "65536").unwrap().max_burst_length, 65_536);
        assert_eq!(take("MaxBurstLength", "0x200").unwrap().max_burst_length, 512);
        for value in ["65537", "511", "-1", "", "many", "4294967296"] {
            assert!(take("MaxBurstLength", value).is_err(), "{value}");
        }
    }

    #[test]
    fn a_yes_of_an_or_key_and_a_no_of_an_and_key_stand() {
        assert!(take("InitialR2T", "Yes").unwrap().initial_r2t);
        assert!(take("InitialR2T", "No").is_err());
        assert!(!take("ImmediateData", "No").unwrap().immediate_data);
        assert!(take("ImmediateData", "Yes").is_err());
        assert!(take("ImmediateData", "yes").is_err());
    }

    #[test]
    fn a_digest_that_was_not_offered_is_a_breach() {
        assert!(take("HeaderDigest", "CRC32C").unwrap().header_digest);
        assert!(take("HeaderDigest", "SHA1").is_err());
    }

    #[test]
    fn a_standard_key_may_not_be_declined_and_a_vendor_key_may() {
        assert!(take("MaxBurstLength", "NotUnderstood").is_err());
        let agreed = take("X-com.example.key", "NotUnderstood").unwrap();
        assert_eq!(agreed.other, [("X-com.example.key".to_owned(), "NotUnderstood".to_owned())]);
    }

    #[test]
    fn a_key_nobody_negotiated_keeps_the_default_of_the_standard() {
        let agreed = Agreed::new(&Keys::default());
        assert_eq!((agreed.max_burst_length, agreed.first_burst_length), (262_144, 65_536));
        assert!(agreed.initial_r2t && agreed.immediate_data && !agreed.header_digest);
    }
}
