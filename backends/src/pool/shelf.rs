//! Which parts of which slabs are lent: the books of a pool, without its memory.

/// The lengths that buffers come in.
pub(super) const CLASSES: [usize; 5] = [8 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20];

/// Every slab has this many bytes, so that a slab that lies idle can be cut anew for any class while its
/// number and its address (which a ring may have registered) stay.
pub(super) const SLAB_BYTES: usize = CLASSES[CLASSES.len() - 1];

/// The unit `unit` of slab `slab`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) slab: u16,
    pub(super) unit: u16,
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
    held: usize,
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
        self.held += 1;
        self.whole += 1;
    }

    /// Lends a unit of `class`, cutting an idle slab of another class anew where that helps.
    pub(super) fn take(&mut self, class: usize) -> Option<Place> {
        if self.open[class].is_empty() {
            self.cut_idle_slab_for(class)?;
        }
        let slab = *self.open[class].last()?;
        let cut = self.cuts[usize::from(slab)].as_mut().expect("open slabs are here");
        self.whole -= usize::from(cut.is_whole());
        let unit = cut.free.pop().expect("open slabs have a free unit");
        if cut.free.is_empty() {
            self.open[class].pop();
        }
        self.lent += CLASSES[class];
        Some(Place { slab, unit })
    }

    /// Takes a lent unit back.
    pub(super) fn give_back(&mut self, place: Place) {
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
        let idle: Vec<u16> = (0..=u16::MAX).take(self.cuts.len()).filter(|slab| self.is_whole(*slab)).collect();
        for slab in &idle {
            self.close(*slab);
            self.cuts[usize::from(*slab)] = None;
        }
        self.held -= idle.len();
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

    /// How many slabs these are.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Bytes of units that are lent.
    pub(super) fn lent(&self) -> usize {
        self.lent
    }

    fn is_whole(&self, slab: u16) -> bool {
        self.cuts[usize::from(slab)].as_ref().is_some_and(Cut::is_whole)
    }

    // Looks at every slab, which only happens when a class has nothing free but another has.
    fn cut_idle_slab_for(&mut self, class: usize) -> Option<()> {
        if self.whole == 0 {
            return None;
        }
        let slab = (0..=u16::MAX).find(|slab| self.is_whole(*slab)).expect("an idle slab was counted");
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
            let places: Vec<Place> = std::iter::from_fn(|| shelf.take(class)).collect();
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
        let small = shelf.take(0).unwrap();
        assert_eq!(shelf.take(4), None, "part of the slab is lent");
        shelf.give_back(small);
        let large = shelf.take(4).unwrap();
        assert_eq!(shelf.take(0), None);
        shelf.give_back(large);
        assert!(shelf.take(1).is_some());
    }

    #[test]
    fn only_slabs_that_lie_wholly_free_are_given_up() {
        let mut shelf = Shelf::default();
        shelf.add(0);
        shelf.add(1);
        let kept = shelf.take(2).unwrap();
        let idle = shelf.remove_idle();
        assert_eq!(idle, [1 - kept.slab]);
        assert!(shelf.has(kept.slab) && !shelf.has(idle[0]));
        shelf.give_back(kept);
        assert_eq!(shelf.remove_idle(), [kept.slab]);
        assert_eq!(shelf.take(2), None);
        assert_eq!(shelf.lent(), 0);
    }
}
