//! Many hosts exchange the same blocks at the same time, beside plain writers: no update is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::*;
use crate::exchanging::exchange;
use crate::late::{Dice, Late};
use crate::tally::{Tally, count, one_more};
use ferrite_backends::{Backend, Create, DiskOptions, FileDisk, MemoryDisk};
use ferrite_engine::IoChoice;
use ferrite_iscsi::initiator::{Request, cdb};

const SHARDS: usize = 3;
const COUNTERS: u64 = 4;
/// Blocks that plain writers write, in the same page as the counters.
const NEIGHBOURS: u64 = 4;
/// A block that one host writes over and over, and the others exchange.
const STAMPED: u64 = COUNTERS + NEIGHBOURS;
const MISCOMPARE: Option<(u8, u8, u8)> = Some((0xe, 0x1d, 0));
const DISK_BYTES: u64 = 1 << 20;

#[test]
fn no_update_is_lost_in_memory() {
    both_tenants(|choice| race(choice, MemoryDisk::new(DISK_BYTES), 6, 17_000));
}

#[test]
fn no_update_is_lost_in_a_file() {
    both_tenants(|choice| {
        let folder = tempfile::tempdir().unwrap();
        race(choice, file(&folder.path().join("disk"), DISK_BYTES), 6, 200);
    });
}

#[test]
fn no_update_is_lost_on_a_disk_that_is_late_and_out_of_order() {
    race(IoChoice::Threads, Late::new(DISK_BYTES, 3), 5, 15);
}

fn file(path: &std::path::Path, bytes: u64) -> FileDisk {
    let create = Some(Create { bytes, allocate: false });
    FileDisk::open(path, &DiskOptions { create, ..DiskOptions::default() }).unwrap()
}

/// `hosts` count up `rounds` times each.
fn race(choice: IoChoice, disk: impl Backend, hosts: u8, rounds: u32) {
    let served = Arc::new(Served::new(&options(choice, SHARDS)).with(0, disk));
    let tallies: Arc<Vec<Tally>> = Arc::new((0..COUNTERS).map(|_| Tally::default()).collect());
    let over = Arc::new(AtomicBool::new(false));
    let stamped = Arc::new(AtomicU64::new(0));
    let counting: Vec<_> = (0..hosts)
        .map(|host| {
            let (served, tallies, stamped) = (served.clone(), tallies.clone(), stamped.clone());
            thread::spawn(move || count_up(&served, host, rounds, &tallies, &stamped))
        })
        .collect();
    let (neighbour, stop) = (served.clone(), over.clone());
    let neighbour = thread::spawn(move || write_beside(&neighbour, &stop));
    let (stamper, stop, writes) = (served.clone(), over.clone(), stamped.clone());
    let stamper = thread::spawn(move || stamp(&stamper, &stop, &writes));
    counting.into_iter().for_each(|host| host.join().unwrap());
    over.store(true, Ordering::Release);
    neighbour.join().unwrap();
    stamper.join().unwrap();
    assert!(stamped.load(Ordering::Relaxed) > 3, "the writer hardly wrote");
    let mut host = served.login(99, &[0]);
    let total: u64 = (0..COUNTERS)
        .map(|counter| {
            let block = host.read(0, counter, 1, BLOCK).unwrap();
            tallies[counter as usize].check(&block);
            count(&block)
        })
        .sum();
    assert_eq!(total, u64::from(hosts) * u64::from(rounds));
}

fn count_up(served: &Served, number: u8, rounds: u32, tallies: &[Tally], stamped: &AtomicU64) {
    let mut host = served.login(number, &[0]);
    let mut dice = Dice(u64::from(number) * 7919 + 1);
    for round in 0..rounds {
        let counter = dice.below(COUNTERS);
        loop {
            let old = host.read(0, counter, 1, BLOCK).unwrap();
            let new = one_more(&old, dice.next());
            let result = host.command(&exchange(counter, &old, &new)).unwrap();
            if tallies[counter as usize].ended(Some(&result)) {
                break;
            }
            assert_eq!(result.sense_code(), MISCOMPARE);
        }
        if round % 2 == 0 {
            // What was acknowledged before is in every block that is read or exchanged after.
            let least = stamped.load(Ordering::Acquire);
            let old = host.read(0, STAMPED, 1, BLOCK).unwrap();
            let mut new = one_more(&old, dice.next());
            assert!(stamp_of(&old) >= least, "{} was written, {} is there", least, stamp_of(&old));
            new[8..16].copy_from_slice(&old[8..16]);
            let result = host.command(&exchange(STAMPED, &old, &new)).unwrap();
            assert!(result.is_good() || result.sense_code() == MISCOMPARE, "{result:?}");
        }
    }
}

fn stamp_of(block: &[u8]) -> u64 {
    u64::from_le_bytes(block[8..16].try_into().unwrap())
}

/// Writes a stamp that grows; the others keep it when they exchange the block.
fn stamp(served: &Served, over: &AtomicBool, written: &AtomicU64) {
    let mut host = served.login(50, &[0]);
    for stamp in 1u64.. {
        if over.load(Ordering::Acquire) {
            return;
        }
        let mut block = vec![0; BLOCK as usize];
        block[8..16].copy_from_slice(&stamp.to_le_bytes());
        host.write(0, STAMPED, &block, BLOCK).unwrap();
        written.store(stamp, Ordering::Release);
        let read = host.read(0, STAMPED, 1, BLOCK).unwrap();
        assert_eq!(stamp_of(&read), stamp, "an exchange of what was there before has won");
    }
}

/// Writes the blocks beside the counters, of which nobody else writes.
fn write_beside(served: &Served, over: &AtomicBool) {
    let mut host = served.login(51, &[0]);
    for seed in 0.. {
        if over.load(Ordering::Acquire) {
            return;
        }
        let data = pattern(seed, NEIGHBOURS as usize * BLOCK as usize);
        host.write(0, COUNTERS, &data, BLOCK).unwrap();
        assert_eq!(host.read(0, COUNTERS, NEIGHBOURS as u32, BLOCK).unwrap(), data);
    }
}

#[test]
#[allow(clippy::print_stderr, reason = "says what was measured")]
fn a_heartbeat_is_answered_soon_beside_bulk_transfers() {
    both_tenants(|choice| {
        let folder = tempfile::tempdir().unwrap();
        let disk = file(&folder.path().join("disk"), 256 << 20);
        let served = Arc::new(Served::new(&options(choice, 1)).with(0, disk));
        let over = Arc::new(AtomicBool::new(false));
        let bulk: Vec<_> = (0..BULK_HOSTS)
            .map(|host| {
                let (served, over) = (served.clone(), over.clone());
                thread::spawn(move || transfer(&served, host, &over))
            })
            .collect();
        let mut host = served.login(60, &[0]);
        let (mut block, mut longest) = (vec![0; BLOCK as usize], Duration::ZERO);
        for beat in 0..BEATS {
            let next = one_more(&block, beat);
            let began = Instant::now();
            assert!(host.command(&exchange(0, &block, &next)).unwrap().is_good());
            longest = longest.max(began.elapsed());
            block = next;
            thread::sleep(Duration::from_millis(10));
        }
        over.store(true, Ordering::Release);
        bulk.into_iter().for_each(|host| host.join().unwrap());
        eprintln!("the longest of {BEATS} heartbeats took {longest:?}");
        assert!(longest < HEARTBEAT_MAX, "{longest:?}");
    });
}

/// Keeps many transfers of 1 MiB under way, reads and writes.
fn transfer(served: &Served, number: u8, over: &AtomicBool) {
    let mut host = served.login(number, &[0]);
    let mut dice = Dice(u64::from(number) + 77);
    let mut in_flight = 0;
    loop {
        while in_flight < DEPTH && !over.load(Ordering::Acquire) {
            let lba = 2048 + dice.below(200) * 2048;
            let request = match dice.below(2) {
                0 => Request::new(0, &cdb::read16(lba, 2048)).reading(1 << 20),
                _ => Request::new(0, &cdb::write16(lba, 2048)).writing(vec![number; 1 << 20]),
            };
            host.submit(&request).unwrap();
            in_flight += 1;
        }
        if in_flight == 0 {
            return;
        }
        host.complete().unwrap();
        in_flight -= 1;
    }
}

const BULK_HOSTS: u8 = 3;
const DEPTH: u32 = 16;
const BEATS: u64 = 100;

/// ESX gives a heartbeat up after 8 s. Here nothing but the machine may delay it.
const HEARTBEAT_MAX: Duration = Duration::from_secs(6);
