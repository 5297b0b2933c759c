//! Commands whose work is done elsewhere: by an errand, or by all shards together.

use std::sync::Arc;

use ferrite_scsi::{Attention, Plan, Reply, Sense, Status};

use super::Shard;
use super::letters::{GoodWhenDone, Hold, Letter};
use super::task::{Stage, TaskKey};
use super::work::{Ask, Work};
use crate::errand::{Commission, Order, errand};
use crate::io::Io;

impl<I: Io> Shard<I> {
    /// The task waits for what is done for it elsewhere.
    pub(super) fn send_away(&mut self, key: TaskKey, plan: Plan, order: Order) {
        let task = self.tasks.live(key);
        task.stage = Stage::Away;
        let (session, number, unit) = (task.session, task.lun, task.unit);
        let member = &self.members[session];
        let Some(lun) = member.lun(number).filter(|lun| lun.id == unit).cloned() else {
            return self.fail(key, Sense::NO_SUCH_UNIT);
        };
        let target = member.target.clone().expect("it has units");
        let commission = Commission { nexus: member.nexus().clone(), target, lun, order };
        match plan {
            Plan::Abort { nexuses } => self.abort_nexuses(key, unit, nexuses),
            plan => self.send_errand(key, plan, commission),
        }
    }

    fn send_errand(&mut self, key: TaskKey, plan: Plan, commission: Commission) {
        let at_once = matches!(&plan, Plan::Copy(copy) if copy.immediate);
        let inbox = self.inbox.clone();
        let home = move |plan| {
            if !at_once {
                inbox.post(Letter::Returned { task: key, plan });
            }
        };
        match self.errands.send(errand(plan, commission), home) {
            Ok(_) if at_once => self.finish(key, Reply::from(Status::Good)),
            Ok(ticket) => {
                let task = self.tasks.live(key);
                task.errand = Some(ticket);
                self.members[task.session].on_disk += 1;
            }
            Err(_) => self.finish(key, Reply::from(Status::TaskSetFull)),
        }
    }

    /// What is left of a command whose errand is done, or which waited for others to end.
    pub(super) fn returned(&mut self, key: TaskKey, plan: Plan) {
        let Some(task) = self.tasks.get(key) else { return };
        let (session, number, unit) = (task.session, task.lun, task.unit);
        if task.errand.take().is_some() {
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
    }

    /// Ends a task that was away.
    fn finish(&mut self, key: TaskKey, reply: Reply) {
        let task = self.forget(key);
        let moved = task.work.wanted();
        self.reply(task.session, task.lun, task.tag, reply, moved);
    }
}
