//! A disk that holds jobs back until it is told to do them: for looking at what happens meanwhile.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ferrite_backends::testing::InlineRing;
use ferrite_backends::{Backend, FileRing, Geometry, Job, MemoryDisk, Op, OpKind};

/// See the module.
pub(crate) struct Gate {
    disk: MemoryDisk,
    rules: Mutex<Vec<(OpKind, Range<u64>)>>,
    held: Mutex<Vec<Job>>,
    passed: Mutex<Vec<Op>>,
    panics: AtomicBool,
}

impl Gate {
    pub(crate) fn new(bytes: u64) -> Self {
        Self {
            disk: MemoryDisk::new(bytes),
            rules: Mutex::default(),
            held: Mutex::default(),
            passed: Mutex::default(),
            panics: AtomicBool::new(false),
        }
    }

    /// Holds back what is of this kind and touches these bytes.
    pub(crate) fn close(&self, kind: OpKind, bytes: Range<u64>) {
        self.rules.lock().unwrap().push((kind, bytes));
    }

    /// Holds nothing back any more, and does what was held, in the order it came.
    pub(crate) fn open(&self) {
        self.rules.lock().unwrap().clear();
        let held = std::mem::take(&mut *self.held.lock().unwrap());
        for job in held {
            self.submit(job, &mut InlineRing::default());
        }
    }

    /// Waits until as many jobs are held.
    pub(crate) fn holds(&self, count: usize) {
        let until = Instant::now() + Duration::from_secs(10);
        while self.held.lock().unwrap().len() != count {
            assert!(Instant::now() < until, "{} are held, not {count}", self.held.lock().unwrap().len());
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// What was done since the last time this was asked.
    pub(crate) fn passed(&self) -> Vec<Op> {
        std::mem::take(&mut *self.passed.lock().unwrap())
    }

    /// The next shard that looks at this disk fails.
    pub(crate) fn fail_a_shard(&self) {
        self.panics.store(true, Ordering::Release);
    }
}

impl Backend for Gate {
    fn geometry(&self) -> Geometry {
        self.disk.geometry()
    }

    fn submit(&self, job: Job, ring: &mut dyn FileRing) {
        let (kind, extent) = (job.op().kind(), job.op().extent());
        let fits = |(of, bytes): &(OpKind, Range<u64>)| {
            *of == kind && extent.is_some_and(|(at, len)| at < bytes.end && at + len > bytes.start)
        };
        if self.rules.lock().unwrap().iter().any(fits) {
            self.held.lock().unwrap().push(job);
        } else {
            self.passed.lock().unwrap().push(job.op());
            self.disk.submit(job, ring);
        }
    }

    fn refresh(&self) -> std::io::Result<Geometry> {
        Ok(self.geometry())
    }

    fn shares_pages(&self) -> bool {
        assert!(!self.panics.swap(false, Ordering::AcqRel), "on purpose, and not where a disk is given a job");
        false
    }

    fn describe(&self) -> String {
        "gate".to_owned()
    }
}
