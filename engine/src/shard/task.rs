//! One SCSI command on its way through a shard.

use std::sync::Arc;

use ferrite_backends::Buffer;
use ferrite_iscsi::TaskTag;
use ferrite_scsi::Sense;
use slab::Slab;

use super::gauge::Gauge;
use super::key::TaskKey;
use super::lineup::Rank;
use super::work::Work;
use crate::errand::Ticket;
use crate::hold::Hold;
use crate::lane::{Claim, Pass};

/// A command that was planned and not answered yet, or was aborted and still has a job on a disk.
pub(crate) struct Task {
    /// Where its session and connection live in the shard.
    pub(crate) session: usize,
    /// The name the protocol knows it by, until it is answered or aborted.
    pub(crate) tag: TaskTag,
    /// LUN number within the target.
    pub(crate) lun: u16,
    /// [`crate::catalog::Lun::id`] of the unit behind that number when the command came.
    pub(crate) unit: u64,
    pub(crate) work: Work,
    /// Data-out of the command, or the buffer lent to the next read.
    pub(crate) buffer: Option<Buffer>,
    pub(crate) stage: Stage,
    /// All of its data-out has come.
    pub(crate) landed: bool,
    /// What is counted of it when it is answered.
    pub(crate) gauge: Option<Gauge>,
    /// Bytes that it holds of its session's share.
    pub(crate) lent: u64,
    pub(crate) rank: Rank,
    /// It has to wait for others of its nexus.
    pub(crate) dormant: bool,
    /// The protocol has forgotten it: nothing is answered when its job comes home.
    pub(crate) aborted: bool,
    /// What few tasks have.
    burden: Option<Box<Burden>>,
    sequence: u32,
}

// A task is moved a few times on its way; up to so many bytes that is done in line.
const _: () = assert!(size_of::<Task>() <= 128);

/// What few tasks have.
#[derive(Default)]
pub(crate) struct Burden {
    /// Bytes of memory beside the pool that it holds.
    pub(crate) spare: u32,
    /// What it has claimed of the unit's lane, or waits for.
    pub(crate) pass: Option<Stake>,
    /// The unit is not ready any more: nothing of it begins.
    pub(crate) doom: Option<Sense>,
    /// What is being done for it elsewhere.
    pub(crate) errand: Option<Arc<Ticket>>,
    /// Who waits for its end.
    pub(crate) holds: Vec<Hold>,
}

impl Task {
    /// To burden it with something.
    pub(crate) fn burden(&mut self) -> &mut Burden {
        self.burden.get_or_insert_default()
    }

    pub(crate) fn pass(&self) -> Option<&Stake> {
        self.burden.as_ref()?.pass.as_ref()
    }

    pub(crate) fn take_pass(&mut self) -> Option<Stake> {
        self.burden.as_mut()?.pass.take()
    }

    pub(crate) fn doom(&self) -> Option<Sense> {
        self.burden.as_ref()?.doom
    }

    pub(crate) fn errand(&self) -> Option<&Arc<Ticket>> {
        self.burden.as_ref()?.errand.as_ref()
    }

    pub(crate) fn take_errand(&mut self) -> Option<Arc<Ticket>> {
        self.burden.as_mut()?.errand.take()
    }

    /// Bytes of memory beside the pool that it holds; it will be said of them no more.
    pub(crate) fn take_spare(&mut self) -> u32 {
        self.burden.as_mut().map_or(0, |burden| std::mem::take(&mut burden.spare))
    }
}

/// What a task waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// A buffer: the pool is spent.
    Starved,
    /// Its session's share: it holds much already, or has much to send.
    Choked,
    /// Data-Out from the initiator.
    Landing,
    /// Other commands of its nexus, by its task attribute.
    Dormant,
    /// Its claim: what others do with the same bytes.
    Queued,
    /// A job on a disk.
    Disk,
    /// An errand, or the ends of other commands.
    Away,
}

/// A claim of a task; its jobs hold the pass, too.
#[derive(Debug)]
pub(crate) struct Stake {
    pub(crate) pass: Arc<Pass>,
    pub(crate) claim: Claim,
}

/// The tasks of a shard.
///
/// A job is named by slot and sequence, so that one which comes home after its task is gone finds nobody.
#[derive(Default)]
pub(crate) struct Tasks {
    slots: Slab<Task>,
    sequence: u32,
}

impl Tasks {
    pub(crate) fn insert(&mut self, session: usize, tag: TaskTag, lun: u16, unit: u64, work: Work) -> TaskKey {
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        let task = Task {
            session,
            tag,
            lun,
            unit,
            work,
            buffer: None,
            stage: Stage::Starved,
            landed: false,
            gauge: None,
            lent: 0,
            rank: Rank::Simple,
            dormant: false,
            aborted: false,
            burden: None,
            sequence,
        };
        let slot = u32::try_from(self.slots.insert(task)).expect("windows and pools bound the tasks");
        TaskKey { slot, sequence }
    }

    pub(crate) fn get(&mut self, key: TaskKey) -> Option<&mut Task> {
        self.slots.get_mut(key.slot as usize).filter(|task| task.sequence == key.sequence)
    }

    /// A task that is known to live.
    pub(crate) fn live(&mut self, key: TaskKey) -> &mut Task {
        self.get(key).expect("the caller knows that the task lives")
    }

    pub(crate) fn remove(&mut self, key: TaskKey) -> Task {
        debug_assert_eq!(self.slots[key.slot as usize].sequence, key.sequence);
        self.slots.remove(key.slot as usize)
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// All tasks; for what happens rarely, and may look at each.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Task> {
        self.slots.iter_mut().map(|(_, task)| task)
    }
}
