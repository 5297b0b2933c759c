//! Who may go on, and who has to wait for whom: the bookkeeping of a lane, without threads and locks.
//!
//! An entry waits for those that came before it and are in its way, and for nobody else. It counts them when it
//! comes, and each of them counts itself off when it leaves; so nothing is ever searched for somebody to wake but by
//! the one that leaves, and nobody who came later can overtake.

use slab::Slab;

use super::Claim;

/// All that holds or waits for something. `W`: how a waiter is called.
#[derive(Debug)]
pub(super) struct Line<W> {
    /// Claims that are in nobody's way but of the other kind's: writes, of which there may be many.
    changes: Slab<Entry<W>>,
    /// All others, few.
    others: Slab<Entry<W>>,
    /// Of `changes`.
    waiting_changes: usize,
    /// Exchanges wait until all changes that are under way are known.
    gathering: bool,
    /// Number of the last that came.
    last: u64,
}

#[derive(Debug)]
struct Entry<W> {
    claim: Claim,
    /// In which order they came.
    number: u64,
    /// How many that came before are in its way.
    before: usize,
    /// `None`: it waits for nobody, or was called.
    waiter: Option<W>,
}

/// Names an entry until it leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    change: bool,
    slot: usize,
}

impl<W> Line<W> {
    /// Nobody is there.
    pub(super) fn new() -> Self {
        Self { changes: Slab::new(), others: Slab::new(), waiting_changes: 0, gathering: false, last: 0 }
    }

    /// Comes last. True: it may go on at once, else `waiter` is returned by what lets it.
    pub(super) fn enter(&mut self, claim: Claim, waiter: impl FnOnce() -> W) -> (Key, bool) {
        self.last += 1;
        let in_the_way = |entries: &Slab<Entry<W>>| entries.iter().filter(|(_, e)| e.claim.bars(claim)).count();
        let is_change = matches!(claim, Claim::Change { .. });
        let mut before = in_the_way(&self.others);
        if !is_change {
            before += in_the_way(&self.changes) + usize::from(self.waits_for_gathering(claim));
        }
        let goes = before == 0;
        let entry = Entry { claim, number: self.last, before, waiter: (!goes).then(waiter) };
        let entries = if is_change { &mut self.changes } else { &mut self.others };
        let key = Key { change: is_change, slot: entries.insert(entry) };
        self.waiting_changes += usize::from(is_change && !goes);
        (key, goes)
    }

    /// Leaves, whether it waited or not; `free` gets those that may go on now.
    pub(super) fn leave(&mut self, key: Key, free: &mut Vec<W>) {
        let gone = if key.change { self.changes.remove(key.slot) } else { self.others.remove(key.slot) };
        self.waiting_changes -= usize::from(key.change && gone.before > 0);
        let behind = |entry: &Entry<W>| entry.number > gone.number && gone.claim.bars(entry.claim);
        for (_, entry) in self.others.iter_mut().filter(|(_, entry)| behind(entry)) {
            entry.count_off(free);
        }
        if self.waiting_changes > 0 {
            for (_, entry) in self.changes.iter_mut().filter(|(_, entry)| behind(entry)) {
                entry.count_off(free);
                self.waiting_changes -= usize::from(entry.before == 0);
            }
        }
    }

    /// Whether it waits for nobody.
    pub(super) fn goes(&self, key: Key) -> bool {
        let entries = if key.change { &self.changes } else { &self.others };
        entries[key.slot].before == 0
    }

    /// From now on exchanges wait for [`gathered`](Self::gathered).
    pub(super) fn gather(&mut self) {
        assert!(!self.gathering && self.others.iter().all(|(_, entry)| entry.claim == Claim::Alone));
        self.gathering = true;
    }

    /// A change that began before anybody was asked to enter: it is before all others.
    pub(super) fn add_first(&mut self, at: u64, len: u64) -> Key {
        assert!(self.gathering, "no exchange goes on meanwhile");
        let claim = Claim::Change { at, len };
        for (_, entry) in self.others.iter_mut().filter(|(_, entry)| claim.bars(entry.claim)) {
            entry.before += 1;
        }
        Key { change: true, slot: self.changes.insert(Entry { claim, number: 0, before: 0, waiter: None }) }
    }

    /// All changes that are under way are known.
    pub(super) fn gathered(&mut self, free: &mut Vec<W>) {
        let exchanges = |entry: &Entry<W>| matches!(entry.claim, Claim::Exchange { .. });
        for (_, entry) in self.others.iter_mut().filter(|(_, entry)| exchanges(entry)) {
            entry.count_off(free);
        }
        self.gathering = false;
    }

    /// How many there are that are not changes.
    pub(super) fn others(&self) -> usize {
        self.others.len()
    }

    fn waits_for_gathering(&self, claim: Claim) -> bool {
        self.gathering && matches!(claim, Claim::Exchange { .. })
    }
}

impl<W> Entry<W> {
    fn count_off(&mut self, free: &mut Vec<W>) {
        self.before -= 1;
        if self.before == 0 {
            free.extend(self.waiter.take());
        }
    }
}

impl Claim {
    /// Whether the two may not both go on. The same both ways round.
    fn bars(self, other: Claim) -> bool {
        match (self, other) {
            (Self::Change { .. }, Self::Change { .. } | Self::Alone) | (Self::Alone, Self::Change { .. }) => false,
            (Self::Alone, Self::Alone | Self::Exchange { .. }) | (Self::Exchange { .. }, Self::Alone) => true,
            (
                Self::Change { at, len } | Self::Exchange { at, len },
                Self::Change { at: from, len: count } | Self::Exchange { at: from, len: count },
            ) => at < from.saturating_add(count) && from < at.saturating_add(len),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn change(at: u64, len: u64) -> Claim {
        Claim::Change { at, len }
    }

    fn exchange(at: u64, len: u64) -> Claim {
        Claim::Exchange { at, len }
    }

    #[test]
    fn claims_bar_each_other_as_the_table_says() {
        for (one, other, bars) in [
            (change(0, 8), change(0, 8), false),
            (change(0, 8), exchange(7, 1), true),
            (change(0, 8), exchange(8, 1), false),
            (change(8, 8), exchange(0, 8), false),
            (change(0, u64::MAX), exchange(u64::MAX - 1, 1), true),
            (change(u64::MAX - 1, 1), exchange(u64::MAX - 1, u64::MAX), true),
            (exchange(0, 8), exchange(4, 1), true),
            (exchange(0, 8), exchange(8, 8), false),
            (Claim::Alone, exchange(0, 1), true),
            (Claim::Alone, Claim::Alone, true),
            (Claim::Alone, change(0, 1), false),
        ] {
            assert_eq!(one.bars(other), bars, "{one:?} {other:?}");
            assert_eq!(other.bars(one), bars, "{other:?} {one:?}");
        }
    }

    #[test]
    fn a_change_that_comes_behind_a_waiting_exchange_does_not_overtake_it() {
        let mut line = Line::new();
        let (first, goes) = line.enter(change(0, 8), || 1);
        assert!(goes);
        let (second, goes) = line.enter(exchange(0, 1), || 2);
        assert!(!goes);
        let (third, goes) = line.enter(change(0, 8), || 3);
        assert!(!goes, "or a stream of writes would keep it waiting for ever");
        assert!(line.enter(change(1, 7), || 4).1, "this one is not in its way");
        let mut free = Vec::new();
        line.leave(first, &mut free);
        assert_eq!((free, line.goes(second), line.goes(third)), (vec![2], true, false));
        let mut free = Vec::new();
        line.leave(second, &mut free);
        assert_eq!(free, [3]);
    }

    #[test]
    fn who_gives_up_waiting_lets_those_behind_go_on() {
        let mut line = Line::new();
        line.enter(change(0, 8), || 1);
        let (gives_up, _) = line.enter(exchange(0, 8), || 2);
        line.enter(change(4, 8), || 3);
        let mut free = Vec::new();
        line.leave(gives_up, &mut free);
        assert_eq!(free, [3]);
    }

    /// What the line is to do, said as simply as possible: an entry goes on when nobody that stands before it bars it.
    #[derive(Default)]
    struct Naive {
        /// In the order they stand.
        entries: Vec<(Key, u32, Claim)>,
        gathering: bool,
    }

    impl Naive {
        fn goes(&self, at: usize) -> bool {
            let claim = self.entries[at].2;
            let held = self.gathering && matches!(claim, Claim::Exchange { .. });
            !held && !self.entries[..at].iter().any(|(_, _, before)| before.bars(claim))
        }

        fn going(&self) -> Vec<u32> {
            (0..self.entries.len()).filter(|at| self.goes(*at)).map(|at| self.entries[at].1).collect()
        }
    }

    #[derive(Debug, Clone)]
    enum Deed {
        Enter(Claim),
        Leave(usize),
        AddFirst(u64, u64),
        Gather,
        Gathered,
    }

    fn claims() -> impl Strategy<Value = Claim> {
        prop_oneof![
            4 => (0u64..24, 1u64..12).prop_map(|(at, len)| change(at, len)),
            4 => (0u64..24, 1u64..6).prop_map(|(at, len)| exchange(at, len)),
            1 => Just(Claim::Alone),
        ]
    }

    fn deeds() -> impl Strategy<Value = Deed> {
        prop_oneof![
            6 => claims().prop_map(Deed::Enter),
            5 => any::<usize>().prop_map(Deed::Leave),
            1 => (0u64..24, 1u64..12).prop_map(|(at, len)| Deed::AddFirst(at, len)),
            1 => Just(Deed::Gather),
            1 => Just(Deed::Gathered),
        ]
    }

    proptest! {
        #[test]
        fn whoever_goes_on_is_who_the_naive_model_lets_go_on(deeds in prop::collection::vec(deeds(), 1..200)) {
            let (mut line, mut naive, mut name) = (Line::new(), Naive::default(), 0);
            for deed in deeds {
                let before = naive.going();
                let mut free = Vec::new();
                match deed {
                    Deed::Enter(claim) => {
                        name += 1;
                        let (key, goes) = line.enter(claim, || name);
                        naive.entries.push((key, name, claim));
                        prop_assert_eq!(goes, naive.goes(naive.entries.len() - 1));
                        free.extend(goes.then_some(name));
                    }
                    Deed::Leave(_) if naive.entries.is_empty() => {}
                    Deed::Leave(at) => {
                        let (key, ..) = naive.entries.remove(at % naive.entries.len());
                        line.leave(key, &mut free);
                    }
                    Deed::AddFirst(at, len) if naive.gathering => {
                        name += 1;
                        naive.entries.insert(0, (line.add_first(at, len), name, change(at, len)));
                        free.push(name);
                    }
                    // It begins once in the life of a line, before any exchange.
                    Deed::Gather if naive.entries.iter().all(|(_, _, claim)| !matches!(claim, Claim::Exchange { .. }))
                        && !naive.gathering =>
                    {
                        line.gather();
                        naive.gathering = true;
                    }
                    Deed::Gathered if naive.gathering => {
                        line.gathered(&mut free);
                        naive.gathering = false;
                    }
                    Deed::AddFirst(..) | Deed::Gather | Deed::Gathered => {}
                }
                let mut newly: Vec<u32> = naive.going().into_iter().filter(|name| !before.contains(name)).collect();
                newly.sort_unstable();
                free.sort_unstable();
                prop_assert_eq!(free, newly, "each is called once, when its time has come");
                for (at, (key, ..)) in naive.entries.iter().enumerate() {
                    prop_assert_eq!(line.goes(*key), naive.goes(at));
                }
            }
            let mut free = Vec::new();
            for (key, ..) in naive.entries {
                line.leave(key, &mut free);
            }
            prop_assert_eq!((line.changes.len(), line.others.len(), line.waiting_changes), (0, 0, 0));
        }
    }
}
