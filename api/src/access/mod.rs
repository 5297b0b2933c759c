//! Who may enter: rules about names and rules about addresses, and the verdict over both.
//!
//! Nobody is let in who is not listed. Rules about names are alternatives, and so are rules about addresses;
//! where a list has both kinds, one of each must match: a listed host behind an unlisted address stays out.

mod address;
mod name;

pub use address::AddressRange;
pub use name::NamePattern;

use crate::names::quoted;
use crate::{Refusal, codes};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// One entry of an allow list.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum AllowRule {
    /// `any`: everybody. It has to be written out.
    Any,
    /// `iqn:GLOB`, or the glob alone where it begins with `iqn.`, `eui.` or `naa.`: initiators of such a name.
    Initiator(NamePattern),
    /// `addr:ADDRESS` or `addr:ADDRESS/BITS`: initiators that connect from there.
    Address(AddressRange),
}

impl AllowRule {
    /// Reads one entry.
    ///
    /// # Errors
    /// `F-0601`, with a hint how to write what was probably meant.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text == "any" {
            return Ok(AllowRule::Any);
        }
        if let Some(range) = text.strip_prefix("addr:") {
            return AddressRange::parse(range).map(AllowRule::Address);
        }
        let named = ["iqn.", "eui.", "naa."].iter().any(|t| text.get(..4).is_some_and(|s| s.eq_ignore_ascii_case(t)));
        match text.strip_prefix("iqn:") {
            Some(pattern) => NamePattern::parse(pattern).map(AllowRule::Initiator),
            None if named => NamePattern::parse(text).map(AllowRule::Initiator),
            None => Err(Refusal::new(codes::BAD_RULE, format!("{} is not a rule", quoted(text))).hint(meant(text))),
        }
    }
}

/// What somebody who wrote `text` probably wanted to write.
fn meant(text: &str) -> String {
    if AddressRange::parse(text).is_ok() {
        return format!("write \"addr:{text}\"");
    }
    if text.eq_ignore_ascii_case("any") || text.eq_ignore_ascii_case("all") || text == "*" {
        return "write \"any\" to let everybody in".to_owned();
    }
    "a rule is \"any\", \"iqn:GLOB\" or \"addr:ADDRESS[/BITS]\"".to_owned()
}

impl fmt::Display for AllowRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AllowRule::Any => f.write_str("any"),
            AllowRule::Initiator(pattern) => write!(f, "iqn:{pattern}"),
            AllowRule::Address(range) => write!(f, "addr:{range}"),
        }
    }
}

impl std::str::FromStr for AllowRule {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<Self, Refusal> {
        Self::parse(text)
    }
}

impl TryFrom<String> for AllowRule {
    type Error = Refusal;
    fn try_from(text: String) -> Result<Self, Refusal> {
        Self::parse(&text)
    }
}

impl From<AllowRule> for String {
    fn from(rule: AllowRule) -> String {
        rule.to_string()
    }
}

/// What a list of rules says about one candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Admission {
    /// Let in.
    Granted,
    /// The list is empty: nobody is let in.
    NobodyListed,
    /// There are rules about names and none of them matches.
    NameNotListed,
    /// There are rules about addresses and none of them matches.
    AddressNotListed,
}

impl Admission {
    /// Judges one candidate: the name it gave at login and the address it connects from.
    ///
    /// An IPv4 address that an IPv6 socket shows as `::ffff:a.b.c.d` counts as the IPv4 address it is.
    pub fn judge(rules: &[AllowRule], initiator: &str, address: IpAddr) -> Admission {
        let address = address.to_canonical();
        let initiator = initiator.to_ascii_lowercase();
        let (mut names, mut addresses) = (Kind::default(), Kind::default());
        for rule in rules {
            match rule {
                AllowRule::Any => return Admission::Granted,
                AllowRule::Initiator(pattern) => names.saw(pattern.matches(&initiator)),
                AllowRule::Address(range) => addresses.saw(range.contains(address)),
            }
        }
        match (names.holds(), addresses.holds()) {
            _ if rules.is_empty() => Admission::NobodyListed,
            (false, _) => Admission::NameNotListed,
            (_, false) => Admission::AddressNotListed,
            (true, true) => Admission::Granted,
        }
    }

    /// Whether the candidate is let in.
    pub fn is_granted(self) -> bool {
        self == Admission::Granted
    }
}

/// The reason, for the log: what an operator has to look at.
impl fmt::Display for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Admission::Granted => "listed",
            Admission::NobodyListed => "the target lists nobody",
            Admission::NameNotListed => "its name is not listed",
            Admission::AddressNotListed => "its address is not listed",
        })
    }
}

/// One kind of rules: whether there are any, and whether one of them matched.
#[derive(Default)]
struct Kind {
    present: bool,
    matched: bool,
}

impl Kind {
    fn saw(&mut self, matched: bool) {
        self.present = true;
        self.matched |= matched;
    }

    /// A kind nobody wrote a rule of does not object.
    fn holds(&self) -> bool {
        self.matched || !self.present
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ESX: &str = "iqn.1998-01.com.vmware:esx1-4f2a";

    fn judge(rules: &[&str], name: &str, address: &str) -> Admission {
        let rules: Vec<AllowRule> = rules.iter().map(|r| r.parse().unwrap()).collect();
        Admission::judge(&rules, name, address.parse().unwrap())
    }

    #[test]
    fn nobody_is_let_in_by_an_empty_list() {
        assert_eq!(judge(&[], ESX, "192.0.2.21"), Admission::NobodyListed);
    }

    #[test]
    fn any_lets_everybody_in_wherever_it_stands() {
        assert_eq!(judge(&["any"], ESX, "192.0.2.21"), Admission::Granted);
        assert_eq!(judge(&["addr:198.51.100.1", "any"], "", "::1"), Admission::Granted);
    }

    #[test]
    fn rules_of_one_kind_are_alternatives() {
        let rules = ["addr:192.0.2.21", "addr:198.51.100.0/28"];
        assert_eq!(judge(&rules, ESX, "192.0.2.21"), Admission::Granted);
        assert_eq!(judge(&rules, ESX, "198.51.100.15"), Admission::Granted);
        assert_eq!(judge(&rules, ESX, "198.51.100.16"), Admission::AddressNotListed);
        assert_eq!(judge(&["iqn:*:esx1-*", "iqn:*:esx2-*"], ESX, "192.0.2.9"), Admission::Granted);
    }

    #[test]
    fn where_both_kinds_are_listed_one_of_each_must_match() {
        let rules = ["iqn:*:esx1-*", "addr:192.0.2.0/24"];
        assert_eq!(judge(&rules, ESX, "192.0.2.21"), Admission::Granted);
        assert_eq!(judge(&rules, "iqn.1998-01.com.vmware:esx2", "192.0.2.21"), Admission::NameNotListed);
        assert_eq!(judge(&rules, ESX, "198.51.100.1"), Admission::AddressNotListed);
    }

    #[test]
    fn an_ipv4_host_on_an_ipv6_socket_matches_its_ipv4_rule() {
        assert_eq!(judge(&["addr:192.0.2.0/24"], ESX, "::ffff:192.0.2.7"), Admission::Granted);
    }

    #[test]
    fn the_spelling_of_the_initiators_name_does_not_matter() {
        assert_eq!(
            judge(&["iqn:IQN.1998-01.com.vmware:ESX1-*"], "IQN.1998-01.COM.VMware:esx1-4F", "::1"),
            Admission::Granted
        );
    }

    #[test]
    fn a_bare_name_is_a_rule_and_other_bare_texts_are_refused_with_what_was_meant() {
        assert_eq!("iqn.1998-01.com.vmware:esx1-*".parse(), AllowRule::parse("iqn:iqn.1998-01.com.vmware:esx1-*"));
        for (text, hint) in [
            ("192.0.2.1", "\"addr:192.0.2.1\""),
            ("ALL", "\"any\""),
            ("*", "\"any\""),
            ("esx1", "iqn:GLOB"),
            ("", "iqn:GLOB"),
        ] {
            let refusal = AllowRule::parse(text).unwrap_err();
            assert_eq!(refusal.code, codes::BAD_RULE);
            assert!(refusal.hint.unwrap().contains(hint), "{text:?}");
        }
    }

    #[test]
    fn a_rule_is_shown_as_it_is_read() {
        for text in ["any", "iqn:iqn.1998-01.com.vmware:*", "addr:192.0.2.0/24", "addr:192.0.2.1", "addr:2001:db8::/32"]
        {
            assert_eq!(AllowRule::parse(text).expect(text).to_string(), text);
        }
    }
}
