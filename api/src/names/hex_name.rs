//! Names of disks that somebody else gives out: NAA and EUI-64, and raw identifiers, all written in hex.

use super::{quoted, written_as_text};
use crate::{Refusal, codes};
use serde::{Deserialize, Serialize};

/// An NAA name (SPC-4, NAA designator format): 16 hex digits that begin with 2, 3 or 5, or 32 that begin with 6.
///
/// It may be written with `naa.` or `0x` in front, in either case; it is kept as its digits, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NaaName(String);

/// An EUI-64 based name (SPC-4, EUI-64 based designator format): 16, 24 or 32 hex digits.
///
/// It may be written with `eui.` or `0x` in front, in either case; it is kept as its digits, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Eui64Name(String);

/// 1 to 16 bytes that need not be text, as 2 to 32 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HexId(String);

impl NaaName {
    /// Reads a name.
    ///
    /// # Errors
    /// `F-0203`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let digits = digits(text, "naa.");
        match digits.as_deref().map(|digits| (digits.as_bytes()[0], digits.len())) {
            Some((b'2' | b'3' | b'5', 16) | (b'6', 32)) => Ok(NaaName(digits.expect("just seen"))),
            _ => Err(Refusal::new(codes::BAD_INQUIRY_TEXT, format!("{} is not an NAA name", quoted(text)))
                .hint("it is 16 hex digits that begin with 2, 3 or 5, or 32 that begin with 6")),
        }
    }

    /// Its hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its 8 or 16 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        bytes(&self.0)
    }
}

impl Eui64Name {
    /// Reads a name.
    ///
    /// # Errors
    /// `F-0203`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        digits(text, "eui.").filter(|digits| matches!(digits.len(), 16 | 24 | 32)).map(Eui64Name).ok_or_else(|| {
            Refusal::new(codes::BAD_INQUIRY_TEXT, format!("{} is not an EUI-64 name", quoted(text)))
                .hint("it is 16, 24 or 32 hex digits")
        })
    }

    /// Its hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its 8, 12 or 16 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        bytes(&self.0)
    }
}

impl HexId {
    /// The most bytes.
    pub const BYTES_MAX: usize = 16;

    /// Reads digits, with or without `0x` in front.
    ///
    /// # Errors
    /// `F-0203`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let fits = |digits: &String| digits.len().is_multiple_of(2) && digits.len() <= 2 * Self::BYTES_MAX;
        digits(text, "0x").filter(fits).map(HexId).ok_or_else(|| {
            Refusal::new(codes::BAD_INQUIRY_TEXT, format!("{} is not 1 to 16 bytes in hex", quoted(text)))
                .hint("two hex digits are one byte")
        })
    }

    /// Its hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        bytes(&self.0)
    }
}

written_as_text!(NaaName);
written_as_text!(Eui64Name);
written_as_text!(HexId);

/// The digits behind `prefix` or `0x`, in lower case; None if there are none, or other characters.
fn digits(text: &str, prefix: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.strip_prefix(prefix).or_else(|| lower.strip_prefix("0x")).unwrap_or(&lower);
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit())).then(|| digits.to_owned())
}

/// The bytes of an even number of hex digits.
fn bytes(digits: &str) -> Vec<u8> {
    let value = |digit: u8| char::from(digit).to_digit(16).expect("checked to be hex") as u8;
    digits.as_bytes().chunks_exact(2).map(|pair| value(pair[0]) << 4 | value(pair[1])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_naa_name_has_the_length_that_its_first_digit_asks_for() {
        for (text, digits) in [
            ("naa.600140512345678900000000DEADBEEF", "600140512345678900000000deadbeef"),
            ("0x5000c500a1b2c3d4", "5000c500a1b2c3d4"),
            ("3123456789abcdef", "3123456789abcdef"),
        ] {
            assert_eq!(NaaName::parse(text).expect(text).as_str(), digits);
        }
        for text in [
            "",
            "naa.",
            "600140512345678900000000deadbee",
            "6001405123456789",
            "5000c500a1b2c3d45000c500a1b2c3d4",
            "1000000000000000",
            "500000000000000g",
            "eui.5000c500a1b2c3d4",
        ] {
            assert_eq!(NaaName::parse(text).map_err(|r| r.code), Err(codes::BAD_INQUIRY_TEXT), "{text:?}");
        }
    }

    #[test]
    fn an_eui_64_name_is_8_12_or_16_bytes() {
        let name = Eui64Name::parse("eui.0123456789ABCDEF").unwrap();
        assert_eq!(name.to_bytes(), [0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF]);
        assert_eq!(Eui64Name::parse(&"0".repeat(24)).unwrap().to_bytes().len(), 12);
        assert_eq!(Eui64Name::parse(&"0".repeat(32)).unwrap().to_bytes().len(), 16);
        for text in ["", "0123456789abcde", "0123456789abcdef0", "naa.0123456789abcdef"] {
            assert!(Eui64Name::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_identifier_in_hex_is_1_to_16_bytes() {
        assert_eq!(HexId::parse("0xa1B2").unwrap().to_bytes(), [0xA1, 0xB2]);
        assert_eq!(HexId::parse(&"00".repeat(16)).unwrap().to_bytes(), [0; 16]);
        for text in ["", "0x", "a", "abc", "zz", &"00".repeat(17)] {
            assert!(HexId::parse(text).is_err(), "{text:?}");
        }
    }
}
