//! Parameter lists of THIRD-PARTY COPY OUT: how long may they be, and what is in their places?

use crate::command::Asked;
use crate::plan::Plan;
use crate::sense::Sense;

/// Asks for the parameter list, which is to be at least as long as its header. None is no error (SPC-4, PARAMETER LIST
/// LENGTH).
///
/// # Errors
/// 5/1A/00 for a list that is too short or absurdly long, 5/0E/03 for one that the transport does not announce in full.
pub(crate) fn gather(asked: &Asked<'_>, header: usize) -> Result<Plan, Sense> {
    let len = asked.cdb.u32(10);
    match len {
        0 => Ok(Plan::good()),
        _ if (len as usize) < header || len > LIST_MAX => Err(Sense::PARAMETER_LIST_LENGTH),
        _ if asked.data_out < len => Err(Sense::DATA_OUT_LENGTH),
        _ => Ok(Plan::Gather { len }),
    }
}

/// The longest parameter list: what fits the length fields of two bytes that the newer of them have.
const LIST_MAX: u32 = u16::MAX as u32;

/// Big-endian fields of a list whose length was looked at before.
pub(crate) fn u16_at(list: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(list[at..at + 2].try_into().expect("two bytes"))
}

pub(crate) fn u32_at(list: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(list[at..at + 4].try_into().expect("four bytes"))
}

pub(crate) fn u64_at(list: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(list[at..at + 8].try_into().expect("eight bytes"))
}
