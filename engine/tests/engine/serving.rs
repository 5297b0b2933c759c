//! A running engine serves disks of every kind to sessions of every shape.

use crate::common::*;
use ferrite_backends::{BlockDisk, Create, DiskError, DiskOptions, FaultyDisk, FileDisk, MemoryDisk, NullDisk};
use ferrite_backends::{Fault, OpKind, Rule};
use ferrite_iscsi::initiator::{Initiator, Keys, Request, Settings, cdb};

#[test]
fn what_is_written_is_read_back_from_every_kind_of_disk() {
    both_tenants(|choice| {
        let folder = tempfile::tempdir().unwrap();
        let create = Some(Create { bytes: 16 << 20, allocate: false });
        let options_for = |_| DiskOptions { create, ..DiskOptions::default() };
        let file = FileDisk::open(folder.path().join("file"), &options_for(0)).unwrap();
        let block = BlockDisk::open(folder.path().join("block"), &options_for(1)).unwrap();
        let served = Served::new(&options(choice, 2))
            .with(0, MemoryDisk::new(16 << 20))
            .with(1, file)
            .with(2, block)
            .with(3, MemoryDisk::with_block_size(16 << 20, 4096));
        let mut host = served.login(1, &[0, 1, 2, 3]);
        for number in 0..4 {
            let capacity = host.read_capacity(number).unwrap();
            let block_size = capacity.block_size;
            for (blocks, lba) in [(1, 0), (8, 3), (128, 64), (512, 256), (1024, 1000)] {
                let data = pattern(u64::from(number) << 32 | lba, (blocks * block_size) as usize);
                host.write(number, lba, &data, block_size).unwrap();
                assert!(host.read(number, lba, blocks, block_size).unwrap() == data, "lun {number}, {blocks} blocks");
            }
            host.synchronize_cache(number).unwrap();
        }
        assert_eq!(host.logout().unwrap(), 0);
    });
}

#[test]
fn every_combination_of_immediate_data_initial_r2t_and_digests_moves_the_same_bytes() {
    let served = Served::new(&options(Default::default(), 2)).with(0, MemoryDisk::new(8 << 20));
    for case in 0..8u8 {
        let keys = Keys {
            initial_r2t: case & 1 != 0,
            immediate_data: case & 2 != 0,
            first_burst_length: 8192,
            max_burst_length: 16384,
            max_recv_data_segment_length: 4096,
            ..Keys::default()
        };
        let settings = Settings { keys: keys.with_digests(case & 4 != 0), ..settings(case) };
        let mut host = Initiator::login(served.stream(), &settings).unwrap();
        host.settle(0).unwrap();
        for blocks in [1, 15, 16, 17, 32, 33, 200] {
            let data = pattern(u64::from(case) << 8 | blocks, blocks as usize * 512);
            host.write(0, 7, &data, BLOCK).unwrap();
            assert!(host.read(0, 7, blocks as u32, BLOCK).unwrap() == data, "case {case}, {blocks} blocks");
        }
        host.logout().unwrap();
    }
}

#[test]
fn a_deep_pipeline_of_large_writes_waits_for_buffers_and_loses_nothing() {
    both_tenants(|choice| {
        let folder = tempfile::tempdir().unwrap();
        let create = Some(Create { bytes: 64 << 20, allocate: false });
        let disk = BlockDisk::open(folder.path().join("disk"), &DiskOptions { create, ..Default::default() }).unwrap();
        // The smallest pool there is: four megabytes for everyone, four in reserve.
        let small = ferrite_engine::EngineOptions { pool_bytes: 0, ..options(choice, 1) };
        let served = Served::new(&small).with(0, disk);
        // Without unsolicited data no command has to be turned away.
        let keys = Keys { initial_r2t: true, immediate_data: false, ..Keys::default() };
        let mut host = Initiator::login(served.stream(), &Settings { keys, ..settings(1) }).unwrap();
        host.settle(0).unwrap();
        let data = pattern(1, 64 << 20);
        let pieces: Vec<_> = data.chunks(1 << 20).enumerate().collect();
        for batch in pieces.chunks(32) {
            let tags: Vec<u32> = batch
                .iter()
                .map(|(at, piece)| {
                    let request = Request::new(0, &cdb::write16(*at as u64 * 2048, 2048)).writing(piece.to_vec());
                    host.submit(&request).unwrap()
                })
                .collect();
            for tag in tags {
                let answer = host.complete_one(tag).unwrap();
                assert!(matches!(answer, ferrite_iscsi::initiator::Answer::Scsi(ref r) if r.is_good()), "{answer:?}");
            }
        }
        for (at, piece) in pieces {
            assert!(host.read(0, at as u64 * 2048, 2048, BLOCK).unwrap() == piece);
        }
    });
}

#[test]
fn data_that_comes_unasked_when_all_buffers_are_taken_is_answered_with_task_set_full() {
    let disk = FaultyDisk::new(MemoryDisk::new(64 << 20));
    disk.add(Rule::new(Fault::Hang).on(OpKind::Write).times(8));
    let small = ferrite_engine::EngineOptions { pool_bytes: 0, ..options(Default::default(), 1) };
    let served = Served::new(&small).with(0, disk);
    let mut host = served.login(1, &[0]);
    let write = |at: u64| Request::new(0, &cdb::write16(at * 2048, 2048)).writing(vec![1; 1 << 20]);
    for at in 0..8 {
        host.submit(&write(at)).unwrap();
    }
    let turned_away = host.command(&write(8)).unwrap();
    assert_eq!(turned_away.status, 0x28);
    assert_eq!(host.ping(b"still here").unwrap(), b"still here");
}

#[test]
fn write_same_of_zeroes_that_may_unmap_reads_as_zeroes() {
    let served = Served::new(&options(Default::default(), 1)).with(0, MemoryDisk::new(1 << 20));
    let mut host = served.login(1, &[0]);
    for blocks in 1..=256u16 {
        let lba = 2048 - u32::from(blocks);
        host.write(0, lba.into(), &vec![0xff; usize::from(blocks) * 512], BLOCK).unwrap();
        let mut cdb = [0x41, 0x08, 0, 0, 0, 0, 0, 0, 0, 0];
        cdb[2..6].copy_from_slice(&lba.to_be_bytes());
        cdb[7..9].copy_from_slice(&blocks.to_be_bytes());
        assert!(host.command(&Request::new(0, &cdb).writing(vec![0; 512])).unwrap().is_good());
        let read = host.read(0, lba.into(), blocks.into(), BLOCK).unwrap();
        let first = read.iter().position(|byte| *byte != 0);
        assert_eq!(first, None, "{blocks} blocks");
    }
}

#[test]
fn a_disk_that_fails_says_why_in_its_sense() {
    let disk = FaultyDisk::new(MemoryDisk::new(1 << 20));
    for (lba, error) in [(10, DiskError::NoSpace), (20, DiskError::Medium), (30, DiskError::ReadOnly)] {
        disk.add(Rule::new(Fault::Fail(error)).touching(lba * 512..lba * 512 + 512).on(OpKind::Write));
    }
    disk.add(Rule::new(Fault::Fail(DiskError::Medium)).touching(40 * 512..41 * 512).on(OpKind::Read));
    let served = Served::new(&options(Default::default(), 1)).with(0, disk);
    let mut host = served.login(1, &[0]);
    for (lba, sense) in [(10, (7, 0x27, 7)), (20, (3, 0x0c, 0)), (30, (7, 0x27, 0))] {
        let request = Request::new(0, &cdb::write16(lba, 1)).writing(vec![0; 512]);
        assert_eq!(host.command(&request).unwrap().sense_code(), Some(sense));
    }
    let read = host.command(&Request::new(0, &cdb::read16(40, 1)).reading(512)).unwrap();
    assert_eq!(read.sense_code(), Some((3, 0x11, 0)));
    assert!(read.data.is_empty(), "a failed read sends nothing");
    host.write(0, 50, &[1; 512], BLOCK).unwrap();
}

#[test]
fn a_ping_is_answered_while_the_disk_is_stuck() {
    let disk = FaultyDisk::new(MemoryDisk::new(1 << 20));
    disk.add(Rule::new(Fault::Hang).on(OpKind::Read));
    let served = Served::new(&options(Default::default(), 1)).with(0, disk);
    let mut host = served.login(1, &[0]);
    for lba in 0..64 {
        host.submit(&Request::new(0, &cdb::read16(lba, 1)).reading(512)).unwrap();
    }
    assert_eq!(host.ping(b"are you there").unwrap(), b"are you there");
}

#[test]
fn sessions_of_one_lun_on_several_shards_see_each_others_writes() {
    let served = Served::new(&options(Default::default(), 2)).with(0, MemoryDisk::new(1 << 20));
    let mut hosts: Vec<_> = (0..4).map(|port| served.login(port, &[0])).collect();
    for round in 0..32u64 {
        let data = pattern(round, 512);
        hosts[(round % 4) as usize].write(0, round, &data, BLOCK).unwrap();
        for host in &mut hosts {
            assert!(host.read(0, round, 1, BLOCK).unwrap() == data);
        }
    }
    assert_eq!(served.engine.sessions().len(), 4);
}

#[test]
fn discovery_shows_the_target_and_where_it_is() {
    let served = Served::new(&options(Default::default(), 1)).with(0, NullDisk::new(1 << 20));
    let mut host = Initiator::login(served.stream(), &Settings::discovery(HOST)).unwrap();
    let found = host.send_targets("All").unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].name, TARGET);
    assert!(host.send_targets("iqn.2026-11.com.example:other").unwrap().is_empty());
}

#[test]
fn shutdown_flushes_and_leaves_nobody_waiting() {
    both_tenants(|choice| {
        let folder = tempfile::tempdir().unwrap();
        let create = Some(Create { bytes: 1 << 20, allocate: false });
        let disk = FileDisk::open(folder.path().join("disk"), &DiskOptions { create, ..Default::default() }).unwrap();
        let served = Served::new(&options(choice, 2)).with(0, disk);
        let mut host = served.login(1, &[0]);
        host.write(0, 0, &[7; 512], BLOCK).unwrap();
        let began = std::time::Instant::now();
        let report = served.engine.shutdown(std::time::Duration::from_millis(300));
        assert_eq!((report.sessions_closed, report.flushes_failed), (1, 0));
        assert!(began.elapsed() < std::time::Duration::from_secs(3));
        assert_eq!(std::fs::read(folder.path().join("disk")).unwrap()[..512], [7; 512]);
    });
}
