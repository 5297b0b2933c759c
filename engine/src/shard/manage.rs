//! Task management, logout, and the ends of tasks and sessions (RFC 7143 §11.5, SAM-5 7).

use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrite_iscsi::{
    LogoutReason, Manage, ManageFunction, ManageResponse, ManageTag, Notice, Referenced, TaskReporting, TaskTag,
};
use ferrite_scsi::{Attention, Sense, lun};

use super::Shard;
use super::key::TaskKey;
use super::letters::{Hold, Letter, ManagedWhenDone, Named};
use super::link::Phase;
use super::report::SessionReport;
use super::session::{Member, is_among};
use super::task::{Stage, Task};
use crate::catalog::{Catalog, Target};
use crate::io::Io;

/// A task management function, or a logout, that waits for commands to end.
pub(super) struct Pending {
    number: u64,
    session: u64,
    kind: PendingKind,
    deadline: Instant,
}

#[derive(Clone, Copy)]
enum PendingKind {
    /// `response`: what is answered when all has ended.
    Manage {
        tag: ManageTag,
        cold: bool,
        response: ManageResponse,
    },
    Logout,
}

impl<I: Io> Shard<I> {
    pub(super) fn manage(&mut self, link: usize, manage: Manage, now: Instant) {
        let Phase::Full { session, .. } = self.links[link].phase else { unreachable!("it has events") };
        let member = &mut self.members[session];
        let serial = member.serial;
        let number = lun::parse(manage.lun).unwrap_or(u16::MAX);
        let unit = member.lun(number).cloned();
        let needs_unit = !matches!(
            manage.function,
            ManageFunction::AbortTask
                | ManageFunction::TargetWarmReset
                | ManageFunction::TargetColdReset
                | ManageFunction::QueryTask
                | ManageFunction::NexusReset
        );
        if needs_unit && unit.is_none() {
            return self.answer(link, manage.tag, ManageResponse::NoLun);
        }
        let waits = |cold| PendingKind::Manage { tag: manage.tag, cold, response: ManageResponse::Complete };
        let gone = PendingKind::Manage { tag: manage.tag, cold: false, response: ManageResponse::NoTask };
        match manage.function {
            ManageFunction::AbortTask => match manage.referenced {
                Referenced::Task(tag) => {
                    let hold = self.pend(serial, waits(false), now);
                    self.abort_task(session, tag, &hold);
                }
                // It may have been aborted before, when the disk did not answer in time: "does not exist" must
                // mean that nothing of it will be written.
                Referenced::Unknown if self.has_aborted(session, number) => {
                    let hold = self.pend(serial, gone, now);
                    self.wait_for_aborted(session, Some(number), &hold);
                }
                // RFC 7143 §11.6.1: a command that has not arrived, within the window, counts as aborted.
                Referenced::InWindow => self.answer(link, manage.tag, ManageResponse::Complete),
                Referenced::Unknown | Referenced::Nothing => self.answer(link, manage.tag, ManageResponse::NoTask),
            },
            ManageFunction::AbortTaskSet => {
                let hold = self.pend(serial, waits(false), now);
                for tag in self.tags_on(session, |task_lun| task_lun == number) {
                    self.abort_task(session, tag, &hold);
                }
                self.wait_for_aborted(session, Some(number), &hold);
            }
            ManageFunction::ClearTaskSet | ManageFunction::LogicalUnitReset => {
                let unit = unit.expect("checked above");
                let hold = self.pend(serial, waits(false), now);
                for tag in self.tags_on(session, |task_lun| task_lun == number) {
                    self.abort_task(session, tag, &hold);
                }
                let reset = manage.function == ManageFunction::LogicalUnitReset;
                // A reset tells every nexus by its own attention; a cleared task set tells those who lost.
                let tell = (!reset).then_some(Attention::CommandsCleared);
                if reset {
                    unit.unit.book().reset(None, Attention::DeviceReset);
                    self.errands.stop_copies(unit.id, &hold);
                }
                self.everywhere(|| Letter::AbortUnit { unit: unit.id, by: serial, of: None, tell, hold: hold.clone() });
            }
            ManageFunction::TargetWarmReset | ManageFunction::TargetColdReset => {
                let cold = manage.function == ManageFunction::TargetColdReset;
                let hold = self.pend(serial, waits(cold), now);
                for tag in self.tags_on(session, |_| true) {
                    self.abort_task(session, tag, &hold);
                }
                let target = self.members[session].target.clone();
                for unit in target.iter().flat_map(|target| target.luns.values()) {
                    unit.unit.book().reset(None, Attention::BusReset);
                    self.errands.stop_copies(unit.id, &hold);
                    let abort =
                        || Letter::AbortUnit { unit: unit.id, by: serial, of: None, tell: None, hold: hold.clone() };
                    self.everywhere(abort);
                }
                if let Some(target) = target.filter(|_| cold) {
                    self.everywhere(|| Letter::EndTarget { target: target.id, by: serial });
                }
            }
            ManageFunction::QueryTask => {
                let there = matches!(manage.referenced, Referenced::Task(_));
                let response = if there { ManageResponse::Succeeded } else { ManageResponse::Complete };
                self.answer(link, manage.tag, response);
            }
            ManageFunction::QueryTaskSet => {
                let any = !self.tags_on(session, |task_lun| task_lun == number).is_empty();
                let response = if any { ManageResponse::Succeeded } else { ManageResponse::Complete };
                self.answer(link, manage.tag, response);
            }
            ManageFunction::QueryAsyncEvent => {
                let response = match self.members[session].first_attention(number) {
                    Some(Sense { key, asc, ascq, .. }) => ManageResponse::SucceededWith { key: key as u8, asc, ascq },
                    None => ManageResponse::Complete,
                };
                self.answer(link, manage.tag, response);
            }
            ManageFunction::NexusReset => {
                let hold = self.pend(serial, waits(false), now);
                for tag in self.tags_on(session, |_| true) {
                    self.abort_task(session, tag, &hold);
                }
                self.wait_for_aborted(session, None, &hold);
                self.errands.stop_copies_of(|nexus| nexus.session == serial, None, &hold);
                for unit in self.members[session].units() {
                    unit.lun.unit.book().nexus_lost(serial);
                    unit.nexus.post(Attention::NexusLoss);
                }
            }
        }
    }

    fn answer(&mut self, link: usize, tag: ManageTag, response: ManageResponse) {
        if let Some((connection, member)) = self.full(link) {
            connection.answer_manage(&mut member.protocol, tag, response);
        }
        self.mark_dirty(link);
    }

    /// Registers what waits; when the last clone of the hold is gone, it is answered.
    fn pend(&mut self, session: u64, kind: PendingKind, now: Instant) -> Hold {
        let deadline = now + MANAGE_DEADLINE;
        self.pending_number += 1;
        let number = self.pending_number;
        self.managing.push(Pending { number, session, kind, deadline });
        self.note_instant(Some(deadline));
        Arc::new(ManagedWhenDone { inbox: self.inbox.clone(), pending: number })
    }

    /// All that a function waited for has ended.
    pub(super) fn managed(&mut self, number: u64) {
        if let Some(at) = self.managing.iter().position(|pending| pending.number == number) {
            let pending = self.managing.swap_remove(at);
            self.settle(&pending, None);
        }
    }

    /// `instead`: not all has ended, and this is answered.
    fn settle(&mut self, pending: &Pending, instead: Option<ManageResponse>) {
        let Some(link) = self.link_of(pending.session) else { return };
        let now = self.io.now();
        match pending.kind {
            PendingKind::Manage { tag, cold, response } => {
                self.answer(link, tag, instead.unwrap_or(response));
                if cold {
                    self.close_after_flush(link, now);
                }
            }
            PendingKind::Logout => {
                if let Some((connection, member)) = self.full(link) {
                    connection.answer_logout(&mut member.protocol, 0);
                }
                self.close_after_flush(link, now);
            }
        }
    }

    /// A disk that does not answer must not keep an initiator waiting for ever: it is told that the
    /// function failed, and escalates. What is on the disk is still waited for before a new session of the
    /// same initiator is let in.
    pub(super) fn manage_deadlines(&mut self, now: Instant) {
        let (late, waiting) = std::mem::take(&mut self.managing).into_iter().partition(|p: &Pending| p.deadline <= now);
        self.managing = waiting;
        let late: Vec<Pending> = late;
        for pending in late {
            tracing::warn!(session = pending.session, "commands did not end in time for task management");
            self.settle(&pending, Some(ManageResponse::Rejected));
        }
        let next = self.managing.iter().map(|pending| pending.deadline).min();
        self.note_instant(next);
    }

    pub(super) fn tags_on(&mut self, session: usize, on: impl Fn(u16) -> bool) -> Vec<TaskTag> {
        let keys: Vec<TaskKey> = self.members[session].tasks().collect();
        let tag_of = |key| {
            let task = self.tasks.live(key);
            on(task.lun).then_some(task.tag)
        };
        keys.into_iter().filter_map(tag_of).collect()
    }

    /// The protocol forgets a task at once; `hold` is kept while it still has a job on a disk, or an errand out, so
    /// that "aborted" means that nothing of it will be written any more.
    pub(super) fn abort_task(&mut self, session: usize, tag: TaskTag, hold: &Hold) {
        let Some(key) = self.members[session].task(tag) else { return };
        self.members[session].forget(tag);
        if let Some((connection, member)) = self.carried(session) {
            connection.abort(&mut member.protocol, tag);
        }
        self.orphan(key, hold);
    }

    /// Nobody will be answered: gone now, or when its job or its errand is home.
    fn orphan(&mut self, key: TaskKey, hold: &Hold) {
        let task = self.tasks.live(key);
        if let Some(ticket) = task.errand() {
            ticket.give_up();
        }
        if task.stage == Stage::Disk || task.errand().is_some() {
            task.aborted = true;
            task.burden().holds.push(hold.clone());
        } else {
            drop(self.take_out(key));
        }
    }

    /// Ends the commands that other sessions of this shard, or those `of` it that are named, have on a unit, and
    /// waits for what earlier aborts left on its disk.
    pub(super) fn abort_unit(&mut self, unit: u64, by: u64, of: Option<&Named>, tell: Option<Attention>, hold: &Hold) {
        for session in self.members.iter().map(|(key, _)| key).collect::<Vec<_>>() {
            let member = &mut self.members[session];
            if of.is_some_and(|named| !member.is_among(named)) {
                continue;
            }
            let Some(number) = member.units().iter().find(|link| link.lun.id == unit).map(|link| link.number) else {
                continue;
            };
            let own = member.serial == by;
            let tags = if own { Vec::new() } else { self.tags_on(session, |task_lun| task_lun == number) };
            if let Some(attention) = tell.filter(|_| !tags.is_empty()) {
                self.members[session].post(number, attention);
            }
            if !tags.is_empty() {
                self.tell_terminated(session, number);
            }
            for tag in tags {
                self.abort_task(session, tag, hold);
            }
            self.wait_for_aborted(session, Some(number), hold);
        }
        if let Some(named) = of {
            // Copies that were answered before, those whose session is gone, and those asked of another unit.
            self.errands.stop_copies_of(|nexus| is_among(nexus, named), Some(unit), hold);
        }
    }

    /// TARGET COLD RESET: every other session of the target ends (SAM-5 6.3.2).
    pub(super) fn end_target(&mut self, target: u64, by: u64, now: Instant) {
        let ends = |member: &Member| member.serial != by && member.target.as_ref().is_some_and(|t| t.id == target);
        let links: Vec<usize> =
            self.members.iter().filter(|(_, member)| ends(member)).filter_map(|(_, member)| member.link).collect();
        for link in links {
            if let Some((connection, member)) = self.full(link) {
                connection.notify(&mut member.protocol, Notice::DropSession);
            }
            self.close_after_flush(link, now);
        }
    }

    /// RFC 7143 §4.2.3.4: a session that agreed to FastAbort hears that tasks of its were ended by another one. Without
    /// it, the tasks would be answered by nobody and it would learn of that by their time-outs.
    fn tell_terminated(&mut self, session: usize, number: u16) {
        let Some((connection, member)) = self.carried(session) else { return };
        if member.protocol.params().task_reporting == TaskReporting::FastAbort {
            connection.notify(&mut member.protocol, Notice::TasksTerminated { lun: lun::to_bytes(number) });
            self.mark_session_dirty(session);
        }
    }

    pub(super) fn everywhere(&self, letter: impl Fn() -> Letter<I::Stream>) {
        for peer in self.peers.iter() {
            peer.post(letter());
        }
    }

    /// Logout: commands end first, so that nothing is written after the response (RFC 7143 §11.14).
    pub(super) fn logout(&mut self, link: usize, reason: LogoutReason, now: Instant) {
        tracing::debug!(?reason, "logout");
        let Phase::Full { session, .. } = self.links[link].phase else { unreachable!("it has events") };
        let serial = self.members[session].serial;
        let hold = self.pend(serial, PendingKind::Logout, now);
        for tag in self.tags_on(session, |_| true) {
            self.abort_task(session, tag, &hold);
        }
        self.wait_for_aborted(session, None, &hold);
        self.errands.stop_copies_of(|nexus| nexus.session == serial, None, &hold);
    }

    /// What earlier aborts of a session left on the disk of LUN `number`, or of all.
    fn aborted(&mut self, session: usize, number: Option<u16>) -> impl Iterator<Item = &mut Task> {
        let of = move |task: &&mut Task| task.session == session && number.is_none_or(|number| task.lun == number);
        self.tasks.iter_mut().filter(|task| task.aborted).filter(of)
    }

    fn has_aborted(&mut self, session: usize, number: u16) -> bool {
        self.aborted(session, Some(number)).next().is_some()
    }

    pub(super) fn wait_for_aborted(&mut self, session: usize, number: Option<u16>, hold: &Hold) {
        self.aborted(session, number).for_each(|task| task.burden().holds.push(hold.clone()));
    }

    /// The link of a session, by its serial.
    pub(super) fn link_of(&self, serial: u64) -> Option<usize> {
        self.members.iter().find(|(_, member)| member.serial == serial)?.1.link
    }

    /// The session has no connection any more. It stays until its last job is home: an initiator that logs
    /// in again must not see an old write land after its new ones.
    pub(super) fn end_session(&mut self, session: usize, why: &str) {
        let member = &mut self.members[session];
        member.link = None;
        tracing::info!(
            initiator = member.protocol.initiator(),
            target = member.target.as_ref().map(|target| target.name.as_str()),
            why,
            "session ended"
        );
        let none: Hold = Arc::new(());
        let serial = member.serial;
        self.errands.stop_copies_of(|nexus| nexus.session == serial, None, &none);
        for key in member.tasks().collect::<Vec<_>>() {
            self.orphan(key, &none);
        }
        self.members[session].forget_all();
        self.end_if_last(session);
    }

    pub(super) fn end_if_last(&mut self, session: usize) {
        let member = &self.members[session];
        if member.link.is_some() || member.on_disk > 0 {
            return;
        }
        // Dropping it frees what it had reserved, gives its seat back and tells whoever waits for that.
        let member = self.members.remove(session);
        self.managing.retain(|pending| pending.session != member.serial);
    }

    /// The world has changed: sessions get the new shape of their targets between two turns.
    pub(super) fn new_catalog(&mut self, catalog: Arc<Catalog>, hold: &Hold) {
        let before = std::mem::replace(&mut self.catalog, catalog);
        let now = self.io.now();
        for session in self.members.iter().map(|(key, _)| key).collect::<Vec<_>>() {
            let Some(old) = self.members[session].target.clone() else { continue };
            match self.catalog.targets.get(&old.name).filter(|target| target.id == old.id).cloned() {
                Some(target) if Arc::ptr_eq(&target, &old) => {}
                Some(target) => self.relink(session, target, hold),
                None => self.lost_target(session, hold, now),
            }
        }
        // What this shard sent for a unit that is gone it sent before; from here on it sends no more.
        self.errands.stop(&before.luns_gone_from(&self.catalog), hold);
        for lun in before.luns().filter(|lun| !self.catalog.has_disk_of(lun)) {
            lun.disk.detach(self.io.disks());
        }
    }

    fn relink(&mut self, session: usize, target: Arc<Target>, hold: &Hold) {
        let changes = self.members[session].relink(target);
        for removed in changes.removed {
            for tag in self.tags_on(session, |task_lun| task_lun == removed.number) {
                self.fail_removed(session, tag, hold);
            }
            removed.lun.unit.book().forget(self.members[session].serial);
        }
        for tag in self.tags_on(session, |task_lun| changes.replaced.contains(&task_lun)) {
            self.wait_for_job(session, tag, hold);
        }
        if changes.inventory_changed
            && self.members[session].target.as_ref().is_some_and(|target| target.async_events)
            && let Some((connection, member)) = self.carried(session)
        {
            let sense = Attention::LunsChanged.sense().to_bytes(false);
            connection.notify(&mut member.protocol, Notice::ScsiEvent { lun: lun::to_bytes(0), sense: &sense });
            self.mark_session_dirty(session);
        }
    }

    /// The LUN of a task was removed: 5/25/00 now, or when its job is home, whose result no longer counts.
    fn fail_removed(&mut self, session: usize, tag: TaskTag, hold: &Hold) {
        let Some(key) = self.members[session].task(tag) else { return };
        let task = self.tasks.live(key);
        if task.stage == Stage::Disk || task.errand().is_some() {
            task.burden().holds.push(hold.clone());
        } else {
            self.fail(key, Sense::NO_SUCH_UNIT);
        }
    }

    /// The disk of a task is taken away: what is on it already is waited for.
    fn wait_for_job(&mut self, session: usize, tag: TaskTag, hold: &Hold) {
        let Some(key) = self.members[session].task(tag) else { return };
        let task = self.tasks.live(key);
        if task.stage == Stage::Disk {
            task.burden().holds.push(hold.clone());
        }
    }

    fn lost_target(&mut self, session: usize, hold: &Hold, now: Instant) {
        let member = &mut self.members[session];
        if std::mem::replace(&mut member.lost, true) {
            // An earlier change took its target away, and is what waits for it.
            return;
        }
        member.holds.push(hold.clone());
        if let Some(link) = self.members[session].link {
            if let Some((connection, member)) = self.full(link) {
                connection.notify(&mut member.protocol, Notice::DropSession);
            }
            self.close_after_flush(link, now);
        }
    }

    /// Asks every initiator to log out within `within`.
    pub(super) fn ask_for_logout(&mut self, within: Duration) {
        let seconds = u16::try_from(within.as_secs().max(1)).unwrap_or(u16::MAX);
        for session in self.members.iter().map(|(key, _)| key).collect::<Vec<_>>() {
            if let Some((connection, member)) = self.carried(session) {
                connection.notify(&mut member.protocol, Notice::LogoutRequest { seconds });
                self.mark_session_dirty(session);
            }
        }
    }

    pub(super) fn report(&self, _now: Instant) -> Vec<SessionReport> {
        let open = self.members.iter().filter_map(|(_, member)| Some((member, &self.links[member.link?])));
        open.map(|(member, link)| SessionReport {
            session: member.serial,
            tsih: member.seat.tsih().get(),
            initiator: member.protocol.initiator().to_owned(),
            target: member.target.as_ref().map(|target| target.name.clone()),
            peer: link.peer,
            portal: link.local,
            shard: self.number,
            commands: member.counters.commands,
            bytes_read: member.counters.bytes_read,
            bytes_written: member.counters.bytes_written,
            in_flight: member.tasks().count(),
        })
        .collect()
    }
}

/// Linux waits 15 s for ABORT TASK and 30 s for a reset; an answer must come before.
const MANAGE_DEADLINE: Duration = Duration::from_secs(10);
