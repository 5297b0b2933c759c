//! A disk that is late, and chance that can be had again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use ferrite_backends::testing::InlineRing;
use ferrite_backends::{Backend, FileRing, Geometry, Job, MemoryDisk, Usage};

/// How long a [`Late`] disk takes at the most, where nothing else is said.
pub(crate) const LATEST: Duration = Duration::from_millis(6);

/// A disk that does what it is asked some while later: a write that was given up may still land.
pub(crate) struct Late {
    disk: Arc<MemoryDisk>,
    to: Sender<Job>,
}

impl Late {
    pub(crate) fn new(bytes: u64, seed: u64) -> Self {
        Self::within(LATEST, bytes, seed)
    }

    /// One that takes `latest` at the most for a job.
    pub(crate) fn within(latest: Duration, bytes: u64, seed: u64) -> Self {
        let disk = Arc::new(MemoryDisk::new(bytes));
        let (to, jobs) = channel::<Job>();
        let (own, mut dice) = (disk.clone(), Dice(seed | 1));
        thread::spawn(move || {
            let mut due: BTreeMap<(Instant, u64), Job> = BTreeMap::new();
            let mut open = true;
            while open || !due.is_empty() {
                let now = Instant::now();
                while let Some(first) = due.first_entry().filter(|first| first.key().0 <= now) {
                    own.submit(first.remove(), &mut InlineRing::default());
                }
                match jobs.recv_timeout(Duration::from_millis(1)) {
                    Ok(job) => {
                        let key = (Instant::now() + latest.mul_f64(dice.below(1000) as f64 / 1000.0), dice.next());
                        due.insert(key, job);
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => open = false,
                }
            }
        });
        Self { disk, to }
    }
}

impl Backend for Late {
    fn geometry(&self) -> Geometry {
        Geometry { write_cache: true, ..self.disk.geometry() }
    }

    fn submit(&self, job: Job, _ring: &mut dyn FileRing) {
        self.to.send(job).expect("the thread listens as long as there is a sender");
    }

    fn refresh(&self) -> std::io::Result<Geometry> {
        Ok(self.geometry())
    }

    fn usage(&self) -> std::io::Result<Option<Usage>> {
        self.disk.usage()
    }

    fn describe(&self) -> String {
        "late".to_owned()
    }
}

/// Chance that can be had again.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 16) % end
    }
}
