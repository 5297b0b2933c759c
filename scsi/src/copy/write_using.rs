//! WRITE USING TOKEN: what a token stands for is written to blocks of a unit (SBC-3).

use super::extended::begin_copy;
use super::gather::{gather, u64_at};
use super::ranges::{bytes_of, ranges};
use super::reach::Reached;
use super::rod::{self, Presented, REVOKED, UNKNOWN};
use super::{action, told};
use crate::command::Asked;
use crate::plan::{Copied, Copy, Extent, Move, Plan, Source};
use crate::sense::Sense;
use std::sync::Arc;

/// The parameter list first.
pub(crate) fn write(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    gather(asked, HEADER)
}

pub(crate) fn gathered(asked: &mut Asked<'_>, list: &[u8]) -> Result<Plan, Sense> {
    let list = list.get(..HEADER).and(Some(list)).ok_or(Sense::PARAMETER_LIST_LENGTH)?;
    let to = ranges(list, RANGES_LEN, asked.unit.medium())?;
    let here = Reached::here(asked)?;
    let total = bytes_of(&to);
    let token = rod::presented(&list[TOKEN_AT..TOKEN_AT + rod::TOKEN])?;
    let moves = match token {
        Presented::Zeroes => {
            let zeroes = |extent: &Extent| Move { from: Source::Zeroes, to: here.lun, at: extent.at, len: extent.len };
            to.iter().map(zeroes).collect()
        }
        Presented::Token(token) => pair(&Origin::of(asked, token, u64_at(list, OFFSET), total)?, &here, &to)?,
    };
    let copy = Copy::new(moves, list[2] & IMMED != 0);
    let begun = begin_copy(asked, action::WRITE_USING_TOKEN, Some(asked.cdb.u32(6)), total, &[], copy)?;
    // What the copy needs of the token it has by now.
    if let (Presented::Token(token), true) = (token, list[2] & DEL_TKN != 0) {
        asked.port.device.tokens().revoke(token);
    }
    Ok(begun)
}

pub(crate) fn done(_: &mut Asked<'_>, copy: &Copy, copied: &Copied) -> Result<Plan, Sense> {
    Ok(told::reply(action::WRITE_USING_TOKEN, copy, copied))
}

/// Where the bytes of a token are.
struct Origin<'a> {
    reached: Reached<'a>,
    /// From OFFSET INTO ROD on, and at least as many bytes as are to be written.
    extents: Vec<Extent>,
}

impl<'a> Origin<'a> {
    /// # Errors
    /// 5/23 for a token that is worth nothing here; 5/26/00 where it has fewer bytes than are wanted.
    fn of(asked: &Asked<'a>, token: &rod::Token, offset: u64, wanted: u64) -> Result<Origin<'a>, Sense> {
        let tokens = asked.port.device.tokens();
        let (rod, book) = tokens.find(token, asked.port.device.now_ms())?;
        // Behind another target, it is as if nobody had made it.
        let found = asked.port.units.iter().find(|(_, unit)| Arc::ptr_eq(unit.book(), &book));
        let (lun, unit) = found.ok_or(UNKNOWN)?;
        let medium = unit.medium();
        let there = |extent: &Extent| extent.at + extent.len <= medium.bytes();
        if medium.block_size != rod.block_size || !rod.extents.iter().all(there) {
            tokens.revoke(token);
            return Err(REVOKED);
        }
        let of_rod = bytes_of(&rod.extents);
        let skip = offset.checked_mul(rod.block_size.into()).filter(|skip| *skip <= of_rod);
        let skip = skip.ok_or(Sense::invalid_parameter(OFFSET as u16))?;
        if of_rod - skip < wanted {
            return Err(Sense::invalid_parameter(RANGES_LEN as u16));
        }
        Ok(Origin { reached: Reached { lun: *lun, unit }, extents: after(&rod.extents, skip) })
    }
}

/// The extents without their first `skip` bytes.
fn after(extents: &[Extent], mut skip: u64) -> Vec<Extent> {
    let rest = |extent: &Extent| {
        let gone = skip.min(extent.len);
        skip -= gone;
        (gone < extent.len).then_some(Extent { at: extent.at + gone, len: extent.len - gone })
    };
    extents.iter().filter_map(rest).collect()
}

/// One move for each piece that is in one place on both sides.
///
/// # Errors
/// 5/26/00, where a piece is no whole number of blocks of both units, or overlaps itself.
fn pair(from: &Origin<'_>, here: &Reached<'_>, to: &[Extent]) -> Result<Vec<Move>, Sense> {
    const REFUSED: Sense = Sense::invalid_parameter(FIRST_RANGE as u16);
    let sizes = [from.reached, *here].map(|end| u64::from(end.unit.medium().block_size));
    let mut moves = Vec::new();
    let mut sources = from.extents.iter().copied();
    let mut source = Extent { at: 0, len: 0 };
    for mut target in to.iter().copied() {
        while target.len > 0 {
            if source.len == 0 {
                source = sources.next().expect("there are as many bytes as are wanted");
            }
            let len = source.len.min(target.len);
            if sizes.iter().any(|size| !len.is_multiple_of(*size)) {
                return Err(REFUSED);
            }
            let same = from.reached.is(here);
            if same && source.at != target.at && source.at.abs_diff(target.at) < len {
                return Err(REFUSED);
            }
            // Bytes that are already where they should be need no move.
            if !(same && source.at == target.at) {
                let from = Source::Unit { lun: from.reached.lun, at: source.at };
                moves.push(Move { from, to: here.lun, at: target.at, len });
            }
            for side in [&mut source, &mut target] {
                side.at += len;
                side.len -= len;
            }
        }
    }
    Ok(moves)
}

/// OFFSET INTO ROD in blocks of the unit that the token is of, as its own READ CAPACITY data has them.
const OFFSET: usize = 8;
const TOKEN_AT: usize = 16;
/// BLOCK DEVICE RANGE DESCRIPTOR LENGTH.
const RANGES_LEN: usize = 534;
const FIRST_RANGE: usize = 536;
const HEADER: usize = FIRST_RANGE;
const IMMED: u8 = 0x01;
/// DEL_TKN: the token is not needed any more.
const DEL_TKN: u8 = 0x02;
