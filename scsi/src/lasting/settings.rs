//! What MODE SELECT can change of a unit.

use serde::{Deserialize, Serialize};

/// Mode parameters that initiators may change, for all of them at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// SWP of the control page: every write is refused.
    pub write_protect: bool,
    /// WCE of the caching page is zero although the disk has a cache: every write is durable before its answer.
    pub write_through: bool,
    /// D_SENSE of the control page.
    pub descriptor_sense: bool,
}
