//! LUNs and targets come, grow and go while sessions go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::common::*;
use ferrite_api::codes;
use ferrite_backends::{
    BlockDisk, Create, DiskOptions, Fault, FaultyDisk, FileDisk, MemoryDisk, NullDisk, OpKind, Rule,
};
use ferrite_iscsi::initiator::{Notice, Request, cdb};

#[test]
fn a_grown_disk_is_told_once_to_every_session() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    let create = Some(Create { bytes: 1 << 20, allocate: false });
    let disk = FileDisk::open(&path, &DiskOptions { create, ..Default::default() }).unwrap();
    let served = Served::new(&options(Default::default(), 2)).with(0, disk);
    let mut hosts: Vec<_> = (0..3).map(|port| served.login(port, &[0])).collect();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(2 << 20).unwrap();
    assert_eq!(served.engine.resize_lun(&iqn(), lun(0), false).unwrap(), 2 << 20);
    for host in &mut hosts {
        let ready = host.command(&Request::new(0, &[0; 6])).unwrap();
        assert_eq!(ready.sense_code(), Some((6, 0x2a, 9)));
        assert!(host.command(&Request::new(0, &[0; 6])).unwrap().is_good());
        assert_eq!(host.read_capacity(0).unwrap().blocks, 4096);
        host.write(0, 4095, &[9; 512], BLOCK).unwrap();
    }
    std::fs::File::options().write(true).open(&path).unwrap().set_len(1 << 20).unwrap();
    let refusal = served.engine.resize_lun(&iqn(), lun(0), false).unwrap_err();
    assert_eq!(refusal.code, codes::WOULD_SHRINK);
    assert_eq!(served.engine.resize_lun(&iqn(), lun(0), true).unwrap(), 1 << 20);
}

#[test]
fn an_added_lun_is_told_by_attention_and_by_event_and_serves_at_once() {
    let served = Served::new(&options(Default::default(), 2)).with(0, MemoryDisk::new(1 << 20));
    let mut host = served.login(1, &[0]);
    served.add(5, Arc::new(MemoryDisk::new(2 << 20)));
    let ready = host.command(&Request::new(0, &[0; 6])).unwrap();
    assert_eq!(ready.sense_code(), Some((6, 0x3f, 0x0e)));
    assert!(matches!(host.poll_notice(), Some(Notice::Async(..))));
    assert_eq!(host.report_luns().unwrap().len(), 2);
    host.settle(5).unwrap();
    host.write(5, 0, &[1; 512], BLOCK).unwrap();
}

#[test]
fn a_removed_lun_is_gone_for_good_and_its_disk_is_closed() {
    both_tenants(|choice| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        let create = Some(Create { bytes: 1 << 20, allocate: false });
        let open = || BlockDisk::open(&path, &DiskOptions { create, ..Default::default() });
        let served = Served::new(&options(choice, 2)).with(0, MemoryDisk::new(1 << 20)).with(1, open().unwrap());
        let mut hosts: Vec<_> = (0..3).map(|port| served.login(port, &[0, 1])).collect();
        for host in &mut hosts {
            host.write(1, 0, &[1; 4096], BLOCK).unwrap();
        }
        assert!(open().is_err(), "the disk is locked while it is served");
        served.engine.remove_lun(&iqn(), lun(1)).unwrap();
        open().expect("nothing holds the disk any more");
        for host in &mut hosts {
            let read = host.command(&Request::new(1, &cdb::read16(0, 1)).reading(512)).unwrap();
            assert_eq!(read.sense_code(), Some((5, 0x25, 0)));
            host.settle(0).unwrap();
            host.read(0, 0, 1, BLOCK).unwrap();
        }
        assert_eq!(served.engine.remove_lun(&iqn(), lun(1)).unwrap_err().code, codes::NO_SUCH_LUN);
    });
}

#[test]
fn removing_waits_for_what_is_on_the_disk_and_fails_what_is_not() {
    let disk = Arc::new(FaultyDisk::new(MemoryDisk::new(1 << 20)));
    disk.add(Rule::new(Fault::Delay(Duration::from_millis(300))).on(OpKind::Write));
    let served = Served::new(&options(Default::default(), 1)).with(0, MemoryDisk::new(1 << 20));
    served.add(1, disk.clone());
    let mut host = served.login(1, &[0, 1]);
    let tag = host.submit(&Request::new(1, &cdb::write16(0, 1)).writing(vec![5; 512])).unwrap();
    host.ping(b"the write is on the disk").unwrap();
    let began = std::time::Instant::now();
    served.engine.remove_lun(&iqn(), lun(1)).unwrap();
    assert!(began.elapsed() >= Duration::from_millis(200), "{:?}", began.elapsed());
    let answer = host.complete_one(tag).unwrap();
    assert!(matches!(answer, ferrite_iscsi::initiator::Answer::Scsi(ref result) if result.is_good()), "{answer:?}");
    assert_eq!(Arc::strong_count(&disk), 1, "only the test still knows the disk");
}

#[test]
fn a_removed_target_ends_its_sessions_and_no_others() {
    let served = Served::new(&options(Default::default(), 2)).with(0, MemoryDisk::new(1 << 20));
    let other = ferrite_api::Iqn::parse("iqn.2026-11.com.example:other").unwrap();
    served.engine.add_target(&other, &open_target()).unwrap();
    let mut host = served.login(1, &[0]);
    let mut settings = settings(2);
    settings.target = Some(other.as_str().to_owned());
    let mut gone = ferrite_iscsi::initiator::Initiator::login(served.stream(), &settings).unwrap();
    served.engine.remove_target(&other).unwrap();
    assert!(gone.command(&Request::new(0, &[0; 6])).is_err());
    host.read(0, 0, 1, BLOCK).unwrap();
    assert_eq!(served.engine.sessions().len(), 1);
}

#[test]
fn many_changes_disturb_no_session_that_they_do_not_concern() {
    let served = Served::new(&options(Default::default(), 2)).with(0, MemoryDisk::new(4 << 20));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4u8)
            .map(|port| {
                let (served, stop) = (&served, &stop);
                scope.spawn(move || {
                    let mut host = served.login(port, &[]);
                    let mut rounds = 0u64;
                    while !stop.load(Ordering::Relaxed) {
                        let lba = u64::from(port) * 64 + rounds % 64;
                        let data = pattern(rounds, 512);
                        let write = Request::new(0, &cdb::write16(lba, 1)).writing(data.clone());
                        // The changed inventory is told by a unit attention: then the command comes again.
                        while !host.command(&write).unwrap().is_good() {}
                        let read = Request::new(0, &cdb::read16(lba, 1)).reading(512);
                        let read =
                            std::iter::repeat_with(|| host.command(&read).unwrap()).find(|r| r.is_good()).unwrap();
                        assert!(read.data == data);
                        rounds += 1;
                    }
                    rounds
                })
            })
            .collect();
        for round in 0..200 {
            let number = 1 + round % 3;
            served.add(number, Arc::new(MemoryDisk::new(1 << 20)));
            served.engine.remove_lun(&iqn(), lun(number)).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        assert!(workers.into_iter().all(|worker| worker.join().unwrap() > 0));
    });
    assert!(served.engine.catalog().generation >= 400);
}

#[test]
fn two_disks_with_one_designator_are_refused_and_one_disk_under_two_numbers_is_not() {
    let served = Served::new(&options(Default::default(), 1));
    for (spec, fits) in [
        (r#"{"naa":"3000000000000001"}"#, true),
        (r#"{"naa":"naa.3000000000000001","serial":"OTHER"}"#, false),
        (r#"{"eui64":"0000000000000001"}"#, true),
        (r#"{"eui64":"0000000000000001","serial":"OTHER"}"#, false),
        (r#"{"profile":"iet-0.4.15","scsi_id":"A"}"#, true),
        (r#"{"profile":"iet-0.4.15","scsi_id":"B"}"#, true),
        (r#"{"profile":"iet-1.4.20","scsi_id_hex":"41","serial":"OTHER"}"#, false),
    ] {
        let identity: ferrite_api::IdentitySpec = serde_json::from_str(spec).unwrap();
        let number = lun(served.engine.catalog().luns().count() as u16);
        let added = served.engine.add_disk(&iqn(), number, Arc::new(MemoryDisk::new(1 << 20)), &identity);
        assert_eq!(
            added.map_err(|refusal| refusal.code),
            fits.then_some(()).ok_or(codes::DUPLICATE_IDENTITY),
            "{spec}"
        );
    }
    let disk = Arc::new(MemoryDisk::new(1 << 20));
    let identity: ferrite_api::IdentitySpec = serde_json::from_str(r#"{"serial":"SHARED"}"#).unwrap();
    for number in [100, 101] {
        served.engine.add_disk(&iqn(), lun(number), disk.clone(), &identity).unwrap();
    }
}

#[test]
fn two_disks_with_one_serial_number_are_refused() {
    let served = Served::new(&options(Default::default(), 1));
    let identity = ferrite_api::IdentitySpec {
        serial: Some(ferrite_api::InquiryText::parse("SAME").unwrap()),
        ..Default::default()
    };
    let add = |number| served.engine.add_disk(&iqn(), lun(number), Arc::new(MemoryDisk::new(1 << 20)), &identity);
    add(0).unwrap();
    assert_eq!(add(1).unwrap_err().code, codes::DUPLICATE_IDENTITY);
    assert_eq!(served.engine.catalog().luns().count(), 1, "a refused change leaves everything as it was");
}

#[test]
fn a_disk_of_the_caller_may_have_a_soft_threshold() {
    let served = Served::new(&options(Default::default(), 1)).with(0, MemoryDisk::new(1 << 20));
    let share = ferrite_api::Percent::new(80).unwrap();
    let disk = Arc::new(MemoryDisk::new(1 << 20));
    served.engine.add_thin_disk(&iqn(), lun(1), disk, &Default::default(), share).unwrap();
    let catalog = served.engine.catalog();
    let shares: Vec<_> = catalog.luns().map(|lun| lun.soft_threshold).collect();
    assert_eq!(shares, [None, Some(share)]);
}

#[test]
fn a_soft_threshold_of_a_disk_that_cannot_tell_its_space_is_refused_and_not_ignored() {
    let served = Served::new(&options(Default::default(), 1)).with(0, MemoryDisk::new(1 << 20));
    let (share, disk) = (ferrite_api::Percent::new(80).unwrap(), Arc::new(NullDisk::new(1 << 20)));
    let refused = served.engine.add_thin_disk(&iqn(), lun(1), disk, &Default::default(), share).unwrap_err();
    assert_eq!(refused.code, codes::DISK_UNFIT);
    assert_eq!(served.engine.catalog().luns().count(), 1);
}
