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

/// A few threads that take work in order. They start when there is work and end when there was none for
/// a while, so that a shard that never needs them never pays for them.
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
    due: VecDeque<(Job, Task)>,
    idle: usize,
    running: usize,
    closed: bool,
}

enum Task {
    File(Arc<DiskFile>, FileWork),
    Elsewhere(Work),
}

impl DiskThreads {
    /// No thread yet; `name` is the prefix of their names.
    pub fn new(name: &str) -> Self {
        let queue = Queue { due: VecDeque::new(), idle: 0, running: 0, closed: false };
        let shared = Arc::new(Shared { queue: Mutex::new(queue), come: Condvar::new() });
        Self { shared, name: name.to_owned(), started: Vec::new() }
    }

    /// Runs `work` on one of the threads, then finishes the job.
    pub fn run(&mut self, job: Job, work: Work) {
        self.push(job, Task::Elsewhere(work));
    }

    fn push(&mut self, job: Job, task: Task) {
        let mut queue = self.shared.lock();
        queue.due.push_back((job, task));
        if queue.idle < queue.due.len() && queue.running < THREADS_MAX {
            queue.running += 1;
            drop(queue);
            self.started.retain(|thread| !thread.is_finished());
            let shared = self.shared.clone();
            let spawned = thread::Builder::new().name(format!("{}-disk", self.name)).spawn(move || shared.serve());
            match spawned {
                Ok(thread) => self.started.push(thread),
                Err(error) => self.not_started(&error),
            }
        } else {
            self.shared.come.notify_one();
        }
    }

    // With no thread at all the work would wait for ever: its jobs fail as lost instead.
    fn not_started(&self, error: &std::io::Error) {
        tracing::error!(%error, "cannot start a disk thread; raise the limit on threads (ulimit -u, TasksMax=)");
        let mut queue = self.shared.lock();
        queue.running -= 1;
        if queue.running == 0 {
            queue.due.clear();
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        let mut queue = self.lock();
        loop {
            if let Some((job, task)) = queue.due.pop_front() {
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
            queue.idle += 1;
            let (woken, waited) =
                self.come.wait_timeout(queue, IDLE_THREAD_LIFE).unwrap_or_else(PoisonError::into_inner);
            queue = woken;
            queue.idle -= 1;
            if waited.timed_out() && queue.due.is_empty() {
                break;
            }
        }
        queue.running -= 1;
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
