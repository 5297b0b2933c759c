//! Which task management functions wait for their owner?

use serde::{Deserialize, Serialize};

/// So many task management functions of one session are carried out at the same time; more are rejected.
pub(crate) const MANAGES_MAX: usize = 8;

/// Names a task management function that waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ManageTag(u32);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Manages {
    next: u32,
    /// Tag and Initiator Task Tag.
    waiting: Vec<(ManageTag, u32)>,
}

impl Manages {
    pub(crate) fn new() -> Self {
        Self { next: 0, waiting: Vec::new() }
    }

    /// `None` when too many wait already.
    pub(crate) fn add(&mut self, itt: u32) -> Option<ManageTag> {
        if self.waiting.len() == MANAGES_MAX {
            return None;
        }
        let tag = ManageTag(self.next);
        self.next = self.next.wrapping_add(1);
        self.waiting.push((tag, itt));
        Some(tag)
    }

    /// The Initiator Task Tag of a function that is answered now.
    pub(crate) fn remove(&mut self, tag: ManageTag) -> Option<u32> {
        let at = self.waiting.iter().position(|&(waiting, _)| waiting == tag)?;
        Some(self.waiting.remove(at).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_wait_as_the_limit_allows_and_each_is_answered_once() {
        let mut manages = Manages::new();
        let tags: Vec<_> = (0..MANAGES_MAX as u32).map(|itt| manages.add(itt).unwrap()).collect();
        assert_eq!(manages.add(99), None);
        assert_eq!(manages.remove(tags[3]), Some(3));
        assert_eq!(manages.remove(tags[3]), None);
        assert!(manages.add(99).is_some());
    }
}
