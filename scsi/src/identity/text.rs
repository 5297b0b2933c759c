//! Texts that have a fixed place in INQUIRY data.

use super::BadIdentity;
use serde::{Deserialize, Serialize};

/// Printable ASCII of at most `N` characters, padded with spaces as SPC-4 4.3.1 wants it: left-aligned.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ascii<const N: usize>([u8; N]);

impl<const N: usize> Ascii<N> {
    /// `text`, padded.
    ///
    /// # Errors
    /// [`BadIdentity`], when it is too long or not printable ASCII.
    pub fn new(text: &str) -> Result<Self, BadIdentity> {
        printable(text, N).map(Ascii::cut)
    }

    /// All `N` bytes.
    pub fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }

    /// Without the padding.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("checked to be ASCII").trim_end_matches(' ')
    }

    /// As much of a text that is known to be printable as fits.
    pub(super) fn cut(text: &str) -> Self {
        let mut bytes = [b' '; N];
        for (byte, letter) in bytes.iter_mut().zip(text.bytes()) {
            *byte = letter;
        }
        Ascii(bytes)
    }
}

impl<const N: usize> std::fmt::Debug for Ascii<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<const N: usize> std::fmt::Display for Ascii<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<const N: usize> TryFrom<String> for Ascii<N> {
    type Error = BadIdentity;

    fn try_from(text: String) -> Result<Self, BadIdentity> {
        Ascii::new(&text)
    }
}

impl<const N: usize> From<Ascii<N>> for String {
    fn from(text: Ascii<N>) -> String {
        text.as_str().to_owned()
    }
}

/// `text`, if it is printable ASCII of at most `max` characters.
pub(crate) fn printable(text: &str, max: usize) -> Result<&str, BadIdentity> {
    if !text.bytes().all(|letter| (b' '..=b'~').contains(&letter)) {
        return Err(BadIdentity::NotPrintable);
    }
    if text.len() > max {
        return Err(BadIdentity::TooLong { max });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_padded_with_spaces_and_bounded() {
        assert_eq!(Ascii::<8>::new("IET").unwrap().as_bytes(), b"IET     ");
        assert_eq!(Ascii::<8>::new("12345678").unwrap().as_str(), "12345678");
        assert_eq!(Ascii::<8>::new("123456789"), Err(BadIdentity::TooLong { max: 8 }));
        assert_eq!(Ascii::<8>::new("a\tb"), Err(BadIdentity::NotPrintable));
        assert_eq!(Ascii::<8>::new("é"), Err(BadIdentity::NotPrintable));
    }
}
