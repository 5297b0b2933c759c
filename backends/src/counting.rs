//! A disk that counts what it is asked.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Backend, DiskFile, FileRing, Geometry, Job, OpKind, Run, Usage};

/// Counts the jobs that another disk is given, and otherwise leaves them alone.
#[derive(Debug)]
pub struct CountingDisk<B> {
    disk: B,
    /// By the number of the kind.
    counters: [Counter; OpKind::ALL.len()],
}

/// How often something was asked, and for how many bytes in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Jobs.
    pub jobs: u64,
    /// Bytes of their extents, whether or not they succeeded; none for flushes.
    pub bytes: u64,
}

#[derive(Debug, Default)]
struct Counter {
    jobs: AtomicU64,
    bytes: AtomicU64,
}

impl<B: Backend> CountingDisk<B> {
    /// Counts for `disk` from zero.
    pub fn new(disk: B) -> Self {
        Self { disk, counters: Default::default() }
    }

    /// What was asked so far of this kind.
    pub fn counts(&self, kind: OpKind) -> Counts {
        let counter = self.counter(kind);
        let (jobs, bytes) = (&counter.jobs, &counter.bytes);
        Counts { jobs: jobs.load(Ordering::Relaxed), bytes: bytes.load(Ordering::Relaxed) }
    }

    fn counter(&self, kind: OpKind) -> &Counter {
        &self.counters[kind as usize]
    }
}

impl<B: Backend> Backend for CountingDisk<B> {
    fn geometry(&self) -> Geometry {
        self.disk.geometry()
    }

    fn submit(&self, job: Job, ring: &mut dyn FileRing) {
        let counter = self.counter(job.op().kind());
        let bytes = job.op().extent().map_or(0, |(_, len)| len);
        counter.jobs.fetch_add(1, Ordering::Relaxed);
        counter.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.disk.submit(job, ring);
    }

    fn refresh(&self) -> io::Result<Geometry> {
        self.disk.refresh()
    }

    fn shares_pages(&self) -> bool {
        self.disk.shares_pages()
    }

    fn map(&self, at: u64, len: u64) -> io::Result<Option<Vec<Run>>> {
        self.disk.map(at, len)
    }

    fn usage(&self) -> io::Result<Option<Usage>> {
        self.disk.usage()
    }

    fn copy_from(&self, source: &dyn Backend, from: u64, at: u64, len: u64) -> io::Result<u64> {
        self.disk.copy_from(source, from, at, len)
    }

    fn file(&self) -> Option<&Arc<DiskFile>> {
        self.disk.file()
    }

    fn detach(&self, ring: &mut dyn FileRing) {
        self.disk.detach(ring);
    }

    fn describe(&self) -> String {
        format!("{}, counted", self.disk.describe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Driver;
    use crate::{MemoryDisk, Op};

    #[test]
    fn each_kind_is_counted_for_itself_and_the_disk_answers_as_before() {
        let disk = Driver::new(CountingDisk::new(MemoryDisk::new(1 << 20)));
        disk.write(0, &[7; 1024]).unwrap();
        disk.write(1024, &[7; 512]).unwrap();
        assert_eq!(disk.read(512, 1024).unwrap(), [7; 1024]);
        disk.run(Op::Flush).unwrap();
        disk.run(Op::Discard { at: 0, len: 4096 }).unwrap();
        let counts = |kind| {
            let counts = disk.disk().counts(kind);
            (counts.jobs, counts.bytes)
        };
        assert_eq!(counts(OpKind::Write), (2, 1536));
        assert_eq!(counts(OpKind::Read), (1, 1024));
        assert_eq!(counts(OpKind::Flush), (1, 0));
        assert_eq!(counts(OpKind::Discard), (1, 4096));
        assert_eq!(counts(OpKind::Zero), (0, 0));
        disk.run(Op::Prefetch { at: 0, len: 512 }).unwrap();
        assert_eq!(counts(OpKind::Prefetch), (1, 512));
        assert!(OpKind::ALL.iter().enumerate().all(|(number, kind)| *kind as usize == number));
    }
}
