//! How does login go from stage to stage (RFC 7143 §6.3, §11.12.3)?

use super::keys::Refusal;
use super::{Auth, Candidate, Login, LoginEvent, LoginStatus, NAME_MAX, Phase, REQUESTS_MAX, Talk};
use crate::session::Isid;
use crate::wire::codes::stage;
use crate::wire::text::{self, TEXT_MAX};
use crate::wire::{LoginRequest, VERSION};

impl Login {
    /// Checks a request against those before it; acts when its text is whole.
    pub(super) fn follow(&mut self, request: LoginRequest) -> Result<(), Refusal> {
        let before = self.request.replace(request);
        self.requests += 1;
        check_alone(&request)?;
        match before {
            None if request.csg == stage::FULL_FEATURE => {
                return Err(wrong("login cannot begin in full feature phase"));
            }
            None => self.stage = request.csg,
            Some(before) => check_against(&request, &before, self.stage)?,
        }
        if self.requests > REQUESTS_MAX {
            return Err(wrong("login takes too many requests"));
        }
        if self.text.len() > TEXT_MAX {
            return Err(wrong("the text of a login request is too long"));
        }
        if request.more {
            self.respond(LoginStatus::Success, false, &[]);
            return Ok(());
        }
        if self.candidate.is_none() {
            let candidate = candidate(&request, &self.text)?;
            self.candidate = Some(candidate.clone());
            self.phase = Phase::Terms;
            self.events.push_back(LoginEvent::Names(candidate));
        } else {
            self.step();
        }
        Ok(())
    }

    /// Answers a whole text, or asks the owner for admission when it was the last.
    pub(super) fn step(&mut self) {
        let text = std::mem::take(&mut self.text);
        let mut talk = self.talk.take().expect("terms were offered");
        let result = self.answer(&text, &mut talk);
        self.talk = Some(talk);
        if let Err((status, why)) = result {
            self.fail(status, why, &[]);
        }
    }

    fn answer(&mut self, text: &[u8], talk: &mut Talk) -> Result<(), Refusal> {
        let request = self.request.expect("a text came in a request");
        let candidate = self.candidate.as_mut().expect("a text has its names taken out first");
        let pairs = text::parse(text).map_err(|bad| wrong(&bad.to_string()))?;
        let security_stage = self.stage == stage::SECURITY;
        let mut answer = Vec::new();
        if !std::mem::replace(&mut talk.introduced, true) {
            introduce(talk, candidate, &mut answer);
        }
        if !security_stage && !std::mem::replace(&mut talk.declared, true) {
            talk.negotiation.declare(&mut answer);
        }
        let handled = talk.negotiation.take(security_stage, &pairs, &mut answer)?;
        let auth = &talk.terms.auth;
        if security_stage {
            talk.security.take(&handled, auth, &mut self.entropy, &mut answer)?;
        } else if talk.security.user().is_none() && matches!(auth, Auth::Chap { .. }) {
            let why = "the initiator goes past authentication, which is required";
            return Err((LoginStatus::AuthenticationFailure, why.to_owned()));
        }
        let transit = request.transit && (!security_stage || talk.security.may_leave(auth)?);
        if transit && request.nsg == stage::FULL_FEATURE {
            talk.negotiation.finish()?;
            candidate.user = talk.security.user().map(str::to_owned);
            talk.farewell = answer;
            self.phase = Phase::Admission;
            self.events.push_back(LoginEvent::Ready(candidate.clone()));
            return Ok(());
        }
        self.respond(LoginStatus::Success, transit, &answer);
        if transit {
            self.stage = request.nsg;
        }
        Ok(())
    }
}

/// The first response of a session tells the portal group (RFC 7143 §13.9) and the alias.
fn introduce(talk: &Talk, candidate: &Candidate, answer: &mut Vec<u8>) {
    if candidate.discovery {
        return;
    }
    if let Some(alias) = talk.terms.target_alias.as_deref().filter(|alias| alias.len() <= 255) {
        text::push(answer, "TargetAlias", alias);
    }
    text::push(answer, "TargetPortalGroupTag", &talk.terms.portal_group.to_string());
}

/// What one request must fulfil by itself.
fn check_alone(request: &LoginRequest) -> Result<(), Refusal> {
    if request.version_min > VERSION {
        let why = format!("the initiator speaks no version before {}", request.version_min);
        return Err((LoginStatus::UnsupportedVersion, why));
    }
    let table = [
        (request.ahs_words != 0, "a Login Request has additional header segments"),
        (request.csg == 2, "CSG is reserved"),
        (request.transit && request.more, "T and C exclude each other"),
        (request.transit && (request.nsg <= request.csg || request.nsg == 2), "NSG is no stage after CSG"),
    ];
    first(&table)
}

/// What a request must have in common with the one before it.
fn check_against(request: &LoginRequest, before: &LoginRequest, stage: u8) -> Result<(), Refusal> {
    let table = [
        (request.csg != stage, "CSG is not the stage that was agreed on"),
        (request.isid != before.isid, "ISID has changed during login"),
        (request.tsih != before.tsih, "TSIH has changed during login"),
        (request.cid != before.cid, "CID has changed during login"),
    ];
    first(&table)
}

fn first(table: &[(bool, &str)]) -> Result<(), Refusal> {
    table.iter().find(|row| row.0).map_or(Ok(()), |row| Err(wrong(row.1)))
}

/// Who wants in, from the first text (RFC 7143 §6.3.1: the names stand in the first request).
fn candidate(request: &LoginRequest, text: &[u8]) -> Result<Candidate, Refusal> {
    let pairs = text::parse(text).map_err(|bad| wrong(&bad.to_string()))?;
    let find = |name| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1);
    let missing = |name: &str| (LoginStatus::MissingParameter, format!("{name} is missing"));
    let initiator = find("InitiatorName").ok_or_else(|| missing("InitiatorName"))?;
    let discovery = match find("SessionType") {
        None | Some("Normal") => false,
        Some("Discovery") => true,
        Some(_) => return Err((LoginStatus::SessionTypeNotSupported, "the session type is unknown".to_owned())),
    };
    let target = find("TargetName");
    if target.is_none() && !discovery {
        return Err(missing("TargetName"));
    }
    for name in [Some(initiator), target].into_iter().flatten() {
        if name.is_empty() || name.len() > NAME_MAX || name.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(wrong("a name is empty, too long, or has a character that no name may have"));
        }
    }
    Ok(Candidate {
        initiator: initiator.to_owned(),
        initiator_alias: find("InitiatorAlias").map(str::to_owned),
        target: target.map(str::to_owned),
        isid: Isid(request.isid),
        tsih: request.tsih,
        cid: request.cid,
        user: None,
        discovery,
    })
}

fn wrong(why: &str) -> Refusal {
    (LoginStatus::InitiatorError, why.to_owned())
}
