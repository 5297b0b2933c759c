//! Where buffers come from: slabs of mapped memory under a budget, cut to a few lengths.
//!
//! Taking and returning a buffer costs one lock that is contended only when a buffer of this pool is
//! returned by another thread just then. The only `unsafe` code of this crate is in this folder.

mod arena;
mod buffer;
mod mapping;
mod shelf;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arena::Arena;
use shelf::{CLASSES, Place, SLAB_BYTES, Shelf, class_of};

pub use buffer::Buffer;

/// Lends buffers. A clone is the same pool; it lives as long as its last clone or buffer.
#[derive(Clone)]
pub struct Pool(Arc<Inner>);

struct Inner {
    books: Mutex<Books>,
    changes: AtomicU64,
    /// Numbers of slabs for everyone, from zero: the first for short buffers only, the others for long ones too.
    short_end: u16,
    common_end: u16,
    /// Numbers of slabs that only urgent buffers may have lie between that and this.
    slabs_max: usize,
}

#[derive(Default)]
struct Books {
    /// None before the first slab is needed. A slab that is on a shelf has its memory, and no other has.
    arena: Option<Arena>,
    common: Shelf,
    urgent: Shelf,
    /// A long buffer is waited for: what could become one is lent to nobody else.
    kept_for_long: bool,
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
    /// The longest buffer there is. A pool whose budget is small has none so long: see [`longest`](Self::longest).
    pub const BUFFER_MAX: usize = 32 << 20;

    /// A longer buffer is a long one: whole slabs in a row.
    pub const SHORT_MAX: usize = SLAB_BYTES;

    /// The smallest budget: one slab for everyone and one in reserve.
    pub const BUDGET_MIN: usize = 2 * SLAB_BYTES;

    /// The largest budget: as many slabs as there are numbers, and the end of them is a number too.
    pub const BUDGET_MAX: usize = u16::MAX as usize * SLAB_BYTES;

    /// A pool that maps `budget` bytes at the most, in slabs of 4 MiB; out of range it is the nearest that
    /// is allowed. Nothing is mapped before it is needed. An eighth of the slabs, one at least and four at
    /// the most, is the reserve of [`take_urgent`](Self::take_urgent). A quarter of the others never becomes part of a
    /// long buffer: however many of those there are, short ones still come and go.
    pub fn new(budget: usize) -> Self {
        let slabs_max = budget.clamp(Self::BUDGET_MIN, Self::BUDGET_MAX) / SLAB_BYTES;
        let common = slabs_max - (slabs_max / 8).clamp(1, URGENT_SLABS_MAX);
        let (short_end, common_end) = (number(common.div_ceil(4)), number(common));
        let (books, changes) = (Mutex::default(), AtomicU64::new(0));
        Self(Arc::new(Inner { books, changes, short_end, common_end, slabs_max }))
    }

    /// The longest buffer that this pool ever lends.
    pub fn longest(&self) -> usize {
        let row = usize::from(self.0.common_end - self.0.short_end) * SLAB_BYTES;
        row.clamp(Self::SHORT_MAX, Self::BUFFER_MAX)
    }

    /// A buffer of exactly `len` bytes with old content. `None` while the budget is spent: try again when
    /// a buffer came home. A `len` over [`longest`](Self::longest) is never served.
    ///
    /// A long one ([`SHORT_MAX`](Self::SHORT_MAX)) that is not to be had makes the pool keep together what could
    /// become one, until it does or [`forgo_long`](Self::forgo_long) is called: so its turn comes as soon as enough
    /// short ones are home, and short ones meanwhile come from the rest.
    pub fn take(&self, len: usize) -> Option<Buffer> {
        let mut books = self.0.lock();
        match class_of(len) {
            Some(class) => self.lend(&mut books, Side::Common, class, len),
            None => self.lend_long(&mut books, len),
        }
    }

    /// As [`take`](Self::take), with the reserve behind it, where no long buffer lies. For work that others wait for:
    /// while common buffers are out, urgent ones still come home and are lent again. It waits for nothing, so nothing
    /// is kept together for it.
    pub fn take_urgent(&self, len: usize) -> Option<Buffer> {
        let mut books = self.0.lock();
        let Some(class) = class_of(len) else {
            // Whoever waits for one comes first.
            let passes = books.kept_for_long;
            let long = if passes { None } else { self.lend_long(&mut books, len) };
            books.kept_for_long = passes;
            return long;
        };
        self.lend(&mut books, Side::Common, class, len).or_else(|| self.lend(&mut books, Side::Urgent, class, len))
    }

    /// Nobody waits for a long buffer any more.
    pub fn forgo_long(&self) {
        self.0.lock().kept_for_long = false;
    }

    /// Unmaps the slabs that lie wholly free, and says how many bytes that gave back.
    ///
    /// A ring that has registered slabs takes those registrations back first: the number of a slab that
    /// is given up will be used again for other memory.
    pub fn trim(&self) -> usize {
        let mut books = self.0.lock();
        let idle = [books.common.remove_idle(), books.urgent.remove_idle()].concat();
        if !idle.is_empty() {
            self.0.changed();
        }
        let arena = books.arena.as_ref();
        for slab in &idle {
            // SAFETY: the shelf that gave the slab up has lent no part of it, and will lend none before it is mapped
            // again, which takes the lock of the books that is held here.
            let released = arena.map_or(Ok(()), |arena| unsafe { arena.release(usize::from(*slab)) });
            if let Err(error) = released {
                // It keeps its memory until it is used again, which is no harm.
                tracing::warn!(%error, "the memory of idle buffers was not given back");
            }
        }
        idle.len() * SLAB_BYTES
    }

    /// Changes whenever a slab was mapped or given up.
    pub fn changes(&self) -> u64 {
        self.0.changes.load(Ordering::Acquire)
    }

    /// The slabs that are mapped now, by ascending number.
    pub fn slabs(&self) -> Vec<Slab> {
        let books = self.0.lock();
        let Some(arena) = &books.arena else { return Vec::new() };
        // Numbers of the reserve are higher than all others.
        books.common.numbers().chain(books.urgent.numbers()).map(|index| Slab::of(index, arena)).collect()
    }

    /// Address and length of a slab, if it is mapped now. It stays so while a buffer of it lives, or until
    /// [`trim`](Self::trim).
    pub fn slab(&self, index: u16) -> Option<(*mut u8, usize)> {
        let books = self.0.lock();
        let here = books.common.has(index) || books.urgent.has(index);
        let arena = books.arena.as_ref().filter(|_| here)?;
        Some((arena.slab(usize::from(index)).as_ptr(), SLAB_BYTES))
    }

    /// How much is in use.
    pub fn usage(&self) -> PoolUsage {
        let books = self.0.lock();
        let lent = books.common.lent() + books.urgent.lent();
        let mapped = (books.common.numbers().count() + books.urgent.numbers().count()) * SLAB_BYTES;
        PoolUsage { budget: self.0.slabs_max * SLAB_BYTES, mapped, lent }
    }

    fn lend(&self, books: &mut Books, side: Side, class: usize, len: usize) -> Option<Buffer> {
        let end = match side {
            Side::Common if books.kept_for_long => self.0.short_end,
            Side::Common => self.0.common_end,
            Side::Urgent => u16::MAX,
        };
        let place = match books.shelf(side).take(class, end) {
            Some(place) => place,
            None => {
                let numbers = match side {
                    Side::Common => 0..usize::from(end),
                    Side::Urgent => usize::from(self.0.common_end)..self.0.slabs_max,
                };
                let slab = numbers.map(number).find(|slab| !books.shelf(side).has(*slab))?;
                self.0.map_slab(books, side, slab)?;
                books.shelf(side).take(class, end).expect("a new slab serves any class")
            }
        };
        let offset = books.shelf(side).offset(place);
        assert!(len <= CLASSES[class] && offset + CLASSES[class] <= SLAB_BYTES);
        Some(self.buffer(books, place, offset, len))
    }

    fn lend_long(&self, books: &mut Books, len: usize) -> Option<Buffer> {
        if len > self.longest() {
            return None;
        }
        let count = number(len.div_ceil(SLAB_BYTES));
        books.kept_for_long = true;
        let first = books.common.row(self.0.short_end..self.0.common_end, count)?;
        for slab in first..first + count {
            if !books.common.has(slab) {
                self.0.map_slab(books, Side::Common, slab)?;
            }
        }
        books.kept_for_long = false;
        let place = books.common.take_row(first, count);
        assert!(len <= usize::from(count) * SLAB_BYTES);
        Some(self.buffer(books, place, 0, len))
    }

    fn buffer(&self, books: &Books, place: Place, offset: usize, len: usize) -> Buffer {
        let arena = books.arena.as_ref().expect("a slab on a shelf has memory");
        // SAFETY: what `place` names begins `offset` bytes into its slab, and lies within it; or it is whole slabs, which
        // lie in a row.
        let address = unsafe { arena.slab(usize::from(place.slab)).add(offset) };
        // SAFETY: `len` is at most the length of what `place` names, as the callers assert, and mapped memory is
        // initialised. A shelf lends a unit once until it is given back, and gives up no slab of which one is lent.
        unsafe { Buffer::of_pool(self.clone(), place, address, len) }
    }

    fn give_back(&self, place: Place) {
        let mut books = self.0.lock();
        let side = if place.slab < self.0.common_end { Side::Common } else { Side::Urgent };
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

    fn map_slab(&self, books: &mut Books, side: Side, slab: u16) -> Option<()> {
        let arena = match &mut books.arena {
            Some(arena) => Ok(arena),
            none => Arena::reserve(self.slabs_max, SLAB_BYTES).map(|arena| none.insert(arena)),
        };
        arena
            .and_then(|arena| arena.commit(usize::from(slab)))
            .inspect_err(|error| tracing::warn!(%error, "no memory for a slab of buffers; I/O waits"))
            .ok()?;
        books.shelf(side).add(slab);
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
    fn of(index: u16, arena: &Arena) -> Self {
        Self { index, address: arena.slab(usize::from(index)).as_ptr(), len: SLAB_BYTES }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pool").field(&self.usage()).finish()
    }
}

fn number(slab: usize) -> u16 {
    u16::try_from(slab).expect("the budget has as many slabs as numbers")
}

/// More in reserve would only lie idle: urgent work is short.
const URGENT_SLABS_MAX: usize = 4;
