//! Commands whose work is done elsewhere: by an errand, or by all shards together.

use std::sync::Arc;

use ferrite_iscsi::TaskTag;
use ferrite_scsi::{Attention, Erase, Plan, Reply, Sense, Status};

use super::Shard;
use super::key::TaskKey;
use super::letters::{GoodWhenDone, Hold, Letter};
use super::task::{Stage, Task};
use super::work::{Ask, Work};
use crate::catalog::Lun;
use crate::errand::{Commission, Erasing, Full, Order, errand};
use crate::hold::Held;
use crate::io::Io;

impl<I: Io> Shard<I> {
    /// The task waits for what is done for it elsewhere.
    pub(super) fn send_away(&mut self, key: TaskKey, plan: Plan, order: Order) {
        let task = self.tasks.live(key);
        task.stage = Stage::Away;
        let (session, number, unit) = (task.session, task.lun, task.unit);
        let member = &self.members[session];
        let Some(lun) = member.lun(number).filter(|lun| lun.id == unit && !member.lost).cloned() else {
            return self.fail(key, Sense::NO_SUCH_UNIT);
        };
        match plan {
            Plan::Abort { nexuses } => self.abort_nexuses(key, unit, nexuses),
            Plan::Erase(erase) => self.erase(key, lun, *erase),
            plan => {
                let target = member.target.as_ref().expect("it has units");
                let commission = Commission::new(&plan, member.nexus().clone(), target, lun, order);
                self.send_errand(key, plan, commission);
            }
        }
    }

    fn send_errand(&mut self, key: TaskKey, plan: Plan, commission: Commission) {
        let at_once = matches!(&plan, Plan::Copy(copy) if copy.immediate);
        let tell = self.teller(key);
        // The next session of the same initiator port is let in when nothing of this one will be written any more:
        // that of a command which was answered before, too.
        let session = self.tasks.live(key).session;
        let seat = self.members[session].seat.clone();
        let home = move |plan| {
            tell(plan);
            drop(seat);
        };
        match self.errands.send(errand(plan, commission), home) {
            Ok(_) if at_once => self.finish(key, Reply::from(Status::Good)),
            Ok(ticket) => {
                let task = self.tasks.live(key);
                task.burden().errand = Some(ticket);
                self.members[task.session].on_disk += 1;
            }
            Err(Full) => self.finish(key, Reply::from(Status::TaskSetFull)),
        }
    }

    /// Where what is left of the command is told. Nobody is there where it was answered before, or has ended.
    ///
    /// What the task has claimed is held until then, whatever becomes of the task: a state that is being saved is nobody
    /// else's to change.
    fn teller(&mut self, key: TaskKey) -> impl FnOnce(Plan) + Send + 'static {
        let inbox = self.inbox.clone();
        let pass = self.tasks.live(key).pass().map(|stake| stake.pass.clone());
        move |plan| {
            inbox.post(Letter::Returned { task: key, plan });
            drop(pass);
        }
    }

    /// FORMAT UNIT, SANITIZE: the operation begins now, and goes on whatever becomes of the task. What is under way on
    /// the unit ends first, on all shards: none of it may be written behind the operation.
    fn erase(&mut self, key: TaskKey, lun: Arc<Lun>, erase: Erase) {
        let book = lun.unit.book().clone();
        let Some(progress) = book.begin(erase.operation) else {
            // Between the plan and now somebody else began one.
            return self.fail(key, book.underway().unwrap_or(Sense::ABORTED));
        };
        let task = self.tasks.live(key);
        let spared = (self.members[task.session].serial, task.tag);
        let alone = task.take_pass().map(|held| held.pass);
        let sense = book.underway().expect("it has begun");
        let (hold, before) = Held::new();
        self.errands.stop_copies(lun.id, &hold);
        self.everywhere(|| Letter::Quiesce { unit: lun.id, spared, sense, hold: hold.clone() });
        drop(hold);
        let home = self.teller(key);
        let erasing = Erasing::new(lun, erase, progress, before, alone);
        let at_once = erasing.answers_at_once();
        match self.errands.send(erasing.errand(&self.errands), home) {
            Ok(_) if at_once => self.finish(key, Reply::from(Status::Good)),
            Ok(_) => {}
            // Nothing was touched.
            Err(Full) => self.finish(key, Reply::from(Status::TaskSetFull)),
        }
    }

    /// Nothing begins any more of what is planned on a unit; `hold` is let go when what is on its disk is home. What has
    /// not been looked at yet will find the unit as it is then.
    pub(super) fn quiesce(&mut self, unit: u64, spared: (u64, TaskTag), sense: Sense, hold: &Hold) {
        let (serial, own) = spared;
        let spared = self.members.iter().find(|(_, member)| member.serial == serial).map(|(session, _)| (session, own));
        let planned = |task: &&mut Task| {
            task.unit == unit && Some((task.session, task.tag)) != spared && !task.work.is_undecided()
        };
        for task in self.tasks.iter_mut().filter(planned) {
            task.burden().doom = Some(sense);
            if task.stage == Stage::Disk {
                task.burden().holds.push(hold.clone());
            }
        }
    }

    /// What is left of a command whose errand is done, or which waited for others to end.
    pub(super) fn returned(&mut self, key: TaskKey, plan: Plan) {
        let Some(task) = self.tasks.get(key) else { return };
        let (session, number, unit) = (task.session, task.lun, task.unit);
        if task.take_errand().is_some() {
            self.members[session].on_disk -= 1;
        }
        let task = self.tasks.live(key);
        if task.aborted {
            drop(self.take_out(key));
            return self.end_if_last(session);
        }
        if self.members[session].unit_id(number) != unit {
            return self.fail(key, Sense::NO_SUCH_UNIT);
        }
        let Some(order) = task.work.order() else { unreachable!("it was away") };
        let member = &self.members[session];
        let ask = Ask {
            cdb: &order.cdb,
            attribute: order.attribute,
            data_in: order.data_in,
            data_out: order.data_out,
            gathered: order.gathered,
            block_size: member.block_size(number),
            write_cache: member.write_cache(number),
        };
        match Work::new(plan, &ask) {
            Ok(work) => {
                assert_eq!(work.data_out(), 0, "a command gathers before it is done elsewhere");
                self.tasks.live(key).work = work;
                self.go_on(key);
            }
            Err(reply) => self.finish(key, reply),
        }
    }

    /// PREEMPT AND ABORT (SPC-4 5.12.11): the commands of these nexuses on the unit end, on whichever shard they are,
    /// and the task is answered when nothing of them will be written any more.
    fn abort_nexuses(&mut self, key: TaskKey, unit: u64, nexuses: Vec<(Box<str>, u16)>) {
        let hold: Hold = Arc::new(GoodWhenDone { inbox: self.inbox.clone(), task: key });
        let task = self.tasks.live(key);
        let (session, number, own) = (task.session, task.lun, task.tag);
        let by = self.members[session].serial;
        if self.members[session].is_among(&nexuses) {
            // All but the command that asks for it.
            for tag in self.tags_on(session, |lun| lun == number).into_iter().filter(|tag| *tag != own) {
                self.abort_task(session, tag, &hold);
            }
        }
        let (of, tell) = (Some(nexuses.into()), Some(Attention::CommandsCleared));
        self.everywhere(|| Letter::AbortUnit { unit, by, of: of.clone(), tell, hold: hold.clone() });
        // The book has changed, and there is nothing left to be alone for. Whoever waits for others must not keep them.
        drop(self.tasks.live(key).take_pass());
    }

    /// Ends a task that was away.
    fn finish(&mut self, key: TaskKey, reply: Reply) {
        let task = self.forget(key);
        let moved = task.work.wanted();
        self.reply(task.session, task.lun, task.tag, reply, moved);
    }
}
