//! Peers, disks and moments that mean no good: nobody else notices, and nothing waits for ever.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::*;
use ferrite_api::{ChapSpec, IdentitySpec, Iqn, Secret, SecretSource, TargetSpec};
use ferrite_backends::{
    Backend, BlockDisk, Create, DiskError, DiskOptions, Fault, FaultyDisk, FileRing, Geometry, Job, MemoryDisk, Op,
    OpKind, Rule,
};
use ferrite_engine::EngineOptions;
use ferrite_iscsi::ConnectionLimits;
use ferrite_iscsi::initiator::{Answer, Frames, Initiator, Keys, Pdu, Request, Settings, cdb, lun as lun_field};

const LUN_RESET: u8 = 5;

/// VERIFY(16): with BYTCHK=1 data-out is compared with the medium, with 0 nothing is sent.
fn verify(blocks: u32, bytchk: u8) -> [u8; 16] {
    let mut cdb = [0; 16];
    (cdb[0], cdb[1]) = (0x8f, bytchk << 1);
    cdb[10..14].copy_from_slice(&blocks.to_be_bytes());
    cdb
}

fn write_same(blocks: u32) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[0] = 0x93;
    cdb[10..14].copy_from_slice(&blocks.to_be_bytes());
    cdb
}

fn hanging(kind: OpKind, shards: usize) -> (Served, Arc<FaultyDisk<MemoryDisk>>) {
    let disk = Arc::new(FaultyDisk::new(MemoryDisk::new(8 << 20)));
    disk.add(Rule::new(Fault::Hang).on(kind));
    let served = Served::new(&options(Default::default(), shards));
    served.add(0, disk.clone());
    (served, disk)
}

fn on_block_disk(options: &EngineOptions, bytes: u64) -> (Served, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let create = Some(Create { bytes, allocate: false });
    let disk = BlockDisk::open(folder.path().join("disk"), &DiskOptions { create, ..Default::default() }).unwrap();
    (Served::new(options).with(0, disk), folder)
}

fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !is_true() {
        assert!(Instant::now() < until, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Data is asked for by R2T only.
fn solicited(port: u8) -> Settings {
    let keys = Keys { initial_r2t: true, immediate_data: false, ..Keys::default() };
    Settings { keys, ..settings(port) }
}

#[test]
fn a_reset_after_a_session_that_ended_with_work_of_every_kind_ends_nothing_else() {
    let (served, disk) = hanging(OpKind::Write, 1);
    let mut lost = Initiator::login(served.stream(), &solicited(1)).unwrap();
    lost.settle(0).unwrap();
    let write = |lba| Request::new(0, &cdb::write16(lba, 1)).writing(vec![1; 512]);
    lost.submit(&write(0)).unwrap();
    until("the first write reaches the disk", || {
        lost.ping(b"").unwrap();
        disk.hanging() == 1
    });
    // The second owes its data for ever.
    lost.manners.answer_r2t = false;
    lost.submit(&write(1)).unwrap();
    lost.ping(b"").unwrap();
    drop(lost);
    let mut host = served.login(2, &[0]);
    let reset = host.submit_manage(LUN_RESET, lun_field(0), None).unwrap();
    assert_eq!(host.ping(b"alive").unwrap(), b"alive");
    assert_eq!(disk.fail_hanging(DiskError::Lost), 1);
    assert!(matches!(host.complete_one(reset).unwrap(), Answer::Managed(0)));
}

/// Panics at each flush: on the shard, or on a disk thread.
struct Panicking {
    disk: MemoryDisk,
    on_the_shard: bool,
}

impl Backend for Panicking {
    fn geometry(&self) -> Geometry {
        self.disk.geometry()
    }

    fn submit(&self, job: Job, ring: &mut dyn FileRing) {
        match job.op() {
            Op::Flush if self.on_the_shard => panic!("on purpose, on the shard"),
            Op::Flush => ring.elsewhere(job, Box::new(|_| panic!("on purpose, on a disk thread"))),
            _ => self.disk.submit(job, ring),
        }
    }

    fn refresh(&self) -> std::io::Result<Geometry> {
        self.disk.refresh()
    }

    fn shares_pages(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        "panicking".to_owned()
    }
}

#[test]
fn a_disk_that_panics_fails_its_own_commands_only_however_often() {
    both_tenants(|choice| {
        for on_the_shard in [true, false] {
            let disk = Panicking { disk: MemoryDisk::new(1 << 20), on_the_shard };
            let served = Served::new(&options(choice, 1)).with(0, disk);
            let mut host = served.login(1, &[0]);
            for _ in 0..9 {
                let flush = Request::new(0, &[0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
                assert_eq!(host.command(&flush).unwrap().sense_code(), Some((4, 0x44, 0)));
                host.write(0, 0, &[1; 512], BLOCK).unwrap();
            }
        }
    });
}

#[test]
fn commands_that_compare_more_than_the_pool_holds_twice_all_end() {
    both_tenants(|choice| {
        let small = EngineOptions { pool_bytes: 0, ..options(choice, 1) };
        let (served, _folder) = on_block_disk(&small, 8 << 20);
        let mut hosts: Vec<_> = (0..8)
            .map(|port| {
                let mut host = Initiator::login(served.stream(), &solicited(port)).unwrap();
                host.settle(0).unwrap();
                host
            })
            .collect();
        for host in &mut hosts {
            for _ in 0..4 {
                // WRITE AND VERIFY(16) with BYTCHK: written, read back, compared.
                let mut cdb = verify(2048, 1);
                cdb[0] = 0x8e;
                host.submit(&Request::new(0, &cdb).writing(vec![7; 1 << 20])).unwrap();
                host.submit(&Request::new(0, &verify(4096, 3)).writing(vec![7; 512])).unwrap();
            }
        }
        for host in &mut hosts {
            while host.in_flight() > 0 {
                let Answer::Scsi(result) = host.complete().unwrap().answer else { panic!("a command was sent") };
                assert!(result.is_good() || result.sense_code() == Some((14, 0x1d, 0)), "{result:?}");
            }
        }
        until("all buffers come home", || served.engine.buffers()[0].lent == 0);
    });
}

#[test]
fn data_that_a_command_has_no_use_for_does_not_hold_a_ping_up() {
    let (served, disk) = hanging(OpKind::Read, 1);
    let mut host = served.login(1, &[0]);
    // BYTCHK=0 takes no data-out, and the host sends some all the same.
    let odd = host.submit(&Request::new(0, &verify(1, 0)).writing(vec![1; 512])).unwrap();
    assert_eq!(host.ping(b"still here").unwrap(), b"still here");
    disk.heal();
    assert_eq!(disk.fail_hanging(DiskError::Medium), 1);
    let Answer::Scsi(result) = host.complete_one(odd).unwrap() else { panic!("a command was sent") };
    assert_eq!(result.sense_code(), Some((3, 0x11, 0)));
    host.write(0, 0, &[1; 512], BLOCK).unwrap();
}

/// Keeps the shard busy with each flush.
struct Slow(MemoryDisk, Duration);

impl Backend for Slow {
    fn geometry(&self) -> Geometry {
        self.0.geometry()
    }

    fn submit(&self, job: Job, ring: &mut dyn FileRing) {
        if job.op() == Op::Flush {
            thread::sleep(self.1);
        }
        self.0.submit(job, ring);
    }

    fn refresh(&self) -> std::io::Result<Geometry> {
        self.0.refresh()
    }

    fn shares_pages(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        "slow".to_owned()
    }
}

#[test]
fn an_end_that_comes_together_with_the_last_bytes_is_seen() {
    let served = Served::new(&options(Default::default(), 1)).with(0, Slow(MemoryDisk::new(1 << 20), SLOW));
    let (mut busy, mut gone) = (served.login(1, &[0]), served.login(2, &[0]));
    busy.submit(&Request::new(0, &[0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0])).unwrap();
    busy.frames().flush().unwrap();
    thread::sleep(SLOW / 4);
    // While the shard is busy, bytes and end both arrive.
    gone.submit_ping(b"last words", true).unwrap();
    gone.frames().flush().unwrap();
    let stream = gone.frames().stream();
    stream.shutdown(Shutdown::Write).unwrap();
    until("the session of a host that is gone ends", || served.engine.sessions().len() == 1);
}

const SLOW: Duration = Duration::from_millis(400);

#[test]
fn pings_that_came_in_one_piece_are_all_answered_however_few_may_be_due_at_once() {
    let mut options = options(Default::default(), 1);
    options.limits.connection = ConnectionLimits { inline_max: 2048, ..ConnectionLimits::default() };
    let served = Served::new(&options).with(0, MemoryDisk::new(1 << 20));
    let mut host = served.login(1, &[0]);
    host.frames().stream().set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    for _ in 0..100 {
        host.submit_ping(&[7; 1000], true).unwrap();
    }
    while host.in_flight() > 0 {
        assert!(matches!(host.complete().unwrap().answer, Answer::Pong(data) if data == [7; 1000]));
    }
}

/// A login that waits at its last step.
fn half_logged_in(served: &Served) -> Frames<std::net::TcpStream> {
    let mut frames = Frames::new(served.stream());
    let text = format!("InitiatorName={HOST}\0TargetName={TARGET}\0SessionType=Normal\0AuthMethod=None\0");
    frames.send_bytes(&login_request(0x81, &text));
    frames.flush().unwrap();
    assert_eq!(frames.receive().unwrap().bhs[36], 0, "the first step is passed");
    frames
}

/// A Login Request with these transit and stage bits (RFC 7143 §11.12).
fn login_request(flags: u8, text: &str) -> Vec<u8> {
    let mut bhs = [0; 48];
    (bhs[0], bhs[1]) = (0x43, flags);
    bhs[8..14].copy_from_slice(&settings(9).isid);
    bhs[19] = 1;
    bhs[27] = 1;
    Pdu::new(bhs, [], text.as_bytes()).encode(Default::default())
}

#[test]
fn who_passed_the_rules_of_a_target_does_not_enter_another_of_its_name() {
    let served = Served::new(&options(Default::default(), 1));
    let mut frames = half_logged_in(&served);
    served.engine.remove_target(&iqn()).unwrap();
    let chap = vec![ChapSpec::new("user", SecretSource::Inline(Secret::parse("a secret of 12+").unwrap())).unwrap()];
    served.engine.add_target(&iqn(), &TargetSpec { chap, ..open_target() }).unwrap();
    frames.send_bytes(&login_request(0x87, "MaxRecvDataSegmentLength=8192\0"));
    frames.flush().unwrap();
    let entered = frames.receive().is_ok_and(|answer| answer.bhs[36] == 0);
    assert!(!entered && served.engine.sessions().is_empty());
}

#[test]
fn a_discovery_session_that_names_a_target_ends_no_session_of_it() {
    let served = Served::new(&options(Default::default(), 2)).with(0, MemoryDisk::new(1 << 20));
    let mut host = served.login(1, &[0]);
    let isid = settings(1).isid;
    let mut frames = Frames::new(served.stream());
    let text = format!("InitiatorName={HOST}\0TargetName={TARGET}\0SessionType=Discovery\0AuthMethod=None\0");
    let mut request = login_request(0x81, &text);
    request[8..14].copy_from_slice(&isid);
    frames.send_bytes(&request);
    frames.flush().unwrap();
    assert_eq!(frames.receive().unwrap().bhs[36], 0);
    let mut request = login_request(0x87, "MaxRecvDataSegmentLength=8192\0");
    request[8..14].copy_from_slice(&isid);
    frames.send_bytes(&request);
    frames.flush().unwrap();
    assert_eq!(frames.receive().unwrap().bhs[36], 0, "it is let in");
    host.write(0, 0, &[1; 512], BLOCK).unwrap();
    assert_eq!(served.engine.sessions().len(), 2);
}

#[test]
fn a_change_that_waits_for_a_stuck_disk_holds_no_other_change_up() {
    let (served, disk) = hanging(OpKind::Write, 2);
    let mut host = served.login(1, &[0]);
    host.submit(&Request::new(0, &cdb::write16(0, 1)).writing(vec![1; 512])).unwrap();
    until("the write hangs", || {
        host.ping(b"").unwrap();
        disk.hanging() == 1
    });
    let engine = served.engine.clone();
    let removal = thread::spawn(move || engine.remove_target(&iqn()));
    until("the session ends", || served.engine.sessions().is_empty());
    let began = Instant::now();
    let other = Iqn::parse("iqn.2026-11.com.example:other").unwrap();
    served.engine.add_target(&other, &open_target()).unwrap();
    let disk_of_other = Arc::new(MemoryDisk::new(1 << 20));
    served.engine.add_disk(&other, lun(0), disk_of_other, &IdentitySpec::default()).unwrap();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(!removal.is_finished());
    assert_eq!(disk.fail_hanging(DiskError::Lost), 1);
    removal.join().unwrap().unwrap();
}

#[test]
fn what_is_left_of_a_command_never_goes_to_another_disk_of_the_same_number() {
    let old = FaultyDisk::new(MemoryDisk::new(8 << 20));
    old.add(Rule::new(Fault::Delay(Duration::from_millis(700))).on(OpKind::Write).times(1));
    let served = Served::new(&options(Default::default(), 1)).with(0, old);
    let mut host = served.login(1, &[0]);
    let tag = host.submit(&Request::new(0, &write_same(8192)).writing(vec![7; 512])).unwrap();
    host.ping(b"").unwrap();
    let engine = served.engine.clone();
    let removal = thread::spawn(move || engine.remove_lun(&iqn(), lun(0)));
    until("the LUN is gone", || served.engine.catalog().luns().next().is_none());
    served.add(0, Arc::new(MemoryDisk::new(8 << 20)));
    let Answer::Scsi(result) = host.complete_one(tag).unwrap() else { panic!("a command was sent") };
    assert_eq!(result.sense_code(), Some((5, 0x25, 0)));
    removal.join().unwrap().unwrap();
    host.settle(0).unwrap();
    assert!(host.read(0, 0, 8192, BLOCK).unwrap().iter().all(|byte| *byte == 0));
}

#[test]
fn of_two_who_add_a_lun_of_one_number_one_is_refused() {
    let served = Served::new(&options(Default::default(), 1));
    for number in 0..64 {
        let add = |engine: ferrite_engine::Engine| {
            move || {
                let disk = Arc::new(MemoryDisk::new(1 << 20));
                engine.add_disk(&iqn(), lun(number), disk, &IdentitySpec::default()).is_ok()
            }
        };
        let rivals: Vec<_> = (0..2).map(|_| thread::spawn(add(served.engine.clone()))).collect();
        let winners = rivals.into_iter().map(|rival| rival.join().unwrap()).filter(|won| *won);
        assert_eq!(winners.count(), 1, "lun {number}");
    }
}

#[test]
fn hosts_that_read_nothing_or_owe_their_data_leave_buffers_for_others() {
    let options = EngineOptions { pool_bytes: 32 << 20, ..options(Default::default(), 1) };
    let (served, _folder) = on_block_disk(&options, 64 << 20);
    let mut deaf = served.login(1, &[0]);
    for at in 0..64u64 {
        deaf.submit(&Request::new(0, &cdb::read16(at * 2048, 2048)).reading(1 << 20)).unwrap();
    }
    deaf.frames().flush().unwrap();
    let mut mute = Initiator::login(served.stream(), &solicited(2)).unwrap();
    mute.settle(0).unwrap();
    mute.manners.answer_r2t = false;
    for at in 0..64u64 {
        mute.submit(&Request::new(0, &cdb::write16(at * 2048, 2048)).writing(vec![1; 1 << 20])).unwrap();
    }
    mute.ping(b"").unwrap();
    let mut host = served.login(3, &[0]);
    let began = Instant::now();
    for at in 0..16u64 {
        host.write(0, at * 2048, &[3; 256 << 10], BLOCK).unwrap();
        assert_eq!(host.read(0, at * 2048, 512, BLOCK).unwrap(), [3; 256 << 10]);
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    // When they go, all they had comes home.
    drop((deaf, mute));
    until("all buffers come home", || served.engine.buffers()[0].lent == 0);
}

#[test]
fn a_write_that_got_its_buffer_by_the_end_of_another_session_is_asked_for_its_data() {
    let small = EngineOptions { pool_bytes: 0, ..options(Default::default(), 1) };
    let (served, _folder) = on_block_disk(&small, 8 << 20);
    let write = || Request::new(0, &cdb::write16(0, 2048)).writing(vec![1; 1 << 20]);
    let mut mute: Vec<_> = (1..=4)
        .map(|port| {
            let mut host = Initiator::login(served.stream(), &solicited(port)).unwrap();
            host.settle(0).unwrap();
            host.manners.answer_r2t = false;
            host.submit(&write()).unwrap();
            host.ping(b"").unwrap();
            host
        })
        .collect();
    assert_eq!(served.engine.buffers()[0].lent, 4 << 20, "all but the reserve");
    let mut host = Initiator::login(served.stream(), &solicited(5)).unwrap();
    host.settle(0).unwrap();
    host.frames().stream().set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let waiting = host.submit(&write()).unwrap();
    host.ping(b"").unwrap();
    mute.pop();
    let Answer::Scsi(result) = host.complete_one(waiting).unwrap() else { panic!("a command was sent") };
    assert!(result.is_good());
}

#[test]
fn a_login_that_waits_for_its_older_session_is_refused_by_a_shutdown() {
    let (served, disk) = hanging(OpKind::Write, 1);
    let mut old = served.login(1, &[0]);
    old.submit(&Request::new(0, &cdb::write16(0, 1)).writing(vec![1; 512])).unwrap();
    old.ping(b"").unwrap();
    let stream = served.stream();
    let waiting = thread::spawn(move || Initiator::login(stream, &settings(1)).map(drop));
    until("the old session is closed", || old.ping(b"").is_err());
    let engine = served.engine.clone();
    let down = thread::spawn(move || engine.shutdown(Duration::from_secs(2)));
    let refused = waiting.join().unwrap().unwrap_err().to_string();
    assert!(refused.contains("0301"), "{refused}");
    assert_eq!(disk.fail_hanging(DiskError::Lost), 1);
    assert!(down.join().unwrap().is_clean());
}

#[test]
fn random_bytes_end_a_connection_and_nothing_else() {
    let served = Served::new(&options(Default::default(), 1)).with(0, MemoryDisk::new(1 << 20));
    let mut host = served.login(1, &[0]);
    for seed in 0..200 {
        let mut bytes = pattern(seed, 400);
        // Half of them into a session, past its login.
        if seed % 2 == 0 {
            let mut victim = Initiator::login(served.stream(), &settings(100)).unwrap();
            // Opcodes that exist, lengths that are small, numbers that are right: further in.
            for pdu in bytes.chunks_exact_mut(48) {
                pdu[0] = [0x40, 0x41, 0x01, 0x42, 0x04, 0x05, 0x46, 0x10][usize::from(pdu[0] % 8)];
                pdu[4..7].fill(0);
            }
            victim.frames().send_bytes(&bytes);
            let _ = victim.frames().flush();
        } else {
            bytes[0] = 0x43;
            let mut stream = served.stream();
            let _ = stream.write_all(&bytes);
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        }
        assert_eq!(host.ping(b"alive").unwrap(), b"alive", "seed {seed}");
    }
    let shape = catch_unwind(AssertUnwindSafe(|| {
        let disk = Arc::new(Shapeless);
        served.engine.add_disk(&iqn(), lun(1), disk, &IdentitySpec::default()).is_err()
    }));
    assert!(shape.unwrap(), "a disk without blocks is refused");
}

/// A disk of no shape at all.
struct Shapeless;

impl Backend for Shapeless {
    fn geometry(&self) -> Geometry {
        Geometry { block_size: 0, physical_block: 0, ..Geometry::plain(512, 1 << 20) }
    }

    fn submit(&self, _job: Job, _ring: &mut dyn FileRing) {}

    fn refresh(&self) -> std::io::Result<Geometry> {
        Ok(self.geometry())
    }

    fn describe(&self) -> String {
        "shapeless".to_owned()
    }
}
