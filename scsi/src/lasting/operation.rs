//! What works on the whole medium for so long that a restart may come in between?

use serde::{Deserialize, Serialize};

/// Long work on the whole medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Operation {
    /// FORMAT UNIT.
    Format,
    /// SANITIZE.
    Sanitize {
        /// AUSE: if it fails, the initiator may have the unit back as it is (EXIT FAILURE MODE).
        may_exit: bool,
    },
}
