//! ROD tokens as an initiator presents them: of which type are they, and are they good (SPC-4)?

use crate::sense::{Sense, SenseKey};

/// A token on the wire.
pub(crate) type Token = [u8; TOKEN];

/// ROD TOKEN LENGTH and the eight bytes before what it counts.
pub(crate) const TOKEN: usize = 8 + LENGTH as usize;
pub(super) const LENGTH: u16 = 0x01F8;

/// Bytes of a ROD management token: how a token begins, without what cannot be guessed.
pub(crate) const MANAGEMENT: usize = 96;

/// ROD TYPE: the bytes are those that the blocks have when the token is used (access upon reference).
pub(crate) const ACCESS_UPON_REFERENCE: u32 = 0x0001_0000;

/// ROD TYPE of the one token that everybody knows: zeroes, as many as are asked for.
pub(crate) const ZERO: u32 = 0xFFFF_0001;

/// What an initiator has sent where a token belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presented<'a> {
    Zeroes,
    Token(&'a Token),
}

/// # Errors
/// 5/23/01 for another type, 5/23/0A for another length.
pub(crate) fn presented(bytes: &[u8]) -> Result<Presented<'_>, Sense> {
    let token: &Token = bytes.try_into().expect("a field of this length");
    match u32::from_be_bytes([token[0], token[1], token[2], token[3]]) {
        ZERO => Ok(Presented::Zeroes),
        ACCESS_UPON_REFERENCE if token[6..8] == LENGTH.to_be_bytes() => Ok(Presented::Token(token)),
        ACCESS_UPON_REFERENCE => Err(INVALID_LENGTH),
        _ => Err(UNSUPPORTED_TYPE),
    }
}

/// Why a token is worth nothing (5/23).
pub(crate) const UNSUPPORTED_TYPE: Sense = Sense::new(SenseKey::IllegalRequest, 0x23, 0x01);
pub(crate) const UNKNOWN: Sense = Sense::new(SenseKey::IllegalRequest, 0x23, 0x04);
pub(crate) const CORRUPT: Sense = Sense::new(SenseKey::IllegalRequest, 0x23, 0x05);
pub(crate) const REVOKED: Sense = Sense::new(SenseKey::IllegalRequest, 0x23, 0x06);
pub(crate) const EXPIRED: Sense = Sense::new(SenseKey::IllegalRequest, 0x23, 0x07);
pub(crate) const INVALID_LENGTH: Sense = Sense::new(SenseKey::IllegalRequest, 0x23, 0x0A);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_type_and_length() {
        let mut token = [0; TOKEN];
        assert_eq!(presented(&token), Err(UNSUPPORTED_TYPE));
        token[1] = 0x01;
        assert_eq!(presented(&token), Err(INVALID_LENGTH));
        token[6..8].copy_from_slice(&[0x01, 0xF8]);
        assert_eq!(presented(&token), Ok(Presented::Token(&token)));
        token[..4].copy_from_slice(&[0x00, 0x80, 0x00, 0x00]);
        assert_eq!(presented(&token), Err(UNSUPPORTED_TYPE));
        token[..8].copy_from_slice(&[0xFF, 0xFF, 0x00, 0x01, 0, 0, 0, 0]);
        assert_eq!(presented(&token), Ok(Presented::Zeroes), "whatever its length");
    }
}
