//! The work behind a plan.

use ferrite_scsi::{Plan, Reply, Sense};

use super::{Ask, Rare, Rule, Work};

impl Work {
    /// The work behind a plan. `Err` is a plan that needs none.
    ///
    /// Initiators may offer less room, or send less data, than the CDB asks for: then only whole blocks that
    /// fit are moved, and the residual says the rest (RFC 7143 §11.4.5).
    pub(crate) fn new(plan: Plan, ask: &Ask<'_>) -> Result<Self, Reply> {
        let whole = |wanted: u32| wanted.min(ask.data_out) / ask.block_size * ask.block_size;
        let rare = |rare| Self::Rare(Box::new(rare));
        Ok(match plan {
            Plan::Reply(reply) => return Err(reply),
            Plan::Read { at, len, fua } => {
                let room = len.min(ask.data_in).next_multiple_of(ask.block_size);
                match room {
                    0 => Self::Done { wanted: len },
                    room => Self::Read { at, len: room, wanted: len, flush: fua && ask.write_cache },
                }
            }
            Plan::Write { at, len, fua } => match whole(len) {
                0 => Self::Done { wanted: len },
                cut => Self::Write { at, len: cut, wanted: len, durable: fua },
            },
            Plan::WriteAndVerify { at, len, compare } => match whole(len) {
                0 => Self::Done { wanted: len },
                cut => rare(Rare::WriteAndVerify { at, len: cut, wanted: len, compare, written: false, compared: 0 }),
            },
            Plan::Compare { at, len } => match whole(len) {
                0 => Self::Done { wanted: len },
                cut => rare(Rare::Compare { at, len: cut, wanted: len, compared: 0 }),
            },
            Plan::CompareRepeated { at, len, pattern } if whole(pattern) == pattern => rare(Rare::CompareRepeated {
                at,
                left: len,
                pattern,
                block: Box::default(),
                wanted: pattern,
                compared: 0,
            }),
            Plan::CompareRepeated { pattern, .. } => Self::Done { wanted: pattern },
            Plan::Verify { at, len } => rare(Rare::Verify { at, left: len.into() }),
            // IMMED allows to answer early, and nobody is hurt by an answer that is true.
            Plan::Flush { .. } => rare(Rare::Flush { wanted: ask.gathered }),
            Plan::Gather { len } => rare(Rare::Gather {
                cdb: ask.cdb.into(),
                attribute: ask.attribute,
                data_in: ask.data_in,
                data_out: ask.data_out,
                len,
            }),
            Plan::Discard { extents, anchor } => rare(Rare::Discard { extents, next: 0, anchor, wanted: ask.gathered }),
            Plan::Zero { at, len, may_unmap, fua } => {
                rare(Rare::Zero { at, len, may_unmap, durable: fua && ask.write_cache, wanted: ask.gathered })
            }
            Plan::WriteSame { at, len, fua, pattern } => {
                rare(Rare::WriteSame { at, left: len, durable: fua, pattern, wanted: ask.gathered })
            }
            // Half of an exchange, or of what must be whole, is not what was asked for.
            Plan::CompareAndWrite { len, .. } if ask.data_out / 2 < len => return Err(Sense::DATA_OUT_LENGTH.into()),
            Plan::WriteAtomic { len, .. } if ask.data_out < len => return Err(Sense::DATA_OUT_LENGTH.into()),
            Plan::CompareAndWrite { at, len, fua } => rare(Rare::Exchange {
                at,
                len,
                wanted: 2 * len,
                durable: fua,
                rule: Rule::WriteIfEqual,
                decided: false,
            }),
            Plan::OrWrite { at, len, fua } => match whole(len) {
                0 => Self::Done { wanted: len },
                cut => {
                    let (rule, decided) = (Rule::Or, false);
                    rare(Rare::Exchange { at, len: cut, wanted: len, durable: fua, rule, decided })
                }
            },
            Plan::WriteAtomic { at, len, fua } => rare(Rare::WriteAtomic { at, len, wanted: len, durable: fua }),
            Plan::Prefetch { at, len } => rare(Rare::Prefetch { at, len }),
            Plan::Ask(_) | Plan::Copy(_) | Plan::Erase(_) | Plan::Keep(_) | Plan::Abort { .. } => {
                rare(Rare::Errand { plan: Some(plan), order: ask.order() })
            }
        })
    }

    /// A command that is looked at when its time has come.
    pub(crate) fn unplanned(ask: &Ask<'_>) -> Self {
        Self::Rare(Box::new(Rare::Unplanned {
            cdb: ask.cdb.into(),
            attribute: ask.attribute,
            data_in: ask.data_in,
            data_out: ask.data_out,
            list: Box::default(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::ask::tests::ask;
    use super::super::{Lend, Step};
    use super::*;
    use ferrite_backends::Op;

    #[test]
    fn a_read_with_less_room_than_asked_reads_the_blocks_that_fit_and_keeps_the_residual() {
        let work = Work::new(Plan::Read { at: 0, len: 4096, fua: false }, &ask(700, 0)).unwrap();
        assert_eq!(work.step().unwrap().op, Op::Read { at: 0, len: 1024 });
        assert_eq!(work.wanted(), 4096);
    }

    #[test]
    fn a_write_with_less_data_than_asked_writes_whole_blocks_only() {
        let work = Work::new(Plan::Write { at: 0, len: 1024, fua: false }, &ask(0, 1000)).unwrap();
        assert_eq!(work.data_out(), 512);
        let work = Work::new(Plan::Write { at: 0, len: 1024, fua: false }, &ask(0, 511)).unwrap();
        assert!(work.step().is_none());
        assert_eq!(work.wanted(), 1024);
    }

    #[test]
    fn what_must_be_whole_is_refused_where_less_data_is_announced() {
        let refused = Err(Sense::DATA_OUT_LENGTH.into());
        let exchange = || Plan::CompareAndWrite { at: 0, len: 1024, fua: false };
        assert_eq!(Work::new(exchange(), &ask(0, 2047)).map(|_| ()), refused);
        assert!(Work::new(exchange(), &ask(0, 4096)).is_ok());
        let atomic = || Plan::WriteAtomic { at: 0, len: 1024, fua: false };
        assert_eq!(Work::new(atomic(), &ask(0, 1023)).map(|_| ()), refused);
        let work = Work::new(atomic(), &ask(0, 1024)).unwrap();
        let op = Op::WriteAtomic { at: 0, len: 1024, durable: false };
        assert_eq!(work.step().unwrap(), Step { op, lend: Lend::DataOut });
    }
}
