//! The handle of a running engine: starts shards, asks for changes, stops.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ferrite_api::{
    AccessState, ChapSpec, IdentitySpec, Iqn, LunNumber, LunSpec, Percent, PortalGroup, Refusal, TargetSpec,
};
use ferrite_backends::{Backend, Pool, PoolUsage};

use super::acceptor::{Acceptor, Lane};
use super::registry::Registry;
use super::space::SpaceWatch;
use crate::catalog::{Catalog, House};
use crate::errand::Errands;
use crate::io::linux::{Disks, LinuxIo};
use crate::io::threads::DiskThreads;
use crate::io::uring::Uring;
use crate::io::{Inbox, IoChoice, IoOptions, Wake};
use crate::roster::Roster;
use crate::shard::SessionReport;
use crate::shard::letters::Letter;
use crate::shard::{Inboxes, Limits, Parts, Shard};
use crate::state::StateDir;

/// How an engine is made.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Shards; 0: one per processor.
    pub shards: usize,
    /// What serves the disks, and how long a shard looks for work before it sleeps.
    pub io: IoOptions,
    /// Buffer memory of one shard at the most, in bytes. Mapped when it is needed, given back when idle. From 48 MiB
    /// on the longest transfer of a LUN (MAXIMUM TRANSFER LENGTH) is 32 MiB, below it is shorter.
    pub pool_bytes: usize,
    /// Sessions at the most.
    pub sessions_max: usize,
    /// Connections at the most, those in login included.
    pub connections_max: usize,
    /// Bounds of each connection.
    pub limits: Limits,
    /// Where what lasts of the units' state is kept: reservations through power loss, saved mode pages. Nowhere:
    /// initiators are told that neither can be had. Made where it is not there; nobody else may use it meanwhile.
    pub state_dir: Option<PathBuf>,
    /// How often it is looked how much space is left to units that have a soft threshold.
    pub space_look: Duration,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            shards: 0,
            io: IoOptions { choice: IoChoice::Auto, spin: Duration::from_micros(50) },
            pool_bytes: 128 << 20,
            sessions_max: 4096,
            connections_max: 8192,
            limits: Limits::default(),
            state_dir: None,
            space_look: Duration::from_secs(5),
        }
    }
}

/// A running engine. A clone is the same engine; it stops when told to, or when the last clone is dropped.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    lanes: Vec<Lane>,
    acceptor: Acceptor,
    registry: Registry,
    errands: Arc<Errands>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Of each shard.
    pools: Vec<Pool>,
    stopped: AtomicBool,
    disks: &'static str,
}

impl Engine {
    /// Starts the shards. Nothing is served and nobody is listened to yet.
    ///
    /// # Errors
    /// Threads or descriptors are not to be had, `io_uring` is asked for and refused, or the state directory cannot be
    /// used.
    pub fn start(options: &EngineOptions) -> io::Result<Self> {
        let state_dir = options.state_dir.as_deref().map(StateDir::open).transpose()?;
        let errands = Arc::new(Errands::new());
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let count = if options.shards == 0 { processors } else { options.shards }.min(SHARDS_MAX);
        let wakes = (0..count).map(|_| Wake::new().map(Arc::new)).collect::<io::Result<Vec<_>>>()?;
        let inboxes: Inboxes<TcpStream> = wakes.iter().map(|wake| Arc::new(Inbox::new(wake.clone()))).collect();
        let callers = inboxes.clone();
        let roster = Arc::new(Roster::new(options.sessions_max, move |waiter| {
            callers[waiter.shard].post(Letter::Proceed { link: waiter.link });
        }));
        let lane = |inbox: &Arc<Inbox<_>>| Lane { inbox: inbox.clone(), load: Arc::default(), dead: Arc::default() };
        let lanes: Vec<Lane> = inboxes.iter().map(lane).collect();
        let pools: Vec<Pool> = (0..count).map(|_| Pool::new(options.pool_bytes)).collect();
        let mut started = Started { lanes: lanes.clone(), threads: Vec::new() };
        let (ready, readiness) = mpsc::channel();
        for (number, wake) in wakes.into_iter().enumerate() {
            let birth = Birth {
                number,
                wake,
                inboxes: inboxes.clone(),
                roster: roster.clone(),
                errands: errands.clone(),
                options: options.clone(),
                pool: pools[number].clone(),
                dead: lanes[number].dead.clone(),
                ready: ready.clone(),
            };
            let thread = thread::Builder::new().name(format!("ferrite-{number}")).spawn(move || birth.live())?;
            started.threads.push(thread);
        }
        drop(ready);
        let mut disks = "threads";
        for _ in 0..count {
            disks = readiness.recv().map_err(|_| io::Error::other("a shard ended before it began"))??;
        }
        let acceptor = Acceptor::start(lanes.clone(), options.connections_max)?;
        let space = SpaceWatch::new(errands.clone(), options.space_look);
        let transfer_max = pools.first().map_or(Pool::SHORT_MAX, Pool::longest);
        let house = House { state_dir, transfer_max };
        let registry = Registry::new(lanes.clone(), house, space);
        let threads = Mutex::new(started.all());
        let stopped = AtomicBool::new(false);
        Ok(Self(Arc::new(Inner { lanes, acceptor, registry, errands, threads, pools, stopped, disks })))
    }

    /// What serves the disks: `io_uring` or `threads`.
    pub fn disks(&self) -> &'static str {
        self.0.disks
    }

    /// Listens on `address`, a portal of the first group; returns it with its real port.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn listen(&self, address: SocketAddr) -> Result<SocketAddr, Refusal> {
        self.listen_in(PortalGroup::FIRST, address)
    }

    /// The same with a portal of any group: one target port to SCSI, one path to multipath software.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn listen_in(&self, group: PortalGroup, address: SocketAddr) -> Result<SocketAddr, Refusal> {
        self.0.registry.listen(&self.0.acceptor, address, group)
    }

    /// Says how the LUNs of a target are reached through a portal group from now on (ALUA). Sessions hear it by
    /// ASYMMETRIC ACCESS STATE CHANGED; commands that were planned before are finished.
    ///
    /// # Errors
    /// There is no such target, or no portal is in this group.
    pub fn set_access_state(&self, target: &Iqn, group: PortalGroup, state: AccessState) -> Result<(), Refusal> {
        self.0.registry.set_access_state(target, group, state)
    }

    /// Sets what discovery sessions must prove; nothing, if there are no accounts.
    ///
    /// # Errors
    /// A secret cannot be read.
    pub fn set_discovery(&self, accounts: &[ChapSpec]) -> Result<(), Refusal> {
        self.0.registry.set_discovery(accounts)
    }

    /// Adds a target with its LUNs; their disks are opened here.
    ///
    /// # Errors
    /// There is one of this name, a disk cannot be opened, a secret cannot be read. Nothing changed then.
    pub fn add_target(&self, name: &Iqn, spec: &TargetSpec) -> Result<(), Refusal> {
        self.0.registry.add_target(name, spec)
    }

    /// Removes a target. Its sessions end; when this returns its disks are closed.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn remove_target(&self, name: &Iqn) -> Result<(), Refusal> {
        self.0.registry.remove_target(name)
    }

    /// Adds a LUN to a target while its sessions go on.
    ///
    /// # Errors
    /// There is no such target, the number is taken, or the disk cannot be opened.
    pub fn add_lun(&self, target: &Iqn, number: LunNumber, spec: &LunSpec) -> Result<(), Refusal> {
        self.0.registry.add_lun(target, number, spec)
    }

    /// The same with a disk that the caller has made.
    ///
    /// # Errors
    /// There is no such target, the number is taken, or the disk has a shape that cannot be shown.
    pub fn add_disk(
        &self,
        target: &Iqn,
        number: LunNumber,
        disk: Arc<dyn Backend>,
        identity: &IdentitySpec,
    ) -> Result<(), Refusal> {
        self.0.registry.add_disk(target, number, disk, identity, None)
    }

    /// The same with a thin disk, whose initiators are warned when this share of its space is used (THIN PROVISIONING
    /// SOFT THRESHOLD REACHED).
    ///
    /// # Errors
    /// As of [`Engine::add_disk`]; also if the disk cannot tell how much space it has.
    pub fn add_thin_disk(
        &self,
        target: &Iqn,
        number: LunNumber,
        disk: Arc<dyn Backend>,
        identity: &IdentitySpec,
        soft_threshold: Percent,
    ) -> Result<(), Refusal> {
        self.0.registry.add_disk(target, number, disk, identity, Some(soft_threshold))
    }

    /// Adds a drive for optical discs with `disc` in it, or an [`EmptyDrive`](crate::EmptyDrive).
    ///
    /// # Errors
    /// There is no such target, the number is taken, or the disc cannot be shown as one.
    pub fn add_drive(
        &self,
        target: &Iqn,
        number: LunNumber,
        disc: Arc<dyn Backend>,
        identity: &IdentitySpec,
    ) -> Result<(), Refusal> {
        self.0.registry.add_drive(target, number, disc, identity)
    }

    /// Takes the disc out of a drive. Where an initiator prevents that it is asked to let go, and the disc stays
    /// unless `force` says otherwise. When this returns nothing reads the disc any more.
    ///
    /// # Errors
    /// There is no such LUN, it is no drive, or its initiators hold the disc.
    pub fn eject(&self, target: &Iqn, number: LunNumber, force: bool) -> Result<(), Refusal> {
        self.0.registry.eject(target, number, force)
    }

    /// Puts a disc into an empty drive; its initiators hear that there is a new medium.
    ///
    /// # Errors
    /// There is no such LUN, it is no drive, there is a disc in it, or this one cannot be shown as a disc.
    pub fn insert(&self, target: &Iqn, number: LunNumber, disc: Arc<dyn Backend>) -> Result<(), Refusal> {
        self.0.registry.insert(target, number, disc)
    }

    /// Removes a LUN: commands that are on its disk finish, all others fail. When this returns nothing uses
    /// the disk any more.
    ///
    /// # Errors
    /// There is no such LUN; or its disk does not answer within the deadline, and it is let go of later.
    pub fn remove_lun(&self, target: &Iqn, number: LunNumber) -> Result<(), Refusal> {
        self.0.registry.remove_lun(target, number)
    }

    /// Looks at a LUN's disk again after its size has changed, and tells every initiator. Returns the size
    /// in bytes.
    ///
    /// # Errors
    /// There is no such LUN, the disk cannot be looked at, or it became smaller and `shrink` is not said.
    pub fn resize_lun(&self, target: &Iqn, number: LunNumber, shrink: bool) -> Result<u64, Refusal> {
        self.0.registry.resize_lun(target, number, shrink)
    }

    /// The catalog as it is now.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.0.registry.catalog()
    }

    /// The sessions, by serial. A shard that does not answer in time is left out.
    pub fn sessions(&self) -> Vec<SessionReport> {
        let (to, reports) = mpsc::channel();
        for lane in &self.0.lanes {
            lane.inbox.post(Letter::Report { to: to.clone() });
        }
        drop(to);
        let until = Instant::now() + REPORT_DEADLINE;
        let mut sessions = Vec::new();
        while let Ok(report) = reports.recv_timeout(until.saturating_duration_since(Instant::now())) {
            sessions.extend(report);
        }
        sessions.sort_by_key(|session: &SessionReport| session.session);
        sessions
    }

    /// The buffers of each shard: what is lent is being moved to or from a disk or an initiator.
    pub fn buffers(&self) -> Vec<PoolUsage> {
        self.0.pools.iter().map(Pool::usage).collect()
    }

    /// Stops: listens no more, asks initiators to log out, gives them `grace`, flushes every disk, ends.
    /// A second call finds nothing to do.
    pub fn shutdown(&self, grace: Duration) -> ShutdownReport {
        self.0.shutdown(grace)
    }
}

/// How [`Engine::shutdown`] went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Sessions that had not logged out when the grace was over.
    pub sessions_closed: usize,
    /// Disks whose last flush failed or did not end in time.
    pub flushes_failed: usize,
}

impl ShutdownReport {
    /// Everybody left, everything is on stable storage.
    pub fn is_clean(&self) -> bool {
        self.sessions_closed == 0 && self.flushes_failed == 0
    }
}

impl Inner {
    fn shutdown(&self, grace: Duration) -> ShutdownReport {
        if self.stopped.swap(true, Ordering::AcqRel) {
            return ShutdownReport { sessions_closed: 0, flushes_failed: 0 };
        }
        self.acceptor.stop();
        self.registry.stop();
        let until = Instant::now() + grace;
        let closed = Arc::new(AtomicUsize::new(0));
        let counter = &closed;
        let drained = self.registry.everywhere(|hold| Letter::Drain { until, closed: counter.clone(), hold });
        // What is left after the grace is closed by its shard; its jobs come home before the flush.
        drained.wait(grace + STOP_SLACK);
        // What goes on without a session, before the flush: nothing is written behind it.
        if !self.errands.close(STOP_SLACK) {
            tracing::warn!("work without a session did not end in time");
        }
        let failed = Arc::new(AtomicUsize::new(0));
        let counter = failed.clone();
        let flushed = self.registry.everywhere(|hold| Letter::Flush { failed: counter.clone(), hold });
        let in_time = flushed.wait(FLUSH_DEADLINE);
        let flushes_failed = failed.load(Ordering::Acquire) + usize::from(!in_time);
        // Whoever looks for the disks next, another program or another node, finds them free.
        if in_time {
            self.registry.clear(STOP_SLACK);
        }
        for lane in &self.lanes {
            lane.inbox.post(Letter::Stop);
        }
        let until = Instant::now() + STOP_SLACK;
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // A shard whose ring does not come home must not keep the process: the kernel ends it.
            while !thread.is_finished() && Instant::now() < until {
                thread::sleep(Duration::from_millis(1));
            }
            if thread.is_finished() {
                let _ = thread.join();
            }
        }
        ShutdownReport { sessions_closed: closed.load(Ordering::Acquire), flushes_failed }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shutdown(Duration::ZERO);
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("shards", &self.0.lanes.len()).field("disks", &self.0.disks).finish()
    }
}

/// The shards of an engine that is being started: if that fails, those that run already end.
struct Started {
    lanes: Vec<Lane>,
    threads: Vec<JoinHandle<()>>,
}

impl Started {
    fn all(mut self) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut self.threads)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if self.threads.is_empty() {
            return;
        }
        for lane in &self.lanes {
            lane.inbox.post(Letter::Stop);
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// What a shard's thread starts from.
struct Birth {
    number: usize,
    wake: Arc<Wake>,
    inboxes: Inboxes<TcpStream>,
    roster: Arc<Roster>,
    errands: Arc<Errands>,
    options: EngineOptions,
    pool: Pool,
    dead: Arc<AtomicBool>,
    ready: mpsc::Sender<io::Result<&'static str>>,
}

impl Birth {
    fn live(self) {
        self.wake.owned_by_this_thread();
        let pool = self.pool.clone();
        let name = format!("ferrite-{}", self.number);
        match self.options.io.choice {
            IoChoice::Threads => self.with(DiskThreads::new(&name), pool),
            choice => match Uring::new(&pool, &name) {
                Ok(ring) => self.with(ring, pool),
                Err(error) if choice == IoChoice::Uring => {
                    let why = format!("io_uring is refused: {error}");
                    let _ = self.ready.send(Err(io::Error::new(error.kind(), why)));
                }
                Err(error) => {
                    if self.number == 0 {
                        tracing::warn!(%error, "io_uring is refused; disks are served by threads, at more cost per request (see kernel.io_uring_disabled and seccomp filters)");
                    }
                    self.with(DiskThreads::new(&name), pool);
                }
            },
        }
    }

    fn with<D: Disks>(self, disks: D, pool: Pool) {
        let label = disks.describe();
        let io = match LinuxIo::new(disks, self.wake, self.options.io.spin) {
            Ok(io) => io,
            Err(error) => return drop(self.ready.send(Err(error))),
        };
        let shard = Shard::new(Parts {
            number: self.number,
            io,
            inbox: self.inboxes[self.number].clone(),
            peers: self.inboxes.clone(),
            pool,
            roster: self.roster,
            errands: self.errands,
            catalog: Arc::new(Catalog::empty()),
            limits: self.options.limits.clone(),
        });
        let _ = self.ready.send(Ok(label));
        drop(self.ready);
        let inbox = self.inboxes[self.number].clone();
        // A shard that fails takes its own connections with it and nobody else's: initiators come again and
        // are given to another.
        if catch_unwind(AssertUnwindSafe(move || shard.run())).is_err() {
            tracing::error!(shard = self.number, "a shard failed; its connections are closed");
        }
        self.dead.store(true, Ordering::Release);
        inbox.close();
    }
}

/// More shards than this only pass letters around.
const SHARDS_MAX: usize = 256;

const REPORT_DEADLINE: Duration = Duration::from_secs(2);
const FLUSH_DEADLINE: Duration = Duration::from_secs(30);
const STOP_SLACK: Duration = Duration::from_secs(2);
