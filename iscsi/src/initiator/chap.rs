//! CHAP from the initiator's side: what answers a challenge (RFC 7143 §12.1.3).
//!
//! Written apart from the target's own CHAP on purpose: where both sides shared one hash function, a pair test would
//! agree with any mistake in it.

use std::fmt;

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
        Chap { credentials: Credentials::new(name, secret), algorithms: ChapAlgorithm::ALL.to_vec(), mutual: None }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::text::to_hex;

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
            assert_eq!(to_hex(&algorithm.response(0x27, b"sixteen secret b", &challenge)), known, "{algorithm:?}");
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
    fn a_secret_is_not_printed() {
        assert!(!format!("{:?}", Chap::one_way("me", "hunter2hunter2")).contains("hunter2"));
    }
}
