//! What do fuzz targets feed? Any bytes, in any pieces; each function must come back.
//!
//! [`run`] is an owner that answers everything by a fixed rule, so that the same stream must tell the same story
//! however it is cut.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::time::{Duration, Instant};

use crate::connection::{Connection, ConnectionLimits, Event, ManageResponse, Notice, Outcome, TargetRecord, Want};
use crate::login::{Account, Auth, Entropy, Login, LoginEvent, LoginLimits, Offer, Terms};
use crate::params::Params;
use crate::serial::Serial;
use crate::session::{Candidate, Isid, Session, TaskTag, Tsih};
use crate::wire::{Assembler, Digests, ahs, text};

/// The first CmdSN of every session made here.
pub const FIRST_CMD_SN: u32 = 1;

/// Headers, segments and text.
pub fn pdu(bytes: &[u8]) {
    let _ = (text::parse(bytes), ahs::parse(bytes));
    let mut assembler = Assembler::new(8192);
    assembler.agree(Digests { header: bytes.len() % 2 == 1, data: bytes.len() % 3 == 1 }, 8192);
    let mut rest = bytes;
    while let Ok(taken @ 1..) = assembler.feed(rest) {
        rest = &rest[taken..];
        assembler.clear();
    }
}

/// A login whose owner lets everybody in; the first byte chooses whether CHAP is required.
pub fn login(bytes: &[u8]) {
    let Some((&choice, mut rest)) = bytes.split_first() else { return };
    let now = Instant::now();
    let mut login = Login::new(LoginLimits::default(), Entropy::new([choice; 32]), now);
    loop {
        match login.poll_event() {
            Some(LoginEvent::Names(_)) => login.offer(Terms {
                auth: match choice % 2 {
                    0 => Auth::None,
                    _ => Auth::Chap { accounts: vec![account("alice")], mutual: Some(account("target")) },
                },
                portal_group: 1,
                target_alias: Some("alias".to_owned()),
                offer: Offer::default(),
            }),
            Some(LoginEvent::Ready(_)) => {
                let tsih = Tsih::new(1).expect("one is a handle");
                let (session, connection) = login.admit(tsih, ConnectionLimits::default(), now);
                run(session, connection, rest, |left| left);
                return;
            }
            Some(LoginEvent::Failed { .. } | LoginEvent::Fault(_)) => return,
            None => match login.receive(rest, now) {
                0 => return,
                taken => rest = &rest[taken..],
            },
        }
    }
}

/// Full feature phase; the first byte chooses what was negotiated.
pub fn connection(bytes: &[u8]) {
    let Some((&choice, rest)) = bytes.split_first() else { return };
    let (session, connection) = admitted(params(choice), choice & 0x80 != 0);
    run(session, connection, rest, |left| left);
}

/// What a stream came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Story {
    /// Every event, as it is shown.
    pub events: Vec<String>,
    /// Every byte that was sent.
    pub sent: Vec<u8>,
    /// What landed for each task, by Target Transfer Tag: offset and bytes.
    pub landed: BTreeMap<u32, Vec<(u32, u8)>>,
    /// Bytes of the stream that were taken.
    pub taken: usize,
}

/// Plays the owner of a connection over a whole stream. `cut` is told how many bytes are left and says how many come
/// next.
pub fn run(
    mut session: Session,
    mut connection: Connection<Vec<u8>>,
    stream: &[u8],
    mut cut: impl FnMut(usize) -> usize,
) -> Story {
    let mut story = Story::default();
    let mut now = Instant::now();
    while story.taken < stream.len() {
        let left = stream.len() - story.taken;
        let mut piece = &stream[story.taken..story.taken + cut(left).clamp(1, left)];
        while !piece.is_empty() {
            let some = match connection.want() {
                Want::Nothing => return story,
                Want::Bytes | Want::Discard { .. } => connection.receive(&mut session, piece, now),
                Want::Payload { task, offset, len } => {
                    let some = piece.len().min(len as usize);
                    let landed = story.landed.entry(task.to_wire()).or_default();
                    landed.extend((offset..).zip(piece[..some].iter().copied()));
                    connection.landed(&mut session, &piece[..some], now);
                    some
                }
            };
            piece = &piece[some..];
            story.taken += some;
            let mut told = some > 0;
            while let Some(event) = connection.poll_event() {
                told = true;
                story.events.push(format!("{event:?}"));
                answer(&mut session, &mut connection, event);
            }
            drain(&mut connection, &mut story.sent, now);
            assert!(told || connection.want() == Want::Nothing, "a connection that wants bytes takes some");
            assert!(session.in_flight() <= Session::TASKS_MAX);
        }
        now += Duration::from_millis(1);
        if connection.deadline().is_some_and(|at| at <= now) {
            connection.on_deadline(&mut session, now);
        }
    }
    story
}

/// A session and its connection without a login.
pub fn admitted(params: Params, discovery: bool) -> (Session, Connection<Vec<u8>>) {
    let candidate = Candidate {
        initiator: "iqn.2026-11.com.example:initiator".to_owned(),
        initiator_alias: None,
        target: (!discovery).then(|| "iqn.2026-11.com.example:target".to_owned()),
        isid: Isid([0x80, 0, 0, 0, 0, 1]),
        tsih: 0,
        cid: 1,
        user: None,
        discovery,
    };
    let limits = ConnectionLimits::default();
    let tsih = Tsih::new(1).expect("one is a handle");
    let mut session = Session::new(candidate, tsih, 1, params, limits.commands, Serial(FIRST_CMD_SN));
    // The last Login Response promises the window.
    session.command_numbers();
    (session, Connection::new(1, discovery, params, limits, 1, Instant::now()))
}

/// Parameters chosen by the bits of one byte, with lengths small enough for many bursts.
pub fn params(choice: u8) -> Params {
    let bit = |at: u8| choice >> at & 1 == 1;
    Params {
        digests: Digests { header: bit(0), data: bit(1) },
        initial_r2t: bit(2),
        immediate_data: !bit(3),
        max_outstanding_r2t: if bit(4) { 3 } else { 1 },
        initiator_segment: if bit(5) { 512 } else { 1000 },
        target_segment: 1024,
        max_burst: 2048,
        first_burst: if bit(6) { 512 } else { 2048 },
        protocol_level: 2,
        ..Params::default()
    }
}

/// The owner's rule: some commands are refused, some cut short, some aborted; the rest is done.
fn answer(session: &mut Session, connection: &mut Connection<Vec<u8>>, event: Event) {
    match event {
        Event::Command(command) => {
            let tag = command.task;
            match command.cdb[1] % 8 {
                1 => connection.respond(session, tag, Outcome { status: 2, sense: &[0x70; 18], wanted: 0 }),
                2 => connection.abort(session, tag),
                3 if command.write => connection.begin_write(session, tag, command.expected / 2),
                _ if command.write => connection.begin_write(session, tag, command.expected),
                _ => {
                    let data = vec![command.cdb[2]; command.expected.min(10_000) as usize];
                    connection.send_data(session, tag, data, Outcome::good(command.expected));
                }
            }
        }
        Event::DataComplete(tag) => {
            let wanted = session.task(tag).map_or(0, |task| task.received());
            connection.respond(session, tag, Outcome::good(wanted));
        }
        Event::Manage(manage) => {
            let all: Vec<TaskTag> = session.tasks().map(|(tag, _)| tag).collect();
            all.into_iter().for_each(|tag| connection.abort(session, tag));
            connection.answer_manage(session, manage.tag, ManageResponse::Complete);
            connection.notify(session, Notice::LogoutRequest { seconds: 5 });
        }
        Event::SendTargets(_) => {
            let portals = vec![("192.0.2.1:3260".to_owned(), 1); 8];
            let record = |n| TargetRecord { name: format!("iqn.2026-11.com.example:{n}"), portals: portals.clone() };
            connection.answer_targets(session, &(0..9).map(record).collect::<Vec<_>>());
        }
        Event::Logout(_) => connection.answer_logout(session, 0),
        Event::Fault(_) => {}
    }
}

fn drain(connection: &mut Connection<Vec<u8>>, sent: &mut Vec<u8>, now: Instant) {
    while !connection.outgoing().is_empty() {
        let before = sent.len();
        let mut slices: Vec<IoSlice<'_>> = Vec::new();
        connection.outgoing().slices(&mut slices, 8, 100_000);
        slices.iter().for_each(|slice| sent.extend_from_slice(slice));
        drop(slices);
        connection.sent(sent.len() - before, now);
    }
}

fn account(name: &str) -> Account {
    Account { name: name.to_owned(), secret: format!("secret of {name}").as_str().into() }
}
