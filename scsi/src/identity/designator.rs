//! Names of a logical unit in the device identification page (SPC-4).

use super::{Ascii, BadIdentity};
use serde::{Deserialize, Serialize};

/// One name of a logical unit.
///
/// Written as `naa.5000c500a1b2c3d4`, `eui.0123456789abcdef` or `t10.VENDOR  what the vendor says` (the vendor
/// fills eight characters), and read back from that.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Designator {
    /// Type 3h: a name that says by its first digit who may give it.
    Naa(Naa),
    /// Type 2h: eight bytes of an EUI-64.
    Eui64([u8; 8]),
    /// Type 1h: a T10 vendor identification, and what that vendor adds.
    T10 {
        /// T10 VENDOR IDENTIFICATION.
        vendor: Ascii<8>,
        /// VENDOR SPECIFIC IDENTIFIER.
        id: Ascii<32>,
    },
}

/// An NAA name: eight bytes, or sixteen for IEEE registered extended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Naa {
    bytes: [u8; 16],
    len: u8,
}

impl Designator {
    /// A whole designation descriptor that says it of the logical unit: header, then the name.
    pub(crate) fn descriptor(&self) -> Vec<u8> {
        match self {
            Designator::Naa(naa) => descriptor(CodeSet::Binary, 0x03, naa.as_bytes()),
            Designator::Eui64(name) => descriptor(CodeSet::Binary, 0x02, name),
            Designator::T10 { vendor, id } => {
                descriptor(CodeSet::Ascii, 0x01, &[vendor.as_bytes(), id.as_str().as_bytes()].concat())
            }
        }
    }
}

impl Naa {
    /// NAA 3h, locally assigned: the low 60 bits of `value`.
    pub const fn local(value: u64) -> Naa {
        let name = ((value & (u64::MAX >> 4)) | (3 << 60)).to_be_bytes();
        let mut bytes = [0; 16];
        let mut at = 0;
        while at < name.len() {
            bytes[at] = name[at];
            at += 1;
        }
        Naa { bytes, len: 8 }
    }

    /// The name that `name` is.
    ///
    /// # Errors
    /// [`BadIdentity::NotNaa`], unless it is eight bytes of NAA 2h, 3h or 5h, or sixteen of 6h.
    pub fn new(name: &[u8]) -> Result<Naa, BadIdentity> {
        let authority = name.first().map(|byte| byte >> 4);
        match (authority, name.len()) {
            (Some(2 | 3 | 5), 8) | (Some(6), 16) => {
                let mut bytes = [0; 16];
                bytes[..name.len()].copy_from_slice(name);
                Ok(Naa { bytes, len: name.len() as u8 })
            }
            _ => Err(BadIdentity::NotNaa),
        }
    }

    /// Its eight or sixteen bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// CODE SET of a designation descriptor.
enum CodeSet {
    Binary = 1,
    Ascii = 2,
}

/// A designation descriptor for the logical unit (association 00b, so no protocol identifier).
fn descriptor(code_set: CodeSet, kind: u8, name: &[u8]) -> Vec<u8> {
    let len = u8::try_from(name.len()).expect("names of a logical unit are short");
    let mut bytes = vec![code_set as u8, kind, 0, len];
    bytes.extend_from_slice(name);
    bytes
}

impl std::fmt::Display for Designator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (prefix, name) = match self {
            Designator::Naa(naa) => ("naa", naa.as_bytes()),
            Designator::Eui64(name) => ("eui", &name[..]),
            Designator::T10 { vendor, id } => return write!(f, "t10.{:8}{id}", vendor.as_str()),
        };
        write!(f, "{prefix}.")?;
        name.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::str::FromStr for Designator {
    type Err = BadIdentity;

    fn from_str(text: &str) -> Result<Designator, BadIdentity> {
        let (form, name) = text.split_once('.').ok_or(BadIdentity::NotDesignator)?;
        match form {
            "naa" => Naa::new(&hex(name)?).map(Designator::Naa),
            "eui" => hex(name)?.try_into().map(Designator::Eui64).map_err(|_| BadIdentity::NotDesignator),
            "t10" => {
                let (vendor, id) = name.split_at_checked(8).ok_or(BadIdentity::NotDesignator)?;
                Ok(Designator::T10 { vendor: Ascii::new(vendor)?, id: Ascii::new(id)? })
            }
            _ => Err(BadIdentity::NotDesignator),
        }
    }
}

impl TryFrom<String> for Designator {
    type Error = BadIdentity;

    fn try_from(text: String) -> Result<Designator, BadIdentity> {
        text.parse()
    }
}

impl From<Designator> for String {
    fn from(designator: Designator) -> String {
        designator.to_string()
    }
}

fn hex(text: &str) -> Result<Vec<u8>, BadIdentity> {
    let digits: Option<Vec<u8>> = text.chars().map(|digit| digit.to_digit(16).map(|value| value as u8)).collect();
    match digits {
        Some(digits) if digits.len() % 2 == 0 => {
            Ok(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
        }
        _ => Err(BadIdentity::NotDesignator),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_have_code_set_type_and_length_before_the_name() {
        let naa = Designator::Naa(Naa::local(u64::MAX));
        assert_eq!(naa.descriptor(), [1, 3, 0, 8, 0x3F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert_eq!(Designator::Eui64([7; 8]).descriptor(), [1, 2, 0, 8, 7, 7, 7, 7, 7, 7, 7, 7]);
        let t10: Designator = "t10.FERRITE abc".parse().unwrap();
        assert_eq!(t10.descriptor(), b"\x02\x01\x00\x0bFERRITE abc");
    }

    #[test]
    fn names_are_read_back_as_they_are_written() {
        for name in [
            "naa.3123456789abcdef",
            "naa.5000c500a1b2c3d4",
            "naa.600140512345678900000000deadbeef",
            "eui.0123456789abcdef",
            "t10.FERRITE 6a1f0c8e",
        ] {
            assert_eq!(name.parse::<Designator>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for (text, why) in [
            ("naa.4000000000000000", BadIdentity::NotNaa),
            ("naa.6000000000000000", BadIdentity::NotNaa),
            ("naa.50000000000000", BadIdentity::NotNaa),
            ("naa.", BadIdentity::NotNaa),
            ("naa.500", BadIdentity::NotDesignator),
            ("naa.50000000000000zz", BadIdentity::NotDesignator),
            ("eui.00", BadIdentity::NotDesignator),
            ("t10.short", BadIdentity::NotDesignator),
            ("t10.FERRITE 123456789012345678901234567890123", BadIdentity::TooLong { max: 32 }),
            ("iqn.x", BadIdentity::NotDesignator),
            ("", BadIdentity::NotDesignator),
        ] {
            assert_eq!(text.parse::<Designator>(), Err(why), "{text}");
        }
    }
}
