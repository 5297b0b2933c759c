//! Which portal group: the number by which portals belong together, and by which SCSI knows the port they are.

use super::quoted;
use crate::{Refusal, codes};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::num::NonZeroU16;

/// A target portal group tag, 1 to 65535 (RFC 7143 3.4, 13.9).
///
/// The portals of a group are one SCSI target port. Its number is also the RELATIVE TARGET PORT IDENTIFIER and the
/// TARGET PORT GROUP that INQUIRY and REPORT TARGET PORT GROUPS show, so that one number names one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortalGroup(NonZeroU16);

impl PortalGroup {
    /// The group of portals of which no other is said.
    pub const FIRST: PortalGroup = PortalGroup(NonZeroU16::MIN);

    /// The group of this number.
    ///
    /// # Errors
    /// `F-0209` for 0, which SCSI has no port for.
    pub fn new(number: u16) -> Result<Self, Refusal> {
        NonZeroU16::new(number).map(PortalGroup).ok_or_else(|| refuse(&number.to_string()))
    }

    /// Reads decimal digits, without sign and leading zeros, so that one group has one spelling.
    ///
    /// # Errors
    /// `F-0209`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text.starts_with('0') || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(refuse(text));
        }
        text.parse().map_err(|_| refuse(text)).and_then(Self::new)
    }

    /// The number itself.
    pub fn number(self) -> u16 {
        self.0.get()
    }
}

fn refuse(text: &str) -> Refusal {
    let what = format!("{} is not a portal group", quoted(text));
    Refusal::new(codes::OUT_OF_RANGE, what).hint("portal groups are 1 to 65535")
}

impl Default for PortalGroup {
    fn default() -> Self {
        PortalGroup::FIRST
    }
}

impl fmt::Display for PortalGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<u16> for PortalGroup {
    type Error = Refusal;
    fn try_from(number: u16) -> Result<Self, Refusal> {
        Self::new(number)
    }
}

/// Written as a number; as the key of a table, which is text in TOML and JSON, as its digits.
impl Serialize for PortalGroup {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(self.number())
    }
}

impl<'de> Deserialize<'de> for PortalGroup {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Digits;
        impl de::Visitor<'_> for Digits {
            type Value = PortalGroup;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a portal group")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<PortalGroup, E> {
                PortalGroup::parse(text).map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<PortalGroup, E> {
                PortalGroup::parse(&number.to_string()).map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<PortalGroup, E> {
                PortalGroup::parse(&number.to_string()).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_1_to_65535_and_spelled_once() {
        for text in ["1", "2", "65535"] {
            assert_eq!(PortalGroup::parse(text).expect(text).to_string(), text);
        }
        for text in ["0", "65536", "", "01", "+1", "-1", "1 ", "a"] {
            assert_eq!(PortalGroup::parse(text).map_err(|r| r.code), Err(codes::OUT_OF_RANGE), "{text:?}");
        }
        assert!(PortalGroup::new(0).is_err());
    }

    #[test]
    fn a_group_is_a_number_as_a_value_and_digits_as_a_key() {
        let map = std::collections::BTreeMap::from([(PortalGroup::new(2).unwrap(), PortalGroup::FIRST)]);
        let text = serde_json::to_string(&map).unwrap();
        assert_eq!(text, r#"{"2":1}"#);
        assert_eq!(serde_json::from_str::<std::collections::BTreeMap<PortalGroup, PortalGroup>>(&text).unwrap(), map);
        assert!(serde_json::from_str::<PortalGroup>("0").is_err());
        assert!(serde_json::from_str::<PortalGroup>("-1").is_err());
    }
}
