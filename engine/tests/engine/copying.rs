//! EXTENDED COPY on a running engine: between units, shards and reservations, and what is left when it ends early.

use crate::common::*;
use ferrite_backends::{
    Backend, Create, DiskError, DiskOptions, Fault, FaultyDisk, FileDisk, MemoryDisk, OpKind, Rule,
};
use ferrite_iscsi::initiator::{Answer, Initiator, Request, ScsiResult, lun as lun_field};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

type Host = Initiator<TcpStream>;

const ABORT_TASK: u8 = 1;
const RESERVE: [u8; 6] = [0x16, 0, 0, 0, 0, 0];
const RELEASE: [u8; 6] = [0x17, 0, 0, 0, 0, 0];

/// The NAA designator of a unit.
pub(crate) fn naa(host: &mut Host, lun: u16) -> Vec<u8> {
    let page = host.inquiry(lun, Some(0x83)).unwrap();
    let mut rest = &page[4..];
    while rest[1] & 0x3F != 0x03 {
        rest = &rest[4 + usize::from(rest[3])..];
    }
    rest[4..4 + usize::from(rest[3])].to_vec()
}

/// EXTENDED COPY (LID1) to `lun`: `blocks` blocks from block `from` of the first unit to block `to` of the second.
pub(crate) fn extended_copy(host: &mut Host, lun: u16, units: [u16; 2], from: u64, to: u64, blocks: u16) -> Request {
    let names = units.map(|unit| naa(host, unit));
    copy_list(lun, [&names[0], &names[1]], from, to, blocks)
}

/// The same for units of these names.
pub(crate) fn copy_list(lun: u16, names: [&[u8]; 2], from: u64, to: u64, blocks: u16) -> Request {
    let mut list = vec![0; 16];
    list[3] = 64;
    list[11] = 28;
    // No identifier is needed, and so many may go on at a time.
    list[1] = 0x18;
    for name in names {
        let mut cscd = [0; 32];
        (cscd[0], cscd[4], cscd[5], cscd[7]) = (0xE4, 0x01, 0x03, name.len() as u8);
        cscd[8..8 + name.len()].copy_from_slice(name);
        cscd[30] = 0x02;
        list.extend(cscd);
    }
    let mut segment = [0; 28];
    (segment[0], segment[3], segment[7]) = (0x02, 0x18, 0x01);
    segment[10..12].copy_from_slice(&blocks.to_be_bytes());
    segment[12..20].copy_from_slice(&from.to_be_bytes());
    segment[20..28].copy_from_slice(&to.to_be_bytes());
    list.extend(segment);
    let mut cdb = [0; 16];
    cdb[0] = 0x83;
    cdb[10..14].copy_from_slice(&(list.len() as u32).to_be_bytes());
    Request::new(lun, &cdb).writing(list)
}

fn ended(host: &mut Host, itt: u32) -> ScsiResult {
    match host.complete_one(itt).unwrap() {
        Answer::Scsi(result) => result,
        other => panic!("{other:?}"),
    }
}

/// Waits for something that happens before anything is answered.
pub(crate) fn until(host: &mut Host, happened: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !happened() {
        host.ping(b"").unwrap();
        let answered = host.poll_completion();
        assert!(answered.is_none() && Instant::now() < until, "{answered:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn file(folder: &tempfile::TempDir, name: &str) -> FileDisk {
    let create = Some(Create { bytes: 32 << 20, allocate: false });
    FileDisk::open(folder.path().join(name), &DiskOptions { create, ..DiskOptions::default() }).unwrap()
}

#[test]
fn bytes_move_between_units_of_every_kind_and_within_one_and_nothing_beside_them_changes() {
    both_tenants(|choice| {
        let folder = tempfile::tempdir().unwrap();
        let served = Served::new(&options(choice, 2))
            .with(0, file(&folder, "a"))
            .with(1, file(&folder, "b"))
            .with(2, MemoryDisk::new(32 << 20));
        let mut host = served.login(1, &[0, 1, 2]);
        for (round, units) in [[0, 1], [1, 2], [2, 0], [2, 2], [0, 0]].into_iter().enumerate() {
            let bytes = pattern(round as u64, 8 << 20);
            for (place, piece) in (0..).zip(bytes.chunks(1 << 20)) {
                host.write(units[0], 1 + place * 2048, piece, BLOCK).unwrap();
            }
            let around = [host.read(units[1], 40_000 - 1, 1, BLOCK), host.read(units[1], 40_000 + 16_384, 1, BLOCK)];
            let copy = extended_copy(&mut host, 2, units, 1, 40_000, 16_384);
            let answer = host.command(&copy).unwrap();
            assert!(answer.is_good(), "{units:?} {answer:?}");
            for (place, piece) in (0..).zip(bytes.chunks(1 << 20)) {
                assert_eq!(host.read(units[1], 40_000 + place * 2048, 2048, BLOCK).unwrap(), piece, "{units:?}");
            }
            let after = [host.read(units[1], 40_000 - 1, 1, BLOCK), host.read(units[1], 40_000 + 16_384, 1, BLOCK)];
            assert_eq!(around.map(Result::unwrap), after.map(Result::unwrap), "{units:?}");
        }
    });
}

#[test]
fn a_copy_stops_at_a_reservation_of_either_unit_also_in_its_middle() {
    let served = Served::new(&options(Default::default(), 2)).with(0, MemoryDisk::new(32 << 20));
    let slow = Arc::new(FaultyDisk::new(MemoryDisk::new(32 << 20)));
    served.add(1, slow.clone());
    let (mut host, mut other) = (served.login(1, &[0, 1]), served.login(2, &[0, 1]));
    for reserved in [0, 1] {
        // The command comes to the unit that is not reserved.
        let copy = extended_copy(&mut host, 1 - reserved, [0, 1], 0, 0, 2048);
        let reserve = |cdb: &[u8]| Request { lun: lun_field(reserved), ..Request::new(0, cdb) };
        assert!(other.command(&reserve(&RESERVE)).unwrap().is_good());
        let refused = host.command(&copy).unwrap();
        assert!(!refused.is_good(), "lun {reserved} is reserved: {refused:?}");
        assert!(other.command(&reserve(&RELEASE)).unwrap().is_good());
        assert!(host.command(&copy).unwrap().is_good());
    }
    slow.add(Rule::new(Fault::Delay(Duration::from_millis(20))).on(OpKind::Write));
    host.write(0, 0, &pattern(1, 1 << 20), BLOCK).unwrap();
    let copy = extended_copy(&mut host, 0, [0, 1], 0, 2048, 32_768);
    let tag = host.submit(&copy).unwrap();
    host.ping(b"").unwrap();
    std::thread::sleep(Duration::from_millis(60));
    assert!(other.command(&Request { lun: lun_field(1), ..Request::new(0, &RESERVE) }).unwrap().is_good());
    let began = Instant::now();
    assert!(!ended(&mut host, tag).is_good());
    assert!(began.elapsed() < Duration::from_millis(200), "{:?}", began.elapsed());
}

#[test]
fn an_aborted_copy_ends_soon_and_nothing_is_written_after_the_answer() {
    both_tenants(|choice| {
        let served = Served::new(&options(choice, 1)).with(0, MemoryDisk::new(64 << 20));
        let disk = Arc::new(FaultyDisk::new(MemoryDisk::new(64 << 20)));
        disk.add(Rule::new(Fault::Delay(Duration::from_millis(20))).on(OpKind::Write));
        served.add(1, disk.clone());
        let mut host = served.login(1, &[0, 1]);
        let written = || disk.usage().unwrap().unwrap().used;
        let copy = extended_copy(&mut host, 0, [0, 1], 0, 0, 65_535);
        // Bytes that are not zeroes take space where they are written.
        for lba in (0..65_536).step_by(2048) {
            host.write(0, lba, &[7; 1 << 20], BLOCK).unwrap();
        }
        let tag = host.submit(&copy).unwrap();
        until(&mut host, || written() > 0);
        let began = Instant::now();
        assert_eq!(host.manage(ABORT_TASK, lun_field(0), Some(tag)).unwrap(), 0);
        let after = written();
        assert!(began.elapsed() < Duration::from_millis(300), "{:?}", began.elapsed());
        assert!(after < 32 << 20, "{after}");
        std::thread::sleep(Duration::from_millis(60));
        assert_eq!(written(), after);
        host.forget(tag);
        // The end of a session is the same: the next one of its nexus waits for it.
        host.submit(&copy).unwrap();
        host.ping(b"").unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let _next = Initiator::login(served.stream(), &settings(1)).unwrap();
        let after = written();
        std::thread::sleep(Duration::from_millis(60));
        assert_eq!(written(), after);
    });
}

#[test]
fn an_abort_and_a_removal_wait_for_a_copy_whose_write_hangs() {
    let served = Served::new(&options(Default::default(), 1)).with(0, MemoryDisk::new(8 << 20));
    let disk = Arc::new(FaultyDisk::new(MemoryDisk::new(8 << 20)));
    disk.add(Rule::new(Fault::Hang).on(OpKind::Write));
    served.add(1, disk.clone());
    let mut host = served.login(1, &[0, 1]);
    let copy = extended_copy(&mut host, 0, [0, 1], 0, 0, 4096);
    let tag = host.submit(&copy).unwrap();
    host.ping(b"").unwrap();
    until(&mut host, || disk.hanging() > 0);
    let abort = host.submit_manage(ABORT_TASK, lun_field(0), Some(tag)).unwrap();
    let engine = served.engine.clone();
    let removal = std::thread::spawn(move || engine.remove_lun(&iqn(), lun(1)));
    std::thread::sleep(Duration::from_millis(100));
    host.ping(b"").unwrap();
    assert!(host.poll_completion().is_none() && !removal.is_finished(), "the write is still on the disk");
    assert_eq!(disk.fail_hanging(DiskError::Medium), 1);
    assert!(matches!(host.complete_one(abort).unwrap(), Answer::Managed(0)));
    removal.join().unwrap().unwrap();
    host.forget(tag);
    assert_eq!(disk.hanging(), 0, "nothing new was begun");
    assert!(host.command(&extended_copy_to_nowhere()).is_ok());
}

/// A copy without a list: does nothing, and is answered.
fn extended_copy_to_nowhere() -> Request {
    let mut cdb = [0; 16];
    cdb[0] = 0x83;
    Request::new(0, &cdb)
}
