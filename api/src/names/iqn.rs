//! What an iSCSI name is: iqn., eui. or naa. (RFC 7143 4.2.7), in the one spelling all its spellings become.

use super::{quoted, written_as_text};
use crate::{Refusal, codes};
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::sync::Arc;

/// An iSCSI node name, normalised: two names are the same node exactly if they are equal here.
///
/// At most [`Iqn::BYTES_MAX`] bytes of `a-z 0-9 - . :`. Upper case is folded, as the stringprep profile of
/// RFC 3722 asks. That profile also admits prepared non-ASCII letters; they are refused here, because the
/// names of the field have none and a half-prepared one would be a second spelling of the same node.
/// Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Iqn(Arc<str>);

impl Iqn {
    /// The longest name, in bytes (RFC 7143 4.2.7.1).
    pub const BYTES_MAX: usize = 223;

    /// Reads a name. Surrounding white space is an error, upper case is not.
    ///
    /// # Errors
    /// `F-0201` says which part is not as the RFC has it.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let refuse = |why: &str| Refusal::new(codes::BAD_NAME, format!("{} is not an iSCSI name: {why}", quoted(text)));
        if text.len() > Self::BYTES_MAX {
            return Err(refuse(&format!("it has {} bytes, the limit is {}", text.len(), Self::BYTES_MAX)));
        }
        if let Some(odd) = text.chars().find(|c| !allowed(*c)) {
            return Err(refuse(&format!("{odd:?} may not stand in one"))
                .hint("RFC 3722 leaves letters, digits, '-', '.' and ':'"));
        }
        let name = text.to_ascii_lowercase();
        match name.get(..4) {
            Some("iqn.") => check_iqn(&name[4..]),
            Some("eui.") => check_hex(&name[4..], &[16]),
            Some("naa.") => check_hex(&name[4..], &[16, 32]),
            _ => Err("it begins with none of iqn. eui. naa."),
        }
        .map_err(|why| refuse(why).hint("a name looks like iqn.2026-11.com.example:disk1"))?;
        Ok(Iqn(name.into()))
    }

    /// The normalised text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The characters that RFC 3722 section 5 and 6.2 leave of ASCII, and upper case, which is folded.
pub(crate) fn allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':')
}

/// `yyyy-mm.reversed.domain[:anything]` (RFC 7143 4.2.7.4).
fn check_iqn(rest: &str) -> Result<(), &'static str> {
    let (naming, _own) = rest.split_once(':').unwrap_or((rest, ""));
    let (date, domain) = naming.split_once('.').ok_or("after iqn. it needs a date and a domain")?;
    let date = date.as_bytes();
    let is_date = date.len() == 7
        && date[4] == b'-'
        && date[..4].iter().chain(&date[5..]).all(u8::is_ascii_digit)
        && ("01"..="12").contains(&std::str::from_utf8(&date[5..]).unwrap_or(""));
    if !is_date {
        return Err("after iqn. it needs a date, yyyy-mm");
    }
    let label = |l: &str| !l.is_empty() && !l.starts_with('-') && !l.ends_with('-');
    if !domain.split('.').all(label) {
        return Err("after the date it needs a reversed domain name");
    }
    Ok(())
}

fn check_hex(rest: &str, lengths: &[usize]) -> Result<(), &'static str> {
    if lengths.contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(match lengths.len() {
        1 => "after eui. it needs 16 hexadecimal digits",
        _ => "after naa. it needs 16 or 32 hexadecimal digits",
    })
}

written_as_text!(Iqn);

impl Borrow<str> for Iqn {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Iqn {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_three_types_are_read() {
        for name in [
            "iqn.2001-04.com.example",
            "iqn.2001-04.com.example:storage:diskarrays-sn-a8675309",
            "iqn.1990-01.edu.amherst.iscsi-target:clustertarget1",
            "eui.02004567a425678d",
            "naa.52004567ba64678d",
            "naa.62004567ba64678d0123456789abcdef",
        ] {
            assert_eq!(Iqn::parse(name).expect(name).as_str(), name);
        }
    }

    #[test]
    fn upper_case_is_another_spelling_of_the_same_node() {
        assert_eq!(
            Iqn::parse("IQN.2001-04.COM.Example:Disk").unwrap(),
            Iqn::parse("iqn.2001-04.com.example:disk").unwrap()
        );
    }

    #[test]
    fn what_is_not_a_name_is_refused() {
        for name in [
            "",
            "iqn",
            "iqn.",
            "iqn.2001-04",
            "iqn.2001-04.",
            "iqn.2001-4.com",
            "iqn.2001-13.com",
            "iqn.2001-00.com",
            "iqn.20o1-04.com",
            "iqn.2001-04.com..example",
            "iqn.2001-04.-com",
            "iqn.2001-04.com.example:a b",
            "iqn.2001-04.com.example:a_b",
            "iqn.2001-04.com.example:ä",
            " iqn.2001-04.com",
            "iqn.2001-04:x",
            "eui.02004567a425678",
            "eui.02004567a425678g",
            "naa.52004567ba64678d0",
            "disk1",
            "iqn.2001-04.com\0",
        ] {
            assert_eq!(Iqn::parse(name).map_err(|r| r.code), Err(codes::BAD_NAME), "{name:?}");
        }
    }

    #[test]
    fn a_name_may_have_223_bytes_and_not_one_more() {
        let name = |len: usize| format!("iqn.2001-04.com.example:{}", "a".repeat(len - 24));
        assert!(Iqn::parse(&name(223)).is_ok());
        assert!(Iqn::parse(&name(224)).unwrap_err().what.contains("224 bytes, the limit is 223"));
    }

    #[test]
    fn serde_reads_and_writes_the_text() {
        let name: Iqn = serde_json::from_str("\"iqn.2001-04.COM.example\"").unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), "\"iqn.2001-04.com.example\"");
        assert!(serde_json::from_str::<Iqn>("\"nonsense\"").unwrap_err().to_string().starts_with("F-0201: "));
    }
}
