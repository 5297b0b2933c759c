//! Bytes move between the units of a target inside of the host: by the kernel where it can, else through this process.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use ferrite_backends::{Backend, Blocking, DiskError, Op};
use ferrite_scsi::{Copied, Copy, CopyFailure, CopySide, Move, Nexus, Plan, Sense, Source};

use super::{Commission, Outing};
use crate::catalog::Lun;
use crate::lane::Pass;
use crate::sense::sense_of;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Copies, and says what is left of the command: nothing, where it was answered before.
pub(super) fn copy(copy: &Copy, commission: &Commission, outing: &Arc<Outing>) -> Plan {
    let copied = Porter::new(copy, commission, outing).carry_all();
    if let Some(failure) = &copied.failure {
        tracing::info!(target = commission.target.as_str(), bytes = copied.bytes, ?failure, "a copy ended early");
    }
    if copy.immediate {
        copy.ended(&copied);
    }
    commission.copied(copy, &copied)
}

/// One copy on its way.
struct Porter<'a> {
    copy: &'a Copy,
    outing: &'a Arc<Outing>,
    ends: BTreeMap<u16, End>,
    /// For bytes that pass through this process.
    chunk: Vec<u8>,
    moved: u64,
}

/// A unit that takes part, as the session that copies stands with it.
struct End {
    lun: Arc<Lun>,
    nexus: Nexus,
    disk: Blocking,
    outing: Arc<Outing>,
}

/// Why a move ended; `None` is a RESERVATION CONFLICT.
type Stopped = (CopySide, Option<Sense>);

impl<'a> Porter<'a> {
    fn new(copy: &'a Copy, commission: &Commission, outing: &'a Arc<Outing>) -> Self {
        let end = |(&number, lun): (&u16, &Arc<Lun>)| {
            let mut disk = Blocking::new(lun.disk.clone());
            disk.hold(Some(outing.clone()));
            (number, End { lun: lun.clone(), nexus: commission.stand_in(), disk, outing: outing.clone() })
        };
        Self { copy, outing, ends: commission.ends.iter().map(end).collect(), chunk: Vec::new(), moved: 0 }
    }

    fn carry_all(mut self) -> Copied {
        let copy = self.copy;
        for (at, part) in copy.moves.iter().enumerate() {
            if let Err((side, sense)) = self.carry(part) {
                return Copied { bytes: self.moved, failure: Some(CopyFailure { at, side, sense }) };
            }
        }
        Copied { bytes: self.moved, failure: None }
    }

    fn carry(&mut self, part: &Move) -> Result<(), Stopped> {
        let (mut done, mut by_kernel) = (0, true);
        while done < part.len {
            if self.outing.is_given_up() || self.copy.is_cancelled() {
                return Err((CopySide::Destination, Some(Sense::COPY_CANCELLED)));
            }
            let len = CHUNK.min(part.len - done);
            let at = part.at + done;
            let step = match part.from {
                Source::Zeroes => self.zero(part.to, at, len)?,
                Source::Unit { lun, at: from } => {
                    // Looked at anew for each chunk: somebody may reserve a unit while it is copied.
                    self.end(lun, CopySide::Source)?;
                    self.end(part.to, CopySide::Destination)?;
                    let step = if by_kernel { self.by_kernel(lun, from + done, part.to, at, len)? } else { None };
                    by_kernel = step.is_some();
                    match step {
                        Some(step) => step,
                        None => self.by_hand(lun, from + done, part.to, at, len)?,
                    }
                }
            };
            done += step;
            self.moved += step;
            self.copy.moved(self.moved);
        }
        self.settle(part.to)
    }

    /// How many bytes the kernel copied; `None` where it cannot.
    fn by_kernel(&self, from: u16, from_at: u64, to: u16, at: u64, len: u64) -> Result<Option<u64>, Stopped> {
        let (source, end) = (&self.ends[&from], &self.ends[&to]);
        let _pass = end.claim(at, len)?;
        match end.lun.disk.copy_from(&*source.lun.disk, from_at, at, len) {
            Ok(0) => Ok(None),
            Ok(step) => Ok(Some(step.min(len))),
            Err(error) if error.kind() == ErrorKind::Unsupported => Ok(None),
            // Which of the two failed it does not say; what is at the destination is what counts.
            Err(error) => Err(end.failed(CopySide::Destination, error.into(), write(at, len))),
        }
    }

    fn by_hand(&mut self, from: u16, from_at: u64, to: u16, at: u64, len: u64) -> Result<u64, Stopped> {
        let len = len.min(Blocking::PIECE as u64);
        self.chunk.resize(len as usize, 0);
        let source = self.ends.get_mut(&from).expect("looked at before");
        if let Err(error) = source.disk.read(from_at, &mut self.chunk) {
            return Err(source.failed(CopySide::Source, error, Op::Read { at: from_at, len: 0 }));
        }
        let (end, chunk) = (self.ends.get_mut(&to).expect("looked at before"), &self.chunk);
        end.change(at, len, |disk| disk.write(at, chunk, false)).map(|()| len)
    }

    fn zero(&mut self, to: u16, at: u64, len: u64) -> Result<u64, Stopped> {
        let end = self.end(to, CopySide::Destination)?;
        end.change(at, len, |disk| disk.zero(at, len, true)).map(|()| len)
    }

    /// Where every write of a unit is durable before its answer (WCE is zero), a copy is, too.
    fn settle(&mut self, to: u16) -> Result<(), Stopped> {
        let end = self.ends.get_mut(&to).expect("bytes went there");
        if end.lun.unit.medium().write_cache && end.lun.unit.book().lasting().settings.write_through {
            end.disk.flush().map_err(|error| end.failed(CopySide::Destination, error, Op::Flush))?;
        }
        Ok(())
    }

    /// One end of a move, if it is there and lets this session do what the move wants.
    fn end(&mut self, number: u16, side: CopySide) -> Result<&mut End, Stopped> {
        let end = self.ends.get_mut(&number).ok_or((side, Some(Sense::NO_SUCH_UNIT)))?;
        match end.lun.unit.refuses(&mut end.nexus, side == CopySide::Destination) {
            Some(reply) => Err((side, reply.sense)),
            None => Ok(end),
        }
    }
}

impl End {
    /// Nobody compares and writes these bytes while they change.
    fn claim(&self, at: u64, len: u64) -> Result<Pass, Stopped> {
        let wanted = || !self.outing.is_given_up();
        let pass = self.lun.lane.claim_change(at, len, Instant::now() + CLAIM_DEADLINE, wanted);
        let why = if wanted() { Sense::TIMED_OUT } else { Sense::COPY_CANCELLED };
        pass.ok_or((CopySide::Destination, Some(why)))
    }

    /// The same for what the disk may still do when it was given up.
    fn change(
        &mut self,
        at: u64,
        len: u64,
        change: impl FnOnce(&mut Blocking) -> Result<(), DiskError>,
    ) -> Result<(), Stopped> {
        let pass = self.claim(at, len)?;
        self.disk.hold(Some(Arc::new((pass, self.outing.clone()))));
        let changed = change(&mut self.disk);
        self.disk.hold(Some(self.outing.clone()));
        changed.map_err(|error| self.failed(CopySide::Destination, error, write(at, len)))
    }

    fn failed(&self, side: CopySide, error: DiskError, op: Op) -> Stopped {
        tracing::warn!(lun = self.lun.number, ?op, %error, "disk request of a copy failed");
        (side, Some(sense_of(error, op, self.lun.unit.medium().block_size)))
    }
}

/// What is told of a failure.
fn write(at: u64, len: u64) -> Op {
    Op::Zero { at, len, may_unmap: false }
}

/// Bytes that move at once: soon done, so that a copy that is given up ends soon and a COMPARE AND WRITE does not wait.
const CHUNK: u64 = 16 << 20;

/// A claim is waited for as long as a disk may take for the write that stands before it.
const CLAIM_DEADLINE: Duration = Duration::from_secs(30);
