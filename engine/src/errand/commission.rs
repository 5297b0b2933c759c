//! The command that an errand is for, with all that its unit needs to go on with it.

use std::sync::Arc;

use ferrite_scsi::{Answer, Attribute, Command, Copied, Copy, LogicalUnit, Nexus, NexusId, Plan, Port};

use crate::catalog::{Lun, Target};

/// See the module. The nexus of the session stays with its shard; here is one of the same name, which asks the units'
/// books as that one does and hears no attention in its place.
pub(crate) struct Commission {
    pub(crate) nexus: NexusId,
    pub(crate) target: Arc<Target>,
    pub(crate) lun: Arc<Lun>,
    pub(crate) order: Order,
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
        let mut nexus = Nexus::new(self.nexus.clone());
        nexus.forget_attentions();
        nexus
    }

    fn going_on(&self, with: impl FnOnce(&LogicalUnit, &mut Nexus, &Port, &Command<'_>) -> Plan) -> Plan {
        let port = self.target.port(self.nexus.portal_group);
        with(&self.lun.unit, &mut self.stand_in(), port, &self.order.command())
    }
}

impl Order {
    fn command(&self) -> Command<'_> {
        Command { cdb: &self.cdb, attribute: self.attribute, data_out: self.data_out, data_in: self.data_in }
    }
}
