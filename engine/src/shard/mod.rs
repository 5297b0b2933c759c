//! A shard: one thread, one loop, its own connections, sessions, tasks and buffers.
//!
//! Shards share nothing but the [lanes](crate::lane) of units, and meet there only where somebody compares and writes,
//! or changes reservations. What concerns all of them is an immutable [`Catalog`] and comes by letter; a
//! command is served from its first byte to its last by the shard that owns its session.
//!
//! One turn: wait for readiness, receive and plan what came, submit all disk work at once, answer what has
//! finished, and send what is due with one vectored call per connection.

mod body;
mod buffers;
mod claim;
mod command;
mod errands;
mod gauge;
mod key;
pub(crate) mod letters;
mod lineup;
pub(crate) mod link;
mod login;
mod manage;
mod order;
mod report;
mod serve;
pub(crate) mod session;
mod task;
mod turn;
mod work;

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrite_backends::{Finished, Home, Pool};
use ferrite_iscsi::{Connection, ConnectionLimits, LoginLimits};
use ferrite_scsi::goes_alone;
use slab::Slab;

use crate::catalog::Catalog;
use crate::errand::Errands;
use crate::io::{Inbox, Io, Readiness};
use crate::lane::Call;
use crate::roster::Roster;
use body::Body;
use key::TaskKey;
use letters::Letter;
use link::{Link, Phase};
use manage::Pending;
pub use report::SessionReport;
use session::Member;
use task::Tasks;

/// The inboxes of all shards, by number.
pub(crate) type Inboxes<S> = Arc<[Arc<Inbox<Letter<S>>>]>;

/// What a shard is made of.
pub(crate) struct Parts<I: Io> {
    pub(crate) number: usize,
    pub(crate) io: I,
    pub(crate) inbox: Arc<Inbox<Letter<I::Stream>>>,
    /// This one's too.
    pub(crate) peers: Inboxes<I::Stream>,
    pub(crate) pool: Pool,
    pub(crate) roster: Arc<Roster>,
    pub(crate) errands: Arc<Errands>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) limits: Limits,
}

/// Bounds that the daemon or an embedder may set.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// For connections in login.
    pub login: LoginLimits,
    /// For connections in full feature phase.
    pub connection: ConnectionLimits,
}

/// See the module.
pub(crate) struct Shard<I: Io> {
    number: usize,
    io: I,
    inbox: Arc<Inbox<Letter<I::Stream>>>,
    /// The same inbox, as jobs see it.
    home: Arc<dyn Home>,
    /// And as lanes see it.
    caller: Arc<dyn Call>,
    peers: Inboxes<I::Stream>,
    pool: Pool,
    roster: Arc<Roster>,
    errands: Arc<Errands>,
    catalog: Arc<Catalog>,
    limits: Limits,

    links: Slab<Link>,
    /// Slot of the link of each socket.
    by_socket: Vec<usize>,
    link_serial: u64,
    members: Slab<Member>,
    tasks: Tasks,
    managing: Vec<Pending>,
    pending_number: u64,

    /// Links with something to receive, or bytes held back, to be served this turn.
    runnable: VecDeque<usize>,
    /// Links with something to send.
    dirty: Vec<usize>,
    /// Tasks that wait for a buffer, oldest first: for a short one, and for a long one.
    starved: [VecDeque<TaskKey>; 2],
    /// Bytes that the tasks of one session may hold, and that may be due to be sent for it.
    share: u64,
    /// Sessions that hold less than before and have tasks that wait for that.
    relieved: Vec<usize>,
    /// Sessions of which commands may begin that waited for others.
    unblocked: Vec<usize>,
    /// Bytes beside the pool, lent to what may not wait for it: at most [`SPARE_LONGEST`] of the longest.
    spare: u64,
    /// By operation code: whether some command of that code [goes alone](goes_alone).
    alone: [bool; 256],
    /// Flushes that belong to no command, until they are home.
    flushes: Slab<turn::Flush>,

    /// Where bytes are received before it is known what they are.
    staging: Box<[u8]>,
    /// Taken and given back, so that no turn allocates them.
    finished: Vec<Finished>,
    letters: VecDeque<Letter<I::Stream>>,
    ready: Vec<Readiness>,
    slices: Vec<IoSlice<'static>>,

    /// The earliest deadline of any link, or earlier.
    next_deadline: Option<Instant>,
    /// When idle buffers are given back.
    trim_at: Option<Instant>,
    /// Logins are refused; what is left is closed then.
    draining: Option<turn::Draining>,
    /// When this turn began.
    now: Instant,
    /// The same in nanoseconds since the shard began.
    now_ns: u64,
    began: Instant,
    stopping: bool,
}

impl<I: Io> Shard<I> {
    pub(crate) fn new(parts: Parts<I>) -> Self {
        let now = parts.io.now();
        let Parts { number, io, inbox, peers, pool, roster, errands, catalog, limits } = parts;
        let share = SHARE_MAX.min(pool.usage().budget as u64 / SESSIONS_PER_POOL);
        Self {
            number,
            io,
            home: inbox.clone(),
            caller: inbox.clone(),
            inbox,
            peers,
            pool,
            roster,
            errands,
            catalog,
            limits,
            links: Slab::new(),
            by_socket: Vec::new(),
            link_serial: 0,
            members: Slab::new(),
            tasks: Tasks::default(),
            managing: Vec::new(),
            pending_number: 0,
            runnable: VecDeque::new(),
            dirty: Vec::new(),
            starved: Default::default(),
            share,
            relieved: Vec::new(),
            unblocked: Vec::new(),
            spare: 0,
            alone: std::array::from_fn(|code| (0..32).any(|action| goes_alone(&[code as u8, action]))),
            flushes: Slab::new(),
            staging: vec![0; STAGING].into_boxed_slice(),
            finished: Vec::new(),
            letters: VecDeque::new(),
            ready: Vec::new(),
            slices: Vec::new(),
            next_deadline: None,
            trim_at: None,
            draining: None,
            now,
            now_ns: 0,
            began: now,
            stopping: false,
        }
    }

    /// The connection and the session of a link in full feature phase.
    fn full(&mut self, link: usize) -> Option<(&mut Connection<Body>, &mut Member)> {
        match &mut self.links.get_mut(link)?.phase {
            Phase::Full { connection, session } => Some((connection, &mut self.members[*session])),
            Phase::Login(_) | Phase::Over => None,
        }
    }

    /// The connection that carries a session, while it has one.
    fn carried(&mut self, session: usize) -> Option<(&mut Connection<Body>, &mut Member)> {
        let link = self.members.get(session)?.link?;
        self.full(link)
    }

    /// The link will be looked at for something to send before the turn ends.
    fn mark_dirty(&mut self, link: usize) {
        if let Some(entry) = self.links.get_mut(link)
            && !entry.in_dirty
        {
            entry.in_dirty = true;
            self.dirty.push(link);
        }
    }

    /// The link will be served: it has bytes to receive, or held back.
    fn mark_runnable(&mut self, link: usize) {
        if let Some(entry) = self.links.get_mut(link)
            && !entry.in_runnable
        {
            entry.in_runnable = true;
            self.runnable.push_back(link);
        }
    }
}

/// One receive takes at most this much; a whole burst of commands at once.
const STAGING: usize = 256 << 10;

/// A link is served for at most this many bytes before others have their turn.
const BYTES_PER_TURN: usize = 1 << 20;

/// One vectored send carries at most this many pieces and bytes (`IOV_MAX` is 1024).
const SLICES_PER_SEND: usize = 512;
const BYTES_PER_SEND: usize = 4 << 20;

/// A session that holds this many bytes of buffers, or has them due to be sent, starts nothing that needs more:
/// a peer that does not read, or owes data, keeps no more from others.
const SHARE_MAX: u64 = 8 << 20;

/// A small pool is not for one session alone: it gets this part of it at the most.
const SESSIONS_PER_POOL: u64 = 4;

/// Memory beside the pool of a shard, for data of exchanges when bulk transfers have used the pool up, and for data
/// that lands while its command waits for others of its nexus: so many of the longest that its pool would lend. Past it
/// such commands are told TASK SET FULL.
const SPARE_LONGEST: u64 = 2;

/// A link that is done has this long to take its last bytes.
const LINGER: Duration = Duration::from_secs(2);

/// Buffers that nothing used for this long go back to the system.
const TRIM_AFTER: Duration = Duration::from_secs(5);

/// A connection that owes data for its writes and sends none of it for this long is closed: it keeps buffers
/// from others.
const LANDING_DEADLINE: Duration = Duration::from_secs(60);
