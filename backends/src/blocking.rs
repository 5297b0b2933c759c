//! A disk for a plain thread that may wait: asked, and answered when it is done.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::{Backend, Buffer, Data, DiskError, DiskFile, FileRing, FileWork, Finished, Home, Job, Op, Work};

/// A disk that is asked one thing at a time and waited for, whatever thread it finishes its jobs on.
///
/// Long reads and writes go in pieces of [`PIECE`](Self::PIECE) with a buffer of its own, so they are not atomic.
/// Blocking work of the disk is done on the calling thread.
///
/// A job that does not end by its deadline fails as [`DiskError::TimedOut`], and keeps the buffer it was lent until
/// it ends after all. Until then everything else fails so too, at once: a disk that hangs holds one buffer, not one
/// for each attempt.
pub struct Blocking {
    disk: Arc<dyn Backend>,
    ring: Box<dyn FileRing + Send>,
    home: Arc<Porch>,
    deadline: Duration,
    buffer: Option<Buffer>,
    held: Option<Held>,
    /// Of the next job; what comes home under an older one was given up.
    token: u64,
    overdue: bool,
}

/// What a job may have a share in.
type Held = Arc<dyn Any + Send + Sync>;

impl Blocking {
    /// Bytes that one job moves at the most.
    pub const PIECE: usize = 1 << 20;

    /// How long a job may take unless [`within`](Self::within) says otherwise: as patient as initiators are.
    pub const DEADLINE: Duration = Duration::from_secs(30);

    /// Asks `disk`, with work on files done by plain system calls; those know no `BLKDISCARD`, so a
    /// [`discard`](Self::discard) of a device that needs it is [`DiskError::Unsupported`].
    pub fn new(disk: Arc<dyn Backend>) -> Self {
        Self::through(disk, Box::new(Here))
    }

    /// Asks `disk`, with work on files done by `ring`, which must not need to be driven: it finishes what it is
    /// given by itself.
    pub fn through(disk: Arc<dyn Backend>, ring: Box<dyn FileRing + Send>) -> Self {
        let home = Arc::new(Porch::default());
        Self { disk, ring, home, deadline: Self::DEADLINE, buffer: None, held: None, token: 0, overdue: false }
    }

    /// The same, with another time for each job.
    #[must_use]
    pub fn within(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// From now on each job has a share in this until it ends, also one that is given up before: a lock on what the
    /// job writes, for example.
    pub fn hold(&mut self, what: Option<Arc<dyn Any + Send + Sync>>) {
        self.held = what;
    }

    /// The disk itself.
    pub fn disk(&self) -> &Arc<dyn Backend> {
        &self.disk
    }

    /// Fills `into` from offset `at`. Offset and length are whole logical blocks here and below.
    ///
    /// # Errors
    /// What the disk says; then `into` may be filled in part.
    pub fn read(&mut self, at: u64, into: &mut [u8]) -> Result<(), DiskError> {
        let mut at = at;
        for piece in into.chunks_mut(Self::PIECE) {
            let len = length(piece);
            let buffer = if self.disk.shares_pages() { None } else { Some(self.buffer(piece.len())) };
            match self.ask(Op::Read { at, len }, buffer)? {
                Data::Buffer(buffer) => {
                    piece.copy_from_slice(&buffer);
                    self.buffer = Some(buffer);
                }
                Data::Pages(pages) => pages.copy_to(piece),
                Data::None => return Err(DiskError::Lost),
            }
            at = at.saturating_add(len.into());
        }
        Ok(())
    }

    /// Stores `bytes` at offset `at`; durably, if asked: safe from a loss of power when this returns.
    ///
    /// # Errors
    /// What the disk says; then the extent may be written in part.
    pub fn write(&mut self, at: u64, bytes: &[u8], durable: bool) -> Result<(), DiskError> {
        let mut at = at;
        for piece in bytes.chunks(Self::PIECE) {
            let len = length(piece);
            let mut buffer = self.buffer(piece.len());
            buffer.copy_from_slice(piece);
            if let Data::Buffer(buffer) = self.ask(Op::Write { at, len, durable }, Some(buffer))? {
                self.buffer = Some(buffer);
            }
            at = at.saturating_add(len.into());
        }
        Ok(())
    }

    /// Does what needs no bytes: a flush, a discard, zeroes, a prefetch.
    ///
    /// # Errors
    /// What the disk says; [`DiskError::Unsupported`] for what moves bytes.
    pub fn run(&mut self, op: Op) -> Result<(), DiskError> {
        match op {
            Op::Read { .. } | Op::Write { .. } | Op::WriteAtomic { .. } => Err(DiskError::Unsupported),
            Op::Flush | Op::Discard { .. } | Op::Zero { .. } | Op::Prefetch { .. } => self.ask(op, None).map(drop),
        }
    }

    /// Lets `len` bytes from `at` read as zeroes; `may_unmap`: their space may be given back.
    ///
    /// # Errors
    /// What the disk says.
    pub fn zero(&mut self, at: u64, len: u64, may_unmap: bool) -> Result<(), DiskError> {
        self.run(Op::Zero { at, len, may_unmap })
    }

    /// Gives the space of `len` bytes from `at` back where that is easy.
    ///
    /// # Errors
    /// What the disk says.
    pub fn discard(&mut self, at: u64, len: u64) -> Result<(), DiskError> {
        self.run(Op::Discard { at, len })
    }

    /// Makes every write that was finished before safe from a loss of power.
    ///
    /// # Errors
    /// What the disk says.
    pub fn flush(&mut self) -> Result<(), DiskError> {
        self.run(Op::Flush)
    }

    // The pieces of one transfer have one length but for the last, which is shorter: the buffer is used again.
    fn buffer(&mut self, len: usize) -> Buffer {
        let mut buffer = self.buffer.take().filter(|buffer| buffer.len() >= len).unwrap_or_else(|| Buffer::alone(len));
        buffer.truncate(len);
        buffer
    }

    fn ask(&mut self, op: Op, buffer: Option<Buffer>) -> Result<Data, DiskError> {
        if self.overdue {
            self.overdue = self.home.take(self.token, Duration::ZERO).is_none();
            if self.overdue {
                return Err(DiskError::TimedOut);
            }
        }
        self.token += 1;
        let home: Arc<dyn Home> = match &self.held {
            None => self.home.clone(),
            Some(held) => Arc::new(Holding { home: self.home.clone(), _held: held.clone() }),
        };
        self.disk.submit(Job::new(op, buffer, self.token, home), &mut *self.ring);
        match self.home.take(self.token, self.deadline) {
            Some(done) => done.result.map(|()| done.data),
            None => {
                self.overdue = true;
                Err(DiskError::TimedOut)
            }
        }
    }
}

impl fmt::Debug for Blocking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocking").field("disk", &self.disk.describe()).finish_non_exhaustive()
    }
}

fn length(piece: &[u8]) -> u32 {
    u32::try_from(piece.len()).expect("a piece is short")
}

/// Where the jobs of one thread come home.
#[derive(Default)]
struct Porch {
    done: Mutex<VecDeque<Finished>>,
    come: Condvar,
}

impl Porch {
    /// The job of this number, if it comes in time.
    fn take(&self, token: u64, patience: Duration) -> Option<Finished> {
        let until = Instant::now() + patience;
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(next) = done.pop_front() {
                assert_eq!(next.token, token, "one job is out at a time");
                return Some(next);
            }
            let left = until.checked_duration_since(Instant::now())?;
            done = self.come.wait_timeout(done, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Home for Porch {
    fn finished(&self, done: Finished) {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).push_back(done);
        self.come.notify_one();
    }
}

/// Where a job comes home that has a share in something.
struct Holding {
    home: Arc<Porch>,
    _held: Held,
}

impl Home for Holding {
    fn finished(&self, done: Finished) {
        self.home.finished(done);
    }
}

/// A ring that does all work at once, on the thread that submits it.
struct Here;

impl FileRing for Here {
    fn submit(&mut self, file: &Arc<DiskFile>, work: FileWork, mut job: Job) {
        let result = work.perform(file, &mut job);
        job.finish(result);
    }

    fn forget(&mut self, _file: &Arc<DiskFile>) {}

    fn elsewhere(&mut self, mut job: Job, work: Work) {
        let result = work(&mut job);
        job.finish(result);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Create, DiskOptions, Fault, FaultyDisk, FileDisk, MemoryDisk, OpKind, Rule};

    fn file(bytes: u64) -> (tempfile::TempDir, Arc<dyn Backend>) {
        let folder = tempfile::tempdir().unwrap();
        let create = Some(Create { bytes, allocate: false });
        let options = DiskOptions { create, ..DiskOptions::default() };
        let disk = FileDisk::open(folder.path().join("disk"), &options).unwrap();
        (folder, Arc::new(disk))
    }

    #[test]
    fn long_transfers_go_in_pieces_and_come_back_as_they_were() {
        let (_folder, file) = file(8 << 20);
        for disk in [file, Arc::new(MemoryDisk::new(8 << 20))] {
            let mut disk = Blocking::new(disk);
            let data: Vec<u8> = (0..2 * Blocking::PIECE + 512).map(|at| (at / 509) as u8).collect();
            disk.write(1024, &data, false).unwrap();
            disk.write(1024, &data[..512], true).unwrap();
            disk.flush().unwrap();
            let mut back = vec![1; data.len()];
            disk.read(1024, &mut back).unwrap();
            assert!(back == data);
            disk.zero(1024, 512, true).unwrap();
            disk.discard(4096, 4096).unwrap();
            disk.read(512, &mut back[..2048]).unwrap();
            assert_eq!((&back[..1024], &back[1024..2048]), (&[0; 1024][..], &data[512..1536]));
            assert_eq!(disk.read(8 << 20, &mut back[..512]), Err(DiskError::OutOfRange));
            assert_eq!(disk.write(u64::MAX - 511, &data, false), Err(DiskError::OutOfRange));
            assert_eq!(disk.run(Op::Read { at: 0, len: 512 }), Err(DiskError::Unsupported));
            assert_eq!((disk.read(0, &mut []), disk.write(0, &[], true)), (Ok(()), Ok(())));
        }
    }

    #[test]
    fn a_disk_that_finishes_on_another_thread_is_waited_for() {
        let late = FaultyDisk::new(MemoryDisk::new(1 << 20));
        late.add(Rule::new(Fault::Delay(Duration::from_millis(30))));
        let mut disk = Blocking::new(Arc::new(late));
        let began = Instant::now();
        disk.write(0, &[7; 512], false).unwrap();
        assert!(began.elapsed() >= Duration::from_millis(30));
        let mut back = [0; 512];
        disk.read(0, &mut back).unwrap();
        assert_eq!(back, [7; 512]);
    }

    #[test]
    fn a_job_that_hangs_is_given_up_and_nothing_more_is_asked_before_it_has_ended() {
        let faulty = Arc::new(FaultyDisk::new(MemoryDisk::new(1 << 20)));
        faulty.add(Rule::new(Fault::Hang).on(OpKind::Write).times(1));
        let mut disk = Blocking::new(faulty.clone()).within(Duration::from_millis(20));
        assert_eq!(disk.write(0, &[7; 512], false), Err(DiskError::TimedOut));
        assert_eq!(disk.flush(), Err(DiskError::TimedOut));
        assert_eq!(faulty.hanging(), 1);
        faulty.fail_hanging(DiskError::Medium);
        assert_eq!(disk.flush(), Ok(()), "its late end is no answer to anything else");
        assert_eq!(disk.write(0, &[7; 512], false), Ok(()));
    }

    #[test]
    fn what_a_job_has_a_share_in_is_let_go_of_when_it_ends_and_not_when_it_is_given_up() {
        let faulty = Arc::new(FaultyDisk::new(MemoryDisk::new(1 << 20)));
        faulty.add(Rule::new(Fault::Hang).on(OpKind::Write).times(1));
        let mut disk = Blocking::new(faulty.clone()).within(Duration::from_millis(20));
        let lock = Arc::new(());
        disk.hold(Some(lock.clone()));
        assert_eq!(disk.write(0, &[7; 512], false), Err(DiskError::TimedOut));
        disk.hold(None);
        assert_eq!(Arc::strong_count(&lock), 2, "the write may still be done");
        faulty.fail_hanging(DiskError::Medium);
        assert_eq!(Arc::strong_count(&lock), 1);
        disk.hold(Some(lock.clone()));
        disk.write(0, &[7; 512], false).unwrap();
        disk.hold(None);
        assert_eq!(Arc::strong_count(&lock), 1);
    }

    #[test]
    fn a_job_that_is_lost_fails_at_once() {
        let faulty = FaultyDisk::new(MemoryDisk::new(1 << 20));
        faulty.add(Rule::new(Fault::Lose).times(1));
        let mut disk = Blocking::new(Arc::new(faulty));
        assert_eq!(disk.read(0, &mut [0; 512]), Err(DiskError::Lost));
        assert_eq!(disk.read(0, &mut [0; 512]), Ok(()));
    }
}
