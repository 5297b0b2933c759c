//! What must not happen at the same time on one logical unit, from any session on any shard.
//!
//! COMPARE AND WRITE and ORWRITE read, decide, and write: meanwhile no write may touch their blocks, and no command may
//! change a reservation. Each of them [claims](Lane::claim) what it needs, and waits for those that came before and
//! are in its way:
//!
//! | waits for an earlier | change | exchange | alone |
//! | --- | --- | --- | --- |
//! | **change** (any write) | – | of the same bytes | – |
//! | **exchange** (COMPARE AND WRITE, ORWRITE) | of the same bytes | of the same bytes | yes |
//! | **alone** ([`ferrite_scsi::goes_alone`]) | – | yes | yes |
//!
//! # Why nobody waits for ever
//!
//! A command has one claim at a time, and waits for earlier ones only: there is no circle. Whoever holds a claim has
//! all else that it needs, buffers before all, so that what it waits for is a disk. Who holds [`Claim::Alone`] may
//! write without claiming a change, and must not claim another: no exchange goes on meanwhile.
//!
//! A claim is a [`Pass`]. It ends by being dropped, held or still waiting, also by a panic. The pass of a write
//! travels with its job ([`Escort`]): as long as the disk may still write, nobody exchanges these bytes, whatever has
//! become of the command, its session or its shard.
//!
//! # Why units without exchanges pay nothing
//!
//! Shards claim their writes only where there are exchanges. The first one of a unit finds the lane without writes in
//! it, and gets an [`Arming`] to show to every shard: a shard that has seen it claims its writes from then on, and adds
//! those that it has on the disk already. When all have seen it, exchanges go on. It is done once in the life of a
//! unit; what only the first exchange pays for is one turn of every shard.

mod line;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use ferrite_backends::{Finished, Home};

use line::{Key, Line};

/// The lane of one logical unit, shared by all shards.
#[derive(Debug)]
pub(crate) struct Lane {
    line: Mutex<Line<Waiter>>,
    /// Writes are claimed: an exchange came. Never goes back.
    armed: AtomicBool,
}

/// What a command needs for itself. Positions and lengths are bytes of the medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// These bytes are written; others may write them, too.
    Change { at: u64, len: u64 },
    /// These bytes are read and written, and nobody else may write them between.
    Exchange { at: u64, len: u64 },
    /// What the unit's book says is read and changed: no other such command, and no exchange.
    Alone,
}

/// Called from any thread when a claim that waited may go on. It may have been given up meanwhile.
pub(crate) trait Call: Send + Sync {
    /// `token` is what the claim was made with.
    fn go_on(&self, token: u64);
}

struct Waiter {
    by: Arc<dyn Call>,
    token: u64,
}

/// A claim, held or waiting; dropped, it is over.
#[derive(Debug)]
#[must_use = "dropping it gives the claim up"]
pub(crate) struct Pass {
    lane: Arc<Lane>,
    key: Key,
}

/// What [`Lane::claim`] gives.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) pass: Pass,
    /// It need not wait.
    pub(crate) goes: bool,
    /// This was the first exchange: every shard has to see this before it goes on.
    pub(crate) arming: Option<Arming>,
}

/// Too many commands exchange, or want to be alone: [`Lane::OTHERS_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

/// Shown to every shard, which lets it go when it claims its writes from then on. The last one to go lets exchanges on.
#[derive(Debug)]
#[must_use = "every shard has to see it"]
pub(crate) struct Arming {
    lane: Arc<Lane>,
}

/// A job's home with the pass that lasts as long as the job does.
pub(crate) struct Escort<P> {
    home: Arc<dyn Home>,
    _pass: P,
}

impl Lane {
    /// Exchanges and commands that go alone, held and waiting, of one unit. One more is told TASK SET FULL: each write
    /// of the unit looks at all of them.
    pub(crate) const OTHERS_MAX: usize = 1024;

    /// Nobody is in it.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { line: Mutex::new(Line::new()), armed: AtomicBool::new(false) })
    }

    /// Whether writes have to be claimed. Looked at where a session meets the unit; what it has then seen is changed by
    /// an [`Arming`] only.
    pub(crate) fn is_armed(&self) -> bool {
        self.armed.load(Ordering::Acquire)
    }

    /// Claims; where it does not go on at once, `by` is called with `token` when it does.
    ///
    /// # Errors
    /// [`Full`]; never for a change.
    pub(crate) fn claim(self: &Arc<Self>, claim: Claim, by: &Arc<dyn Call>, token: u64) -> Result<Claimed, Full> {
        let mut line = self.lock();
        if !matches!(claim, Claim::Change { .. }) && line.others() >= Self::OTHERS_MAX {
            return Err(Full);
        }
        // Under the lock: whoever sees it claims, and comes behind.
        let first = matches!(claim, Claim::Exchange { .. }) && !self.armed.swap(true, Ordering::AcqRel);
        if first {
            line.gather();
        }
        let (key, goes) = line.enter(claim, || Waiter { by: by.clone(), token });
        drop(line);
        let arming = first.then(|| Arming { lane: self.clone() });
        Ok(Claimed { pass: Pass { lane: self.clone(), key }, goes, arming })
    }

    /// Claims a change for work that is not a shard's, whether the lane is armed or not, and waits for it on this
    /// thread; `None` when that takes until `until` or is not `wanted` any more, and the claim is over.
    ///
    /// A pass should not be held for long at a time, for somebody's COMPARE AND WRITE may wait for it: a chunk of the
    /// work, not all of it. Not for work of a command that holds [`Claim::Alone`], which needs no other claim.
    pub(crate) fn claim_change(
        self: &Arc<Self>,
        at: u64,
        len: u64,
        until: Instant,
        wanted: impl Fn() -> bool,
    ) -> Option<Pass> {
        let by: Arc<dyn Call> = Arc::new(Parked(thread::current()));
        let Claimed { pass, .. } = self.claim(Claim::Change { at, len }, &by, 0).expect("changes are not counted");
        while !pass.goes() {
            let left = until.checked_duration_since(Instant::now()).filter(|_| wanted())?;
            thread::park_timeout(left.min(WANTED_LOOK));
        }
        Some(pass)
    }

    fn leave(&self, key: Key) {
        let mut free = Vec::new();
        self.lock().leave(key, &mut free);
        call(free);
    }

    // The line does not panic between two steps of one change of it.
    fn lock(&self) -> MutexGuard<'_, Line<Waiter>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass {
    /// Whether it need not wait any more.
    pub(crate) fn goes(&self) -> bool {
        self.lane.lock().goes(self.key)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.lane.leave(self.key);
    }
}

impl Arming {
    /// The pass of a write that is on the disk already.
    pub(crate) fn add(&self, at: u64, len: u64) -> Pass {
        let key = self.lane.lock().add_first(at, len);
        Pass { lane: self.lane.clone(), key }
    }
}

impl Drop for Arming {
    fn drop(&mut self) {
        let mut free = Vec::new();
        self.lane.lock().gathered(&mut free);
        call(free);
    }
}

impl<P: Send + Sync + 'static> Escort<P> {
    /// A home for one job: it comes to `home`, and then `pass` is let go.
    pub(crate) fn home(home: Arc<dyn Home>, pass: P) -> Arc<dyn Home> {
        Arc::new(Self { home, _pass: pass })
    }
}

impl<P: Send + Sync> Home for Escort<P> {
    fn finished(&self, done: Finished) {
        self.home.finished(done);
    }
}

/// Without the lock: who is called may look at the lane.
fn call(free: Vec<Waiter>) {
    for Waiter { by, token } in free {
        by.go_on(token);
    }
}

/// How often a thread that waits looks whether it is still to.
const WANTED_LOOK: Duration = Duration::from_millis(50);

/// A thread that waits.
struct Parked(Thread);

impl Call for Parked {
    fn go_on(&self, _token: u64) {
        self.0.unpark();
    }
}

impl std::fmt::Debug for Waiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiter").field("token", &self.token).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, AtomicUsize};

    const FIRST: Claim = Claim::Exchange { at: 0, len: 512 };

    #[derive(Default)]
    struct Calls(Mutex<Vec<u64>>);

    impl Call for Calls {
        fn go_on(&self, token: u64) {
            self.0.lock().unwrap().push(token);
        }
    }

    impl Calls {
        fn heard(&self) -> Vec<u64> {
            std::mem::take(&mut self.0.lock().unwrap())
        }
    }

    fn callers() -> (Arc<Calls>, Arc<dyn Call>) {
        let calls = Arc::new(Calls::default());
        (calls.clone(), calls)
    }

    /// A lane whose shards all claim their writes.
    fn armed() -> Arc<Lane> {
        let (lane, (_, by)) = (Lane::new(), callers());
        drop(lane.claim(FIRST, &by, 0).unwrap());
        assert!(lane.is_armed());
        lane
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn the_first_exchange_waits_until_every_shard_claims_its_writes() {
        let (lane, (calls, by)) = (Lane::new(), callers());
        let Claimed { pass, goes, arming } = lane.claim(FIRST, &by, 1).unwrap();
        assert!(!goes && lane.is_armed());
        let shown = Arc::new(arming.expect("it is the first"));
        let other_shard = shown.clone();
        let second = lane.claim(Claim::Exchange { at: 1024, len: 512 }, &by, 2).unwrap();
        assert!(!second.goes && second.arming.is_none());
        // What the one shard has on the disk already.
        let on_disk = shown.add(0, 4096);
        let elsewhere = shown.add(1 << 20, 4096);
        drop(shown);
        assert!(calls.heard().is_empty());
        drop(other_shard);
        assert!(calls.heard().is_empty(), "both wait for the write that had begun");
        drop(on_disk);
        assert_eq!(calls.heard(), [1, 2]);
        assert!(pass.goes());
        drop(elsewhere);
        assert!(calls.heard().is_empty());
    }

    #[test]
    fn commands_that_go_alone_do_not_arm_the_lane() {
        let (lane, (calls, by)) = (Lane::new(), callers());
        let alone = lane.claim(Claim::Alone, &by, 1).unwrap();
        assert!(alone.goes && !lane.is_armed());
        let (second, exchange) = (lane.claim(Claim::Alone, &by, 2).unwrap(), lane.claim(FIRST, &by, 3).unwrap());
        assert!(!second.goes && !exchange.goes);
        drop(exchange.arming);
        drop(alone);
        assert_eq!(calls.heard(), [2], "the exchange came behind it");
        drop(second);
        assert_eq!(calls.heard(), [3]);
    }

    #[test]
    fn a_unit_takes_as_many_exchanges_as_the_limit_says_and_one_more_when_one_is_over() {
        let (lane, (_, by)) = (armed(), callers());
        let mut held: Vec<_> = (0..Lane::OTHERS_MAX).map(|_| lane.claim(FIRST, &by, 0).unwrap()).collect();
        assert_eq!(lane.claim(FIRST, &by, 0).unwrap_err(), Full);
        assert_eq!(lane.claim(Claim::Alone, &by, 0).unwrap_err(), Full);
        let change = lane.claim(Claim::Change { at: 0, len: 1 }, &by, 0).unwrap();
        assert!(!change.goes, "writes are not refused");
        held.pop();
        lane.claim(Claim::Alone, &by, 0).unwrap();
    }

    #[test]
    fn a_pass_ends_with_the_job_that_it_travels_with_and_not_with_the_command() {
        use ferrite_backends::{Buffer, Job, Op};
        let (lane, (calls, by)) = (armed(), callers());
        let home = Arc::new(Count::default());
        let Claimed { pass, goes: true, .. } = lane.claim(Claim::Change { at: 0, len: 512 }, &by, 0).unwrap() else {
            panic!("nobody is there")
        };
        let op = Op::Write { at: 0, len: 512, durable: false };
        let job = Job::new(op, Some(Buffer::alone(512)), 7, Escort::home(home.clone(), pass));
        let waits = lane.claim(FIRST, &by, 5).unwrap();
        assert!(!waits.goes);
        assert!(calls.heard().is_empty());
        // Nobody finishes it: it is dropped with what a failed shard leaves behind.
        drop(job);
        assert_eq!((home.0.load(Ordering::Relaxed), calls.heard()), (1, vec![5]));
    }

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Home for Count {
        fn finished(&self, _done: Finished) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_panic_of_the_holder_lets_the_next_one_go_on() {
        let (lane, (calls, by)) = (armed(), callers());
        let held = lane.claim(FIRST, &by, 1).unwrap();
        let waits = lane.claim(FIRST, &by, 2).unwrap();
        let work = move || -> () {
            let _held = held;
            panic!("on purpose");
        };
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_err();
        assert_eq!(calls.heard(), [2]);
        assert!(waits.pass.goes());
    }

    #[test]
    fn a_thread_that_waits_too_long_gives_up_and_leaves_nothing_behind() {
        let (lane, (calls, by)) = (armed(), callers());
        let held = lane.claim(FIRST, &by, 1).unwrap();
        assert!(lane.claim_change(0, 1, Instant::now() + Duration::from_millis(20), || true).is_none());
        assert!(lane.claim_change(512, 1, soon(), || true).is_some(), "these bytes are free");
        drop(held);
        assert!(lane.claim(FIRST, &by, 2).unwrap().goes);
        assert!(calls.heard().is_empty());
    }

    /// Threads count up by reading, waiting a little, and writing, beside threads that write the same cells.
    #[test]
    fn no_thread_loses_what_another_has_counted() {
        const CELLS: u64 = 4;
        const THREADS: u64 = 6;
        const ROUNDS: u64 = 2000;
        let lane = armed();
        let cells: Arc<Vec<AtomicU64>> = Arc::new((0..CELLS).map(|_| AtomicU64::new(0)).collect());
        let added = Arc::new(AtomicU64::new(0));
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (lane, cells, added) = (lane.clone(), cells.clone(), added.clone());
                thread::spawn(move || {
                    for round in 0..ROUNDS {
                        let at = (round * 7 + thread * 3) % CELLS;
                        let cell = &cells[at as usize];
                        if thread % 3 == 0 {
                            // A plain write: indivisible by itself, which is what a lane takes it for.
                            let _pass = lane.claim_change(at, 1, soon(), || true).unwrap();
                            cell.fetch_add(1, Ordering::Relaxed);
                        } else {
                            let by: Arc<dyn Call> = Arc::new(Parked(thread::current()));
                            let claimed = lane.claim(Claim::Exchange { at, len: 1 }, &by, 0).unwrap();
                            while !claimed.pass.goes() {
                                thread::park_timeout(Duration::from_secs(20));
                            }
                            let value = cell.load(Ordering::Relaxed);
                            if round % 16 == 0 {
                                thread::yield_now();
                            }
                            cell.store(value + 1, Ordering::Relaxed);
                        }
                        added.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let sum: u64 = cells.iter().map(|cell| cell.load(Ordering::Relaxed)).sum();
        assert_eq!((sum, added.load(Ordering::Relaxed)), (THREADS * ROUNDS, THREADS * ROUNDS));
        assert_eq!(lane.lock().others(), 0);
    }
}
