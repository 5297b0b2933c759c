//! What things are called and how large they are: single values, parsed once, never wrong afterwards.

mod hex_name;
mod iqn;
mod lun_number;
mod percent;
mod portal;
mod portal_group;
mod size;
mod target_name;
mod text;

pub use hex_name::{Eui64Name, HexId, NaaName};
pub use iqn::Iqn;
pub use lun_number::LunNumber;
pub use percent::Percent;
pub use portal::PortalAddress;
pub use portal_group::PortalGroup;
pub use size::Size;
pub use target_name::{IqnPrefix, ShortName, TargetName};
pub use text::InquiryText;

/// Serde, `Display` and `TryFrom` of a value that is written as one string and has `parse(&str)` and `as_str()`.
macro_rules! written_as_text {
    ($name:ty) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::Refusal;
            fn from_str(text: &str) -> Result<Self, $crate::Refusal> {
                Self::parse(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = $crate::Refusal;
            fn try_from(text: &str) -> Result<Self, $crate::Refusal> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::Refusal;
            fn try_from(text: String) -> Result<Self, $crate::Refusal> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.to_string()
            }
        }
    };
}
pub(crate) use written_as_text;

/// Quotes text that came from outside: escaped, and cut so that a message stays a line.
pub(crate) fn quoted(text: &str) -> String {
    const QUOTED_CHARS_MAX: usize = 80;
    let mut short: String = text.chars().take(QUOTED_CHARS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn quoted_text_stays_one_line_whatever_stands_in_it() {
        assert_eq!(quoted("a\nb"), "\"a\\nb\"");
        assert_eq!(quoted(&"x".repeat(80)).chars().count(), 82);
        assert_eq!(quoted(&"x".repeat(81)), format!("\"{}…\"", "x".repeat(80)));
    }
}
