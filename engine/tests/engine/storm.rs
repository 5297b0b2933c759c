//! Everything at once, by chance but repeatable: hosts that read, write, abort, reset, leave and come back, an
//! operator who adds, removes and grows, disks that are late and fail, and few buffers for all.
//!
//! What must hold: a block has a value that an acknowledged or unfinished write gave it; a block that all count in by
//! COMPARE AND WRITE has counted each of them; what was aborted, or
//! left behind by a session that was replaced, is never written later; every command is answered once or was
//! ended; and in the end everything comes to an end and every buffer comes home.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::*;
use crate::exchanging::exchange;
use crate::late::{Dice, LATEST, Late};
use crate::tally::{Tally, one_more};
use ferrite_api::IdentitySpec;
use ferrite_backends::{Create, DiskError, DiskOptions, Fault, FaultyDisk, FileDisk, MemoryDisk, OpKind, Rule};
use ferrite_engine::{Engine, EngineOptions, IoChoice};
use ferrite_iscsi::initiator::{Answer, Error, Initiator, Keys, Request, ScsiResult, Settings, cdb, lun as lun_field};

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
    let hosts: Vec<_> = (0..HOSTS)
        .map(|number| {
            let (served, answered, tallies) = (served.clone(), answered.clone(), tallies.clone());
            thread::spawn(move || Host::new(served, tallies, number, seed).live(&answered))
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

/// A host with cells that nobody else writes to.
struct Host {
    served: Arc<Served>,
    dice: Dice,
    settings: Settings,
    port: u8,
    session: Initiator<TcpStream>,
    in_flight: BTreeMap<u32, Deed>,
    cells: BTreeMap<Place, Cell>,
    /// Where a write was given up.
    suspects: Vec<Place>,
    /// Of LUNs 0 and 2.
    tallies: Arc<[Tally; 2]>,
    /// What was last seen there; `None`: look first.
    counted: [Option<Vec<u8>>; 2],
    next_value: u64,
    answered: usize,
}

/// LUN and number of a cell.
type Place = (u16, u64);

#[derive(Default)]
struct Cell {
    /// What it may hold.
    may_be: BTreeSet<u64>,
    busy: bool,
}

#[derive(Clone, Copy)]
enum Deed {
    Read(Place),
    Write(Place, u64),
    /// COMPARE AND WRITE of a whole cell.
    Exchange(Place, u64),
    Flush(u16),
    /// In the tally of LUN 0, or 2.
    Count(usize),
    Look(usize),
}

impl Deed {
    fn lun(self) -> u16 {
        match self {
            Self::Read((lun, _)) | Self::Write((lun, _), _) | Self::Exchange((lun, _), _) | Self::Flush(lun) => lun,
            Self::Count(tally) | Self::Look(tally) => 2 * tally as u16,
        }
    }
}

impl Host {
    fn new(served: Arc<Served>, tallies: Arc<[Tally; 2]>, port: u8, seed: u64) -> Self {
        let keys = match port % 2 {
            0 => Keys::default(),
            _ => Keys { initial_r2t: true, immediate_data: false, max_burst_length: 16384, ..Keys::default() },
        };
        let settings = Settings { keys: keys.with_digests(port == 3), ..settings(port) };
        let session = log_in(&served, &settings);
        let place = |lun| (0..CELLS).map(move |cell| (lun, cell));
        let empty = || Cell { may_be: BTreeSet::from([0]), busy: false };
        let cells = LUNS.into_iter().flat_map(place).map(|place| (place, empty())).collect();
        let dice = Dice(seed.wrapping_mul(31).wrapping_add(u64::from(port)) | 1);
        let next_value = u64::from(port) << 32 | 1;
        Self {
            served,
            dice,
            settings,
            port,
            session,
            in_flight: BTreeMap::new(),
            cells,
            suspects: Vec::new(),
            tallies,
            counted: [None, None],
            next_value,
            answered: 0,
        }
    }

    fn live(mut self, answered: &AtomicUsize) {
        for _ in 0..STEPS {
            match self.dice.below(100) {
                0..30 => self.write(),
                30..36 => self.exchange(),
                36..46 => self.count(),
                46..70 => self.read(),
                70..74 => self.flush(),
                74..79 => self.abort_one(),
                79..80 => self.end_all(LUN_RESET, 0),
                80..82 => self.end_all(ABORT_TASK_SET, 2),
                82..83 => self.leave(),
                83..84 => self.be_lost(),
                84..85 => self.be_replaced(),
                _ => self.hear(),
            }
            while self.in_flight.len() >= IN_FLIGHT_MAX {
                self.hear();
            }
            self.watch_suspects();
        }
        while !self.in_flight.is_empty() {
            self.hear();
        }
        for place in self.cells.keys().copied().collect::<Vec<_>>() {
            for _ in 0..TRIES {
                self.read_at(place);
                while !self.in_flight.is_empty() {
                    self.hear();
                }
            }
        }
        answered.fetch_add(self.answered, Ordering::Relaxed);
        assert_eq!(self.session.logout().unwrap(), 0);
    }

    /// A write that was given up has been done or will never be: one look says which, and a later look the same.
    fn watch_suspects(&mut self) {
        let suspects = std::mem::take(&mut self.suspects);
        for _ in 0..2 {
            for place in suspects.iter().copied() {
                if !self.cells[&place].busy {
                    self.read_at(place);
                }
                while self.in_flight.len() >= IN_FLIGHT_MAX || self.cells[&place].busy {
                    self.hear();
                }
            }
            thread::sleep(if suspects.is_empty() { Duration::ZERO } else { LATEST });
        }
    }

    fn lba(&self, cell: u64) -> u64 {
        (u64::from(self.port) * CELLS + cell) * u64::from(CELL_BLOCKS)
    }

    /// A cell that nothing is under way for.
    fn pick(&mut self) -> Option<Place> {
        let place = (LUNS[self.dice.below(3) as usize], self.dice.below(CELLS));
        let cell = self.cells.get_mut(&place).unwrap();
        (!std::mem::replace(&mut cell.busy, true)).then_some(place)
    }

    fn send(&mut self, request: &Request, deed: Deed) {
        // Now and then ORDERED, or HEAD OF QUEUE.
        let attribute = [2, 2, 3, 1][self.dice.below(40).min(3) as usize];
        let request = Request { attribute, ..request.clone() };
        let itt = loop {
            match self.session.submit(&request) {
                Ok(itt) => break itt,
                Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => panic!("host {}: {error}", self.port),
            }
        };
        self.in_flight.insert(itt, deed);
    }

    fn write(&mut self) {
        let Some(place) = self.pick() else { return };
        let value = self.next_value;
        self.next_value += 1;
        self.cells.get_mut(&place).unwrap().may_be.insert(value);
        let data = value.to_le_bytes().repeat(CELL_BYTES as usize / 8);
        let mut cdb = cdb::write16(self.lba(place.1), CELL_BLOCKS);
        // Some of them with FUA.
        cdb[1] = u8::from(self.dice.below(4) == 0) << 3;
        self.send(&Request::new(place.0, &cdb).writing(data), Deed::Write(place, value));
    }

    /// Of what it holds, if that is known.
    fn exchange(&mut self) {
        let Some(place) = self.pick() else { return };
        let value = self.next_value;
        self.next_value += 1;
        let cell = self.cells.get_mut(&place).unwrap();
        let old = *cell.may_be.first().unwrap();
        cell.may_be.insert(value);
        let [old, new] = [old, value].map(|value| value.to_le_bytes().repeat(CELL_BYTES as usize / 8));
        let request = Request { lun: lun_field(place.0), ..exchange(self.lba(place.1), &old, &new) };
        self.send(&request, Deed::Exchange(place, value));
    }

    fn count(&mut self) {
        let tally = self.dice.below(2) as usize;
        let lun = 2 * tally as u16;
        let Some(old) = self.counted[tally].take() else {
            return self.send(&Request::new(lun, &cdb::read16(TALLY, 1)).reading(BLOCK), Deed::Look(tally));
        };
        let request = exchange(TALLY, &old, &one_more(&old, self.dice.next()));
        self.send(&Request { lun: lun_field(lun), ..request }, Deed::Count(tally));
    }

    fn read(&mut self) {
        if let Some(place) = self.pick() {
            self.send_read(place);
        }
    }

    fn read_at(&mut self, place: Place) {
        self.cells.get_mut(&place).unwrap().busy = true;
        self.send_read(place);
    }

    fn send_read(&mut self, place: Place) {
        let cdb = cdb::read16(self.lba(place.1), CELL_BLOCKS);
        self.send(&Request::new(place.0, &cdb).reading(CELL_BYTES), Deed::Read(place));
    }

    fn flush(&mut self) {
        let lun = LUNS[self.dice.below(3) as usize];
        self.send(&Request::new(lun, &cdb::synchronize_cache16(0, 0)), Deed::Flush(lun));
    }

    /// Waits for one answer. When none comes for a while, another host's reset has ended commands of ours.
    fn hear(&mut self) {
        if self.in_flight.is_empty() {
            return;
        }
        let until = Instant::now() + SILENCE;
        loop {
            if let Some(completion) = self.session.poll_completion() {
                return self.take(completion.itt, completion.answer);
            }
            // News of other units come all the time.
            if Instant::now() >= until {
                return LUNS.into_iter().for_each(|lun| self.end_all(ABORT_TASK_SET, lun));
            }
            match self.session.advance() {
                Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                other => other.unwrap_or_else(|error| panic!("host {}: {error}", self.port)),
            }
        }
    }

    fn take(&mut self, itt: u32, answer: Answer) {
        let Answer::Scsi(result) = answer else { panic!("host {}: {answer:?}", self.port) };
        let deed = self.in_flight.remove(&itt).expect("each command is answered once");
        self.answered += 1;
        self.ended(deed, Some(&result));
    }

    /// A command has ended: with an answer, or for good without one.
    fn ended(&mut self, deed: Deed, result: Option<&ScsiResult>) {
        let good = result.filter(|result| result.is_good());
        match deed {
            Deed::Flush(_) => {}
            Deed::Look(tally) => self.counted[tally] = good.map(|result| result.data.clone()),
            Deed::Count(tally) => drop(self.tallies[tally].ended(result)),
            Deed::Write(place, value) | Deed::Exchange(place, value) => {
                let cell = self.cells.get_mut(&place).unwrap();
                cell.busy = false;
                // That LUN may be another by now.
                if good.is_some() && place.0 != COMES_AND_GOES {
                    cell.may_be = BTreeSet::from([value]);
                }
                if result.is_none() {
                    self.suspects.push(place);
                }
            }
            Deed::Read(place) => {
                let cell = self.cells.get_mut(&place).unwrap();
                cell.busy = false;
                let Some(result) = good else { return };
                let (words, rest) = result.data.as_chunks::<8>();
                assert_eq!((words.len(), rest.len()), (CELL_BYTES as usize / 8, 0));
                let value = u64::from_le_bytes(words[0]);
                assert!(words.iter().all(|word| *word == words[0]), "{place:?} is torn");
                assert!(cell.may_be.contains(&value), "{place:?} holds {value:#x}, not one of {:x?}", cell.may_be);
                if place.0 != COMES_AND_GOES {
                    // Nothing is under way: what it holds now it holds until the next write.
                    cell.may_be = BTreeSet::from([value]);
                }
            }
        }
    }

    fn abort_one(&mut self) {
        let Some((&itt, &deed)) = self.in_flight.iter().nth(self.dice.below(4) as usize) else { return };
        let response = self.manage(ABORT_TASK, deed.lun(), Some(itt));
        assert!([COMPLETE, NO_TASK].contains(&response), "{response}");
        self.hear_what_came();
        if let Some(deed) = self.in_flight.remove(&itt) {
            // Aborted; or another host's reset had ended it.
            self.session.forget(itt);
            self.ended(deed, None);
        }
    }

    fn end_all(&mut self, function: u8, lun: u16) {
        let response = self.manage(function, lun, None);
        assert!(response == COMPLETE || response == NO_LUN && lun == COMES_AND_GOES, "{response}");
        self.hear_what_came();
        if response == COMPLETE {
            for (itt, deed) in self.in_flight.extract_if(.., |_, deed| deed.lun() == lun).collect::<Vec<_>>() {
                self.session.forget(itt);
                self.ended(deed, None);
            }
        }
    }

    fn manage(&mut self, function: u8, lun: u16, referenced: Option<u32>) -> u8 {
        let itt = self.session.submit_manage(function, lun_field(lun), referenced).unwrap();
        for _ in 0..100 {
            match self.session.complete_one(itt) {
                Ok(Answer::Managed(response)) => return response,
                Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                other => panic!("host {}: {other:?}", self.port),
            }
        }
        panic!("host {}: function {function} is not answered", self.port);
    }

    fn hear_what_came(&mut self) {
        while let Some(completion) = self.session.poll_completion() {
            self.take(completion.itt, completion.answer);
        }
    }

    fn leave(&mut self) {
        let itt = self.session.submit_logout(0, 0).unwrap();
        loop {
            match self.session.complete_one(itt) {
                Ok(Answer::LoggedOut { response: 0, .. }) => break,
                Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                other => panic!("host {}: {other:?}", self.port),
            }
        }
        self.hear_what_came();
        self.session = log_in(&self.served, &self.settings);
        self.lose_all();
    }

    /// The connection breaks, and the host comes again.
    fn be_lost(&mut self) {
        self.hear_what_came();
        let gone = self.session.frames().stream().try_clone().unwrap();
        gone.shutdown(std::net::Shutdown::Both).unwrap();
        self.session = log_in(&self.served, &self.settings);
        self.lose_all();
    }

    /// The host comes again while its old connection is still open.
    fn be_replaced(&mut self) {
        self.hear_what_came();
        self.session = log_in(&self.served, &self.settings);
        self.lose_all();
    }

    fn lose_all(&mut self) {
        for (_, deed) in std::mem::take(&mut self.in_flight) {
            self.ended(deed, None);
        }
    }
}

fn log_in(served: &Served, settings: &Settings) -> Initiator<TcpStream> {
    let mut session = Initiator::login(served.stream(), settings).unwrap();
    session.frames().stream().set_read_timeout(Some(SILENCE)).unwrap();
    session
}

/// Whoever hears nothing for so long has lost its commands to somebody's reset.
const SILENCE: Duration = Duration::from_millis(80);

/// Attentions and errors by rule may stand in the way of the last reads.
const TRIES: u32 = 3;

const ABORT_TASK: u8 = 1;
const ABORT_TASK_SET: u8 = 2;
const LUN_RESET: u8 = 5;
const COMPLETE: u8 = 0;
const NO_TASK: u8 = 1;
const NO_LUN: u8 = 2;
