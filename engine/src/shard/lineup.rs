//! In which order the commands of one nexus on one unit begin: task attributes (SAM-5 8.6).
//!
//! | attribute | begins |
//! | --- | --- |
//! | SIMPLE, untagged | when no ORDERED command that came before is left, and no HEAD OF QUEUE |
//! | ORDERED | when no command that came before is left, and no HEAD OF QUEUE |
//! | HEAD OF QUEUE | at once |
//! | ACA | never: there is no ACA condition here, so it is refused with 5/49/00 |
//!
//! As long as a nexus sends SIMPLE commands only, which is what initiators do, nothing of this exists for it. A command
//! that has to wait holds nothing that others need to end: it gets its buffer when it begins, and where its data is
//! already behind it in the stream, that lands in memory of its own.

use std::collections::VecDeque;

use ferrite_iscsi::Attribute;

use super::key::TaskKey;

/// When a command begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rank {
    Simple,
    Ordered,
    Head,
}

/// The commands of one nexus on one unit, from the first that is not SIMPLE until the last of those has ended.
#[derive(Debug)]
pub(crate) struct Lineup {
    /// [`crate::catalog::Lun::id`].
    pub(crate) unit: u64,
    /// Those that have begun.
    begun: Counts,
    /// Those that have not, in the order they came; the window of the session bounds them.
    waiting: VecDeque<(TaskKey, Rank)>,
}

#[derive(Debug, Default)]
struct Counts {
    simple: usize,
    ordered: usize,
    heads: usize,
}

impl Rank {
    /// `None`: ACA.
    pub(crate) fn of(attribute: Attribute) -> Option<Self> {
        Some(match attribute {
            Attribute::Untagged | Attribute::Simple => Self::Simple,
            Attribute::Ordered => Self::Ordered,
            Attribute::HeadOfQueue => Self::Head,
            Attribute::Aca => return None,
        })
    }
}

impl Counts {
    fn of(&mut self, rank: Rank) -> &mut usize {
        match rank {
            Rank::Simple => &mut self.simple,
            Rank::Ordered => &mut self.ordered,
            Rank::Head => &mut self.heads,
        }
    }

    /// Whether one that has nobody waiting before it may begin.
    pub(crate) fn admits(&self, rank: Rank) -> bool {
        match rank {
            Rank::Head => true,
            Rank::Simple => self.ordered + self.heads == 0,
            Rank::Ordered => self.simple + self.ordered + self.heads == 0,
        }
    }
}

impl Lineup {
    /// Of a unit that has `simple` SIMPLE commands under way.
    pub(crate) fn new(unit: u64, simple: usize) -> Self {
        Self { unit, begun: Counts { simple, ..Counts::default() }, waiting: VecDeque::new() }
    }

    pub(crate) fn admits(&self, rank: Rank) -> bool {
        rank == Rank::Head || (self.waiting.is_empty() && self.begun.admits(rank))
    }

    /// A command has come. `waits` is what was made of [`admits`](Self::admits).
    pub(crate) fn enter(&mut self, key: TaskKey, rank: Rank, waits: bool) {
        if waits {
            self.waiting.push_back((key, rank));
        } else {
            *self.begun.of(rank) += 1;
        }
    }

    /// A command has ended, whether it had begun or not.
    pub(crate) fn leave(&mut self, key: TaskKey, rank: Rank) {
        match self.waiting.iter().position(|(waits, _)| *waits == key) {
            Some(at) => drop(self.waiting.remove(at)),
            None => *self.begun.of(rank) -= 1,
        }
    }

    /// The first that waits, if it may begin; it has begun then.
    pub(crate) fn next(&mut self) -> Option<TaskKey> {
        let (key, rank) = self.waiting.front().copied().filter(|(_, rank)| self.begun.admits(*rank))?;
        self.waiting.pop_front();
        *self.begun.of(rank) += 1;
        Some(key)
    }

    /// Only SIMPLE commands are left, and none waits.
    pub(crate) fn is_over(&self) -> bool {
        self.waiting.is_empty() && self.begun.ordered + self.begun.heads == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Keys of as many tasks.
    fn keys(count: u64) -> Vec<TaskKey> {
        (0..count).map(|token| TaskKey::from_token(token).unwrap()).collect()
    }

    fn lineup() -> Lineup {
        Lineup::new(1, 0)
    }

    fn orders() -> impl Strategy<Value = Rank> {
        prop_oneof![4 => Just(Rank::Simple), 2 => Just(Rank::Ordered), 1 => Just(Rank::Head)]
    }

    /// SAM-5 8.6 as it is written: whether the command at `at`, of those there are in the order they came, may begin.
    fn may_begin(commands: &[(TaskKey, Rank, bool)], at: usize) -> bool {
        let head = |(_, rank, begun): &(_, Rank, bool)| *rank == Rank::Head && *begun;
        match commands[at].1 {
            Rank::Head => true,
            _ if commands.iter().any(head) => false,
            Rank::Ordered => at == 0,
            Rank::Simple => commands[..at].iter().all(|(_, rank, _)| *rank == Rank::Simple),
        }
    }

    proptest! {
        #[test]
        fn commands_begin_when_the_standard_lets_them(
            deeds in prop::collection::vec((any::<bool>(), orders(), any::<usize>()), 1..120)
        ) {
            let (mut lineup, mut commands, mut keys) = (lineup(), Vec::new(), keys(120).into_iter());
            for (comes, rank, which) in deeds {
                if comes {
                    let key = keys.next().unwrap();
                    let waits = !lineup.admits(rank);
                    lineup.enter(key, rank, waits);
                    commands.push((key, rank, !waits));
                } else if !commands.is_empty() {
                    let (key, rank, _) = commands.remove(which % commands.len());
                    lineup.leave(key, rank);
                    while let Some(key) = lineup.next() {
                        let begun = commands.iter_mut().find(|command| command.0 == key).unwrap();
                        begun.2 = true;
                    }
                }
                // What has begun stays so, whoever puts himself before it.
                for at in 0..commands.len() {
                    if commands[at].2 {
                        continue;
                    }
                    prop_assert!(!may_begin(&commands, at), "{at} waits for nothing: {commands:?}");
                }
            }
            for (key, rank, _) in commands {
                lineup.leave(key, rank);
                std::iter::from_fn(|| lineup.next()).for_each(drop);
            }
            prop_assert!(lineup.is_over() && lineup.begun.simple == 0);
        }
    }

    #[test]
    fn an_ordered_command_begins_after_all_before_it_and_before_all_behind_it() {
        let (mut lineup, keys) = (lineup(), keys(4));
        lineup.enter(keys[0], Rank::Simple, false);
        for (key, rank) in [(keys[1], Rank::Ordered), (keys[2], Rank::Simple)] {
            assert!(!lineup.admits(rank));
            lineup.enter(key, rank, true);
        }
        assert_eq!(lineup.next(), None);
        lineup.leave(keys[0], Rank::Simple);
        assert_eq!((lineup.next(), lineup.next()), (Some(keys[1]), None));
        assert!(lineup.admits(Rank::Head), "which goes before everything");
        lineup.enter(keys[3], Rank::Head, false);
        lineup.leave(keys[1], Rank::Ordered);
        assert_eq!(lineup.next(), None);
        lineup.leave(keys[3], Rank::Head);
        assert_eq!(lineup.next(), Some(keys[2]));
        assert!(lineup.is_over());
    }
}
