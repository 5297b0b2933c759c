//! Errands: what a command needs that blocks and is rare, done by a few plain threads outside of the shards.
//!
//! A shard must not wait for a file to be synchronized, for a file system to tell where its holes are, or for a
//! terabyte to be copied. It sends an errand instead, and gets the rest of the command's [`Plan`] back by letter.
//! There is a line for each kind of errand, so that a short one never waits behind long ones.
//!
//! * `lines`: who does errands, in which order, and how one is given up.
//! * `commission`: the command that an errand is for, with all that its unit needs to go on with it.
//! * `keep`, `ask`, `copy`, `erase`: what is done.

mod ask;
mod commission;
mod copy;
mod erase;
mod keep;
mod lines;

use std::sync::Arc;

use ferrite_scsi::{NexusId, Plan};

pub(crate) use commission::{Commission, Order};
pub(crate) use erase::Erasing;
pub(crate) use lines::{Errands, Full, Ticket};
use lines::{Kind, Outing};

/// What is to be done on a thread of its own, and what then is left of the command.
pub(crate) struct Errand {
    pub(crate) kind: Kind,
    /// [`crate::catalog::Lun::id`] of each unit whose disk it uses.
    pub(crate) units: Vec<u64>,
    /// Whose command it is for, unless it goes on without him.
    pub(crate) nexus: Option<NexusId>,
    pub(crate) work: Work,
}

/// Looks between two steps whether it is given up, and ends early then. Jobs that it may leave on a disk take a clone of
/// the outing with them.
pub(crate) type Work = Box<dyn FnOnce(&Arc<Outing>) -> Plan + Send>;

/// An errand for no command: something of a unit is looked at.
pub(crate) fn look(unit: u64, work: impl FnOnce() -> Plan + Send + 'static) -> Errand {
    Errand { kind: Kind::Look, units: vec![unit], nexus: None, work: Box::new(move |_| work()) }
}

/// The errand that carries out `plan` for a command.
///
/// # Panics
/// When the plan is one that shards carry out themselves.
pub(crate) fn errand(plan: Plan, commission: Commission) -> Errand {
    let (own, nexus) = (vec![commission.lun.id], Some(commission.nexus.clone()));
    match plan {
        Plan::Keep(amendment) => {
            Errand { kind: Kind::Keep, units: own, nexus, work: Box::new(move |_| keep::keep(*amendment, &commission)) }
        }
        Plan::Ask(question) => {
            Errand { kind: Kind::Ask, units: own, nexus, work: Box::new(move |_| ask::ask(question, &commission)) }
        }
        Plan::Copy(copy) => {
            let units = commission.ends.values().map(|lun| lun.id).collect();
            Errand {
                kind: Kind::Copy,
                units,
                nexus,
                work: Box::new(move |outing| copy::copy(&copy, &commission, outing)),
            }
        }
        other => unreachable!("no errand: {other:?}"),
    }
}
