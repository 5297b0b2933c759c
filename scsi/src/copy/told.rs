//! How a third-party copy went, as its command is told, and as it is remembered.

use super::action;
use crate::plan::{Copied, Copy, CopyFailure, CopySide, Plan, Reply, Status};
use crate::sense::{Forwarded, Sense, SenseSource};

/// The answer of a command whose copy is over.
pub(crate) fn reply(action: u8, copy: &Copy, copied: &Copied) -> Plan {
    match failure(action, copy.segments(), copy.then(), copied) {
        None => Plan::good(),
        Some(reply) => Plan::Reply(reply),
    }
}

/// What was wrong, if anything: for the copy of a command with this service action, whose moves are of these segments,
/// and which `then` stops after the last of them.
pub(crate) fn failure(action: u8, segments: &[u16], then: Option<Sense>, copied: &Copied) -> Option<Reply> {
    let failure = match &copied.failure {
        None => return then.map(Reply::from),
        Some(failure) => failure,
    };
    let number = segments.get(failure.at).copied().unwrap_or(0);
    if failure.sense == Some(Sense::COPY_CANCELLED) {
        return Some(Sense::copy_aborted(0x00, 0x00, number).into());
    }
    // WRITE USING TOKEN writes the unit that it came to, which speaks for itself.
    if action == action::WRITE_USING_TOKEN && failure.side == CopySide::Destination {
        return Some(failure.sense.map_or(Status::ReservationConflict.into(), Reply::from));
    }
    Some(third_party(number, failure).into())
}

/// THIRD PARTY DEVICE FAILURE, with what the unit said.
fn third_party(number: u16, failure: &CopyFailure) -> Sense {
    let source = match failure.side {
        CopySide::Source => SenseSource::CopySource,
        CopySide::Destination => SenseSource::CopyDestination,
    };
    Sense::third_party(number, Forwarded::new(source, failure.sense))
}
