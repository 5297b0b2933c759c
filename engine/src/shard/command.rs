//! A SCSI command from its arrival to its answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use ferrite_backends::{Backend, Buffer, Data, FileRing, Finished, Job};
use ferrite_iscsi::{Command, Event, Outcome, TaskTag};
use ferrite_scsi::{Reply, Sense, SenseKey, Status, goes_alone, lun};

use super::Shard;
use super::body::Body;
use super::gauge::Gauge;
use super::key::TaskKey;
use super::lineup::Rank;
use super::task::{Stage, Stake};
use super::work::{Ask, Lend, Rare, Work};
use crate::io::Io;
use crate::lane::Claim;
use crate::sense::sense_of;

impl<I: Io> Shard<I> {
    /// Acts on what the protocol of a link has found; true when there was anything.
    pub(super) fn drain_events(&mut self, link: usize, now: Instant) -> bool {
        let mut any = false;
        while let Some((connection, _)) = self.full(link) {
            let Some(event) = connection.poll_event() else { break };
            any = true;
            match event {
                Event::Command(command) => self.arrived_command(link, &command),
                Event::DataComplete(tag) => self.landed(link, tag),
                Event::Manage(manage) => self.manage(link, manage, now),
                Event::SendTargets(asked) => self.send_targets(link, &asked),
                Event::Logout(reason) => self.logout(link, reason, now),
                Event::Fault(fault) => self.fault(link, &fault, now),
            }
        }
        any
    }

    fn arrived_command(&mut self, link: usize, command: &Command) {
        let super::Phase::Full { session, .. } = self.links[link].phase else { unreachable!("it has events") };
        let member = &mut self.members[session];
        member.counters.commands += 1;
        // A number that is no LUN of ours names the missing unit, as every number nobody configured.
        let number = lun::parse(command.lun).unwrap_or(u16::MAX);
        let cdb = command.extended.as_deref().unwrap_or(&command.cdb);
        let ask = Ask {
            cdb,
            attribute: attribute(command.attribute),
            data_in: if command.read { command.expected } else { 0 },
            data_out: if command.write { command.expected } else { 0 },
            gathered: 0,
            block_size: member.block_size(number),
            write_cache: member.write_cache(number),
        };
        let unit = member.unit_id(number);
        let rank = Rank::of(command.attribute);
        // What nearly all commands are: they wait for nobody before they are looked at.
        let plain = rank == Some(Rank::Simple) && member.lineups.is_empty() && !self.alone[usize::from(cdb[0])];
        let waits = !plain && rank.is_some_and(|rank| self.must_wait(session, unit, rank));
        let work = match rank {
            // No command of ours is bidirectional, and the table would only see one direction.
            _ if command.read && command.write => Err(Sense::INVALID_FIELD_IN_CDB.into()),
            None => Err(INVALID_MESSAGE.into()),
            Some(_) if !plain && (goes_alone(cdb) || (waits && ask.data_out == 0)) => Ok(Work::unplanned(&ask)),
            Some(_) => Work::new(self.members[session].plan(number, &ask), &ask),
        };
        match work {
            Err(reply) => self.reply(session, number, command.task, reply, 0),
            Ok(work) => {
                let gauge = Gauge::of(&work, cdb, self.now_ns);
                let key = self.tasks.insert(session, command.task, number, unit, work);
                self.tasks.live(key).gauge = gauge;
                self.members[session].remember(command.task, key);
                if let Some(rank) = rank.filter(|_| !plain) {
                    self.line_up(key, rank, waits);
                }
                self.start(key, command.data_follows);
            }
        }
        self.mark_dirty(link);
    }

    /// All data-out of a command has landed.
    fn landed(&mut self, link: usize, tag: TaskTag) {
        let Some((_, member)) = self.full(link) else { return };
        let Some(key) = member.task(tag) else { return };
        let task = self.tasks.live(key);
        if task.stage != Stage::Landing {
            // It had no use for the data.
            return;
        }
        task.landed = true;
        let session = task.session;
        let Work::Rare(rare) = &mut task.work else { return self.go_on(key) };
        if let Rare::CompareRepeated { block: small, .. } | Rare::Unplanned { list: small, .. } = &mut **rare {
            // Whoever waits for a buffer, or for a claim that is held for long, holds none.
            let landed = task.buffer.take().expect("its data has landed");
            *small = Box::from(&landed[..]);
            let len = u32::try_from(small.len()).expect("a block or a list is small");
            drop(landed);
            self.give_data_back(key, len);
            return self.go_on(key);
        }
        let Rare::Gather { cdb, attribute, data_in, data_out, .. } = &**rare else { return self.go_on(key) };
        let list = task.buffer.take().expect("the list has landed");
        let (cdb, attribute, data_in, data_out) = (cdb.clone(), *attribute, *data_in, *data_out);
        let number = task.lun;
        let member = &mut self.members[session];
        let gathered = u32::try_from(list.len()).expect("a parameter list is small");
        let (block_size, write_cache) = (member.block_size(number), member.write_cache(number));
        let ask = Ask { cdb: &cdb, attribute, data_in, data_out, gathered, block_size, write_cache };
        let plan = member.gathered(number, &ask, &list);
        drop(list);
        self.give_data_back(key, gathered);
        match Work::new(plan, &ask) {
            Ok(work) => {
                assert_eq!(work.data_out(), 0, "a command gathers once");
                self.tasks.live(key).work = work;
                self.go_on(key);
            }
            Err(reply) => {
                self.forget(key);
                self.reply(session, number, tag, reply, gathered);
            }
        }
    }

    /// Submits the next job of a task, or answers it.
    pub(super) fn go_on(&mut self, key: TaskKey) {
        let task = self.tasks.live(key);
        if let Some(sense) = task.doom() {
            return self.fail(key, sense);
        }
        if task.dormant {
            task.stage = Stage::Dormant;
            return;
        }
        let rare = match &task.work {
            Work::Rare(rare) if matches!(**rare, Rare::Unplanned { .. }) => return self.plan_at_last(key),
            work => matches!(work, Work::Rare(_)),
        };
        let Some(step) = task.work.step() else {
            return match task.work.errand() {
                Some((plan, order)) => self.send_away(key, plan, order),
                None => self.good(key, None),
            };
        };
        let (session, number) = (task.session, task.lun);
        let Some(unit) = self.members[session].unit(number).filter(|unit| unit.lun.id == task.unit) else {
            // The LUN was removed while the data was on its way, or between two jobs; there may even be another
            // of its number.
            return self.fail(key, Sense::NO_SUCH_UNIT);
        };
        let (armed, shares_pages) = (unit.armed, unit.lun.disk.shares_pages());
        let len = step.op.moves();
        if step.lend == Lend::Repeated && task.buffer.is_none() && !self.fill(key, len) {
            return;
        }
        if (rare || armed) && !self.has_claim(key, &step) {
            return;
        }
        let task = self.tasks.live(key);
        let buffer = match step.lend {
            Lend::None => None,
            Lend::Fresh if shares_pages => {
                if task.buffer.is_none() && !self.has_share(key) {
                    return;
                }
                self.lend(key, len);
                None
            }
            Lend::DataOut | Lend::Repeated => {
                let mut buffer = task.buffer.take().expect("its data has landed");
                buffer.truncate(len as usize);
                Some(buffer)
            }
            Lend::Fresh if task.buffer.is_some() => {
                // Whoever holds a buffer must not wait for another. Such memory is never more than what the
                // pool has lent already: what is read is no longer than what it is compared with.
                let presses = task.work.presses();
                self.lend(key, len);
                let len = len as usize;
                let buffer = if presses { self.pool.take_urgent(len) } else { self.pool.take(len) };
                Some(buffer.unwrap_or_else(|| Buffer::alone(len)))
            }
            Lend::Fresh => {
                let Some(buffer) = self.take(key, len as usize) else { return };
                self.lend(key, len);
                Some(buffer)
            }
        };
        let home = self.home_of(key);
        let task = self.tasks.live(key);
        task.stage = Stage::Disk;
        let job = Job::new(step.op, buffer, key.token(), home);
        let job = if rare && task.work.presses() { job.urgent() } else { job };
        let member = &mut self.members[session];
        member.on_disk += 1;
        let lun = member.lun(number).expect("seen above");
        submit(&*lun.disk, job, self.io.disks());
    }

    /// Gives a task a buffer with its pattern, over and over. False: it waits for one.
    fn fill(&mut self, key: TaskKey, len: u32) -> bool {
        let Some(mut buffer) = self.take(key, len as usize) else { return false };
        self.lend(key, len);
        let task = self.tasks.live(key);
        if let Work::Rare(rare) = &task.work
            && let Rare::WriteSame { pattern, .. } = &**rare
        {
            buffer.chunks_exact_mut(pattern.len()).for_each(|block| block.copy_from_slice(pattern));
        }
        task.buffer = Some(buffer);
        true
    }

    /// A job came home: the next step, or the answer.
    pub(super) fn came_home(&mut self, done: Finished) {
        let key = match TaskKey::from_token(done.token) {
            Ok(key) => key,
            Err(flush) => {
                let flush = self.flushes.remove(flush);
                if let Err(error) = done.result {
                    tracing::error!(%error, "a disk could not be flushed");
                    flush.failed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
                return;
            }
        };
        let Some(task) = self.tasks.get(key) else { return };
        let session = task.session;
        let member = &mut self.members[session];
        member.on_disk -= 1;
        if task.aborted {
            drop(self.take_out(key));
            self.end_if_last(session);
            return;
        }
        let step = task.work.step().expect("a job of it was out");
        // Of a write that was on the disk already when writes began to be claimed.
        if matches!(task.pass(), Some(Stake { claim: Claim::Change { .. }, .. })) && !task.work.keeps_claim() {
            task.take_pass();
        }
        if let Err(error) = done.result {
            let block_size = member.block_size(task.lun);
            tracing::warn!(
                initiator = member.protocol.initiator(),
                lun = task.lun,
                op = ?step.op,
                %error,
                "disk request failed"
            );
            return self.fail(key, sense_of(error, step.op, block_size));
        }
        // A buffer that was the command's data-out goes back to it; anything else was read.
        let read = match (done.data, step.lend) {
            (Data::Buffer(buffer), Lend::DataOut | Lend::Repeated) => {
                task.buffer = Some(buffer);
                None
            }
            (Data::Buffer(buffer), _) => Some(Body::Buffer(buffer)),
            (Data::Pages(pages), _) => Some(Body::Pages(pages)),
            (Data::None, _) => None,
        };
        if let Work::Read { flush: false, .. } = task.work {
            return self.good(key, read);
        }
        let outcome = task.work.home(read.as_ref(), task.buffer.as_deref_mut());
        if read.is_some() {
            // Home before the next step looks for a buffer.
            drop(read);
            self.give_back(key, step.op.moves());
        }
        match outcome {
            Ok(()) => self.go_on(key),
            Err(failure) => self.fail(key, failure.0),
        }
    }

    /// GOOD, with what was read.
    fn good(&mut self, key: TaskKey, read: Option<Body>) {
        let task = self.forget(key);
        let outcome = Outcome { status: Status::Good as u8, sense: &[], wanted: task.work.wanted() };
        let (slot, now_ns) = (self.number, self.now_ns);
        let Some((connection, member)) = self.carried(task.session) else { return };
        if let Some(gauge) = task.gauge
            && let Some(lun) = member.lun(task.lun)
        {
            let block_size = lun.unit.medium().block_size;
            gauge.answered(lun.unit.book(), slot, outcome.wanted, block_size, now_ns);
        }
        match read {
            Some(body) => {
                member.counters.bytes_read += u64::from(outcome.wanted);
                connection.send_data(&mut member.protocol, task.tag, body, outcome);
            }
            None => connection.respond(&mut member.protocol, task.tag, outcome),
        }
        self.mark_session_dirty(task.session);
    }

    /// CHECK CONDITION.
    pub(super) fn fail(&mut self, key: TaskKey, sense: Sense) {
        let task = self.forget(key);
        self.reply(task.session, task.lun, task.tag, Reply::from(sense), 0);
    }

    /// Answers with what SCSI said without a disk. `moved`: data-out that was taken before.
    pub(super) fn reply(&mut self, session: usize, lun: u16, tag: TaskTag, reply: Reply, moved: u32) {
        let Some((connection, member)) = self.carried(session) else { return };
        let descriptors = member.wants_descriptors(lun);
        let sense = reply.sense.map(|sense| sense.to_bytes(descriptors));
        let data_len = u32::try_from(reply.data.len()).expect("SCSI replies are small");
        let outcome = Outcome {
            status: reply.status as u8,
            sense: sense.as_ref().map_or(&[], |sense| sense),
            wanted: data_len.max(moved),
        };
        if reply.data.is_empty() {
            connection.respond(&mut member.protocol, tag, outcome);
        } else {
            connection.send_data(&mut member.protocol, tag, Body::Bytes(reply.data), outcome);
        }
        self.mark_session_dirty(session);
    }

    pub(super) fn mark_session_dirty(&mut self, session: usize) {
        if let Some(link) = self.members[session].link {
            self.mark_dirty(link);
        }
    }

    /// The protocol will be told the end of a task, or has been: nothing more is known of it here.
    pub(super) fn forget(&mut self, key: TaskKey) -> super::task::Task {
        let task = self.take_out(key);
        self.members[task.session].forget(task.tag);
        task
    }
}

/// Gives a job to a disk. One that panics has dropped its job, which ends as lost: a mistake in somebody's
/// backend is that disk's failure, not the end of all sessions of the shard.
pub(super) fn submit(disk: &dyn Backend, job: Job, ring: &mut dyn FileRing) {
    let op = job.op();
    if catch_unwind(AssertUnwindSafe(|| disk.submit(job, ring))).is_err() {
        tracing::error!(?op, "a disk panicked when it was given a job");
    }
}

/// 5/49/00: a task attribute that means something under an ACA condition only (SAM-5 5.9).
const INVALID_MESSAGE: Sense = Sense::new(SenseKey::IllegalRequest, 0x49, 0x00);

fn attribute(of: ferrite_iscsi::Attribute) -> ferrite_scsi::Attribute {
    match of {
        ferrite_iscsi::Attribute::Untagged => ferrite_scsi::Attribute::Untagged,
        ferrite_iscsi::Attribute::Simple => ferrite_scsi::Attribute::Simple,
        ferrite_iscsi::Attribute::Ordered => ferrite_scsi::Attribute::Ordered,
        ferrite_iscsi::Attribute::HeadOfQueue => ferrite_scsi::Attribute::HeadOfQueue,
        ferrite_iscsi::Attribute::Aca => ferrite_scsi::Attribute::Aca,
    }
}
