//! RECEIVE COPY RESULTS: how a third-party copy is getting on, or how it went (SPC-4).

use super::{action, rod, told};
use crate::book::CopyRecord;
use crate::command::Asked;
use crate::plan::{End, Plan};
use crate::sense::Sense;
use std::sync::Arc;

/// RECEIVE COPY STATUS (LID1).
pub(crate) fn lid1(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let record = record(asked, u32::from(asked.cdb.u8(2)))?;
    let standing = Standing::of(&record);
    // In the smallest unit in which the count fits: bytes, kibibytes, mebibytes and so on.
    let unit = (0u8..).find(|unit| standing.bytes >> (10 * unit) <= u32::MAX.into()).expect("u64 >> 60 fits");
    let mut data = vec![0; 12];
    data[3] = 8;
    data[4] = match standing.state {
        State::Foreground | State::Background => 0x00,
        State::Good => 0x01,
        State::Bad | State::Terminated => 0x02,
    };
    data[5..7].copy_from_slice(&standing.segments.to_be_bytes());
    data[7] = unit;
    data[8..12].copy_from_slice(&((standing.bytes >> (10 * unit)) as u32).to_be_bytes());
    Ok(reply(asked, data))
}

/// RECEIVE COPY DATA (LID1): data held for the initiator, of which there is never any.
pub(crate) fn held_data(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    record(asked, u32::from(asked.cdb.u8(2)))?;
    Ok(reply(asked, vec![0; 4]))
}

/// RECEIVE COPY FAILURE DETAILS (LID1): the sense of a copy that ended with COPY ABORTED; nothing of any other.
pub(crate) fn failure_details(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let record = record(asked, u32::from(asked.cdb.u8(2)))?;
    let standing = Standing::of(&record);
    let Some(sense) = standing.sense else { return Ok(reply(asked, vec![0; 4])) };
    let sense = sense.to_bytes(asked.nexus.wants_descriptors());
    let mut data = vec![0; 60];
    data[56] = 0x02;
    data[58..60].copy_from_slice(&(sense.len() as u16).to_be_bytes());
    data.extend_from_slice(&sense);
    Ok(reply(asked, counted(data)))
}

/// RECEIVE COPY STATUS (LID4).
pub(crate) fn lid4(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let record = record(asked, asked.cdb.u32(2))?;
    Ok(reply(asked, counted(long(asked, &record))))
}

/// RECEIVE ROD TOKEN INFORMATION: the same, and the token.
pub(crate) fn rod_token(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let record = record(asked, asked.cdb.u32(2))?;
    let mut data = long(asked, &record);
    match &record.token {
        Some(token) => {
            // ROD TOKEN DESCRIPTORS LENGTH, and ID FOR CREATING ROD CSCD DESCRIPTOR: none.
            data.extend_from_slice(&(2 + rod::TOKEN as u32).to_be_bytes());
            data.extend_from_slice(&[0; 2]);
            data.extend_from_slice(&token[..]);
        }
        None => data.extend_from_slice(&[0; 4]),
    }
    Ok(reply(asked, counted(data)))
}

/// REPORT ALL ROD TOKENS, of the units that the port reaches.
pub(crate) fn all_tokens(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let port = asked.port;
    let here = |book: &_| port.units.iter().any(|(_, unit)| Arc::ptr_eq(unit.book(), book));
    let mut tokens = port.device.tokens().management(here, port.device.now_ms());
    tokens.sort_unstable();
    Ok(reply(asked, counted([vec![0; 8], tokens.concat()].concat())))
}

/// # Errors
/// 5/24/00 at the LIST IDENTIFIER, where nothing is known of it.
fn record(asked: &Asked<'_>, list: u32) -> Result<CopyRecord, Sense> {
    let found = asked.unit.book().copies().find(asked.nexus.id().session, list, asked.port.device.now_ms());
    found.ok_or(Sense::invalid_field(2))
}

fn reply(asked: &Asked<'_>, data: Vec<u8>) -> Plan {
    Plan::data(data, asked.cdb.u32(10))
}

/// AVAILABLE DATA: what comes after its own four bytes.
fn counted(mut data: Vec<u8>) -> Vec<u8> {
    let len = (data.len() - 4) as u32;
    data[..4].copy_from_slice(&len.to_be_bytes());
    data
}

/// The parameter data that RECEIVE COPY STATUS (LID4) and RECEIVE ROD TOKEN INFORMATION begin with.
fn long(asked: &Asked<'_>, record: &CopyRecord) -> Vec<u8> {
    let standing = Standing::of(record);
    let mut data = vec![0; 32];
    data[4] = record.action;
    data[5] = match standing.state {
        State::Good => 0x01,
        State::Bad => 0x02,
        State::Foreground => 0x11,
        State::Background => 0x12,
        State::Terminated => 0x60,
    };
    // OPERATION COUNTER: it has changed when there was progress.
    data[6..8].copy_from_slice(&((standing.bytes >> 20) as u16).to_be_bytes());
    let delay = if standing.is_over() { NEVER } else { ASK_AGAIN_MS };
    data[8..12].copy_from_slice(&delay.to_be_bytes());
    data[12] = standing.status;
    // SBC-3 counts in blocks what was asked for in blocks of one unit.
    let (unit, count) = match record.action {
        action::POPULATE_TOKEN | action::WRITE_USING_TOKEN => (BLOCKS, standing.bytes / u64::from(record.block_size)),
        _ => (BYTES, standing.bytes),
    };
    data[15] = unit;
    data[16..24].copy_from_slice(&count.to_be_bytes());
    data[24..26].copy_from_slice(&standing.segments.to_be_bytes());
    if let Some(sense) = standing.sense {
        let sense = sense.to_bytes(asked.nexus.wants_descriptors());
        data.extend_from_slice(&sense);
        data.resize(data.len().next_multiple_of(4), 0);
        data[13] = (data.len() - 32) as u8;
        data[14] = sense.len() as u8;
    }
    data
}

/// How a copy stands.
struct Standing {
    state: State,
    bytes: u64,
    /// SEGMENTS PROCESSED.
    segments: u16,
    /// SCSI status that its command was, or would have been, answered with.
    status: u8,
    sense: Option<Sense>,
}

/// COPY OPERATION STATUS.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Foreground,
    Background,
    Good,
    Bad,
    Terminated,
}

impl Standing {
    fn of(record: &CopyRecord) -> Standing {
        let failure = match record.watch.end() {
            Some(End::Said(copied)) => told::failure(record.action, &record.segments, record.then, copied),
            _ => None,
        };
        let cancelled = failure.as_ref().and_then(|reply| reply.sense).is_some_and(|sense| {
            (sense.key, sense.asc) == (Sense::COPY_CANCELLED.key, 0) && record.watch.is_cancelled()
        });
        let state = match (record.watch.end(), &failure) {
            (None, _) if record.immediate => State::Background,
            (None, _) => State::Foreground,
            (Some(End::GivenUp), _) => State::Terminated,
            (Some(End::Said(_)), Some(_)) if cancelled => State::Terminated,
            (Some(End::Said(_)), Some(_)) => State::Bad,
            (Some(End::Said(_)), None) => State::Good,
        };
        let moved = record.watch.bytes();
        let bytes = if state == State::Good { record.total } else { moved };
        Standing {
            state,
            bytes,
            segments: record.segment_ends.iter().filter(|end| **end <= moved).count() as u16,
            status: failure.as_ref().map_or(0, |reply| reply.status as u8),
            sense: failure.and_then(|reply| reply.sense),
        }
    }

    fn is_over(&self) -> bool {
        !matches!(self.state, State::Foreground | State::Background)
    }
}

/// TRANSFER COUNT UNITS.
const BYTES: u8 = 0x00;
const BLOCKS: u8 = 0xF1;

/// ESTIMATED STATUS UPDATE DELAY in milliseconds.
const ASK_AGAIN_MS: u32 = 100;
/// Nothing will change.
const NEVER: u32 = u32::MAX;
