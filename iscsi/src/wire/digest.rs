//! What is the CRC32C digest of these bytes (RFC 7143 §13.1)?

use crc_fast::{CrcAlgorithm, Digest};
use serde::{Deserialize, Serialize};

/// Bytes of a header or data digest on the wire.
pub const DIGEST_LEN: usize = 4;

/// CRC32C (Castagnoli) of `bytes`.
#[inline]
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

/// The digest as it stands on the wire: least significant byte first (RFC 7143 §13.1, the examples of RFC 3720 B.4).
#[inline]
pub fn to_wire(crc: u32) -> [u8; DIGEST_LEN] {
    crc.to_le_bytes()
}

/// Which digests a connection carries; both are off until login has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    /// HeaderDigest=CRC32C: over the header and its additional segments.
    pub header: bool,
    /// DataDigest=CRC32C: over the data segment and its padding.
    pub data: bool,
}

/// A digest over bytes that come in pieces. Plain data: it can be put away in the middle of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crc32c {
    state: u32,
}

impl Crc32c {
    /// Nothing digested yet.
    pub const fn new() -> Self {
        Self { state: u32::MAX }
    }

    /// Takes the next bytes in.
    #[inline]
    pub fn update(&mut self, bytes: &[u8]) {
        let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, u64::from(self.state));
        digest.update(bytes);
        self.state = digest.get_state() as u32;
    }

    /// The digest of everything so far.
    #[inline]
    pub const fn finish(self) -> u32 {
        !self.state
    }
}

impl Default for Crc32c {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_3720_b_4_hold() {
        let ascending: Vec<u8> = (0..32).collect();
        let descending: Vec<u8> = (0..32).rev().collect();
        let table: [(&[u8], [u8; 4]); 4] = [
            (&[0; 32], [0xaa, 0x36, 0x91, 0x8a]),
            (&[0xff; 32], [0x43, 0xab, 0xa8, 0x62]),
            (&ascending, [0x4e, 0x79, 0xdd, 0x46]),
            (&descending, [0x5c, 0xdb, 0x3f, 0x11]),
        ];
        for (bytes, wire) in table {
            assert_eq!(to_wire(crc32c(bytes)), wire);
        }
    }

    #[test]
    fn pieces_of_every_size_give_the_digest_of_the_whole() {
        let bytes: Vec<u8> = (0..1000u32).map(|i| (i * 7 + i / 13) as u8).collect();
        for piece in [1, 2, 3, 7, 16, 255, 256, 999, 1000] {
            let mut crc = Crc32c::new();
            bytes.chunks(piece).for_each(|part| crc.update(part));
            assert_eq!(crc.finish(), ::crc32c::crc32c(&bytes), "pieces of {piece}");
        }
        assert_eq!(Crc32c::new().finish(), crc32c(b""));
    }

    proptest::proptest! {
        #[test]
        fn the_digest_agrees_with_another_implementation(bytes: Vec<u8>) {
            proptest::prop_assert_eq!(crc32c(&bytes), ::crc32c::crc32c(&bytes));
        }
    }
}
