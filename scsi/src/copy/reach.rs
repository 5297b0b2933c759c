//! Which unit does a CSCD descriptor mean: who can be reached, and is it the device it is taken for?

use super::list::{CSCD, List};
use crate::command::Asked;
use crate::nexus::Nexus;
use crate::plan::Reply;
use crate::sense::Sense;
use crate::unit::LogicalUnit;
use std::sync::Arc;

/// A unit that takes part in a copy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reached<'a> {
    /// Its number behind the port.
    pub(crate) lun: u16,
    pub(crate) unit: &'a LogicalUnit,
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreached {
    /// UNREACHABLE COPY TARGET: the descriptor does not exist.
    NoDescriptor,
    /// COPY TARGET DEVICE NOT REACHABLE: nobody here has this name.
    NoUnit,
    /// INCORRECT COPY TARGET DEVICE TYPE.
    DeviceType,
    /// The list is wrong; the copy does not even begin.
    List(Sense),
}

/// CSCD DESCRIPTOR ID of the unit that the command came to.
pub(crate) const HERE: u16 = 0xFFFF;

impl<'a> Reached<'a> {
    /// The unit that a command came to.
    ///
    /// # Errors
    /// 5/25/00, where it was taken away meanwhile.
    pub(crate) fn here(asked: &Asked<'a>) -> Result<Reached<'a>, Sense> {
        let same = |unit: &Arc<LogicalUnit>| Arc::ptr_eq(unit.book(), asked.unit.book());
        let found = asked.port.units.iter().find(|(_, unit)| same(unit));
        found.map(|(lun, unit)| Reached { lun: *lun, unit }).ok_or(Sense::NO_SUCH_UNIT)
    }

    /// The unit that descriptor `id` of the list means.
    pub(crate) fn by_descriptor(asked: &Asked<'a>, list: &List<'_>, id: u16) -> Result<Reached<'a>, Unreached> {
        if id == HERE {
            return Reached::here(asked).map_err(|_| Unreached::NoUnit);
        }
        let number = usize::from(id);
        let cscd = list.cscds.chunks_exact(CSCD).nth(number).ok_or(Unreached::NoDescriptor)?;
        let found = asked.port.units.iter().find(|(_, unit)| is_named(unit, cscd));
        let reached = found.map(|(lun, unit)| Reached { lun: *lun, unit }).ok_or(Unreached::NoUnit)?;
        // LU ID TYPE and NUL, beside the device type, mean nothing in an identification descriptor (SPC-4).
        if cscd[1] & 0x1F != reached.unit.kind().peripheral() {
            return Err(Unreached::DeviceType);
        }
        // An initiator that takes the blocks for larger or smaller ones would have other bytes copied than it thinks.
        let block_size = u32::from_be_bytes([0, cscd[29], cscd[30], cscd[31]]);
        if block_size != 0 && block_size != reached.unit.medium().block_size {
            let at = list.cscds_at + number * CSCD + 29;
            return Err(Unreached::List(Sense::invalid_parameter(at as u16)));
        }
        Ok(reached)
    }

    /// What the unit says to the nexus of the command, were that to read or to write it by itself.
    pub(crate) fn refuses(&self, asked: &Asked<'_>, write: bool) -> Option<Reply> {
        self.unit.refuses(&mut Nexus::stand_in(asked.nexus.id().clone()), write)
    }

    /// Whether both are the same medium.
    pub(crate) fn is(&self, other: &Reached<'_>) -> bool {
        Arc::ptr_eq(self.unit.book(), other.unit.book())
    }
}

/// Whether a unit has the name in an identification descriptor: as page 83h has it, from CODE SET on. PROTOCOL
/// IDENTIFIER and PIV say nothing about a name of a unit.
fn is_named(unit: &LogicalUnit, cscd: &[u8]) -> bool {
    let len = usize::from(cscd[7]);
    let Some(name) = cscd[8..28].get(..len) else { return false };
    let asked = (cscd[4] & 0x0F, cscd[5] & 0x3F, name);
    unit.identity().designators().iter().any(|designator| {
        let its = designator.descriptor();
        len != 0 && (its[0] & 0x0F, its[1] & 0x3F, &its[4..]) == asked
    })
}
