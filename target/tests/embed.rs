//! The library inside another program: serving, changing what is served, and stopping.

mod kit;

use ferrite::{AccessState, Error, Lun, MemoryDisk, Running, Target};
use ferrite_iscsi::initiator::{Initiator, Request, Settings, cdb};
use kit::{LIMIT, Session, enter};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn serve(name: &str) -> Running {
    let target = Target::builder(name).portal("127.0.0.1:0").allow("any");
    target.lun(0, Lun::memory(1 << 20)).serve().expect("it is served")
}

fn host(running: &Running) -> Session {
    enter(running.portals()[0], running.name().as_str())
}

#[test]
fn a_target_is_served_on_the_port_that_the_system_chose() {
    let running = serve("iqn.2026-11.com.example:a");
    assert_ne!(running.portals()[0].port(), 0);
    let mut session = host(&running);
    session.write(0, 0, &[7; 512], 512).unwrap();
    assert_eq!(session.read(0, 0, 1, 512).unwrap(), [7; 512]);
    let reports = running.sessions();
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].initiator, "iqn.2026-11.com.example:host");
    assert_eq!(reports[0].target.as_ref(), Some(running.name()));
}

#[test]
fn luns_come_grow_and_go_while_a_session_goes_on() {
    let running = serve("iqn.2026-11.com.example:b");
    let mut session = host(&running);
    assert_eq!(session.report_luns().unwrap().len(), 1);

    let disk = Arc::new(MemoryDisk::new(1 << 20).with_room_to(2 << 20));
    running.add_lun(5, Lun::shared(disk.clone())).unwrap();
    session.settle(0).unwrap();
    session.settle(5).unwrap();
    assert_eq!(session.report_luns().unwrap().len(), 2);
    assert_eq!(session.read_capacity(5).unwrap().blocks, 2048);

    disk.grow(2 << 20).unwrap();
    assert_eq!(running.resize_lun(5, false).unwrap(), 2 << 20);
    // CAPACITY DATA HAS CHANGED, once.
    let error = session.test_unit_ready(5).unwrap_err();
    assert!(error.to_string().to_lowercase().contains("2a"), "{error}");
    assert_eq!(session.read_capacity(5).unwrap().blocks, 4096);

    running.remove_lun(5).unwrap();
    session.settle(0).unwrap();
    assert_eq!(session.report_luns().unwrap().len(), 1);
    assert_eq!(Arc::strong_count(&disk), 1, "nothing uses the disk any more");
    session.read(0, 0, 1, 512).unwrap();
}

#[test]
fn two_portal_groups_are_two_paths_of_which_one_can_be_shut() {
    let target = Target::builder("iqn.2026-11.com.example:j").allow("any").lun(0, Lun::memory(1 << 20));
    let target = target.portal("127.0.0.1:0").portal_in(2, "127.0.0.1:0").access_state(2, AccessState::Standby);
    let running = target.serve().unwrap();
    let read = |session: &mut Session| session.read(0, 0, 1, 512);
    assert!(read(&mut host(&running)).is_ok());
    let login = |portal: usize| {
        let settings = Settings::normal("iqn.2026-11.com.example:host", running.name().as_str());
        kit::login(running.portals()[portal], &settings).unwrap()
    };
    let mut second = login(1);
    let told = |session: &mut Session| {
        std::iter::repeat_with(|| read(session))
            .take(3)
            .map(|read| read.err().map(|error| error.to_string()))
            .last()
            .unwrap()
    };
    assert!(told(&mut second).unwrap().to_lowercase().contains("04, 0b"));
    running.set_access_state(2, AccessState::ActiveOptimized).unwrap();
    assert_eq!(told(&mut second), None);
    assert_eq!(running.set_access_state(3, AccessState::Standby).unwrap_err().refusal().code, "F-0408");
}

#[test]
fn a_drive_is_served_and_its_disc_changed() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("a.iso");
    std::fs::write(&image, [7; 4096]).unwrap();
    let target = Target::builder("iqn.2026-11.com.example:k").portal("127.0.0.1:0").allow("any");
    let running = target.lun(0, Lun::cdrom(&image).unwrap()).lun(1, Lun::empty_drive()).serve().unwrap();
    let mut session = host(&running);
    // The commands of a drive are older than READ (16).
    let mut read = |lun: u16, lba: u32| {
        let read = Request::new(lun, &cdb::read10(lba, 1)).reading(2048);
        std::iter::repeat_with(|| session.command(&read).unwrap())
            .find(|read| read.sense_code().is_none_or(|sense| sense.0 != 6))
            .unwrap()
    };
    assert_eq!(read(0, 1).data, [7; 2048]);
    running.eject(0, false).unwrap();
    assert_eq!(read(0, 1).sense_code(), Some((2, 0x3a, 2)));
    running.insert(1, &image).unwrap();
    assert_eq!(read(1, 0).data, [7; 2048]);
    let code = |result: Result<(), Error>| result.unwrap_err().refusal().code;
    assert_eq!(code(running.insert(1, &image)), "F-0405");
    assert_eq!(code(running.insert(0, folder.path().join("none.iso"))), "F-0301");
    running.add_lun(2, Lun::memory(512)).unwrap();
    assert_eq!(code(running.eject(2, true)), "F-0409");
}

#[test]
fn changes_that_make_no_sense_are_refused_by_code() {
    let running = serve("iqn.2026-11.com.example:c");
    let code = |result: Result<(), Error>| result.unwrap_err().refusal().code;
    assert_eq!(code(running.add_lun(0, Lun::memory(512))), "F-0404");
    assert_eq!(code(running.add_lun(16384, Lun::memory(512))), "F-0202");
    assert_eq!(code(running.remove_lun(9)), "F-0402");
    assert_eq!(code(running.resize_lun(9, false).map(drop)), "F-0402");
}

#[test]
fn two_targets_live_side_by_side_in_one_program() {
    let (one, two) = (serve("iqn.2026-11.com.example:d1"), serve("iqn.2026-11.com.example:d2"));
    host(&one).write(0, 0, &[1; 512], 512).unwrap();
    assert_eq!(host(&two).read(0, 0, 1, 512).unwrap(), [0; 512]);
}

#[test]
fn a_target_that_is_dropped_stops_and_gives_its_port_back() {
    let running = serve("iqn.2026-11.com.example:e");
    let portal = running.portals()[0];
    let mut session = host(&running);
    drop(running);
    assert!(session.test_unit_ready(0).is_err());
    let until = Instant::now() + LIMIT;
    while TcpStream::connect(portal).is_ok() {
        assert!(Instant::now() < until, "somebody still listens");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_polite_stop_waits_for_hosts_to_leave() {
    let running = serve("iqn.2026-11.com.example:f");
    let session = host(&running);
    let leaving = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        session.logout()
    });
    let report = running.shutdown(LIMIT);
    assert!(report.is_clean(), "{report:?}");
    leaving.join().unwrap().unwrap();
}

#[test]
fn an_account_of_the_builder_has_to_be_proved() {
    let target = Target::builder("iqn.2026-11.com.example:g").portal("127.0.0.1:0").allow("any");
    let running = target.chap("host", "correct horse battery").lun(0, Lun::memory(1 << 20)).serve().unwrap();
    let settings = Settings::normal("iqn.2026-11.com.example:host", running.name().as_str());
    let stream = TcpStream::connect(running.portals()[0]).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    assert!(Initiator::login(stream, &settings).is_err());
}

#[test]
fn a_port_that_is_taken_is_an_error_and_leaves_nothing_running() {
    let running = serve("iqn.2026-11.com.example:h");
    let portal = running.portals()[0].to_string();
    let again = Target::builder("iqn.2026-11.com.example:i").portal(&portal).allow("any").serve();
    assert_eq!(again.unwrap_err().refusal().code, "F-0503");
}
