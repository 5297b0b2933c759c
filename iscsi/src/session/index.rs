//! Which task carries this Initiator Task Tag?
//!
//! Tags are the initiator's choice and the table is asked once or twice for every command: open addressing over four
//! times as many cells as there can be tasks, one multiplication as the hash. A peer that chooses colliding tags pays
//! with probes over its own tasks only, and those are bounded.

use serde::{Deserialize, Serialize};

const BITS: u32 = 10;
const CELLS: usize = 1 << BITS;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Index {
    cells: Vec<Cell>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Cell {
    itt: u32,
    /// The task's place plus one; zero: empty.
    place: u16,
}

impl Index {
    /// How many tasks there may be at a time.
    pub(super) const TASKS_MAX: usize = CELLS / 4;

    pub(super) fn new() -> Self {
        Self { cells: vec![Cell::default(); CELLS] }
    }

    #[inline]
    pub(super) fn find(&self, itt: u32) -> Option<usize> {
        let cell = self.cells[self.probe(itt)];
        (cell.place != 0).then(|| usize::from(cell.place) - 1)
    }

    /// Notes a tag that is not there yet.
    #[inline]
    pub(super) fn insert(&mut self, itt: u32, place: usize) {
        let at = self.probe(itt);
        debug_assert_eq!(self.cells[at].place, 0, "the tag is in use");
        self.cells[at] = Cell { itt, place: place as u16 + 1 };
    }

    /// Forgets a tag that is there.
    #[inline]
    pub(super) fn remove(&mut self, itt: u32) {
        let mut hole = self.probe(itt);
        debug_assert_ne!(self.cells[hole].place, 0, "the tag is not in use");
        // Later cells of the run move up into the hole unless that would put them before their home.
        let mut at = hole;
        loop {
            at = (at + 1) % CELLS;
            let cell = self.cells[at];
            if cell.place == 0 {
                break;
            }
            let from_home = at.wrapping_sub(home(cell.itt)) % CELLS;
            if from_home >= at.wrapping_sub(hole) % CELLS {
                self.cells[hole] = cell;
                hole = at;
            }
        }
        self.cells[hole] = Cell::default();
    }

    /// The cell of the tag, or the empty one where it belongs.
    #[inline]
    fn probe(&self, itt: u32) -> usize {
        let mut at = home(itt);
        while self.cells[at].place != 0 && self.cells[at].itt != itt {
            at = (at + 1) % CELLS;
        }
        at
    }
}

#[inline]
fn home(itt: u32) -> usize {
    (itt.wrapping_mul(0x9e37_79b1) >> (32 - BITS)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn the_index_agrees_with_a_map(steps in proptest::collection::vec((any::<bool>(), 0u32..40), 0..400)) {
            let mut index = Index::new();
            let mut map = HashMap::new();
            for (insert, tag) in steps {
                // Every third tag shares a home with its neighbours, at the end of the table.
                let tag = if tag % 3 == 0 { colliding(tag) } else { tag };
                if insert && !map.contains_key(&tag) && map.len() < Index::TASKS_MAX {
                    map.insert(tag, map.len());
                    index.insert(tag, map[&tag]);
                } else if !insert && map.remove(&tag).is_some() {
                    index.remove(tag);
                }
                for at in 0..40 {
                    prop_assert_eq!(index.find(at), map.get(&at).copied());
                    prop_assert_eq!(index.find(colliding(at)), map.get(&colliding(at)).copied());
                }
            }
        }
    }

    /// Tags whose home is one of the last cells, so that runs wrap around.
    fn colliding(n: u32) -> u32 {
        let inverse = 0x9e37_79b1u32;
        // The multiplier is odd, so it has an inverse modulo 2^32: Newton's iteration finds it.
        let mut x = inverse;
        for _ in 0..5 {
            x = x.wrapping_mul(2u32.wrapping_sub(inverse.wrapping_mul(x)));
        }
        (((CELLS as u32 - 1) << (32 - BITS)) | n).wrapping_mul(x)
    }

    #[test]
    fn as_many_colliding_tags_as_tasks_fit() {
        let mut index = Index::new();
        (0..Index::TASKS_MAX as u32).for_each(|n| index.insert(colliding(n), n as usize));
        assert!((0..Index::TASKS_MAX as u32).all(|n| index.find(colliding(n)) == Some(n as usize)));
        (0..Index::TASKS_MAX as u32).for_each(|n| index.remove(colliding(n)));
        assert!(index.cells.iter().all(|cell| cell.place == 0));
    }
}
