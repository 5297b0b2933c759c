//! The pages of a memory disk: found without a lock, changed under one each.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::{Page, Pages};

/// A page: the knee between counting references and copying. Measured on one thread over a 1 GiB disk
/// filled at random (two shared vCPUs, repeats within 20 %), pages of 4, 16 and 64 KiB: a 256 KiB read that
/// copies nothing 2.5, 0.6 and 0.2 µs; a 4 KiB write whose page a reader holds 1.1, 1.9 and 3.4 µs; a 4 KiB
/// write in place 0.65, 0.5 and 0.4 µs.
pub(super) const PAGE_BYTES: usize = 16 << 10;

/// Pages with their locks, in groups that appear when one of their pages is first written.
pub(super) struct Table {
    groups: Box<[OnceLock<Group>]>,
    /// What was asked for; the last group may reach beyond it.
    capacity: u64,
    resident: AtomicU64,
}

type Group = Box<[Mutex<Page>]>;

impl Table {
    /// Room for `bytes` bytes, all zero.
    pub(super) fn new(bytes: u64) -> Self {
        let groups = usize::try_from(bytes.div_ceil(GROUP_BYTES)).expect("an address space of 64 bits");
        let groups = std::iter::repeat_with(OnceLock::new).take(groups).collect();
        Self { groups, capacity: bytes, resident: AtomicU64::new(0) }
    }

    /// How many bytes there is room for.
    pub(super) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// The memory that pages of the table take, in bytes.
    pub(super) fn resident(&self) -> u64 {
        self.resident.load(Ordering::Relaxed) * PAGE_BYTES as u64
    }

    /// References to the pages of an extent.
    pub(super) fn pages(&self, at: u64, len: usize) -> Pages {
        let (first, start) = split(at);
        let count = (start + len).div_ceil(PAGE_BYTES) as u64;
        let page = |number| self.slot(number).and_then(|slot| lock(slot).clone());
        Pages::new(PAGE_BYTES, start, len, (first..first + count).map(page))
    }

    /// Copies an extent out.
    pub(super) fn read_into(&self, at: u64, mut into: &mut [u8]) {
        for (number, range) in parts(at, into.len() as u64) {
            let (here, rest) = into.split_at_mut(range.len());
            match self.slot(number).map(lock).as_deref() {
                Some(Some(page)) => here.copy_from_slice(&page[range]),
                _ => here.fill(0),
            }
            into = rest;
        }
    }

    /// Stores `bytes`. Nobody who holds a page from before sees a change of it.
    pub(super) fn write(&self, at: u64, mut bytes: &[u8]) {
        for (number, range) in parts(at, bytes.len() as u64) {
            let (here, rest) = bytes.split_at(range.len());
            let group = self.groups[group_of(number)].get_or_init(new_group);
            self.change(&mut lock(&group[index_in_group(number)]), range, here);
            bytes = rest;
        }
    }

    /// Zeroes an extent; whole pages of it are given back.
    pub(super) fn zero(&self, at: u64, len: u64) {
        let mut done = 0;
        while done < len {
            let (number, start) = split(at + done);
            if self.groups[group_of(number)].get().is_none() {
                // Nothing was ever written in this group: on to the next.
                done = (group_of(number) as u64 + 1) * GROUP_BYTES - at;
                continue;
            }
            let here = usize::try_from(len - done).unwrap_or(PAGE_BYTES).min(PAGE_BYTES - start);
            self.zero_in_page(number, start..start + here);
            done += here as u64;
        }
    }

    fn zero_in_page(&self, number: u64, range: Range<usize>) {
        let Some(slot) = self.slot(number) else {
            return;
        };
        let mut page = lock(slot);
        if page.is_none() {
            return;
        }
        if range.len() == PAGE_BYTES {
            let given_up = page.take();
            self.resident.fetch_sub(1, Ordering::Relaxed);
            // The allocator may take a while; the page is not locked meanwhile.
            drop(page);
            drop(given_up);
        } else {
            let zeroes = &ZEROES[..range.len()];
            self.change(&mut page, range, zeroes);
        }
    }

    fn change(&self, page: &mut Page, range: Range<usize>, bytes: &[u8]) {
        match page {
            Some(shared) => match Arc::get_mut(shared) {
                Some(alone) => alone[range].copy_from_slice(bytes),
                None => *shared = replaced(shared, range, bytes),
            },
            None => {
                *page = Some(replaced(&ZEROES, range, bytes));
                self.resident.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// The pages from that of `at` on: whether each takes memory, and where it ends. Pages that never had any come
    /// as one where they lie together.
    pub(super) fn held(&self, at: u64, end: u64) -> impl Iterator<Item = (bool, u64)> {
        let mut at = at;
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let (number, _) = split(at);
            let held = self.slot(number).map(|slot| lock(slot).is_some());
            at = match held {
                Some(_) => (number + 1) * PAGE_BYTES as u64,
                None => (group_of(number) as u64 + 1) * GROUP_BYTES,
            }
            .min(end);
            Some((held.unwrap_or(false), at))
        })
    }

    // None: the group was never written.
    fn slot(&self, number: u64) -> Option<&Mutex<Page>> {
        Some(&self.groups[group_of(number)].get()?[index_in_group(number)])
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("capacity", &self.capacity()).field("resident", &self.resident()).finish()
    }
}

// A whole page needs nothing of the old one.
fn replaced(old: &[u8], range: Range<usize>, bytes: &[u8]) -> Arc<[u8]> {
    if range.len() == PAGE_BYTES {
        return bytes.into();
    }
    let mut page: Arc<[u8]> = old.into();
    Arc::get_mut(&mut page).expect("nobody else has it yet")[range].copy_from_slice(bytes);
    page
}

/// The page of an offset, and where in it the offset lies.
fn split(at: u64) -> (u64, usize) {
    (at / PAGE_BYTES as u64, (at % PAGE_BYTES as u64) as usize)
}

/// The pages of an extent, and which of their bytes belong to it.
fn parts(at: u64, len: u64) -> impl Iterator<Item = (u64, Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let (number, start) = split(at + done);
        let here = usize::try_from(len - done).unwrap_or(PAGE_BYTES).min(PAGE_BYTES - start);
        done += here as u64;
        (here > 0).then_some((number, start..start + here))
    })
}

fn group_of(page: u64) -> usize {
    usize::try_from(page / GROUP_PAGES).expect("the extent was checked")
}

fn index_in_group(page: u64) -> usize {
    (page % GROUP_PAGES) as usize
}

fn new_group() -> Group {
    std::iter::repeat_with(Mutex::default).take(GROUP_PAGES as usize).collect()
}

// A thread that panics under this lock has changed the page whole or not at all.
fn lock(slot: &Mutex<Page>) -> MutexGuard<'_, Page> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

static ZEROES: [u8; PAGE_BYTES] = [0; PAGE_BYTES];

/// A group has room for 16 MiB and takes 32 KiB itself.
const GROUP_PAGES: u64 = 1024;

const GROUP_BYTES: u64 = GROUP_PAGES * PAGE_BYTES as u64;
