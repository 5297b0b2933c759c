//! What a command claims of its unit's lane, and how it waits for it and goes on.
//!
//! A command claims when it has all else that it needs, as the last thing before its job: whoever waits for a buffer
//! holds no claim. What it claims for one write goes with that job; what it claims for an exchange, to verify what it
//! writes, or to be alone, it has until its end.

use std::sync::Arc;

use ferrite_backends::Home;
use ferrite_scsi::{Plan, Reply, Sense, Status, goes_alone};

use super::Shard;
use super::key::TaskKey;
use super::letters::Letter;
use super::task::{Stage, Stake};
use super::work::{Ask, Rare, Step, Work};
use crate::io::Io;
use crate::lane::{Arming, Claim, Claimed, Escort, Full};

impl<I: Io> Shard<I> {
    /// Claims what the next job of a task needs. False: the task waits now, or has ended.
    pub(super) fn has_claim(&mut self, key: TaskKey, step: &Step) -> bool {
        let task = self.tasks.live(key);
        let (session, number) = (task.session, task.lun);
        let unit = self.members[session].unit(number).expect("the caller has seen it");
        if task.pass().is_none()
            && let Some(claim) = task.work.claim(step, unit.armed)
            && !self.claim(key, claim)
        {
            return false;
        }
        let task = self.tasks.live(key);
        let Work::Rare(rare) = &task.work else { return true };
        if !matches!(**rare, Rare::Exchange { decided: false, .. }) {
            return true;
        }
        // A reservation may have come while its data was on the way, and none can come from here on.
        let tag = task.tag;
        match self.members[session].refuses_writing(number) {
            Some(reply) => {
                self.forget(key);
                self.reply(session, number, tag, reply, 0);
                false
            }
            None => true,
        }
    }

    /// False: the task waits, or has been told that too many do.
    fn claim(&mut self, key: TaskKey, claim: Claim) -> bool {
        let task = self.tasks.live(key);
        let (session, number, tag, unit) = (task.session, task.lun, task.tag, task.unit);
        let lane = &self.members[session].unit(number).expect("the caller has seen it").lun.lane;
        let Claimed { pass, goes, arming } = match lane.claim(claim, &self.caller, key.token()) {
            Ok(claimed) => claimed,
            Err(Full) => {
                self.forget(key);
                self.reply(session, number, tag, Reply::from(Status::TaskSetFull), 0);
                return false;
            }
        };
        if let Some(arming) = arming {
            tracing::debug!(lun = number, "the first exchange: writes are claimed from now on");
            let arming = Arc::new(arming);
            self.everywhere(|| Letter::Arm { unit, arming: arming.clone() });
        }
        let task = self.tasks.live(key);
        task.burden().pass = Some(Stake { pass: Arc::new(pass), claim });
        if !goes {
            task.stage = Stage::Queued;
        }
        goes
    }

    /// A claim that waited may go on; the task may have ended meanwhile.
    pub(super) fn may_go_on(&mut self, token: u64) {
        let Ok(key) = TaskKey::from_token(token) else { unreachable!("claims are made for tasks") };
        let Some(task) = self.tasks.get(key) else { return };
        if task.stage == Stage::Queued && task.pass().is_some_and(|held| held.pass.goes()) {
            self.go_on(key);
        }
    }

    /// The home of a task's next job, with what it has claimed.
    pub(super) fn home_of(&mut self, key: TaskKey) -> Arc<dyn Home> {
        let task = self.tasks.live(key);
        match task.take_pass() {
            None => self.home.clone(),
            // Free as soon as the disk is done, and not before, whatever becomes of the task.
            Some(Stake { pass, claim: Claim::Change { .. } }) if !task.work.keeps_claim() => {
                Escort::home(self.home.clone(), pass)
            }
            Some(held) => {
                let pass = held.pass.clone();
                task.burden().pass = Some(held);
                Escort::home(self.home.clone(), pass)
            }
        }
    }

    /// The first exchange of a unit has come: writes are claimed from now on, and those on its disk are added.
    pub(super) fn arm(&mut self, unit: u64, arming: &Arming) {
        let links = self.members.iter_mut().flat_map(|(_, member)| member.units().iter_mut());
        links.filter(|link| link.lun.id == unit).for_each(|link| link.armed = true);
        let on_disk = |task: &&mut super::task::Task| task.unit == unit && task.stage == Stage::Disk;
        for task in self.tasks.iter_mut().filter(on_disk).filter(|task| task.pass().is_none()) {
            if let Some(step) = task.work.step()
                && let Some(claim @ Claim::Change { at, len }) = task.work.claim(&step, true)
            {
                task.burden().pass = Some(Stake { pass: Arc::new(arming.add(at, len)), claim });
            }
        }
    }

    /// Looks at a command that had to wait before it could be looked at, and begins it.
    pub(super) fn plan_at_last(&mut self, key: TaskKey) {
        let task = self.tasks.live(key);
        let (session, number, tag, unit) = (task.session, task.lun, task.tag, task.unit);
        if self.members[session].unit_id(number) != unit {
            return self.fail(key, Sense::NO_SUCH_UNIT);
        }
        let unplanned = |work: &Work| matches!(work, Work::Rare(rare) if matches!(&**rare, Rare::Unplanned { cdb, .. } if goes_alone(cdb)));
        let goes_alone = unit != 0 && unplanned(&task.work);
        if goes_alone && task.pass().is_none() && !self.claim(key, Claim::Alone) {
            return;
        }
        let Work::Rare(rare) = std::mem::replace(&mut self.tasks.live(key).work, Work::Done { wanted: 0 }) else {
            unreachable!("the caller has looked")
        };
        let Rare::Unplanned { cdb, attribute, data_in, data_out, list } = *rare else {
            unreachable!("the caller has looked")
        };
        let member = &mut self.members[session];
        let (block_size, write_cache) = (member.block_size(number), member.write_cache(number));
        let mut ask = Ask { cdb: &cdb, attribute, data_in, data_out, gathered: 0, block_size, write_cache };
        let mut plan = member.plan(number, &ask);
        if let Plan::Gather { len } = plan {
            ask.gathered = len.min(data_out);
            plan = member.gathered(number, &ask, &list[..ask.gathered as usize]);
        }
        let gathered = ask.gathered;
        match Work::new(plan, &ask) {
            Ok(work) => {
                assert_eq!(work.data_out(), 0, "data-out of what has to wait is a parameter list");
                self.tasks.live(key).work = work;
                self.go_on(key);
            }
            Err(reply) => {
                // What it has claimed is let go of when the answer is said.
                let task = self.forget(key);
                self.reply(session, number, tag, reply, gathered);
                drop(task);
            }
        }
    }
}
