//! What a portal is: where initiators connect, and which of them are one way to a disk.

use crate::{PortalAddress, PortalGroup, Refusal};
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// One portal, written as its address, or as `{ address = "192.0.2.11:3260", group = 2 }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortalSpec {
    /// Where to listen.
    pub address: PortalAddress,
    /// Its portal group. Portals of one group are one path to multipath software, those of two groups are two.
    pub group: PortalGroup,
}

/// The same as it is written where the group has to be said.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    address: PortalAddress,
    #[serde(default)]
    group: PortalGroup,
}

impl PortalSpec {
    /// A portal of the first group.
    ///
    /// # Errors
    /// `F-0208`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        PortalAddress::parse(text).map(Self::from)
    }
}

impl From<PortalAddress> for PortalSpec {
    fn from(address: PortalAddress) -> Self {
        PortalSpec { address, group: PortalGroup::FIRST }
    }
}

impl Serialize for PortalSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let PortalSpec { address, group } = *self;
        if group == PortalGroup::FIRST {
            return address.serialize(serializer);
        }
        Words { address, group }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PortalSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> de::Visitor<'de> for Either {
            type Value = PortalSpec;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address, or a table with address and group")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<PortalSpec, E> {
                PortalSpec::parse(text).map_err(E::custom)
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<PortalSpec, A::Error> {
                let Words { address, group } = Words::deserialize(MapAccessDeserializer::new(map))?;
                Ok(PortalSpec { address, group })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portal_is_written_as_short_as_it_can_be() {
        for (text, whole) in [
            (r#""192.0.2.1""#, r#""192.0.2.1:3260""#),
            (r#"{"address":"192.0.2.1:3260","group":1}"#, r#""192.0.2.1:3260""#),
            (r#"{"address":"192.0.2.1:3260"}"#, r#""192.0.2.1:3260""#),
            (r#"{"address":"[::]","group":2}"#, r#"{"address":"[::]:3260","group":2}"#),
        ] {
            let portal: PortalSpec = serde_json::from_str(text).expect(text);
            assert_eq!(serde_json::to_string(&portal).unwrap(), whole);
            assert_eq!(serde_json::from_str::<PortalSpec>(whole).unwrap(), portal);
        }
    }

    #[test]
    fn what_is_neither_address_nor_table_is_refused() {
        for text in
            ["5", r#""localhost""#, r#"{"group":2}"#, r#"{"address":"::","group":0}"#, r#"{"address":"::","x":1}"#]
        {
            assert!(serde_json::from_str::<PortalSpec>(text).is_err(), "{text}");
        }
    }
}
