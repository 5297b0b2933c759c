//! Asymmetric access: through which target port groups a unit can be reached, and how well (SPC-4, ALUA).

use crate::sense::{Sense, SenseKey};

/// ASYMMETRIC ACCESS STATE of a unit through a target port group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum AccessState {
    /// The best way.
    #[default]
    ActiveOptimized = 0x0,
    /// A way, but not the best.
    ActiveNonOptimized = 0x1,
    /// Another group serves the unit; this one could.
    Standby = 0x2,
    /// No way to the medium.
    Unavailable = 0x3,
    /// The ports of the group are not there.
    Offline = 0xE,
    /// On its way to another state.
    Transitioning = 0xF,
}

impl AccessState {
    /// What a command that needs the medium is told, where this state does not reach it.
    pub const fn hindrance(self) -> Option<Sense> {
        let ascq = match self {
            AccessState::ActiveOptimized | AccessState::ActiveNonOptimized => return None,
            AccessState::Standby => 0x0B,
            AccessState::Unavailable | AccessState::Offline => 0x0C,
            AccessState::Transitioning => 0x0A,
        };
        Some(Sense::new(SenseKey::NotReady, 0x04, ascq))
    }
}
