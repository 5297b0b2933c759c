//! What a target is called in the file: a whole iSCSI name, or a short one that gets the site's prefix.

use super::{iqn, quoted, written_as_text};
use crate::{Iqn, Refusal, codes};
use serde::{Deserialize, Serialize};

/// The last part of a name: `clustertarget1`. Letters, digits, `-` and `.`, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ShortName(String);

/// What stands before the colon of every short name: an iSCSI name of the iqn type without a colon.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IqnPrefix(Iqn);

/// A target as a file names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum TargetName {
    /// `disks`, to be completed by the prefix of the file.
    Short(ShortName),
    /// A whole name.
    Whole(Iqn),
}

impl ShortName {
    /// Reads a short name; upper case is folded as in whole names.
    ///
    /// # Errors
    /// `F-0201`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let odd = |c: char| !iqn::allowed(c) || c == ':';
        if text.is_empty() || text.len() > Iqn::BYTES_MAX || text.chars().any(odd) {
            return Err(Refusal::new(codes::BAD_NAME, format!("{} is not a target name", quoted(text))).hint(
                "a short name has letters, digits, '-' and '.'; a whole one looks like iqn.2026-11.com.example:disk1",
            ));
        }
        Ok(ShortName(text.to_ascii_lowercase()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl IqnPrefix {
    /// Reads `iqn.yyyy-mm.reversed.domain`.
    ///
    /// # Errors
    /// `F-0201`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let name = Iqn::parse(text)?;
        if !name.as_str().starts_with("iqn.") || name.as_str().contains(':') {
            return Err(Refusal::new(codes::BAD_NAME, format!("{} is not a prefix of names", quoted(text))).hint(
                "write iqn.yyyy-mm and the reversed domain only; the colon and the short name follow by themselves",
            ));
        }
        Ok(IqnPrefix(name))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl TargetName {
    /// Reads a whole name (one that begins with `iqn.`, `eui.` or `naa.`) or a short one.
    ///
    /// # Errors
    /// `F-0201`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let typed = |name_type: &&str| text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(name_type));
        if ["iqn.", "eui.", "naa."].iter().any(typed) {
            return Iqn::parse(text).map(TargetName::Whole);
        }
        ShortName::parse(text).map(TargetName::Short)
    }

    /// The whole name: a short one is `PREFIX:SHORT`.
    ///
    /// # Errors
    /// `F-0201` for a short name without a prefix, or if both together are too long.
    pub fn whole(&self, prefix: Option<&IqnPrefix>) -> Result<Iqn, Refusal> {
        match (self, prefix) {
            (TargetName::Whole(name), _) => Ok(name.clone()),
            (TargetName::Short(short), Some(prefix)) => Iqn::parse(&format!("{prefix}:{short}")),
            (TargetName::Short(short), None) => Err(Refusal::new(
                codes::BAD_NAME,
                format!("target {short} has a short name, and the file has no prefix for it"),
            )
            .hint("set iqn_prefix in [global], or write the whole name")),
        }
    }

    /// The text, as it is written in the file.
    pub fn as_str(&self) -> &str {
        match self {
            TargetName::Short(short) => short.as_str(),
            TargetName::Whole(name) => name.as_str(),
        }
    }
}

impl From<Iqn> for TargetName {
    fn from(name: Iqn) -> Self {
        TargetName::Whole(name)
    }
}

written_as_text!(ShortName);
written_as_text!(IqnPrefix);
written_as_text!(TargetName);

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix() -> IqnPrefix {
        IqnPrefix::parse("iqn.1990-01.edu.amherst.iscsi-target").unwrap()
    }

    #[test]
    fn a_short_name_gets_the_prefix_and_a_colon() {
        let name = TargetName::parse("ClusterTarget1").unwrap();
        assert_eq!(
            name.whole(Some(&prefix())).unwrap().as_str(),
            "iqn.1990-01.edu.amherst.iscsi-target:clustertarget1"
        );
    }

    #[test]
    fn a_whole_name_stays_as_it_is() {
        let name = TargetName::parse("IQN.2026-11.com.example:x").unwrap();
        assert_eq!(name.whole(Some(&prefix())).unwrap().as_str(), "iqn.2026-11.com.example:x");
        assert_eq!(
            TargetName::parse("eui.02004567a425678d").unwrap().whole(None).unwrap().as_str(),
            "eui.02004567a425678d"
        );
    }

    #[test]
    fn a_short_name_without_a_prefix_says_what_is_missing() {
        let refusal = TargetName::parse("disks").unwrap().whole(None).unwrap_err();
        assert_eq!(refusal.code, codes::BAD_NAME);
        assert!(refusal.hint.unwrap().contains("iqn_prefix"));
    }

    #[test]
    fn a_prefix_is_an_iqn_without_a_colon() {
        for text in ["iqn.2026-11.com.example:", "iqn.2026-11.com.example:x", "eui.02004567a425678d", "com.example", ""]
        {
            assert!(IqnPrefix::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn prefix_and_short_name_share_the_limit_of_223_bytes() {
        let short = |len: usize| TargetName::parse(&"a".repeat(len)).unwrap();
        let room = Iqn::BYTES_MAX - prefix().as_str().len() - 1;
        assert!(short(room).whole(Some(&prefix())).is_ok());
        assert!(short(room + 1).whole(Some(&prefix())).is_err());
        assert!(TargetName::parse(&"a".repeat(224)).is_err());
    }

    #[test]
    fn a_name_that_means_to_be_whole_is_not_taken_for_a_short_one() {
        assert!(TargetName::parse("iqn.2026-13.com.example").is_err());
        assert!(TargetName::parse("a:b").is_err());
        assert!(TargetName::parse("a_b").is_err());
        assert!(TargetName::parse("").is_err());
    }
}
