//! A disk that fails by rule: for tests of whoever must live with that.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Backend, DiskError, FileRing, Finished, Geometry, Home, Job, Op, OpKind, Run, Usage};

/// Another disk, with faults. The first rule that fits a job decides; without one the job passes. Nothing passes
/// but jobs: neither [`Backend::copy_from`] nor the [`Backend::file`] of the disk is offered.
#[derive(Debug)]
pub struct FaultyDisk<B> {
    disk: B,
    rules: Mutex<Vec<Rule>>,
    hanging: Mutex<Vec<Job>>,
    late: OnceLock<Option<Sender<Late>>>,
}

/// What happens to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails, and the disk does not see it.
    Fail(DiskError),
    /// The disk does it, but its end is told this much later.
    Delay(Duration),
    /// Nothing, until [`FaultyDisk::fail_hanging`] or the end of the disk.
    Hang,
    /// It is dropped unfinished, as a backend with a mistake would do.
    Lose,
}

/// When a fault happens.
#[derive(Debug, Clone)]
pub struct Rule {
    fault: Fault,
    kind: Option<OpKind>,
    within: Option<Range<u64>>,
    skip: u64,
    times: u64,
}

impl Rule {
    /// To every job.
    pub fn new(fault: Fault) -> Self {
        Self { fault, kind: None, within: None, skip: 0, times: u64::MAX }
    }

    /// Only to jobs of this kind.
    #[must_use]
    pub fn on(self, kind: OpKind) -> Self {
        Self { kind: Some(kind), ..self }
    }

    /// Only to jobs that touch one of these bytes; a flush touches none.
    #[must_use]
    pub fn touching(self, bytes: Range<u64>) -> Self {
        Self { within: Some(bytes), ..self }
    }

    /// Not to the first `jobs` that fit.
    #[must_use]
    pub fn after(self, jobs: u64) -> Self {
        Self { skip: jobs, ..self }
    }

    /// To so many jobs, then no more.
    #[must_use]
    pub fn times(self, jobs: u64) -> Self {
        Self { times: jobs, ..self }
    }

    fn fits(&self, op: &Op) -> bool {
        let touches = |bytes: &Range<u64>| {
            op.extent().is_some_and(|(at, len)| at < bytes.end && at.saturating_add(len) > bytes.start)
        };
        self.kind.is_none_or(|kind| kind == op.kind()) && self.within.as_ref().is_none_or(touches)
    }

    /// The fault for a job that fits, counting it.
    fn strike(&mut self) -> Option<Fault> {
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.times = self.times.checked_sub(1)?;
        Some(self.fault)
    }
}

impl<B: Backend> FaultyDisk<B> {
    /// So many rules fit on a disk.
    pub const RULES_MAX: usize = 64;

    /// So many jobs can hang; one more fails as [`DiskError::TimedOut`].
    pub const HANGING_MAX: usize = 1024;

    /// `disk` without a fault yet.
    pub fn new(disk: B) -> Self {
        Self { disk, rules: Mutex::default(), hanging: Mutex::default(), late: OnceLock::new() }
    }

    /// Adds a rule after those that are there.
    ///
    /// # Panics
    /// If there are [`RULES_MAX`](Self::RULES_MAX).
    pub fn add(&self, rule: Rule) {
        let mut rules = lock(&self.rules);
        assert!(rules.len() < Self::RULES_MAX, "a disk has at most {} rules", Self::RULES_MAX);
        rules.push(rule);
    }

    /// Forgets all rules. What hangs still hangs.
    pub fn heal(&self) {
        lock(&self.rules).clear();
    }

    /// How many jobs hang.
    pub fn hanging(&self) -> usize {
        lock(&self.hanging).len()
    }

    /// Fails what hangs, and says how many that were.
    pub fn fail_hanging(&self, error: DiskError) -> usize {
        // Not under the lock: whoever hears of an end may submit again.
        let hung = std::mem::take(&mut *lock(&self.hanging));
        let count = hung.len();
        hung.into_iter().for_each(|job| job.finish(Err(error)));
        count
    }

    fn fault(&self, op: &Op) -> Option<Fault> {
        lock(&self.rules).iter_mut().filter(|rule| rule.fits(op)).find_map(Rule::strike)
    }

    fn hang(&self, job: Job) {
        let mut hanging = lock(&self.hanging);
        if hanging.len() < Self::HANGING_MAX {
            hanging.push(job);
        } else {
            drop(hanging);
            job.finish(Err(DiskError::TimedOut));
        }
    }

    fn delay(&self, mut job: Job, by: Duration, ring: &mut dyn FileRing) {
        if let Some(late) = self.late.get_or_init(start_teller) {
            job.detour(|home| Arc::new(LateHome { home, by, late: late.clone() }));
        }
        self.disk.submit(job, ring);
    }
}

impl<B: Backend> Backend for FaultyDisk<B> {
    fn geometry(&self) -> Geometry {
        self.disk.geometry()
    }

    fn submit(&self, job: Job, ring: &mut dyn FileRing) {
        match self.fault(&job.op()) {
            None => self.disk.submit(job, ring),
            Some(Fault::Fail(error)) => job.finish(Err(error)),
            Some(Fault::Delay(by)) => self.delay(job, by, ring),
            Some(Fault::Hang) => self.hang(job),
            Some(Fault::Lose) => drop(job),
        }
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

    fn detach(&self, ring: &mut dyn FileRing) {
        self.disk.detach(ring);
    }

    fn describe(&self) -> String {
        format!("{}, with faults", self.disk.describe())
    }
}

/// An end that is told when it is due.
struct Late {
    due: Instant,
    done: Finished,
    home: Arc<dyn Home>,
}

/// The home of a delayed job.
struct LateHome {
    home: Arc<dyn Home>,
    by: Duration,
    late: Sender<Late>,
}

impl Home for LateHome {
    fn finished(&self, done: Finished) {
        let late = Late { due: Instant::now() + self.by, done, home: self.home.clone() };
        // The teller listens as long as there is a sender, and this is one.
        if let Err(unheard) = self.late.send(late) {
            unheard.0.tell();
        }
    }
}

impl Late {
    fn tell(self) {
        self.home.finished(self.done);
    }
}

// Without a thread a job is on time, which is better than lost.
fn start_teller() -> Option<Sender<Late>> {
    let (late, listen) = channel();
    let started = thread::Builder::new().name("late-disk".to_owned()).spawn(move || tell_when_due(&listen));
    started.inspect_err(|error| tracing::error!(%error, "no thread for delays: jobs end on time")).ok().map(|_| late)
}

fn tell_when_due(listen: &Receiver<Late>) {
    // By when they are due, then by when they came.
    let mut waiting: BTreeMap<(Instant, u64), Late> = BTreeMap::new();
    let mut came = 0;
    let mut open = true;
    while open || !waiting.is_empty() {
        let now = Instant::now();
        while let Some(next) = waiting.first_entry().filter(|next| next.key().0 <= now) {
            next.remove().tell();
        }
        let sleep = waiting.first_key_value().map(|((due, _), _)| due.saturating_duration_since(now));
        let heard = match sleep {
            Some(sleep) if !open => {
                thread::sleep(sleep);
                continue;
            }
            Some(sleep) => listen.recv_timeout(sleep),
            None => listen.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match heard {
            Ok(late) => {
                waiting.insert((late.due, came), late);
                came += 1;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => open = false,
        }
    }
}

// No panic happens under these locks that leaves a list half changed.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Collector, Driver, InlineRing};
    use crate::{MemoryDisk, Pages};

    fn faulty(rules: impl IntoIterator<Item = Rule>) -> Driver<FaultyDisk<MemoryDisk>> {
        let disk = FaultyDisk::new(MemoryDisk::new(1 << 20));
        rules.into_iter().for_each(|rule| disk.add(rule));
        Driver::new(disk)
    }

    fn medium_error() -> Rule {
        Rule::new(Fault::Fail(DiskError::Medium))
    }

    #[test]
    fn an_extent_fails_where_it_is_touched_and_nowhere_else() {
        let disk = faulty([medium_error().on(OpKind::Read).touching(1024..1536)]);
        assert_eq!(disk.read(512, 512).unwrap(), [0; 512]);
        assert_eq!(disk.read(512, 1024), Err(DiskError::Medium));
        assert_eq!(disk.read(1024, 512), Err(DiskError::Medium));
        assert_eq!(disk.read(1536, 512).unwrap(), [0; 512]);
        disk.write(1024, &[7; 512]).unwrap();
        disk.disk().heal();
        assert_eq!(disk.read(1024, 512).unwrap(), [7; 512]);
    }

    #[test]
    fn a_failed_write_does_not_reach_the_disk() {
        let disk = faulty([medium_error().on(OpKind::Write).times(1)]);
        assert_eq!(disk.write(0, &[7; 512]), Err(DiskError::Medium));
        assert_eq!(disk.read(0, 512).unwrap(), [0; 512]);
    }

    #[test]
    fn the_nth_job_fails_as_often_as_said_and_then_the_next_rule_counts() {
        let no_space = Rule::new(Fault::Fail(DiskError::NoSpace)).times(1);
        let disk = faulty([medium_error().on(OpKind::Flush).after(1).times(2), no_space]);
        let flushes: Vec<_> = (0..5).map(|_| disk.run(Op::Flush)).collect();
        let (medium, full) = (Err(DiskError::Medium), Err(DiskError::NoSpace));
        // The first is let go by the first rule, and so falls to the second.
        assert_eq!(flushes, [full, medium, medium, Ok(()), Ok(())]);
    }

    #[test]
    fn a_lost_job_ends_as_lost() {
        assert_eq!(faulty([Rule::new(Fault::Lose)]).run(Op::Flush), Err(DiskError::Lost));
    }

    #[test]
    fn a_delayed_job_ends_late_with_what_it_read_and_after_the_disk_is_gone() {
        let by = Duration::from_millis(60);
        let disk = FaultyDisk::new(MemoryDisk::new(1 << 20));
        disk.add(Rule::new(Fault::Delay(by)).on(OpKind::Read));
        let home = Arc::new(Collector::default());
        let began = Instant::now();
        for token in 0..3 {
            let job = Job::new(Op::Read { at: 0, len: 512 }, None, token, home.clone());
            disk.submit(job, &mut InlineRing::default());
        }
        drop(disk);
        for token in 0..3 {
            let done = home.take();
            assert_eq!((done.token, done.result), (token, Ok(())), "those due at once end in order");
            assert!(matches!(done.data, crate::Data::Pages(pages) if pages.to_vec() == Pages::zeroes(512).to_vec()));
        }
        assert!(began.elapsed() >= by);
    }

    #[test]
    fn hanging_jobs_wait_up_to_their_limit_and_one_more_times_out() {
        let disk = FaultyDisk::new(MemoryDisk::new(1 << 20));
        disk.add(Rule::new(Fault::Hang));
        let home = Arc::new(Collector::default());
        let submit = || disk.submit(Job::new(Op::Flush, None, 0, home.clone()), &mut InlineRing::default());
        (0..FaultyDisk::<MemoryDisk>::HANGING_MAX).for_each(|_| submit());
        assert!(home.is_empty());
        submit();
        assert_eq!(home.take().result, Err(DiskError::TimedOut));
        assert_eq!(disk.fail_hanging(DiskError::Gone), disk_limit());
        assert_eq!((home.take().result, disk.hanging()), (Err(DiskError::Gone), 0));
    }

    #[test]
    fn a_hanging_job_is_lost_with_its_disk() {
        let disk = FaultyDisk::new(MemoryDisk::new(1 << 20));
        disk.add(Rule::new(Fault::Hang));
        let home = Arc::new(Collector::default());
        disk.submit(Job::new(Op::Flush, None, 0, home.clone()), &mut InlineRing::default());
        drop(disk);
        assert_eq!(home.take().result, Err(DiskError::Lost));
    }

    #[test]
    fn rules_fit_up_to_their_limit_and_one_more_is_a_mistake() {
        let disk = FaultyDisk::new(MemoryDisk::new(1 << 20));
        (0..FaultyDisk::<MemoryDisk>::RULES_MAX).for_each(|_| disk.add(medium_error()));
        let one_more = std::panic::AssertUnwindSafe(|| disk.add(medium_error()));
        assert!(std::panic::catch_unwind(one_more).is_err());
    }

    fn disk_limit() -> usize {
        FaultyDisk::<MemoryDisk>::HANGING_MAX
    }
}
