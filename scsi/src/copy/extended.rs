//! EXTENDED COPY, and COPY OPERATION ABORT that ends one (SPC-4).

use super::gather::gather;
use super::list::{self, LID1_HEADER, LID4_HEADER, List};
use super::segments::{Course, course};
use super::{action, told};
use crate::book::{CopyRecord, NoCopy};
use crate::command::Asked;
use crate::plan::{Copied, Copy, Plan, Reply, Status};
use crate::sense::Sense;

/// EXTENDED COPY (LID1): the parameter list first.
pub(crate) fn lid1(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    gather(asked, LID1_HEADER)
}

/// EXTENDED COPY (LID4): the parameter list first.
pub(crate) fn lid4(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    gather(asked, LID4_HEADER)
}

pub(crate) fn lid1_gathered(asked: &mut Asked<'_>, list: &[u8]) -> Result<Plan, Sense> {
    let list = list.get(..LID1_HEADER).and(Some(list)).ok_or(Sense::PARAMETER_LIST_LENGTH)?;
    begin(asked, action::EXTENDED_COPY_LID1, &list::lid1(list)?)
}

pub(crate) fn lid4_gathered(asked: &mut Asked<'_>, list: &[u8]) -> Result<Plan, Sense> {
    let list = list.get(..LID4_HEADER).and(Some(list)).ok_or(Sense::PARAMETER_LIST_LENGTH)?;
    begin(asked, action::EXTENDED_COPY_LID4, &list::lid4(list)?)
}

pub(crate) fn done(asked: &mut Asked<'_>, copy: &Copy, copied: &Copied) -> Result<Plan, Sense> {
    Ok(told::reply(asked.cdb.u8(1), copy, copied))
}

/// COPY OPERATION ABORT: the copy hears of it and ends, and its own command says so.
pub(crate) fn abort(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let (session, list) = (asked.nexus.id().session, asked.cdb.u32(2));
    let found = asked.unit.book().copies().find(session, list, asked.port.device.now_ms());
    found.ok_or(Sense::invalid_field(2))?.watch.cancel();
    Ok(Plan::good())
}

fn begin(asked: &mut Asked<'_>, action: u8, list: &List<'_>) -> Result<Plan, Sense> {
    let Course { moves, segments, ends, total, then } = course(asked, list)?;
    let copy = Copy::new(moves, list.immediate).of_segments(segments, then);
    begin_copy(asked, action, list.id, total, &ends, copy)
}

/// Remembers a copy of `total` bytes, and has it carried out. One without moves is over at once.
pub(crate) fn begin_copy(
    asked: &Asked<'_>,
    action: u8,
    list: Option<u32>,
    total: u64,
    ends: &[u64],
    copy: Copy,
) -> Result<Plan, Sense> {
    let nothing = Copied { bytes: 0, failure: None };
    if copy.moves.is_empty() {
        copy.ended(&nothing);
    }
    let record = CopyRecord {
        session: asked.nexus.id().session,
        list,
        action,
        watch: copy.watch().clone(),
        immediate: copy.immediate,
        segment_ends: ends.into(),
        segments: copy.segments().clone(),
        then: copy.then(),
        total,
        block_size: asked.unit.medium().block_size,
        token: None,
    };
    if let Some(reply) = remember(asked, record)? {
        return Ok(Plan::Reply(reply));
    }
    // What is answered before it is done was good as far as it was looked at.
    match copy.moves.is_empty() {
        true => Ok(told::reply(action, &copy, &nothing)),
        false => Ok(Plan::Copy(Box::new(copy))),
    }
}

/// # Errors
/// 5/00/16, where the identifier is taken; BUSY, where there are too many, is a reply.
pub(crate) fn remember(asked: &Asked<'_>, record: CopyRecord) -> Result<Option<Reply>, Sense> {
    match asked.unit.book().copies().begin(record, asked.port.device.now_ms()) {
        Ok(()) => Ok(None),
        Err(NoCopy::InProgress) => Err(Sense::OPERATION_IN_PROGRESS),
        Err(NoCopy::TooMany) => Ok(Some(Status::Busy.into())),
    }
}
