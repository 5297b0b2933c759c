//! The bytes of a ROD token (SPC-4, ROD token format; SBC-3, block device ROD tokens).

use crate::command::Asked;
use crate::device::Device;
use crate::sense::{Sense, SenseKey};
use crate::unit::LogicalUnit;

/// A token on the wire.
pub(crate) type Token = [u8; TOKEN];

/// ROD TOKEN LENGTH and the eight bytes before what it counts.
pub(crate) const TOKEN: usize = 8 + LENGTH as usize;
const LENGTH: u16 = 0x01F8;

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

/// A new token for `bytes` bytes of the unit that a command came to. It has 64 bytes that nobody can guess; all else may
/// be known.
pub(crate) fn token(asked: &Asked<'_>, bytes: u64) -> Token {
    let (device, medium): (&Device, _) = (&asked.port.device, asked.unit.medium());
    let mut token = [0; TOKEN];
    token[0..4].copy_from_slice(&ACCESS_UPON_REFERENCE.to_be_bytes());
    token[6..8].copy_from_slice(&LENGTH.to_be_bytes());
    // COPY MANAGER ROD TOKEN IDENTIFIER.
    token[8..16].copy_from_slice(&device.random::<8>());
    // CREATOR LOGICAL UNIT DESCRIPTOR.
    token[16..48].copy_from_slice(&creator(asked.unit));
    // NUMBER OF BYTES REPRESENTED has sixteen bytes.
    token[56..64].copy_from_slice(&bytes.to_be_bytes());
    // Device type specific: READ CAPACITY (16) data from the block length on.
    token[96..100].copy_from_slice(&medium.block_size.to_be_bytes());
    token[101] = medium.physical_exponent.min(crate::medium::PHYSICAL_EXPONENT_MAX);
    token[102..104].copy_from_slice(&(medium.lowest_aligned & 0x3FFF).to_be_bytes());
    // TARGET DEVICE DESCRIPTOR: the iSCSI name of the target, as a designator.
    let name = &asked.port.target.as_bytes()[..asked.port.target.len().min(NAME_MAX)];
    token[128..132].copy_from_slice(&[0x53, 0xA8, 0, (name.len() + 1).next_multiple_of(4) as u8]);
    token[132..132 + name.len()].copy_from_slice(name);
    // EXTENDED ROD TOKEN DATA.
    token[256..320].copy_from_slice(&device.random::<64>());
    token
}

/// The identification descriptor of a unit: its first name that fits.
fn creator(unit: &LogicalUnit) -> [u8; 32] {
    let mut cscd = [0; 32];
    cscd[0] = super::descriptor::IDENTIFICATION;
    cscd[1] = unit.kind().peripheral();
    let names = unit.identity().designators().iter().map(|designator| designator.descriptor());
    if let Some(name) = names.into_iter().find(|name| name.len() <= 24) {
        cscd[4..4 + name.len()].copy_from_slice(&name);
    }
    cscd[28..32].copy_from_slice(&unit.medium().block_size.to_be_bytes());
    cscd
}

/// The descriptor has 128 bytes, four of them before the name, which ends with NUL.
const NAME_MAX: usize = 128 - 4 - 1;

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
