//! The owner that the protocol needs: it decides who enters, runs commands on a RAM disk, and keeps what it heard.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use ferrite_iscsi::{
    Auth, Candidate, Command, Connection, ConnectionLimits, Entropy, Event, Fault, Login, LoginEvent, LoginLimits,
    LoginStatus, LogoutReason, Manage, ManageFunction, ManageResponse, Notice, Offer, Outcome, Referenced, Session,
    TargetRecord, TargetsAsked, TaskTag, Terms, Tsih, Want,
};

use super::disk::{Disk, Wish};
use super::wire::Piece;
use super::{INITIATOR, TARGET};

/// A target with one connection at a time.
pub struct Target {
    /// What candidates are offered.
    pub terms: Terms,
    pub login_limits: LoginLimits,
    pub limits: ConnectionLimits,
    /// Refuses whoever comes, with this status.
    pub refuses: Option<LoginStatus>,
    /// Sends whoever comes elsewhere.
    pub redirects: Option<(String, bool)>,
    pub disk: Disk,
    /// Keeps commands instead of running them, until [`Target::release`].
    pub holding: bool,
    /// What discovery answers.
    pub records: Vec<TargetRecord>,
    /// Bytes that came and were not taken yet.
    pub arrived: VecDeque<u8>,
    /// Bytes that may be read.
    pub due: VecDeque<u8>,
    /// Who came.
    pub candidates: Vec<Candidate>,
    /// Why logins failed.
    pub failures: Vec<(LoginStatus, String)>,
    /// What the peer did wrong.
    pub faults: Vec<Fault>,
    /// Commands in the order they were told.
    pub commands: Vec<Command>,
    /// Management functions in the order they were told.
    pub managed: Vec<Manage>,
    state: State,
    now: Instant,
    connections: u8,
    writes: BTreeMap<usize, Write>,
    held: Vec<Command>,
}

/// Data out on its way: where it will stand, and the bytes.
struct Write {
    at: usize,
    bytes: Vec<u8>,
    /// What SCSI wants to move, which may be more than the initiator offers.
    wanted: u32,
}

enum State {
    Closed,
    Login(Box<Login>),
    Live(Box<(Session, Connection<Vec<u8>>)>),
}

impl Target {
    pub(super) fn new() -> Self {
        Target {
            terms: Terms { auth: Auth::None, portal_group: 1, target_alias: None, offer: Offer::default() },
            login_limits: LoginLimits::default(),
            limits: ConnectionLimits::default(),
            refuses: None,
            redirects: None,
            disk: Disk::new(),
            holding: false,
            records: vec![TargetRecord { name: TARGET.into(), portals: vec![("192.0.2.1:3260".into(), 1)] }],
            arrived: VecDeque::new(),
            due: VecDeque::new(),
            candidates: Vec::new(),
            failures: Vec::new(),
            faults: Vec::new(),
            commands: Vec::new(),
            managed: Vec::new(),
            state: State::Closed,
            now: Instant::now(),
            connections: 0,
            writes: BTreeMap::new(),
            held: Vec::new(),
        }
    }

    pub(super) fn connect(&mut self) {
        self.connections += 1;
        // Fresh for each connection, as a server would have it, and the same in each run.
        let login = Login::new(self.login_limits, Entropy::new([self.connections; 32]), self.now);
        self.state = State::Login(Box::new(login));
        self.arrived.clear();
        self.due.clear();
        self.writes.clear();
        self.held.clear();
    }

    /// The connection is over.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// The session, where a login has succeeded.
    pub fn session(&self) -> &Session {
        match &self.state {
            State::Live(live) => &live.0,
            _ => panic!("there is no session"),
        }
    }

    /// Lets time pass, and the deadlines that come with it.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(deadline) = self.deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            let before = self.faults.len() + self.failures.len();
            match &mut self.state {
                State::Login(login) => login.on_deadline(self.now),
                State::Live(live) => live.1.on_deadline(&mut live.0, self.now),
                State::Closed => break,
            }
            self.events();
            self.flush();
            let quiet = before == self.faults.len() + self.failures.len();
            assert!(self.deadline() != Some(deadline) || !quiet, "a deadline that was heard stays");
        }
        self.now = end;
    }

    /// When something is to happen.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Login(login) => Some(login.deadline()),
            State::Live(live) => live.1.deadline(),
            State::Closed => None,
        }
    }

    /// Says something unasked.
    pub fn notify(&mut self, notice: Notice<'_>) {
        let (session, connection) = self.live();
        connection.notify(session, notice);
    }

    /// Runs the commands that were held, the last one first: answers need not come in order.
    pub fn release(&mut self) {
        self.holding = false;
        while let Some(command) = self.held.pop() {
            self.start(command);
        }
    }

    /// Commands that are held.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Takes what arrived, in pieces, as far as the protocol wants it.
    pub(super) fn run(&mut self, piece: Piece) {
        loop {
            self.flush();
            self.arrived.make_contiguous();
            let bytes = self.arrived.as_slices().0;
            let bytes = &bytes[..piece.of(bytes.len())];
            let now = self.now;
            let taken = match &mut self.state {
                State::Closed => bytes.len(),
                State::Login(login) => login.receive(bytes, now),
                State::Live(live) => {
                    let (session, connection) = &mut **live;
                    match connection.want() {
                        Want::Bytes | Want::Discard { .. } => connection.receive(session, bytes, now),
                        Want::Payload { task, offset, len } => {
                            let landing = &bytes[..bytes.len().min(len as usize)];
                            let write = self.writes.get_mut(&task.index()).expect("a write was begun");
                            write.bytes[offset as usize..offset as usize + landing.len()].copy_from_slice(landing);
                            connection.landed(session, landing, now);
                            landing.len()
                        }
                        Want::Nothing => 0,
                    }
                }
            };
            self.arrived.drain(..taken);
            if !self.events() && taken == 0 {
                break;
            }
        }
        self.flush();
    }

    fn live(&mut self) -> (&mut Session, &mut Connection<Vec<u8>>) {
        match &mut self.state {
            State::Live(live) => (&mut live.0, &mut live.1),
            _ => panic!("there is no session"),
        }
    }

    fn flush(&mut self) {
        match &mut self.state {
            State::Login(login) => self.due.extend(login.output()),
            State::Live(live) => {
                let connection = &mut live.1;
                while !connection.outgoing().is_empty() {
                    let mut slices = Vec::new();
                    connection.outgoing().slices(&mut slices, 3, 10_000);
                    assert!(!slices.is_empty(), "bytes are due and none is shown");
                    let sent = slices.iter().map(|slice| slice.len()).sum();
                    slices.iter().for_each(|slice| self.due.extend(slice.iter()));
                    connection.sent(sent, self.now);
                }
            }
            State::Closed => {}
        }
    }

    /// Acts on what happened; false where nothing did.
    fn events(&mut self) -> bool {
        let mut any = false;
        loop {
            match &mut self.state {
                State::Login(login) => match login.poll_event() {
                    Some(event) => self.login_event(event),
                    None => return any,
                },
                State::Live(live) => match live.1.poll_event() {
                    Some(event) => self.event(event),
                    None => return any,
                },
                State::Closed => return any,
            }
            any = true;
        }
    }

    fn login_event(&mut self, event: LoginEvent) {
        let State::Login(login) = &mut self.state else { unreachable!("a login told of this") };
        match event {
            LoginEvent::Names(candidate) => {
                match (&self.redirects, self.refuses) {
                    (Some((address, permanently)), _) => login.redirect(address, *permanently, "the test wants it"),
                    (None, Some(status)) => login.refuse(status, "the test wants it"),
                    (None, None) if candidate.target.as_deref().is_some_and(|name| name != TARGET) => {
                        login.refuse(LoginStatus::NotFound, "no such target");
                    }
                    (None, None) if candidate.tsih != 0 => {
                        login.refuse(LoginStatus::SessionDoesNotExist, "no such session");
                    }
                    (None, None) => login.offer(self.terms.clone()),
                }
                self.candidates.push(candidate);
            }
            LoginEvent::Ready(candidate) => {
                assert_eq!(candidate.initiator, INITIATOR);
                self.candidates.push(candidate);
                let State::Login(login) = std::mem::replace(&mut self.state, State::Closed) else { unreachable!() };
                let live = login.admit(Tsih::new(0x77).unwrap(), self.limits, self.now);
                self.state = State::Live(Box::new(live));
            }
            LoginEvent::Failed { status, why } => {
                self.due.extend(login.output());
                self.failures.push((status, why));
                self.state = State::Closed;
            }
            LoginEvent::Fault(fault) => {
                self.due.extend(login.output());
                self.faults.push(fault);
                self.state = State::Closed;
            }
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Command(command) => {
                self.commands.push(command.clone());
                if self.holding { self.held.push(command) } else { self.start(command) }
            }
            Event::DataComplete(task) => {
                let write = self.writes.remove(&task.index()).expect("a write was begun");
                self.disk.bytes[write.at..write.at + write.bytes.len()].copy_from_slice(&write.bytes);
                self.respond(task, Outcome::good(write.wanted));
            }
            Event::Manage(manage) => self.manage(manage),
            Event::SendTargets(asked) => {
                let own = match asked {
                    TargetsAsked::All => None,
                    TargetsAsked::One(name) => Some(name),
                    TargetsAsked::Own => self.session().target().map(str::to_owned),
                };
                let mut records = self.records.clone();
                records.retain(|record| own.as_ref().is_none_or(|own| *own == record.name));
                let (session, connection) = self.live();
                connection.answer_targets(session, &records);
            }
            Event::Logout(LogoutReason::CloseSession | LogoutReason::CloseConnection) => {
                let (session, connection) = self.live();
                connection.answer_logout(session, 0);
                self.flush();
                self.state = State::Closed;
            }
            Event::Fault(fault) => {
                self.flush();
                self.faults.push(fault);
                self.state = State::Closed;
            }
        }
    }

    fn start(&mut self, command: Command) {
        let wish = self.disk.wish(&command);
        let task = command.task;
        match wish {
            Wish::Read(data) => {
                let wanted = data.len() as u32;
                let (session, connection) = self.live();
                connection.send_data(session, task, data, Outcome::good(wanted));
            }
            Wish::Write { at, len } if command.write => {
                // What is begun is cut to what the initiator offers; SCSI still wants it all.
                let begun = len.min(command.expected);
                self.writes.insert(task.index(), Write { at, bytes: vec![0; begun as usize], wanted: len });
                let (session, connection) = self.live();
                connection.begin_write(session, task, begun);
            }
            Wish::Write { len, .. } => self.respond(task, Outcome::good(len)),
            Wish::Done => self.respond(task, Outcome::good(0)),
            Wish::Fail { status, sense } => self.respond(task, Outcome { status, sense: &sense, wanted: 0 }),
        }
    }

    fn respond(&mut self, task: TaskTag, outcome: Outcome<'_>) {
        let (session, connection) = self.live();
        connection.respond(session, task, outcome);
    }

    fn manage(&mut self, manage: Manage) {
        self.managed.push(manage);
        let doomed: Vec<TaskTag> = match (manage.function, manage.referenced) {
            (ManageFunction::AbortTask, Referenced::Task(task)) => vec![task],
            (ManageFunction::AbortTaskSet | ManageFunction::ClearTaskSet | ManageFunction::LogicalUnitReset, _) => {
                let of_unit = self.session().tasks().filter(|(_, task)| task.lun() == manage.lun);
                of_unit.map(|(task, _)| task).collect()
            }
            (ManageFunction::TargetWarmReset | ManageFunction::NexusReset, _) => {
                self.session().tasks().map(|(task, _)| task).collect()
            }
            _ => Vec::new(),
        };
        let response = match (manage.function, manage.referenced) {
            (ManageFunction::AbortTask, Referenced::Unknown) => ManageResponse::NoTask,
            (ManageFunction::QueryTask, Referenced::Task(_)) => ManageResponse::Succeeded,
            (ManageFunction::QueryTaskSet, _) if self.session().in_flight() > 0 => ManageResponse::Succeeded,
            (ManageFunction::QueryAsyncEvent, _) => ManageResponse::SucceededWith { key: 6, asc: 0x29, ascq: 0 },
            (ManageFunction::TargetColdReset, _) => ManageResponse::NotAuthorized,
            _ => ManageResponse::Complete,
        };
        for task in doomed {
            self.writes.remove(&task.index());
            self.held.retain(|held| held.task != task);
            let (session, connection) = self.live();
            connection.abort(session, task);
        }
        let (session, connection) = self.live();
        connection.answer_manage(session, manage.tag, response);
    }
}
