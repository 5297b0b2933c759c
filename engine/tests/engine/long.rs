//! Long transfers, up to the longest there is: whole, in place, within the buffers there are, and in nobody's way.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::*;
use ferrite_backends::{
    Backend, BlockDisk, Create, DiskOptions, Fault, FaultyDisk, FileDisk, MemoryDisk, OpKind, Rule,
};
use ferrite_engine::{EngineOptions, IoChoice};
use ferrite_iscsi::initiator::{Answer, Keys, Request, Settings, cdb};

const LONGEST: usize = 32 << 20;
const LONGEST_BLOCKS: u32 = (LONGEST / BLOCK as usize) as u32;

/// Slabs for one of the longest at a time, and for short ones beside it.
const POOL: usize = 64 << 20;

#[test]
fn the_longest_transfer_goes_both_ways_on_every_kind_of_disk() {
    both_tenants(|choice| {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let served = Served::new(&EngineOptions { pool_bytes: POOL, ..options(choice, 1) });
        let disks = disks(folder.path(), 80 << 20);
        let numbers: Vec<u16> = (0..disks.len() as u16).collect();
        numbers.iter().zip(disks).for_each(|(number, disk)| served.add(*number, disk));
        let mut host = served.login(1, &numbers);
        for lun in numbers {
            let data = tagged(u64::from(lun) + 1, LONGEST);
            // An odd place: nothing about a long transfer is aligned to more than a block of a file system.
            let lba = 8 + u64::from(LONGEST_BLOCKS);
            assert!(
                host.command(&Request::new(lun, &cdb::write16(lba, LONGEST_BLOCKS)).writing(data.clone()))
                    .unwrap()
                    .is_good()
            );
            assert!(host.read(lun, lba, LONGEST_BLOCKS, BLOCK).unwrap() == data, "lun {lun}");
            let shifted = host.read(lun, lba - 8, LONGEST_BLOCKS, BLOCK).unwrap();
            assert!(shifted[..4096] == [0; 4096] && shifted[4096..] == data[..LONGEST - 4096], "lun {lun}");
            let verify = Request::new(lun, &verify16(lba)).writing(data.clone());
            assert!(host.command(&verify).unwrap().is_good(), "lun {lun}");
            let mut other = data;
            other[LONGEST - 1] ^= 1;
            let miscompare = host.command(&Request::new(lun, &verify16(lba)).writing(other)).unwrap();
            assert_eq!(miscompare.sense_code(), Some((0xe, 0x1d, 0)));
            let information = u32::from_be_bytes(miscompare.sense[3..7].try_into().unwrap());
            assert_eq!(information as usize, LONGEST - 1, "where the difference is");
        }
        assert_all_home(&served);
    });
}

#[test]
fn a_transfer_one_block_longer_than_the_longest_is_refused_and_the_page_says_how_long_that_is() {
    for (pool_bytes, longest) in [(POOL, LONGEST), (0, 4 << 20), (24 << 20, 12 << 20)] {
        let served = Served::new(&EngineOptions { pool_bytes, ..options(IoChoice::Auto, 1) });
        let served = served.with(0, MemoryDisk::new(64 << 20));
        let mut host = served.login(1, &[0]);
        let limits = host.inquiry(0, Some(0xb0)).unwrap();
        let blocks = u32::from_be_bytes(limits[8..12].try_into().unwrap());
        assert_eq!(blocks as usize * BLOCK as usize, longest, "MAXIMUM TRANSFER LENGTH");
        let read = |blocks: u32| Request::new(0, &cdb::read16(0, blocks)).reading(blocks * BLOCK);
        assert!(host.command(&read(blocks)).unwrap().is_good());
        assert_eq!(host.command(&read(blocks + 1)).unwrap().sense_code(), Some((5, 0x24, 0)));
    }
}

/// Four hosts, more long transfers than there are buffers, short ones between them: all end, no byte is out of place,
/// and the budget holds.
#[test]
fn many_long_transfers_at_once_wait_for_each_other_and_short_ones_pass() {
    both_tenants(|choice| {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let served = Arc::new(Served::new(&EngineOptions { pool_bytes: POOL, ..options(choice, 2) }));
        let create = Some(Create { bytes: (4 * 96) << 20, allocate: false });
        let options = DiskOptions { create, ..DiskOptions::default() };
        served.add(0, Arc::new(FileDisk::open(folder.path().join("disk"), &options).unwrap()));
        let hosts: Vec<_> = (0..4u8)
            .map(|number| {
                let served = served.clone();
                thread::spawn(move || long_and_short(&served, number))
            })
            .collect();
        let over = hosts.into_iter().map(|host| host.join()).filter(Result::is_err).count();
        assert_eq!(over, 0, "{choice:?}");
        assert_all_home(&served);
    });
}

fn long_and_short(served: &Served, number: u8) {
    let base = u64::from(number) * (96 << 20) / u64::from(BLOCK);
    // Solicited, so that none is turned away; the others have all their data asked for as well.
    let keys = Keys { initial_r2t: true, immediate_data: number & 1 == 1, ..Keys::default() };
    let mut host =
        ferrite_iscsi::initiator::Initiator::login(served.stream(), &Settings { keys, ..settings(number + 1) })
            .unwrap();
    host.settle(0).unwrap();
    for round in 0..2u64 {
        let seed = round << 8 | u64::from(number);
        let lens = [LONGEST, 64 << 10, 5 << 20, 512, 17 << 20, 1 << 20];
        let mut at = base;
        let mut due = Vec::new();
        for (turn, len) in lens.into_iter().enumerate() {
            let data = tagged(seed << 8 | turn as u64, len);
            due.push((at, data));
            at += (len / BLOCK as usize) as u64;
        }
        write_all(&mut host, &due);
        let tags: Vec<u32> = due
            .iter()
            .map(|(lba, data)| {
                let request = Request::new(0, &cdb::read16(*lba, blocks(data))).reading(data.len() as u32);
                host.submit(&request).unwrap()
            })
            .collect();
        for (tag, (lba, data)) in tags.into_iter().zip(&due) {
            let Answer::Scsi(read) = host.complete_one(tag).unwrap() else { panic!("a read is answered") };
            assert!(read.is_good() && read.data == *data, "host {number}, block {lba}");
        }
    }
    host.logout().unwrap();
}

/// Writes all at once; what is told TASK SET FULL, because its data came unasked, is sent again.
fn write_all(host: &mut ferrite_iscsi::initiator::Initiator<std::net::TcpStream>, due: &[(u64, Vec<u8>)]) {
    let until = Instant::now() + Duration::from_secs(60);
    let mut left: Vec<&(u64, Vec<u8>)> = due.iter().collect();
    while !left.is_empty() {
        assert!(Instant::now() < until, "{} writes are turned away for ever", left.len());
        let tags: Vec<u32> = left
            .iter()
            .map(|(lba, data)| {
                let request = Request::new(0, &cdb::write16(*lba, blocks(data))).writing(data.clone());
                host.submit(&request).unwrap()
            })
            .collect();
        let mut again = Vec::new();
        for (tag, write) in tags.into_iter().zip(left) {
            let Answer::Scsi(answer) = host.complete_one(tag).unwrap() else { panic!("a write is answered") };
            match answer.status {
                0 => {}
                TASK_SET_FULL => again.push(write),
                status => panic!("status {status:#x}: {:?}", answer.sense_code()),
            }
        }
        left = again;
    }
}

#[test]
fn short_transfers_go_on_while_long_ones_hang_on_their_disk() {
    both_tenants(|choice| {
        let stuck = Arc::new(FaultyDisk::new(FileOrPages(MemoryDisk::new(256 << 20))));
        stuck.add(Rule::new(Fault::Hang).on(OpKind::Read));
        let served = Served::new(&EngineOptions { pool_bytes: POOL, ..options(choice, 1) });
        served.add(0, stuck.clone());
        served.add(1, Arc::new(FileOrPages(MemoryDisk::new(64 << 20))));
        // Each session waits for its own share; together they want more than there is.
        let mut waiting: Vec<_> = (1..=3u8)
            .map(|port| {
                let mut host = served.login(port, &[0, 1]);
                let read = Request::new(0, &cdb::read16(0, LONGEST_BLOCKS)).reading(LONGEST as u32);
                let tag = host.submit(&read).unwrap();
                host.frames().flush().unwrap();
                (host, tag)
            })
            .collect();
        let until = Instant::now() + Duration::from_secs(10);
        while stuck.hanging() == 0 {
            assert!(Instant::now() < until, "one of the long reads has its buffer");
            thread::sleep(Duration::from_millis(2));
        }
        let mut host = served.login(9, &[0, 1]);
        for blocks in [1, 128, 2048, 8192] {
            assert!(host.read(1, 0, blocks, BLOCK).unwrap().iter().all(|byte| *byte == 0));
            host.write(1, 0, &vec![0; blocks as usize * 512], BLOCK).unwrap();
        }
        assert_eq!(stuck.hanging(), 1, "the others wait for its buffer");
        // The first in line goes away: the next has its turn.
        drop(waiting.remove(1));
        stuck.heal();
        stuck.fail_hanging(ferrite_backends::DiskError::TimedOut);
        let ends: Vec<u8> = waiting
            .into_iter()
            .map(|(mut host, tag)| match host.complete_one(tag).unwrap() {
                Answer::Scsi(answer) => answer.status,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(ends.iter().filter(|status| **status == 0).count(), 1, "{ends:?}");
        assert_all_home(&served);
    });
}

/// A memory disk that is read into buffers, as a file is.
struct FileOrPages(MemoryDisk);

impl Backend for FileOrPages {
    fn geometry(&self) -> ferrite_backends::Geometry {
        self.0.geometry()
    }

    fn submit(&self, job: ferrite_backends::Job, ring: &mut dyn ferrite_backends::FileRing) {
        self.0.submit(job, ring);
    }

    fn refresh(&self) -> std::io::Result<ferrite_backends::Geometry> {
        self.0.refresh()
    }

    fn describe(&self) -> String {
        self.0.describe()
    }
}

/// Memory, a file through the page cache, a file past it.
pub(crate) fn disks(folder: &std::path::Path, bytes: u64) -> [Arc<dyn Backend>; 3] {
    let create = Some(Create { bytes, allocate: false });
    let options = DiskOptions { create, ..DiskOptions::default() };
    [
        Arc::new(MemoryDisk::new(bytes)),
        Arc::new(FileDisk::open(folder.join("cached"), &options).unwrap()),
        Arc::new(BlockDisk::open(folder.join("direct"), &options).unwrap()),
    ]
}

fn assert_all_home(served: &Served) {
    let until = Instant::now() + Duration::from_secs(5);
    for pool in served.engine.buffers() {
        assert!(pool.mapped <= pool.budget, "{pool:?}");
    }
    while served.engine.buffers().iter().any(|pool| pool.lent > 0) {
        assert!(Instant::now() < until, "buffers stay away: {:?}", served.engine.buffers());
        thread::sleep(Duration::from_millis(5));
    }
}

/// Bytes of which each 512 say whose they are and where they belong.
fn tagged(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![seed as u8 | 1; len];
    for (number, block) in (0u64..).zip(bytes.chunks_mut(512)) {
        block[..8].copy_from_slice(&seed.to_be_bytes());
        block[8..16].copy_from_slice(&number.to_be_bytes());
    }
    bytes
}

fn blocks(data: &[u8]) -> u32 {
    data.len() as u32 / BLOCK
}

/// VERIFY (16) with BYTCHK 01b of the longest extent.
fn verify16(lba: u64) -> [u8; 16] {
    let mut cdb = cdb::write16(lba, LONGEST_BLOCKS);
    (cdb[0], cdb[1]) = (0x8f, 2);
    cdb
}

const TASK_SET_FULL: u8 = 0x28;
