//! How a disk that is a file hands its work over: to whoever moves blocks for the calling thread.

use std::fmt;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use nix::fcntl::{FallocateFlags, PosixFadviseAdvice, fallocate, posix_fadvise};
use rustix::io::{ReadWriteFlags, pwritev2};

use crate::{DiskError, Job, Work};

/// Moves blocks between files and the buffers of jobs for one thread: an `io_uring`, or a few threads.
pub trait FileRing {
    /// Does `work` on `file` with the buffer of `job`, then finishes the job.
    fn submit(&mut self, file: &Arc<DiskFile>, work: FileWork, job: Job);

    /// No more work comes for `file`: let go of what was registered for it.
    fn forget(&mut self, file: &Arc<DiskFile>);

    /// Runs blocking work on a helper thread, then finishes the job with its result.
    fn elsewhere(&mut self, job: Job, work: Work);
}

/// Work on a file. Reads and writes move the buffer of the job whole, however often the kernel stops
/// short; a read that meets the end of the file fails as [`DiskError::OutOfRange`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileWork {
    /// Fill the buffer from offset `at`.
    Read {
        /// Where to begin, in bytes.
        at: u64,
    },
    /// Store the buffer at offset `at`.
    Write {
        /// Where to begin, in bytes.
        at: u64,
        /// The data must be safe from a loss of power (`RWF_DSYNC`).
        durable: bool,
    },
    /// Store the buffer at offset `at` whole or not at all (`RWF_ATOMIC`).
    WriteAtomic {
        /// Where to begin, in bytes.
        at: u64,
        /// The data must be safe from a loss of power (`RWF_DSYNC`).
        durable: bool,
    },
    /// Read into the page cache, soon (`POSIX_FADV_WILLNEED`).
    Prefetch {
        /// Where to begin, in bytes.
        at: u64,
        /// How many bytes.
        len: u32,
    },
    /// Make what was written before safe from a loss of power (`fdatasync`).
    Sync,
    /// `fallocate(2)`.
    Allocate {
        /// Its `FALLOC_FL_*` bits.
        mode: i32,
        /// Where to begin, in bytes.
        at: u64,
        /// How many bytes.
        len: u64,
    },
    /// `BLKDISCARD`: a block device may forget this extent, and what it reads as afterwards is undefined.
    /// It blocks, so a ring runs it on a helper thread. [`DiskError::Unsupported`] on anything that is no
    /// block device.
    Discard {
        /// Where to begin, in bytes; a multiple of the device's logical block.
        at: u64,
        /// How many bytes; a multiple of the device's logical block.
        len: u64,
    },
}

impl FileWork {
    /// Does the work at once, on the calling thread, by plain system calls: what a thread of a ring runs.
    ///
    /// A durable write is a write and an `fdatasync`, which does more than `RWF_DSYNC` and never less.
    ///
    /// # Errors
    /// What the kernel said; [`DiskError::OutOfRange`] where a read met the end of the file;
    /// [`DiskError::Unsupported`] for [`FileWork::Discard`], which no safe call does: rings do it themselves.
    pub fn perform(self, file: &DiskFile, job: &mut Job) -> Result<(), DiskError> {
        match self {
            Self::Read { at } => Ok(file.file.read_exact_at(job.buffer(), at)?),
            Self::Write { at, durable } => {
                file.file.write_all_at(job.buffer(), at)?;
                if durable { Ok(file.file.sync_data()?) } else { Ok(()) }
            }
            Self::WriteAtomic { at, durable } => write_atomic(file, at, job.buffer(), durable),
            Self::Prefetch { at, len } => {
                let at = i64::try_from(at).map_err(|_| DiskError::OutOfRange)?;
                Ok(posix_fadvise(file, at, len.into(), PosixFadviseAdvice::POSIX_FADV_WILLNEED)?)
            }
            Self::Sync => Ok(file.file.sync_data()?),
            Self::Allocate { mode, at, len } => file.allocate(FallocateFlags::from_bits_retain(mode), at, len),
            Self::Discard { .. } => Err(DiskError::Unsupported),
        }
    }
}

/// The kernel's flags of such a write: the same for every way of handing it over.
fn write_flags(durable: bool) -> ReadWriteFlags {
    let atomic = ReadWriteFlags::from_bits_retain(RWF_ATOMIC);
    if durable { atomic | ReadWriteFlags::DSYNC } else { atomic }
}

fn write_atomic(file: &DiskFile, at: u64, bytes: &[u8], durable: bool) -> Result<(), DiskError> {
    let written = loop {
        match pwritev2(file, &[IoSlice::new(bytes)], at, write_flags(durable)) {
            Err(rustix::io::Errno::INTR) => {}
            result => break result.map_err(io::Error::from)?,
        }
    };
    // All or nothing; anything between would be the kernel's mistake, and not to be hidden.
    if written == bytes.len() { Ok(()) } else { Err(DiskError::Medium) }
}

/// `RWF_ATOMIC` of linux/fs.h, since Linux 6.11; older kernels say `EOPNOTSUPP`.
const RWF_ATOMIC: u32 = 0x40;

/// An open file that disk work is done on.
///
/// Its [`id`](Self::id) is the lowest that no other live file has, so that a ring can keep a table of
/// registered files by it. A ring that does must keep the [`Arc`] until [`FileRing::forget`]: while it
/// does, no other file gets that number.
pub struct DiskFile {
    file: File,
    id: u32,
}

impl DiskFile {
    /// Takes the file and gives it a number.
    pub fn new(file: File) -> Self {
        Self { file, id: IDS.lock().unwrap_or_else(PoisonError::into_inner).take() }
    }

    /// A small number that no other live file has.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The file itself.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// `fallocate(2)`, again where a signal came between.
    pub(crate) fn allocate(&self, mode: FallocateFlags, at: u64, len: u64) -> Result<(), DiskError> {
        let offset = |bytes: u64| i64::try_from(bytes).map_err(|_| DiskError::OutOfRange);
        let (at, len) = (offset(at)?, offset(len)?);
        loop {
            match fallocate(&self.file, mode, at, len) {
                Err(nix::Error::EINTR) => {}
                result => return Ok(result?),
            }
        }
    }
}

impl AsFd for DiskFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl AsRawFd for DiskFile {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

impl Drop for DiskFile {
    fn drop(&mut self) {
        IDS.lock().unwrap_or_else(PoisonError::into_inner).give_back(self.id);
    }
}

impl fmt::Debug for DiskFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskFile").field("id", &self.id).field("fd", &self.file.as_raw_fd()).finish()
    }
}

/// Numbers of live files: one bit each, lowest first. Limited by the process's limit on open files.
struct Ids(Vec<u64>);

static IDS: Mutex<Ids> = Mutex::new(Ids(Vec::new()));

impl Ids {
    fn take(&mut self) -> u32 {
        let word = self.0.iter().position(|word| *word != u64::MAX).unwrap_or_else(|| {
            self.0.push(0);
            self.0.len() - 1
        });
        let bit = self.0[word].trailing_ones();
        self.0[word] |= 1 << bit;
        u32::try_from(word).expect("there are fewer open files") * u64::BITS + bit
    }

    fn give_back(&mut self, id: u32) {
        let (word, mask) = ((id / u64::BITS) as usize, 1 << (id % u64::BITS));
        assert!(self.0[word] & mask != 0, "the number was taken");
        self.0[word] &= !mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_number_is_given_and_given_again() {
        let mut ids = Ids(Vec::new());
        let taken: Vec<u32> = (0..130).map(|_| ids.take()).collect();
        assert_eq!(taken, (0..130).collect::<Vec<_>>());
        ids.give_back(129);
        ids.give_back(64);
        assert_eq!((ids.take(), ids.take(), ids.take()), (64, 129, 130));
    }

    #[test]
    fn live_files_have_numbers_of_their_own() {
        let file = || DiskFile::new(tempfile::tempfile().unwrap());
        let (one, two) = (file(), file());
        assert_ne!(one.id(), two.id());
    }

    #[test]
    fn a_discard_is_nothing_that_a_plain_call_does() {
        let file = Arc::new(DiskFile::new(tempfile::tempfile().unwrap()));
        let home = Arc::new(crate::testing::Collector::default());
        let work = FileWork::Discard { at: 512, len: 1024 };
        let job = || Job::new(crate::Op::Discard { at: 512, len: 1024 }, None, 0, home.clone());
        assert_eq!(work.perform(&file, &mut job()), Err(DiskError::Unsupported));
        assert_eq!(home.take().result, Err(DiskError::Lost), "perform finishes no job");
        let mut ring = crate::testing::InlineRing::default();
        ring.submit(&file, work, job());
        assert_eq!((ring.discarded(), home.take().result), (&[(512, 1024)][..], Ok(())));
    }

    #[test]
    fn a_write_that_the_kernel_cannot_do_whole_or_not_at_all_is_not_done() {
        // Not past the page cache, so that no kernel can.
        let file = DiskFile::new(tempfile::tempfile().unwrap());
        let home = Arc::new(crate::testing::Collector::default());
        for durable in [false, true] {
            let op = crate::Op::WriteAtomic { at: 0, len: 4096, durable };
            let mut job = Job::new(op, Some(crate::Buffer::alone(4096)), 0, home.clone());
            assert_eq!(FileWork::WriteAtomic { at: 0, durable }.perform(&file, &mut job), Err(DiskError::Unsupported));
        }
        assert_eq!(file.file().metadata().unwrap().len(), 0);
    }

    #[test]
    fn a_prefetch_of_a_file_changes_nothing_and_ends_well() {
        let file = DiskFile::new(tempfile::tempfile().unwrap());
        file.file().write_all_at(&[7; 8192], 0).unwrap();
        let home = Arc::new(crate::testing::Collector::default());
        let mut job = Job::new(crate::Op::Prefetch { at: 0, len: 8192 }, None, 0, home);
        assert_eq!(FileWork::Prefetch { at: 512, len: 4096 }.perform(&file, &mut job), Ok(()));
        let beyond = FileWork::Prefetch { at: u64::MAX, len: 512 }.perform(&file, &mut job);
        assert_eq!(beyond, Err(DiskError::OutOfRange));
    }

    #[test]
    fn an_extent_beyond_what_the_kernel_counts_is_out_of_range() {
        let file = DiskFile::new(tempfile::tempfile().unwrap());
        assert_eq!(file.allocate(FallocateFlags::empty(), u64::MAX, 1), Err(DiskError::OutOfRange));
    }
}
