//! How well the units of a target can be reached through one of its portal groups.

use serde::{Deserialize, Serialize};
use std::fmt;

/// ASYMMETRIC ACCESS STATE of a target port group (SPC-4, ALUA), in the words of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessState {
    /// The best way.
    #[default]
    ActiveOptimized,
    /// A way, but not the best.
    ActiveNonOptimized,
    /// Another group serves the units; this one could.
    Standby,
    /// No way to the units.
    Unavailable,
    /// The ports of the group are not there.
    Offline,
    /// On its way to another state.
    Transitioning,
}

impl AccessState {
    /// The word in the file.
    pub fn word(self) -> &'static str {
        match self {
            AccessState::ActiveOptimized => "active-optimized",
            AccessState::ActiveNonOptimized => "active-non-optimized",
            AccessState::Standby => "standby",
            AccessState::Unavailable => "unavailable",
            AccessState::Offline => "offline",
            AccessState::Transitioning => "transitioning",
        }
    }
}

impl fmt::Display for AccessState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_shown_as_it_is_written() {
        use AccessState::*;
        for state in [ActiveOptimized, ActiveNonOptimized, Standby, Unavailable, Offline, Transitioning] {
            assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{state}\""));
        }
    }
}
