//! POPULATE TOKEN: a token for blocks of a unit, which stands for them elsewhere (SBC-3).

use super::extended::remember;
use super::gather::{gather, u32_at};
use super::ranges::{bytes_of, ranges};
use super::tokens::Rod;
use super::{TOKEN_IDLE_MAX_S, TOKEN_IDLE_S, action, mint, rod};
use crate::book::CopyRecord;
use crate::command::Asked;
use crate::plan::{Copied, Copy, Plan};
use crate::sense::Sense;
use std::sync::Arc;

/// The parameter list first.
pub(crate) fn populate(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    gather(asked, HEADER)
}

/// The token refers to the blocks and has no copy of them, so it is there at once, whatever IMMED says.
pub(crate) fn gathered(asked: &mut Asked<'_>, list: &[u8]) -> Result<Plan, Sense> {
    let list = list.get(..HEADER).and(Some(list)).ok_or(Sense::PARAMETER_LIST_LENGTH)?;
    let idle_s = match u32_at(list, 4) {
        0 => TOKEN_IDLE_S,
        idle_s @ 1..=TOKEN_IDLE_MAX_S => idle_s,
        _ => return Err(Sense::invalid_parameter(4)),
    };
    // Without RTV the copy manager chooses the type.
    if list[2] & RTV != 0 && u32_at(list, 8) != rod::ACCESS_UPON_REFERENCE {
        return Err(Sense::invalid_parameter(8));
    }
    let (unit, device) = (asked.unit, &asked.port.device);
    let extents = ranges(list, RANGES_LEN, unit.medium())?;
    let (bytes, block_size, now_ms) = (bytes_of(&extents), unit.medium().block_size, device.now_ms());
    let token = Arc::new(mint::token(asked, bytes));
    let made = Copy::new(Vec::new(), false);
    made.ended(&Copied { bytes, failure: None });
    let record = CopyRecord {
        session: asked.nexus.id().session,
        list: Some(asked.cdb.u32(6)),
        action: action::POPULATE_TOKEN,
        watch: made.watch().clone(),
        immediate: list[2] & IMMED != 0,
        segment_ends: Arc::new([]),
        segments: Arc::new([]),
        then: None,
        total: bytes,
        block_size,
        token: Some(token.clone()),
    };
    let rod = Rod {
        token: token.clone(),
        maker: asked.nexus.id().name.clone(),
        book: Arc::downgrade(unit.book()),
        block_size,
        extents: extents.into(),
        idle_ms: u64::from(idle_s) * 1000,
        used_ms: now_ms,
    };
    device.tokens().add(rod)?;
    // A token that nobody can receive would only take up room.
    let remembered = remember(asked, record);
    if !matches!(remembered, Ok(None)) {
        device.tokens().revoke(&token);
    }
    Ok(remembered?.map_or(Plan::good(), Plan::Reply))
}

const HEADER: usize = 16;
/// BLOCK DEVICE RANGE DESCRIPTOR LENGTH.
const RANGES_LEN: usize = 14;
const IMMED: u8 = 0x01;
/// ROD TYPE VALID.
const RTV: u8 = 0x02;
