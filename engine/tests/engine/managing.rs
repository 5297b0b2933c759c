//! Task management, reinstatement and limits on a running engine: who waits for whom, and for how long.

use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::common::*;
use ferrite_backends::{DiskError, Fault, FaultyDisk, MemoryDisk, OpKind, Rule};
use ferrite_iscsi::initiator::{Answer, Error, Initiator, Notice, Request, cdb, lun as lun_field};
use ferrite_iscsi::{ConnectionLimits, LoginLimits};

const ABORT_TASK: u8 = 1;
const ABORT_TASK_SET: u8 = 2;
const CLEAR_TASK_SET: u8 = 4;
const LUN_RESET: u8 = 5;
const WARM_RESET: u8 = 6;
const QUERY_TASK: u8 = 9;

fn hanging(kind: OpKind) -> (Served, Arc<FaultyDisk<MemoryDisk>>) {
    let disk = Arc::new(FaultyDisk::new(MemoryDisk::new(1 << 20)));
    disk.add(Rule::new(Fault::Hang).on(kind));
    let served = Served::new(&options(Default::default(), 2));
    served.add(0, disk.clone());
    (served, disk)
}

/// Runs `later` on another thread after a while.
fn soon(later: impl FnOnce() + Send + 'static) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        later();
    })
}

#[test]
fn abort_task_is_answered_when_the_disk_is_done_with_the_command_and_not_before() {
    let (served, disk) = hanging(OpKind::Write);
    // The queries of RFC 7144 want its protocol level.
    let mut settings = settings(1);
    settings.extra.push(("iSCSIProtocolLevel".into(), "2".into()));
    let mut host = Initiator::login(served.stream(), &settings).unwrap();
    host.settle(0).unwrap();
    let tag = host.submit(&Request::new(0, &cdb::write16(0, 1)).writing(vec![1; 512])).unwrap();
    host.ping(b"").unwrap();
    assert_eq!(disk.hanging(), 1);
    assert_eq!(host.manage(QUERY_TASK, lun_field(0), Some(tag)).unwrap(), 7);
    let began = Instant::now();
    let held = disk.clone();
    let release = soon(move || assert_eq!(held.fail_hanging(DiskError::Medium), 1));
    assert_eq!(host.manage(ABORT_TASK, lun_field(0), Some(tag)).unwrap(), 0);
    assert!(began.elapsed() >= Duration::from_millis(250), "{:?}", began.elapsed());
    release.join().unwrap();
    host.forget(tag);
    assert_eq!(host.manage(QUERY_TASK, lun_field(0), Some(tag)).unwrap(), 0);
    disk.heal();
    host.write(0, 0, &[2; 512], BLOCK).unwrap();
}

#[test]
fn a_later_abort_waits_for_what_an_earlier_one_left_on_the_disk() {
    let (served, disk) = hanging(OpKind::Write);
    let mut host = served.login(1, &[0]);
    let write = host.submit(&Request::new(0, &cdb::write16(0, 1)).writing(vec![1; 512])).unwrap();
    host.ping(b"").unwrap();
    let first = host.submit_manage(ABORT_TASK, lun_field(0), Some(write)).unwrap();
    let second = host.submit_manage(ABORT_TASK, lun_field(0), Some(write)).unwrap();
    let third = host.submit_manage(ABORT_TASK_SET, lun_field(0), None).unwrap();
    for _ in 0..10 {
        host.ping(b"").unwrap();
        assert!(host.poll_completion().is_none(), "answered while the write is on the disk");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(disk.fail_hanging(DiskError::Lost), 1);
    assert!(matches!(host.complete_one(first).unwrap(), Answer::Managed(0)));
    assert!(matches!(host.complete_one(second).unwrap(), Answer::Managed(1)));
    assert!(matches!(host.complete_one(third).unwrap(), Answer::Managed(0)));
}

#[test]
fn a_logout_is_answered_and_closed_in_order_although_bytes_stand_behind_it() {
    let served = Served::new(&options(Default::default(), 1)).with(0, MemoryDisk::new(1 << 20));
    let mut host = served.login(1, &[0]);
    let logout = host.submit_logout(0, 0).unwrap();
    host.frames().send_bytes(&[0; 64 << 10]);
    host.frames().flush().unwrap();
    std::thread::sleep(Duration::from_millis(100));
    // A host may still be sending when the answer is on its way, and must not lose it to a reset.
    host.frames().send_bytes(&[0; 64 << 10]);
    assert!(matches!(host.complete_one(logout).unwrap(), Answer::LoggedOut { response: 0, .. }));
    assert!(served.engine.sessions().is_empty(), "the session ends with the answer");
    assert!(matches!(host.advance(), Err(Error::Closed { inside_pdu: false })));
}

#[test]
fn a_lun_reset_ends_the_commands_of_all_sessions_and_tells_them() {
    let (served, disk) = hanging(OpKind::Read);
    let (mut one, mut other) = (served.login(1, &[0]), served.login(2, &[0]));
    let lost = other.submit(&Request::new(0, &cdb::read16(0, 1)).reading(512)).unwrap();
    other.ping(b"").unwrap();
    let held = disk.clone();
    let release = soon(move || assert_eq!(held.fail_hanging(DiskError::Lost), 1));
    assert_eq!(one.manage(LUN_RESET, lun_field(0), None).unwrap(), 0);
    release.join().unwrap();
    other.forget(lost);
    assert_eq!(other.command(&Request::new(0, &[0; 6])).unwrap().sense_code(), Some((6, 0x29, 3)));
    assert!(other.command(&Request::new(0, &[0; 6])).unwrap().is_good());
}

#[test]
fn a_cleared_task_set_is_told_to_those_who_lost_commands_only() {
    let (served, disk) = hanging(OpKind::Read);
    let mut hosts: Vec<_> = (0..3).map(|port| served.login(port, &[0])).collect();
    let lost = hosts[1].submit(&Request::new(0, &cdb::read16(0, 1)).reading(512)).unwrap();
    hosts[1].ping(b"").unwrap();
    let held = disk.clone();
    let release = soon(move || assert_eq!(held.fail_hanging(DiskError::Lost), 1));
    assert_eq!(hosts[0].manage(CLEAR_TASK_SET, lun_field(0), None).unwrap(), 0);
    release.join().unwrap();
    hosts[1].forget(lost);
    assert_eq!(hosts[1].command(&Request::new(0, &[0; 6])).unwrap().sense_code(), Some((6, 0x2f, 0)));
    assert!(hosts[0].command(&Request::new(0, &[0; 6])).unwrap().is_good());
    assert!(hosts[2].command(&Request::new(0, &[0; 6])).unwrap().is_good());
}

#[test]
fn a_session_that_agreed_to_fast_abort_hears_that_another_one_ended_its_commands() {
    let (served, disk) = hanging(OpKind::Read);
    let mut one = served.login(1, &[0]);
    let mut others: Vec<_> = [(2, "FastAbort"), (3, "RFC3720"), (4, "FastAbort")]
        .into_iter()
        .map(|(port, reporting)| {
            let mut settings = settings(port);
            settings.extra.push(("TaskReporting".into(), reporting.into()));
            let mut host = Initiator::login(served.stream(), &settings).unwrap();
            host.settle(0).unwrap();
            host
        })
        .collect();
    // The last one has nothing to lose.
    for host in &mut others[..2] {
        let lost = host.submit(&Request::new(0, &cdb::read16(0, 1)).reading(512)).unwrap();
        host.ping(b"").unwrap();
        host.forget(lost);
    }
    let held = disk.clone();
    let release = soon(move || assert_eq!(held.fail_hanging(DiskError::Lost), 2));
    assert_eq!(one.manage(LUN_RESET, lun_field(0), None).unwrap(), 0);
    release.join().unwrap();
    let mut heard = others.iter_mut().map(|host| {
        host.ping(b"").unwrap();
        host.poll_notice()
    });
    match heard.next().unwrap() {
        Some(Notice::Async(message, _)) => assert_eq!((message.event, message.lun), (5, lun_field(0))),
        other => panic!("{other:?}"),
    }
    assert!(heard.all(|notice| notice.is_none()));
}

#[test]
fn resets_and_the_end_of_a_session_drop_its_reservation() {
    let served = Served::new(&options(Default::default(), 2)).with(0, MemoryDisk::new(1 << 20));
    let reserve = Request::new(0, &[0x16, 0, 0, 0, 0, 0]);
    let (mut one, mut other) = (served.login(1, &[0]), served.login(2, &[0]));
    assert!(one.command(&reserve).unwrap().is_good());
    assert_eq!(other.command(&reserve).unwrap().status, 0x18);
    assert_eq!(other.manage(WARM_RESET, lun_field(0), None).unwrap(), 0);
    other.settle(0).unwrap();
    assert!(other.command(&reserve).unwrap().is_good());
    assert_eq!(one.command(&reserve).unwrap().sense_code(), Some((6, 0x29, 2)));
    assert_eq!(one.command(&reserve).unwrap().status, 0x18);
    drop(other);
    let until = Instant::now() + Duration::from_secs(5);
    while one.command(&reserve).unwrap().status == 0x18 {
        assert!(Instant::now() < until, "the lost session keeps its reservation");
    }
}

#[test]
fn a_new_login_of_the_same_initiator_port_waits_for_the_last_write_of_the_old_session() {
    let (served, disk) = hanging(OpKind::Write);
    let mut old = served.login(1, &[0]);
    old.submit(&Request::new(0, &cdb::write16(0, 1)).writing(vec![1; 512])).unwrap();
    old.ping(b"").unwrap();
    let began = Instant::now();
    let held = disk.clone();
    let release = soon(move || assert_eq!(held.fail_hanging(DiskError::Lost), 1));
    let mut new = Initiator::login(served.stream(), &settings(1)).unwrap();
    assert!(began.elapsed() >= Duration::from_millis(250), "{:?}", began.elapsed());
    release.join().unwrap();
    disk.heal();
    new.settle(0).unwrap();
    new.write(0, 0, &[2; 512], BLOCK).unwrap();
    assert!(old.ping(b"").is_err(), "the old session is gone");
    assert_eq!(served.engine.sessions().len(), 1);
}

#[test]
fn a_second_connection_of_a_session_is_refused_in_the_words_of_the_standard() {
    let served = Served::new(&options(Default::default(), 2)).with(0, MemoryDisk::new(1 << 20));
    let _host = served.login(1, &[0]);
    let tsih = served.engine.sessions()[0].tsih;
    for (tsih, words) in [(tsih, "0206"), (tsih + 1, "020a")] {
        let mut joining = settings(1);
        (joining.tsih, joining.cid) = (tsih, 1);
        let error = Initiator::login(served.stream(), &joining).unwrap_err().to_string().to_lowercase();
        assert!(error.contains(words), "{error}");
    }
    assert_eq!(served.engine.sessions().len(), 1, "the first connection goes on");
}

#[test]
fn a_peer_that_says_nothing_and_one_that_stops_in_the_middle_are_dropped() {
    let mut options = options(Default::default(), 1);
    options.limits.login = LoginLimits { timeout: Duration::from_millis(300) };
    options.limits.connection =
        ConnectionLimits { pdu_timeout: Duration::from_millis(300), ..ConnectionLimits::default() };
    let served = Served::new(&options).with(0, MemoryDisk::new(1 << 20));
    let mut silent = served.stream();
    assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0, "closed by the login deadline");
    let mut host = served.login(1, &[0]);
    host.frames().send_bytes(&[0x01; 20]);
    host.frames().flush().unwrap();
    assert!(host.ping(b"").is_err(), "closed by the deadline of a PDU");
    assert!(served.engine.sessions().is_empty());
}

#[test]
fn a_peer_that_stops_reading_is_dropped_and_others_go_on() {
    let mut options = options(Default::default(), 1);
    options.limits.connection =
        ConnectionLimits { stall_timeout: Duration::from_millis(500), ..ConnectionLimits::default() };
    let served = Served::new(&options).with(0, MemoryDisk::new(64 << 20));
    let (mut greedy, mut host) = (served.login(1, &[0]), served.login(2, &[0]));
    for at in 0..64u64 {
        greedy.submit(&Request::new(0, &cdb::read16(at * 2048, 2048)).reading(1 << 20)).unwrap();
    }
    greedy.frames().flush().unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    while served.engine.sessions().len() > 1 {
        host.read(0, 0, 8, BLOCK).unwrap();
        assert!(Instant::now() < until, "a peer that does not read is kept");
        std::thread::sleep(Duration::from_millis(20));
    }
}
