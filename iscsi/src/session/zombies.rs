//! Whose unsolicited data is still to come though its task is gone?

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// So many are remembered; then the oldest is forgotten. An initiator can have no more unfinished sequences than its
/// window has commands, those it gave up for good set aside.
pub(crate) const ZOMBIES_MAX: usize = 128;

/// Initiator Task Tags of commands that were answered, aborted or ignored before their unsolicited data was complete
/// (no F bit seen). Their Data-Out PDUs carry no Target Transfer Tag, so the tag alone tells that they are harmless.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Zombies(VecDeque<u32>);

impl Zombies {
    pub(crate) fn new() -> Self {
        Self(VecDeque::new())
    }

    pub(crate) fn add(&mut self, itt: u32) {
        if !self.holds(itt) {
            if self.0.len() == ZOMBIES_MAX {
                self.0.pop_front();
            }
            self.0.push_back(itt);
        }
    }

    #[inline]
    pub(crate) fn holds(&self, itt: u32) -> bool {
        self.0.contains(&itt)
    }

    /// The sequence has ended, or the tag names a new command.
    #[inline]
    pub(crate) fn remove(&mut self, itt: u32) {
        if let Some(at) = self.0.iter().position(|&zombie| zombie == itt) {
            self.0.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_one_past_the_limit() {
        let mut zombies = Zombies::new();
        (0..ZOMBIES_MAX as u32).for_each(|itt| zombies.add(itt));
        zombies.add(5);
        assert!(zombies.holds(0), "one that is known takes no room");
        zombies.add(1000);
        assert!(!zombies.holds(0) && zombies.holds(1) && zombies.holds(1000));
        zombies.remove(1);
        assert!(!zombies.holds(1));
    }
}
