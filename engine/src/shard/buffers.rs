//! Who gets a buffer, who waits for one, and in which order.
//!
//! Two things are short. The buffers of the shard: who finds none waits in one line, and nobody passes it, or
//! large requests would never see enough room. Very long ones have a line of their own, and a part of the pool that is
//! kept together for the first of them: short ones need not wait until so much is home at once. And each session's share of them: who has used it up waits in
//! the session's own line until something of it was sent or has ended, so that a peer that neither reads nor
//! sends keeps buffers from itself alone.
//!
//! Whoever waits here holds no buffer, and no claim of a unit's lane. A line of holders would be a line that waits for
//! itself.
//!
//! Exchanges, and commands that go alone, stand in no line: others wait for them. They take from the reserve of the
//! pool, too, and from a little memory beside it where that or the session's share is spent.

use std::time::Instant;

use ferrite_backends::{Buffer, Pool};
use ferrite_scsi::{Reply, Status};

use super::key::TaskKey;
use super::task::{Stage, Task};
use super::{LANDING_DEADLINE, SPARE_LONGEST, Shard};
use crate::io::Io;

impl<I: Io> Shard<I> {
    /// Lets data-out land, or goes to the disk. `urgent`: data is already behind the command in the stream,
    /// and a connection must not stand still for want of a buffer.
    pub(super) fn start(&mut self, key: TaskKey, urgent: bool) {
        let task = self.tasks.live(key);
        let (session, tag, len) = (task.session, task.tag, task.work.data_out());
        let (dormant, presses) = (task.dormant, task.work.presses());
        if len == 0 {
            if urgent && let Some((connection, member)) = self.carried(session) {
                // Nobody wants the data: let it pass now, or the stream would stand still until the disk is done.
                connection.begin_write(&mut member.protocol, tag, 0);
            }
            return self.go_on(key);
        }
        if dormant && !urgent {
            task.stage = Stage::Dormant;
            return;
        }
        let buffer = match (dormant, presses) {
            (true, _) => None,
            (false, true) if self.is_under_share(session) => self.pool.take_urgent(len as usize),
            (false, true) => None,
            (false, false) if urgent => self.pool.take_urgent(len as usize),
            (false, false) => self.take(key, len as usize),
        };
        let buffer = match buffer {
            Some(buffer) => {
                self.lend(key, len);
                Some(buffer)
            }
            None if dormant || presses => self.take_spare(key, len),
            None => None,
        };
        match buffer {
            Some(buffer) => {
                let task = self.tasks.live(key);
                task.buffer = Some(buffer);
                task.stage = Stage::Landing;
                if let Some((connection, member)) = self.carried(session) {
                    connection.begin_write(&mut member.protocol, tag, len);
                }
                self.landing_begins(session);
                // What is asked for must be sent, also when the buffer came by another session's end.
                self.mark_session_dirty(session);
            }
            None if urgent || presses => {
                let lun = self.forget(key).lun;
                self.reply(session, lun, tag, Reply::from(Status::TaskSetFull), 0);
            }
            None => {}
        }
    }

    /// The connection owes data from now on. Each command gives it time anew; the window ends that.
    fn landing_begins(&mut self, session: usize) {
        let now = self.now;
        if let Some(entry) = self.members[session].link.and_then(|link| self.links.get_mut(link)) {
            entry.landed = now;
            self.note_instant(Some(now + LANDING_DEADLINE));
        }
    }

    /// Memory beside the pool, for a task that holds none.
    fn take_spare(&mut self, key: TaskKey, len: u32) -> Option<Buffer> {
        if self.spare + u64::from(len) > SPARE_LONGEST * self.pool.longest() as u64 {
            return None;
        }
        self.spare += u64::from(len);
        self.tasks.live(key).burden().spare = len;
        Some(Buffer::alone(len as usize))
    }

    /// A buffer for a task that holds none. `None`: it waits now, and will be resumed.
    pub(super) fn take(&mut self, key: TaskKey, len: usize) -> Option<Buffer> {
        if !self.has_share(key) {
            return None;
        }
        let line = if len > Pool::SHORT_MAX { LONG } else { SHORT };
        let first = self.starved[line].front().copied();
        let buffer = if first.is_none_or(|first| first == key) { self.pool.take(len) } else { None };
        if buffer.is_none() {
            self.tasks.live(key).stage = Stage::Starved;
            if first != Some(key) {
                let Self { starved, tasks, .. } = self;
                forget_the_gone(&mut starved[line], tasks.len(), |key| tasks.get(key).is_some());
                starved[line].push_back(key);
                // It may be the last thing that happens here for long.
                self.note_instant(Some(self.now + STARVED_LOOK));
            }
        }
        buffer
    }

    /// Whether the session of a task may hold more. If not, the task waits now, and will be resumed.
    pub(super) fn has_share(&mut self, key: TaskKey) -> bool {
        let session = self.tasks.live(key).session;
        if self.is_under_share(session) {
            return true;
        }
        self.tasks.live(key).stage = Stage::Choked;
        let Self { members, tasks, .. } = self;
        let choked = &mut members[session].choked;
        forget_the_gone(choked, ferrite_iscsi::Session::TASKS_MAX, |key| tasks.get(key).is_some());
        choked.push_back(key);
        false
    }

    fn is_under_share(&mut self, session: usize) -> bool {
        let due = self.carried(session).map_or(0, |(connection, _)| connection.outgoing().len());
        self.members[session].lent + due < self.share
    }

    /// `len` bytes are a task's from now on.
    pub(super) fn lend(&mut self, key: TaskKey, len: u32) {
        let task = self.tasks.live(key);
        task.lent += u64::from(len);
        self.members[task.session].lent += u64::from(len);
    }

    /// A task that goes on has let go of its data-out of `len` bytes.
    pub(super) fn give_data_back(&mut self, key: TaskKey, len: u32) {
        match self.tasks.live(key).take_spare() {
            0 => self.give_back(key, len),
            spare => self.spare -= u64::from(spare),
        }
    }

    /// A task that goes on has let go of `len` bytes.
    pub(super) fn give_back(&mut self, key: TaskKey, len: u32) {
        let task = self.tasks.live(key);
        task.lent -= u64::from(len);
        let session = task.session;
        self.members[session].lent -= u64::from(len);
        self.relieve(session);
    }

    /// Takes a task out, with what it holds.
    pub(super) fn take_out(&mut self, key: TaskKey) -> Task {
        let mut task = self.tasks.remove(key);
        let member = &mut self.members[task.session];
        member.lent -= task.lent;
        self.spare -= u64::from(task.take_spare());
        if !member.lineups.is_empty() {
            self.left_lineup(key, &task);
        }
        self.relieve(task.session);
        task
    }

    /// A session holds less, or less is due to be sent: who waits for its share is looked at in this turn.
    pub(super) fn relieve(&mut self, session: usize) {
        if self.members.get(session).is_some_and(|member| !member.choked.is_empty()) {
            self.relieved.push(session);
        }
    }

    /// Resumes those whose session is under its share again.
    pub(super) fn feed_choked(&mut self) {
        for session in std::mem::take(&mut self.relieved) {
            while self.members.contains(session) && self.is_under_share(session) {
                let Some(key) = self.members[session].choked.pop_front() else { break };
                self.resume(key);
            }
        }
    }

    /// Gives buffers that came back to those who wait, first come, first served in each line.
    pub(super) fn feed_starved(&mut self, now: Instant) {
        let waits_for_long = !self.starved[LONG].is_empty();
        self.feed_line(SHORT, now);
        self.feed_line(LONG, now);
        if waits_for_long && self.starved[LONG].is_empty() {
            // The last one may have gone without one.
            self.pool.forgo_long();
        }
    }

    fn feed_line(&mut self, line: usize, now: Instant) {
        while let Some(key) = self.starved[line].front().copied() {
            self.resume(key);
            if self.tasks.get(key).is_some_and(|task| task.stage == Stage::Starved) {
                // Room comes by jobs and sends that wake the shard; this is for what comes by nothing else.
                return self.note_instant(Some(now + STARVED_LOOK));
            }
            self.starved[line].pop_front();
        }
    }

    /// A task that waited for others of its nexus does so no more. One of which the data lands goes on by itself.
    pub(super) fn begin(&mut self, key: TaskKey) {
        if self.tasks.live(key).stage == Stage::Dormant {
            self.resume(key);
        }
    }

    fn resume(&mut self, key: TaskKey) {
        let Some(task) = self.tasks.get(key) else { return };
        if task.work.data_out() > 0 && !task.landed {
            self.start(key, false);
        } else {
            self.go_on(key);
        }
    }
}

/// Tasks that were aborted while they waited leave their keys behind; a line must not grow by them for ever.
fn forget_the_gone(
    line: &mut std::collections::VecDeque<TaskKey>,
    alive_max: usize,
    mut is_alive: impl FnMut(TaskKey) -> bool,
) {
    if line.len() > 2 * alive_max + GONE_MAX {
        line.retain(|key| is_alive(*key));
    }
}

/// The two lines.
const SHORT: usize = 0;
const LONG: usize = 1;

/// Keys of tasks that are gone stay in a line up to about so many.
const GONE_MAX: usize = 64;

/// How often tasks that wait for a buffer are looked at when nothing else happens.
const STARVED_LOOK: std::time::Duration = std::time::Duration::from_millis(20);
