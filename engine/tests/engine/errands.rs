//! What outlives the process, and what commands do away from their shards.

use crate::common::*;
use ferrite_api::{IdentitySpec, InquiryText, codes};
use ferrite_backends::{
    Backend, Create, DiskError, DiskOptions, Fault, FaultyDisk, FileDisk, MemoryDisk, OpKind, Rule,
};
use ferrite_engine::{Engine, EngineOptions, IoChoice};
use ferrite_iscsi::initiator::{Answer, Initiator, Notice, Request, ScsiResult, cdb, lun as lun_field};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ABORT_TASK: u8 = 1;
const TEST_UNIT_READY: [u8; 6] = [0; 6];
const INTERNAL_FAILURE: (u8, u8, u8) = (4, 0x44, 0);
const SANITIZING: (u8, u8, u8) = (2, 0x04, 0x1B);

fn keeping(folder: &Path) -> EngineOptions {
    keeping_by(Default::default(), folder)
}

fn keeping_by(choice: IoChoice, folder: &Path) -> EngineOptions {
    EngineOptions { state_dir: Some(folder.to_owned()), ..options(choice, 2) }
}

/// A disk of `mib` MiB whose jobs of one kind take a while.
fn slow(mib: u64, kind: OpKind, each: Duration) -> Arc<FaultyDisk<MemoryDisk>> {
    let disk = FaultyDisk::new(MemoryDisk::new(mib << 20));
    disk.add(Rule::new(Fault::Delay(each)).on(kind));
    Arc::new(disk)
}

fn ready(host: &mut Initiator<TcpStream>) -> ScsiResult {
    host.command(&Request::new(0, &TEST_UNIT_READY)).unwrap()
}

/// Asks until the unit is ready; how often it was not, and what it said then.
fn until_ready(host: &mut Initiator<TcpStream>) -> Vec<ScsiResult> {
    let until = Instant::now() + Duration::from_secs(30);
    let mut told = Vec::new();
    loop {
        let answer = ready(host);
        if answer.is_good() {
            return told;
        }
        assert!(Instant::now() < until, "never ready: {answer:?}");
        told.push(answer);
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// SANITIZE, OVERWRITE once with bytes of 5Ah.
fn overwrite(immediate: bool) -> Request {
    let immediate = if immediate { 0x80 } else { 0 };
    let list = [0x01, 0, 0, 4, 0x5A, 0x5A, 0x5A, 0x5A];
    Request::new(0, &[0x48, immediate | 0x01, 0, 0, 0, 0, 0, 0, 8, 0]).writing(list.to_vec())
}

/// MODE SELECT of the control page with SWP as said, saved.
fn write_protect(host: &mut Initiator<TcpStream>, on: bool) -> ScsiResult {
    let mut list =
        host.command(&Request::new(0, &[0x1A, 0x08, 0x0A, 0, 255, 0]).reading(255)).unwrap().data[..16].to_vec();
    list[..4].fill(0);
    assert_eq!(list[4..6], [0x8A, 0x0A], "the control page, which can be saved");
    list[4] = 0x0A;
    list[8] = if on { list[8] | 0x08 } else { list[8] & !0x08 };
    host.command(&Request::new(0, &[0x15, 0x11, 0, 0, 16, 0]).writing(list)).unwrap()
}

fn write(host: &mut Initiator<TcpStream>) -> ScsiResult {
    host.command(&Request::new(0, &cdb::write16(0, 1)).writing(vec![7; 512])).unwrap()
}

#[test]
fn a_state_directory_serves_one_engine_and_is_free_when_that_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::new(&keeping(folder.path()));
    let error = Engine::start(&keeping(folder.path())).unwrap_err();
    assert!(error.to_string().contains("another process"), "{error}");
    drop(served);
    Engine::start(&keeping(folder.path())).unwrap();
    let file = folder.path().join("lock");
    assert!(Engine::start(&keeping(&file)).is_err(), "a file is no directory");
}

#[test]
fn a_lun_whose_kept_state_is_damaged_is_refused_by_the_name_of_the_file_and_others_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::new(&keeping(folder.path())).with(0, MemoryDisk::new(1 << 20));
    let file = served.engine.catalog().luns().next().unwrap().keeper.clone().unwrap().path().to_owned();
    served.engine.remove_lun(&iqn(), lun(0)).unwrap();
    std::fs::write(&file, b"{").unwrap();
    let add = |number| {
        let disk = Arc::new(MemoryDisk::new(1 << 20));
        served.engine.add_disk(&iqn(), lun(number), disk, &IdentitySpec::default())
    };
    let refusal = add(0).unwrap_err();
    assert_eq!(refusal.code, codes::STATE_UNUSABLE);
    assert!(refusal.what.contains(file.to_str().unwrap()), "{}", refusal.what);
    add(1).unwrap();
    std::fs::remove_file(&file).unwrap();
    add(0).unwrap();
}

#[test]
fn one_disk_twice_in_one_target_is_refused_where_its_reservations_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(MemoryDisk::new(1 << 20));
    let serial = IdentitySpec { serial: Some(InquiryText::parse("1").unwrap()), ..IdentitySpec::default() };
    for (options, fits) in [(options(Default::default(), 1), true), (keeping(folder.path()), false)] {
        let served = Served::new(&options);
        served.engine.add_disk(&iqn(), lun(0), disk.clone(), &serial).unwrap();
        let second = served.engine.add_disk(&iqn(), lun(1), disk.clone(), &serial);
        assert_eq!(second.map_err(|refusal| refusal.code), if fits { Ok(()) } else { Err(codes::DISK_TWICE) });
    }
}

#[test]
fn what_is_saved_is_on_the_disk_before_good_and_true_after_a_restart() {
    both_tenants(|choice| {
        let folder = tempfile::tempdir().unwrap();
        let served = Served::new(&keeping_by(choice, folder.path())).with(0, MemoryDisk::new(1 << 20));
        let (mut host, mut other) = (served.login(1, &[0]), served.login(2, &[0]));
        let file = served.engine.catalog().luns().next().unwrap().keeper.clone().unwrap().path().to_owned();
        assert!(!file.exists());
        assert!(write_protect(&mut host, true).is_good());
        let kept = std::fs::read_to_string(&file).unwrap();
        assert!(kept.contains("\"write_protect\": true"), "{kept}");
        assert_eq!(ready(&mut other).sense_code(), Some((6, 0x2A, 1)));
        assert_eq!(write(&mut other).sense_code(), Some((7, 0x27, 2)));
        drop(served);
        let served = Served::new(&keeping_by(choice, folder.path())).with(0, MemoryDisk::new(1 << 20));
        let mut host = served.login(1, &[0]);
        assert_eq!(write(&mut host).sense_code(), Some((7, 0x27, 2)));
        assert!(write_protect(&mut host, false).is_good());
        assert!(write(&mut host).is_good());
    });
}

#[test]
fn where_nothing_can_be_kept_the_command_fails_and_nothing_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let served = Served::new(&keeping(&state)).with(0, MemoryDisk::new(1 << 20));
    let (mut host, mut other) = (served.login(1, &[0]), served.login(2, &[0]));
    std::fs::rename(&state, folder.path().join("away")).unwrap();
    for _ in 0..3 {
        assert_eq!(write_protect(&mut host, true).sense_code(), Some(INTERNAL_FAILURE));
    }
    assert!(write(&mut host).is_good());
    assert!(ready(&mut other).is_good(), "nobody hears of what did not happen");
    std::fs::rename(folder.path().join("away"), &state).unwrap();
    assert!(write_protect(&mut host, true).is_good());
    assert_eq!(write(&mut host).sense_code(), Some((7, 0x27, 2)));
}

#[test]
fn a_disk_is_asked_where_its_space_is_without_the_shard() {
    both_tenants(|choice| {
        let folder = tempfile::tempdir().unwrap();
        let create = Some(Create { bytes: 16 << 20, allocate: false });
        let options_of_disk = DiskOptions { create, ..Default::default() };
        let disk = FileDisk::open(folder.path().join("disk"), &options_of_disk).unwrap();
        let served = Served::new(&options(choice, 1)).with(0, disk);
        let mut host = served.login(1, &[0]);
        host.write(0, 8192, &pattern(1, 1 << 20), BLOCK).unwrap();
        let get_lba_status = |lba: u64| {
            let mut cdb = [0x9E, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0];
            cdb[2..10].copy_from_slice(&lba.to_be_bytes());
            Request::new(0, &cdb).reading(255)
        };
        let answer = host.command(&get_lba_status(0)).unwrap();
        assert!(answer.is_good(), "{answer:?}");
        let runs: Vec<(u64, u32, u8)> = answer.data[8..]
            .chunks_exact(16)
            .map(|run| {
                let lba = u64::from_be_bytes(run[..8].try_into().unwrap());
                (lba, u32::from_be_bytes(run[8..12].try_into().unwrap()), run[12] & 0x0F)
            })
            .take_while(|(_, blocks, _)| *blocks > 0)
            .collect();
        assert_eq!(runs, [(0, 8192, 1), (8192, 2048, 0), (10240, 22528, 1)]);
        assert_eq!(host.command(&get_lba_status(32768)).unwrap().sense_code(), Some((5, 0x21, 0)));
    });
}

#[test]
fn a_sanitize_tells_how_far_it_is_and_goes_on_without_its_session() {
    both_tenants(|choice| {
        let served = Served::new(&options(choice, 2));
        served.add(0, slow(16, OpKind::Write, Duration::from_millis(20)));
        let (mut host, mut other) = (served.login(1, &[0]), served.login(2, &[0]));
        assert!(host.command(&overwrite(true)).unwrap().is_good());
        assert_eq!(ready(&mut host).sense_code(), Some(SANITIZING), "true from the answer on");
        assert_eq!(host.command(&overwrite(true)).unwrap().sense_code(), Some(SANITIZING));
        drop(host);
        let read = other.command(&Request::new(0, &cdb::read16(0, 1)).reading(512)).unwrap();
        assert_eq!(read.sense_code(), Some(SANITIZING));
        let mut shares: Vec<u16> = Vec::new();
        while ready(&mut other).sense_code() == Some(SANITIZING) {
            let sense = other.command(&Request::new(0, &[0x03, 0, 0, 0, 18, 0]).reading(18)).unwrap().data;
            if sense[2] & 0x0F == 2 {
                assert_eq!(sense[15] & 0x80, 0x80, "SKSV: {sense:02x?}");
                shares.push(u16::from_be_bytes([sense[16], sense[17]]));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(shares.is_sorted() && shares.first() < shares.last(), "{shares:?}");
        assert!(ready(&mut other).is_good());
        for lba in [0, 1000, 32767] {
            assert_eq!(other.read(0, lba, 1, BLOCK).unwrap(), [0x5A; 512]);
        }
    });
}

#[test]
fn what_was_planned_before_a_sanitize_never_lands_behind_it() {
    let served = Served::new(&options(Default::default(), 2));
    served.add(0, slow(4, OpKind::Write, Duration::from_millis(100)));
    let mut late = settings(2);
    (late.keys.initial_r2t, late.keys.immediate_data) = (true, false);
    let (mut on_disk, mut host) = (served.login(1, &[0]), served.login(3, &[0]));
    let mut owing = Initiator::login(served.stream(), &late).unwrap();
    owing.settle(0).unwrap();
    (owing.manners.answer_r2t, owing.manners.check_exp_data_sn) = (false, false);
    on_disk.submit(&Request::new(0, &cdb::write16(0, 1)).writing(vec![1; 512])).unwrap();
    let owed = owing.submit(&Request::new(0, &cdb::write16(1, 1)).writing(vec![2; 512])).unwrap();
    on_disk.ping(b"").unwrap();
    owing.ping(b"").unwrap();
    let Some(Notice::Asked(r2t)) = owing.poll_notice() else { panic!("its data is asked for") };
    assert!(host.command(&overwrite(true)).unwrap().is_good());
    assert_eq!(ready(&mut host).sense_code(), Some(SANITIZING));
    let mut data = [0; 48 + 512];
    (data[0], data[1], data[6]) = (0x05, 0x80, 0x02);
    data[8..16].copy_from_slice(&lun_field(0));
    data[16..20].copy_from_slice(&owed.to_be_bytes());
    data[20..24].copy_from_slice(&r2t.ttt.to_be_bytes());
    data[28..32].copy_from_slice(&owing.exp_stat_sn().to_be_bytes());
    owing.frames().send_bytes(&data);
    owing.frames().flush().unwrap();
    match owing.complete_one(owed).unwrap() {
        Answer::Scsi(result) => assert_eq!(result.sense_code(), Some(SANITIZING)),
        other => panic!("{other:?}"),
    }
    until_ready(&mut host);
    assert_eq!(host.read(0, 0, 2, BLOCK).unwrap(), [0x5A; 1024]);
}

#[test]
fn a_sanitize_whose_command_is_aborted_goes_on_and_the_abort_does_not_wait_for_it() {
    let served = Served::new(&options(Default::default(), 1));
    served.add(0, slow(16, OpKind::Write, Duration::from_millis(30)));
    let mut host = served.login(1, &[0]);
    let tag = host.submit(&overwrite(false)).unwrap();
    host.ping(b"").unwrap();
    let began = Instant::now();
    assert_eq!(host.manage(ABORT_TASK, lun_field(0), Some(tag)).unwrap(), 0);
    assert!(began.elapsed() < Duration::from_millis(300), "{:?}", began.elapsed());
    host.forget(tag);
    assert_eq!(ready(&mut host).sense_code(), Some(SANITIZING));
    until_ready(&mut host);
    assert_eq!(host.read(0, 32767, 1, BLOCK).unwrap(), [0x5A; 512]);
    assert!(host.command(&overwrite(false)).unwrap().is_good());
    assert!(ready(&mut host).is_good(), "ready before the answer");
}

#[test]
fn a_sanitize_that_fails_leaves_the_unit_unusable_until_another_succeeds() {
    let served = Served::new(&options(Default::default(), 1));
    let disk = Arc::new(FaultyDisk::new(MemoryDisk::new(4 << 20)));
    disk.add(Rule::new(Fault::Fail(DiskError::Medium)).on(OpKind::Write).touching(2 << 20..(2 << 20) + 1));
    served.add(0, disk.clone());
    let mut host = served.login(1, &[0]);
    let failed = host.command(&overwrite(false)).unwrap();
    assert_eq!(failed.sense_code(), Some((3, 0x0C, 0)));
    assert_eq!(ready(&mut host).sense_code(), Some((3, 0x31, 3)));
    assert_eq!(write(&mut host).sense_code(), Some((3, 0x31, 3)));
    disk.heal();
    assert!(host.command(&overwrite(false)).unwrap().is_good());
    assert!(write(&mut host).is_good());
}

#[test]
fn a_restart_forgets_no_sanitize_that_did_not_reach_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(FaultyDisk::new(MemoryDisk::new(4 << 20)));
    let served = || {
        let served = Served::new(&keeping(folder.path()));
        served.add(0, disk.clone());
        let mut host = served.login(1, &[]);
        assert_eq!(ready(&mut host).sense_code(), Some((6, 0x29, 0)));
        (served, host)
    };
    disk.add(Rule::new(Fault::Fail(DiskError::Medium)).on(OpKind::Write));
    let (first, mut host) = served();
    assert_eq!(host.command(&overwrite(false)).unwrap().sense_code(), Some((3, 0x0C, 0)));
    drop((first, host));
    disk.heal();
    let (second, mut host) = served();
    assert_eq!(ready(&mut host).sense_code(), Some((3, 0x31, 3)));
    assert_eq!(write(&mut host).sense_code(), Some((3, 0x31, 3)));
    assert!(host.command(&overwrite(false)).unwrap().is_good());
    assert!(write(&mut host).is_good());
    drop((second, host));
    let (_third, mut host) = served();
    assert!(write(&mut host).is_good());
}

#[test]
fn a_sanitize_that_was_answered_at_once_is_not_forgotten_wherever_the_engine_stops() {
    let folder = tempfile::tempdir().unwrap();
    // More than are done at a time: some of them have not touched anything yet.
    let luns: Vec<u16> = (0..7).collect();
    let disks: Vec<_> = luns.iter().map(|_| slow(64, OpKind::Write, Duration::from_millis(20))).collect();
    let serve = || {
        let served = Served::new(&keeping(folder.path()));
        luns.iter().zip(&disks).for_each(|(number, disk)| served.add(*number, disk.clone()));
        served
    };
    let first = serve();
    let mut host = first.login(1, &luns);
    for (number, lun) in luns.iter().zip(first.engine.catalog().luns()) {
        let began = Instant::now();
        let request = Request { lun: lun_field(*number), ..overwrite(true) };
        assert!(host.command(&request).unwrap().is_good());
        assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
        let kept = std::fs::read_to_string(lun.keeper.as_ref().unwrap().path()).unwrap();
        assert!(kept.contains("Sanitize"), "a loss of power may come now: {kept}");
    }
    drop((first, host));
    let second = serve();
    let mut host = second.login(1, &[]);
    for number in luns {
        let tell = Request::new(number, &TEST_UNIT_READY);
        while host.command(&tell).unwrap().sense_code().is_some_and(|(key, ..)| key == 6) {}
        assert_eq!(host.command(&tell).unwrap().sense_code(), Some((3, 0x31, 3)), "lun {number}");
    }
}

#[test]
fn where_it_cannot_be_kept_that_a_sanitize_began_nothing_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let served = Served::new(&keeping(&state)).with(0, MemoryDisk::new(1 << 20));
    let mut host = served.login(1, &[0]);
    assert!(write(&mut host).is_good());
    std::fs::rename(&state, folder.path().join("away")).unwrap();
    for immediate in [false, true] {
        assert_eq!(host.command(&overwrite(immediate)).unwrap().sense_code(), Some(INTERNAL_FAILURE));
        assert_eq!(host.read(0, 0, 1, BLOCK).unwrap(), [7; 512]);
    }
    std::fs::rename(folder.path().join("away"), &state).unwrap();
    assert!(host.command(&overwrite(false)).unwrap().is_good());
    assert_eq!(host.read(0, 0, 1, BLOCK).unwrap(), [0x5A; 512]);
}

#[test]
fn while_a_sanitize_runs_a_reserve_is_told_so_at_once() {
    let served = Served::new(&options(Default::default(), 1));
    served.add(0, slow(16, OpKind::Write, Duration::from_millis(100)));
    let (mut host, mut other) = (served.login(1, &[0]), served.login(2, &[0]));
    let tag = host.submit(&overwrite(false)).unwrap();
    host.ping(b"").unwrap();
    let began = Instant::now();
    let reserve = other.command(&Request::new(0, &[0x16, 0, 0, 0, 0, 0])).unwrap();
    assert_eq!(reserve.sense_code(), Some(SANITIZING));
    assert!(began.elapsed() < Duration::from_millis(300), "{:?}", began.elapsed());
    host.complete_one(tag).unwrap();
}

#[test]
fn a_removed_lun_and_a_shutdown_end_a_sanitize_and_nothing_is_written_after_them() {
    let disks: Vec<_> = (0..2).map(|_| slow(64, OpKind::Write, Duration::from_millis(20))).collect();
    let served = Served::new(&options(Default::default(), 1));
    for (number, disk) in (0..).zip(&disks) {
        served.add(number, disk.clone());
        let mut host = served.login(1, &[number]);
        assert!(host.command(&Request { lun: lun_field(number), ..overwrite(true) }).unwrap().is_good());
    }
    let resident = |disk: &FaultyDisk<MemoryDisk>| disk.usage().unwrap().unwrap().used;
    let began = Instant::now();
    served.engine.remove_lun(&iqn(), lun(0)).unwrap();
    let removed = resident(&disks[0]);
    served.engine.shutdown(Duration::ZERO);
    let stopped = resident(&disks[1]);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(removed < 60 << 20 && stopped < 60 << 20, "{removed} {stopped}");
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!((resident(&disks[0]), resident(&disks[1])), (removed, stopped));
}

#[test]
fn a_format_zeroes_the_medium_and_is_answered_when_it_is_done() {
    both_tenants(|choice| {
        let served = Served::new(&options(choice, 1)).with(0, MemoryDisk::new(1 << 20));
        let mut host = served.login(1, &[0]);
        host.write(0, 5, &pattern(3, 4096), BLOCK).unwrap();
        assert!(host.command(&Request::new(0, &[0x04, 0, 0, 0, 0, 0])).unwrap().is_good());
        assert_eq!(host.read(0, 0, 2048, BLOCK).unwrap(), vec![0; 1 << 20]);
    });
}
