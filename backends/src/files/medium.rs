//! How jobs become work on one open file, whether the page cache is in between or not.

use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nix::fcntl::FallocateFlags;

use super::options::because;
use super::space;
use super::way::Way;
use super::{DiskFile, FileRing, FileWork};
use crate::{AtomicLimits, Backend, Buffer, Discard, DiskError, Geometry, Job, Op, Run, Usage};

/// An open file or device, and what is known about it.
#[derive(Debug)]
pub(super) struct Medium {
    path: PathBuf,
    is_device: bool,
    file: Arc<DiskFile>,
    geometry: Mutex<Geometry>,
    // Copies of the geometry for the data path.
    bytes: AtomicU64,
    read_only: bool,
    discard: Option<Discard>,
    atomic: Option<AtomicLimits>,
    // With no cache in between there is nothing to fetch into.
    cached: bool,
    can_zero: Arc<ZeroWays>,
}

/// Which ways of zeroing have not failed yet. All threads may find out at once: it does no harm.
#[derive(Debug)]
struct ZeroWays {
    punch: AtomicBool,
    zero_range: AtomicBool,
}

impl Medium {
    pub(super) fn new(path: &Path, file: DiskFile, geometry: Geometry, way: Way) -> io::Result<Self> {
        let is_device = file.file().metadata()?.file_type().is_block_device();
        let can_zero = ZeroWays { punch: AtomicBool::new(true), zero_range: AtomicBool::new(true) };
        Ok(Self {
            path: path.to_owned(),
            is_device,
            file: Arc::new(file),
            bytes: AtomicU64::new(geometry.bytes),
            read_only: geometry.read_only,
            discard: geometry.discard,
            atomic: geometry.atomic,
            cached: way == Way::PageCache,
            can_zero: Arc::new(can_zero),
            geometry: Mutex::new(geometry),
        })
    }

    /// `block /dev/vg0/data O_DIRECT`; through the page cache, everything is a file.
    pub(super) fn describe(&self) -> String {
        let kind = if self.is_device && !self.cached { "block" } else { "file" };
        let direct = if self.cached { "" } else { " O_DIRECT" };
        format!("{kind} {}{direct}", self.path.display())
    }

    pub(super) fn geometry(&self) -> Geometry {
        self.geometry.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks at the length again.
    pub(super) fn refresh(&self) -> io::Result<Geometry> {
        let bytes = length(&self.path, &self.file)?;
        let mut geometry = self.geometry.lock().unwrap_or_else(PoisonError::into_inner);
        geometry.bytes = bytes - bytes % u64::from(geometry.block_size);
        self.bytes.store(geometry.bytes, Ordering::Release);
        Ok(geometry.clone())
    }

    pub(super) fn submit(&self, job: Job, ring: &mut dyn FileRing) {
        let op = job.op();
        if let Err(error) = op.check(self.bytes.load(Ordering::Acquire), self.read_only) {
            return job.finish(Err(error));
        }
        match op {
            // Nothing to move is nothing to ask the kernel for; fallocate even calls it an error.
            _ if op.extent().is_some_and(|(_, len)| len == 0) => job.finish(Ok(())),
            Op::Read { at, .. } => ring.submit(&self.file, FileWork::Read { at }, job),
            Op::Write { at, durable, .. } => ring.submit(&self.file, FileWork::Write { at, durable }, job),
            Op::WriteAtomic { at, len, durable } if self.atomic.is_some_and(|limits| limits.allow(at, len)) => {
                ring.submit(&self.file, FileWork::WriteAtomic { at, durable }, job);
            }
            Op::WriteAtomic { .. } => job.finish(Err(DiskError::Unsupported)),
            Op::Prefetch { at, len } if self.cached => {
                let len = u32::try_from(len.min(PREFETCH_MAX)).expect("a prefetch is short");
                ring.submit(&self.file, FileWork::Prefetch { at, len }, job);
            }
            Op::Prefetch { .. } => job.finish(Ok(())),
            Op::Flush => ring.submit(&self.file, FileWork::Sync, job),
            Op::Discard { at, len } => match self.discard {
                None => job.finish(Err(DiskError::Unsupported)),
                Some(Discard { reads_zero: true, .. }) => {
                    ring.submit(&self.file, FileWork::Allocate { mode: PUNCH.bits(), at, len }, job);
                }
                Some(_) => ring.submit(&self.file, FileWork::Discard { at, len }, job),
            },
            Op::Zero { at, len, may_unmap } => {
                let (file, ways) = (self.file.clone(), self.can_zero.clone());
                ring.elsewhere(job, Box::new(move |_| ways.zero(&file, at, len, may_unmap)));
            }
        }
    }

    pub(super) fn file(&self) -> &Arc<DiskFile> {
        &self.file
    }

    pub(super) fn map(&self, at: u64, len: u64) -> io::Result<Option<Vec<Run>>> {
        let Geometry { block_size, bytes, .. } = self.geometry();
        let end = at.saturating_add(len).min(bytes);
        if at >= end {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // The kernel keeps no map of a device that it would show.
        if self.is_device { Ok(None) } else { space::map(self.file.file(), at, end, block_size) }
    }

    pub(super) fn usage(&self) -> io::Result<Option<Usage>> {
        let bytes = self.bytes.load(Ordering::Acquire);
        if self.is_device { Ok(None) } else { space::usage(self.file.file(), bytes).map(Some) }
    }

    /// Holes stay holes where this medium can have some: a copy of a thin disk is thin.
    pub(super) fn copy_from(&self, source: &dyn Backend, from: u64, at: u64, len: u64) -> io::Result<u64> {
        let (there, here) = (source.geometry(), self.geometry());
        let inside = |at: u64, bytes: u64| at.checked_add(len).is_some_and(|end| end <= bytes);
        if len == 0 || !inside(from, there.bytes) || !inside(at, here.bytes) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if here.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        let run = source.map(from, len)?.and_then(|runs| runs.first().copied());
        let unit = here.block_size.max(there.block_size);
        let len = match run {
            Some(Run { len, mapped: false }) if here.discard.is_some_and(|discard| discard.reads_zero) => {
                let hole = len.min(space::COPY_AT_ONCE) / u64::from(unit) * u64::from(unit);
                if hole > 0 {
                    self.can_zero.zero(&self.file, at, hole, true).map_err(io::Error::other)?;
                    return Ok(hole);
                }
                unit.into()
            }
            Some(Run { len: data, mapped: true }) => data.next_multiple_of(unit.into()).min(len),
            _ => len,
        };
        let file = source.file().filter(|_| !self.is_device).ok_or(io::ErrorKind::Unsupported)?;
        space::copy(file.file(), from, self.file.file(), at, len, unit)
    }

    pub(super) fn detach(&self, ring: &mut dyn FileRing) {
        ring.forget(&self.file);
    }
}

/// Whether holes can be punched into this file: asked at its end, where nothing is lost.
pub(super) fn can_punch(file: &DiskFile, bytes: u64) -> bool {
    file.allocate(PUNCH, bytes, BEYOND_THE_END).is_ok()
}

/// The length of a file or a device, in bytes.
pub(super) fn length(path: &Path, file: &DiskFile) -> io::Result<u64> {
    // Metadata has no length of a device. Nobody uses the position of the file.
    file.file().seek(SeekFrom::End(0)).map_err(|error| because(path, &error, ""))
}

impl ZeroWays {
    /// Zeroes an extent by the cheapest way that the file has.
    fn zero(&self, file: &DiskFile, at: u64, len: u64, may_unmap: bool) -> Result<(), DiskError> {
        let ways = [(&self.punch, PUNCH, may_unmap), (&self.zero_range, ZERO, true)];
        for (works, mode, allowed) in ways {
            if !allowed || !works.load(Ordering::Relaxed) {
                continue;
            }
            match file.allocate(mode, at, len) {
                Err(DiskError::Unsupported) => works.store(false, Ordering::Relaxed),
                // Part of a block of the device, through the page cache: writing can do what this cannot.
                Err(DiskError::Other(libc::EINVAL)) => {}
                result => return result,
            }
        }
        write_zeroes(file, at, len)
    }
}

// The buffer is aligned: the file may have been opened with O_DIRECT.
fn write_zeroes(file: &DiskFile, at: u64, len: u64) -> Result<(), DiskError> {
    let zeroes = Buffer::alone(usize::try_from(len).map_or(ZERO_PIECE, |len| len.min(ZERO_PIECE)));
    let mut done = 0;
    while done < len {
        let piece = usize::try_from(len - done).map_or(ZERO_PIECE, |left| left.min(ZERO_PIECE));
        file.file().write_all_at(&zeroes[..piece], at + done)?;
        done += piece as u64;
    }
    Ok(())
}

/// Gives the space back; reads as zeroes then. On a block device: zeroes by unmapping, never by writing.
const PUNCH: FallocateFlags = FallocateFlags::FALLOC_FL_PUNCH_HOLE.union(FallocateFlags::FALLOC_FL_KEEP_SIZE);

/// Reads as zeroes then and keeps the space. On a block device the kernel writes zeroes where it must.
const ZERO: FallocateFlags = FallocateFlags::FALLOC_FL_ZERO_RANGE.union(FallocateFlags::FALLOC_FL_KEEP_SIZE);

/// Zeroes are written in pieces of this many bytes where nothing better works.
const ZERO_PIECE: usize = 1 << 20;

/// A hint is not to fill all memory: no more of an extent is fetched.
const PREFETCH_MAX: u64 = 64 << 20;

/// What is punched to see whether it works.
const BEYOND_THE_END: u64 = 4096;

/// A disk that is a [`Medium`] and nothing else: the two differ in how it is opened.
macro_rules! is_its_medium {
    ($disk:ty) => {
        impl crate::Backend for $disk {
            fn geometry(&self) -> crate::Geometry {
                self.0.geometry()
            }

            fn submit(&self, job: crate::Job, ring: &mut dyn crate::FileRing) {
                self.0.submit(job, ring);
            }

            fn refresh(&self) -> std::io::Result<crate::Geometry> {
                self.0.refresh()
            }

            fn map(&self, at: u64, len: u64) -> std::io::Result<Option<Vec<crate::Run>>> {
                self.0.map(at, len)
            }

            fn usage(&self) -> std::io::Result<Option<crate::Usage>> {
                self.0.usage()
            }

            fn copy_from(&self, source: &dyn crate::Backend, from: u64, at: u64, len: u64) -> std::io::Result<u64> {
                self.0.copy_from(source, from, at, len)
            }

            fn file(&self) -> Option<&std::sync::Arc<crate::DiskFile>> {
                Some(self.0.file())
            }

            fn detach(&self, ring: &mut dyn crate::FileRing) {
                self.0.detach(ring);
            }

            fn describe(&self) -> String {
                self.0.describe()
            }
        }
    };
}
pub(super) use is_its_medium;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeroes_are_written_where_nothing_better_works() {
        let file = DiskFile::new(tempfile::tempfile().unwrap());
        let len = 2 * ZERO_PIECE as u64 + 512;
        file.file().write_all_at(&vec![7; len as usize + 1024], 0).unwrap();
        let no_way = ZeroWays { punch: AtomicBool::new(false), zero_range: AtomicBool::new(false) };
        no_way.zero(&file, 512, len, true).unwrap();
        let mut all = vec![1; len as usize + 1024];
        file.file().read_exact_at(&mut all, 0).unwrap();
        let zeroes = all.iter().filter(|byte| **byte == 0).count() as u64;
        assert_eq!((zeroes, all[511], all[512 + len as usize]), (len, 7, 7));
    }

    /// Notes what it is given instead of doing it.
    #[derive(Default)]
    struct Notes(Vec<FileWork>, usize);

    impl FileRing for Notes {
        fn submit(&mut self, _file: &Arc<DiskFile>, work: FileWork, job: Job) {
            self.0.push(work);
            job.finish(Err(DiskError::Unsupported));
        }

        fn forget(&mut self, _file: &Arc<DiskFile>) {}

        fn elsewhere(&mut self, job: Job, _work: crate::Work) {
            self.1 += 1;
            job.finish(Err(DiskError::Unsupported));
        }
    }

    fn medium(file: DiskFile, discards_to_zeroes: Option<bool>) -> Medium {
        let with = |reads_zero| Discard { granularity: 512, alignment: 0, max_bytes: 4096, reads_zero };
        let geometry = Geometry { discard: discards_to_zeroes.map(with), ..Geometry::plain(512, 4096) };
        Medium::new(Path::new("medium"), file, geometry, Way::Direct).unwrap()
    }

    #[test]
    fn a_job_becomes_the_work_it_asks_for_and_blocking_work_goes_elsewhere() {
        let file = DiskFile::new(tempfile::tempfile().unwrap());
        let medium = medium(file, Some(true));
        let mut ring = Notes::default();
        let write = |durable| (Op::Write { at: 512, len: 512, durable }, FileWork::Write { at: 512, durable });
        let wanted = [
            (Op::Read { at: 1024, len: 512 }, FileWork::Read { at: 1024 }),
            write(true),
            write(false),
            (Op::Flush, FileWork::Sync),
            (Op::Discard { at: 0, len: 1024 }, FileWork::Allocate { mode: PUNCH.bits(), at: 0, len: 1024 }),
        ];
        let home = Arc::new(crate::testing::Collector::default());
        let mut submit = |op| {
            let buffer = matches!(op, Op::Read { .. } | Op::Write { .. }).then(|| Buffer::alone(512));
            medium.submit(Job::new(op, buffer, 0, home.clone()), &mut ring);
        };
        wanted.iter().for_each(|(op, _)| submit(*op));
        submit(Op::Zero { at: 0, len: 4096, may_unmap: true });
        assert_eq!(ring.0, wanted.map(|(_, work)| work));
        assert_eq!(ring.1, 1, "zeroing may have to write");
    }

    #[test]
    fn an_atomic_write_within_the_limits_goes_to_the_kernel_as_one_and_no_other_does() {
        let mut medium = medium(DiskFile::new(tempfile::tempfile().unwrap()), None);
        let home = Arc::new(crate::testing::Collector::default());
        let submit = |medium: &Medium, at, len| {
            let mut ring = Notes::default();
            let op = Op::WriteAtomic { at, len, durable: true };
            medium.submit(Job::new(op, Some(Buffer::alone(len as usize)), 0, home.clone()), &mut ring);
            assert_eq!(home.take().result, Err(DiskError::Unsupported), "by the ring or without it");
            ring.0
        };
        assert_eq!(submit(&medium, 1024, 1024), [], "the medium has no such writes");
        medium.atomic = Some(AtomicLimits { max_bytes: 2048, granularity: 512, alignment: 512, natural: true });
        assert_eq!(submit(&medium, 1024, 1024), [FileWork::WriteAtomic { at: 1024, durable: true }]);
        assert_eq!(submit(&medium, 512, 1024), []);
        assert_eq!(submit(&medium, 0, 4096), []);
    }

    #[test]
    fn a_prefetch_is_passed_on_where_there_is_a_cache_to_fill_and_no_longer_than_is_sane() {
        let sparse = || {
            let file = tempfile::tempfile().unwrap();
            file.set_len(1 << 30).unwrap();
            DiskFile::new(file)
        };
        let home = Arc::new(crate::testing::Collector::default());
        for (way, wanted) in
            [(Way::PageCache, vec![FileWork::Prefetch { at: 512, len: 64 << 20 }]), (Way::Direct, vec![])]
        {
            let medium = Medium::new(Path::new("medium"), sparse(), Geometry::plain(512, 1 << 30), way).unwrap();
            let submit = |at, len| {
                let mut ring = Notes::default();
                medium.submit(Job::new(Op::Prefetch { at, len }, None, 0, home.clone()), &mut ring);
                (ring.0, home.take().result)
            };
            assert_eq!(submit(512, (1 << 30) - 512).0, wanted);
            assert_eq!(submit(1024, 1 << 30), (vec![], Err(DiskError::OutOfRange)));
            assert_eq!(submit(1024, 0), (vec![], Ok(())));
        }
    }

    #[test]
    fn a_discard_that_promises_no_zeroes_is_left_to_the_device_and_zeroes_never_are() {
        let file = || DiskFile::new(tempfile::tempfile().unwrap());
        let home = Arc::new(crate::testing::Collector::default());
        let submit = |medium: &Medium, op| {
            let mut ring = Notes::default();
            medium.submit(Job::new(op, None, 0, home.clone()), &mut ring);
            (ring.0, ring.1, home.take().result)
        };
        let discard = Op::Discard { at: 512, len: 1024 };
        let unsupported = Err(DiskError::Unsupported);
        let device = medium(file(), Some(false));
        assert_eq!(submit(&device, discard), (vec![FileWork::Discard { at: 512, len: 1024 }], 0, unsupported));
        let zero = Op::Zero { at: 512, len: 1024, may_unmap: true };
        assert_eq!(submit(&device, zero), (vec![], 1, unsupported), "by fallocate or by writing");
        assert_eq!(submit(&device, Op::Discard { at: 512, len: 0 }), (vec![], 0, Ok(())));
        assert_eq!(submit(&device, Op::Discard { at: 4096, len: 512 }), (vec![], 0, Err(DiskError::OutOfRange)));
        assert_eq!(submit(&medium(file(), None), discard), (vec![], 0, unsupported));
    }
}
