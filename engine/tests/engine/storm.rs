//! Everything at once, by chance but repeatable: hosts that read, write, copy, unmap, reserve, preempt, abort, reset,
//! leave and come back, an operator who adds, removes and grows, disks that are late and fail, and few buffers for all.
//!
//! What must hold: a block has a value that an acknowledged or unfinished write gave it; a block that all count in by
//! COMPARE AND WRITE has counted each of them; what was aborted, or
//! left behind by a session that was replaced, is never written later; every command is answered once or was
//! ended; and in the end everything comes to an end and every buffer comes home.

mod deeds;
mod host;

use std::fs::OpenOptions;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::*;
use crate::copying::naa;
use crate::late::{Dice, Late};
use crate::tally::Tally;
use ferrite_api::IdentitySpec;
use ferrite_backends::{Create, DiskError, DiskOptions, Fault, FaultyDisk, FileDisk, MemoryDisk, OpKind, Rule};
use ferrite_engine::{Engine, EngineOptions, IoChoice};
use host::Host;

#[test]
fn in_a_storm_nothing_is_lost_written_late_or_left_waiting() {
    both_tenants(|choice| {
        for seed in SEEDS {
            storm(choice, seed);
        }
    });
}

const SEEDS: [u64; 3] = [1, 20_261, 77_003];
const HOSTS: u8 = 4;
const STEPS: u32 = 300;
const CELLS: u64 = 8;
const CELL_BLOCKS: u32 = 128;
const CELL_BYTES: u32 = CELL_BLOCKS * BLOCK;
const DISK_BYTES: u64 = HOSTS as u64 * CELLS * CELL_BYTES as u64;
/// Behind all cells: a block that all hosts count in, of LUNs 0 and 2.
const TALLY: u64 = DISK_BYTES / BLOCK as u64;
const IN_FLIGHT_MAX: usize = 12;
/// Late, and failing now and then; that comes and goes; a file that grows.
const LUNS: [u16; 3] = [0, 1, 2];
const COMES_AND_GOES: u16 = 1;
const STAY: [u16; 2] = [0, 2];

#[allow(clippy::print_stderr, reason = "names the seed of a failure")]
fn storm(choice: IoChoice, seed: u64) {
    eprintln!("seed {seed}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    let late = Arc::new(FaultyDisk::new(Late::new(DISK_BYTES + 4096, seed)));
    for (kind, skip, error) in [(OpKind::Write, 50, DiskError::Medium), (OpKind::Read, 90, DiskError::TimedOut)] {
        (1..8).for_each(|n| late.add(Rule::new(Fault::Fail(error)).on(kind).after(n * skip).times(1)));
    }
    late.add(Rule::new(Fault::Lose).on(OpKind::Flush).after(3).times(2));
    let create = Some(Create { bytes: DISK_BYTES + 4096, allocate: false });
    let file = FileDisk::open(&path, &DiskOptions { create, ..DiskOptions::default() }).unwrap();
    // The smallest pool there is, for all four hosts.
    let small = EngineOptions { pool_bytes: 0, ..options(choice, 2) };
    let served = Arc::new(Served::new(&small).with(0, late.clone()).with(2, file));

    let over = Arc::new(AtomicBool::new(false));
    let (engine, stop) = (served.engine.clone(), over.clone());
    let operator = thread::spawn(move || operate(&engine, &path, &mut Dice(seed ^ 0xabcd), &stop));
    let answered = Arc::new(AtomicUsize::new(0));
    let tallies: Arc<[Tally; 2]> = Arc::default();
    let mut first = served.login(98, &[0, 2]);
    let names = Arc::new([0, 2].map(|lun| naa(&mut first, lun)));
    assert_eq!(first.logout().unwrap(), 0);
    let hosts: Vec<_> = (0..HOSTS)
        .map(|number| {
            let (served, answered, tallies, names) = (served.clone(), answered.clone(), tallies.clone(), names.clone());
            thread::spawn(move || Host::new(served, tallies, names, number, seed).live(&answered))
        })
        .collect();
    let ended: Vec<_> = hosts.into_iter().map(thread::JoinHandle::join).collect();
    over.store(true, Ordering::Release);
    operator.join().unwrap();
    assert!(ended.iter().all(Result::is_ok), "seed {seed}, disks by {choice:?}");
    assert!(
        answered.load(Ordering::Relaxed) > usize::from(HOSTS) * STEPS as usize / 4,
        "most commands ended by answers"
    );

    late.heal();
    let mut last = served.login(99, &[0, 2]);
    for (tally, lun) in tallies.iter().zip([0, 2]) {
        tally.check(&last.read(lun, TALLY, 1, BLOCK).unwrap());
    }
    assert_eq!(last.logout().unwrap(), 0);
    let until = Instant::now() + Duration::from_secs(5);
    while served.engine.buffers().iter().any(|pool| pool.lent > 0) {
        assert!(Instant::now() < until, "buffers stay away: {:?}", served.engine.buffers());
        thread::sleep(Duration::from_millis(5));
    }
    assert!(served.engine.sessions().is_empty());
    let began = Instant::now();
    assert!(served.engine.shutdown(Duration::from_secs(1)).is_clean());
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

/// Adds and removes a LUN, grows another, looks around.
fn operate(engine: &Engine, file: &std::path::Path, dice: &mut Dice, over: &AtomicBool) {
    let mut bytes = DISK_BYTES + 4096;
    while !over.load(Ordering::Acquire) {
        let disk = Arc::new(MemoryDisk::new(DISK_BYTES));
        engine.add_disk(&iqn(), lun(COMES_AND_GOES), disk, &IdentitySpec::default()).unwrap();
        thread::sleep(Duration::from_millis(dice.below(40)));
        bytes += 1 << 20;
        OpenOptions::new().write(true).open(file).unwrap().set_len(bytes).unwrap();
        assert_eq!(engine.resize_lun(&iqn(), lun(2), false).unwrap(), bytes);
        assert!(engine.sessions().len() <= usize::from(HOSTS));
        engine.remove_lun(&iqn(), lun(COMES_AND_GOES)).unwrap();
        thread::sleep(Duration::from_millis(dice.below(10)));
    }
}
