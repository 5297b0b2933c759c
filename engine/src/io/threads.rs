//! Disk threads: what serves the disks where `io_uring` is refused, and what runs blocking work elsewhere.

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ferrite_backends::{DiskError, DiskFile, FileRing, FileWork, Job, Pool};

use super::discard::discard;
use super::linux::Disks;

/// Blocking work on a job: the job is finished with what it returns.
pub type Work = Box<dyn FnOnce(&mut Job) -> Result<(), DiskError> + Send>;

/// A few threads that take work in order, urgent work before other. They start when there is work and end when there
/// was none for a while, so that a shard that never needs them never pays for them.
///
/// When all of them are at work, one more starts for urgent work alone: that never waits for bulk transfers to end.
#[derive(Debug)]
pub struct DiskThreads {
    shared: Arc<Shared>,
    name: String,
    started: Vec<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    come: Condvar,
}

struct Queue {
    urgent: VecDeque<(Job, Task)>,
    due: VecDeque<(Job, Task)>,
    idle: usize,
    running: usize,
    /// Threads for urgent work alone, of those that are running.
    reserve: usize,
    closed: bool,
}

/// What a thread takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    All,
    Urgent,
}

enum Task {
    File(Arc<DiskFile>, FileWork),
    Elsewhere(Work),
}

impl DiskThreads {
    /// No thread yet; `name` is the prefix of their names.
    pub fn new(name: &str) -> Self {
        let (urgent, due) = (VecDeque::new(), VecDeque::new());
        let queue = Queue { urgent, due, idle: 0, running: 0, reserve: 0, closed: false };
        let shared = Arc::new(Shared { queue: Mutex::new(queue), come: Condvar::new() });
        Self { shared, name: name.to_owned(), started: Vec::new() }
    }

    /// Runs `work` on one of the threads, then finishes the job.
    pub fn run(&mut self, job: Job, work: Work) {
        self.push(job, Task::Elsewhere(work));
    }

    fn push(&mut self, job: Job, task: Task) {
        let mut queue = self.shared.lock();
        let urgent = job.is_urgent();
        if urgent { &mut queue.urgent } else { &mut queue.due }.push_back((job, task));
        match queue.wanted(urgent) {
            Some(takes) => {
                queue.started(takes);
                drop(queue);
                self.start(takes);
            }
            // All of them, where there is one that takes urgent work alone: it might be the one that wakes.
            None if queue.reserve > 0 => self.shared.come.notify_all(),
            None => self.shared.come.notify_one(),
        }
    }

    fn start(&mut self, takes: Takes) {
        self.started.retain(|thread| !thread.is_finished());
        let shared = self.shared.clone();
        let spawned = thread::Builder::new().name(format!("{}-disk", self.name)).spawn(move || shared.serve(takes));
        match spawned {
            Ok(thread) => self.started.push(thread),
            Err(error) => self.not_started(takes, &error),
        }
    }

    // With no thread at all the work would wait for ever: its jobs fail as lost instead.
    fn not_started(&self, takes: Takes, error: &std::io::Error) {
        tracing::error!(%error, "cannot start a disk thread; raise the limit on threads (ulimit -u, TasksMax=)");
        let mut queue = self.shared.lock();
        queue.ended(takes);
        if queue.running == 0 {
            let lost = (std::mem::take(&mut queue.urgent), std::mem::take(&mut queue.due));
            drop(queue);
            drop(lost);
        }
    }
}

impl Queue {
    /// The thread to start for what was just put in, if one is.
    fn wanted(&self, urgent: bool) -> Option<Takes> {
        if self.idle >= self.urgent.len() + self.due.len() {
            return None;
        }
        match self.running - self.reserve < THREADS_MAX {
            true => Some(Takes::All),
            false => (urgent && self.reserve == 0).then_some(Takes::Urgent),
        }
    }

    fn next(&mut self, takes: Takes) -> Option<(Job, Task)> {
        let urgent = self.urgent.pop_front();
        if takes == Takes::Urgent { urgent } else { urgent.or_else(|| self.due.pop_front()) }
    }

    fn started(&mut self, takes: Takes) {
        self.running += 1;
        self.reserve += usize::from(takes == Takes::Urgent);
    }

    fn ended(&mut self, takes: Takes) {
        self.running -= 1;
        self.reserve -= usize::from(takes == Takes::Urgent);
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, takes: Takes) {
        let mut queue = self.lock();
        loop {
            if let Some((job, task)) = queue.next(takes) {
                drop(queue);
                // A job whose work panics is dropped, and ends as lost. The thread goes on: the next job is
                // another disk's, perhaps.
                if catch_unwind(AssertUnwindSafe(|| task.perform(job))).is_err() {
                    tracing::error!("the work of a disk panicked");
                }
                queue = self.lock();
                continue;
            }
            if queue.closed {
                break;
            }
            // What takes urgent work alone is no help to other work, and is not counted on.
            let counts = usize::from(takes == Takes::All);
            queue.idle += counts;
            let (woken, waited) =
                self.come.wait_timeout(queue, IDLE_THREAD_LIFE).unwrap_or_else(PoisonError::into_inner);
            queue = woken;
            queue.idle -= counts;
            if waited.timed_out() && queue.urgent.is_empty() && (takes == Takes::Urgent || queue.due.is_empty()) {
                break;
            }
        }
        queue.ended(takes);
    }
}

impl Task {
    fn perform(self, mut job: Job) {
        let result = match self {
            Self::File(file, FileWork::Discard { at, len }) => discard(&file, at, len),
            Self::File(file, work) => work.perform(&file, &mut job),
            Self::Elsewhere(work) => work(&mut job),
        };
        job.finish(result);
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl FileRing for DiskThreads {
    fn submit(&mut self, file: &Arc<DiskFile>, work: FileWork, job: Job) {
        self.push(job, Task::File(file.clone(), work));
    }

    fn forget(&mut self, _file: &Arc<DiskFile>) {}

    fn elsewhere(&mut self, job: Job, work: Work) {
        self.run(job, work);
    }
}

impl Disks for DiskThreads {
    fn ring(&mut self) -> &mut dyn FileRing {
        self
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn submit(&mut self) {}

    fn reap(&mut self) -> bool {
        false
    }

    fn trim(&mut self, pool: &Pool) {
        pool.trim();
    }

    fn describe(&self) -> &'static str {
        "threads"
    }
}

impl Drop for DiskThreads {
    // Work that was handed over is done: a write that began must not be half forgotten. A thread stuck in
    // the kernel is left behind; what it touches is owned by its job.
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.come.notify_all();
        for thread in self.started.drain(..) {
            if thread.is_finished() {
                let _ = thread.join();
            }
        }
    }
}

/// Enough to keep one disk busy; more would only queue in the kernel.
const THREADS_MAX: usize = 4;

/// A thread that had nothing to do for this long ends.
const IDLE_THREAD_LIFE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use ferrite_backends::Op;
    use ferrite_backends::testing::Collector;
    use std::sync::mpsc::{Receiver, Sender, channel};

    const FIRST_URGENT: u64 = 100;

    /// Threads that are all at work until something is sent.
    fn at_work(home: &Arc<Collector>) -> (DiskThreads, Vec<Sender<()>>) {
        let mut threads = DiskThreads::new("test");
        let gates = (0..THREADS_MAX as u64)
            .map(|token| {
                let (go, gate): (Sender<()>, Receiver<()>) = channel();
                let (began, begins) = channel();
                let work = move |_: &mut Job| {
                    began.send(()).unwrap();
                    let _ = gate.recv();
                    Ok(())
                };
                threads.run(job(home, token), Box::new(work));
                begins.recv().unwrap();
                go
            })
            .collect();
        (threads, gates)
    }

    fn job(home: &Arc<Collector>, token: u64) -> Job {
        Job::new(Op::Flush, None, token, home.clone())
    }

    #[test]
    fn urgent_work_is_done_while_all_threads_are_busy_with_other_work() {
        let home = Arc::new(Collector::default());
        let (mut threads, gates) = at_work(&home);
        threads.run(job(&home, 50), Box::new(|_| Ok(())));
        for token in FIRST_URGENT..FIRST_URGENT + 20 {
            threads.run(job(&home, token).urgent(), Box::new(|_| Ok(())));
        }
        let ends: Vec<u64> = (0..20).map(|_| home.take().token).collect();
        assert_eq!(ends, (FIRST_URGENT..FIRST_URGENT + 20).collect::<Vec<_>>(), "in order, and nothing else");
        assert!(home.take_within(Duration::from_millis(20)).is_none(), "other work waits for its turn");
        drop(gates);
        let mut others: Vec<u64> = (0..=THREADS_MAX).map(|_| home.take().token).collect();
        others.sort_unstable();
        assert_eq!(others, [0, 1, 2, 3, 50]);
    }

    #[test]
    fn work_of_both_kinds_that_comes_when_all_are_idle_is_all_done() {
        let home = Arc::new(Collector::default());
        let (mut threads, gates) = at_work(&home);
        threads.run(job(&home, FIRST_URGENT).urgent(), Box::new(|_| Ok(())));
        assert_eq!(home.take().token, FIRST_URGENT);
        drop(gates);
        (0..THREADS_MAX).for_each(|_| drop(home.take()));
        for turn in 0..500 {
            let (one, other) = (job(&home, 2 * turn), job(&home, 2 * turn + 1).urgent());
            threads.run(one, Box::new(|_| Ok(())));
            threads.run(other, Box::new(|_| Ok(())));
            let (first, second) = (home.take().token, home.take().token);
            assert_eq!(first + second, 4 * turn + 1);
        }
    }
}
