//! What tests of a disk need: a ring that does everything at once, and a way to ask and be answered.
//!
//! For this crate's own tests and for those of other implementors of [`Backend`].

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::{Backend, Buffer, Data, DiskError, DiskFile, FileRing, FileWork, Finished, Home, Job, Op, Work};

/// A ring that does all work at once, on the thread that submits it.
///
/// But for [`FileWork::Discard`], which is only noted ([`InlineRing::discarded`]) and finishes well: nothing is
/// promised about what such an extent holds afterwards, so what it held before is as right as anything.
#[derive(Debug, Default)]
pub struct InlineRing {
    forgotten: Vec<u32>,
    discarded: Vec<(u64, u64)>,
}

impl InlineRing {
    /// The numbers of the files that were forgotten.
    pub fn forgotten(&self) -> &[u32] {
        &self.forgotten
    }

    /// Where the extents of [`FileWork::Discard`] begin and how long they are, in bytes, in the order in which
    /// they came.
    pub fn discarded(&self) -> &[(u64, u64)] {
        &self.discarded
    }
}

impl FileRing for InlineRing {
    fn submit(&mut self, file: &Arc<DiskFile>, work: FileWork, mut job: Job) {
        let result = match work {
            FileWork::Discard { at, len } => {
                self.discarded.push((at, len));
                Ok(())
            }
            work => work.perform(file, &mut job),
        };
        job.finish(result);
    }

    fn forget(&mut self, file: &Arc<DiskFile>) {
        self.forgotten.push(file.id());
    }

    fn elsewhere(&mut self, mut job: Job, work: Work) {
        let result = work(&mut job);
        job.finish(result);
    }
}

/// Where finished jobs of a test go.
#[derive(Debug, Default)]
pub struct Collector {
    done: Mutex<VecDeque<Finished>>,
    come: Condvar,
}

impl Collector {
    /// The next finished job.
    ///
    /// # Panics
    /// If none comes within [`Collector::PATIENCE`].
    pub fn take(&self) -> Finished {
        self.take_within(Self::PATIENCE).expect("a job finishes in time")
    }

    /// The next finished job, if one comes within `patience`.
    pub fn take_within(&self, patience: Duration) -> Option<Finished> {
        let until = Instant::now() + patience;
        let mut done = self.lock();
        loop {
            if let Some(next) = done.pop_front() {
                return Some(next);
            }
            let left = until.checked_duration_since(Instant::now())?;
            done = self.come.wait_timeout(done, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// True when no finished job waits.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// How long a test waits for a job before it has failed.
    pub const PATIENCE: Duration = Duration::from_secs(20);

    fn lock(&self) -> MutexGuard<'_, VecDeque<Finished>> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Home for Collector {
    fn finished(&self, done: Finished) {
        self.lock().push_back(done);
        self.come.notify_one();
    }
}

/// Asks a disk one thing at a time and waits for its answer. Several threads may ask at once.
#[derive(Debug)]
pub struct Driver<B> {
    disk: B,
}

impl<B: Backend> Driver<B> {
    /// Drives `disk`.
    pub fn new(disk: B) -> Self {
        Self { disk }
    }

    /// The disk itself.
    pub fn disk(&self) -> &B {
        &self.disk
    }

    /// Reads `len` bytes as an engine does: without a buffer where the disk shares its pages.
    ///
    /// # Errors
    /// What the disk says.
    pub fn read(&self, at: u64, len: usize) -> Result<Vec<u8>, DiskError> {
        let buffer = if self.disk.shares_pages() { None } else { Some(old_content(len)) };
        self.ask(read(at, len), buffer).map(bytes)
    }

    /// Reads into a buffer even where the disk shares its pages.
    ///
    /// # Errors
    /// What the disk says.
    pub fn read_into_buffer(&self, at: u64, len: usize) -> Result<Vec<u8>, DiskError> {
        self.ask(read(at, len), Some(old_content(len))).map(bytes)
    }

    /// Reads, and keeps what the disk answers with as it is.
    ///
    /// # Errors
    /// What the disk says.
    pub fn read_data(&self, at: u64, len: usize) -> Result<Data, DiskError> {
        let buffer = if self.disk.shares_pages() { None } else { Some(old_content(len)) };
        self.ask(read(at, len), buffer)
    }

    /// Writes, not durably.
    ///
    /// # Errors
    /// What the disk says.
    pub fn write(&self, at: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.put(at, bytes, false)
    }

    /// Writes durably.
    ///
    /// # Errors
    /// What the disk says.
    pub fn write_durably(&self, at: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.put(at, bytes, true)
    }

    /// Writes whole or not at all, not durably.
    ///
    /// # Errors
    /// What the disk says.
    pub fn write_atomic(&self, at: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let (buffer, len) = filled(bytes);
        self.ask(Op::WriteAtomic { at, len, durable: false }, Some(buffer)).map(drop)
    }

    /// Does what needs no bytes.
    ///
    /// # Errors
    /// What the disk says.
    pub fn run(&self, op: Op) -> Result<(), DiskError> {
        self.ask(op, None).map(drop)
    }

    fn put(&self, at: u64, bytes: &[u8], durable: bool) -> Result<(), DiskError> {
        let (buffer, len) = filled(bytes);
        self.ask(Op::Write { at, len, durable }, Some(buffer)).map(drop)
    }

    fn ask(&self, op: Op, buffer: Option<Buffer>) -> Result<Data, DiskError> {
        let home = Arc::new(Collector::default());
        self.disk.submit(Job::new(op, buffer, TOKEN, home.clone()), &mut InlineRing::default());
        let done = home.take();
        assert_eq!(done.token, TOKEN);
        done.result.map(|()| done.data)
    }
}

fn filled(bytes: &[u8]) -> (Buffer, u32) {
    let mut buffer = Buffer::alone(bytes.len());
    buffer.copy_from_slice(bytes);
    (buffer, u32::try_from(bytes.len()).expect("a write is shorter than 4 GiB"))
}

fn read(at: u64, len: usize) -> Op {
    Op::Read { at, len: u32::try_from(len).expect("a read is shorter than 4 GiB") }
}

// What a pool lends holds old bytes: a read that does not fill its buffer shows them.
fn old_content(len: usize) -> Buffer {
    let mut buffer = Buffer::alone(len);
    buffer.fill(0xA5);
    buffer
}

fn bytes(data: Data) -> Vec<u8> {
    match data {
        Data::None => panic!("a read brings bytes"),
        Data::Buffer(buffer) => buffer.to_vec(),
        Data::Pages(pages) => pages.to_vec(),
    }
}

const TOKEN: u64 = 0x5EED;
