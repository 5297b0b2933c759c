//! Who is an initiator to a unit?

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Who an initiator is to a unit (SAM-5: the I_T nexus).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NexusId {
    /// Unique to this session for as long as the target runs: what RESERVE binds to.
    pub session: u64,
    /// SCSI initiator port name, `iqn...,i,0x<isid>`: what persistent reservations bind to, over reconnects.
    pub name: Arc<str>,
    /// Portal group tag of the target port.
    pub portal_group: u16,
}
