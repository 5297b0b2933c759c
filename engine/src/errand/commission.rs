//! The command that an errand is for, with all that its unit needs to go on with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use ferrite_api::Iqn;
use ferrite_scsi::{Answer, Attribute, Command, Copied, Copy, LogicalUnit, Nexus, NexusId, Plan, Port, Source};

use crate::catalog::{Lun, Target};

/// See the module. The nexus of the session stays with its shard; here is one of the same name, which asks the units'
/// books as that one does and hears no attention in its place.
pub(crate) struct Commission {
    pub(super) nexus: NexusId,
    /// Name of the target.
    pub(super) target: Iqn,
    port: Port,
    pub(super) lun: Arc<Lun>,
    /// By number: the units between which bytes move. Others of the target are not held: they may be removed, and
    /// their disks closed, while this goes on.
    pub(super) ends: BTreeMap<u16, Arc<Lun>>,
    order: Order,
}

/// A command as it was asked, kept.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) cdb: Box<[u8]>,
    pub(crate) attribute: Attribute,
    /// Room for data-in, in bytes.
    pub(crate) data_in: u32,
    /// Data-out that was announced, in bytes.
    pub(crate) data_out: u32,
    /// Data-out that a parameter list already took.
    pub(crate) gathered: u32,
}

impl Commission {
    /// The command `order` of `nexus` for `lun`, which `plan` is for.
    pub(crate) fn new(plan: &Plan, nexus: NexusId, target: &Target, lun: Arc<Lun>, order: Order) -> Self {
        let end = |number| Some((number, target.luns.get(&number)?.clone()));
        let ends = match plan {
            Plan::Copy(copy) => numbers(copy).filter_map(end).collect(),
            _ => BTreeMap::new(),
        };
        let port = target.port(nexus.portal_group).clone();
        Self { nexus, target: target.name.clone(), port, lun, ends, order }
    }

    /// Goes on with the command now that the disk was asked.
    pub(crate) fn answered(&self, answer: &Answer) -> Plan {
        self.going_on(|unit, nexus, port, command| unit.answered(nexus, port, command, answer))
    }

    /// Goes on with the command now that its bytes were copied.
    pub(crate) fn copied(&self, copy: &Copy, copied: &Copied) -> Plan {
        self.going_on(|unit, nexus, port, command| unit.copied(nexus, port, command, copy, copied))
    }

    /// The session's standing with another unit of the target.
    pub(crate) fn stand_in(&self) -> Nexus {
        Nexus::stand_in(self.nexus.clone())
    }

    fn going_on(&self, with: impl FnOnce(&LogicalUnit, &mut Nexus, &Port, &Command<'_>) -> Plan) -> Plan {
        with(&self.lun.unit, &mut self.stand_in(), &self.port, &self.order.command())
    }
}

fn numbers(copy: &Copy) -> impl Iterator<Item = u16> {
    copy.moves.iter().flat_map(|part| {
        let from = match part.from {
            Source::Unit { lun, .. } => Some(lun),
            Source::Zeroes => None,
        };
        from.into_iter().chain([part.to])
    })
}

impl Order {
    fn command(&self) -> Command<'_> {
        Command { cdb: &self.cdb, attribute: self.attribute, data_out: self.data_out, data_in: self.data_in }
    }
}
