//! How many bytes: a number, with a unit where people write it.

use super::quoted;
use crate::{Refusal, codes};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// A number of bytes, at most [`Size::BYTES_MAX`].
///
/// Read from `"64MiB"`, `"64M"`, `"64 MB"` (all of them powers of 1024, as every storage tool of the field
/// takes them), or a plain number of bytes. Written as the largest unit that divides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(u64);

/// Unit letters and how far each shifts, largest first.
const UNITS: [(&str, u32); 6] = [("E", 60), ("P", 50), ("T", 40), ("G", 30), ("M", 20), ("K", 10)];

impl Size {
    /// The largest size: what an `off_t` can address.
    pub const BYTES_MAX: u64 = i64::MAX as u64;

    /// This many bytes.
    ///
    /// # Errors
    /// `F-0206` above [`Size::BYTES_MAX`].
    pub fn new(bytes: u64) -> Result<Self, Refusal> {
        if bytes > Self::BYTES_MAX { Err(refuse(&bytes.to_string())) } else { Ok(Size(bytes)) }
    }

    /// Reads digits and an optional unit: `K M G T P E`, in either case, with an optional `iB` or `B` behind it.
    ///
    /// # Errors
    /// `F-0206`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| refuse(text))?;
        let shift = unit_shift(unit.strip_prefix(' ').unwrap_or(unit)).ok_or_else(|| refuse(text))?;
        let bytes = number.checked_mul(1 << shift).ok_or_else(|| refuse(text))?;
        Self::new(bytes).map_err(|_| refuse(text))
    }

    /// The number of bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

fn unit_shift(unit: &str) -> Option<u32> {
    let unit = unit.to_ascii_uppercase();
    if unit.is_empty() || unit == "B" {
        return Some(0);
    }
    let (_, shift) = UNITS.iter().find(|(letter, _)| unit.starts_with(letter))?;
    matches!(&unit[1..], "" | "B" | "IB").then_some(*shift)
}

fn refuse(text: &str) -> Refusal {
    Refusal::new(codes::BAD_SIZE, format!("{} is not a size", quoted(text)))
        .hint("write bytes, or a whole number with K, M, G, T or P: \"64MiB\", \"20G\"")
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, shift): &&(&str, u32)| self.0 != 0 && self.0.trailing_zeros() >= *shift;
        match UNITS.iter().find(fits) {
            Some((letter, shift)) => write!(f, "{}{letter}iB", self.0 >> shift),
            None => write!(f, "{}", self.0),
        }
    }
}

impl std::str::FromStr for Size {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<Self, Refusal> {
        Self::parse(text)
    }
}

/// Machines get bytes.
impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl de::Visitor<'_> for Bytes {
            type Value = Size;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as \"64MiB\", or a number of bytes")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                Size::parse(text).map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<Size, E> {
                Size::new(bytes).map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<Size, E> {
                u64::try_from(bytes).map_err(|_| E::custom(refuse(&bytes.to_string()))).map(Size)
            }
        }
        deserializer.deserialize_any(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_usual_spelling_of_64_mebibytes_is_the_same_size() {
        for text in ["64M", "64m", "64MB", "64MiB", "64mib", "64 MiB", "65536K", "67108864", "67108864B"] {
            assert_eq!(Size::parse(text).expect(text).bytes(), 64 << 20, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_size_is_refused() {
        for text in [
            "",
            "M",
            "64X",
            "64MiBs",
            "6 4M",
            "-1",
            "1.5G",
            "64  M",
            "0x40",
            "64iB",
            "20%",
            "16E",
            "18446744073709551616",
        ] {
            assert_eq!(Size::parse(text).map_err(|r| r.code), Err(codes::BAD_SIZE), "{text:?}");
        }
    }

    #[test]
    fn the_largest_size_is_the_largest_file_offset() {
        assert_eq!(Size::parse("9223372036854775807").unwrap().bytes(), Size::BYTES_MAX);
        assert!(Size::parse("9223372036854775808").is_err());
        assert!(Size::new(Size::BYTES_MAX + 1).is_err());
    }

    #[test]
    fn sizes_are_shown_in_the_largest_unit_that_loses_nothing() {
        let shown =
            [(0, "0"), (512, "512"), (1536, "1536"), (64 << 20, "64MiB"), (3 << 29, "1536MiB"), (1 << 60, "1EiB")];
        for (bytes, text) in shown {
            assert_eq!(Size(bytes).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(bytes in 0..=Size::BYTES_MAX) {
            prop_assert_eq!(Size::parse(&Size(bytes).to_string()), Ok(Size(bytes)));
        }
    }
}
