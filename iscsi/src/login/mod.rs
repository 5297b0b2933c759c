//! How does a TCP connection become a session (RFC 7143 §6.3)?
//!
//! A [`Login`] takes Login Requests, pauses and asks its owner twice: which terms does this candidate get, and may it
//! enter? Then it turns into a [`Session`] and a [`Connection`].

mod chap;
mod entropy;
pub(crate) mod keys;
mod security;
mod stages;
mod status;
mod terms;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub use entropy::Entropy;
pub use status::LoginStatus;
pub use terms::{Account, Auth, DigestOffer, Offer, Secret, Terms};

use crate::connection::{Connection, ConnectionLimits};
use crate::fault::Fault;
use crate::payload::Payload;
use crate::serial::Serial;
use crate::session::{Candidate, Session, Tsih};
use crate::wire::{Assembler, BadPdu, Digests, LoginRequest, LoginResponse, Opcode, pdu, text};
use keys::Negotiation;
use security::Security;

/// Bytes of a data segment in login, in either direction: the default of RFC 7143 §13.12.
const SEGMENT_MAX: u32 = 8192;

/// Login Requests of one login.
const REQUESTS_MAX: u32 = 64;

/// Bytes of a name (RFC 7143 §4.2.7.1).
const NAME_MAX: usize = 223;

/// Limits of one login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginLimits {
    /// The whole login must be over after so long.
    pub timeout: Duration,
}

impl Default for LoginLimits {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(15) }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginEvent {
    /// The names are known: answer with [`Login::offer`] or [`Login::refuse`].
    Names(Candidate),
    /// Authenticated and negotiated: answer with [`Login::admit`] or [`Login::refuse`].
    Ready(Candidate),
    /// Login has failed and the initiator is told: send [`Login::output`], close.
    Failed {
        /// What the initiator is told.
        status: LoginStatus,
        /// Why, for the log.
        why: String,
    },
    /// What came is no login, or the time is over: close.
    Fault(Fault),
}

/// One TCP connection up to full feature phase.
#[derive(Debug)]
pub struct Login {
    limits: LoginLimits,
    entropy: Entropy,
    started: Instant,
    assembler: Assembler,
    out: Vec<u8>,
    events: VecDeque<LoginEvent>,
    phase: Phase,
    /// The last request; its fixed fields are those of all.
    request: Option<LoginRequest>,
    requests: u32,
    /// The stage we are in.
    stage: u8,
    /// The text that is being put together, or waits for the owner's terms.
    text: Vec<u8>,
    stat_sn: u32,
    candidate: Option<Candidate>,
    talk: Option<Talk>,
}

/// What there is once the owner has named its terms.
#[derive(Debug)]
struct Talk {
    terms: Terms,
    security: Security,
    negotiation: Negotiation,
    /// The first response has been made.
    introduced: bool,
    /// Our MaxRecvDataSegmentLength has been declared.
    declared: bool,
    /// The text of the last response, kept until the owner admits.
    farewell: Vec<u8>,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The initiator's.
    Reading,
    /// The owner's: terms.
    Terms,
    /// The owner's: admission.
    Admission,
    /// Nobody's.
    Over,
}

impl Login {
    /// A connection that was just accepted. `entropy` is for this login only.
    pub fn new(limits: LoginLimits, mut entropy: Entropy, now: Instant) -> Self {
        let [a, b, c, d, ..] = entropy.block();
        Self {
            limits,
            entropy,
            started: now,
            assembler: Assembler::new(SEGMENT_MAX),
            out: Vec::new(),
            events: VecDeque::new(),
            phase: Phase::Reading,
            request: None,
            requests: 0,
            stage: 0,
            text: Vec::new(),
            stat_sn: u32::from_be_bytes([a, b, c, d]),
            candidate: None,
            talk: None,
        }
    }

    /// Takes bytes of the stream and says how many: none while an event waits for its answer, and none beyond the
    /// last Login Request.
    pub fn receive(&mut self, bytes: &[u8], now: Instant) -> usize {
        let mut taken = 0;
        while self.phase == Phase::Reading && taken < bytes.len() {
            if now >= self.deadline() {
                self.on_deadline(now);
                break;
            }
            match self.assembler.feed(&bytes[taken..]) {
                Ok(some) => taken += some,
                Err(bad) => {
                    self.bad_pdu(bad);
                    break;
                }
            }
            if self.assembler.pdu().is_some() {
                self.pdu();
                self.assembler.clear();
            }
        }
        taken
    }

    /// What happened; ask until there is nothing more.
    pub fn poll_event(&mut self) -> Option<LoginEvent> {
        self.events.pop_front()
    }

    /// The bytes that are due: all of them, once.
    pub fn output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// When the whole login must be over.
    pub fn deadline(&self) -> Instant {
        self.started + self.limits.timeout
    }

    /// The time of [`Login::deadline`] has come: raises [`LoginEvent::Fault`].
    pub fn on_deadline(&mut self, now: Instant) {
        if now >= self.deadline() && self.phase != Phase::Over {
            let what = format!("login is not over after {:?}", self.limits.timeout);
            self.fault(Fault::connection("limit login timeout", what));
        }
    }

    /// Answers [`LoginEvent::Names`]: login goes on by these terms.
    pub fn offer(&mut self, terms: Terms) {
        if self.phase != Phase::Terms {
            return;
        }
        self.phase = Phase::Reading;
        let discovery = self.candidate.as_ref().is_some_and(|candidate| candidate.discovery);
        self.talk = Some(Talk {
            negotiation: Negotiation::new(terms.offer, discovery),
            terms,
            security: Security::Open,
            introduced: false,
            declared: false,
            farewell: Vec::new(),
        });
        self.step();
    }

    /// Answers [`LoginEvent::Ready`]: the candidate enters as session `tsih`. The last Login Response is the first
    /// thing in the connection's outgoing queue.
    ///
    /// # Panics
    /// When no [`LoginEvent::Ready`] waits for its answer.
    pub fn admit<P: Payload>(mut self, tsih: Tsih, limits: ConnectionLimits, now: Instant) -> (Session, Connection<P>) {
        assert_eq!(self.phase, Phase::Admission, "only a candidate that is ready can be admitted");
        let talk = self.talk.take().expect("a ready candidate has terms");
        let request = self.request.expect("a ready candidate has spoken");
        let candidate = self.candidate.take().expect("a ready candidate has names");
        let params = talk.negotiation.finish().expect("it was checked before the owner was asked");
        let (cid, discovery) = (candidate.cid, candidate.discovery);
        let first = Serial(request.cmd_sn);
        let mut session = Session::new(candidate, tsih, talk.terms.portal_group, params, limits.commands, first);
        let (exp_cmd_sn, max_cmd_sn) = session.command_numbers();
        let response = LoginResponse {
            transit: true,
            csg: request.csg,
            nsg: request.nsg,
            isid: request.isid,
            tsih: tsih.get(),
            itt: request.itt,
            stat_sn: self.stat_sn,
            exp_cmd_sn,
            max_cmd_sn,
            data_len: talk.farewell.len() as u32,
            ..Default::default()
        };
        pdu::append(&mut self.out, &response.encode(), &[], &talk.farewell, Digests::default());
        let mut connection = Connection::new(cid, discovery, params, limits, self.stat_sn.wrapping_add(1), now);
        connection.outgoing().push_bytes(&self.out);
        (session, connection)
    }

    /// Ends login: the initiator is told `status`; `why` is for the log. Send [`Login::output`], then close.
    pub fn refuse(&mut self, status: LoginStatus, why: &str) {
        self.fail(status, why.to_owned(), &[]);
    }

    /// Sends the initiator elsewhere (RFC 7143 §11.13.5): `address` is `host:port` or `host:port,group`.
    pub fn redirect(&mut self, address: &str, permanently: bool, why: &str) {
        let status = match permanently {
            true => LoginStatus::TargetMovedPermanently,
            false => LoginStatus::TargetMovedTemporarily,
        };
        let mut answer = Vec::new();
        text::push(&mut answer, "TargetAddress", address);
        self.fail(status, why.to_owned(), &answer);
    }

    fn fault(&mut self, fault: Fault) {
        if self.phase != Phase::Over {
            self.phase = Phase::Over;
            self.events.push_back(LoginEvent::Fault(fault));
        }
    }

    /// Tells the initiator, when it has said anything that can be answered, and the owner.
    fn fail(&mut self, status: LoginStatus, why: String, answer: &[u8]) {
        if self.phase == Phase::Over {
            return;
        }
        if self.request.is_some() {
            self.respond(status, false, answer);
        }
        self.phase = Phase::Over;
        self.events.push_back(LoginEvent::Failed { status, why });
    }

    fn bad_pdu(&mut self, bad: BadPdu) {
        match bad {
            BadPdu::TooLong { .. } if self.request.is_some() => {
                self.fail(LoginStatus::InitiatorError, bad.to_string(), &[]);
            }
            _ => self.fault(Fault::connection("RFC 7143 §13.12", bad.to_string())),
        }
    }

    /// Queues a Login Response that is not the last one of a successful login.
    fn respond(&mut self, status: LoginStatus, transit: bool, answer: &[u8]) {
        let request = self.request.expect("only requests are answered");
        let (status_class, status_detail) = status.code();
        let response = LoginResponse {
            transit,
            csg: request.csg,
            nsg: if transit { request.nsg } else { 0 },
            isid: request.isid,
            tsih: request.tsih,
            itt: request.itt,
            stat_sn: self.stat_sn,
            exp_cmd_sn: request.cmd_sn,
            max_cmd_sn: request.cmd_sn,
            status_class,
            status_detail,
            data_len: answer.len() as u32,
            ..Default::default()
        };
        assert!(answer.len() <= SEGMENT_MAX as usize, "limits on texts keep every answer in one PDU");
        pdu::append(&mut self.out, &response.encode(), &[], answer, Digests::default());
        self.stat_sn = self.stat_sn.wrapping_add(1);
    }

    /// A whole PDU is there.
    fn pdu(&mut self) {
        let pdu = self.assembler.pdu().expect("the caller has looked");
        if Opcode::of(pdu.bhs) != Some(Opcode::LoginRequest) {
            let what = "a PDU that is no Login Request came during login";
            return match self.request {
                Some(_) => self.fail(LoginStatus::InvalidDuringLogin, what.to_owned(), &[]),
                None => self.fault(Fault::connection("RFC 7143 §6.3", what)),
            };
        }
        let request = LoginRequest::decode(pdu.bhs);
        self.text.extend_from_slice(pdu.data);
        if let Err((status, why)) = self.follow(request) {
            self.fail(status, why, &[]);
        }
    }
}
