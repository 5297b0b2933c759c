//! The loop of a shard: one turn after the other until it is told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use ferrite_backends::{Job, Op};

use super::command::submit;
use super::key::TaskKey;
use super::letters::{Arrival, Hold, Letter};
use super::link::{Link, LoginPhase, Phase};
use super::{Shard, TRIM_AFTER};
use crate::io::{Io, Readiness};
use ferrite_iscsi::{Entropy, Login, Outgoing};

impl<I: Io> Shard<I> {
    /// Runs until told to stop.
    pub(crate) fn run(mut self) {
        tracing::debug!(shard = self.number, disks = self.io.describe(), "shard runs");
        while !self.stopping {
            self.turn();
        }
        // Sessions end with their jobs unfinished only when the grace of a shutdown has passed.
        for link in self.links.iter().map(|(key, _)| key).collect::<Vec<_>>() {
            self.close_link(link, "the target stops");
        }
    }

    /// One turn.
    pub(crate) fn turn(&mut self) {
        let mut ready = std::mem::take(&mut self.ready);
        let until = if self.has_work() { Some(self.io.now()) } else { self.wake_at() };
        self.io.wait(until, &mut ready);
        let now = self.io.now();
        self.now = now;
        self.now_ns = u64::try_from(now.saturating_duration_since(self.began).as_nanos()).unwrap_or(u64::MAX);
        for Readiness { socket, readable, writable, ended } in ready.drain(..) {
            let link = self.by_socket[socket.0];
            let Some(entry) = self.links.get_mut(link) else { continue };
            entry.readable |= readable;
            entry.ended |= ended;
            if writable {
                entry.writable = true;
                self.mark_dirty(link);
            }
            if readable {
                self.mark_runnable(link);
            }
        }
        self.ready = ready;

        self.collect(now);
        for _ in 0..self.runnable.len() {
            let Some(link) = self.runnable.pop_front() else { break };
            self.serve(link, now);
        }
        self.io.turn_disks();
        self.collect(now);
        self.begin_next();
        // Before those who wait are looked at: they say when they want to be looked at again.
        if self.next_deadline.is_some_and(|deadline| deadline <= now) {
            self.look_at_deadlines(now);
        }
        self.feed_starved(now);
        self.send_due(now);
        self.feed_choked();
        self.drain_or_trim(now);
    }

    fn has_work(&self) -> bool {
        !(self.runnable.is_empty() && self.dirty.is_empty() && self.relieved.is_empty() && self.unblocked.is_empty())
    }

    fn wake_at(&self) -> Option<Instant> {
        let drain = self.draining.as_ref().map(|draining| draining.until);
        [self.next_deadline, self.trim_at, drain].into_iter().flatten().min()
    }

    /// Reads the inbox: jobs that came home, and letters.
    fn collect(&mut self, now: Instant) {
        loop {
            let mut finished = std::mem::take(&mut self.finished);
            let any = self.inbox.collect(&mut finished, &mut self.letters);
            for done in finished.drain(..) {
                self.came_home(done);
            }
            self.finished = finished;
            while let Some(letter) = self.letters.pop_front() {
                self.read_letter(letter, now);
            }
            if !any {
                return;
            }
        }
    }

    fn read_letter(&mut self, letter: Letter<I::Stream>, now: Instant) {
        match letter {
            Letter::Connection(arrival) => self.arrived(arrival, now),
            Letter::Catalog { catalog, hold } => self.new_catalog(catalog, &hold),
            Letter::EndSession { session, why } => {
                if let Some(link) = self.link_of(session) {
                    self.close_link(link, why);
                }
            }
            Letter::Proceed { link } => self.proceed_login(link, now),
            Letter::AbortUnit { unit, by, of, tell, hold } => self.abort_unit(unit, by, of.as_ref(), tell, &hold),
            Letter::Quiesce { unit, spared, sense, hold } => self.quiesce(unit, spared, sense, &hold),
            Letter::Returned { task, plan } => self.returned(task, plan),
            Letter::Arm { unit, arming } => self.arm(unit, &arming),
            Letter::GoOn { task } => self.may_go_on(task),
            Letter::Managed { pending } => self.managed(pending),
            Letter::EndTarget { target, by } => self.end_target(target, by, now),
            // Whoever asked may have stopped waiting.
            Letter::Report { to } => drop(to.send(self.report(now))),
            Letter::Drain { until, closed, hold } => self.drain(Draining { until, closed, _hold: hold }),
            Letter::Flush { failed, hold } => self.flush_all(&failed, &hold),
            Letter::Stop => self.stopping = true,
        }
    }

    fn arrived(&mut self, arrival: Arrival<I::Stream>, now: Instant) {
        let Arrival { stream, peer, local, portal_group, load } = arrival;
        let socket = match self.io.adopt(stream) {
            Ok(socket) => socket,
            Err(error) => {
                tracing::warn!(%peer, %error, "connection refused");
                return;
            }
        };
        self.link_serial += 1;
        let mut seed = [0; 32];
        if let Err(error) = getrandom::fill(&mut seed) {
            tracing::error!(%peer, %error, "no randomness for CHAP; connection refused");
            self.io.close(socket);
            return;
        }
        let login = Login::new(self.limits.login, Entropy::new(seed), now);
        let link = self.links.insert(Link {
            socket,
            peer,
            local,
            portal_group,
            serial: self.link_serial,
            phase: Phase::Login(Box::new(LoginPhase { login, target: None, waiting: None })),
            early: Outgoing::new(),
            held: Vec::new(),
            readable: true,
            writable: true,
            ended: false,
            in_runnable: false,
            in_dirty: false,
            closing: None,
            finished: false,
            landed: now,
            _load: load,
        });
        if self.by_socket.len() <= socket.0 {
            self.by_socket.resize(socket.0 + 1, usize::MAX);
        }
        self.by_socket[socket.0] = link;
        self.note_deadline(link);
        self.mark_runnable(link);
    }

    fn look_at_deadlines(&mut self, now: Instant) {
        self.next_deadline = None;
        for link in self.links.iter().map(|(key, _)| key).collect::<Vec<_>>() {
            self.link_deadline(link, now);
            self.landing_deadline(link, now);
            self.note_deadline(link);
        }
        self.manage_deadlines(now);
    }

    /// Remembers when a link next wants to be looked at.
    pub(super) fn note_deadline(&mut self, link: usize) {
        let deadline = self.links.get(link).and_then(Link::deadline);
        self.note_instant(deadline);
    }

    pub(super) fn note_instant(&mut self, deadline: Option<Instant>) {
        self.next_deadline = [self.next_deadline, deadline].into_iter().flatten().min();
    }

    /// Asks every initiator to log out; whoever is still there at `until` is closed.
    fn drain(&mut self, draining: Draining) {
        for (link, _) in self.links.iter() {
            self.dirty.push(link);
        }
        self.ask_for_logout(draining.until.saturating_duration_since(self.io.now()));
        self.draining = Some(draining);
    }

    fn drain_or_trim(&mut self, now: Instant) {
        if let Some(draining) = self.draining.take() {
            let late = draining.until <= now;
            if late {
                for link in self.links.iter().map(|(key, _)| key).collect::<Vec<_>>() {
                    let open =
                        matches!(self.links[link].phase, Phase::Full { .. }) && self.links[link].closing.is_none();
                    draining.closed.fetch_add(usize::from(open), Ordering::Relaxed);
                    self.close_link(link, "the initiator did not log out in time");
                }
            }
            let gone = self.links.iter().all(|(_, link)| link.finished) && self.members.is_empty();
            self.draining = if late || gone { None } else { Some(draining) };
        }
        if self.tasks.len() > 0 || self.pool.usage().mapped == 0 {
            self.trim_at = None;
        } else if self.trim_at.is_none() {
            self.trim_at = Some(now + TRIM_AFTER);
        } else if self.trim_at.is_some_and(|at| at <= now) {
            self.io.trim(&self.pool);
            // What is still lent keeps its slab; look again later, not at once.
            self.trim_at = (self.pool.usage().mapped > 0).then_some(now + TRIM_AFTER * 12);
        }
    }

    /// Flushes every disk of the catalog.
    fn flush_all(&mut self, failed: &Arc<AtomicUsize>, hold: &Hold) {
        let catalog = self.catalog.clone();
        for lun in catalog.luns() {
            let flush = Flush { failed: failed.clone(), _hold: hold.clone() };
            let token = TaskKey::flush_token(self.flushes.insert(flush));
            submit(&*lun.disk, Job::new(Op::Flush, None, token, self.home.clone()), self.io.disks());
        }
    }
}

/// The target goes away: what it waits for, and until when.
pub(super) struct Draining {
    until: Instant,
    closed: Arc<AtomicUsize>,
    _hold: Hold,
}

/// A flush that belongs to no command.
pub(super) struct Flush {
    pub(super) failed: Arc<AtomicUsize>,
    _hold: Hold,
}
