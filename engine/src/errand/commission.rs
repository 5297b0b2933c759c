//! The command that an errand is for, with all that its unit needs to go on with it.

use std::sync::Arc;

use ferrite_scsi::{Attribute, NexusId};

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
