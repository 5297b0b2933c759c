//! The initiator in full feature phase: requests go out under the command window, answers find their request.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};

use super::agreed::Agreed;
use super::error::Error;
use super::frames::{Frames, Pdu};
use super::login::log_in;
use super::request::{Answer, Completion, Manners, Notice, Request, ScsiResult};
use super::settings::Settings;
use super::task::Task;
use crate::wire::codes::function;

/// Unasked messages of the target that are kept until somebody looks; beyond that the oldest is dropped.
pub const NOTICES_MAX: usize = 1024;

/// One session with one connection, over any stream that blocks until it has something (or says it has not).
///
/// Requests are [`submit`](Self::submit)ted and their ends collected with [`complete`](Self::complete), or both at once
/// with [`command`](Self::command) and its like. Whatever the target sends is checked against what was agreed on; a
/// breach is an [`Error::Protocol`] that names its clause.
#[derive(Debug)]
pub struct Initiator<S> {
    pub(super) frames: Frames<S>,
    agreed: Agreed,
    /// What it does by itself.
    pub manners: Manners,
    pub(super) cmd_sn: u32,
    pub(super) exp_stat_sn: u32,
    exp_cmd_sn: u32,
    max_cmd_sn: u32,
    pub(super) next_itt: u32,
    pub(super) pending: BTreeMap<u32, Pending>,
    pub(super) done: VecDeque<Completion>,
    pub(super) notices: VecDeque<Notice>,
}

/// What a task tag in use stands for.
#[derive(Debug)]
pub(super) enum Pending {
    Scsi(Box<Task>),
    /// `ends`: the commands that a success ends.
    Manage {
        ends: Vec<u32>,
    },
    Ping,
    Text,
    Logout,
}

/// What is left of an [`Initiator`] that somebody takes over from: a load generator with a loop of its own.
#[derive(Debug)]
pub struct Parts<S> {
    /// The stream.
    pub stream: S,
    /// Bytes that came from it and belong to nobody yet.
    pub received: Vec<u8>,
    /// What the login agreed on.
    pub agreed: Agreed,
    /// The CmdSN of the next command.
    pub cmd_sn: u32,
    /// The StatSN that is due next.
    pub exp_stat_sn: u32,
    /// The last CmdSN that the target takes.
    pub max_cmd_sn: u32,
}

impl<S: Read + Write> Initiator<S> {
    /// Logs in over `stream`.
    ///
    /// # Errors
    /// [`Error::Refused`] with the status of the target, [`Error::Untrusted`], and those of the stream.
    pub fn login(stream: S, settings: &Settings) -> Result<Self, Error> {
        let mut frames = Frames::new(stream);
        let start = log_in(&mut frames, settings)?;
        let mut initiator = Initiator {
            frames,
            agreed: start.agreed,
            manners: Manners::default(),
            cmd_sn: settings.cmd_sn,
            exp_stat_sn: start.exp_stat_sn,
            exp_cmd_sn: settings.cmd_sn,
            max_cmd_sn: settings.cmd_sn.wrapping_sub(1),
            next_itt: 1,
            pending: BTreeMap::new(),
            done: VecDeque::new(),
            notices: VecDeque::new(),
        };
        initiator.window(start.exp_cmd_sn, start.max_cmd_sn)?;
        Ok(initiator)
    }

    /// What the login agreed on.
    pub fn agreed(&self) -> &Agreed {
        &self.agreed
    }

    /// The raw level: send any PDU or bytes. What is sent this way is not kept account of.
    pub fn frames(&mut self) -> &mut Frames<S> {
        &mut self.frames
    }

    /// The CmdSN of the next command.
    pub fn cmd_sn(&self) -> u32 {
        self.cmd_sn
    }

    /// Uses a CmdSN up, for a command that goes out by the raw level.
    pub fn take_cmd_sn(&mut self) -> u32 {
        let taken = self.cmd_sn;
        self.cmd_sn = taken.wrapping_add(1);
        taken
    }

    /// The StatSN that is due next.
    pub fn exp_stat_sn(&self) -> u32 {
        self.exp_stat_sn
    }

    /// The last CmdSN that the target takes.
    pub fn max_cmd_sn(&self) -> u32 {
        self.max_cmd_sn
    }

    /// How many more commands the target takes now.
    pub fn window_left(&self) -> u32 {
        let left = self.max_cmd_sn.wrapping_sub(self.cmd_sn).wrapping_add(1);
        if (left as i32) < 0 { 0 } else { left }
    }

    /// Requests without an answer yet.
    pub fn in_flight(&self) -> usize {
        self.pending.len()
    }

    /// The next unasked message of the target, among those that came.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// Takes the session apart.
    ///
    /// # Panics
    /// Where requests are in flight.
    pub fn into_parts(self) -> Parts<S> {
        assert!(self.pending.is_empty(), "requests are in flight");
        let (stream, received) = self.frames.into_parts();
        let Initiator { agreed, cmd_sn, exp_stat_sn, max_cmd_sn, .. } = self;
        Parts { stream, received, agreed, cmd_sn, exp_stat_sn, max_cmd_sn }
    }

    /// The end of any request, among those that came.
    pub fn poll_completion(&mut self) -> Option<Completion> {
        self.done.pop_front()
    }

    /// Waits for the end of any request.
    ///
    /// # Errors
    /// Those of the stream, and a breach by the target.
    ///
    /// # Panics
    /// Where nothing is in flight: nothing would end the waiting.
    pub fn complete(&mut self) -> Result<Completion, Error> {
        loop {
            if let Some(completion) = self.poll_completion() {
                return Ok(completion);
            }
            assert!(!self.pending.is_empty(), "nothing is in flight");
            self.advance()?;
        }
    }

    /// Waits for the end of one request; the ends of others are kept for [`complete`](Self::complete).
    ///
    /// # Errors
    /// As for [`complete`](Self::complete).
    ///
    /// # Panics
    /// Where `itt` is not in flight.
    pub fn complete_one(&mut self, itt: u32) -> Result<Answer, Error> {
        loop {
            if let Some(at) = self.done.iter().position(|completion| completion.itt == itt) {
                return Ok(self.done.remove(at).expect("the position is inside").answer);
            }
            assert!(self.pending.contains_key(&itt), "task tag {itt:#x} is not in flight");
            self.advance()?;
        }
    }

    /// Receives one PDU and acts on it.
    ///
    /// # Errors
    /// As for [`complete`](Self::complete).
    pub fn advance(&mut self) -> Result<(), Error> {
        let pdu = self.frames.receive()?;
        self.take(pdu)
    }

    /// Receives one PDU and gives it as it is: only its numbers are checked and counted.
    ///
    /// # Errors
    /// As for [`complete`](Self::complete).
    pub fn receive_pdu(&mut self) -> Result<Pdu, Error> {
        let pdu = self.frames.receive()?;
        self.count(&pdu)?;
        Ok(pdu)
    }

    /// Forgets a request that will not be answered, such as a task that a management function ended.
    pub fn forget(&mut self, itt: u32) {
        self.pending.remove(&itt);
    }

    /// Sends a command and waits for its end.
    ///
    /// # Errors
    /// As for [`complete`](Self::complete), and [`Error::Rejected`].
    pub fn command(&mut self, request: &Request) -> Result<ScsiResult, Error> {
        let itt = self.submit(request)?;
        match self.ended(itt)? {
            Answer::Scsi(result) => Ok(result),
            other => unreachable!("a command was answered by {other:?}"),
        }
    }

    /// Carries a task management function out and gives its response code (RFC 7143 §11.6.1).
    ///
    /// # Errors
    /// As for [`command`](Self::command).
    pub fn manage(&mut self, function: u8, lun: [u8; 8], referenced: Option<u32>) -> Result<u8, Error> {
        let itt = self.submit_manage(function, lun, referenced)?;
        match self.ended(itt)? {
            Answer::Managed(response) => Ok(response),
            other => unreachable!("a management function was answered by {other:?}"),
        }
    }

    /// Pings the target for immediate delivery and gives the data that came back.
    ///
    /// # Errors
    /// As for [`command`](Self::command).
    pub fn ping(&mut self, data: &[u8]) -> Result<Vec<u8>, Error> {
        let itt = self.submit_ping(data, true)?;
        match self.ended(itt)? {
            Answer::Pong(data) => Ok(data),
            other => unreachable!("a ping was answered by {other:?}"),
        }
    }

    /// Closes the session and gives the response code (RFC 7143 §11.15.1); the stream is of no use afterwards.
    ///
    /// # Errors
    /// As for [`command`](Self::command).
    pub fn logout(mut self) -> Result<u8, Error> {
        let itt = self.submit_logout(crate::wire::codes::logout::CLOSE_SESSION, 0)?;
        match self.ended(itt)? {
            Answer::LoggedOut { response, .. } => Ok(response),
            other => unreachable!("a logout was answered by {other:?}"),
        }
    }

    /// The answer to `itt`, where it is not a Reject.
    pub(super) fn ended(&mut self, itt: u32) -> Result<Answer, Error> {
        match self.complete_one(itt)? {
            Answer::Rejected { reason, header } => Err(Error::Rejected { reason, header }),
            answer => Ok(answer),
        }
    }

    /// Takes the command window of a PDU in (RFC 7143 §4.2.2.1): it only ever grows.
    pub(super) fn window(&mut self, exp_cmd_sn: u32, max_cmd_sn: u32) -> Result<(), Error> {
        let after = |a: u32, b: u32| (a.wrapping_sub(b) as i32) > 0;
        // Such a pair is ignored whole, by the same clause.
        if after(exp_cmd_sn.wrapping_sub(1), max_cmd_sn) {
            return Ok(());
        }
        if after(exp_cmd_sn, self.cmd_sn) {
            let what = format!("ExpCmdSN {exp_cmd_sn} is past the last command sent, {}", self.cmd_sn.wrapping_sub(1));
            return Err(Error::protocol("RFC 7143 §4.2.2.1", what));
        }
        if after(exp_cmd_sn, self.exp_cmd_sn) {
            self.exp_cmd_sn = exp_cmd_sn;
        }
        if after(max_cmd_sn, self.max_cmd_sn) {
            self.max_cmd_sn = max_cmd_sn;
        }
        Ok(())
    }

    /// The commands that a management function would end: those sent before it (RFC 7143 §4.2.3.1). They get no
    /// response of their own.
    pub(super) fn affected(&self, function: u8, lun: [u8; 8], referenced: u32) -> Vec<u32> {
        let affected = |itt: u32, task: &Task| match function {
            function::ABORT_TASK => itt == referenced,
            function::ABORT_TASK_SET | function::CLEAR_TASK_SET | function::LOGICAL_UNIT_RESET => task.lun == lun,
            function::TARGET_WARM_RESET | function::TARGET_COLD_RESET | function::I_T_NEXUS_RESET => true,
            _ => false,
        };
        let pending = self.pending.iter().filter_map(|(itt, pending)| match pending {
            Pending::Scsi(task) if affected(*itt, task) => Some(*itt),
            _ => None,
        });
        pending.collect()
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        if self.notices.len() == NOTICES_MAX {
            self.notices.pop_front();
        }
        self.notices.push_back(notice);
    }
}
