//! What the segment descriptors of EXTENDED COPY come to: moves, up to the first that cannot be made.

use super::list::{List, Segment};
use super::reach::{Reached, Unreached};
use super::{COPY_BYTES_MAX, SEGMENT_BYTES_MAX};
use crate::block::range::within;
use crate::command::Asked;
use crate::plan::{Move, Reply, Source};
use crate::sense::{Forwarded, Sense, SenseSource};

/// What is to be moved.
#[derive(Debug, Default)]
pub(crate) struct Course {
    pub(crate) moves: Vec<Move>,
    /// Number of the segment that each move is of.
    pub(crate) segments: Vec<u16>,
    /// Bytes that have moved when each segment is done.
    pub(crate) ends: Vec<u64>,
    /// Bytes of all segments; more than those of the moves where bytes are already in their place.
    pub(crate) total: u64,
    /// What stops the copy after its last move.
    pub(crate) then: Option<Sense>,
}

/// Goes through the segments in order. What is wrong with one of them is a failure of the copy, at that segment: those
/// before it are done first (SPC-4, errors detected during processing of segment descriptors).
///
/// # Errors
/// Where the list itself is wrong, and nothing of it may be done.
pub(crate) fn course(asked: &Asked<'_>, list: &List<'_>) -> Result<Course, Sense> {
    let mut course = Course::default();
    let mut bytes = 0;
    for (number, segment) in (0u16..).zip(&list.segments) {
        match moved(asked, list, number, segment) {
            Ok(part) => {
                course.total += part.len();
                if let Part::Move(part) = part {
                    bytes += part.len;
                    course.moves.push(part);
                    course.segments.push(number);
                }
            }
            Err(Stop::List(sense)) => return Err(sense),
            // A wrong list further on comes first, so the rest is looked at, too.
            Err(Stop::Segment(sense)) => {
                check_rest(asked, list, usize::from(number) + 1)?;
                course.then = Some(sense);
                break;
            }
        }
        course.ends.push(bytes);
    }
    assert!(course.total <= COPY_BYTES_MAX, "segments are bounded in number and length");
    Ok(course)
}

/// What one segment comes to.
enum Part {
    Move(Move),
    /// So many bytes are where they should be, already.
    Still(u64),
}

impl Part {
    fn len(&self) -> u64 {
        match self {
            Part::Move(part) => part.len,
            Part::Still(len) => *len,
        }
    }
}

enum Stop {
    List(Sense),
    Segment(Sense),
}

fn check_rest(asked: &Asked<'_>, list: &List<'_>, from: usize) -> Result<(), Sense> {
    for (number, segment) in (0u16..).zip(&list.segments).skip(from) {
        if let Err(Stop::List(sense)) = moved(asked, list, number, segment) {
            return Err(sense);
        }
    }
    Ok(())
}

/// Bytes that a field of a segment descriptor is at, to point at.
const FROM: u16 = 4;
const TO: u16 = 6;
const FROM_LBA: u16 = 12;
const TO_LBA: u16 = 20;

fn moved(asked: &Asked<'_>, list: &List<'_>, number: u16, segment: &Segment) -> Result<Part, Stop> {
    let stop = |asc, ascq, field| Stop::Segment(Sense::copy_aborted(asc, ascq, number).at_segment_field(field));
    let reach = |id, field| {
        Reached::by_descriptor(asked, list, id).map_err(|unreached| match unreached {
            Unreached::NoDescriptor => stop(0x08, 0x04, field),
            Unreached::NoUnit => stop(0x0D, 0x02, field),
            Unreached::DeviceType => stop(0x0D, 0x03, field),
            Unreached::List(sense) => Stop::List(sense),
        })
    };
    let willing = |reached: &Reached<'_>, source, write| match reached.refuses(asked, write) {
        Some(Reply { sense, .. }) => Err(Stop::Segment(Sense::third_party(number, Forwarded::new(source, sense)))),
        None => Ok(()),
    };
    match *segment {
        Segment::Verify { cscd, ready } => {
            let reached = reach(cscd, FROM)?;
            if ready {
                willing(&reached, SenseSource::CopySource, false)?;
            }
            Ok(Part::Still(0))
        }
        Segment::BlockToBlock { from, to, of_destination, blocks, from_lba, to_lba } => {
            let (from, to) = (reach(from, FROM)?, reach(to, TO)?);
            let sizes = [&from, &to].map(|end| u64::from(end.unit.medium().block_size));
            let len = u64::from(blocks) * sizes[usize::from(of_destination)];
            assert!(len <= SEGMENT_BYTES_MAX.into(), "a count of two bytes");
            if sizes.iter().any(|size| !len.is_multiple_of(*size)) {
                // COPY SEGMENT GRANULARITY VIOLATION: there would be a rest, which is not kept.
                return Err(stop(0x26, 0x0A, 10));
            }
            if len == 0 {
                return Ok(Part::Still(0));
            }
            let inside = |end: &Reached<'_>, lba, field| {
                // No unit was asked, so there is no sense of one: the pointer says which address was too high.
                let medium = end.unit.medium();
                let range = within(medium, lba, len / u64::from(medium.block_size));
                range.map(|range| range.at).map_err(|_| stop(0x00, 0x00, field))
            };
            let (source, destination) = (inside(&from, from_lba, FROM_LBA)?, inside(&to, to_lba, TO_LBA)?);
            willing(&from, SenseSource::CopySource, false)?;
            willing(&to, SenseSource::CopyDestination, true)?;
            if from.is(&to) && source == destination {
                return Ok(Part::Still(len));
            }
            if from.is(&to) && source.abs_diff(destination) < len {
                return Err(stop(0x00, 0x00, TO_LBA));
            }
            let from = Source::Unit { lun: from.lun, at: source };
            Ok(Part::Move(Move { from, to: to.lun, at: destination, len }))
        }
    }
}
