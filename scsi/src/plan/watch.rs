//! How far a copy is, for everybody who wants to know, and whether it is still wanted.

use super::copied::Copied;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Shared by the copy and by what is remembered of it.
#[derive(Debug, Default)]
pub(crate) struct CopyWatch {
    bytes: AtomicU64,
    cancelled: AtomicBool,
    end: OnceLock<End>,
}

/// How a copy ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// Somebody said so.
    Said(Copied),
    /// Nobody did: it was given up, with its command or its unit.
    GivenUp,
}

impl CopyWatch {
    /// Bytes that have moved so far.
    pub(crate) fn bytes(&self) -> u64 {
        match self.end() {
            Some(End::Said(copied)) => copied.bytes,
            _ => self.bytes.load(Ordering::Relaxed),
        }
    }

    /// Nobody wants it any more.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// `None` while it is under way.
    pub(crate) fn end(&self) -> Option<&End> {
        self.end.get()
    }

    pub(super) fn set_bytes(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn end_with(&self, copied: Copied) {
        self.end.get_or_init(|| End::Said(copied));
    }
}

/// Held by all clones of a copy. When the last of them is gone, the copy is over, whether or not somebody said so.
#[derive(Debug, Default)]
pub(super) struct CopyTicket(Arc<CopyWatch>);

impl CopyTicket {
    pub(super) fn watch(&self) -> &Arc<CopyWatch> {
        &self.0
    }
}

impl Drop for CopyTicket {
    fn drop(&mut self) {
        self.0.end.get_or_init(|| End::GivenUp);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Copy;

    #[test]
    fn a_copy_that_is_dropped_was_given_up_when_its_last_clone_is_gone() {
        let copy = Copy::new(Vec::new(), true);
        let watch = copy.watch().clone();
        let clone = copy.clone();
        copy.moved(4096);
        drop(copy);
        assert_eq!((watch.end(), watch.bytes()), (None, 4096));
        drop(clone);
        assert_eq!((watch.end(), watch.bytes()), (Some(&End::GivenUp), 4096));
    }

    #[test]
    fn the_first_word_about_the_end_counts() {
        let copy = Copy::new(Vec::new(), true);
        let watch = copy.watch().clone();
        let whole = Copied { bytes: 512, failure: None };
        copy.ended(&whole);
        copy.ended(&Copied { bytes: 0, failure: None });
        drop(copy);
        assert_eq!((watch.end(), watch.bytes()), (Some(&End::Said(whole)), 512));
    }

    #[test]
    fn a_copy_hears_that_nobody_wants_it_any_more() {
        let copy = Copy::new(Vec::new(), false);
        assert!(!copy.is_cancelled());
        copy.watch().cancel();
        assert!(copy.is_cancelled());
    }
}
