//! What a planned command still has to do on its disk: one job after the other, until it is done.
//!
//! Most commands are one job. The rest (verify, compare, exchange, write same, unmap) is a short sequence; it is kept
//! here as a small state machine without I/O, so that it can be read and tested by itself.
//!
//! * `ask`: the command as the initiator offered it.
//! * `begin`: the work behind a plan.
//! * `claims`: what it needs of its unit's lane.
//! * `compare`: bytes that were read, against bytes that were sent.

use ferrite_backends::Op;
use ferrite_iscsi::Payload;
use ferrite_scsi::{Attribute, Extent, Plan};

mod ask;
mod begin;
mod claims;
mod compare;

use super::body::Body;
use crate::errand::Order;
pub(crate) use ask::Ask;
pub(crate) use compare::Failure;
use compare::{compare_blocks, difference, miscompare, or};

/// Work of one command. Positions and lengths are bytes of the medium.
#[derive(Debug)]
pub(crate) enum Work {
    /// Data-in of the command. `flush`: the medium itself is wanted (FUA), so the cache goes first.
    Read { at: u64, len: u32, wanted: u32, flush: bool },
    /// Data-out of the command.
    Write { at: u64, len: u32, wanted: u32, durable: bool },
    /// All that happens less often.
    Rare(Box<Rare>),
    /// Nothing left but to say GOOD.
    Done { wanted: u32 },
}

/// The commands that are more than one job, or rare.
#[derive(Debug)]
pub(crate) enum Rare {
    /// Not even looked at: it has to wait for others first. Its parameter list, if it has one, lands meanwhile.
    Unplanned {
        cdb: Box<[u8]>,
        attribute: Attribute,
        data_in: u32,
        data_out: u32,
        list: Box<[u8]>,
    },
    /// A parameter list, for [`ferrite_scsi::LogicalUnit::gathered`].
    Gather {
        cdb: Box<[u8]>,
        attribute: Attribute,
        data_in: u32,
        data_out: u32,
        len: u32,
    },
    /// Written, then read back.
    WriteAndVerify {
        at: u64,
        len: u32,
        wanted: u32,
        compare: bool,
        written: bool,
        /// Bytes that were read back.
        compared: u32,
    },
    /// Stored whole or not at all.
    WriteAtomic {
        at: u64,
        len: u32,
        wanted: u32,
        durable: bool,
    },
    /// COMPARE AND WRITE, ORWRITE: read, and written if `rule` says so. Nobody else writes meanwhile.
    Exchange {
        at: u64,
        len: u32,
        wanted: u32,
        durable: bool,
        rule: Rule,
        /// Data-out is what is to be written.
        decided: bool,
    },
    /// Data-out against the medium.
    Compare {
        at: u64,
        len: u32,
        wanted: u32,
        compared: u32,
    },
    /// One block of data-out against many of the medium.
    CompareRepeated {
        at: u64,
        left: u64,
        pattern: u32,
        /// The block, once it has landed.
        block: Box<[u8]>,
        wanted: u32,
        compared: u64,
    },
    /// Read and thrown away. `wanted` is zero but for the second half of what began with data-out.
    Verify {
        at: u64,
        left: u64,
    },
    Flush {
        wanted: u32,
    },
    Prefetch {
        at: u64,
        len: u64,
    },
    Discard {
        extents: Vec<Extent>,
        next: usize,
        anchor: bool,
        wanted: u32,
    },
    /// Where `durable`, a flush comes after it.
    Zero {
        at: u64,
        len: u64,
        may_unmap: bool,
        durable: bool,
        wanted: u32,
    },
    WriteSame {
        at: u64,
        left: u64,
        durable: bool,
        pattern: Box<[u8]>,
        wanted: u32,
    },
    /// What is done elsewhere than on this shard; `plan` until it is sent away.
    Errand {
        plan: Option<Plan>,
        order: Order,
    },
}

/// What an exchange makes of the medium and of data-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The second half of data-out, where the first half equals the medium.
    WriteIfEqual,
    /// The one OR the other.
    Or,
}

/// The next job of some work.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) op: Op,
    pub(crate) lend: Lend,
}

/// Which buffer a job gets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lend {
    None,
    /// The data-out of the command, back when the job is home.
    DataOut,
    /// A new one to read into; none where the backend answers with its own pages.
    Fresh,
    /// As `DataOut`; filled with the pattern first where there is none yet.
    Repeated,
}

impl Work {
    /// Bytes of data-out that must have landed before the first step.
    pub(crate) fn data_out(&self) -> u32 {
        match self {
            Self::Read { .. } | Self::Done { .. } => 0,
            Self::Write { len, .. } => *len,
            Self::Rare(rare) => match **rare {
                Rare::Unplanned { data_out, .. } => data_out.min(LIST_MAX),
                Rare::Gather { len, data_out, .. } => len.min(data_out),
                Rare::WriteAndVerify { len, .. } | Rare::Compare { len, .. } | Rare::WriteAtomic { len, .. } => len,
                Rare::Exchange { len, rule: Rule::WriteIfEqual, .. } => 2 * len,
                Rare::Exchange { len, rule: Rule::Or, .. } => len,
                Rare::CompareRepeated { pattern, .. } => pattern,
                _ => 0,
            },
        }
    }

    /// Bytes that SCSI would have moved: the residual is this against what the initiator expected.
    pub(crate) fn wanted(&self) -> u32 {
        match self {
            Self::Read { wanted, .. } | Self::Write { wanted, .. } | Self::Done { wanted } => *wanted,
            Self::Rare(rare) => match **rare {
                Rare::Gather { len, .. } => len,
                Rare::Errand { ref order, .. } => order.gathered,
                Rare::Verify { .. } | Rare::Prefetch { .. } | Rare::Unplanned { .. } => 0,
                Rare::WriteAndVerify { wanted, .. }
                | Rare::WriteAtomic { wanted, .. }
                | Rare::Exchange { wanted, .. }
                | Rare::Compare { wanted, .. }
                | Rare::CompareRepeated { wanted, .. }
                | Rare::Flush { wanted }
                | Rare::Discard { wanted, .. }
                | Rare::Zero { wanted, .. }
                | Rare::WriteSame { wanted, .. } => wanted,
            },
        }
    }

    /// It has not been looked at, or is for others to do: what it does to the medium is not decided.
    pub(crate) fn is_undecided(&self) -> bool {
        matches!(self, Self::Rare(rare) if matches!(**rare, Rare::Unplanned { .. } | Rare::Errand { .. }))
    }

    /// It is to be done elsewhere than on this shard: what, and for which command. Said once.
    pub(crate) fn errand(&mut self) -> Option<(Plan, Order)> {
        let Self::Rare(rare) = self else { return None };
        let Rare::Errand { plan, order } = &mut **rare else { return None };
        Some((plan.take()?, order.clone()))
    }

    /// The command of an errand.
    pub(crate) fn order(&self) -> Option<Order> {
        let Self::Rare(rare) = self else { return None };
        let Rare::Errand { order, .. } = &**rare else { return None };
        Some(order.clone())
    }

    /// The next job; `None` when all is done.
    pub(crate) fn step(&self) -> Option<Step> {
        let read = |at, len| Step { op: Op::Read { at, len }, lend: Lend::Fresh };
        Some(match *self {
            Self::Read { flush: true, .. } => Step { op: Op::Flush, lend: Lend::None },
            Self::Read { at, len, .. } => read(at, len),
            Self::Write { at, len, durable, .. } => Step { op: Op::Write { at, len, durable }, lend: Lend::DataOut },
            Self::Done { .. } => return None,
            Self::Rare(ref rare) => match **rare {
                Rare::Gather { .. } | Rare::Unplanned { .. } | Rare::Errand { .. } => return None,
                Rare::WriteAndVerify { at, len, written: false, .. } => {
                    Step { op: Op::Write { at, len, durable: true }, lend: Lend::DataOut }
                }
                Rare::Exchange { at, len, durable, decided: true, .. } => {
                    Step { op: Op::Write { at, len, durable }, lend: Lend::DataOut }
                }
                Rare::WriteAtomic { at, len, durable, .. } => {
                    Step { op: Op::WriteAtomic { at, len, durable }, lend: Lend::DataOut }
                }
                Rare::Prefetch { at, len } => Step { op: Op::Prefetch { at, len }, lend: Lend::None },
                Rare::WriteAndVerify { at, len, compared, .. } | Rare::Compare { at, len, compared, .. } => {
                    match len - compared {
                        0 => return None,
                        left => read(at + u64::from(compared), chunk(left.into())),
                    }
                }
                Rare::Exchange { at, len, .. } => read(at, len),
                Rare::CompareRepeated { left: 0, .. } | Rare::Verify { left: 0, .. } => return None,
                Rare::WriteSame { left: 0, .. } => return None,
                Rare::CompareRepeated { at, left, .. } | Rare::Verify { at, left, .. } => read(at, chunk(left)),
                Rare::Flush { .. } => Step { op: Op::Flush, lend: Lend::None },
                Rare::Discard { ref extents, next, anchor, .. } => {
                    let Extent { at, len } = *extents.get(next)?;
                    let op = if anchor { Op::Zero { at, len, may_unmap: false } } else { Op::Discard { at, len } };
                    Step { op, lend: Lend::None }
                }
                Rare::Zero { at, len, may_unmap, .. } => Step { op: Op::Zero { at, len, may_unmap }, lend: Lend::None },
                Rare::WriteSame { at, left, durable, .. } => {
                    Step { op: Op::Write { at, len: chunk(left), durable }, lend: Lend::Repeated }
                }
            },
        })
    }

    /// A job came home well, with what it read. After it [`Work::step`] says what is next.
    pub(crate) fn home(&mut self, read: Option<&Body>, data_out: Option<&mut [u8]>) -> Result<(), Failure> {
        let wanted = self.wanted();
        match self {
            Self::Read { flush: flush @ true, .. } => *flush = false,
            Self::Read { .. } | Self::Write { .. } | Self::Done { .. } => *self = Self::Done { wanted },
            Self::Rare(rare) => match &mut **rare {
                Rare::WriteAndVerify { written: written @ false, .. } => *written = true,
                Rare::Exchange { len, rule, decided: decided @ false, .. } => {
                    let (read, sent) = (read.expect("it was a read"), data_out.expect("it has data-out"));
                    let len = *len as usize;
                    match rule {
                        Rule::WriteIfEqual => {
                            difference(read, sent, 0)?;
                            sent.copy_within(len..2 * len, 0);
                        }
                        Rule::Or => or(&mut sent[..len], read),
                    }
                    *decided = true;
                }
                Rare::WriteAndVerify { compare: true, compared, .. } | Rare::Compare { compared, .. } => {
                    let (read, sent) = (read.expect("it was a read"), data_out.expect("it has data-out"));
                    difference(read, &sent[*compared as usize..], u64::from(*compared))?;
                    *compared += chunk(read.len() as u64);
                }
                Rare::WriteAndVerify { len, compared, .. } => *compared += chunk((*len - *compared).into()),
                Rare::CompareRepeated { at, left, block, compared, .. } => {
                    let read = read.expect("it was a read");
                    compare_blocks(read, block).map_err(|offset| miscompare(*compared + offset))?;
                    let moved = read.len() as u64;
                    (*at, *left, *compared) = (*at + moved, *left - moved, *compared + moved);
                }
                Rare::Verify { at, left } => {
                    let moved = u64::from(chunk(*left));
                    (*at, *left) = (*at + moved, *left - moved);
                }
                Rare::WriteSame { at, left, .. } => {
                    let moved = u64::from(chunk(*left));
                    (*at, *left) = (*at + moved, *left - moved);
                }
                Rare::Discard { next, .. } => *next += 1,
                Rare::Zero { durable: true, .. } => **rare = Rare::Flush { wanted },
                Rare::Errand { .. } => unreachable!("an errand is no job"),
                Rare::WriteAtomic { .. }
                | Rare::Exchange { .. }
                | Rare::Flush { .. }
                | Rare::Prefetch { .. }
                | Rare::Zero { .. }
                | Rare::Gather { .. }
                | Rare::Unplanned { .. } => *self = Self::Done { wanted },
            },
        }
        Ok(())
    }
}

fn chunk(left: u64) -> u32 {
    u32::try_from(left.min(CHUNK)).expect("a chunk is small")
}

/// Long work goes in pieces of this many bytes, so that it cannot take all buffers. A multiple of every
/// block size.
const CHUNK: u64 = 1 << 20;

/// No parameter list is longer ([`Plan::Gather`]).
const LIST_MAX: u32 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::ask::tests::ask;
    use super::*;
    use crate::lane::Claim;
    use ferrite_scsi::Sense;

    #[test]
    fn a_read_with_fua_flushes_the_cache_first() {
        let mut work = Work::new(Plan::Read { at: 512, len: 512, fua: true }, &ask(512, 0)).unwrap();
        assert_eq!(work.step().unwrap().op, Op::Flush);
        work.home(None, None).unwrap();
        assert_eq!(work.step().unwrap().op, Op::Read { at: 512, len: 512 });
    }

    #[test]
    fn write_and_verify_writes_durably_and_then_reads_and_compares() {
        let plan = Plan::WriteAndVerify { at: 0, len: 512, compare: true };
        let mut work = Work::new(plan, &ask(0, 512)).unwrap();
        assert_eq!(work.step().unwrap().op, Op::Write { at: 0, len: 512, durable: true });
        work.home(None, Some(&mut [1; 512])).unwrap();
        assert_eq!(work.step().unwrap().op, Op::Read { at: 0, len: 512 });
        let mut read = vec![1; 512];
        read[300] = 2;
        let failure = work.home(Some(&Body::Bytes(read)), Some(&mut [1; 512])).unwrap_err();
        assert_eq!(failure.0, Sense::miscompare(300));
    }

    #[test]
    fn long_work_goes_in_chunks_and_ends() {
        let mut work = Work::new(Plan::Verify { at: 0, len: 3 << 20 | 512 }, &ask(0, 0)).unwrap();
        let mut lengths = Vec::new();
        while let Some(step) = work.step() {
            let Op::Read { len, .. } = step.op else { panic!("verify reads") };
            lengths.push(len);
            work.home(Some(&Body::Bytes(vec![0; len as usize])), None).unwrap();
        }
        assert_eq!(lengths, [1 << 20, 1 << 20, 1 << 20, 512]);
    }

    #[test]
    fn a_repeated_compare_names_the_offset_from_the_start_of_the_command() {
        let plan = Plan::CompareRepeated { at: 0, len: 2 << 20, pattern: 512 };
        let mut work = Work::new(plan, &ask(0, 512)).unwrap();
        if let Work::Rare(rare) = &mut work
            && let Rare::CompareRepeated { block, .. } = &mut **rare
        {
            *block = Box::from([7; 512]);
        }
        work.home(Some(&Body::Bytes(vec![7; 1 << 20])), None).unwrap();
        let mut second = vec![7; 1 << 20];
        second[5] = 0;
        let failure = work.home(Some(&Body::Bytes(second)), None).unwrap_err();
        assert_eq!(failure.0, Sense::miscompare((1 << 20) + 5));
    }

    fn compare_and_write() -> Work {
        Work::new(Plan::CompareAndWrite { at: 4096, len: 1024, fua: true }, &ask(0, 2048)).unwrap()
    }

    #[test]
    fn a_compare_and_write_reads_and_where_that_is_equal_writes_the_second_half() {
        let mut work = compare_and_write();
        assert_eq!((work.data_out(), work.wanted()), (2048, 2048));
        let step = work.step().unwrap();
        assert_eq!(step, Step { op: Op::Read { at: 4096, len: 1024 }, lend: Lend::Fresh });
        let whole = Some(Claim::Exchange { at: 4096, len: 1024 });
        assert_eq!((work.claim(&step, true), work.claim(&step, false)), (whole, whole));
        let mut sent = [vec![1; 1024], vec![2; 1024]].concat();
        work.home(Some(&Body::Bytes(vec![1; 1024])), Some(&mut sent)).unwrap();
        let step = work.step().unwrap();
        assert_eq!(step, Step { op: Op::Write { at: 4096, len: 1024, durable: true }, lend: Lend::DataOut });
        assert_eq!(work.claim(&step, true), whole, "the claim is not changed on the way");
        assert_eq!(sent[..1024], [2; 1024]);
        work.home(None, Some(&mut sent)).unwrap();
        assert_eq!((work.step(), work.wanted()), (None, 2048));
    }

    #[test]
    fn a_compare_and_write_that_finds_something_else_tells_where_and_writes_nothing() {
        for at in [0, 1, 511, 512, 1023] {
            let (mut work, mut read) = (compare_and_write(), vec![1; 1024]);
            read[at] = 7;
            let mut sent = [vec![1; 1024], vec![2; 1024]].concat();
            let failure = work.home(Some(&Body::Bytes(read)), Some(&mut sent)).unwrap_err();
            assert_eq!(failure.0, Sense::miscompare(at as u64));
        }
        // The second half is not compared.
        let mut sent = [vec![1; 1024], vec![1; 1024]].concat();
        compare_and_write().home(Some(&Body::Bytes(vec![1; 1024])), Some(&mut sent)).unwrap();
    }

    #[test]
    fn an_orwrite_writes_the_bits_of_both_and_only_the_blocks_that_came() {
        let mut work = Work::new(Plan::OrWrite { at: 512, len: 1024, fua: false }, &ask(0, 600)).unwrap();
        assert_eq!((work.data_out(), work.wanted()), (512, 1024));
        assert_eq!(work.step().unwrap().op, Op::Read { at: 512, len: 512 });
        let mut sent = vec![0b0101; 512];
        work.home(Some(&Body::Bytes(vec![0b0011; 512])), Some(&mut sent)).unwrap();
        assert_eq!(work.step().unwrap().op, Op::Write { at: 512, len: 512, durable: false });
        assert_eq!(sent, [0b0111; 512]);
    }

    #[test]
    fn what_is_anchored_is_zeroed_and_not_given_back() {
        let extents = vec![Extent { at: 512, len: 512 }, Extent { at: 4096, len: 1024 }];
        let mut anchor = Work::new(Plan::Discard { extents, anchor: true }, &ask(0, 0)).unwrap();
        for (at, len) in [(512, 512), (4096, 1024)] {
            let zero = Op::Zero { at, len, may_unmap: false };
            assert_eq!(anchor.step(), Some(Step { op: zero, lend: Lend::None }));
            anchor.home(None, None).unwrap();
        }
        assert_eq!(anchor.step(), None);
    }

    #[test]
    fn zeroes_that_must_last_are_flushed_where_the_disk_has_a_cache() {
        let plan = || Plan::Zero { at: 0, len: 4096, may_unmap: true, fua: true };
        for write_cache in [true, false] {
            let mut zero = Work::new(plan(), &Ask { write_cache, ..ask(0, 0) }).unwrap();
            let op = Op::Zero { at: 0, len: 4096, may_unmap: true };
            assert_eq!(zero.step(), Some(Step { op, lend: Lend::None }));
            zero.home(None, None).unwrap();
            if write_cache {
                assert_eq!(zero.step(), Some(Step { op: Op::Flush, lend: Lend::None }));
                zero.home(None, None).unwrap();
            }
            assert_eq!(zero.step(), None);
        }
    }
}
