//! Where other threads leave work for a shard: letters, and disk jobs that finish elsewhere.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{self, ThreadId};

use ferrite_backends::{Finished, Home};
use nix::sys::eventfd::{EfdFlags, EventFd};

/// Wakes one shard: a flag that says that something waits, and a descriptor for when the shard sleeps.
#[derive(Debug)]
pub struct Wake {
    pending: AtomicBool,
    owner: OnceLock<ThreadId>,
    event: EventFd,
}

impl Wake {
    /// A wake for a shard whose thread will say [`Wake::owned_by_this_thread`].
    pub fn new() -> io::Result<Self> {
        let event = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Self { pending: AtomicBool::new(false), owner: OnceLock::new(), event })
    }

    /// The calling thread is the one that sleeps on this wake. Said once.
    pub fn owned_by_this_thread(&self) {
        let first = self.owner.set(thread::current().id()).is_ok();
        assert!(first, "a shard has one thread");
    }

    /// Something waits. Costs a system call only when it comes from another thread and is the first
    /// since the shard last looked.
    pub fn notify(&self) {
        if !self.pending.swap(true, Ordering::AcqRel) && self.owner.get() != Some(&thread::current().id()) {
            // The counter cannot overflow: one write per look of the shard.
            let _ = self.event.write(1);
        }
    }

    /// True while something waits.
    pub fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    /// The shard is about to look: returns whether something waits, and forgets it.
    pub fn take(&self) -> bool {
        self.pending.load(Ordering::Relaxed) && self.pending.swap(false, Ordering::AcqRel)
    }

    /// Empties the descriptor after it was reported readable.
    pub(crate) fn drain(&self) {
        let _ = self.event.read();
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

/// A shard's inbox for letters of type `L` and finished disk jobs.
///
/// Jobs that finish on the shard's own thread pass here too: an uncontended lock is cheaper than a second
/// way for a job to come home.
#[derive(Debug)]
pub struct Inbox<L> {
    waiting: Mutex<Waiting<L>>,
    wake: std::sync::Arc<Wake>,
}

#[derive(Debug)]
struct Waiting<L> {
    /// Nobody will read any more: what comes is dropped, so that no sender waits for an answer.
    closed: bool,
    letters: VecDeque<L>,
    finished: Vec<Finished>,
}

impl<L> Inbox<L> {
    /// An empty inbox that wakes its shard by `wake`.
    pub fn new(wake: std::sync::Arc<Wake>) -> Self {
        Self { waiting: Mutex::new(Waiting { closed: false, letters: VecDeque::new(), finished: Vec::new() }), wake }
    }

    /// Leaves a letter.
    pub fn post(&self, letter: L) {
        let mut waiting = self.lock();
        if waiting.closed {
            // Dropped outside of the lock: a letter may post others when it goes.
            drop(waiting);
            return drop(letter);
        }
        waiting.letters.push_back(letter);
        drop(waiting);
        self.wake.notify();
    }

    /// Nobody reads this inbox any more; what waits in it is dropped, and what comes.
    pub fn close(&self) {
        let mut waiting = self.lock();
        waiting.closed = true;
        let left = (std::mem::take(&mut waiting.letters), std::mem::take(&mut waiting.finished));
        drop(waiting);
        drop(left);
    }

    /// Swaps the finished jobs out into `into`, which must be empty, and moves the letters to `letters`.
    /// False when nothing waited.
    pub fn collect(&self, into: &mut Vec<Finished>, letters: &mut VecDeque<L>) -> bool {
        debug_assert!(into.is_empty());
        if !self.wake.take() {
            return false;
        }
        let mut waiting = self.lock();
        std::mem::swap(&mut waiting.finished, into);
        letters.append(&mut waiting.letters);
        true
    }

    // A panic of a poster cannot leave the two queues inconsistent, so poison is of no interest.
    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting<L>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L: Send> Home for Inbox<L> {
    fn finished(&self, done: Finished) {
        let mut waiting = self.lock();
        if waiting.closed {
            drop(waiting);
            return drop(done);
        }
        waiting.finished.push(done);
        drop(waiting);
        self.wake.notify();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn what_comes_to_a_closed_inbox_is_dropped() {
        let inbox = Inbox::new(Arc::new(Wake::new().unwrap()));
        let letter = Arc::new(());
        inbox.post(letter.clone());
        inbox.close();
        inbox.post(letter.clone());
        assert_eq!(Arc::strong_count(&letter), 1);
    }

    #[test]
    fn a_letter_from_another_thread_raises_the_descriptor_and_one_from_the_owner_does_not() {
        let wake = Arc::new(Wake::new().unwrap());
        wake.owned_by_this_thread();
        let inbox = Arc::new(Inbox::new(wake.clone()));
        inbox.post(1);
        assert!(wake.event.read().is_err(), "the owner looks before it sleeps and needs no wake-up");
        let (mut jobs, mut letters) = (Vec::new(), VecDeque::new());
        assert!(inbox.collect(&mut jobs, &mut letters));
        let other = inbox.clone();
        thread::spawn(move || other.post(2)).join().unwrap();
        assert_eq!(wake.event.read().unwrap(), 1);
        assert!(inbox.collect(&mut jobs, &mut letters));
        assert_eq!(letters, [1, 2]);
        assert!(!inbox.collect(&mut jobs, &mut letters));
    }
}
