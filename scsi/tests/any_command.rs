//! What holds for every command there is, whatever its bytes: the door that fuzzers knock at.

use ferrite_scsi::*;
use proptest::prelude::*;
use std::sync::Arc;

const BLOCKS: u64 = 5000;
const DISC: u32 = 2048;

/// The names of the unit that commands come to, and of another behind the same port.
const HERE: &str = "any";
const NEIGHBOUR: &str = "other";

/// A unit with everything on, and limits that random commands meet often; with blocks of a disc, a drive that is loaded
/// or, if not `thin`, empty.
fn unit(block_size: u32, thin: bool) -> LogicalUnit {
    if block_size == DISC {
        let disc = Medium { max_transfer: 600, ..Medium::disc(BLOCKS * u64::from(DISC)).unwrap() };
        return LogicalUnit::drive(Identity::derive(HERE), thin.then_some(disc), Arc::new(Book::new()));
    }
    let limits = UnmapLimits { max_blocks: 3000, max_descriptors: 3, granularity: 8, alignment: 1, reads_zero: true };
    let medium = Medium {
        unmap: thin.then_some(limits),
        maps: thin,
        anchors: thin,
        atomic: thin.then_some(AtomicLimits { max_blocks: 500, alignment: 2, granularity: 4, natural: false }),
        max_transfer: 600,
        write_cache: true,
        ..Medium::new(block_size, BLOCKS).unwrap()
    };
    LogicalUnit::new(Identity::derive(HERE), medium, Arc::new(Book::new()))
}

fn nexus(session: u64) -> Nexus {
    let name = format!("iqn.2026-11.com.example:host,i,0x{session:012x}");
    let mut nexus = Nexus::new(NexusId { session, name: name.into(), portal_group: 1 });
    nexus.forget_attentions();
    nexus
}

fn port() -> Port {
    let device = Device::new(|| 1_795_305_600_000, |bytes| bytes.fill(0x5A));
    let mut port = Port::single("iqn.2026-11.com.example:any", Arc::new(device));
    let unit = LogicalUnit::new(Identity::derive(NEIGHBOUR), unit(512, true).medium().clone(), Arc::new(Book::new()));
    let unit = Arc::new(unit);
    port.units = (0..40).map(|number| (number, unit.clone())).collect();
    port
}

fn command(cdb: &[u8], data_out: u32) -> Command<'_> {
    Command { cdb, attribute: Attribute::Simple, data_out, data_in: u32::MAX }
}

/// A command as REPORT SUPPORTED OPERATION CODES tells it.
struct Usage {
    /// CDB USAGE DATA.
    bits: Vec<u8>,
    /// Bits of it, by byte, that are not usage but choose the command: operation code, service action, and the length
    /// of a command that says its own.
    chosen: Vec<u8>,
}

impl Usage {
    /// The command with nothing but what chooses it.
    fn plain(&self) -> Vec<u8> {
        self.bits.iter().zip(&self.chosen).map(|(bits, chosen)| bits & chosen).collect()
    }

    /// The command with these values, as far as its fields take them.
    fn with(&self, values: &[u8]) -> Vec<u8> {
        let fields = self.bits.iter().zip(&self.chosen).zip(values);
        fields.map(|((bits, chosen), value)| bits & chosen | bits & !chosen & value).collect()
    }
}

/// Every command of a unit.
fn usages(unit: &LogicalUnit) -> Vec<Usage> {
    let ask = |cdb: &[u8]| match unit.plan(&mut nexus(1), &port(), &command(cdb, 0)) {
        Plan::Reply(Reply { status: Status::Good, data, .. }) => data,
        other => panic!("{cdb:02x?}: {other:?}"),
    };
    let all = ask(&[0xA3, 0x0C, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
    let usage = |entry: &[u8]| {
        let one = ask(&[0xA3, 0x0C, 3, entry[0], entry[2], entry[3], 0, 1, 0, 0, 0, 0]);
        assert_eq!(one[3], entry[7]);
        let bits = one[4..].to_vec();
        let mut chosen = vec![0; bits.len()];
        chosen[0] = 0xFF;
        match (entry[0], entry[5] & 1) {
            (0x7F, _) => chosen[7..10].fill(0xFF),
            (_, 0) => {}
            _ => chosen[1] = 0x1F,
        }
        Usage { bits, chosen }
    };
    all[4..].chunks_exact(8).map(usage).collect()
}

/// Where a command says how much it has room for.
fn allocation_length(cdb: &[u8]) -> usize {
    let wide = |at: usize, len: usize| cdb[at..at + len].iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
    match cdb[0] {
        0x03 | 0x1A => wide(4, 1),
        0x12 | 0x1C => wide(3, 2),
        0x25 => 8,
        0x37 | 0x43 | 0x46 | 0x4A | 0x4D | 0x51 | 0x52 | 0x5A | 0x5E => wide(7, 2),
        0x3C => wide(6, 3),
        0x7F => wide(28, 4),        // GET LBA STATUS (32)
        0x84 | 0x9E => wide(10, 4), // RECEIVE COPY RESULTS, READ CAPACITY (16), GET LBA STATUS (16)
        0xA0 | 0xA3 | 0xB7 => wide(6, 4),
        0xAD | 0xBD => wide(8, 2),
        _ => 0,
    }
}

/// Checks what every plan must keep, and returns it.
fn checked(plan: Plan, cdb: &[u8], block_size: u32) -> Plan {
    let size = u64::from(block_size);
    let inside = |at: u64, len: u64| {
        assert!(len > 0 && at.is_multiple_of(size) && len.is_multiple_of(size), "{cdb:02x?} at {at} for {len}");
        assert!(at.checked_add(len).is_some_and(|end| end <= BLOCKS * size), "{cdb:02x?} at {at} for {len}");
    };
    match &plan {
        Plan::Reply(reply) => {
            assert_eq!(reply.sense.is_some(), reply.status == Status::CheckCondition);
            assert!(reply.data.is_empty() || reply.data.len() <= allocation_length(cdb), "{cdb:02x?}");
        }
        Plan::Read { at, len, .. }
        | Plan::Write { at, len, .. }
        | Plan::WriteAndVerify { at, len, .. }
        | Plan::Verify { at, len }
        | Plan::Compare { at, len } => {
            inside(*at, (*len).into());
            assert!(len / block_size <= 600);
        }
        Plan::CompareRepeated { at, len, pattern } => {
            inside(*at, *len);
            assert_eq!(*pattern, block_size);
        }
        Plan::Flush { at: 0, len: 0, .. } => {}
        Plan::Flush { at, len, .. } | Plan::Zero { at, len, .. } => inside(*at, *len),
        Plan::Gather { len } => assert!((1..=65535).contains(len)),
        Plan::CompareAndWrite { at, len, .. } | Plan::OrWrite { at, len, .. } | Plan::WriteAtomic { at, len, .. } => {
            inside(*at, (*len).into());
        }
        Plan::Prefetch { at, len } | Plan::Ask(Question::Mapped { at, len }) => inside(*at, *len),
        Plan::Erase(erase) => match &erase.erasure {
            Erasure::Overwrite { pattern, passes, .. } => {
                assert!((1..=block_size as usize).contains(&pattern.len()) && *passes > 0);
            }
            Erasure::Zero | Erasure::Discard => {}
        },
        Plan::Ask(Question::Usage) | Plan::Copy(_) | Plan::Keep(_) | Plan::Abort { .. } => {}
        Plan::Discard { extents, .. } => {
            assert!(!extents.is_empty() && extents.len() <= 3);
            extents.iter().for_each(|extent| inside(extent.at, extent.len));
            assert!(extents.iter().map(|extent| extent.len / size).sum::<u64>() <= 3000);
        }
        Plan::WriteSame { at, len, pattern, .. } => {
            inside(*at, *len);
            assert_eq!(pattern.len(), block_size as usize);
        }
    }
    plan
}

/// A copy stays inside of both units, moves whole blocks of both, never onto themselves, and is bounded.
fn check_copy(copy: &Copy, port: &Port) {
    assert!(!copy.moves.is_empty() && copy.moves.len() <= 128);
    let inside = |lun: u16, at: u64, len: u64| {
        let medium = port.unit(lun).expect("a unit of the port").medium();
        let size = u64::from(medium.block_size);
        assert!(len > 0 && at.is_multiple_of(size) && len.is_multiple_of(size), "{copy:?}");
        assert!(at.checked_add(len).is_some_and(|end| end <= medium.bytes()), "{copy:?}");
    };
    for part in &copy.moves {
        inside(part.to, part.at, part.len);
        if let Source::Unit { lun, at } = part.from {
            inside(lun, at, part.len);
            assert!(lun != part.to || at.abs_diff(part.at) >= part.len, "{copy:?} overlaps itself");
        }
    }
}

/// The 32 bytes that name a unit in EXTENDED COPY.
fn identification(name: &str, block_size: u32) -> Vec<u8> {
    let identity = Identity::derive(name);
    let naa = identity.designators().iter().find_map(|designator| match designator {
        Designator::Naa(naa) => Some(naa.as_bytes().to_vec()),
        _ => None,
    });
    let mut cscd = [&[0xE4, 0, 0, 0, 1, 3, 0, 8][..], &naa.expect("a derived unit has one")].concat();
    cscd.resize(28, 0);
    [cscd, block_size.to_be_bytes().to_vec()].concat()
}

/// Plans a command and, where it wants a list or an answer of the disk, goes on with what `list` begins with.
fn follow(block_size: u32, thin: bool, cdb: &[u8], data_out: u32, list: &[u8]) {
    let (unit, mut nexus, mut port) = (Arc::new(unit(block_size, thin)), nexus(1), port());
    port.units[0].1 = unit.clone();
    let command = command(cdb, data_out);
    let mut plan = checked(unit.plan(&mut nexus, &port, &command), cdb, block_size);
    if let Plan::Gather { len } = plan {
        let mut list = list.to_vec();
        list.resize(len as usize, 0);
        plan = checked(unit.gathered(&mut nexus, &port, &command, &list), cdb, block_size);
        assert!(!matches!(plan, Plan::Gather { .. }), "gathered twice");
    }
    if let Plan::Copy(copy) = &plan {
        check_copy(copy, &port);
        let failure = CopyFailure { at: copy.moves.len() - 1, side: CopySide::Source, sense: None };
        for copied in [Copied { bytes: copy.bytes(), failure: None }, Copied { bytes: 0, failure: Some(failure) }] {
            let plan = checked(unit.copied(&mut nexus, &port, &command, copy, &copied), cdb, block_size);
            assert!(matches!(plan, Plan::Reply(_)), "copied twice");
        }
    }
    if let Plan::Ask(question) = plan {
        for answer in [some_answer(question, list), Answer::Unknown, Answer::Mapped(vec![])] {
            let plan = checked(unit.answered(&mut nexus, &port, &command, &answer), cdb, block_size);
            assert!(!matches!(plan, Plan::Ask(_)), "asked twice");
        }
    }
}

/// An answer that a disk might give, made of any bytes.
fn some_answer(question: Question, bytes: &[u8]) -> Answer {
    let kinds = [Mapping::Mapped, Mapping::Deallocated, Mapping::Anchored];
    let run = |&byte: &u8| Mapped { len: (u64::from(byte) + 1) * 100, mapping: kinds[usize::from(byte) % 3] };
    match question {
        Question::Mapped { .. } => Answer::Mapped(bytes.iter().map(run).collect()),
        Question::Usage => Answer::Usage { used: bytes.len() as u64, available: u64::MAX },
    }
}

/// Bytes that are mostly small, so that addresses and counts are often inside.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![4 => Just(0), 2 => 0u8..20, 1 => any::<u8>()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_answered(
        cdb in prop::collection::vec(any::<u8>(), 0..=260),
        data_out in any::<u32>(),
        list in prop::collection::vec(any::<u8>(), 0..100),
        thin in any::<bool>(),
    ) {
        follow(512, thin, &cdb, data_out, &list);
        follow(DISC, thin, &cdb, data_out, &list);
    }

    #[test]
    fn any_values_in_the_fields_of_a_command_make_a_plan_inside_the_medium(
        place in any::<prop::sample::Index>(),
        values in prop::collection::vec(byte(), 32),
        block_size in prop_oneof![Just(512), Just(4096), Just(DISC)],
        thin in any::<bool>(),
        list in prop::collection::vec(byte(), 0..100),
    ) {
        let usages = usages(&unit(block_size, thin));
        let cdb = usages[place.index(usages.len())].with(&values);
        follow(block_size, thin, &cdb, block_size, &list);
        follow(block_size, thin, &cdb, u32::MAX, &list);
    }

    #[test]
    fn any_parameter_list_of_unmap_is_answered(
        list in prop::collection::vec(byte(), 8..80),
    ) {
        let [high, low] = (list.len() as u16).to_be_bytes();
        follow(512, true, &[0x42, 0, 0, 0, 0, 0, 0, high, low, 0], list.len() as u32, &list);
    }

    #[test]
    fn any_segments_between_units_that_exist_are_answered(
        block_size in prop_oneof![Just(512), Just(4096)],
        segments in prop::collection::vec(
            (0u8..4, any::<bool>(), prop_oneof![4 => 0u16..70, 1 => any::<u16>()], 0u64..6000, 0u64..6000), 0..66),
        last in prop::collection::vec(byte(), 0..40),
    ) {
        let cscds = [identification(HERE, block_size), identification(NEIGHBOUR, 512), identification("none", 0)];
        let mut list = vec![9, 0, 0, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        list.extend(cscds.concat());
        for (ends, dc, blocks, from, to) in segments {
            list.extend([2, u8::from(dc) << 1, 0, 24, 0, ends & 1, 0, ends >> 1, 0, 0]);
            list.extend([&blocks.to_be_bytes()[..], &from.to_be_bytes(), &to.to_be_bytes()].concat());
        }
        list.extend(last);
        let len = (list.len() - 112) as u32;
        list[8..12].copy_from_slice(&len.to_be_bytes());
        let len = list.len() as u32;
        let [_, _, high, low] = len.to_be_bytes();
        follow(block_size, true, &[0x83, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, high, low, 0, 0], len, &list);
    }

    #[test]
    fn any_ranges_of_a_token_are_answered(
        action in 0x10u8..0x12,
        zeroes in any::<bool>(),
        header in prop::collection::vec(byte(), 16),
        ranges in prop::collection::vec((0u64..6000, prop_oneof![4 => 0u32..90, 1 => any::<u32>()]), 1..66),
    ) {
        let at = if action == 0x10 { 14 } else { 534 };
        let mut list = header;
        list.resize(at + 2, 0);
        let len = (ranges.len() * 16) as u16;
        list[..2].copy_from_slice(&(at as u16 + len).to_be_bytes());
        list[at..].copy_from_slice(&len.to_be_bytes());
        if zeroes && action == 0x11 {
            list[16..20].copy_from_slice(&[0xFF, 0xFF, 0, 1]);
        }
        for (lba, blocks) in ranges {
            list.extend([&lba.to_be_bytes()[..], &blocks.to_be_bytes(), &[0; 4]].concat());
        }
        let len = list.len() as u32;
        let [_, _, high, low] = len.to_be_bytes();
        follow(512, true, &[0x83, action, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, high, low, 0, 0], len, &list);
    }

    #[test]
    fn attentions_are_told_in_order_and_each_once(posts in prop::collection::vec(0usize..5, 0..30)) {
        const SOME: [Attention; 5] = [
            Attention::CapacityChanged,
            Attention::LunsChanged,
            Attention::ModeChanged,
            Attention::InquiryChanged,
            Attention::ThinThreshold,
        ];
        let (unit, mut nexus, port) = (unit(512, true), nexus(1), port());
        let mut expected: Vec<Attention> = Vec::new();
        for post in posts {
            nexus.post(SOME[post]);
            if !expected.contains(&SOME[post]) {
                expected.push(SOME[post]);
            }
        }
        for attention in expected {
            let told = unit.plan(&mut nexus, &port, &command(&[0; 6], 0));
            prop_assert_eq!(told, Plan::Reply(attention.sense().into()));
        }
        let ready = matches!(
            unit.plan(&mut nexus, &port, &command(&[0; 6], 0)),
            Plan::Reply(Reply { status: Status::Good, .. })
        );
        prop_assert!(ready);
    }
}

/// A bit that the usage data leaves out is refused, with a pointer at it; or it means nothing at all.
#[test]
fn a_bit_that_is_not_reported_is_pointed_at_or_ignored() {
    let mut refused = 0;
    for (block_size, usage) in
        [512, DISC].iter().flat_map(|&size| usages(&unit(size, true)).into_iter().map(move |usage| (size, usage)))
    {
        let plan = |cdb: &[u8]| unit(block_size, true).plan(&mut nexus(1), &port(), &command(cdb, 512));
        let plain = usage.plain();
        for at in 1..plain.len() {
            for bit in 0..8 {
                if (usage.bits[at] | usage.chosen[at]) & (1 << bit) != 0 {
                    continue;
                }
                let mut cdb = plain.clone();
                cdb[at] |= 1 << bit;
                let with = plan(&cdb);
                if with == Plan::Reply(Sense::invalid_bit(at as u16, bit).into()) {
                    refused += 1;
                } else {
                    assert_eq!(with, plan(&plain), "bit {bit} of byte {at} in {cdb:02x?}");
                }
            }
        }
    }
    assert!(refused > 500, "only {refused} bits were refused");
}

/// Between them, the sessions of a unit never hold it twice.
#[test]
fn one_session_at_a_time_holds_a_unit_however_many_race_for_it() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let (unit, port, inside) = (unit(512, true), port(), AtomicUsize::new(0));
    std::thread::scope(|threads| {
        for session in 1..=4 {
            let (unit, port, inside) = (&unit, &port, &inside);
            threads.spawn(move || {
                let mut nexus = nexus(session);
                let mut held = 0;
                while held < 200 {
                    let reserved = unit.plan(&mut nexus, port, &command(&[0x16, 0, 0, 0, 0, 0], 0));
                    if let Plan::Reply(Reply { status: Status::Good, .. }) = reserved {
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        let read = unit.plan(&mut nexus, port, &command(&[0x08, 0, 0, 0, 1, 0], 0));
                        assert!(matches!(read, Plan::Read { .. }), "the holder was shut out");
                        inside.fetch_sub(1, Ordering::SeqCst);
                        let _released = unit.plan(&mut nexus, port, &command(&[0x17, 0, 0, 0, 0, 0], 0));
                        held += 1;
                    } else {
                        std::thread::yield_now();
                    }
                }
            });
        }
    });
    assert_eq!(unit.book().holder(), None);
}
