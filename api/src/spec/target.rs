//! What a target is: who may enter, how they prove it, and the LUNs they find.

use super::{AccessState, ChapSpec, LunSpec, NegotiateSpec, check_text, is_default};
use crate::{AllowRule, LunNumber, PortalGroup};
use serde::{Deserialize, Deserializer, Serialize, de};
use std::collections::BTreeMap;

/// One target. Its name is the key under which it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TargetSpec {
    /// TargetAlias (RFC 7143 13.6): a name for people.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "alias")]
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
    /// How well its units are reached through each portal group at the start; one that is not here is active and
    /// optimized.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub alua: BTreeMap<PortalGroup, AccessState>,
    /// Sessions are told of changes by an iSCSI asynchronous event as well, where they would only learn of them with
    /// their next command.
    #[serde(skip_serializing_if = "is_true")]
    pub async_events: bool,
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

impl Default for TargetSpec {
    fn default() -> Self {
        TargetSpec {
            alias: None,
            allow: Vec::new(),
            chap: Vec::new(),
            mutual_chap: None,
            negotiate: NegotiateSpec::default(),
            alua: BTreeMap::new(),
            async_events: true,
            luns: BTreeMap::new(),
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_true(value: &bool) -> bool {
    *value
}

fn alias<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    check_text("alias", &text, TargetSpec::ALIAS_BYTES_MAX).map_err(de::Error::custom)?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_of_which_nothing_is_said_lets_nobody_in() {
        let spec: TargetSpec = serde_json::from_str("{}").unwrap();
        assert_eq!(spec, TargetSpec::default());
        assert!(spec.allow.is_empty());
    }

    #[test]
    fn an_alias_has_1_to_255_bytes_on_one_line() {
        let read = |alias: &str| serde_json::from_value::<TargetSpec>(serde_json::json!({ "alias": alias }));
        assert!(read(&"a".repeat(255)).is_ok());
        for alias in ["", "a\nb", &"a".repeat(256)] {
            assert!(read(alias).unwrap_err().to_string().starts_with("F-0210: `alias`"), "{alias:?}");
        }
    }

    #[test]
    fn a_target_is_written_as_it_was_read() {
        let text = r#"{"alias":"A","allow":["any"],"chap":[{"user":"u","secret_file":"/s"}],"negotiate":{"immediate_data":false},"alua":{"2":"standby"},"async_events":false,"luns":{"0":{"backend":"memory","size":512}}}"#;
        let spec: TargetSpec = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&spec).unwrap(), text);
    }
}
