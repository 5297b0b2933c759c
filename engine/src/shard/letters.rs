//! What shards are told by each other and by the control plane.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::time::Instant;

use ferrite_iscsi::TaskTag;
use ferrite_scsi::{Attention, Plan, Reply, Sense, Status};

use super::key::TaskKey;
use super::report::SessionReport;
use crate::catalog::Catalog;
pub(crate) use crate::hold::Hold;
use crate::io::Inbox;
use crate::lane::{Arming, Call};

/// A letter to a shard whose connections arrive as `S`.
pub(crate) enum Letter<S> {
    /// An accepted connection that is the shard's from now on.
    Connection(Arrival<S>),
    /// The world has changed. `hold` is let go when no command runs any more against what was removed.
    Catalog { catalog: Arc<Catalog>, hold: Hold },
    /// End a session: its initiator has logged in again, or an operator wants it gone.
    EndSession { session: u64, why: &'static str },
    /// The session that stood in the way of a login has ended.
    Proceed { link: u64 },
    /// End the commands of all sessions but `by` on a logical unit, or of those `of` it that are named; `tell` is the
    /// unit attention for sessions that lost commands.
    AbortUnit { unit: u64, by: u64, of: Option<Named>, tell: Option<Attention>, hold: Hold },
    /// A unit is not ready from now on: what was planned before fails with `sense`, but for one task of one session.
    Quiesce { unit: u64, spared: (u64, TaskTag), sense: Sense, hold: Hold },
    /// An errand of a task has been done, or all that the task waited for: this is what is left of its command.
    Returned { task: TaskKey, plan: Plan },
    /// A unit has had its first exchange: its writes are claimed from now on. Let go of, it has been seen.
    Arm { unit: u64, arming: Arc<Arming> },
    /// What a task has claimed, it may have now.
    GoOn { task: u64 },
    /// All that a task management function of this shard waited for has ended.
    Managed { pending: u64 },
    /// End every session of a target but `by` (TARGET COLD RESET).
    EndTarget { target: u64, by: u64 },
    /// Tell about the sessions.
    Report { to: Sender<Vec<SessionReport>> },
    /// Ask initiators to log out, refuse logins; at `until` close what is left, counting sessions in `closed`.
    Drain { until: Instant, closed: Arc<AtomicUsize>, hold: Hold },
    /// Flush every disk of the catalog; `hold` is let go when all are on stable storage, failures are
    /// counted in `failed`.
    Flush { failed: Arc<AtomicUsize>, hold: Hold },
    /// Close everything and end the thread.
    Stop,
}

/// I_T nexuses by the name of the initiator port and the portal group of the target port.
pub(crate) type Named = Arc<[(Box<str>, u16)]>;

/// An accepted connection.
pub(crate) struct Arrival<S> {
    pub(crate) stream: S,
    pub(crate) peer: SocketAddr,
    /// Our end, which says how the peer reached us.
    pub(crate) local: SocketAddr,
    pub(crate) portal_group: u16,
    /// Counts the connection for its shard's load until it is gone.
    pub(crate) load: Load,
}

/// One connection in a shard's load; dropped with the connection.
#[derive(Debug)]
pub(crate) struct Load(Arc<AtomicUsize>);

impl Load {
    pub(crate) fn count(of: &Arc<AtomicUsize>) -> Self {
        of.fetch_add(1, Ordering::Relaxed);
        Self(of.clone())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Posts [`Letter::Returned`] with GOOD when dropped: wrapped in an `Arc`, it is a [`Hold`].
pub(crate) struct GoodWhenDone<S: Send + 'static> {
    pub(crate) inbox: Arc<Inbox<Letter<S>>>,
    pub(crate) task: TaskKey,
}

impl<S: Send + 'static> Drop for GoodWhenDone<S> {
    fn drop(&mut self) {
        self.inbox.post(Letter::Returned { task: self.task, plan: Plan::Reply(Reply::from(Status::Good)) });
    }
}

impl<S: Send> Call for Inbox<Letter<S>> {
    fn go_on(&self, token: u64) {
        self.post(Letter::GoOn { task: token });
    }
}

/// Posts [`Letter::Managed`] when dropped: wrapped in an `Arc`, it is a [`Hold`].
pub(crate) struct ManagedWhenDone<S: Send + 'static> {
    pub(crate) inbox: Arc<Inbox<Letter<S>>>,
    pub(crate) pending: u64,
}

impl<S: Send + 'static> Drop for ManagedWhenDone<S> {
    fn drop(&mut self) {
        self.inbox.post(Letter::Managed { pending: self.pending });
    }
}
