//! COMPARE AND WRITE and ORWRITE on a running engine: who waits for whom, and that no claim is left behind.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::common::*;
use crate::gate::Gate;
use ferrite_api::IdentitySpec;
use ferrite_backends::{MemoryDisk, Op, OpKind};
use ferrite_engine::EngineOptions;
use ferrite_iscsi::initiator::{Answer, Initiator, Keys, Request, ScsiResult, cdb, lun as lun_field};

type Host = Initiator<TcpStream>;

const RESERVE: [u8; 6] = [0x16, 0, 0, 0, 0, 0];
const RELEASE: [u8; 6] = [0x17, 0, 0, 0, 0, 0];
const CONFLICT: u8 = 0x18;
const TASK_SET_FULL: u8 = 0x28;
const ABORT_TASK: u8 = 1;
const MISCOMPARE: Option<(u8, u8, u8)> = Some((0xe, 0x1d, 0));

/// A gate behind LUN 0 of an engine with two shards; the hosts are given to them in turns.
fn gated(hosts: u8) -> (Served, Arc<Gate>, Vec<Host>) {
    let gate = Arc::new(Gate::new(4 << 20));
    let served = Served::new(&options(Default::default(), 2));
    served.add(0, gate.clone());
    let hosts = (1..=hosts).map(|port| served.login(port, &[0])).collect();
    gate.passed();
    (served, gate, hosts)
}

/// A block of one byte.
fn block(byte: u8) -> Vec<u8> {
    vec![byte; BLOCK as usize]
}

pub(crate) fn exchange(lba: u64, old: &[u8], new: &[u8]) -> Request {
    let mut cdb = [0; 16];
    cdb[0] = 0x89;
    cdb[2..10].copy_from_slice(&lba.to_be_bytes());
    cdb[13] = u8::try_from(old.len() / BLOCK as usize).unwrap();
    Request::new(0, &cdb).writing([old, new].concat())
}

fn write(lba: u64, byte: u8) -> Request {
    Request::new(0, &cdb::write16(lba, 1)).writing(block(byte))
}

fn ended(host: &mut Host, itt: u32) -> ScsiResult {
    match host.complete_one(itt).unwrap() {
        Answer::Scsi(result) => result,
        other => panic!("{other:?}"),
    }
}

fn good(host: &mut Host, itt: u32) {
    let result = ended(host, itt);
    assert!(result.is_good(), "{result:?}");
}

/// Nothing is answered, although there is time for it.
fn waits(host: &mut Host) {
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(10));
        host.ping(b"").unwrap();
        let answered = host.poll_completion();
        assert!(answered.is_none(), "{answered:?}");
    }
}

/// An exchange of a block that nobody uses: from now on writes are claimed.
fn arm(host: &mut Host) {
    assert!(host.command(&exchange(4000, &block(0), &block(0))).unwrap().is_good());
}

#[test]
fn a_miscompare_tells_where_and_writes_nothing() {
    let (_served, gate, mut hosts) = gated(1);
    let host = &mut hosts[0];
    let (mut old, new) = (block(0), block(2));
    assert!(host.command(&exchange(5, &old, &new)).unwrap().is_good());
    assert_eq!(host.read(0, 5, 1, BLOCK).unwrap(), new);
    gate.passed();
    old.copy_from_slice(&new);
    old[77] = 9;
    let result = host.command(&exchange(5, &old, &block(3))).unwrap();
    assert_eq!(result.sense_code(), MISCOMPARE);
    assert_eq!(result.sense[3..7], 77u32.to_be_bytes(), "INFORMATION is the offset of the first difference");
    assert_eq!(gate.passed(), [Op::Read { at: 5 * 512, len: 512 }]);
}

#[test]
fn an_exchange_of_many_blocks_is_done_as_a_whole_and_an_orwrite_adds_bits() {
    let (_served, _gate, mut hosts) = gated(1);
    let host = &mut hosts[0];
    let (old, new) = (vec![0; 255 * 512], pattern(7, 255 * 512));
    assert!(host.command(&exchange(3, &old, &new)).unwrap().is_good());
    assert_eq!(host.read(0, 3, 255, BLOCK).unwrap(), new);
    let mut orwrite = cdb::write16(3, 1);
    orwrite[0] = 0x8b;
    assert!(host.command(&Request::new(0, &orwrite).writing(block(0x81))).unwrap().is_good());
    let both: Vec<u8> = new[..512].iter().map(|byte| byte | 0x81).collect();
    assert_eq!(host.read(0, 3, 1, BLOCK).unwrap(), both);
}

#[test]
fn what_must_be_whole_is_done_whole_and_a_prefetch_reads_nothing() {
    let served = Served::new(&options(Default::default(), 1)).with(0, MemoryDisk::new(1 << 20));
    let mut host = served.login(1, &[0]);
    let mut atomic = [0; 16];
    // A page of the disk begins at block 32.
    (atomic[0], atomic[9], atomic[13]) = (0x9c, 32, 8);
    let data = pattern(3, 4096);
    assert!(host.command(&Request::new(0, &atomic).writing(data.clone())).unwrap().is_good());
    assert_eq!(host.read(0, 32, 8, BLOCK).unwrap(), data);
    let short = host.command(&Request::new(0, &atomic).writing(vec![1; 2048])).unwrap();
    assert_eq!(short.sense_code().unwrap().0, 5, "{short:?}");
    let mut short = exchange(32, &data[..512], &block(1));
    short.data_out.truncate(512);
    let short = host.command(&short).unwrap();
    assert_eq!(short.sense_code().unwrap().0, 5, "{short:?}");
    assert_eq!(host.read(0, 32, 8, BLOCK).unwrap(), data, "nothing of them was done");
    let prefetch = host.command(&Request::new(0, &[0x34, 0, 0, 0, 0, 8, 0, 0, 8, 0])).unwrap();
    assert!(matches!(prefetch.status, 0 | 4) && prefetch.data.is_empty(), "{prefetch:?}");
}

#[test]
fn the_first_exchange_waits_for_a_write_that_another_shard_has_on_the_disk_and_for_no_other() {
    let (_served, gate, mut hosts) = gated(2);
    gate.close(OpKind::Write, 0..1024);
    let slow = hosts[0].submit(&Request::new(0, &cdb::write16(0, 2)).writing(vec![1; 1024])).unwrap();
    hosts[0].ping(b"").unwrap();
    gate.holds(1);
    let same = hosts[1].submit(&exchange(1, &block(1), &block(2))).unwrap();
    let other = hosts[1].submit(&exchange(2, &block(0), &block(3))).unwrap();
    good(&mut hosts[1], other);
    waits(&mut hosts[1]);
    gate.open();
    good(&mut hosts[0], slow);
    good(&mut hosts[1], same);
    assert_eq!(hosts[0].read(0, 0, 3, BLOCK).unwrap(), [block(1), block(2), block(3)].concat());
}

/// Every command that changes the medium, on blocks 0 to 7, with what it leaves in the first.
fn changes() -> Vec<(&'static str, Request, u8)> {
    let of = |cdb: &[u8], data: Vec<u8>| Request::new(0, cdb).writing(data);
    let sixteen = |opcode: u8, flags: u8, blocks: u8| {
        let mut cdb = [0; 16];
        (cdb[0], cdb[1], cdb[13]) = (opcode, flags, blocks);
        cdb
    };
    let mut unmap = vec![0; 24];
    (unmap[1], unmap[3], unmap[19]) = (22, 16, 8);
    vec![
        ("WRITE (6)", of(&[0x0a, 0, 0, 0, 1, 0], block(5)), 5),
        ("WRITE (10)", of(&cdb::write10(0, 8), vec![5; 4096]), 5),
        ("WRITE (16)", of(&sixteen(0x8a, 0, 8), vec![5; 4096]), 5),
        ("WRITE AND VERIFY (16)", of(&sixteen(0x8e, 2, 8), vec![5; 4096]), 5),
        ("WRITE SAME (16)", of(&sixteen(0x93, 0, 8), block(5)), 5),
        ("WRITE SAME (16) of zeroes", of(&sixteen(0x93, 0, 8), block(0)), 0),
        ("WRITE SAME (16) with UNMAP", of(&sixteen(0x93, 8, 8), block(0)), 0),
        ("UNMAP", of(&[0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0], unmap), 0),
        ("ORWRITE (16)", of(&sixteen(0x8b, 0, 8), vec![4; 4096]), 2 | 4),
        ("COMPARE AND WRITE", exchange(0, &block(2), &block(5)), 5),
    ]
}

#[test]
fn no_write_of_any_kind_comes_between_the_two_halves_of_an_exchange() {
    for (name, request, leaves) in changes() {
        let (_served, gate, mut hosts) = gated(2);
        assert!(hosts[0].command(&write(0, 1)).unwrap().is_good());
        gate.close(OpKind::Read, 0..512);
        let first = hosts[0].submit(&exchange(0, &block(1), &block(2))).unwrap();
        hosts[0].ping(b"").unwrap();
        gate.holds(1);
        gate.passed();
        let second = hosts[1].submit(&request).unwrap();
        waits(&mut hosts[1]);
        assert_eq!(gate.passed(), [], "{name} went to the disk meanwhile");
        gate.open();
        good(&mut hosts[0], first);
        good(&mut hosts[1], second);
        assert_eq!(hosts[1].read(0, 0, 1, BLOCK).unwrap(), block(leaves), "{name}");
    }
}

#[test]
fn an_exchange_waits_for_every_write_before_it_once_writes_are_claimed() {
    for (name, request, leaves) in changes() {
        let (_served, gate, mut hosts) = gated(2);
        arm(&mut hosts[0]);
        assert!(hosts[0].command(&write(0, 2)).unwrap().is_good());
        for kind in [OpKind::Write, OpKind::Zero, OpKind::Discard] {
            gate.close(kind, 0..512);
        }
        let first = hosts[0].submit(&request).unwrap();
        hosts[0].ping(b"").unwrap();
        gate.holds(1);
        let second = hosts[1].submit(&exchange(0, &block(leaves), &block(9))).unwrap();
        // Others go on, and reads of the same block.
        hosts[0].write(0, 100, &block(1), BLOCK).unwrap();
        assert_eq!(hosts[0].read(0, 0, 1, BLOCK).unwrap(), block(2));
        waits(&mut hosts[1]);
        gate.open();
        good(&mut hosts[0], first);
        good(&mut hosts[1], second);
        assert_eq!(hosts[0].read(0, 0, 1, BLOCK).unwrap(), block(9), "{name}");
    }
}

#[test]
fn an_aborted_exchange_is_either_not_done_or_done() {
    let (_served, gate, mut hosts) = gated(2);
    arm(&mut hosts[0]);
    // It waits for its claim: the answer comes at once.
    gate.close(OpKind::Write, 0..512);
    let slow = hosts[0].submit(&write(0, 1)).unwrap();
    hosts[0].ping(b"").unwrap();
    gate.holds(1);
    let waiting = hosts[1].submit(&exchange(0, &block(1), &block(2))).unwrap();
    assert_eq!(hosts[1].manage(ABORT_TASK, lun_field(0), Some(waiting)).unwrap(), 0);
    hosts[1].forget(waiting);
    gate.open();
    good(&mut hosts[0], slow);
    assert_eq!(hosts[1].read(0, 0, 1, BLOCK).unwrap(), block(1));
    // Its read, and then its write, is on the disk: the answer waits for that.
    for (kind, leaves) in [(OpKind::Read, 1), (OpKind::Write, 2)] {
        gate.close(kind, 0..512);
        let doomed = hosts[1].submit(&exchange(0, &block(1), &block(2))).unwrap();
        hosts[1].ping(b"").unwrap();
        gate.holds(1);
        let abort = hosts[1].submit_manage(ABORT_TASK, lun_field(0), Some(doomed)).unwrap();
        waits(&mut hosts[1]);
        gate.open();
        assert!(matches!(hosts[1].complete_one(abort).unwrap(), Answer::Managed(0)));
        hosts[1].forget(doomed);
        assert_eq!(hosts[0].read(0, 0, 1, BLOCK).unwrap(), block(leaves));
    }
    assert!(hosts[0].command(&exchange(0, &block(2), &block(3))).unwrap().is_good(), "no claim is left");
}

#[test]
fn a_lost_session_leaves_no_claim_behind_but_that_of_its_job_on_the_disk() {
    let (_served, gate, mut hosts) = gated(3);
    arm(&mut hosts[0]);
    gate.close(OpKind::Write, 0..512);
    let mut lost = hosts.remove(1);
    lost.submit(&exchange(0, &block(0), &block(1))).unwrap();
    lost.ping(b"").unwrap();
    gate.holds(1);
    for new in [7, 8] {
        lost.submit(&exchange(0, &block(1), &block(new))).unwrap();
    }
    lost.ping(b"").unwrap();
    let next = hosts[1].submit(&exchange(0, &block(1), &block(2))).unwrap();
    drop(lost);
    waits(&mut hosts[1]);
    gate.open();
    good(&mut hosts[1], next);
}

#[test]
fn a_failed_shard_leaves_no_claim_behind_but_that_of_its_job_on_the_disk() {
    let (_served, gate, mut hosts) = gated(2);
    arm(&mut hosts[0]);
    gate.close(OpKind::Write, 0..512);
    hosts[0].submit(&exchange(0, &block(0), &block(1))).unwrap();
    hosts[0].ping(b"").unwrap();
    gate.holds(1);
    // This one is in the line.
    hosts[0].submit(&exchange(0, &block(1), &block(7))).unwrap();
    hosts[0].ping(b"").unwrap();
    let next = hosts[1].submit(&exchange(0, &block(1), &block(2))).unwrap();
    waits(&mut hosts[1]);
    gate.fail_a_shard();
    assert!(hosts[0].read(0, 100, 1, BLOCK).is_err());
    waits(&mut hosts[1]);
    gate.open();
    good(&mut hosts[1], next);
    assert_eq!(hosts[1].read(0, 0, 1, BLOCK).unwrap(), block(2));
}

#[test]
fn a_removed_unit_fails_what_waits_in_its_lane_and_waits_for_what_is_on_the_disk() {
    let (served, gate, mut hosts) = gated(2);
    arm(&mut hosts[0]);
    gate.close(OpKind::Write, 0..512);
    let on_disk = hosts[0].submit(&exchange(0, &block(0), &block(1))).unwrap();
    hosts[0].ping(b"").unwrap();
    gate.holds(1);
    let in_line = hosts[1].submit(&exchange(0, &block(1), &block(2))).unwrap();
    let behind = hosts[1].submit(&write(0, 3)).unwrap();
    hosts[1].ping(b"").unwrap();
    let engine = served.engine.clone();
    let removal = std::thread::spawn(move || engine.remove_lun(&iqn(), lun(0)));
    for itt in [in_line, behind] {
        assert_eq!(ended(&mut hosts[1], itt).sense_code(), Some((5, 0x25, 0)));
    }
    assert!(!removal.is_finished());
    gate.open();
    removal.join().unwrap().unwrap();
    ended(&mut hosts[0], on_disk);
    served.engine.add_disk(&iqn(), lun(0), gate, &IdentitySpec::default()).unwrap();
    hosts[1].settle(0).unwrap();
    assert!(hosts[1].command(&exchange(0, &block(1), &block(2))).unwrap().is_good());
}

#[test]
fn a_reservation_waits_for_the_exchanges_before_it_and_those_behind_it_meet_it() {
    let (_served, gate, mut hosts) = gated(3);
    gate.close(OpKind::Read, 0..512);
    let before = hosts[0].submit(&exchange(0, &block(0), &block(1))).unwrap();
    hosts[0].ping(b"").unwrap();
    gate.holds(1);
    let reserve = hosts[1].submit(&Request::new(0, &RESERVE)).unwrap();
    waits(&mut hosts[1]);
    let behind = hosts[2].submit(&exchange(100, &block(0), &block(1))).unwrap();
    waits(&mut hosts[2]);
    gate.open();
    good(&mut hosts[0], before);
    good(&mut hosts[1], reserve);
    assert_eq!(ended(&mut hosts[2], behind).status, CONFLICT);
    assert!(hosts[1].command(&exchange(100, &block(0), &block(1))).unwrap().is_good(), "the holder may");
    assert!(hosts[1].command(&Request::new(0, &RELEASE)).unwrap().is_good());
    assert!(hosts[2].command(&exchange(100, &block(1), &block(2))).unwrap().is_good());
}

#[test]
fn an_exchange_whose_data_comes_after_a_reservation_meets_it() {
    let (served, gate, mut hosts) = gated(1);
    let mut slow = settings(9);
    slow.keys = Keys { initial_r2t: true, immediate_data: false, ..Keys::default() };
    let mut late = Initiator::login(served.stream(), &slow).unwrap();
    late.settle(0).unwrap();
    // The data is sent when this host next looks at what came.
    let exchange = late.submit(&exchange(0, &block(0), &block(1))).unwrap();
    late.frames().flush().unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert!(hosts[0].command(&Request::new(0, &RESERVE)).unwrap().is_good(), "it does not wait for somebody's data");
    gate.passed();
    assert_eq!(ended(&mut late, exchange).status, CONFLICT);
    assert_eq!(gate.passed(), []);
}

#[test]
fn a_command_that_goes_alone_keeps_nobody_waiting_for_its_parameter_list() {
    let (served, _gate, mut hosts) = gated(1);
    let mut slow = settings(9);
    slow.keys = Keys { initial_r2t: true, immediate_data: false, ..Keys::default() };
    let mut late = Initiator::login(served.stream(), &slow).unwrap();
    late.settle(0).unwrap();
    // MODE SELECT (6) of the control page, as it is.
    let mode = late.command(&Request::new(0, &[0x1a, 0x08, 0x0a, 0, 255, 0]).reading(255)).unwrap();
    let mut list = mode.data.clone();
    list[..4].fill(0);
    list[4] &= 0x3f;
    let select = [0x15, 0x10, 0, 0, u8::try_from(list.len()).unwrap(), 0];
    let select = late.submit(&Request::new(0, &select).writing(list)).unwrap();
    late.frames().flush().unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert!(hosts[0].command(&Request::new(0, &RESERVE)).unwrap().is_good());
    assert!(hosts[0].command(&exchange(0, &block(0), &block(1))).unwrap().is_good());
    assert_eq!(ended(&mut late, select).status, CONFLICT, "it is looked at when its list is there");
}

#[test]
fn one_exchange_past_the_limit_of_a_unit_is_told_that_its_task_set_is_full() {
    const LIMIT: usize = 1024;
    let (_served, gate, mut hosts) = gated(9);
    arm(&mut hosts[8]);
    gate.close(OpKind::Read, 0..512);
    let each = LIMIT / 8;
    let mut sent: Vec<Vec<u32>> = Vec::new();
    for host in &mut hosts[..8] {
        sent.push((0..each).map(|_| host.submit(&exchange(0, &block(0), &block(0))).unwrap()).collect());
        waits(host);
    }
    assert_eq!(hosts[8].command(&exchange(7, &block(0), &block(0))).unwrap().status, TASK_SET_FULL);
    assert_eq!(hosts[8].command(&Request::new(0, &RESERVE)).unwrap().status, TASK_SET_FULL);
    gate.open();
    for (host, sent) in hosts.iter_mut().zip(sent) {
        sent.into_iter().for_each(|itt| good(host, itt));
    }
    assert!(hosts[8].command(&exchange(7, &block(0), &block(0))).unwrap().is_good());
}

#[test]
fn what_others_have_queued_does_not_keep_a_heartbeat_waiting() {
    // The smallest pool, one shard, and every bulk transfer hangs.
    let gate = Arc::new(Gate::new(64 << 20));
    let served = Served::new(&EngineOptions { pool_bytes: 0, ..options(Default::default(), 1) });
    served.add(0, gate.clone());
    let mut hosts: Vec<Host> = (1..=4).map(|port| served.login(port, &[0])).collect();
    arm(&mut hosts[3]);
    for kind in [OpKind::Read, OpKind::Write] {
        gate.close(kind, 8 << 20..64 << 20);
    }
    let mut bulk: Vec<Vec<u32>> = Vec::new();
    for (number, host) in hosts.iter_mut().take(3).enumerate() {
        let lba = |n: u64| (16 << 10) + (number as u64 * 32 + n) * 256;
        let write = |n| Request::new(0, &cdb::write16(lba(n), 256)).writing(vec![7; 128 << 10]);
        let read = |n| Request::new(0, &cdb::read16(lba(n), 256)).reading(128 << 10);
        bulk.push((0..32).flat_map(|n| [read(n), write(n)]).map(|request| host.submit(&request).unwrap()).collect());
        host.frames().flush().unwrap();
    }
    std::thread::sleep(Duration::from_millis(100));
    let mut value = 0;
    for beat in 0..40u8 {
        // Its own session has bulk transfers under way, or has not.
        let host = &mut hosts[usize::from(beat % 4)];
        let began = Instant::now();
        let result = host.command(&exchange(1, &block(value), &block(beat + 1))).unwrap();
        assert!(result.is_good(), "{result:?}");
        assert!(began.elapsed() < Duration::from_secs(1), "beat {beat} took {:?}", began.elapsed());
        value = beat + 1;
    }
    gate.open();
    for (host, bulk) in hosts.iter_mut().zip(bulk) {
        for itt in bulk {
            // Some data was behind its command when there was no room for it.
            let status = ended(host, itt).status;
            assert!(matches!(status, 0 | TASK_SET_FULL), "{status:02x}");
        }
    }
}
