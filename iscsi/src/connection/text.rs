//! How is text exchanged in full feature phase (RFC 7143 §11.10, §11.11, Appendix C)?

use serde::{Deserialize, Serialize};

use super::Connection;
use super::event::{Event, TargetRecord, TargetsAsked};
use crate::login::keys;
use crate::payload::Payload;
use crate::session::Session;
use crate::wire::codes::reject;
use crate::wire::text::{self, TEXT_MAX};
use crate::wire::{Bhs, NO_TAG, TextRequest, TextResponse};

/// Bytes of the longest SendTargets answer; records that do not fit are left out.
pub(super) const ANSWER_MAX: usize = 1 << 20;

/// One exchange of text: a request in one or more PDUs, and its answer.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Exchange {
    state: State,
    itt: u32,
    /// Our tag for the initiator's next request of this exchange.
    ttt: u32,
    /// The initiator has said everything (F).
    fin: bool,
    /// The request so far.
    request: Vec<u8>,
    /// The answer, sent up to `sent`.
    answer: Vec<u8>,
    sent: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    /// No exchange.
    #[default]
    Idle,
    /// More of the request is to come.
    Asking,
    /// The owner looks for targets.
    Searching,
    /// More of the answer is to go.
    Answering,
}

impl Exchange {
    #[cfg(test)]
    pub(super) fn answer_len(&self) -> usize {
        self.answer.len()
    }
}

impl<P: Payload> Connection<P> {
    /// A Text Request is there, its data gathered.
    pub(super) fn text_request(&mut self, session: &mut Session, bhs: &Bhs) {
        let request = TextRequest::decode(bhs);
        let exchange = &mut self.state.exchange;
        let continues = request.ttt != NO_TAG;
        let fits = match exchange.state {
            State::Searching => false,
            State::Idle => !continues,
            // A request without a tag of ours starts anew (RFC 7143 §11.10.4).
            State::Asking | State::Answering => {
                !continues || (request.ttt, request.itt) == (exchange.ttt, exchange.itt)
            }
        };
        if !fits {
            self.reject(session, reject::PROTOCOL, bhs);
            return;
        }
        if !continues {
            *exchange = Exchange { itt: request.itt, ..Exchange::default() };
        }
        exchange.fin = request.fin;
        if exchange.state == State::Answering {
            return self.answer_text(session);
        }
        exchange.request.extend_from_slice(&self.state.receiver.gathered);
        if exchange.request.len() > TEXT_MAX || request.fin && request.more {
            *exchange = Exchange::default();
            self.reject(session, reject::PROTOCOL, bhs);
        } else if request.more {
            self.state.exchange.state = State::Asking;
            self.text_response(session, Vec::new(), false, false);
        } else {
            self.understand(session, bhs);
        }
    }

    /// Answers [`Event::SendTargets`]: one record per target, over as many Text Responses as it takes.
    pub fn answer_targets(&mut self, session: &mut Session, targets: &[TargetRecord]) {
        if self.state.exchange.state != State::Searching {
            return;
        }
        let answer = &mut self.state.exchange.answer;
        for target in targets {
            let start = answer.len();
            text::push(answer, "TargetName", &target.name);
            for (address, group) in &target.portals {
                text::push(answer, "TargetAddress", &format!("{address},{group}"));
            }
            if answer.len() > ANSWER_MAX {
                answer.truncate(start);
                break;
            }
        }
        self.answer_text(session);
    }

    /// The request is whole: acts on its keys.
    fn understand(&mut self, session: &mut Session, bhs: &Bhs) {
        let request = std::mem::take(&mut self.state.exchange.request);
        let Ok(pairs) = text::parse(&request) else {
            self.state.exchange = Exchange::default();
            self.reject(session, reject::PROTOCOL, bhs);
            return;
        };
        let mut answer = Vec::new();
        let mut asked = None;
        for (key, value) in pairs {
            if key != "SendTargets" {
                keys::in_full_feature(key, value, &mut self.state.params, &mut answer);
            } else if let (None, Some(targets)) = (&asked, self.targets_asked(value)) {
                asked = Some(targets);
            } else {
                text::push(&mut answer, key, "Reject");
            }
        }
        session.params.initiator_segment = self.state.params.initiator_segment;
        self.state.exchange.answer = answer;
        match asked {
            Some(targets) => {
                self.state.exchange.state = State::Searching;
                self.events.push_back(Event::SendTargets(targets));
            }
            None => self.answer_text(session),
        }
    }

    /// Appendix C: All only in discovery, nothing only outside of it.
    fn targets_asked(&self, value: &str) -> Option<TargetsAsked> {
        match (value, self.state.discovery) {
            ("All", true) => Some(TargetsAsked::All),
            ("All", false) | ("", true) => None,
            ("", false) => Some(TargetsAsked::Own),
            (name, _) => Some(TargetsAsked::One(name.to_owned())),
        }
    }

    /// Sends the next part of the answer.
    fn answer_text(&mut self, session: &mut Session) {
        let exchange = &mut self.state.exchange;
        let segment_max = self.state.params.initiator_segment as usize;
        let rest = exchange.answer.len() - exchange.sent;
        let some = rest.min(segment_max);
        let part = exchange.answer[exchange.sent..exchange.sent + some].to_vec();
        exchange.sent += some;
        if some < rest {
            exchange.state = State::Answering;
            self.text_response(session, part, false, true);
        } else if exchange.fin {
            self.text_response(session, part, true, false);
            self.state.exchange = Exchange::default();
        } else {
            // The initiator has more to negotiate.
            exchange.answer = Vec::new();
            exchange.sent = 0;
            exchange.state = State::Asking;
            self.text_response(session, part, false, false);
        }
    }

    fn text_response(&mut self, session: &mut Session, data: Vec<u8>, fin: bool, more: bool) {
        let ttt = if fin { NO_TAG } else { self.fresh_tag() };
        self.state.exchange.ttt = ttt;
        let (exp_cmd_sn, max_cmd_sn) = session.command_numbers();
        let response = TextResponse {
            fin,
            more,
            lun: [0; 8],
            itt: self.state.exchange.itt,
            ttt,
            stat_sn: self.next_stat_sn(),
            exp_cmd_sn,
            max_cmd_sn,
            data_len: data.len() as u32,
        };
        self.put(&response.encode(), &data);
    }
}
