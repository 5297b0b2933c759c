//! Drives for optical discs: what is read from an image, and how a disc comes and goes while sessions go on.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::common::*;
use ferrite_api::{IdentitySpec, codes};
use ferrite_backends::{Backend, DiskOptions, Fault, FaultyDisk, FileDisk, MemoryDisk, OpKind, Rule};
use ferrite_engine::{EmptyDrive, Engine};
use ferrite_iscsi::initiator::{Answer, Initiator, Request, ScsiResult};
use tempfile::TempDir;

const READY: [u8; 6] = [0; 6];
const EJECT: [u8; 6] = [0x1B, 0, 0, 0, 2, 0];
const LOAD: [u8; 6] = [0x1B, 0, 0, 0, 3, 0];
const PREVENT: [u8; 6] = [0x1E, 0, 0, 0, 1, 0];

type Sense = Option<(u8, u8, u8)>;
const NEW_MEDIUM: Sense = Some((6, 0x28, 0));
const SHUT_AND_EMPTY: Sense = Some((2, 0x3A, 1));
const TRAY_OPEN: Sense = Some((2, 0x3A, 2));

/// An image of 100 blocks, each full of its number, and of `tail` bytes more.
fn image(folder: &TempDir, name: &str, seed: u8, tail: usize) -> PathBuf {
    let path = folder.path().join(name);
    let mut bytes: Vec<u8> = (0..100u8).flat_map(|block| [block ^ seed; 2048]).collect();
    bytes.extend(vec![0xEE; tail]);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn disc(path: &Path) -> Arc<dyn Backend> {
    Arc::new(FileDisk::open(path, &DiskOptions { read_only: true, ..Default::default() }).unwrap())
}

fn served(discs: &[Arc<dyn Backend>]) -> Served {
    let served = Served::new(&options(Default::default(), 2));
    for (number, disc) in discs.iter().enumerate() {
        let number = lun(number as u16);
        served.engine.add_drive(&iqn(), number, disc.clone(), &IdentitySpec::default()).unwrap();
    }
    served
}

fn ask(host: &mut Initiator<TcpStream>, cdb: &[u8]) -> ScsiResult {
    host.command(&Request::new(0, cdb).reading(4096)).unwrap()
}

fn sense(host: &mut Initiator<TcpStream>, cdb: &[u8]) -> Sense {
    host.command(&Request::new(0, cdb)).unwrap().sense_code()
}

fn read(host: &mut Initiator<TcpStream>, lba: u8) -> ScsiResult {
    ask(host, &[0x28, 0, 0, 0, 0, lba, 0, 0, 1, 0])
}

fn eject(engine: &Engine, force: bool) -> Result<(), &'static str> {
    engine.eject(&iqn(), lun(0), force).map_err(|refusal| refusal.code)
}

#[test]
fn an_image_is_read_as_a_disc_of_whole_blocks_and_never_written() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(&[disc(&image(&folder, "a.iso", 0, 512))]);
    let mut host = served.login(1, &[0]);
    let inquiry = host.inquiry(0, None).unwrap();
    assert_eq!(inquiry[..2], [0x05, 0x80]);
    assert_eq!(&inquiry[16..32], b"VIRTUAL CD-ROM  ");
    assert_eq!(ask(&mut host, &[0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0]).data, [0, 0, 0, 99, 0, 0, 8, 0]);
    for lba in [0, 99] {
        assert_eq!(read(&mut host, lba).data, [lba; 2048]);
    }
    assert_eq!(sense(&mut host, &[0x28, 0, 0, 0, 0, 100, 0, 0, 1, 0]), Some((5, 0x21, 0)));
    let write = Request::new(0, &[0x2A, 0, 0, 0, 0, 0, 0, 0, 1, 0]).writing(vec![1; 2048]);
    assert_eq!(host.command(&write).unwrap().sense_code(), Some((5, 0x20, 0)));
    assert_eq!(served.engine.resize_lun(&iqn(), lun(0), false).unwrap(), 100 * 2048);
}

#[test]
fn an_operator_changes_the_disc_and_every_session_hears_of_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (image(&folder, "a.iso", 0, 0), image(&folder, "b.iso", 0xFF, 0));
    let first = disc(&one);
    let served = served(std::slice::from_ref(&first));
    let mut hosts: Vec<_> = (0..3).map(|port| served.login(port, &[0])).collect();
    let serial = hosts[0].inquiry(0, Some(0x80)).unwrap();
    eject(&served.engine, false).unwrap();
    assert_eq!(Arc::strong_count(&first), 1, "only the test still has the disc");
    for host in &mut hosts {
        assert_eq!(sense(host, &READY), TRAY_OPEN);
        assert_eq!(sense(host, &[0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0]), TRAY_OPEN);
    }
    assert_eq!(sense(&mut hosts[0], &LOAD), None);
    assert_eq!(sense(&mut hosts[1], &READY), SHUT_AND_EMPTY);
    served.engine.insert(&iqn(), lun(0), disc(&two)).unwrap();
    for host in &mut hosts {
        assert_eq!(sense(host, &READY), NEW_MEDIUM);
        assert_eq!(read(host, 7).data, [7 ^ 0xFF; 2048]);
        assert_eq!(host.inquiry(0, Some(0x80)).unwrap(), serial, "the drive is the same");
    }
    let again = served.engine.insert(&iqn(), lun(0), disc(&one)).unwrap_err();
    assert_eq!(again.code, codes::IN_USE);
    assert!(again.what.contains("has a disc in it"), "{}", again.what);
}

#[test]
fn an_initiator_opens_and_shuts_the_tray_and_the_disc_is_still_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(&[disc(&image(&folder, "a.iso", 0, 0))]);
    let (mut host, mut other) = (served.login(1, &[0]), served.login(2, &[0]));
    assert_eq!(sense(&mut host, &EJECT), None);
    assert_eq!(sense(&mut other, &READY), TRAY_OPEN);
    assert_eq!(sense(&mut other, &LOAD), None);
    for session in [&mut host, &mut other] {
        assert_eq!(sense(session, &READY), NEW_MEDIUM);
        assert_eq!(read(session, 3).data, [3; 2048]);
    }
}

#[test]
fn a_disc_that_an_initiator_holds_is_taken_only_by_force_or_when_the_session_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = image(&folder, "a.iso", 0, 0);
    let served = served(&[disc(&path)]);
    let mut host = served.login(1, &[0]);
    assert_eq!(sense(&mut host, &PREVENT), None);
    assert_eq!(eject(&served.engine, false), Err(codes::IN_USE));
    assert_eq!(sense(&mut host, &READY), Some((6, 0x5A, 1)), "it has been asked to let go");
    assert_eq!(read(&mut host, 1).data, [1; 2048]);
    eject(&served.engine, true).unwrap();
    assert_eq!(sense(&mut host, &READY), TRAY_OPEN);
    served.engine.insert(&iqn(), lun(0), disc(&path)).unwrap();
    assert_eq!(sense(&mut host, &READY), NEW_MEDIUM);
    assert_eq!(sense(&mut host, &PREVENT), None);
    host.logout().unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while eject(&served.engine, false).is_err() {
        assert!(Instant::now() < until, "the prevention of a session that is gone still holds");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn taking_a_disc_waits_for_what_is_being_read_from_it() {
    let disk = Arc::new(FaultyDisk::new(MemoryDisk::new(1 << 20)));
    disk.add(Rule::new(Fault::Delay(Duration::from_millis(300))).on(OpKind::Read));
    let served = served(&[disk.clone() as Arc<dyn Backend>]);
    let mut host = served.login(1, &[0]);
    let tag = host.submit(&Request::new(0, &[0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0]).reading(2048)).unwrap();
    host.ping(b"the read is on the disc").unwrap();
    let began = Instant::now();
    eject(&served.engine, false).unwrap();
    assert!(began.elapsed() >= Duration::from_millis(200), "{:?}", began.elapsed());
    let answer = host.complete_one(tag).unwrap();
    assert!(matches!(answer, Answer::Scsi(ref result) if result.is_good()), "{answer:?}");
    assert_eq!(Arc::strong_count(&disk), 1, "only the test still has the disc");
}

#[test]
fn a_drive_may_begin_empty_and_two_drives_may_read_one_image() {
    let folder = tempfile::tempdir().unwrap();
    let path = image(&folder, "a.iso", 0, 0);
    let served = served(&[Arc::new(EmptyDrive), disc(&path)]);
    let mut host = served.login(1, &[1]);
    assert_eq!(sense(&mut host, &READY), Some((6, 0x29, 0)));
    assert_eq!(sense(&mut host, &READY), SHUT_AND_EMPTY);
    served.engine.insert(&iqn(), lun(0), disc(&path)).unwrap();
    assert_eq!(sense(&mut host, &READY), NEW_MEDIUM);
    assert_eq!(read(&mut host, 5).data, [5; 2048]);
    assert_ne!(host.inquiry(0, Some(0x83)).unwrap(), host.inquiry(1, Some(0x83)).unwrap());
}

#[test]
fn only_a_drive_has_a_tray_and_only_an_image_with_a_block_is_a_disc() {
    let served = served(&[]).with(0, MemoryDisk::new(1 << 20));
    let disc = || Arc::new(MemoryDisk::new(1 << 20));
    assert_eq!(eject(&served.engine, true), Err(codes::NOT_A_DRIVE));
    assert_eq!(served.engine.insert(&iqn(), lun(0), disc()).unwrap_err().code, codes::NOT_A_DRIVE);
    assert_eq!(served.engine.insert(&iqn(), lun(9), disc()).unwrap_err().code, codes::NO_SUCH_LUN);
    let add = |disc: MemoryDisk| {
        let added = served.engine.add_drive(&iqn(), lun(1), Arc::new(disc), &IdentitySpec::default());
        added.map_err(|refusal| refusal.code)
    };
    assert_eq!(add(MemoryDisk::new(1024)), Err(codes::DISK_UNFIT));
    assert_eq!(add(MemoryDisk::with_block_size(1 << 20, 4096)), Err(codes::DISK_UNFIT));
    assert_eq!(add(MemoryDisk::new(2048)), Ok(()));
}

#[test]
fn a_drive_of_the_configuration_is_served_with_and_without_a_disc() {
    let folder = tempfile::tempdir().unwrap();
    let path = image(&folder, "a.iso", 0, 0);
    let served = Served::new(&options(Default::default(), 1));
    let spec = |text: &str| serde_json::from_str(text).unwrap();
    let loaded = format!(r#"{{"backend":"cdrom","path":"{}","product":"INSTALLER"}}"#, path.display());
    served.engine.add_lun(&iqn(), lun(0), &spec(&loaded)).unwrap();
    served.engine.add_lun(&iqn(), lun(1), &spec(r#"{"backend":"cdrom"}"#)).unwrap();
    let mut host = served.login(1, &[0]);
    assert_eq!(&host.inquiry(0, None).unwrap()[16..32], b"INSTALLER       ");
    assert_eq!(read(&mut host, 9).data, [9; 2048]);
    let missing = spec(r#"{"backend":"cdrom","path":"/nonexistent.iso"}"#);
    assert_eq!(served.engine.add_lun(&iqn(), lun(2), &missing).unwrap_err().code, codes::DISK_UNAVAILABLE);
}
