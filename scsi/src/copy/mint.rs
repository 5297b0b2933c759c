//! The bytes of a new ROD token (SPC-4, ROD token format; SBC-3, block device ROD tokens).

use super::descriptor;
use super::rod::{ACCESS_UPON_REFERENCE, LENGTH, TOKEN, Token};
use crate::command::Asked;
use crate::device::Device;
use crate::medium::PHYSICAL_EXPONENT_MAX;
use crate::unit::LogicalUnit;

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
    token[101] = medium.physical_exponent.min(PHYSICAL_EXPONENT_MAX);
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
    cscd[0] = descriptor::IDENTIFICATION;
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
