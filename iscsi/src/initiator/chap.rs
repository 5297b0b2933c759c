//! CHAP from the initiator's side: what answers a challenge, and how the long values are written (RFC 7143 §12.1.3).
//!
//! Written apart from the target's own CHAP on purpose: where both sides shared one function, a pair test would agree
//! with any mistake in it.

use std::fmt;

use md5::Digest as _;
use zeroize::Zeroizing;

/// Hash algorithms of CHAP_A, by their registered numbers (RFC 7143 §12.1.3, RFC 7143 §15 registry).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ChapAlgorithm {
    /// MD5, the one every implementation has.
    Md5 = 5,
    /// SHA-1.
    Sha1 = 6,
    /// SHA-256.
    Sha256 = 7,
    /// SHA3-256.
    Sha3 = 8,
}

impl ChapAlgorithm {
    /// All of them, strongest first, as an initiator would offer them.
    pub const ALL: [ChapAlgorithm; 4] =
        [ChapAlgorithm::Sha3, ChapAlgorithm::Sha256, ChapAlgorithm::Sha1, ChapAlgorithm::Md5];

    /// The algorithm with this number.
    pub fn from_number(number: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| (*algorithm as u8).to_string() == number)
    }

    /// `hash(identifier, secret, challenge)` of RFC 1994 §4.1.
    pub fn response(self, identifier: u8, secret: &[u8], challenge: &[u8]) -> Vec<u8> {
        fn hash<D: md5::Digest>(identifier: u8, secret: &[u8], challenge: &[u8]) -> Vec<u8> {
            D::new().chain_update([identifier]).chain_update(secret).chain_update(challenge).finalize().to_vec()
        }
        match self {
            ChapAlgorithm::Md5 => hash::<md5::Md5>(identifier, secret, challenge),
            ChapAlgorithm::Sha1 => hash::<sha1::Sha1>(identifier, secret, challenge),
            ChapAlgorithm::Sha256 => hash::<sha2::Sha256>(identifier, secret, challenge),
            ChapAlgorithm::Sha3 => hash::<sha3::Sha3_256>(identifier, secret, challenge),
        }
    }
}

/// One side's name and secret.
#[derive(Clone)]
pub struct Credentials {
    /// CHAP_N.
    pub name: String,
    secret: Zeroizing<Vec<u8>>,
}

impl Credentials {
    /// A name with its secret.
    pub fn new(name: impl Into<String>, secret: impl AsRef<[u8]>) -> Self {
        Credentials { name: name.into(), secret: Zeroizing::new(secret.as_ref().to_vec()) }
    }

    /// What this side answers to a challenge.
    pub fn answer(&self, algorithm: ChapAlgorithm, identifier: u8, challenge: &[u8]) -> Vec<u8> {
        algorithm.response(identifier, &self.secret, challenge)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("name", &self.name).field("secret", &"(not shown)").finish()
    }
}

/// What an initiator brings to a CHAP exchange.
#[derive(Debug, Clone)]
pub struct Chap {
    /// Who the initiator is.
    pub credentials: Credentials,
    /// The algorithms offered in CHAP_A, in this order.
    pub algorithms: Vec<ChapAlgorithm>,
    /// The proof asked of the target; `None` is one-way authentication.
    pub mutual: Option<MutualChap>,
}

impl Chap {
    /// One-way CHAP that offers every algorithm.
    pub fn one_way(name: impl Into<String>, secret: impl AsRef<[u8]>) -> Self {
        Chap {
            credentials: Credentials::new(name, secret),
            algorithms: ChapAlgorithm::ALL.to_vec(),
            mutual: None,
        }
    }

    /// Asks the target to prove itself too. The challenge comes from the caller, who has the randomness.
    #[must_use]
    pub fn and_back(mut self, target: Credentials, identifier: u8, challenge: Vec<u8>) -> Self {
        self.mutual = Some(MutualChap { target, identifier, challenge });
        self
    }
}

/// The challenge to the target, and who should answer it.
#[derive(Debug, Clone)]
pub struct MutualChap {
    /// The name and secret that the target has to show.
    pub target: Credentials,
    /// CHAP_I of our challenge.
    pub identifier: u8,
    /// CHAP_C of our challenge: 1 to 1024 bytes (RFC 7143 §12.1.3), fresh for every login.
    pub challenge: Vec<u8>,
}

/// The longest binary value of CHAP, in bytes (RFC 7143 §12.1.3).
const CHAP_BINARY_MAX: usize = 1024;

/// Writes a binary value as a hex-constant (RFC 7143 §6.1).
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::from("0x"), |text, byte| text + &format!("{byte:02x}"))
}

/// Reads a hex- or base64-constant (RFC 7143 §6.1) of at most 1024 bytes.
pub(crate) fn binary(text: &str) -> Option<Vec<u8>> {
    let bytes = match text.get(..2)? {
        "0x" | "0X" => from_hex(&text.as_bytes()[2..])?,
        "0b" | "0B" => from_base64(&text.as_bytes()[2..])?,
        _ => return None,
    };
    (!bytes.is_empty() && bytes.len() <= CHAP_BINARY_MAX).then_some(bytes)
}

fn from_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let nibble = |digit: &u8| (*digit as char).to_digit(16).map(|value| value as u8);
    // An odd count has an implied leading zero: the first byte is a single digit.
    let (head, pairs) = digits.split_at(digits.len() % 2);
    let mut bytes: Vec<u8> = head.iter().map(nibble).collect::<Option<_>>()?;
    for pair in pairs.chunks_exact(2) {
        bytes.push(nibble(&pair[0])? << 4 | nibble(&pair[1])?);
    }
    Some(bytes)
}

fn from_base64(digits: &[u8]) -> Option<Vec<u8>> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let data: Vec<u8> = match digits {
        [data @ .., b'=', b'='] | [data @ .., b'='] => data,
        data => data,
    }
    .iter()
    .map(|digit| ALPHABET.iter().position(|known| known == digit).map(|value| value as u8))
    .collect::<Option<_>>()?;
    let mut bytes = Vec::with_capacity(data.len() * 3 / 4);
    for group in data.chunks(4) {
        let word = group.iter().fold(0u32, |word, sextet| word << 6 | u32::from(*sextet)) << (6 * (4 - group.len()));
        match group.len() {
            1 => return None,
            kept => bytes.extend_from_slice(&word.to_be_bytes()[1..kept]),
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_hashes_identifier_secret_and_challenge_in_this_order() {
        // Computed with the Python hashlib over bytes([0x27]) + b"sixteen secret b" + bytes(range(16)).
        let challenge: Vec<u8> = (0..16).collect();
        for (algorithm, known) in [
            (ChapAlgorithm::Md5, MD5),
            (ChapAlgorithm::Sha1, SHA1),
            (ChapAlgorithm::Sha256, SHA256),
            (ChapAlgorithm::Sha3, SHA3),
        ] {
            assert_eq!(hex(&algorithm.response(0x27, b"sixteen secret b", &challenge)), known, "{algorithm:?}");
        }
    }

    const MD5: &str = "0x23f4065ae2d3057308806ee171af1a61";
    const SHA1: &str = "0xd3b558c760847ec4e577a39780a839492166229e";
    const SHA256: &str = "0x5df3d5724c5bd62f3498f5dc4c7dea6495f37c4c0db99ce10722df421a22fc6c";
    const SHA3: &str = "0x1ba0a7dcc5398e92470ed95a9e013a1f6dace50465345dc252fcb0d0de9c8bcf";

    #[test]
    fn algorithms_are_known_by_their_number_alone() {
        assert_eq!(ChapAlgorithm::from_number("7"), Some(ChapAlgorithm::Sha256));
        assert_eq!(ChapAlgorithm::from_number("07"), None);
        assert_eq!(ChapAlgorithm::from_number("9"), None);
    }

    #[test]
    fn long_values_are_read_in_both_notations() {
        assert_eq!(binary("0xdeadBEEF").unwrap(), [0xde, 0xad, 0xbe, 0xef]);
        assert_eq!(binary("0xabc").unwrap(), [0x0a, 0xbc]);
        assert_eq!(binary("0bZm9vYmE=").unwrap(), b"fooba");
        assert_eq!(binary("0bZm9vYg==").unwrap(), b"foob");
        assert_eq!(binary("0bZm9vYmFy").unwrap(), b"foobar");
    }

    #[test]
    fn what_is_no_long_value_is_none() {
        for text in ["", "0x", "0b", "12", "0xzz", "0bA", "0b****", "é"] {
            assert_eq!(binary(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_value_of_1024_bytes_is_read_and_one_of_1025_is_not() {
        assert_eq!(binary(&hex(&[7; CHAP_BINARY_MAX])).unwrap(), [7; CHAP_BINARY_MAX]);
        assert_eq!(binary(&hex(&[7; CHAP_BINARY_MAX + 1])), None);
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert!(!format!("{:?}", Chap::one_way("me", "hunter2hunter2")).contains("hunter2"));
    }
}
