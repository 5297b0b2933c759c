//! What a target is: who may enter, how they prove it, and the LUNs they find.

use super::{ChapSpec, LunSpec, NegotiateSpec, is_default};
use crate::{AllowRule, LunNumber};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One target. Its name is the key under which it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TargetSpec {
    /// TargetAlias (RFC 7143 13.6): a name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Who may enter; nobody else is. See [`crate::Admission`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<AllowRule>,
    /// Accounts of which an initiator has to prove one. Empty asks for no proof.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chap: Vec<ChapSpec>,
    /// The account the target proves to an initiator that asks back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mutual_chap: Option<ChapSpec>,
    /// What is negotiated otherwise than by default.
    #[serde(skip_serializing_if = "is_default")]
    pub negotiate: NegotiateSpec,
    /// The logical units, by number.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub luns: BTreeMap<LunNumber, LunSpec>,
}

impl TargetSpec {
    /// The longest alias, in bytes (RFC 7143 13.6: an iSCSI-local-name-value).
    pub const ALIAS_BYTES_MAX: usize = 255;
    /// The most rules in one allow list.
    pub const RULES_MAX: usize = 1024;
    /// The most accounts of one target.
    pub const ACCOUNTS_MAX: usize = 256;
}
