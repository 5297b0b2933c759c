//! One host of the storm: it has cells that nobody else writes to, and knows what they may hold.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::deeds::Deed;
use super::{CELL_BLOCKS, CELLS, COMES_AND_GOES, IN_FLIGHT_MAX, LUNS, STEPS};
use crate::common::*;
use crate::late::{Dice, LATEST};
use crate::tally::Tally;
use ferrite_iscsi::initiator::{Answer, Error, Initiator, Keys, Request, Settings, lun as lun_field};

/// See the module.
pub(super) struct Host {
    pub(super) served: Arc<Served>,
    pub(super) dice: Dice,
    pub(super) settings: Settings,
    pub(super) port: u8,
    pub(super) session: Initiator<TcpStream>,
    pub(super) in_flight: BTreeMap<u32, Deed>,
    pub(super) cells: BTreeMap<Place, Cell>,
    /// Where a write was given up.
    pub(super) suspects: Vec<Place>,
    /// Of LUNs 0 and 2.
    pub(super) tallies: Arc<[Tally; 2]>,
    /// What was last seen there; `None`: look first.
    pub(super) counted: [Option<Vec<u8>>; 2],
    /// Of LUNs 0 and 2, as copies call them.
    pub(super) names: Arc<[Vec<u8>; 2]>,
    pub(super) next_value: u64,
    pub(super) answered: usize,
}

/// LUN and number of a cell.
pub(super) type Place = (u16, u64);

#[derive(Default)]
pub(super) struct Cell {
    /// What it may hold.
    pub(super) may_be: BTreeSet<u64>,
    pub(super) busy: bool,
}

impl Host {
    pub(super) fn new(
        served: Arc<Served>,
        tallies: Arc<[Tally; 2]>,
        names: Arc<[Vec<u8>; 2]>,
        port: u8,
        seed: u64,
    ) -> Self {
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
            names,
            next_value,
            answered: 0,
        }
    }

    pub(super) fn live(mut self, answered: &AtomicUsize) {
        for _ in 0..STEPS {
            match self.dice.below(100) {
                0..26 => self.write(),
                26..32 => self.exchange(),
                32..42 => self.count(),
                42..62 => self.read(),
                62..64 => self.flush(),
                64..67 => self.unmap(),
                67..71 => self.copy(),
                71..74 => self.reserve(),
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

    pub(super) fn lba(&self, cell: u64) -> u64 {
        (u64::from(self.port) * CELLS + cell) * u64::from(CELL_BLOCKS)
    }

    /// A cell that nothing is under way for.
    pub(super) fn pick(&mut self) -> Option<Place> {
        let place = (LUNS[self.dice.below(3) as usize], self.dice.below(CELLS));
        let cell = self.cells.get_mut(&place).unwrap();
        (!std::mem::replace(&mut cell.busy, true)).then_some(place)
    }

    pub(super) fn send(&mut self, request: &Request, deed: Deed) {
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
