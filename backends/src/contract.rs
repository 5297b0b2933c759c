//! What every disk promises: to finish each job it is given, and to say what it is and what it holds.

use std::io;
use std::sync::Arc;

use crate::{DiskError, DiskFile, FileRing, Geometry, Job};

/// A disk. Implement this to serve storage of your own.
///
/// One disk is used by several threads at once, each with its own [`FileRing`]. The order in which jobs
/// take effect is free except where one was finished before the other was submitted; but a read never
/// sees half of one write to the same logical block.
pub trait Backend: Send + Sync + 'static {
    /// What this disk is like, as of its opening or its last [`refresh`](Self::refresh).
    fn geometry(&self) -> Geometry;

    /// Takes a job. Must not block: finish it now, hand it to `ring`, or send it elsewhere.
    ///
    /// The extent of the job may lie beyond the end of the disk: fail it with
    /// [`DiskError::OutOfRange`] ([`Op::check`](crate::Op::check) does the arithmetic).
    fn submit(&self, job: Job, ring: &mut dyn FileRing);

    /// Looks at the medium again after it may have changed its size, and returns what is true now. May
    /// block: it is called by the control plane only.
    ///
    /// # Errors
    /// The medium could not be looked at; the geometry stays as it was.
    fn refresh(&self) -> io::Result<Geometry>;

    /// True when reads are answered from the disk's own pages by [`Job::finish_with`]: then they come
    /// without a buffer. A disk that says false always gets a buffer with a read.
    fn shares_pages(&self) -> bool {
        false
    }

    /// Which parts of `at..at + len` have space of their own: runs without a gap that begin at `at`, at least one,
    /// and that may end early (at [`RUNS_MAX`] at the latest). `None`: this disk cannot tell. May block.
    ///
    /// # Errors
    /// The medium could not be asked.
    fn map(&self, at: u64, len: u64) -> io::Result<Option<Vec<Run>>> {
        let _ = (at, len);
        Ok(None)
    }

    /// How much space this disk takes, and how much it may still get. `None`: it cannot tell. May block.
    ///
    /// # Errors
    /// The medium could not be asked.
    fn usage(&self) -> io::Result<Option<Usage>> {
        Ok(None)
    }

    /// Copies up to `len` bytes that begin at `from` of `source` to `at` of this disk without moving them through
    /// this process, and says how many that were: whole logical blocks of both, at least one. Call it again for the
    /// rest. The copy is not durable before a flush. Blocks for as long as that takes.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] where this cannot be done between these two disks, or not for this extent:
    /// then nothing was written, and the bytes must be read and written. Anything else is a failure of a disk.
    fn copy_from(&self, source: &dyn Backend, from: u64, at: u64, len: u64) -> io::Result<u64> {
        let _ = (source, from, at, len);
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The open file that holds exactly the bytes of this disk, where there is one.
    fn file(&self) -> Option<&Arc<DiskFile>> {
        None
    }

    /// No more jobs come by way of `ring`: let it forget the files it was given.
    fn detach(&self, ring: &mut dyn FileRing) {
        let _ = ring;
    }

    /// What this is, for people: `block /dev/vg0/data O_DIRECT`.
    fn describe(&self) -> String;
}

/// A shared disk is a disk: whoever keeps a clone can look at it while it is served.
impl<B: Backend + ?Sized> Backend for Arc<B> {
    fn geometry(&self) -> Geometry {
        (**self).geometry()
    }

    fn submit(&self, job: Job, ring: &mut dyn FileRing) {
        (**self).submit(job, ring);
    }

    fn refresh(&self) -> io::Result<Geometry> {
        (**self).refresh()
    }

    fn shares_pages(&self) -> bool {
        (**self).shares_pages()
    }

    fn map(&self, at: u64, len: u64) -> io::Result<Option<Vec<Run>>> {
        (**self).map(at, len)
    }

    fn usage(&self) -> io::Result<Option<Usage>> {
        (**self).usage()
    }

    fn copy_from(&self, source: &dyn Backend, from: u64, at: u64, len: u64) -> io::Result<u64> {
        (**self).copy_from(source, from, at, len)
    }

    fn file(&self) -> Option<&Arc<DiskFile>> {
        (**self).file()
    }

    fn detach(&self, ring: &mut dyn FileRing) {
        (**self).detach(ring);
    }

    fn describe(&self) -> String {
        (**self).describe()
    }
}

/// Bytes that have space, or have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// How many bytes, never none.
    pub len: u64,
    /// They have space and hold what was written. Else they read as zeroes and may need space to be written: a
    /// file system does not tell whether it has set that aside.
    pub mapped: bool,
}

/// The space of a disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// What it takes.
    pub used: u64,
    /// What it may still get, as long as nobody else takes it.
    pub available: u64,
}

/// Builds a map: runs in order, neighbours of one kind as one, [`RUNS_MAX`] at the most.
#[derive(Debug)]
pub(crate) struct Runs {
    list: Vec<Run>,
    at: u64,
}

impl Runs {
    /// None yet, of a map that begins at `at`.
    pub(crate) fn from(at: u64) -> Self {
        Self { list: Vec::new(), at }
    }

    /// How far the map reaches.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// Up to `end`, if that is farther, the bytes are of this kind. False when there is no room for another run: then
    /// nothing is added any more.
    pub(crate) fn until(&mut self, end: u64, mapped: bool) -> bool {
        let len = end.saturating_sub(self.at);
        let room = self.list.len() < RUNS_MAX;
        match self.list.last_mut() {
            _ if len == 0 => return true,
            Some(last) if last.mapped == mapped => last.len += len,
            _ if room => self.list.push(Run { len, mapped }),
            _ => return false,
        }
        self.at = end;
        true
    }

    /// The map.
    pub(crate) fn list(self) -> Vec<Run> {
        self.list
    }
}

/// A map names this many runs at the most.
pub const RUNS_MAX: usize = 4096;

/// Blocking work on a job; the job is finished with what it returns.
pub type Work = Box<dyn FnOnce(&mut Job) -> Result<(), DiskError> + Send>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_joins_neighbours_of_a_kind_and_ends_at_its_limit() {
        let mut runs = Runs::from(10);
        assert!(runs.until(10, true) && runs.until(20, true) && runs.until(15, false) && runs.until(30, true));
        assert_eq!(runs.list(), [Run { len: 20, mapped: true }]);
        let mut runs = Runs::from(0);
        assert!((1..=RUNS_MAX as u64).all(|end| runs.until(end, end % 2 == 0)));
        assert!(runs.until(RUNS_MAX as u64 + 5, true), "the last run may still grow");
        assert!(!runs.until(RUNS_MAX as u64 + 6, false));
        assert_eq!((runs.at(), runs.list().len()), (RUNS_MAX as u64 + 5, RUNS_MAX));
    }
}
