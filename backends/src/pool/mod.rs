//! Where buffers come from: slabs of mapped memory under a budget, cut to a few lengths.
//!
//! Taking and returning a buffer costs one lock that is contended only when a buffer of this pool is
//! returned by another thread just then. The only `unsafe` code of this crate is in this folder.

mod buffer;
mod mapping;
mod shelf;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mapping::Mapping;
use shelf::{CLASSES, Place, SLAB_BYTES, Shelf, class_of};

pub use buffer::Buffer;

/// Lends buffers. A clone is the same pool; it lives as long as its last clone or buffer.
#[derive(Clone)]
pub struct Pool(Arc<Inner>);

struct Inner {
    books: Mutex<Books>,
    changes: AtomicU64,
    /// Slabs that both shelves may have together.
    slabs_max: usize,
    /// Slabs of these that only urgent buffers may have.
    slabs_urgent: usize,
}

#[derive(Default)]
struct Books {
    /// By number. A gap is a number that will be used again.
    slabs: Vec<Option<Mapping>>,
    mapped: usize,
    common: Shelf,
    urgent: Shelf,
}

/// A mapped slab of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slab {
    /// Its number, which [`Buffer::slab`] names. Used again after the slab was given back.
    pub index: u16,
    /// Its first byte.
    pub address: *mut u8,
    /// Its length in bytes.
    pub len: usize,
}

/// How much of a pool is in use, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUsage {
    /// What may be mapped.
    pub budget: usize,
    /// What is mapped.
    pub mapped: usize,
    /// What is lent, in whole units.
    pub lent: usize,
}

impl Pool {
    /// The longest buffer there is.
    pub const BUFFER_MAX: usize = SLAB_BYTES;

    /// The smallest budget: one slab for everyone and one in reserve.
    pub const BUDGET_MIN: usize = 2 * SLAB_BYTES;

    /// The largest budget: as many slabs as there are numbers.
    pub const BUDGET_MAX: usize = (u16::MAX as usize + 1) * SLAB_BYTES;

    /// A pool that maps `budget` bytes at the most, in slabs of 4 MiB; out of range it is the nearest that
    /// is allowed. Nothing is mapped before it is needed. An eighth of the slabs, one at least and four at
    /// the most, is the reserve of [`take_urgent`](Self::take_urgent).
    pub fn new(budget: usize) -> Self {
        let slabs_max = budget.clamp(Self::BUDGET_MIN, Self::BUDGET_MAX) / SLAB_BYTES;
        let slabs_urgent = (slabs_max / 8).clamp(1, URGENT_SLABS_MAX);
        let (books, changes) = (Mutex::default(), AtomicU64::new(0));
        Self(Arc::new(Inner { books, changes, slabs_max, slabs_urgent }))
    }

    /// A buffer of exactly `len` bytes with old content. `None` while the budget is spent: try again when
    /// a buffer came home. A `len` over [`BUFFER_MAX`](Self::BUFFER_MAX) is never served.
    pub fn take(&self, len: usize) -> Option<Buffer> {
        self.lend(&mut self.0.lock(), Side::Common, class_of(len)?, len)
    }

    /// As [`take`](Self::take), with the reserve behind it. For work that others wait for: while common
    /// buffers are out, urgent ones still come home and are lent again.
    pub fn take_urgent(&self, len: usize) -> Option<Buffer> {
        let class = class_of(len)?;
        let mut books = self.0.lock();
        self.lend(&mut books, Side::Common, class, len).or_else(|| self.lend(&mut books, Side::Urgent, class, len))
    }

    /// Unmaps the slabs that lie wholly free, and says how many bytes that gave back.
    ///
    /// A ring that has registered slabs takes those registrations back first: the number of a slab that
    /// is given up will be used again for another address.
    pub fn trim(&self) -> usize {
        let mut books = self.0.lock();
        let idle = [books.common.remove_idle(), books.urgent.remove_idle()].concat();
        let given_up: Vec<Mapping> = idle.iter().filter_map(|slab| books.slabs[usize::from(*slab)].take()).collect();
        let bytes = given_up.iter().map(Mapping::len).sum();
        books.mapped -= bytes;
        if !given_up.is_empty() {
            self.0.changed();
        }
        // Unmapping takes the kernel a while; nobody need wait for it.
        drop(books);
        drop(given_up);
        bytes
    }

    /// Changes whenever a slab was mapped or given up.
    pub fn changes(&self) -> u64 {
        self.0.changes.load(Ordering::Acquire)
    }

    /// The slabs that are mapped now, by ascending number.
    pub fn slabs(&self) -> Vec<Slab> {
        let books = self.0.lock();
        (0..=u16::MAX)
            .zip(&books.slabs)
            .filter_map(|(index, slab)| slab.as_ref().map(|slab| Slab::of(index, slab)))
            .collect()
    }

    /// Address and length of a slab, if it is mapped now. It stays so while a buffer of it lives, or until
    /// [`trim`](Self::trim).
    pub fn slab(&self, index: u16) -> Option<(*mut u8, usize)> {
        let books = self.0.lock();
        let slab = books.slabs.get(usize::from(index))?.as_ref()?;
        Some((slab.address().as_ptr(), slab.len()))
    }

    /// How much is in use.
    pub fn usage(&self) -> PoolUsage {
        let books = self.0.lock();
        let lent = books.common.lent() + books.urgent.lent();
        PoolUsage { budget: self.0.slabs_max * SLAB_BYTES, mapped: books.mapped, lent }
    }

    fn lend(&self, books: &mut Books, side: Side, class: usize, len: usize) -> Option<Buffer> {
        let place = match books.shelf(side).take(class) {
            Some(place) => place,
            None => {
                self.0.map_slab(books, side)?;
                books.shelf(side).take(class).expect("a new slab serves any class")
            }
        };
        let offset = books.shelf(side).offset(place);
        let slab = books.slabs[usize::from(place.slab)].as_ref().expect("a slab on a shelf is mapped");
        debug_assert!(len <= CLASSES[class] && offset + CLASSES[class] <= slab.len());
        // SAFETY: the unit at `offset` lies within the slab, which is at least that long.
        let address = unsafe { slab.address().add(offset) };
        // SAFETY: `len` is at most the unit's length and mapped memory is initialised. The shelf lends a
        // unit once until it is given back, and gives up no slab of which a unit is lent.
        Some(unsafe { Buffer::of_pool(self.clone(), place, address, len) })
    }

    fn give_back(&self, place: Place) {
        let mut books = self.0.lock();
        let side = if books.common.has(place.slab) { Side::Common } else { Side::Urgent };
        books.shelf(side).give_back(place);
    }
}

impl Inner {
    // A panic elsewhere must not keep buffers from coming home; the books change in steps that do not
    // panic between each other.
    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }

    fn map_slab(&self, books: &mut Books, side: Side) -> Option<()> {
        let limit = match side {
            Side::Common => self.slabs_max - self.slabs_urgent,
            Side::Urgent => self.slabs_urgent,
        };
        if books.shelf(side).held() >= limit {
            return None;
        }
        let mapping = Mapping::new(SLAB_BYTES)
            .inspect_err(|error| tracing::warn!(%error, "no memory for a slab of buffers; I/O waits"))
            .ok()?;
        let index = books.slabs.iter().position(Option::is_none).unwrap_or(books.slabs.len());
        if index == books.slabs.len() {
            books.slabs.push(None);
        }
        books.mapped += mapping.len();
        books.slabs[index] = Some(mapping);
        books.shelf(side).add(u16::try_from(index).expect("the budget has as many slabs as numbers"));
        self.changed();
        Some(())
    }
}

/// Who a slab is for.
#[derive(Debug, Clone, Copy)]
enum Side {
    Common,
    Urgent,
}

impl Books {
    fn shelf(&mut self, side: Side) -> &mut Shelf {
        match side {
            Side::Common => &mut self.common,
            Side::Urgent => &mut self.urgent,
        }
    }
}

impl Slab {
    fn of(index: u16, mapping: &Mapping) -> Self {
        Self { index, address: mapping.address().as_ptr(), len: mapping.len() }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pool").field(&self.usage()).finish()
    }
}

/// More in reserve would only lie idle: urgent work is short.
const URGENT_SLABS_MAX: usize = 4;
