//! Names of a logical unit in the device identification page (SPC-4).

use super::{Ascii, BadIdentity};
use serde::{Deserialize, Serialize};

/// One name of a logical unit.
///
/// Written as `naa.5000c500a1b2c3d4`, `eui.0123456789abcdef` (or longer) or `t10.VENDOR  what the vendor says` (the vendor
/// fills eight characters), and read back from that.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Designator {
    /// Type 3h: a name that says by its first digit who may give it.
    Naa(Naa),
    /// Type 2h: a name made of an EUI-64.
    Eui(Eui),
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

/// A name based on an EUI-64: eight bytes; twelve, where a directory identifier follows it; or sixteen, where an
/// identifier extension comes before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Eui {
    bytes: [u8; 16],
    len: u8,
}

impl Designator {
    /// Whether it is a name that nobody else in the world may give: all but a T10 vendor identification, which is as
    /// unique as its vendor makes it, and a locally assigned NAA name.
    pub fn is_registered(&self) -> bool {
        match self {
            Designator::Naa(naa) => !naa.is_local(),
            Designator::Eui(_) => true,
            Designator::T10 { .. } => false,
        }
    }

    /// A whole designation descriptor that says it of the logical unit: header, then the name.
    pub(crate) fn descriptor(&self) -> Vec<u8> {
        match self {
            Designator::Naa(naa) => descriptor(CodeSet::Binary, 0x03, naa.as_bytes()),
            Designator::Eui(eui) => descriptor(CodeSet::Binary, 0x02, eui.as_bytes()),
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

    /// NAA 6h, IEEE registered extended: a `company` id of 24 bits that IEEE has assigned to whoever makes the name, and
    /// the low 100 bits of `value`.
    pub const fn registered_extended(company: u32, value: u128) -> Naa {
        let name = (6 << 124) | ((company & 0xFF_FFFF) as u128) << 100 | (value & (u128::MAX >> 28));
        Naa { bytes: name.to_be_bytes(), len: 16 }
    }

    /// NAA 3h: unique only where its maker sees to it.
    pub const fn is_local(&self) -> bool {
        self.bytes[0] >> 4 == 3
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

impl Eui {
    /// The name that `name` is.
    ///
    /// # Errors
    /// [`BadIdentity::NotEui`], unless it is 8, 12 or 16 bytes.
    pub fn new(name: &[u8]) -> Result<Eui, BadIdentity> {
        if !matches!(name.len(), 8 | 12 | 16) {
            return Err(BadIdentity::NotEui);
        }
        let mut bytes = [0; 16];
        bytes[..name.len()].copy_from_slice(name);
        Ok(Eui { bytes, len: name.len() as u8 })
    }

    /// Its 8, 12 or 16 bytes.
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
            Designator::Eui(eui) => ("eui", eui.as_bytes()),
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
            "eui" => Eui::new(&hex(name)?).map(Designator::Eui),
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
        assert_eq!(Designator::Eui(Eui::new(&[7; 8]).unwrap()).descriptor(), [1, 2, 0, 8, 7, 7, 7, 7, 7, 7, 7, 7]);
        for len in [12, 16] {
            let wide = Designator::Eui(Eui::new(&vec![7; len]).unwrap()).descriptor();
            assert_eq!((&wide[..4], wide.len()), (&[1, 2, 0, len as u8][..], 4 + len));
        }
        let t10: Designator = "t10.FERRITE abc".parse().unwrap();
        assert_eq!(t10.descriptor(), b"\x02\x01\x00\x0bFERRITE abc");
    }

    #[test]
    fn a_registered_extended_name_has_the_company_and_a_hundred_bits_of_its_own() {
        let name = |company, value| Designator::Naa(Naa::registered_extended(company, value)).to_string();
        assert_eq!(name(0x001405, 1), "naa.60014050000000000000000000000001");
        assert_eq!(name(u32::MAX, u128::MAX), "naa.6fffffffffffffffffffffffffffffff");
        assert_eq!(name(0, 1 << 100), "naa.60000000000000000000000000000000");
    }

    #[test]
    fn only_names_with_a_registered_maker_are_registered() {
        for (name, registered) in [
            ("naa.3123456789abcdef", false),
            ("naa.5000c500a1b2c3d4", true),
            ("naa.600140512345678900000000deadbeef", true),
            ("eui.0123456789abcdef", true),
            ("t10.FERRITE x", false),
        ] {
            assert_eq!(name.parse::<Designator>().unwrap().is_registered(), registered, "{name}");
        }
    }

    #[test]
    fn names_are_read_back_as_they_are_written() {
        for name in [
            "naa.3123456789abcdef",
            "naa.5000c500a1b2c3d4",
            "naa.600140512345678900000000deadbeef",
            "eui.0123456789abcdef",
            "eui.0123456789abcdef01234567",
            "eui.0123456789abcdef0123456789abcdef",
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
            ("eui.00", BadIdentity::NotEui),
            ("eui.0123456789abcdef01", BadIdentity::NotEui),
            ("eui.0123456789abcdef0123456789abcdef01234567", BadIdentity::NotEui),
            ("t10.short", BadIdentity::NotDesignator),
            ("t10.FERRITE 123456789012345678901234567890123", BadIdentity::TooLong { max: 32 }),
            ("iqn.x", BadIdentity::NotDesignator),
            ("", BadIdentity::NotDesignator),
        ] {
            assert_eq!(text.parse::<Designator>(), Err(why), "{text}");
        }
    }
}
