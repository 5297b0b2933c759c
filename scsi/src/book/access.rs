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

/// STATUS CODE of a target port group: why its state is what it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Reason {
    /// It has always been so.
    #[default]
    None = 0,
    /// An initiator asked for it by SET TARGET PORT GROUPS.
    Explicit = 1,
    /// The operator of the target wanted it, or the cluster.
    Implicit = 2,
}

/// States of a unit by target port group; one that is not here is active and optimized.
#[derive(Debug, Default)]
pub(super) struct Access {
    groups: Vec<(u16, AccessState, Reason)>,
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

impl Access {
    pub(super) fn of(&self, group: u16) -> (AccessState, Reason) {
        let known = self.groups.iter().find(|(number, ..)| *number == group);
        known.map_or_else(Default::default, |&(_, state, reason)| (state, reason))
    }

    /// Whether an initiator may have a group in `state`: not where that opens what the operator has closed.
    pub(super) fn may_be(&self, group: u16, state: AccessState) -> bool {
        match self.of(group) {
            (now, _) if now == state => true,
            (now, Reason::Implicit) => now.hindrance().is_none(),
            _ => true,
        }
    }

    /// Whether something has changed by it. A state that the operator wants as an initiator had asked for it is his
    /// from then on.
    pub(super) fn set(&mut self, group: u16, state: AccessState, reason: Reason) -> bool {
        let (now, why) = self.of(group);
        if now != state || (why == Reason::Explicit && reason == Reason::Implicit) {
            self.groups.retain(|(number, ..)| *number != group);
            self.groups.push((group, state, reason));
        }
        now != state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AccessState::*;

    #[test]
    fn a_group_is_active_until_it_is_set_and_knows_by_whom() {
        let mut access = Access::default();
        assert_eq!(access.of(1), (ActiveOptimized, Reason::None));
        assert!(!access.set(1, ActiveOptimized, Reason::Explicit), "it is so already");
        assert!(access.set(1, Standby, Reason::Explicit));
        assert_eq!((access.of(1), access.of(2)), ((Standby, Reason::Explicit), (ActiveOptimized, Reason::None)));
        assert!(!access.set(1, Standby, Reason::Implicit));
        assert_eq!(access.of(1), (Standby, Reason::Implicit));
        assert!(!access.set(1, Standby, Reason::Explicit));
        assert_eq!(access.of(1), (Standby, Reason::Implicit), "still the operator's");
        assert_eq!(access.groups.len(), 1);
    }

    #[test]
    fn an_initiator_may_change_all_but_what_the_operator_has_closed() {
        for closed in [Standby, Unavailable, Offline, Transitioning] {
            let mut access = Access::default();
            access.set(1, closed, Reason::Implicit);
            assert!(!access.may_be(1, ActiveOptimized) && access.may_be(1, closed) && access.may_be(2, Standby));
            let mut access = Access::default();
            access.set(1, closed, Reason::Explicit);
            assert!(access.may_be(1, ActiveOptimized));
        }
        let mut access = Access::default();
        access.set(1, ActiveNonOptimized, Reason::Implicit);
        assert!(access.may_be(1, ActiveOptimized) && access.may_be(1, Standby));
    }
}
