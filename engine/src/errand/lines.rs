//! Who does errands, in which order, and how one is given up.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ferrite_scsi::{NexusId, Plan, Sense};

use super::{Errand, Work};
use crate::hold::Hold;

/// All lines of an engine. Their threads begin with the first errand, and end with this.
#[derive(Debug)]
pub(crate) struct Errands([Arc<Line>; Kind::ALL.len()]);

/// The kinds of errands; each has a line of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// State is put on stable storage: Windows gives a PERSISTENT RESERVE OUT three seconds.
    Keep,
    /// A disk or its file system is asked.
    Ask,
    /// Bytes move between disks.
    Copy,
    /// A whole medium is overwritten.
    Erase,
    /// The space of a unit is looked at, for nobody's command.
    Look,
}

/// One errand, for those who may want to give it up.
#[derive(Debug)]
pub(crate) struct Ticket {
    units: Vec<u64>,
    nexus: Option<NexusId>,
    given_up: AtomicBool,
}

/// There is no place in the line, or no thread to be had: the initiator comes again.
#[derive(Debug)]
pub(crate) struct Full;

impl Errands {
    pub(crate) fn new() -> Self {
        Self(Kind::ALL.map(|kind| Arc::new(Line::new(kind))))
    }

    /// Puts an errand in its line. `home` is told what is left of its command, once, on another thread: also when
    /// the errand is given up, or panics.
    pub(crate) fn send(&self, errand: Errand, home: impl FnOnce(Plan) + Send + 'static) -> Result<Arc<Ticket>, Full> {
        let ticket = Arc::new(Ticket { units: errand.units, nexus: errand.nexus, given_up: AtomicBool::new(false) });
        let home = Home(Some(Box::new(home)));
        Line::add(&self.0[errand.kind as usize], Waiting { ticket: ticket.clone(), work: errand.work, home })?;
        Ok(ticket)
    }

    /// Gives up what uses the disk of one of `units`; `hold` is let go when nothing does any more.
    pub(crate) fn stop(&self, units: &[u64], hold: &Hold) {
        self.0.iter().for_each(|line| line.give_up(|ticket| ticket.is_for(units), hold));
    }

    /// The same with copies only.
    pub(crate) fn stop_copies(&self, unit: u64, hold: &Hold) {
        self.0[Kind::Copy as usize].give_up(|ticket| ticket.is_for(&[unit]), hold);
    }

    /// The same with copies of some nexuses only, on `unit` or on any; also those whose command was answered before, and
    /// those whose session is gone.
    pub(crate) fn stop_copies_of(&self, whose: impl Fn(&NexusId) -> bool, unit: Option<u64>, hold: &Hold) {
        let which = |ticket: &Ticket| {
            ticket.nexus.as_ref().is_some_and(&whose) && unit.is_none_or(|unit| ticket.is_for(&[unit]))
        };
        self.0[Kind::Copy as usize].give_up(which, hold);
    }

    /// Gives everything up and takes nothing more; false when something is still being done after `timeout`.
    pub(crate) fn close(&self, timeout: Duration) -> bool {
        let none: Hold = Arc::new(());
        for line in &self.0 {
            line.lock().closed = true;
            line.give_up(|_| true, &none);
            line.come.notify_all();
        }
        let until = Instant::now() + timeout;
        self.0.iter().all(|line| line.is_quiet_by(until))
    }
}

impl Drop for Errands {
    fn drop(&mut self) {
        self.close(Duration::ZERO);
    }
}

impl Kind {
    const ALL: [Kind; 5] = [Kind::Keep, Kind::Ask, Kind::Copy, Kind::Erase, Kind::Look];

    /// The thread's name, how many there are at the most, and how many errands wait for them at the most.
    const fn line(self) -> (&'static str, usize, usize) {
        match self {
            Kind::Keep => ("ferrite-keep", 2, 1024),
            Kind::Ask => ("ferrite-ask", 2, 256),
            Kind::Copy => ("ferrite-copy", 4, 256),
            // As each unit has one at a time, this is for as many units.
            Kind::Erase => ("ferrite-erase", 4, 16_384),
            Kind::Look => ("ferrite-look", 1, 1024),
        }
    }
}

impl Ticket {
    /// Nobody wants the errand done any more. What it is doing now it finishes; it begins nothing new.
    pub(crate) fn give_up(&self) {
        self.given_up.store(true, Ordering::Release);
    }

    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Acquire)
    }

    fn is_for(&self, units: &[u64]) -> bool {
        self.units.iter().any(|unit| units.contains(unit))
    }
}

/// The errands of one kind.
#[derive(Debug)]
struct Line {
    kind: Kind,
    state: Mutex<State>,
    /// Something waits, or the line is closed.
    come: Condvar,
    /// Something has ended.
    gone: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    /// What is being done now, with those who wait for its end.
    out: Vec<(Arc<Ticket>, Vec<Hold>)>,
    threads: usize,
    closed: bool,
}

struct Waiting {
    ticket: Arc<Ticket>,
    work: Work,
    home: Home,
}

/// An errand that is being done. The last to let go of it, its thread or a job that was given up and is still on a
/// disk, tells what is left of the command: before that the disk may still do something for it.
pub(crate) struct Outing {
    line: Arc<Line>,
    ticket: Arc<Ticket>,
    home: Mutex<Home>,
    left: Mutex<Option<Plan>>,
}

/// Tells what is left of a command; when it is dropped untold, that something went wrong here.
struct Home(Option<Box<dyn FnOnce(Plan) + Send>>);

impl Outing {
    pub(crate) fn is_given_up(&self) -> bool {
        self.ticket.is_given_up()
    }
}

impl Drop for Outing {
    fn drop(&mut self) {
        let holds = self.line.leave(&self.ticket);
        let home = std::mem::replace(self.home.get_mut().unwrap_or_else(PoisonError::into_inner), Home(None));
        match self.left.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            Some(plan) => home.tell(plan),
            None => drop(home),
        }
        drop(holds);
        self.line.gone.notify_all();
    }
}

impl Line {
    fn new(kind: Kind) -> Self {
        Self { kind, state: Mutex::default(), come: Condvar::new(), gone: Condvar::new() }
    }

    fn add(line: &Arc<Self>, mut errand: Waiting) -> Result<(), Full> {
        let (name, threads_max, waiting_max) = line.kind.line();
        let mut state = line.lock();
        let has_place = !state.closed && state.waiting.len() < waiting_max;
        // A thread for each errand that would wait, up to the limit; they stay.
        if has_place && state.threads < threads_max && state.waiting.len() + state.out.len() >= state.threads {
            let worker = line.clone();
            match thread::Builder::new().name(name.to_owned()).spawn(move || Line::work(&worker)) {
                Ok(_) => state.threads += 1,
                Err(error) => tracing::error!(%error, name, "no thread to be had"),
            }
        }
        if !has_place || state.threads == 0 {
            drop(state);
            // Whoever sends it answers for it.
            errand.home.0 = None;
            return Err(Full);
        }
        state.waiting.push_back(errand);
        drop(state);
        line.come.notify_one();
        Ok(())
    }

    fn work(line: &Arc<Self>) {
        let mut state = line.lock();
        loop {
            if let Some(Waiting { ticket, work, home }) = state.waiting.pop_front() {
                state.out.push((ticket.clone(), Vec::new()));
                drop(state);
                let (line, home) = (line.clone(), Mutex::new(home));
                let outing = Arc::new(Outing { line, ticket, home, left: Mutex::default() });
                // Nothing else of the errand, no disk that it holds, outlives this call.
                match catch_unwind(AssertUnwindSafe(|| work(&outing))) {
                    Ok(plan) => *outing.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(plan),
                    Err(_) => tracing::error!(ticket = ?outing.ticket, "an errand panicked"),
                }
                drop(outing);
            } else if state.closed {
                return;
            } else {
                state = line.come.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state = line.lock();
        }
    }

    /// What was done is over; those who wait for that.
    fn leave(&self, ticket: &Arc<Ticket>) -> Vec<Hold> {
        let mut state = self.lock();
        let at = state.out.iter().position(|(out, _)| Arc::ptr_eq(out, ticket)).expect("it was put there");
        state.out.swap_remove(at).1
    }

    fn give_up(&self, which: impl Fn(&Ticket) -> bool, hold: &Hold) {
        let mut state = self.lock();
        for (ticket, holds) in state.out.iter_mut().filter(|(ticket, _)| which(ticket)) {
            ticket.give_up();
            holds.push(hold.clone());
        }
        let (ended, left) = std::mem::take(&mut state.waiting).into_iter().partition(|errand| which(&errand.ticket));
        state.waiting = left;
        drop(state);
        let ended: VecDeque<Waiting> = ended;
        for Waiting { ticket, work, home } in ended {
            ticket.give_up();
            drop(work);
            home.tell(Sense::ABORTED.into());
        }
    }

    fn is_quiet_by(&self, until: Instant) -> bool {
        let mut state = self.lock();
        while !state.out.is_empty() {
            let Some(left) = until.checked_duration_since(Instant::now()) else { return false };
            state = self.gone.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    // Nothing panics under the lock that leaves the state half changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Home {
    fn tell(mut self, plan: Plan) {
        if let Some(home) = self.0.take() {
            home(plan);
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(home) = self.0.take() {
            home(Sense::INTERNAL_FAILURE.into());
        }
    }
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hold::Held;
    use ferrite_scsi::{Reply, Status};
    use std::sync::mpsc::{Receiver, Sender, channel};

    const PATIENCE: Duration = Duration::from_secs(10);

    fn good() -> Plan {
        Plan::Reply(Reply::from(Status::Good))
    }

    fn errand(kind: Kind, unit: u64, work: impl FnOnce(&Arc<Outing>) -> Plan + Send + 'static) -> Errand {
        Errand { kind, units: vec![unit], nexus: None, work: Box::new(work) }
    }

    /// An errand that says when it has begun, and ends when it is told to or given up.
    fn blocker(kind: Kind, unit: u64) -> (Errand, Receiver<()>, Sender<()>) {
        let (began, begun) = channel();
        let (end, ended) = channel::<()>();
        let work = move |outing: &Arc<Outing>| {
            began.send(()).unwrap();
            while ended.try_recv().is_err() && !outing.is_given_up() {
                thread::sleep(Duration::from_millis(1));
            }
            good()
        };
        (errand(kind, unit, work), begun, end)
    }

    fn told() -> (impl FnOnce(Plan) + Send + 'static, Receiver<Plan>) {
        let (tell, told) = channel();
        (move |plan| tell.send(plan).unwrap(), told)
    }

    #[test]
    fn an_errand_is_told_once_and_long_ones_do_not_keep_short_ones_waiting() {
        let errands = Errands::new();
        let (_, threads_max, _) = Kind::Copy.line();
        let mut ends = Vec::new();
        for _ in 0..threads_max {
            let (long, begun, end) = blocker(Kind::Copy, 1);
            errands.send(long, |_| {}).unwrap();
            begun.recv_timeout(PATIENCE).unwrap();
            ends.push(end);
        }
        let (home, answer) = told();
        errands.send(errand(Kind::Copy, 1, |_| good()), home).unwrap();
        assert!(answer.recv_timeout(Duration::from_millis(20)).is_err(), "its line is taken");
        let (home, short) = told();
        errands.send(errand(Kind::Keep, 1, |_| good()), home).unwrap();
        assert_eq!(short.recv_timeout(PATIENCE), Ok(good()));
        ends.iter().for_each(|end| end.send(()).unwrap());
        assert_eq!(answer.recv_timeout(PATIENCE), Ok(good()));
        assert!(answer.recv_timeout(PATIENCE).is_err(), "told once");
    }

    #[test]
    fn a_line_has_so_many_places_and_one_more_is_refused_untold() {
        let errands = Errands::new();
        let (_, threads_max, waiting_max) = Kind::Ask.line();
        let mut ends = Vec::new();
        for _ in 0..threads_max {
            let (long, begun, end) = blocker(Kind::Ask, 1);
            errands.send(long, |_| {}).unwrap();
            begun.recv_timeout(PATIENCE).unwrap();
            ends.push(end);
        }
        for _ in 0..waiting_max {
            errands.send(errand(Kind::Ask, 1, |_| good()), |_| {}).unwrap();
        }
        let (home, answer) = told();
        assert!(errands.send(errand(Kind::Ask, 1, |_| good()), home).is_err());
        assert!(answer.recv_timeout(PATIENCE).is_err(), "who sends it answers for it");
    }

    #[test]
    fn a_removed_unit_ends_what_is_done_and_what_waits_for_it_and_nothing_else() {
        let errands = Errands::new();
        let (_, threads_max, _) = Kind::Copy.line();
        let mut ends = Vec::new();
        for unit in 0..threads_max as u64 {
            let (long, begun, end) = blocker(Kind::Copy, unit);
            errands.send(long, |_| {}).unwrap();
            begun.recv_timeout(PATIENCE).unwrap();
            ends.push(end);
        }
        let disk = Arc::new(());
        let held = disk.clone();
        let (home, waiting) = told();
        let work = move |_: &Arc<Outing>| {
            let _disk = &held;
            good()
        };
        errands.send(Errand { kind: Kind::Copy, units: vec![7, 0], nexus: None, work: Box::new(work) }, home).unwrap();
        let (hold, gone) = Held::new();
        errands.stop(&[0], &hold);
        drop(hold);
        assert!(gone.wait(PATIENCE), "it was given up");
        assert_eq!(waiting.recv_timeout(PATIENCE), Ok(Sense::ABORTED.into()));
        assert_eq!(Arc::strong_count(&disk), 1, "the disk of an errand that waited is let go of");
        let (hold, gone) = Held::new();
        errands.stop(&[99], &hold);
        drop(hold);
        assert!(gone.wait(Duration::ZERO), "nothing uses it");
        assert!(ends[1].send(()).is_ok(), "others go on");
    }

    #[test]
    fn copies_of_some_nexuses_end_on_the_unit_that_is_named_or_on_all_and_other_errands_go_on() {
        let errands = Errands::new();
        let send = |kind, unit, session| {
            let nexus = Some(NexusId { session, name: "iqn.2026-11.com.example:host,i,0x1".into(), portal_group: 1 });
            let (long, begun, end) = blocker(kind, unit);
            let ticket = errands.send(Errand { nexus, ..long }, |_| {}).unwrap();
            begun.recv_timeout(PATIENCE).unwrap();
            (ticket, end)
        };
        let all = [(Kind::Copy, 1, 7), (Kind::Copy, 2, 7), (Kind::Copy, 1, 8), (Kind::Keep, 1, 7)]
            .map(|(kind, unit, session)| send(kind, unit, session));
        let given_up = || all.iter().map(|(ticket, _)| ticket.is_given_up()).collect::<Vec<_>>();
        for (unit, ends) in [(Some(1), [true, false, false, false]), (None, [true, true, false, false])] {
            let (hold, gone) = Held::new();
            errands.stop_copies_of(|nexus| nexus.session == 7, unit, &hold);
            drop(hold);
            assert_eq!(given_up(), ends);
            assert!(gone.wait(PATIENCE));
        }
    }

    #[test]
    fn what_an_errand_left_on_a_disk_is_waited_for_and_its_thread_is_free() {
        let errands = Errands::new();
        let (_, threads_max, _) = Kind::Copy.line();
        let (leave, left) = channel();
        let work = move |outing: &Arc<Outing>| {
            leave.send(outing.clone()).unwrap();
            good()
        };
        let (home, answer) = told();
        let ticket = errands.send(errand(Kind::Copy, 7, work), home).unwrap();
        let on_disk = left.recv_timeout(PATIENCE).unwrap();
        for _ in 0..threads_max {
            let (home, other) = told();
            errands.send(errand(Kind::Copy, 1, |_| good()), home).unwrap();
            assert_eq!(other.recv_timeout(PATIENCE), Ok(good()));
        }
        let (hold, gone) = Held::new();
        errands.stop(&[7], &hold);
        drop(hold);
        assert!(!gone.wait(Duration::from_millis(20)) && answer.try_recv().is_err(), "it may still write");
        assert!(ticket.is_given_up() && !errands.close(Duration::ZERO));
        drop(on_disk);
        assert_eq!(answer.recv_timeout(PATIENCE), Ok(good()));
        assert!(gone.wait(PATIENCE) && errands.close(PATIENCE));
    }

    #[test]
    fn an_errand_that_panics_is_told_as_our_failure_and_its_line_goes_on() {
        let errands = Errands::new();
        for _ in 0..3 {
            let (home, answer) = told();
            errands.send(errand(Kind::Keep, 1, |_| panic!("on purpose")), home).unwrap();
            assert_eq!(answer.recv_timeout(PATIENCE), Ok(Sense::INTERNAL_FAILURE.into()));
        }
        let (home, answer) = told();
        errands.send(errand(Kind::Keep, 1, |_| good()), home).unwrap();
        assert_eq!(answer.recv_timeout(PATIENCE), Ok(good()));
    }

    #[test]
    fn what_is_closed_gives_up_what_it_does_and_takes_nothing_more() {
        let errands = Errands::new();
        let (long, begun, _end) = blocker(Kind::Erase, 1);
        let (home, answer) = told();
        errands.send(long, home).unwrap();
        begun.recv_timeout(PATIENCE).unwrap();
        assert!(errands.close(PATIENCE));
        assert_eq!(answer.recv_timeout(PATIENCE), Ok(good()));
        assert!(errands.send(errand(Kind::Erase, 1, |_| good()), |_| {}).is_err());
        let stubborn = Errands::new();
        let (began, begun) = channel();
        let (end, ended) = channel::<()>();
        let work = move |_: &Arc<Outing>| {
            began.send(()).unwrap();
            let _ = ended.recv();
            good()
        };
        stubborn.send(errand(Kind::Erase, 1, work), |_| {}).unwrap();
        begun.recv_timeout(PATIENCE).unwrap();
        assert!(!stubborn.close(Duration::from_millis(10)), "it is still at work");
        end.send(()).unwrap();
        assert!(stubborn.close(PATIENCE));
    }
}
