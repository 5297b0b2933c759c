//! A target in memory that a fuzzer's decisions can play with, and the stream to it.

use std::cell::{Ref, RefCell, RefMut};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::rc::Rc;
use std::time::{Duration, Instant};

use ferrite_iscsi::{
    Auth, Command, Connection, ConnectionLimits, Entropy, Event, Fault, Login, LoginEvent, LoginLimits, Manage,
    ManageFunction, ManageResponse, Notice, Offer, Outcome, Referenced, Session, TargetRecord, TaskTag, Terms, Tsih,
    Want,
};

/// The name of the target.
pub(crate) const TARGET: &str = "iqn.2026-11.org.example:target";
/// Bytes of a block.
pub(crate) const BLOCK: usize = 512;
/// Blocks of a slot: commands read and write whole slots or the first blocks of one.
pub(crate) const SLOT_BLOCKS: usize = 16;
/// Slots of the disk.
pub(crate) const SLOTS: usize = 8;

/// The target: protocol, RAM disk, and commands that wait for a decision.
pub(crate) struct Owner {
    terms: Terms,
    phase: Phase,
    pub(crate) disk: Vec<u8>,
    /// Commands are kept until [`Owner::release`].
    pub(crate) holding: bool,
    held: Vec<Command>,
    writes: BTreeMap<usize, (usize, Vec<u8>)>,
    pub(crate) faults: Vec<Fault>,
    arrived: VecDeque<u8>,
    due: VecDeque<u8>,
    now: Instant,
}

enum Phase {
    Login(Box<Login>),
    Live(Box<(Session, Connection<Vec<u8>>)>),
    Over,
}

impl Owner {
    pub(crate) fn new(offer: Offer) -> Self {
        let now = Instant::now();
        let login = Login::new(LoginLimits::default(), Entropy::new([1; 32]), now);
        Owner {
            terms: Terms { auth: Auth::None, portal_group: 1, target_alias: None, offer },
            phase: Phase::Login(Box::new(login)),
            disk: vec![0; SLOTS * SLOT_BLOCKS * BLOCK],
            holding: false,
            held: Vec::new(),
            writes: BTreeMap::new(),
            faults: Vec::new(),
            arrived: VecDeque::new(),
            due: VecDeque::new(),
            now,
        }
    }

    pub(crate) fn session(&self) -> Option<&Session> {
        match &self.phase {
            Phase::Live(live) => Some(&live.0),
            _ => None,
        }
    }

    /// The connection has ended.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Answers one held command: as it asks, with a failure, or not at all.
    pub(crate) fn release(&mut self, which: usize, how: u8) {
        if self.held.is_empty() || self.is_over() {
            return;
        }
        let command = self.held.remove(which % self.held.len());
        match how % 4 {
            0 => self.fail(command.task),
            _ => self.start(&command),
        }
        self.events();
    }

    /// Says something unasked.
    pub(crate) fn notify(&mut self, kind: u8) {
        if let Phase::Live(live) = &mut self.phase {
            let notice = match kind % 3 {
                0 => Notice::ScsiEvent { lun: [0; 8], sense: &[0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x3f, 0x0e] },
                1 => Notice::LogoutRequest { seconds: 9 },
                _ => Notice::TasksTerminated { lun: [0; 8] },
            };
            live.1.notify(&mut live.0, notice);
        }
    }

    /// Lets time pass up to a deadline, and the deadline.
    pub(crate) fn pass(&mut self, time: Duration) {
        // What is due is sent at once: only the initiator is slow here.
        self.flush();
        self.now += time;
        match &mut self.phase {
            Phase::Login(login) if login.deadline() <= self.now => login.on_deadline(self.now),
            Phase::Live(live) if live.1.deadline().is_some_and(|at| at <= self.now) => {
                live.1.on_deadline(&mut live.0, self.now);
            }
            _ => return,
        }
        self.events();
    }

    /// Puts session and connection away as text and takes them up again, as a restart without dropping sessions does.
    pub(crate) fn restart(&mut self) {
        self.flush();
        if !matches!(&self.phase, Phase::Live(live) if live.1.is_quiet()) {
            return;
        }
        let Phase::Live(live) = std::mem::replace(&mut self.phase, Phase::Over) else { unreachable!("it is live") };
        let (session, connection) = *live;
        let text = serde_json::to_string(&(session, connection.suspend())).expect("both are plain data");
        let (session, state) = serde_json::from_str(&text).expect("what was written is read");
        self.phase = Phase::Live(Box::new((session, Connection::resume(state, self.now))));
    }

    fn run(&mut self, piece: usize) {
        loop {
            self.flush();
            let bytes = self.arrived.make_contiguous();
            let bytes = &bytes[..if piece == 0 { bytes.len() } else { piece.min(bytes.len()) }];
            let taken = match &mut self.phase {
                Phase::Over => bytes.len(),
                Phase::Login(login) => login.receive(bytes, self.now),
                Phase::Live(live) => {
                    let (session, connection) = &mut **live;
                    match connection.want() {
                        Want::Bytes | Want::Discard { .. } => connection.receive(session, bytes, self.now),
                        Want::Payload { task, offset, len } => {
                            let landing = &bytes[..bytes.len().min(len as usize)];
                            let (_, buffer) = self.writes.get_mut(&task.index()).expect("a write was begun");
                            buffer[offset as usize..offset as usize + landing.len()].copy_from_slice(landing);
                            connection.landed(session, landing, self.now);
                            landing.len()
                        }
                        Want::Nothing => 0,
                    }
                }
            };
            self.arrived.drain(..taken);
            assert!(self.session().is_none_or(|session| session.in_flight() <= Session::TASKS_MAX));
            if !self.events() && taken == 0 {
                break;
            }
        }
        self.flush();
    }

    fn flush(&mut self) {
        match &mut self.phase {
            Phase::Login(login) => self.due.extend(login.output()),
            Phase::Live(live) => {
                while !live.1.outgoing().is_empty() {
                    let mut slices = Vec::new();
                    live.1.outgoing().slices(&mut slices, 5, 5000);
                    let sent = slices.iter().map(|slice| slice.len()).sum();
                    slices.iter().for_each(|slice| self.due.extend(slice.iter()));
                    live.1.sent(sent, self.now);
                }
            }
            Phase::Over => {}
        }
    }

    fn events(&mut self) -> bool {
        let mut any = false;
        loop {
            match &mut self.phase {
                Phase::Login(login) => match login.poll_event() {
                    Some(LoginEvent::Names(_)) => login.offer(self.terms.clone()),
                    Some(LoginEvent::Ready(_)) => {
                        let Phase::Login(login) = std::mem::replace(&mut self.phase, Phase::Over) else {
                            unreachable!("a login told of this")
                        };
                        let handle = Tsih::new(7).expect("seven is not zero");
                        let live = login.admit(handle, ConnectionLimits::default(), self.now);
                        self.phase = Phase::Live(Box::new(live));
                    }
                    Some(LoginEvent::Failed { .. } | LoginEvent::Fault(_)) => {
                        self.due.extend(login.output());
                        self.phase = Phase::Over;
                    }
                    None => return any,
                },
                Phase::Live(live) => match live.1.poll_event() {
                    Some(event) => self.event(event),
                    None => return any,
                },
                Phase::Over => return any,
            }
            any = true;
        }
    }

    fn live(&mut self) -> (&mut Session, &mut Connection<Vec<u8>>) {
        match &mut self.phase {
            Phase::Live(live) => (&mut live.0, &mut live.1),
            _ => unreachable!("only a session raises events"),
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            // What has data right behind it is decided at once: the stream waits for it.
            Event::Command(command) if self.holding && !command.data_follows => self.held.push(command),
            Event::Command(command) => self.start(&command),
            Event::DataComplete(task) => {
                let (at, bytes) = self.writes.remove(&task.index()).expect("a write was begun");
                self.disk[at..at + bytes.len()].copy_from_slice(&bytes);
                let (session, connection) = self.live();
                connection.respond(session, task, Outcome::good(bytes.len() as u32));
            }
            Event::Manage(manage) => self.manage(manage),
            Event::SendTargets(_) => {
                let portals = vec![("192.0.2.1:3260".to_owned(), 1); 40];
                let (session, connection) = self.live();
                connection.answer_targets(session, &[TargetRecord { name: TARGET.to_owned(), portals }]);
            }
            Event::Logout(_) => {
                let (session, connection) = self.live();
                connection.answer_logout(session, 0);
                self.flush();
                self.phase = Phase::Over;
            }
            Event::Fault(fault) => {
                self.flush();
                self.faults.push(fault);
                self.phase = Phase::Over;
            }
        }
    }

    /// READ(10) and WRITE(10) of blocks that are there; anything else fails.
    fn start(&mut self, command: &Command) {
        let [opcode, _, a, b, c, d, _, e, f, ..] = command.cdb;
        let at = u32::from_be_bytes([a, b, c, d]) as usize * BLOCK;
        let len = usize::from(u16::from_be_bytes([e, f])) * BLOCK;
        let inside = at + len <= self.disk.len();
        match opcode {
            0x28 if inside && command.read && !command.write => {
                let data = self.disk[at..at + len].to_vec();
                let (session, connection) = self.live();
                connection.send_data(session, command.task, data, Outcome::good(len as u32));
            }
            0x2a if inside && command.write && !command.read => {
                let len = len.min(command.expected as usize);
                self.writes.insert(command.task.index(), (at, vec![0; len]));
                let (session, connection) = self.live();
                connection.begin_write(session, command.task, len as u32);
            }
            _ => self.fail(command.task),
        }
    }

    fn fail(&mut self, task: TaskTag) {
        let (session, connection) = self.live();
        let sense = [0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0];
        connection.respond(session, task, Outcome { status: 2, sense: &sense, wanted: 0 });
    }

    fn manage(&mut self, manage: Manage) {
        let (session, connection) = self.live();
        let doomed: Vec<TaskTag> = match (manage.function, manage.referenced) {
            (ManageFunction::AbortTask, Referenced::Task(task)) => vec![task],
            (ManageFunction::AbortTask | ManageFunction::QueryTask, _) => Vec::new(),
            _ => session.tasks().map(|(task, _)| task).collect(),
        };
        for task in &doomed {
            connection.abort(session, *task);
        }
        let response = match (manage.function, manage.referenced) {
            (ManageFunction::AbortTask, Referenced::Unknown) => ManageResponse::NoTask,
            _ => ManageResponse::Complete,
        };
        connection.answer_manage(session, manage.tag, response);
        for task in doomed {
            self.writes.remove(&task.index());
            self.held.retain(|held| held.task != task);
        }
    }
}

/// A stream to an [`Owner`]: bytes travel in pieces of `piece`, or whole where that is 0.
#[derive(Clone)]
pub(crate) struct Wire {
    owner: Rc<RefCell<Owner>>,
    piece: usize,
}

impl Wire {
    pub(crate) fn new(owner: Owner, piece: usize) -> Self {
        Wire { owner: Rc::new(RefCell::new(owner)), piece }
    }

    pub(crate) fn owner(&self) -> Ref<'_, Owner> {
        self.owner.borrow()
    }

    pub(crate) fn owner_mut(&self) -> RefMut<'_, Owner> {
        self.owner.borrow_mut()
    }
}

impl Read for Wire {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut owner = self.owner.borrow_mut();
        owner.run(self.piece);
        if owner.due.is_empty() {
            return if owner.is_over() { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        owner.due.read(into)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.owner.borrow_mut().arrived.extend(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
