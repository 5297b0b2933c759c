//! What does the owner offer a candidate?

use std::fmt;

use zeroize::Zeroizing;

use crate::params::TaskReporting;

/// The owner's answer to [`super::LoginEvent::Names`]. Lengths are in bytes, times in seconds.
#[derive(Clone, Debug)]
pub struct Terms {
    /// How the initiator must prove who it is.
    pub auth: Auth,
    /// TargetPortalGroupTag of the portal the connection came to.
    pub portal_group: u16,
    /// TargetAlias.
    pub target_alias: Option<String>,
    /// Our side of the negotiation.
    pub offer: Offer,
}

/// How the initiator must prove who it is.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Not at all.
    None,
    /// By CHAP (RFC 7143 §12.1.3).
    Chap {
        /// Who may come in.
        accounts: Vec<Account>,
        /// As whom we answer an initiator that wants proof of us.
        mutual: Option<Account>,
    },
}

/// A CHAP name and secret.
#[derive(Clone, Debug)]
pub struct Account {
    /// CHAP_N.
    pub name: String,
    /// The secret.
    pub secret: Secret,
}

/// A CHAP secret: not shown, and wiped when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the secret over.
    pub fn new(secret: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(secret.into()))
    }

    pub(super) fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(secret: &str) -> Self {
        Self::new(secret)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Our value of every key that is negotiated. Values out of the key's range are brought into it.
///
/// The default takes what Linux, Windows and ESX initiators offer at their best, so that a write of up to 256 KiB
/// needs no R2T.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// HeaderDigest: which we take.
    pub header_digest: DigestOffer,
    /// DataDigest: which we take.
    pub data_digest: DigestOffer,
    /// MaxConnections.
    pub max_connections: u32,
    /// InitialR2T (the result is OR).
    pub initial_r2t: bool,
    /// ImmediateData (the result is AND).
    pub immediate_data: bool,
    /// MaxRecvDataSegmentLength that we declare.
    pub target_segment: u32,
    /// MaxBurstLength.
    pub max_burst: u32,
    /// FirstBurstLength.
    pub first_burst: u32,
    /// DefaultTime2Wait.
    pub time_to_wait: u32,
    /// DefaultTime2Retain.
    pub time_to_retain: u32,
    /// MaxOutstandingR2T.
    pub max_outstanding_r2t: u32,
    /// The best TaskReporting that we take.
    pub task_reporting: TaskReporting,
    /// iSCSIProtocolLevel (RFC 7144).
    pub protocol_level: u32,
}

/// Which values of a digest key are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestOffer {
    /// Only None.
    Never,
    /// What the initiator likes best.
    Welcome,
    /// Only CRC32C.
    Required,
}

impl Default for Offer {
    fn default() -> Self {
        Self {
            header_digest: DigestOffer::Welcome,
            data_digest: DigestOffer::Welcome,
            max_connections: 1,
            initial_r2t: false,
            immediate_data: true,
            target_segment: 262_144,
            max_burst: 1 << 20,
            first_burst: 262_144,
            time_to_wait: 2,
            time_to_retain: 0,
            max_outstanding_r2t: 16,
            task_reporting: TaskReporting::FastAbort,
            protocol_level: 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let account = Account { name: "alice".into(), secret: "wonderland12".into() };
        assert!(!format!("{account:?}").contains("wonderland"));
    }
}
