//! One thing a disk is asked to do, which finishes exactly once.

use std::fmt;
use std::sync::Arc;

use crate::{Buffer, DiskError, Pages};

/// The kinds of [`Op`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OpKind {
    /// [`Op::Read`].
    Read,
    /// [`Op::Write`].
    Write,
    /// [`Op::Flush`].
    Flush,
    /// [`Op::Discard`].
    Discard,
    /// [`Op::Zero`].
    Zero,
    /// [`Op::WriteAtomic`].
    WriteAtomic,
    /// [`Op::Prefetch`].
    Prefetch,
}

impl OpKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 7] =
        [Self::Read, Self::Write, Self::Flush, Self::Discard, Self::Zero, Self::WriteAtomic, Self::Prefetch];
}

/// What a disk is asked to do. Offsets and lengths are bytes, in whole logical blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Read `len` bytes at `at`.
    Read {
        /// Where the extent begins.
        at: u64,
        /// Its length.
        len: u32,
    },
    /// Write `len` bytes at `at`.
    Write {
        /// Where the extent begins.
        at: u64,
        /// Its length.
        len: u32,
        /// The data must be safe from a loss of power before the job finishes (FUA).
        durable: bool,
    },
    /// Make every write that was finished before safe from a loss of power.
    Flush,
    /// The data of the extent is no longer wanted: give its space back where that is easy.
    Discard {
        /// Where the extent begins.
        at: u64,
        /// Its length.
        len: u64,
    },
    /// The extent reads as zeroes from now on.
    Zero {
        /// Where the extent begins.
        at: u64,
        /// Its length.
        len: u64,
        /// The space may be given back; else it stays allocated.
        may_unmap: bool,
    },
    /// Write `len` bytes at `at` whole or not at all, for whoever reads them and whatever happens to the power.
    /// Only within the [`AtomicLimits`](crate::AtomicLimits) of the disk; [`DiskError::Unsupported`] beyond them.
    WriteAtomic {
        /// Where the extent begins.
        at: u64,
        /// Its length.
        len: u32,
        /// The data must be safe from a loss of power before the job finishes (FUA).
        durable: bool,
    },
    /// The extent will be read soon. A hint: a disk that makes nothing of it finishes well at once.
    Prefetch {
        /// Where the extent begins.
        at: u64,
        /// Its length.
        len: u64,
    },
}

impl Op {
    /// Its kind.
    pub fn kind(&self) -> OpKind {
        match self {
            Self::Read { .. } => OpKind::Read,
            Self::Write { .. } => OpKind::Write,
            Self::Flush => OpKind::Flush,
            Self::Discard { .. } => OpKind::Discard,
            Self::Zero { .. } => OpKind::Zero,
            Self::WriteAtomic { .. } => OpKind::WriteAtomic,
            Self::Prefetch { .. } => OpKind::Prefetch,
        }
    }

    /// The extent as (offset, length); a flush has none.
    pub fn extent(&self) -> Option<(u64, u64)> {
        match *self {
            Self::Read { at, len } | Self::Write { at, len, .. } | Self::WriteAtomic { at, len, .. } => {
                Some((at, len.into()))
            }
            Self::Discard { at, len } | Self::Zero { at, len, .. } | Self::Prefetch { at, len } => Some((at, len)),
            Self::Flush => None,
        }
    }

    /// Bytes that it moves by the buffer of its job.
    pub fn moves(&self) -> u32 {
        match *self {
            Self::Read { len, .. } | Self::Write { len, .. } | Self::WriteAtomic { len, .. } => len,
            Self::Flush | Self::Discard { .. } | Self::Zero { .. } | Self::Prefetch { .. } => 0,
        }
    }

    /// True when the medium would change.
    pub fn changes(&self) -> bool {
        match self {
            Self::Write { .. } | Self::WriteAtomic { .. } | Self::Discard { .. } | Self::Zero { .. } => true,
            Self::Read { .. } | Self::Flush | Self::Prefetch { .. } => false,
        }
    }

    /// Whether a disk of `bytes` bytes can do this at all.
    ///
    /// # Errors
    /// [`DiskError::ReadOnly`] for a change of a read-only disk, [`DiskError::OutOfRange`] for an extent
    /// that does not lie within the disk.
    pub fn check(&self, bytes: u64, read_only: bool) -> Result<(), DiskError> {
        if read_only && self.changes() {
            return Err(DiskError::ReadOnly);
        }
        let inside = |(at, len): (u64, u64)| at.checked_add(len).is_some_and(|end| end <= bytes);
        if self.extent().is_none_or(inside) { Ok(()) } else { Err(DiskError::OutOfRange) }
    }
}

/// Where a finished job goes. Called from any thread, exactly once per job.
pub trait Home: Send + Sync {
    /// `done` has come to its end.
    fn finished(&self, done: Finished);
}

/// How a job ended.
#[derive(Debug)]
pub struct Finished {
    /// The number its owner gave the job.
    pub token: u64,
    /// Whether the disk did it.
    pub result: Result<(), DiskError>,
    /// A finished read brings exactly the bytes it asked for; a write brings its buffer back. A read that
    /// failed brings nothing, so that nobody sends what was in its buffer before.
    pub data: Data,
}

/// The bytes that come with a finished job.
#[derive(Debug, Default)]
pub enum Data {
    /// None.
    #[default]
    None,
    /// The buffer that was lent to the job.
    Buffer(Buffer),
    /// Pages that the disk shares.
    Pages(Pages),
}

/// One thing a disk is asked to do.
///
/// It finishes exactly once: finishing consumes it, and when it is dropped unfinished it ends as
/// [`DiskError::Lost`] instead of hanging. Neither allocates.
pub struct Job {
    op: Op,
    token: u64,
    buffer: Option<Buffer>,
    urgent: bool,
    // None only while the job ends.
    home: Option<Arc<dyn Home>>,
}

impl Job {
    /// A job that will be reported to `home` under `token`.
    ///
    /// # Panics
    /// If a write has no buffer, or a buffer is not exactly as long as the extent of a read or a write.
    pub fn new(op: Op, buffer: Option<Buffer>, token: u64, home: Arc<dyn Home>) -> Self {
        let wanted = match op {
            Op::Read { len, .. } => buffer.is_some().then_some(len as usize),
            Op::Write { len, .. } | Op::WriteAtomic { len, .. } => Some(len as usize),
            Op::Flush | Op::Discard { .. } | Op::Zero { .. } | Op::Prefetch { .. } => None,
        };
        let lent = buffer.as_ref().map(|buffer| buffer.len());
        assert_eq!(lent, wanted, "the buffer must be as long as the extent of {op:?}");
        Self { op, token, buffer, urgent: false, home: Some(home) }
    }

    /// The same job, to be done before others that wait: somebody's heartbeat hangs on it.
    #[must_use]
    pub fn urgent(mut self) -> Self {
        self.urgent = true;
        self
    }

    /// Whether it goes before others.
    pub fn is_urgent(&self) -> bool {
        self.urgent
    }

    /// What is asked.
    pub fn op(&self) -> Op {
        self.op
    }

    /// The number its owner gave the job.
    pub fn token(&self) -> u64 {
        self.token
    }

    /// The bytes to fill (read: all of them; they hold old content now) or to store (write). Empty for
    /// everything else, and for a read from a disk that shares its pages.
    pub fn buffer(&mut self) -> &mut [u8] {
        self.buffer.as_deref_mut().unwrap_or_default()
    }

    /// The same, for a ring that wants to know in which slab the bytes lie.
    pub fn raw_buffer(&mut self) -> Option<&mut Buffer> {
        self.buffer.as_mut()
    }

    /// True when bytes can be read into or written from [`buffer`](Self::buffer).
    pub fn has_buffer(&self) -> bool {
        self.buffer.is_some()
    }

    /// Ends the job. A read that is finished well must have its buffer filled whole.
    pub fn finish(mut self, result: Result<(), DiskError>) {
        let is_read = matches!(self.op, Op::Read { .. });
        if is_read && result.is_err() {
            // Home first for the buffer: who hears of the end may look for it.
            drop(self.buffer.take());
        }
        match self.buffer.take() {
            None if is_read && result.is_ok() => self.broken("a read without a buffer must be finished with pages"),
            None => self.end(result, Data::None),
            Some(buffer) => self.end(result, Data::Buffer(buffer)),
        }
    }

    /// Ends a read with pages that the disk shares: no byte is copied. A buffer that was lent all the
    /// same goes back to its pool.
    pub fn finish_with(mut self, pages: Pages) {
        drop(self.buffer.take());
        match self.op {
            Op::Read { len, .. } if len as usize == pages.len() => self.end(Ok(()), Data::Pages(pages)),
            _ => self.broken("pages must be as long as the extent of the read they answer"),
        }
    }

    // A backend that breaks the contract is not this crate's mistake: its job fails, the process lives.
    fn broken(&mut self, rule: &str) {
        tracing::error!(op = ?self.op, rule, "the backend broke the contract of jobs");
        self.end(Err(DiskError::Lost), Data::None);
    }

    fn end(&mut self, result: Result<(), DiskError>, data: Data) {
        if let Some(home) = self.home.take() {
            home.finished(Finished { token: self.token, result, data });
        }
    }

    /// Sends the end of the job through `by` instead, which gets the home it had.
    pub(crate) fn detour(&mut self, by: impl FnOnce(Arc<dyn Home>) -> Arc<dyn Home>) {
        self.home = self.home.take().map(by);
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        drop(self.buffer.take());
        self.end(Err(DiskError::Lost), Data::None);
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("op", &self.op).field("token", &self.token).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Collector;

    fn job(op: Op, buffer: Option<Buffer>) -> (Job, Arc<Collector>) {
        let home = Arc::new(Collector::default());
        (Job::new(op, buffer, 7, home.clone()), home)
    }

    #[test]
    fn a_dropped_job_ends_as_lost_and_does_not_hang() {
        let (job, home) = job(Op::Flush, None);
        drop(job);
        let done = home.take();
        assert_eq!((done.token, done.result), (7, Err(DiskError::Lost)));
        assert!(home.is_empty(), "it ends once");
    }

    #[test]
    fn a_finished_job_ends_once_although_it_is_dropped_then() {
        let (job, home) = job(Op::Flush, None);
        job.finish(Ok(()));
        assert_eq!(home.take().result, Ok(()));
        assert!(home.is_empty());
    }

    #[test]
    fn a_job_whose_work_panics_ends_as_lost() {
        let (job, home) = job(Op::Flush, None);
        let work = move || -> () {
            let _job = job;
            panic!("on purpose");
        };
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_err();
        assert_eq!(home.take().result, Err(DiskError::Lost));
    }

    #[test]
    fn a_failed_read_brings_no_bytes_and_a_failed_write_its_buffer() {
        let (read, home) = job(Op::Read { at: 0, len: 512 }, Some(Buffer::alone(512)));
        read.finish(Err(DiskError::Medium));
        assert!(matches!(home.take().data, Data::None));
        let (write, home) = job(Op::Write { at: 0, len: 512, durable: false }, Some(Buffer::alone(512)));
        write.finish(Err(DiskError::Medium));
        assert!(matches!(home.take().data, Data::Buffer(_)));
    }

    #[test]
    fn a_read_that_is_finished_with_the_wrong_bytes_is_lost() {
        let (none, home) = job(Op::Read { at: 0, len: 512 }, None);
        none.finish(Ok(()));
        assert_eq!(home.take().result, Err(DiskError::Lost));
        let (short, home) = job(Op::Read { at: 0, len: 512 }, None);
        short.finish_with(Pages::zeroes(511));
        assert_eq!(home.take().result, Err(DiskError::Lost));
        let (flush, home) = job(Op::Flush, None);
        flush.finish_with(Pages::zeroes(0));
        assert_eq!(home.take().result, Err(DiskError::Lost));
        let (right, home) = job(Op::Read { at: 0, len: 512 }, None);
        right.finish_with(Pages::zeroes(512));
        assert_eq!(home.take().result, Ok(()));
    }

    #[test]
    #[should_panic(expected = "as long as the extent")]
    fn a_write_without_its_bytes_is_our_own_mistake() {
        job(Op::Write { at: 0, len: 512, durable: false }, None);
    }

    #[test]
    fn an_extent_lies_within_the_disk_or_is_refused() {
        let read = |at, len| Op::Read { at, len }.check(1024, false);
        assert_eq!(read(512, 512), Ok(()));
        assert_eq!(read(1024, 0), Ok(()));
        assert_eq!(read(512, 1024), Err(DiskError::OutOfRange));
        assert_eq!(read(u64::MAX, 512), Err(DiskError::OutOfRange));
        assert_eq!(Op::Flush.check(0, true), Ok(()));
        assert_eq!(Op::Discard { at: 0, len: 512 }.check(1024, true), Err(DiskError::ReadOnly));
    }
}
