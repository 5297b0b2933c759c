//! The texts a disk shows of itself: printable ASCII that fits its field.

use super::quoted;
use crate::{Refusal, codes};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Printable ASCII of 1 to `N` bytes, for a field of INQUIRY or of a VPD page (SPC-4 4.3.1).
///
/// Not cut and not padded: a text that does not fit would become another identity, so it is refused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InquiryText<const N: usize>(String);

impl<const N: usize> InquiryText<N> {
    /// Takes a text as it is.
    ///
    /// # Errors
    /// `F-0203` if it is empty, longer than `N` bytes, or has other than printable ASCII.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let refuse = |why: String| Err(Refusal::new(codes::BAD_INQUIRY_TEXT, format!("{} {why}", quoted(text))));
        if text.is_empty() {
            return refuse(format!("is empty, 1 to {N} bytes are needed"));
        }
        if text.len() > N {
            return refuse(format!("is {} bytes, the limit is {N}", text.len()));
        }
        if !text.bytes().all(|b| (0x20..=0x7e).contains(&b)) {
            return refuse("has characters that are not printable ASCII".to_owned());
        }
        Ok(InquiryText(text.to_owned()))
    }

    /// The text, without padding.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const N: usize> fmt::Display for InquiryText<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const N: usize> TryFrom<&str> for InquiryText<N> {
    type Error = Refusal;
    fn try_from(text: &str) -> Result<Self, Refusal> {
        Self::parse(text)
    }
}

impl<const N: usize> TryFrom<String> for InquiryText<N> {
    type Error = Refusal;
    fn try_from(text: String) -> Result<Self, Refusal> {
        Self::parse(&text)
    }
}

impl<const N: usize> From<InquiryText<N>> for String {
    fn from(text: InquiryText<N>) -> String {
        text.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_fills_its_field_and_not_one_byte_more() {
        assert_eq!(InquiryText::<8>::parse("12345678").unwrap().as_str(), "12345678");
        let refusal = InquiryText::<8>::parse("123456789").unwrap_err();
        assert_eq!(refusal.what, "\"123456789\" is 9 bytes, the limit is 8");
        assert_eq!(refusal.code, codes::BAD_INQUIRY_TEXT);
    }

    #[test]
    fn only_printable_ascii_goes_into_an_inquiry() {
        for text in ["", "a\tb", "ä", "a\0"] {
            assert!(InquiryText::<8>::parse(text).is_err(), "{text:?}");
        }
        assert!(InquiryText::<8>::parse(" a ~").is_ok());
    }
}
