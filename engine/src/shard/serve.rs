//! Bytes in and bytes out of one link.

use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::time::Instant;

use ferrite_iscsi::{Fault, Want};

use super::link::{Link, Phase};
use super::task::Stage;
use super::{BYTES_PER_SEND, BYTES_PER_TURN, LANDING_DEADLINE, LINGER, SLICES_PER_SEND, STAGING, Shard};
use crate::io::Io;

impl<I: Io> Shard<I> {
    /// Takes what a link has received, up to its share of a turn.
    pub(super) fn serve(&mut self, link: usize, now: Instant) {
        let Some(entry) = self.links.get_mut(link) else { return };
        entry.in_runnable = false;
        if entry.finished {
            return self.let_pass(link);
        }
        if !entry.held.is_empty() {
            let held = std::mem::take(&mut entry.held);
            let used = self.feed(link, &held, now);
            if used < held.len() {
                self.hold_back(link, held, used);
                // What the protocol answered by itself is due all the same.
                self.mark_dirty(link);
                self.note_deadline(link);
                return;
            }
        }
        let mut staging = std::mem::take(&mut self.staging);
        let mut moved = 0;
        while moved < BYTES_PER_TURN && self.may_receive(link) {
            let (landed, staged, drained) = match self.receive(link, &mut staging) {
                Received::Bytes { landed, staged, drained } => (landed, staged, drained),
                Received::Nothing => break,
                Received::End(why) => {
                    self.close_link(link, &why);
                    break;
                }
            };
            moved += landed + staged;
            if landed > 0 {
                self.landed_directly(link, landed, now);
            }
            let used = self.feed(link, &staging[..staged], now);
            if used < staged {
                self.hold_back(link, staging[..staged].to_vec(), used);
            }
            if drained && let Some(entry) = self.links.get_mut(link) {
                entry.readable = entry.ended;
            }
        }
        self.staging = staging;
        if moved >= BYTES_PER_TURN && self.may_receive(link) {
            self.mark_runnable(link);
        }
        self.mark_dirty(link);
        self.note_deadline(link);
    }

    /// Waits for the peer's end of a connection that is over: what comes before it is nobody's.
    fn let_pass(&mut self, link: usize) {
        let mut staging = std::mem::take(&mut self.staging);
        let mut moved = 0;
        while moved < BYTES_PER_TURN && self.links.get(link).is_some_and(|entry| entry.readable) {
            match self.receive(link, &mut staging) {
                Received::Bytes { staged, drained, .. } => {
                    moved += staged;
                    let entry = &mut self.links[link];
                    entry.readable = !drained || entry.ended;
                }
                Received::Nothing => break,
                Received::End(_) => self.close_link(link, "done"),
            }
        }
        self.staging = staging;
        if moved >= BYTES_PER_TURN {
            self.mark_runnable(link);
        }
    }

    fn hold_back(&mut self, link: usize, mut bytes: Vec<u8>, used: usize) {
        if let Some(entry) = self.links.get_mut(link) {
            bytes.drain(..used);
            debug_assert!(bytes.len() <= STAGING);
            entry.held = bytes;
        }
    }

    fn may_receive(&self, link: usize) -> bool {
        let Some(entry) = self.links.get(link) else { return false };
        entry.readable
            && entry.held.is_empty()
            && entry.closing.is_none()
            && match &entry.phase {
                Phase::Login(phase) => phase.waiting.is_none(),
                Phase::Full { connection, .. } => !matches!(connection.want(), Want::Nothing),
                Phase::Over => false,
            }
    }

    /// One receive: into the buffer of the task whose data comes next, where there is one, and behind it
    /// into `staging`.
    fn receive(&mut self, link: usize, staging: &mut [u8]) -> Received {
        let entry = &mut self.links[link];
        let socket = entry.socket;
        let mut direct: &mut [u8] = &mut [];
        if let Phase::Full { connection, session } = &entry.phase
            && let Want::Payload { task, offset, len } = connection.want()
            && let Some(key) = self.members[*session].task(task)
        {
            let buffer = self.tasks.live(key).buffer.as_mut().expect("a task that lands has a buffer");
            direct = &mut buffer[offset as usize..][..len as usize];
        }
        let ahead = direct.len();
        let asked = ahead + staging.len();
        let result = if ahead == 0 {
            self.io.receive(socket, &mut [IoSliceMut::new(staging)])
        } else {
            self.io.receive(socket, &mut [IoSliceMut::new(direct), IoSliceMut::new(staging)])
        };
        match result {
            Ok(0) => Received::End("the initiator closed the connection".into()),
            Ok(count) => {
                let landed = count.min(ahead);
                Received::Bytes { landed, staged: count - landed, drained: count < asked }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                entry.readable = false;
                Received::Nothing
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Received::Nothing,
            Err(error) => Received::End(error.to_string()),
        }
    }

    /// Tells the protocol of `count` bytes that the socket put into a task's buffer.
    fn landed_directly(&mut self, link: usize, count: usize, now: Instant) {
        let Phase::Full { connection, session } = &mut self.links[link].phase else { unreachable!("it wanted data") };
        let Want::Payload { task, offset, .. } = connection.want() else { unreachable!("it wanted data") };
        let member = &mut self.members[*session];
        let key = member.task(task).expect("its data was wanted");
        let buffer = self.tasks.live(key).buffer.as_ref().expect("a task that lands has a buffer");
        connection.landed(&mut member.protocol, &buffer[offset as usize..][..count], now);
        member.counters.bytes_written += count as u64;
        self.links[link].landed = now;
        self.drain_events(link, now);
    }

    /// Gives received bytes to whoever wants them; returns how many were taken.
    fn feed(&mut self, link: usize, bytes: &[u8], now: Instant) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let Some(entry) = self.links.get_mut(link) else { return bytes.len() };
            if entry.closing.is_some() {
                return bytes.len();
            }
            let rest = &bytes[at..];
            let taken = match &mut entry.phase {
                Phase::Login(phase) => {
                    if phase.waiting.is_some() {
                        return at;
                    }
                    let taken = phase.login.receive(rest, now);
                    self.login_events(link, now);
                    taken
                }
                Phase::Full { connection, session } => {
                    let member = &mut self.members[*session];
                    let taken = match connection.want() {
                        Want::Nothing => return at,
                        Want::Bytes | Want::Discard { .. } => connection.receive(&mut member.protocol, rest, now),
                        Want::Payload { task, offset, len } => {
                            let key = member.task(task).expect("its data is wanted");
                            let task = self.tasks.live(key);
                            let buffer = task.buffer.as_mut().expect("a task that lands has a buffer");
                            let count = rest.len().min(len as usize);
                            let into = &mut buffer[offset as usize..][..count];
                            into.copy_from_slice(&rest[..count]);
                            connection.landed(&mut member.protocol, into, now);
                            member.counters.bytes_written += count as u64;
                            entry.landed = now;
                            count
                        }
                    };
                    let events = self.drain_events(link, now);
                    assert!(taken > 0 || events, "the protocol wants bytes and takes none");
                    taken
                }
                Phase::Over => return bytes.len(),
            };
            at += taken;
        }
        at
    }

    /// Sends what is due, one vectored call per link where the socket takes it all.
    pub(super) fn send_due(&mut self, now: Instant) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for link in dirty.drain(..) {
            let Some(entry) = self.links.get_mut(link) else { continue };
            entry.in_dirty = false;
            if entry.writable {
                self.send(link, now);
            }
            self.after_send(link, now);
        }
        // Sending unblocks links, which marks them again; those wait for the next turn.
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
    }

    fn send(&mut self, link: usize, now: Instant) {
        loop {
            let entry = &mut self.links[link];
            let early = !entry.early.is_empty();
            let outgoing = match &mut entry.phase {
                _ if early => &mut entry.early,
                Phase::Full { connection, .. } => connection.outgoing(),
                Phase::Login(_) | Phase::Over => return,
            };
            if outgoing.is_empty() {
                return;
            }
            let mut slices = reuse(std::mem::take(&mut self.slices));
            outgoing.slices(&mut slices, SLICES_PER_SEND, BYTES_PER_SEND);
            let offered: usize = slices.iter().map(|slice| slice.len()).sum();
            let result = self.io.send(entry.socket, &slices);
            self.slices = reuse(slices);
            let sent = match result {
                Ok(sent) => sent,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    entry.writable = false;
                    return;
                }
                Err(error) => {
                    self.close_link(link, &error.to_string());
                    return;
                }
            };
            match &mut entry.phase {
                _ if early => entry.early.advance(sent),
                Phase::Full { connection, .. } => connection.sent(sent, now),
                Phase::Login(_) | Phase::Over => unreachable!("it had something to send"),
            }
            if sent < offered {
                entry.writable = false;
                return;
            }
        }
    }

    /// A link that has said all it had to say goes, if it was only waiting for that; one that was blocked
    /// by its own output goes on reading.
    fn after_send(&mut self, link: usize, now: Instant) {
        let Some(entry) = self.links.get_mut(link) else { return };
        if entry.closing.is_some() {
            if entry.due() == 0 && !entry.finished {
                self.finish_link(link);
            }
            return;
        }
        let (session, has_input) = (entry.session(), entry.readable || !entry.held.is_empty());
        if has_input && self.wants_input(link) {
            self.mark_runnable(link);
        }
        self.relieve(session);
        if self.draining.is_some() {
            self.refuse_login_while_draining(link, now);
        }
        self.note_deadline(link);
    }

    fn wants_input(&self, link: usize) -> bool {
        match &self.links[link].phase {
            Phase::Login(phase) => phase.waiting.is_none(),
            Phase::Full { connection, .. } => !matches!(connection.want(), Want::Nothing),
            Phase::Over => false,
        }
    }

    /// A link's deadline has passed, or may have.
    pub(super) fn link_deadline(&mut self, link: usize, now: Instant) {
        let Some(entry) = self.links.get_mut(link) else { return };
        if entry.deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        if entry.closing.is_some() {
            self.close_link(link, "the peer did not take its last bytes and close in time");
            return;
        }
        match &mut entry.phase {
            Phase::Login(_) => {
                tracing::warn!(peer = %entry.peer, "login not finished in time; connection closed (RFC 7143 §6.3)");
                self.close_link(link, "login not finished in time");
            }
            Phase::Full { connection, session } => {
                connection.on_deadline(&mut self.members[*session].protocol, now);
                self.drain_events(link, now);
                self.mark_dirty(link);
            }
            Phase::Over => {}
        }
    }

    /// A peer that owes data and sends none keeps buffers from others.
    pub(super) fn landing_deadline(&mut self, link: usize, now: Instant) {
        let Some(Link { phase: Phase::Full { session, .. }, closing: None, landed, .. }) = self.links.get(link) else {
            return;
        };
        let (session, deadline) = (*session, *landed + LANDING_DEADLINE);
        let owes = |key| self.tasks.live(key).stage == Stage::Landing;
        if !self.members[session].tasks().collect::<Vec<_>>().into_iter().any(owes) {
            return;
        }
        if deadline > now {
            return self.note_instant(Some(deadline));
        }
        let what = format!("data of a write is owed and none came for {LANDING_DEADLINE:?}");
        self.fault(link, &Fault::connection("limit LANDING_DEADLINE", what), now);
    }

    /// The peer was wrong: what is due is still sent, for a moment.
    pub(super) fn fault(&mut self, link: usize, fault: &Fault, now: Instant) {
        let entry = &mut self.links[link];
        tracing::warn!(
            peer = %entry.peer,
            initiator = self.members.get(entry.session()).map(|member| member.protocol.initiator()),
            clause = fault.clause,
            "connection closed: {}",
            fault.what
        );
        self.close_after_flush(link, now);
    }

    /// Reads no more, sends what is due, then closes.
    pub(super) fn close_after_flush(&mut self, link: usize, now: Instant) {
        if let Some(entry) = self.links.get_mut(link) {
            entry.closing.get_or_insert(now + LINGER);
            entry.held = Vec::new();
            self.note_deadline(link);
            self.mark_dirty(link);
        }
    }

    /// All is sent: the session ends, and the connection when the peer has ended its side. Closing it before
    /// could take the last bytes from the peer, the answer to its logout, or the reason of a refusal.
    fn finish_link(&mut self, link: usize) {
        let entry = &mut self.links[link];
        if self.io.finish(entry.socket).is_err() {
            return self.close_link(link, "done");
        }
        entry.finished = true;
        if let Phase::Full { session, .. } = std::mem::replace(&mut entry.phase, Phase::Over) {
            self.end_session(session, "done");
        }
        self.mark_runnable(link);
    }

    /// Closes at once. The session ends with its connection (ErrorRecoveryLevel 0, one connection).
    pub(super) fn close_link(&mut self, link: usize, why: &str) {
        let entry = self.links.remove(link);
        tracing::debug!(peer = %entry.peer, why, "connection closed");
        self.by_socket[entry.socket.0] = usize::MAX;
        self.io.close(entry.socket);
        if let Phase::Full { session, .. } = entry.phase {
            self.end_session(session, why);
        }
    }
}

/// What one receive brought.
enum Received {
    Bytes {
        /// Bytes in the buffer of the task whose data was next.
        landed: usize,
        /// Bytes in the staging buffer.
        staged: usize,
        /// The socket had less than there was room for: it is empty.
        drained: bool,
    },
    Nothing,
    End(String),
}

/// An empty vector in the memory of another: the pieces of a send have a short life, their list a long one.
fn reuse<'a>(mut slices: Vec<IoSlice<'_>>) -> Vec<IoSlice<'a>> {
    slices.clear();
    slices.into_iter().map(|_| unreachable!("it is empty")).collect()
}
