//! Which parts of which slabs are lent: the books of a pool, without its memory.

use std::ops::Range;

/// The lengths that buffers come in.
pub(super) const CLASSES: [usize; 5] = [8 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20];

/// Every slab has this many bytes, so that a slab that lies idle can be cut anew for any class while its
/// number and its address (which a ring may have registered) stay.
pub(super) const SLAB_BYTES: usize = CLASSES[CLASSES.len() - 1];

/// The unit `unit` of slab `slab`; or, where `slabs` is more than one, that many whole slabs in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) slab: u16,
    pub(super) unit: u16,
    pub(super) slabs: u16,
}

/// How a slab is cut and which of its units are free.
#[derive(Debug)]
pub(super) struct Cut {
    class: usize,
    // The last one freed is lent first: its bytes may still be in the processor's cache.
    free: Vec<u16>,
}

/// Slabs that lend to one kind of customer. Numbers of slabs come from outside.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    cuts: Vec<Option<Cut>>,
    /// Per class: the slabs that have a free unit.
    open: [Vec<u16>; CLASSES.len()],
    /// Slabs that lie wholly free.
    whole: usize,
    lent: usize,
}

/// The smallest class that holds `len` bytes.
pub(super) fn class_of(len: usize) -> Option<usize> {
    CLASSES.iter().position(|class| len <= *class)
}

impl Cut {
    fn new(class: usize) -> Self {
        let mut cut = Self { class, free: Vec::with_capacity(SLAB_BYTES / CLASSES[0]) };
        cut.again(class);
        cut
    }

    // In place: a slab is cut anew without an allocation.
    fn again(&mut self, class: usize) {
        self.class = class;
        self.free.clear();
        // The lowest unit is lent first, so that a slab fills from one end and untouched memory stays so.
        self.free.extend((0..units(class)).rev());
    }

    fn is_whole(&self) -> bool {
        self.free.len() == usize::from(units(self.class))
    }
}

impl Shelf {
    /// Takes in a slab that nobody uses.
    pub(super) fn add(&mut self, slab: u16) {
        let index = usize::from(slab);
        if self.cuts.len() <= index {
            self.cuts.resize_with(index + 1, || None);
        }
        assert!(self.cuts[index].is_none(), "slab {slab} is here already");
        let cut = Cut::new(0);
        self.open[cut.class].push(slab);
        self.cuts[index] = Some(cut);
        self.whole += 1;
    }

    /// Lends a unit of `class` from a slab below `end`, cutting an idle slab of another class anew where that helps.
    pub(super) fn take(&mut self, class: usize, end: u16) -> Option<Place> {
        // The last one that may lend, which is mostly the last one.
        let found = self.open[class].iter().rposition(|slab| *slab < end);
        let at = match found {
            Some(at) => at,
            None => {
                self.cut_idle_slab_for(class, end)?;
                self.open[class].len() - 1
            }
        };
        let slab = self.open[class][at];
        let cut = self.cuts[usize::from(slab)].as_mut().expect("open slabs are here");
        self.whole -= usize::from(cut.is_whole());
        let unit = cut.free.pop().expect("open slabs have a free unit");
        if cut.free.is_empty() {
            self.open[class].remove(at);
        }
        self.lent += CLASSES[class];
        Some(Place { slab, unit, slabs: 1 })
    }

    /// The lowest of `count` numbers in a row within `numbers` whose slabs lend nothing: idle, or not here.
    pub(super) fn row(&self, numbers: Range<u16>, count: u16) -> Option<u16> {
        let mut free = 0;
        numbers.into_iter().find_map(|slab| {
            free = if !self.has(slab) || self.is_whole(slab) { free + 1 } else { 0 };
            (free == count).then(|| slab + 1 - count)
        })
    }

    /// Lends whole slabs in a row, which are here and idle, as one.
    pub(super) fn take_row(&mut self, first: u16, count: u16) -> Place {
        for slab in first..first + count {
            assert!(self.is_whole(slab), "slab {slab} is idle");
            self.close(slab);
            let cut = self.cuts[usize::from(slab)].as_mut().expect("just seen");
            cut.again(CLASSES.len() - 1);
            cut.free.clear();
            self.whole -= 1;
            self.lent += SLAB_BYTES;
        }
        Place { slab: first, unit: 0, slabs: count }
    }

    /// Takes what was lent back.
    pub(super) fn give_back(&mut self, place: Place) {
        // In descending order, so that the lowest is lent first again.
        for slab in (place.slab..place.slab + place.slabs).rev() {
            self.give_unit_back(Place { slab, slabs: 1, ..place });
        }
    }

    fn give_unit_back(&mut self, place: Place) {
        let cut = self.cuts[usize::from(place.slab)].as_mut().expect("a slab stays while a unit of it is lent");
        debug_assert!(!cut.free.contains(&place.unit), "{place:?} came home twice");
        cut.free.push(place.unit);
        if cut.free.len() == 1 {
            self.open[cut.class].push(place.slab);
        }
        self.whole += usize::from(cut.is_whole());
        self.lent -= CLASSES[cut.class];
    }

    /// Gives up the slabs that lie wholly free, and names them.
    pub(super) fn remove_idle(&mut self) -> Vec<u16> {
        let idle: Vec<u16> = self.numbers().filter(|slab| self.is_whole(*slab)).collect();
        for slab in &idle {
            self.close(*slab);
            self.cuts[usize::from(*slab)] = None;
        }
        self.whole = 0;
        idle
    }

    /// The slab that holds `place`, and where in it the unit begins, in bytes.
    pub(super) fn offset(&self, place: Place) -> usize {
        let cut = self.cuts[usize::from(place.slab)].as_ref().expect("a slab stays while a unit of it is lent");
        usize::from(place.unit) * CLASSES[cut.class]
    }

    /// Whether this slab is one of these.
    pub(super) fn has(&self, slab: u16) -> bool {
        self.cuts.get(usize::from(slab)).is_some_and(Option::is_some)
    }

    /// The numbers of these, ascending.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u16> {
        (0..=u16::MAX).take(self.cuts.len()).filter(|slab| self.has(*slab))
    }

    /// Bytes of units that are lent.
    pub(super) fn lent(&self) -> usize {
        self.lent
    }

    fn is_whole(&self, slab: u16) -> bool {
        self.cuts.get(usize::from(slab)).and_then(Option::as_ref).is_some_and(Cut::is_whole)
    }

    // Looks at every slab, which only happens when a class has nothing free but another has.
    fn cut_idle_slab_for(&mut self, class: usize, end: u16) -> Option<()> {
        if self.whole == 0 {
            return None;
        }
        let end = usize::from(end).min(self.cuts.len());
        let slab = (0..=u16::MAX).take(end).find(|slab| self.is_whole(*slab))?;
        self.close(slab);
        self.cuts[usize::from(slab)].as_mut().expect("it is idle").again(class);
        self.open[class].push(slab);
        Some(())
    }

    fn close(&mut self, slab: u16) {
        let class = self.cuts[usize::from(slab)].as_ref().expect("it is here").class;
        self.open[class].retain(|open| *open != slab);
    }
}

fn units(class: usize) -> u16 {
    u16::try_from(SLAB_BYTES / CLASSES[class]).expect("a slab has a few hundred units")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: u16 = u16::MAX;

    #[test]
    fn a_length_gets_the_smallest_class_that_holds_it() {
        assert_eq!(class_of(0), Some(0));
        assert_eq!(class_of(8 << 10), Some(0));
        assert_eq!(class_of((8 << 10) + 1), Some(1));
        assert_eq!(class_of(4 << 20), Some(4));
        assert_eq!(class_of((4 << 20) + 1), None);
    }

    #[test]
    fn a_slab_lends_exactly_its_units_and_each_once() {
        for (class, unit_bytes) in CLASSES.iter().enumerate() {
            let mut shelf = Shelf::default();
            shelf.add(3);
            let places: Vec<Place> = std::iter::from_fn(|| shelf.take(class, ALL)).collect();
            assert_eq!(places.len(), SLAB_BYTES / unit_bytes);
            let mut offsets: Vec<usize> = places.iter().map(|place| shelf.offset(*place)).collect();
            offsets.sort_unstable();
            assert!(offsets.iter().enumerate().all(|(at, offset)| *offset == at * unit_bytes));
            assert_eq!(shelf.lent(), SLAB_BYTES);
        }
    }

    #[test]
    fn an_idle_slab_serves_another_class_and_a_used_one_does_not() {
        let mut shelf = Shelf::default();
        shelf.add(0);
        let small = shelf.take(0, ALL).unwrap();
        assert_eq!(shelf.take(4, ALL), None, "part of the slab is lent");
        shelf.give_back(small);
        let large = shelf.take(4, ALL).unwrap();
        assert_eq!(shelf.take(0, ALL), None);
        shelf.give_back(large);
        assert!(shelf.take(1, ALL).is_some());
    }

    #[test]
    fn only_slabs_that_lie_wholly_free_are_given_up() {
        let mut shelf = Shelf::default();
        shelf.add(0);
        shelf.add(1);
        let kept = shelf.take(2, ALL).unwrap();
        let idle = shelf.remove_idle();
        assert_eq!(idle, [1 - kept.slab]);
        assert!(shelf.has(kept.slab) && !shelf.has(idle[0]));
        shelf.give_back(kept);
        assert_eq!(shelf.remove_idle(), [kept.slab]);
        assert_eq!(shelf.take(2, ALL), None);
        assert_eq!(shelf.lent(), 0);
    }

    #[test]
    fn slabs_in_a_row_are_lent_as_one_and_come_back_as_many() {
        let mut shelf = Shelf::default();
        (0..6).for_each(|slab| shelf.add(slab));
        let small = shelf.take(0, ALL).unwrap();
        assert_eq!(small.slab, 5);
        assert_eq!(shelf.row(0..6, 6), None, "one of them lends a unit");
        assert_eq!((shelf.row(0..6, 5), shelf.row(2..6, 3), shelf.row(2..6, 4)), (Some(0), Some(2), None));
        assert_eq!(shelf.row(4..9, 3), Some(6), "numbers of slabs that are not here yet");
        let row = shelf.take_row(1, 3);
        assert_eq!((row.slab, row.slabs, shelf.offset(row), shelf.lent()), (1, 3, 0, 3 * SLAB_BYTES + CLASSES[0]));
        assert_eq!(shelf.row(0..6, 2), None);
        let others: Vec<Place> = std::iter::from_fn(|| shelf.take(4, ALL)).collect();
        assert!(others.iter().all(|place| !(1..4).contains(&place.slab)) && others.len() == 2);
        shelf.give_back(row);
        assert_eq!((shelf.row(0..6, 3), shelf.take(0, 2).unwrap().slab), (Some(1), 1));
    }

    #[test]
    fn a_slab_at_the_end_or_past_it_lends_no_unit() {
        let mut shelf = Shelf::default();
        (0..3).for_each(|slab| shelf.add(slab));
        assert_eq!(shelf.take(0, 0), None);
        assert_eq!(shelf.take(2, 1).unwrap().slab, 0, "cut anew for it");
        assert!((0..20).filter_map(|_| shelf.take(2, 1)).all(|place| place.slab == 0));
        assert_eq!(shelf.take(2, 1), None, "the other two lie idle and are not for this");
        assert_eq!(shelf.take(2, 2).unwrap().slab, 1);
    }
}
