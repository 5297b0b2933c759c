//! SCSI: any command descriptor block, to units of several kinds, with any parameter list behind it.

use std::sync::Arc;

use ferrite_scsi::{
    Answer, AtomicLimits, Attribute, Book, Command, Copied, CopyFailure, CopySide, Device, Erasure, Identity, Lasting,
    LogicalUnit, Mapped, Mapping, Medium, Nexus, NexusId, Plan, Port, Provisioning, Question, Reply, Source, Status,
    UnmapLimits,
};

use crate::bytes::Bytes;

/// Commands of one run, at most.
const COMMANDS_MAX: usize = 64;
/// The longest parameter list that is ever asked for (see [`Plan::Gather`]).
const LIST_MAX: u32 = 64 * 1024;

/// Two initiators send commands to one unit. Every plan stays inside of the medium and on whole blocks, every reply
/// stays inside of the room the initiator has, a failure has sense and nothing else has, and a read-only medium is
/// never changed.
pub fn cdb(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let unit = unit(&mut bytes);
    let unit = Arc::new(unit);
    let mut port = Port::single("iqn.2026-11.org.example:t", Arc::new(Device::new(|| 0, |bytes| bytes.fill(1))));
    port.units = [0, 1, 300].map(|number| (number, unit.clone())).to_vec();
    let mut nexuses = [1, 2].map(|session| {
        Nexus::new(NexusId {
            session,
            name: format!("iqn.2026-11.org.example:i,i,0x{session}").into(),
            portal_group: 1,
        })
    });
    let mut under_way = Vec::new();
    let mut erasing = None;
    for _ in 0..COMMANDS_MAX {
        if bytes.is_empty() {
            break;
        }
        let choice = bytes.byte();
        let nexus = &mut nexuses[usize::from(choice & 1)];
        if choice & 2 != 0 {
            nexus.forget_attentions();
        }
        if let Some(operation) = erasing.take_if(|_| choice & 32 != 0) {
            unit.book().end(operation, choice & 64 != 0);
        }
        let len = [6, 10, 12, 16, 32, 260][bytes.below(6)];
        let mut block = bytes.take(len).to_vec();
        block.resize(len.max(if choice & 4 != 0 { 16 } else { 6 }), 0);
        let (data_out, data_in) = (u32::from(bytes.word()), u32::from(bytes.word()));
        let command = Command { cdb: &block, attribute: Attribute::Simple, data_out, data_in };
        let mut plan = unit.plan(nexus, &port, &command);
        if let Plan::Gather { len } = plan {
            assert!((1..=LIST_MAX).contains(&len), "a list of {len} bytes is asked for");
            let mut list = bytes.take(len as usize).to_vec();
            list.resize(len as usize, 0);
            plan = unit.gathered(nexus, &port, &command, &list);
            assert!(!matches!(plan, Plan::Gather { .. }), "a list is asked for once");
        }
        if let Plan::Ask(question) = plan {
            plan = unit.answered(nexus, &port, &command, &answer(&mut bytes, question));
            assert!(!matches!(plan, Plan::Ask(_)), "a question is asked once");
        }
        if let Plan::Keep(amendment) = plan {
            assert!(unit.book().keeps(), "nobody keeps {amendment:?}");
            plan = unit.book().amend(*amendment);
            assert!(!matches!(plan, Plan::Keep(_)), "a change is kept once");
        }
        check(&unit, &plan);
        if let Plan::Erase(erase) = &plan {
            // It stays under way for a few commands, which meet it.
            let progress = unit.book().begin(erase.operation).expect("nothing is planned while another one runs");
            progress.set(data_out.into(), data_in.into());
            erasing = Some(erase.operation);
        }
        if let Plan::Copy(copy) = plan {
            // Some copies stay under way, so that others can ask about them.
            let failure = CopyFailure { at: copy.moves.len() - 1, side: CopySide::Source, sense: None };
            let failure = (choice & 8 != 0).then_some(failure);
            if choice & 16 != 0 {
                let copied = Copied { bytes: copy.moves[0].len, failure };
                check(&unit, &unit.copied(nexus, &port, &command, &copy, &copied));
            } else {
                under_way.push(copy);
            }
        }
    }
}

/// Whatever a disk might say.
fn answer(bytes: &mut Bytes<'_>, question: Question) -> Answer {
    if bytes.below(4) == 0 {
        return Answer::Unknown;
    }
    match question {
        Question::Mapped { .. } => {
            let kinds = [Mapping::Mapped, Mapping::Deallocated, Mapping::Anchored];
            let runs = (0..bytes.below(8)).map(|_| Mapped {
                len: u64::from(bytes.word()) << bytes.below(48),
                mapping: kinds[bytes.below(kinds.len())],
            });
            Answer::Mapped(runs.collect())
        }
        Question::Usage => Answer::Usage { used: bytes.word().into(), available: u64::from(bytes.word()) << 40 },
    }
}

fn unit(bytes: &mut Bytes<'_>) -> LogicalUnit {
    let choice = bytes.byte();
    if choice == 0xff {
        return LogicalUnit::missing();
    }
    if choice == 0xfe {
        let disc = [0, 1, 1000, 400_000][bytes.below(4)];
        let disc = (disc > 0).then(|| Medium::disc(disc * 2048).expect("the size is one of a disc"));
        return LogicalUnit::drive(Identity::derive("uuid:fuzz"), disc, Arc::new(Book::new()));
    }
    let block_size = if choice & 1 == 0 { 512 } else { 4096 };
    let blocks = [1, 2, 1000, 1 << 32, i64::MAX as u64 / u64::from(block_size)][bytes.below(5)];
    let unmap = UnmapLimits { max_blocks: 1000, max_descriptors: 4, granularity: 8, alignment: 1, reads_zero: true };
    let atomic = AtomicLimits { max_blocks: 50, alignment: 2, granularity: 3, natural: choice & 1 != 0 };
    let medium = Medium {
        maps: choice & 16 != 0,
        anchors: choice & 64 != 0,
        atomic: (choice & 8 != 0).then_some(atomic),
        read_only: choice & 2 != 0,
        write_cache: choice & 4 != 0,
        provisioning: if choice & 8 != 0 { Provisioning::Thin } else { Provisioning::Full },
        unmap: (choice & 16 != 0).then_some(unmap),
        max_transfer: if choice & 32 != 0 { 64 } else { u32::MAX },
        ..Medium::new(block_size, blocks).expect("the geometry is one of a disk")
    };
    let book = if choice & 128 != 0 { Book::keeping(Lasting::default()) } else { Book::new() };
    LogicalUnit::new(Identity::derive("uuid:fuzz"), medium, Arc::new(book))
}

fn check(unit: &LogicalUnit, plan: &Plan) {
    let medium = unit.medium();
    let block = u64::from(medium.block_size);
    let inside = |at: u64, len: u64| {
        assert!(len > 0 && at.is_multiple_of(block) && len.is_multiple_of(block), "{plan:?}");
        assert!(at.checked_add(len).is_some_and(|end| end <= medium.bytes()), "{plan:?}");
    };
    let changes = |at, len| {
        inside(at, len);
        assert!(!medium.read_only, "{plan:?}");
    };
    match plan {
        Plan::Reply(reply) => replied(reply),
        Plan::Read { at, len, .. } | Plan::Verify { at, len } | Plan::Compare { at, len } => inside(*at, (*len).into()),
        Plan::Write { at, len, .. } | Plan::WriteAndVerify { at, len, .. } => changes(*at, (*len).into()),
        Plan::CompareRepeated { at, len, pattern } => {
            inside(*at, *len);
            assert_eq!(*pattern, medium.block_size);
        }
        Plan::Flush { len: 0, .. } => {}
        Plan::Flush { at, len, .. } => inside(*at, *len),
        Plan::Discard { extents, .. } => extents.iter().for_each(|extent| changes(extent.at, extent.len)),
        Plan::Zero { at, len, .. } => changes(*at, *len),
        Plan::WriteSame { at, len, pattern, .. } => {
            changes(*at, *len);
            assert_eq!(pattern.len() as u64, block);
        }
        Plan::CompareAndWrite { at, len, .. } | Plan::OrWrite { at, len, .. } | Plan::WriteAtomic { at, len, .. } => {
            changes(*at, (*len).into());
        }
        Plan::Prefetch { at, len } | Plan::Ask(Question::Mapped { at, len }) => inside(*at, *len),
        Plan::Erase(erase) => {
            assert!(!medium.read_only, "{plan:?}");
            if let Erasure::Overwrite { pattern, passes, .. } = &erase.erasure {
                assert!((1..=block).contains(&(pattern.len() as u64)) && *passes > 0, "{plan:?}");
            }
        }
        Plan::Ask(Question::Usage) | Plan::Abort { .. } => {}
        Plan::Keep(_) => unreachable!("it has been kept"),
        Plan::Copy(copy) => copy.moves.iter().for_each(|part| {
            // All numbers of this port are the same unit.
            changes(part.at, part.len);
            if let Source::Unit { at, .. } = part.from {
                inside(at, part.len);
                assert!(at.abs_diff(part.at) >= part.len, "{plan:?}");
            }
        }),
        Plan::Gather { .. } => unreachable!("the caller has looked"),
    }
}

fn replied(reply: &Reply) {
    assert_eq!(reply.status == Status::CheckCondition, reply.sense.is_some(), "{reply:?}");
    assert!(reply.sense.is_none() || reply.data.is_empty(), "{reply:?}");
    if let Some(sense) = &reply.sense {
        for descriptor in [false, true] {
            assert!(sense.to_bytes(descriptor).len() >= 8);
        }
    }
}
