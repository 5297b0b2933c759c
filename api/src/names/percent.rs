//! A share of a whole in percent.

use super::quoted;
use crate::{Refusal, codes};
use serde::{Deserialize, Serialize};
use std::fmt;

/// 1 to 99 percent, written `80%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Percent(u8);

impl Percent {
    /// This share.
    ///
    /// # Errors
    /// `F-0209` for what is not 1 to 99.
    pub fn new(value: u8) -> Result<Self, Refusal> {
        Self::parse(&format!("{value}%"))
    }

    /// Reads digits and a percent sign.
    ///
    /// # Errors
    /// `F-0209`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let digits = text.strip_suffix('%').map(str::trim_end).filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
        digits.and_then(|digits| digits.parse().ok()).filter(|value| (1..=99).contains(value)).map(Percent).ok_or_else(
            || {
                Refusal::new(codes::OUT_OF_RANGE, format!("{} is not a share from 1% to 99%", quoted(text)))
                    .hint("write it as in \"80%\"")
            },
        )
    }

    /// The number, 1 to 99.
    pub fn value(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

impl TryFrom<String> for Percent {
    type Error = Refusal;
    fn try_from(text: String) -> Result<Self, Refusal> {
        Self::parse(&text)
    }
}

impl From<Percent> for String {
    fn from(value: Percent) -> String {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_1_to_99_percent() {
        for text in ["1%", "80%", "99%"] {
            assert_eq!(Percent::parse(text).expect(text).to_string(), text);
        }
        assert_eq!(Percent::parse("80 %").unwrap().value(), 80);
        assert_eq!(Percent::new(1).map(Percent::value), Ok(1));
        assert!(Percent::new(0).is_err() && Percent::new(100).is_err());
        for text in ["0%", "100%", "80", "", "%", "-1%", "+1%", "8.5%", "999%"] {
            assert_eq!(Percent::parse(text).map_err(|r| r.code), Err(codes::OUT_OF_RANGE), "{text:?}");
        }
    }
}
