//! Attentions posted to all nexuses of a unit, kept until each has read them, in bounded space.

use crate::attention::Attention;

/// For each kind of attention, its last two posts: the latest, and the latest before it that leaves out somebody
/// else. Nobody needs more: whoever is left out of the latest post is not left out of the other one, and whoever
/// was owed an older post of the kind is owed a younger one too.
#[derive(Debug, Default)]
pub(super) struct Bulletin {
    kinds: Vec<Posts>,
}

#[derive(Debug)]
struct Posts {
    attention: Attention,
    latest: Post,
    other: Option<Post>,
}

#[derive(Debug, Clone, Copy)]
struct Post {
    generation: u64,
    except: Option<u64>,
}

impl Bulletin {
    pub(super) fn post(&mut self, generation: u64, except: Option<u64>, attention: Attention) {
        let latest = Post { generation, except };
        match self.kinds.iter_mut().find(|posts| posts.attention == attention) {
            Some(posts) => {
                if posts.latest.except != except {
                    posts.other = Some(posts.latest);
                }
                posts.latest = latest;
            }
            None => self.kinds.push(Posts { attention, latest, other: None }),
        }
        debug_assert!(self.kinds.len() <= Attention::COUNT);
    }

    /// What was posted after `read_to` and does not leave out `session`, with the generation of its latest post, in no
    /// order.
    pub(super) fn since(&self, read_to: u64, session: u64) -> Vec<(u64, Attention)> {
        self.kinds
            .iter()
            .filter_map(|posts| posts.owed(read_to, session).map(|generation| (generation, posts.attention)))
            .collect()
    }
}

impl Posts {
    fn owed(&self, read_to: u64, session: u64) -> Option<u64> {
        [Some(self.latest), self.other]
            .into_iter()
            .flatten()
            .find(|post| post.generation > read_to && post.except != Some(session))
            .map(|post| post.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KINDS: [Attention; 3] = [Attention::CapacityChanged, Attention::ModeChanged, Attention::DeviceReset];

    #[test]
    fn being_left_out_of_the_latest_post_does_not_lose_an_earlier_one() {
        let mut bulletin = Bulletin::default();
        bulletin.post(1, Some(10), Attention::DeviceReset);
        bulletin.post(2, Some(20), Attention::DeviceReset);
        bulletin.post(3, Some(20), Attention::DeviceReset);
        assert_eq!(bulletin.since(0, 20), [(1, Attention::DeviceReset)]);
        assert_eq!(bulletin.since(1, 20), []);
        assert_eq!(bulletin.since(2, 10), [(3, Attention::DeviceReset)]);
    }

    proptest! {
        /// The plain way is to keep every post for ever; the bounded way must tell everyone the same.
        #[test]
        fn nothing_is_lost_and_nothing_is_told_that_a_full_record_would_not_tell(
            posts in prop::collection::vec((0usize..3, prop::option::of(0u64..3)), 0..40),
            read_to in 0u64..40,
            session in 0u64..4,
        ) {
            let mut bulletin = Bulletin::default();
            for (place, &(kind, except)) in posts.iter().enumerate() {
                bulletin.post(place as u64 + 1, except, KINDS[kind]);
            }
            let mut expected: Vec<Attention> = Vec::new();
            for (place, &(kind, except)) in posts.iter().enumerate() {
                if place as u64 + 1 > read_to && except != Some(session) {
                    expected.push(KINDS[kind]);
                }
            }
            let told = bulletin.since(read_to, session).into_iter();
            let mut told: Vec<Attention> = told.map(|(_, attention)| attention).collect();
            told.sort_unstable();
            expected.sort_unstable();
            expected.dedup();
            prop_assert_eq!(told, expected);
        }
    }
}
