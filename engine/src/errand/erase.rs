//! The whole medium of a unit is overwritten or given back (FORMAT UNIT, SANITIZE).
//!
//! An operation that has begun goes on whatever becomes of the command and of its session (SBC-3, sanitize operations):
//! nobody can use the unit before it is done, so nothing that is written later can be lost to it. It ends early
//! where the unit is removed, or the engine stops.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrite_backends::{Blocking, DiskError, Op};
use ferrite_scsi::{Erase, Erasure, Operation, Plan, Progress, Reply, Sense, Status};

use super::lines::Full;
use super::{Errand, Errands, Kind, Outing};
use crate::catalog::Lun;
use crate::hold::Held;
use crate::lane::Pass as Alone;
use crate::sense::sense_of;

/// An operation that has begun in the unit's book, and ends there when this is dropped.
pub(crate) struct Erasing {
    lun: Arc<Lun>,
    erase: Erase,
    progress: Arc<Progress>,
    /// What was under way on the unit before.
    before: Held,
    /// The command's claim to be alone, until it is kept that the operation has begun: nothing else may be kept of the
    /// unit at that time. Afterwards the book sees to that, and whoever waits to be alone hears that it is not ready.
    alone: Option<Arc<Alone>>,
    state: State,
}

/// What is true of the medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Untouched,
    Touched,
    Complete,
}

impl Erasing {
    pub(crate) fn new(
        lun: Arc<Lun>,
        erase: Erase,
        progress: Arc<Progress>,
        before: Held,
        alone: Option<Arc<Alone>>,
    ) -> Self {
        Self { lun, erase, progress, before, alone, state: State::Untouched }
    }

    /// Whether its command can be answered before anything is done: early (IMMED), and there is nothing to be kept first.
    pub(crate) fn answers_at_once(&self) -> bool {
        self.erase.immediate && self.lun.keeper.is_none()
    }

    /// Where the command is to be answered early and there is something to be kept, it is answered when that is kept,
    /// and does not wait for that in the line of the operations themselves.
    pub(crate) fn errand(self, errands: &Arc<Errands>) -> Errand {
        if !self.erase.immediate || self.lun.keeper.is_none() {
            return self.all();
        }
        let (units, errands) = (vec![self.lun.id], errands.clone());
        Errand { kind: Kind::Keep, units, nexus: None, work: Box::new(move |_| self.begin(&errands)) }
    }

    fn all(self) -> Errand {
        let units = vec![self.lun.id];
        Errand { kind: Kind::Erase, units, nexus: None, work: Box::new(move |outing| self.run(outing)) }
    }

    fn begin(mut self, errands: &Errands) -> Plan {
        if let Err(sense) = self.remember() {
            return sense.into();
        }
        match errands.send(self.all(), |_| {}) {
            Ok(_) => Plan::Reply(Reply::from(Status::Good)),
            // It is kept that it has begun, and it will not reach its end.
            Err(Full) => Sense::INTERNAL_FAILURE.into(),
        }
    }

    /// Has it kept that the operation has begun: from here on the unit is not as it was before, whatever happens.
    fn remember(&mut self) -> Result<(), Sense> {
        let was = self.lun.unit.book().kept().unfinished;
        if let Err(error) = self.keep(Some(self.erase.operation)) {
            tracing::error!(lun = self.lun.number, operation = ?self.erase.operation, %error, "cannot be kept, so not begun");
            self.lun.unit.book().mark(was);
            return Err(Sense::INTERNAL_FAILURE);
        }
        self.state = State::Touched;
        self.alone = None;
        Ok(())
    }

    fn run(mut self, outing: &Arc<Outing>) -> Plan {
        if self.state == State::Untouched
            && let Err(sense) = self.remember()
        {
            return sense.into();
        }
        match self.erase_all(outing) {
            Ok(()) => {
                self.state = State::Complete;
                if let Err(error) = self.keep(None) {
                    // After a restart the unit asks for the operation again, which loses time and nothing else.
                    tracing::error!(lun = self.lun.number, %error, "that it is done cannot be kept");
                }
                tracing::info!(lun = self.lun.number, operation = ?self.erase.operation, "done");
                Plan::Reply(Reply::from(Status::Good))
            }
            Err(sense) => {
                tracing::warn!(lun = self.lun.number, operation = ?self.erase.operation, %sense, "did not reach its end");
                sense.into()
            }
        }
    }

    /// Has it on stable storage that the operation is under way, or that it is not; where anything is kept of the unit.
    fn keep(&self, unfinished: Option<Operation>) -> io::Result<()> {
        match &self.lun.keeper {
            Some(keeper) => keeper.save(&self.lun.unit.book().mark(unfinished)),
            None => Ok(()),
        }
    }

    fn erase_all(&self, outing: &Arc<Outing>) -> Result<(), Sense> {
        let until = Instant::now() + BEFORE_DEADLINE;
        while !self.before.wait(LOOK) {
            if outing.is_given_up() {
                return Err(Sense::ABORTED);
            }
            if Instant::now() >= until {
                return Err(Sense::TIMED_OUT);
            }
        }
        let mut disk = Blocking::new(self.lun.disk.clone());
        disk.hold(Some(outing.clone()));
        let medium = self.lun.unit.medium();
        let (bytes, block_size) = (medium.bytes(), medium.block_size);
        let passes = Pass::all(&self.erase.erasure, block_size);
        let of = bytes.saturating_mul(passes.len() as u64);
        let mut done = 0;
        for pass in passes {
            let mut at = 0;
            while at < bytes {
                if outing.is_given_up() {
                    return Err(Sense::ABORTED);
                }
                let len = pass.len().min(bytes - at);
                pass.go_over(&mut disk, at, len).map_err(|error| {
                    tracing::warn!(lun = self.lun.number, at, len, %error, "disk request failed");
                    sense_of(error, Op::Zero { at, len, may_unmap: false }, block_size)
                })?;
                at += len;
                done += len;
                self.progress.set(done, of);
            }
            // What a pass wrote is on the medium before the next one writes over it.
            disk.flush().map_err(|error| sense_of(error, Op::Flush, block_size))?;
        }
        Ok(())
    }
}

impl Drop for Erasing {
    fn drop(&mut self) {
        let (book, operation) = (self.lun.unit.book(), self.erase.operation);
        match self.state {
            State::Untouched => book.undo(operation),
            State::Touched => book.end(operation, false),
            State::Complete => book.end(operation, true),
        }
    }
}

/// Once over the whole medium.
#[derive(Debug, PartialEq, Eq)]
enum Pass {
    /// Zeroes; space may be given back.
    Zero,
    /// These bytes, over and over.
    Write(Arc<[u8]>),
}

impl Pass {
    fn all(erasure: &Erasure, block_size: u32) -> Vec<Pass> {
        match erasure {
            // A discard promises nothing about what is read afterwards: zeroes do, and give as much space back as
            // the disk does without leaving anything readable.
            Erasure::Zero | Erasure::Discard => vec![Pass::Zero],
            Erasure::Overwrite { pattern, passes, invert } => {
                assert!(!pattern.is_empty(), "an initiator gives a pattern of at least one byte");
                let block: Vec<u8> = pattern.iter().copied().cycle().take(block_size as usize).collect();
                let plain: Arc<[u8]> = block.repeat(Blocking::PIECE / block_size as usize).into();
                let complement: Arc<[u8]> = plain.iter().map(|byte| !byte).collect();
                let pass = |left: u8| if *invert && left % 2 == 1 { &complement } else { &plain };
                (0..*passes).rev().map(|left| Pass::Write(pass(left).clone())).collect()
            }
        }
    }

    /// Bytes that are gone over at once.
    fn len(&self) -> u64 {
        match self {
            Pass::Zero => ZERO_CHUNK,
            Pass::Write(chunk) => chunk.len() as u64,
        }
    }

    fn go_over(&self, disk: &mut Blocking, at: u64, len: u64) -> Result<(), DiskError> {
        match self {
            Pass::Zero => disk.zero(at, len, true),
            Pass::Write(chunk) => disk.write(at, &chunk[..len as usize], false),
        }
    }
}

/// Zeroed at once: soon done where a disk has to write them.
const ZERO_CHUNK: u64 = 64 << 20;

/// What was under way on the unit ends by then, as other commands do.
const BEFORE_DEADLINE: Duration = Duration::from_secs(30);

/// How often it is looked whether it is still wanted, while that is waited for.
const LOOK: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    fn overwrite(pattern: &[u8], passes: u8, invert: bool) -> Vec<Pass> {
        Pass::all(&Erasure::Overwrite { pattern: pattern.into(), passes, invert }, 512)
    }

    fn first_bytes(passes: &[Pass]) -> Vec<[u8; 3]> {
        let bytes = |pass: &Pass| match pass {
            Pass::Write(chunk) => [chunk[0], chunk[1], chunk[511]],
            Pass::Zero => panic!("it writes"),
        };
        passes.iter().map(bytes).collect()
    }

    #[test]
    fn a_pattern_begins_anew_with_each_block() {
        let passes = overwrite(&[1, 2, 3], 1, false);
        let Pass::Write(chunk) = &passes[0] else { panic!("it writes") };
        assert_eq!(chunk.len(), Blocking::PIECE);
        for block in chunk.chunks(512) {
            assert_eq!((&block[..4], block[511]), (&[1, 2, 3, 1][..], 2));
        }
    }

    #[test]
    fn the_last_pass_has_the_pattern_and_those_before_its_complement_by_turns() {
        assert_eq!(first_bytes(&overwrite(&[0xF0], 3, false)), [[0xF0; 3]; 3]);
        assert_eq!(first_bytes(&overwrite(&[0xF0], 1, true)), [[0xF0; 3]]);
        assert_eq!(first_bytes(&overwrite(&[0xF0], 4, true)), [[0x0F; 3], [0xF0; 3], [0x0F; 3], [0xF0; 3]]);
    }

    #[test]
    fn what_only_has_to_be_gone_is_zeroed_once() {
        assert_eq!(Pass::all(&Erasure::Zero, 512), [Pass::Zero]);
        assert_eq!(Pass::all(&Erasure::Discard, 4096), [Pass::Zero]);
    }
}
