//! Which logical unit of a target: a number that fits both peripheral and flat space addressing.

use super::quoted;
use crate::{Refusal, codes};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// The number of a logical unit, 0 to 16383.
///
/// Numbers below 256 are shown with peripheral device addressing, the others with flat space addressing
/// (SAM-5 4.7.7.2 and 4.7.7.3), whose 14 bits set the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LunNumber(u16);

impl LunNumber {
    /// The largest number.
    pub const MAX: u16 = 16383;

    /// The unit of this number.
    ///
    /// # Errors
    /// `F-0202` above [`LunNumber::MAX`].
    pub fn new(number: u16) -> Result<Self, Refusal> {
        if number > Self::MAX { Err(refuse(&number.to_string())) } else { Ok(LunNumber(number)) }
    }

    /// Reads decimal digits, without sign, and without leading zeros so that one unit has one spelling.
    ///
    /// # Errors
    /// `F-0202`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let spelled_once = text == "0" || !text.starts_with('0');
        if !spelled_once || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(refuse(text));
        }
        text.parse().map_err(|_| refuse(text)).and_then(Self::new)
    }

    /// The number itself.
    pub fn number(self) -> u16 {
        self.0
    }
}

fn refuse(text: &str) -> Refusal {
    let what = format!("{} is not a LUN number", quoted(text));
    Refusal::new(codes::BAD_LUN_NUMBER, what).hint(format!("LUN numbers are 0 to {}", LunNumber::MAX))
}

impl fmt::Display for LunNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for LunNumber {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<Self, Refusal> {
        Self::parse(text)
    }
}

impl TryFrom<u16> for LunNumber {
    type Error = Refusal;
    fn try_from(number: u16) -> Result<Self, Refusal> {
        Self::new(number)
    }
}

/// Written as a number; as the key of a table, which is text in TOML and JSON, as its digits.
impl Serialize for LunNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(self.0)
    }
}

impl<'de> Deserialize<'de> for LunNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Digits;
        impl de::Visitor<'_> for Digits {
            type Value = LunNumber;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a LUN number")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<LunNumber, E> {
                LunNumber::parse(text).map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<LunNumber, E> {
                LunNumber::parse(&number.to_string()).map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<LunNumber, E> {
                LunNumber::parse(&number.to_string()).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn numbers_up_to_16383_are_read_and_16384_is_not() {
        assert_eq!(LunNumber::parse("0").unwrap().number(), 0);
        assert_eq!(LunNumber::parse("16383").unwrap().number(), 16383);
        assert_eq!(LunNumber::parse("16384").map_err(|r| r.code), Err(codes::BAD_LUN_NUMBER));
        assert_eq!(LunNumber::new(16384).map_err(|r| r.code), Err(codes::BAD_LUN_NUMBER));
    }

    #[test]
    fn a_second_spelling_of_a_number_is_refused() {
        for text in ["", "00", "01", "+1", "-1", " 1", "1 ", "0x1", "1.0", "99999999999999999999"] {
            assert!(LunNumber::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn as_a_value_it_is_a_number_and_as_a_key_its_digits() {
        let map = BTreeMap::from([(LunNumber(7), LunNumber(8))]);
        let text = serde_json::to_string(&map).unwrap();
        assert_eq!(text, r#"{"7":8}"#);
        assert_eq!(serde_json::from_str::<BTreeMap<LunNumber, LunNumber>>(&text).unwrap(), map);
        assert!(serde_json::from_str::<LunNumber>("-1").is_err());
    }
}
