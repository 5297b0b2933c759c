//! What keeps a unit from being ready for a while, and what stays when it fails.

use crate::lasting::Operation;
use crate::sense::{Sense, SenseKey};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

/// How far an [`Operation`] has come; what REQUEST SENSE and every refused command tell.
#[derive(Debug, Default)]
pub struct Progress(AtomicU16);

impl Progress {
    /// `done` of `of` bytes (or of whatever is counted) are done. More than all, or all of nothing, is all.
    pub fn set(&self, done: u64, of: u64) {
        let share = if done < of { u128::from(done) * 0x1_0000 / u128::from(of) } else { 0xFFFF };
        self.0.store(share as u16, Ordering::Relaxed);
    }

    /// PROGRESS INDICATION: in 65536ths.
    pub fn indication(&self) -> u16 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Where a unit stands with its operations.
#[derive(Debug, Default)]
pub(super) enum Underway {
    /// It can be used.
    #[default]
    Nothing,
    /// It cannot be used until this ends.
    Running {
        operation: Operation,
        progress: Arc<Progress>,
        /// What had failed before it began.
        failed: Option<Operation>,
    },
    /// It cannot be used until another one succeeds.
    Failed(Operation),
}

impl Underway {
    /// What a command that needs the medium is told; how far the operation has come is not in it, for a nexus may
    /// remember this for long.
    pub(super) fn hindrance(&self) -> Option<Sense> {
        match self {
            Underway::Nothing => None,
            Underway::Running { operation: Operation::Format, .. } => Some(Sense::FORMATTING),
            Underway::Running { operation: Operation::Sanitize { .. }, .. } => Some(Sense::SANITIZING),
            Underway::Failed(Operation::Format) => Some(Sense::FORMAT_CORRUPTED),
            Underway::Failed(Operation::Sanitize { .. }) => Some(Sense::SANITIZE_FAILED),
        }
    }

    /// The same, with how far it has come.
    pub(super) fn told(&self) -> Option<Sense> {
        let sense = self.hindrance()?;
        Some(match self {
            Underway::Running { progress, .. } => sense.with_progress(progress.indication()),
            _ => sense,
        })
    }

    /// See [`Book::begin`](super::Book::begin).
    pub(super) fn begin(&mut self, operation: Operation) -> Option<Arc<Progress>> {
        let failed = match *self {
            Underway::Nothing => None,
            Underway::Failed(operation) => Some(operation),
            Underway::Running { .. } => return None,
        };
        let progress = Arc::new(Progress::default());
        *self = Underway::Running { operation, progress: progress.clone(), failed };
        Some(progress)
    }

    /// See [`Book::end`](super::Book::end).
    pub(super) fn end(&mut self, operation: Operation, ok: bool) {
        match self {
            Underway::Running { operation: its, .. } if *its == operation => {
                *self = if ok { Underway::Nothing } else { Underway::Failed(operation) };
            }
            _ => debug_assert!(false, "{operation:?} ends, but {self:?}"),
        }
    }

    /// See [`Book::undo`](super::Book::undo).
    pub(super) fn undo(&mut self, operation: Operation) {
        match *self {
            Underway::Running { operation: its, failed, .. } if its == operation => {
                *self = failed.map_or(Underway::Nothing, Underway::Failed);
            }
            _ => debug_assert!(false, "{operation:?} is undone, but {self:?}"),
        }
    }

    /// EXIT FAILURE MODE: whether the unit can be used now, so far as a failed SANITIZE is concerned.
    pub(super) fn exit_failure(&mut self) -> bool {
        match self {
            Underway::Failed(Operation::Sanitize { may_exit: false }) => false,
            Underway::Failed(Operation::Sanitize { may_exit: true }) => {
                *self = Underway::Nothing;
                true
            }
            _ => true,
        }
    }
}

impl Sense {
    /// 2/04/04: FORMAT UNIT is under way.
    pub const FORMATTING: Sense = Sense::new(SenseKey::NotReady, 0x04, 0x04);
    /// 2/04/1B: SANITIZE is under way.
    pub const SANITIZING: Sense = Sense::new(SenseKey::NotReady, 0x04, 0x1B);
    /// 3/31/00: a FORMAT UNIT did not reach its end.
    pub const FORMAT_CORRUPTED: Sense = Sense::new(SenseKey::MediumError, 0x31, 0x00);
    /// 3/31/03: a SANITIZE did not reach its end.
    pub const SANITIZE_FAILED: Sense = Sense::new(SenseKey::MediumError, 0x31, 0x03);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_a_share_of_65536_and_never_wraps() {
        let share = |done, of| {
            let progress = Progress::default();
            progress.set(done, of);
            progress.indication()
        };
        assert_eq!([share(0, 10), share(1, 2), share(9, 10)], [0, 0x8000, 0xE666]);
        assert_eq!([share(10, 10), share(11, 10), share(0, 0)], [0xFFFF; 3]);
        assert_eq!(share(u64::MAX - 1, u64::MAX), 0xFFFF);
    }

    #[test]
    fn one_operation_at_a_time_and_another_after_it() {
        let mut underway = Underway::default();
        let progress = underway.begin(Operation::Format).unwrap();
        assert!(underway.begin(Operation::Sanitize { may_exit: true }).is_none());
        progress.set(1, 4);
        assert_eq!(underway.told(), Some(Sense::FORMATTING.with_progress(0x4000)));
        assert_eq!(underway.hindrance(), Some(Sense::FORMATTING));
        underway.end(Operation::Format, true);
        assert_eq!(underway.told(), None);
        assert!(underway.begin(Operation::Sanitize { may_exit: false }).is_some());
        assert_eq!(underway.told(), Some(Sense::SANITIZING.with_progress(0)));
    }

    #[test]
    fn a_failure_stays_until_another_operation_succeeds() {
        let mut underway = Underway::default();
        underway.begin(Operation::Format);
        underway.end(Operation::Format, false);
        assert_eq!(underway.told(), Some(Sense::FORMAT_CORRUPTED));
        assert!(underway.begin(Operation::Format).is_some());
        underway.end(Operation::Format, true);
        assert_eq!(underway.told(), None);
    }

    #[test]
    fn what_is_undone_leaves_the_unit_as_it_was() {
        let mut underway = Underway::default();
        underway.begin(Operation::Format);
        underway.undo(Operation::Format);
        assert_eq!(underway.told(), None);
        underway.begin(Operation::Format);
        underway.end(Operation::Format, false);
        underway.begin(Operation::Sanitize { may_exit: true });
        underway.undo(Operation::Sanitize { may_exit: true });
        assert_eq!(underway.told(), Some(Sense::FORMAT_CORRUPTED));
    }

    #[test]
    fn a_failed_sanitize_is_left_only_where_that_was_allowed() {
        for may_exit in [false, true] {
            let mut underway = Underway::default();
            let operation = Operation::Sanitize { may_exit };
            assert!(underway.exit_failure());
            underway.begin(operation);
            underway.end(operation, false);
            assert_eq!(underway.exit_failure(), may_exit);
            assert_eq!(underway.told().is_none(), may_exit);
        }
    }
}
