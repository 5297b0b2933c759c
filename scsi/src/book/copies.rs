//! What is remembered of the third-party copies of a unit, and for how long (SPC-4, third-party copy commands).

use crate::plan::CopyWatch;
use crate::sense::Sense;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The copies that went through one unit: those under way, and those whose end somebody may still ask about.
///
/// A copy is known by its nexus and its LIST IDENTIFIER. It is forgotten when the nexus or the unit starts anew, when
/// another copy takes its identifier, some minutes after its end, or when newer ones need its place.
#[derive(Debug, Default)]
pub(crate) struct Copies(Mutex<Vec<Kept>>);

/// One copy.
#[derive(Debug, Clone)]
pub(crate) struct CopyRecord {
    /// Session of the nexus that asked for it.
    pub(crate) session: u64,
    /// LIST IDENTIFIER; `None` for one that nobody can ask about.
    pub(crate) list: Option<u32>,
    /// SERVICE ACTION of its command.
    pub(crate) action: u8,
    /// How far it is.
    pub(crate) watch: Arc<CopyWatch>,
    /// It goes on after its command was answered.
    pub(crate) immediate: bool,
    /// Bytes that have moved when each of its segment descriptors is done, ascending.
    pub(crate) segment_ends: Arc<[u64]>,
    /// Bytes that are where they should be when all is well.
    pub(crate) total: u64,
    /// Block size of the unit it was asked of.
    pub(crate) block_size: u32,
    /// Number of the segment descriptor that each of its moves is of; empty where there are none.
    pub(crate) segments: Arc<[u16]>,
    /// What stops it after the last move.
    pub(crate) then: Option<Sense>,
    /// The ROD token it made.
    pub(crate) token: Option<Arc<[u8; 512]>>,
}

/// Why a copy cannot begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoCopy {
    /// One with the same identifier is under way.
    InProgress,
    /// As many as there may be are under way.
    TooMany,
}

#[derive(Debug)]
struct Kept {
    record: CopyRecord,
    /// When it was first seen that it is over, in milliseconds.
    over_since: Option<u64>,
}

impl Copies {
    /// Copies of one unit that may be under way at a time, and as many ended ones are remembered.
    pub(crate) const MAX: usize = 64;

    /// A copy begins, or one that took no time is over.
    ///
    /// # Errors
    /// [`NoCopy`]; nothing has changed.
    pub(crate) fn begin(&self, record: CopyRecord, now_ms: u64) -> Result<(), NoCopy> {
        let mut kept = self.kept(now_ms);
        let same = |old: &Kept| {
            record.list.is_some() && (old.record.session, old.record.list) == (record.session, record.list)
        };
        let over = |old: &Kept| old.over_since.is_some();
        if kept.iter().any(|old| same(old) && !over(old)) {
            return Err(NoCopy::InProgress);
        }
        if kept.iter().filter(|old| !over(old)).count() >= Copies::MAX {
            return Err(NoCopy::TooMany);
        }
        kept.retain(|old| !same(old));
        if kept.iter().filter(|old| over(old)).count() >= Copies::MAX {
            let oldest = kept.iter().position(over).expect("there is one");
            kept.remove(oldest);
        }
        let over_since = record.watch.end().map(|_| now_ms);
        kept.push(Kept { record, over_since });
        Ok(())
    }

    /// What is known of the copy `list` of `session`.
    pub(crate) fn find(&self, session: u64, list: u32, now_ms: u64) -> Option<CopyRecord> {
        let kept = self.kept(now_ms);
        let found = kept.iter().find(|kept| (kept.record.session, kept.record.list) == (session, Some(list)));
        found.map(|kept| kept.record.clone())
    }

    /// The nexus of `session` is gone: its copies end, and nobody will ask about them.
    pub(super) fn forget(&self, session: u64) {
        self.end(|record| record.session == session);
    }

    /// The unit was reset: all its copies end.
    pub(super) fn reset(&self) {
        self.end(|_| true);
    }

    fn end(&self, which: impl Fn(&CopyRecord) -> bool) {
        self.lock().retain(|kept| {
            let ends = which(&kept.record);
            if ends {
                kept.record.watch.cancel();
            }
            !ends
        });
    }

    /// Without those that are over for too long.
    fn kept(&self, now_ms: u64) -> MutexGuard<'_, Vec<Kept>> {
        let mut all = self.lock();
        all.retain_mut(|kept| {
            if kept.record.watch.end().is_none() {
                return true;
            }
            now_ms.saturating_sub(*kept.over_since.get_or_insert(now_ms)) < REMEMBERED_MS
        });
        all
    }

    /// Each change is complete before anything in it could panic.
    fn lock(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long an ended copy can be asked about.
const REMEMBERED_MS: u64 = 5 * 60 * 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Copied, Copy};

    fn record(session: u64, list: u32, copy: &Copy) -> CopyRecord {
        CopyRecord {
            session,
            list: Some(list),
            action: 0,
            watch: copy.watch().clone(),
            immediate: false,
            segment_ends: Arc::new([]),
            total: 0,
            block_size: 512,
            segments: Arc::new([]),
            then: None,
            token: None,
        }
    }

    fn copy() -> Copy {
        Copy::new(Vec::new(), false)
    }

    fn ended() -> Copy {
        let copy = copy();
        copy.ended(&Copied { bytes: 0, failure: None });
        copy
    }

    #[test]
    fn an_identifier_is_taken_while_its_copy_is_under_way_and_free_afterwards() {
        let (copies, first, second) = (Copies::default(), copy(), copy());
        copies.begin(record(1, 7, &first), 0).unwrap();
        assert_eq!(copies.begin(record(1, 7, &second), 0), Err(NoCopy::InProgress));
        copies.begin(record(2, 7, &second), 0).unwrap();
        drop(first);
        let third = copy();
        copies.begin(record(1, 7, &third), 0).unwrap();
        let found = copies.find(1, 7, 0).unwrap();
        assert!(Arc::ptr_eq(&found.watch, third.watch()));
    }

    #[test]
    fn copies_without_an_identifier_are_never_the_same_and_cannot_be_found() {
        let (copies, first, second) = (Copies::default(), copy(), copy());
        for copy in [&first, &second] {
            copies.begin(CopyRecord { list: None, ..record(1, 0, copy) }, 0).unwrap();
        }
        assert!(copies.find(1, 0, 0).is_none());
    }

    #[test]
    fn as_many_copies_as_the_limit_are_under_way_and_no_more() {
        let (copies, all) = (Copies::default(), [(); Copies::MAX].map(|()| copy()));
        for (list, copy) in all.iter().enumerate() {
            copies.begin(record(1, list as u32, copy), 0).unwrap();
        }
        let more = copy();
        assert_eq!(copies.begin(record(1, 1000, &more), 0), Err(NoCopy::TooMany));
        all[3].ended(&Copied { bytes: 0, failure: None });
        copies.begin(record(1, 1000, &more), 0).unwrap();
    }

    #[test]
    fn as_many_ended_copies_as_the_limit_are_remembered_the_oldest_goes_first() {
        let copies = Copies::default();
        for list in 0..=Copies::MAX as u32 {
            copies.begin(record(1, list, &ended()), 0).unwrap();
        }
        assert!(copies.find(1, 0, 0).is_none());
        assert!((1..=Copies::MAX as u32).all(|list| copies.find(1, list, 0).is_some()));
    }

    #[test]
    fn an_ended_copy_is_remembered_for_its_time_and_one_under_way_for_ever() {
        let (copies, under_way) = (Copies::default(), copy());
        copies.begin(record(1, 1, &ended()), 1000).unwrap();
        copies.begin(record(1, 2, &under_way), 1000).unwrap();
        assert!(copies.find(1, 1, 1000 + REMEMBERED_MS - 1).is_some());
        assert!(copies.find(1, 1, 1000 + REMEMBERED_MS).is_none());
        assert!(copies.find(1, 2, u64::MAX - REMEMBERED_MS).is_some());
        drop(under_way);
        assert!(copies.find(1, 2, u64::MAX - REMEMBERED_MS).is_some(), "its time begins when its end is seen");
    }

    #[test]
    fn a_lost_nexus_ends_its_copies_and_a_reset_ends_them_all() {
        let (copies, mine, yours) = (Copies::default(), copy(), copy());
        copies.begin(record(1, 1, &mine), 0).unwrap();
        copies.begin(record(2, 1, &yours), 0).unwrap();
        copies.forget(1);
        assert_eq!((mine.is_cancelled(), yours.is_cancelled()), (true, false));
        assert!(copies.find(1, 1, 0).is_none() && copies.find(2, 1, 0).is_some());
        copies.reset();
        assert!(yours.is_cancelled() && copies.find(2, 1, 0).is_none());
    }
}
