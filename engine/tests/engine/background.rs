//! What goes on after its command was answered, or beside it: who ends it, and that nothing of it is written after that.

use crate::common::*;
use crate::copying::{extended_copy, until};
use crate::late::Late;
use ferrite_api::IdentitySpec;
use ferrite_backends::{Backend, Fault, FaultyDisk, MemoryDisk, OpKind, Rule};
use ferrite_engine::{EngineOptions, IoChoice};
use ferrite_iscsi::initiator::{Answer, Initiator, Request, ScsiResult, cdb, lun as lun_field};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

type Host = Initiator<TcpStream>;

const LUN_RESET: u8 = 5;
const TARGET_WARM_RESET: u8 = 6;
const REGISTER: u8 = 0;
const RESERVE: u8 = 1;
const PREEMPT: u8 = 4;
const PREEMPT_AND_ABORT: u8 = 5;
const WRITE_EXCLUSIVE: u8 = 1;
const APTPL: u8 = 1;
const MIB: u64 = 1 << 20;
/// Each write of the slow disk is done up to so much later.
const SLOW: Duration = Duration::from_millis(30);

fn persistent(lun: u16, action: u8, kind: u8, key: u64, second: u64) -> Request {
    persistent_with(lun, action, kind, key, second, 0)
}

fn persistent_with(lun: u16, action: u8, kind: u8, key: u64, second: u64, flags: u8) -> Request {
    let mut list = vec![0; 24];
    list[..8].copy_from_slice(&key.to_be_bytes());
    list[8..16].copy_from_slice(&second.to_be_bytes());
    list[20] = flags;
    Request::new(lun, &[0x5F, action, kind, 0, 0, 0, 0, 0, 24, 0]).writing(list)
}

fn good(host: &mut Host, request: &Request) {
    let answer = host.command(request).unwrap();
    assert!(answer.is_good(), "{answer:?}");
}

/// A fast LUN 0 that holds no zeroes, and a slow LUN 1 that holds nothing.
struct Bench {
    served: Served,
    slow: Arc<Late>,
}

impl Bench {
    fn new(options: &EngineOptions) -> Self {
        let served = Served::new(options).with(0, MemoryDisk::new(64 * MIB));
        let slow = Arc::new(Late::within(SLOW, 64 * MIB, 7));
        served.add(1, slow.clone());
        let mut host = served.login(99, &[0]);
        for piece in 0..64 {
            host.write(0, piece * 2048, &[7; MIB as usize], BLOCK).unwrap();
        }
        host.logout().unwrap();
        Self { served, slow }
    }

    fn written(&self) -> u64 {
        self.slow.usage().unwrap().unwrap().used
    }

    /// Nothing more is written from now on, and not all was.
    fn is_quiet(&self, after: &str) {
        let now = self.written();
        std::thread::sleep(4 * SLOW);
        assert_eq!(self.written(), now, "{after}: written later");
        assert!(now > 0 && now < 60 * MIB, "{after}: {now}");
    }

    /// Has `host` begin a copy from LUN 0 to LUN 1 that is answered at once, and waits until something is written.
    fn begin_copy(&self, host: &mut Host, list: u32) {
        let token = populate(host, 0);
        good(host, &write_using_token(1, list, &token));
        until(host, || self.written() > 0);
    }
}

/// POPULATE TOKEN for the whole of a LUN of 64 MiB, and the token.
fn populate(host: &mut Host, lun: u16) -> Vec<u8> {
    let mut list = vec![0; 32];
    (list[1], list[15]) = (30, 16);
    list[24..28].copy_from_slice(&(64 * 2048u32).to_be_bytes());
    let mut cdb = [0; 16];
    (cdb[0], cdb[1], cdb[9], cdb[13]) = (0x83, 0x10, 0xEE, 32);
    good(host, &Request::new(lun, &cdb).writing(list));
    let mut cdb = [0; 16];
    (cdb[0], cdb[1], cdb[5], cdb[12]) = (0x84, 0x07, 0xEE, 4);
    let answer = host.command(&Request::new(lun, &cdb).reading(1024)).unwrap();
    assert!(answer.is_good(), "{answer:?}");
    answer.data[answer.data.len() - 512..].to_vec()
}

/// WRITE USING TOKEN with IMMED, to the whole of a LUN of 64 MiB.
fn write_using_token(lun: u16, list_identifier: u32, token: &[u8]) -> Request {
    let mut list = vec![0; 552];
    list[..2].copy_from_slice(&550u16.to_be_bytes());
    list[2] = 1;
    list[16..528].copy_from_slice(token);
    list[535] = 16;
    list[544..548].copy_from_slice(&(64 * 2048u32).to_be_bytes());
    let mut cdb = [0; 16];
    (cdb[0], cdb[1]) = (0x83, 0x11);
    cdb[6..10].copy_from_slice(&list_identifier.to_be_bytes());
    cdb[10..14].copy_from_slice(&552u32.to_be_bytes());
    Request::new(lun, &cdb).writing(list)
}

fn ended(host: &mut Host, tag: u32) -> ScsiResult {
    match host.complete_one(tag).unwrap() {
        Answer::Scsi(result) => result,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_reset_by_anybody_ends_a_copy_that_was_answered_and_is_answered_when_nothing_of_it_is_written_any_more() {
    both_tenants(|choice| {
        for function in [LUN_RESET, TARGET_WARM_RESET] {
            let bench = Bench::new(&options(choice, 2));
            let (mut host, mut other) = (bench.served.login(1, &[0, 1]), bench.served.login(2, &[0, 1]));
            bench.begin_copy(&mut host, 1);
            assert_eq!(other.manage(function, lun_field(1), None).unwrap(), 0);
            bench.is_quiet("reset");
        }
    });
}

#[test]
fn the_next_session_of_an_initiator_port_comes_in_when_no_copy_of_the_last_one_writes_any_more() {
    both_tenants(|choice| {
        for how in ["logout", "loss", "reinstatement"] {
            let bench = Bench::new(&options(choice, 2));
            let mut host = bench.served.login(1, &[0, 1]);
            bench.begin_copy(&mut host, 1);
            match how {
                "logout" => {
                    assert_eq!(host.logout().unwrap(), 0);
                    bench.is_quiet(how);
                }
                "loss" => drop(host),
                _ => {}
            }
            let _next = Initiator::login(bench.served.stream(), &settings(1)).unwrap();
            bench.is_quiet(how);
        }
    });
}

#[test]
fn copies_of_a_lost_session_that_wait_for_others_do_not_keep_its_next_one_out() {
    let bench = Bench::new(&options(Default::default(), 2));
    let (mut busy, mut host) = (bench.served.login(1, &[0, 1]), bench.served.login(2, &[0, 1]));
    // More than are done at a time.
    for list in 0..8 {
        bench.begin_copy(&mut busy, list);
    }
    bench.begin_copy(&mut host, 9);
    drop(host);
    let began = Instant::now();
    let _next = Initiator::login(bench.served.stream(), &settings(2)).unwrap();
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
}

#[test]
fn a_removed_lun_and_a_shutdown_end_a_copy_that_was_answered() {
    for how in ["source", "destination", "target", "shutdown"] {
        let bench = Bench::new(&options(Default::default(), 2));
        let mut host = bench.served.login(1, &[0, 1]);
        bench.begin_copy(&mut host, 1);
        let began = Instant::now();
        match how {
            "source" => bench.served.engine.remove_lun(&iqn(), lun(0)).unwrap(),
            "destination" => bench.served.engine.remove_lun(&iqn(), lun(1)).unwrap(),
            "target" => bench.served.engine.remove_target(&iqn()).unwrap(),
            _ => assert_eq!(bench.served.engine.shutdown(Duration::ZERO).flushes_failed, 0),
        }
        assert!(began.elapsed() < Duration::from_secs(1), "{how}: {:?}", began.elapsed());
        bench.is_quiet(how);
    }
}

#[test]
fn preempt_and_abort_waits_for_copies_to_the_unit_whatever_unit_they_were_asked_of() {
    both_tenants(|choice| {
        for immediate in [true, false] {
            let bench = Bench::new(&options(choice, 2));
            let (mut host, mut other) = (bench.served.login(1, &[0, 1]), bench.served.login(2, &[0, 1]));
            good(&mut host, &persistent(1, REGISTER, 0, 0, 0xA));
            good(&mut other, &persistent(1, REGISTER, 0, 0, 0xB));
            let waits = if immediate {
                bench.begin_copy(&mut host, 1);
                None
            } else {
                let copy = extended_copy(&mut host, 0, [0, 1], 0, 0, 65_535);
                let tag = host.submit(&copy).unwrap();
                until(&mut host, || bench.written() > 0);
                Some(tag)
            };
            good(&mut other, &persistent(1, PREEMPT_AND_ABORT, WRITE_EXCLUSIVE, 0xB, 0xA));
            bench.is_quiet("preempted");
            // The command went to a unit that was not preempted: it is not aborted, and says how it went.
            if let Some(tag) = waits {
                let answer = ended(&mut host, tag);
                assert_eq!(answer.sense_code().map(|(key, ..)| key), Some(0x0A), "{answer:?}");
            }
        }
    });
}

#[test]
fn preempt_and_abort_waits_for_the_copy_of_a_host_that_is_gone_already() {
    let bench = Bench::new(&options(Default::default(), 2));
    let mut other = bench.served.login(2, &[0, 1]);
    good(&mut other, &persistent(1, REGISTER, 0, 0, 0xB));
    let mut host = bench.served.login(1, &[0, 1]);
    good(&mut host, &persistent(1, REGISTER, 0, 0, 0xA));
    bench.begin_copy(&mut host, 1);
    drop(host);
    let patience = Instant::now() + Duration::from_secs(5);
    while bench.served.engine.sessions().len() > 1 && Instant::now() < patience {}
    good(&mut other, &persistent(1, PREEMPT_AND_ABORT, WRITE_EXCLUSIVE, 0xB, 0xA));
    bench.is_quiet("preempted");
}

#[test]
fn nothing_of_a_preempted_host_lands_after_good_of_the_host_that_preempts_it() {
    both_tenants(|choice| {
        let bench = Bench::new(&options(choice, 4));
        let mut hosts: Vec<Host> = (1..4).map(|port| bench.served.login(port, &[1])).collect();
        let mut other = bench.served.login(9, &[1]);
        good(&mut other, &persistent(1, REGISTER, 0, 0, 0xB));
        // One whose data is not sent, one whose writes are many, one that writes the same block again and again.
        let mut late = settings(5);
        (late.keys.initial_r2t, late.keys.immediate_data) = (true, false);
        let mut owing = Initiator::login(bench.served.stream(), &late).unwrap();
        owing.settle(1).unwrap();
        owing.manners.answer_r2t = false;
        for host in hosts.iter_mut().chain([&mut owing]) {
            good_even_if_asked(host, &persistent(1, REGISTER, 0, 0, 0xA));
        }
        owing.submit(&Request::new(1, &cdb::write16(0, 8)).writing(vec![1; 4096])).unwrap();
        owing.ping(b"").unwrap();
        for (host, place) in hosts.iter_mut().zip(0..) {
            for piece in 0..8 {
                let lba = (place * 16 + piece * 2) * 2048;
                host.submit(&Request::new(1, &cdb::write16(lba, 128)).writing(vec![9; 64 << 10])).unwrap();
            }
            let mut same = cdb::write16((place * 16 + 1) * 2048, 16 * 2048);
            same[0] = 0x93;
            host.submit(&Request::new(1, &same).writing(vec![3; 512])).unwrap();
        }
        let patience = Instant::now() + Duration::from_secs(10);
        while bench.written() == 0 && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(1));
        }
        good(&mut other, &persistent(1, PREEMPT_AND_ABORT, WRITE_EXCLUSIVE, 0xB, 0xA));
        bench.is_quiet("preempted");
        good(&mut other, &Request::new(1, &cdb::write16(0, 1)).writing(vec![4; 512]));
        assert_eq!(other.read(1, 0, 1, BLOCK).unwrap(), [4; 512]);
    });
}

/// Of a host that sends no data it is asked for: at once, with the command.
fn good_even_if_asked(host: &mut Host, request: &Request) {
    host.manners.answer_r2t = true;
    good(host, request);
    host.manners.answer_r2t = false;
}

#[test]
fn preempt_and_abort_does_not_wait_for_a_copy_that_waits_for_an_exchange_that_waits_for_it() {
    let served = Served::new(&options(Default::default(), 2)).with(0, MemoryDisk::new(4 * MIB));
    let disk = Arc::new(FaultyDisk::new(MemoryDisk::new(4 * MIB)));
    served.add(1, disk.clone());
    let (mut host, mut other, mut third) =
        (served.login(1, &[0, 1]), served.login(2, &[0, 1]), served.login(3, &[0, 1]));
    good(&mut host, &persistent(1, REGISTER, 0, 0, 0xA));
    good(&mut other, &persistent(1, REGISTER, 0, 0, 0xB));
    good(&mut third, &persistent(1, REGISTER, 0, 0, 0xC));
    host.write(0, 0, &[7; MIB as usize], BLOCK).unwrap();
    disk.add(Rule::new(Fault::Delay(Duration::from_millis(300))).on(OpKind::Write));
    for round in 0..4u64 {
        let copy = extended_copy(&mut host, 0, [0, 1], 0, 0, 2048 * 3);
        let tag = host.submit(&copy).unwrap();
        host.ping(b"").unwrap();
        std::thread::sleep(Duration::from_millis(50 * round));
        let began = Instant::now();
        let preempts = other.submit(&persistent(1, PREEMPT_AND_ABORT, WRITE_EXCLUSIVE, 0xB, 0xA)).unwrap();
        other.ping(b"").unwrap();
        let exchanges: Vec<u32> = (0..6)
            .map(|piece| {
                let mut compare = [0; 16];
                (compare[0], compare[13]) = (0x89, 1);
                compare[2..10].copy_from_slice(&(piece * 1024u64).to_be_bytes());
                third.submit(&Request::new(1, &compare).writing(vec![1; 1024])).unwrap()
            })
            .collect();
        assert!(ended(&mut other, preempts).is_good());
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
        exchanges.into_iter().for_each(|tag| drop(ended(&mut third, tag)));
        ended(&mut host, tag);
        while !host.command(&persistent(1, REGISTER, 0, 0, 0xA)).unwrap().is_good() {}
    }
}

#[test]
fn a_copy_takes_nothing_away_that_its_session_has_to_hear() {
    let bench = Bench::new(&options(Default::default(), 2));
    let (mut host, mut other) = (bench.served.login(1, &[0, 1]), bench.served.login(2, &[0, 1]));
    good(&mut host, &persistent(1, REGISTER, 0, 0, 0xA));
    good(&mut other, &persistent(1, REGISTER, 0, 0, 0xB));
    good(&mut other, &persistent(1, RESERVE, WRITE_EXCLUSIVE, 0xB, 0));
    good(&mut other, &persistent(1, PREEMPT, WRITE_EXCLUSIVE, 0xB, 0xA));
    // Asked of LUN 0, it looks at LUN 1 and is refused there. The other one has named the units, for INQUIRY is a
    // command like others.
    let copy = extended_copy(&mut other, 0, [0, 1], 0, 0, 64);
    assert!(!host.command(&copy).unwrap().is_good());
    assert_eq!(host.command(&Request::new(1, &[0; 6])).unwrap().sense_code(), Some((6, 0x2A, 5)));
}

#[test]
fn a_disk_is_closed_by_its_removal_also_while_other_units_of_the_target_copy() {
    let bench = Bench::new(&options(Default::default(), 2));
    let bystander = Arc::new(MemoryDisk::new(MIB));
    bench.served.engine.add_disk(&iqn(), lun(2), bystander.clone(), &IdentitySpec::default()).unwrap();
    let mut host = bench.served.login(1, &[0, 1, 2]);
    bench.begin_copy(&mut host, 1);
    bench.served.engine.remove_lun(&iqn(), lun(2)).unwrap();
    assert!(bench.written() < 60 * MIB, "the copy goes on");
    let until = Instant::now() + Duration::from_millis(200);
    while Arc::strong_count(&bystander) > 1 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(Arc::strong_count(&bystander), 1);
    let before = bench.written();
    std::thread::sleep(4 * SLOW);
    assert!(bench.written() > before, "the copy goes on");
}

#[test]
fn what_is_kept_belongs_to_the_unit_and_comes_back_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let keeping = EngineOptions { state_dir: Some(folder.path().join("a/b")), ..options(IoChoice::Auto, 2) };
    let served = Served::new(&keeping).with(0, MemoryDisk::new(MIB)).with(1, MemoryDisk::new(MIB));
    let (mut host, mut other) = (served.login(1, &[0, 1]), served.login(2, &[0, 1]));
    good(&mut host, &persistent_with(1, REGISTER, 0, 0, 0xA, APTPL));
    good(&mut host, &persistent(1, RESERVE, WRITE_EXCLUSIVE, 0xA, 0));
    served.engine.remove_lun(&iqn(), lun(1)).unwrap();
    served.add(1, Arc::new(MemoryDisk::new(MIB)));
    for host in [&mut host, &mut other] {
        (0..2).for_each(|lun| host.settle(lun).unwrap());
    }
    let write = Request::new(1, &cdb::write16(0, 1)).writing(vec![1; 512]);
    assert_eq!(other.command(&write).unwrap().status, 0x18);
    good(&mut host, &write);
    good(&mut other, &Request::new(0, &cdb::write16(0, 1)).writing(vec![1; 512]));
}
