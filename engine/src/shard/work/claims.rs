//! What some work needs of its unit's lane, and of its shard before others.

use super::{Rare, Step, Work};
use crate::lane::Claim;

impl Work {
    /// What the unit's lane is asked for before the next job; of writes only where `armed`.
    pub(crate) fn claim(&self, step: &Step, armed: bool) -> Option<Claim> {
        if let Some((at, len)) = self.exchanges() {
            return Some(Claim::Exchange { at, len });
        }
        let changes = armed && step.op.changes();
        step.op.extent().filter(|_| changes).map(|(at, len)| Claim::Change { at, len })
    }

    /// Whether what is claimed for one job is still needed for the next: what is read belongs to what is written.
    pub(crate) fn keeps_claim(&self) -> bool {
        matches!(self, Self::Rare(rare) if matches!(**rare, Rare::Exchange { .. } | Rare::WriteAndVerify { .. }))
    }

    /// The extent that it reads and writes while nobody else writes it.
    fn exchanges(&self) -> Option<(u64, u64)> {
        match self {
            Self::Rare(rare) => match **rare {
                Rare::Exchange { at, len, .. } => Some((at, len.into())),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether others wait for it, so that it waits for nothing that bulk transfers may use up.
    pub(crate) fn presses(&self) -> bool {
        matches!(self, Self::Rare(rare) if matches!(**rare, Rare::Exchange { .. } | Rare::Unplanned { .. }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::ask::tests::ask;
    use super::*;
    use ferrite_scsi::{Extent, Plan};

    #[test]
    fn a_write_is_claimed_where_there_are_exchanges_and_a_read_never() {
        let write = Work::new(Plan::Write { at: 512, len: 1024, fua: false }, &ask(0, 1024)).unwrap();
        let step = write.step().unwrap();
        assert_eq!(write.claim(&step, true), Some(Claim::Change { at: 512, len: 1024 }));
        assert_eq!(write.claim(&step, false), None);
        let extents = vec![Extent { at: 0, len: 512 }, Extent { at: 4096, len: 8192 }];
        let mut discard = Work::new(Plan::Discard { extents, anchor: false }, &ask(0, 0)).unwrap();
        discard.home(None, None).unwrap();
        let step = discard.step().unwrap();
        assert_eq!(discard.claim(&step, true), Some(Claim::Change { at: 4096, len: 8192 }), "one after the other");
        let plans = [
            Plan::Read { at: 0, len: 512, fua: true },
            Plan::Flush { at: 0, len: 0, immediate: false },
            Plan::Prefetch { at: 0, len: 512 },
        ];
        for plan in plans {
            let work = Work::new(plan, &ask(512, 0)).unwrap();
            let step = work.step().unwrap();
            assert_eq!(work.claim(&step, true), None);
        }
    }
}
