//! The login of the initiator: security stage, CHAP, operational stage (RFC 7143 §6.3).

use std::io::{Read, Write};

use super::agreed::Agreed;
use super::chap::{Chap, ChapAlgorithm};
use super::error::Error;
use super::frames::{Frames, LOGIN_DATA_MAX, pairs, to_text};
use super::settings::Settings;
use crate::wire::codes::stage;
use crate::wire::text::{TEXT_MAX, binary, to_hex};
use crate::wire::{Digests, LoginRequest, LoginResponse, Opcode, VERSION};

/// Request and response pairs of one login, at most: a target that never comes to an end is given up.
pub const LOGIN_EXCHANGES_MAX: u32 = 64;

/// Where a connection stands when its login has succeeded.
#[derive(Debug)]
pub(crate) struct LoggedIn {
    pub(crate) agreed: Agreed,
    pub(crate) exp_stat_sn: u32,
    pub(crate) exp_cmd_sn: u32,
    pub(crate) max_cmd_sn: u32,
}

/// Logs in over `frames` and switches them to what was agreed on.
pub(crate) fn log_in<S: Read + Write>(frames: &mut Frames<S>, settings: &Settings) -> Result<LoggedIn, Error> {
    let mut dialogue = Dialogue { frames, settings, exchanges: 0, exp_stat_sn: None, last: LoginResponse::default() };
    let mut agreed = Agreed::new(&settings.keys);
    for (key, value) in dialogue.security()? {
        agreed.take(&settings.keys, &key, &value)?;
    }
    dialogue.operational(&mut agreed)?;
    let last = dialogue.last;
    agreed.tsih = last.tsih;
    if last.tsih == 0 {
        return Err(Error::protocol("RFC 7143 §11.13.3", "the last Login Response carries no TSIH"));
    }
    let digests = Digests { header: agreed.header_digest, data: agreed.data_digest };
    frames.agree(digests, settings.keys.max_recv_data_segment_length);
    Ok(LoggedIn {
        agreed,
        exp_stat_sn: last.stat_sn.wrapping_add(1),
        exp_cmd_sn: last.exp_cmd_sn,
        max_cmd_sn: last.max_cmd_sn,
    })
}

type Pairs = Vec<(String, String)>;

struct Dialogue<'a, S> {
    frames: &'a mut Frames<S>,
    settings: &'a Settings,
    exchanges: u32,
    exp_stat_sn: Option<u32>,
    last: LoginResponse,
}

impl<S: Read + Write> Dialogue<'_, S> {
    /// The security stage; gives the pairs of the target that have nothing to do with security.
    fn security(&mut self) -> Result<Pairs, Error> {
        let settings = self.settings;
        let mut request = vec![("InitiatorName", settings.initiator.clone())];
        request.extend(settings.alias.clone().map(|alias| ("InitiatorAlias", alias)));
        request.extend(settings.target.clone().map(|target| ("TargetName", target)));
        let kind = if settings.target.is_some() { "Normal" } else { "Discovery" };
        request.push(("SessionType", kind.to_owned()));
        let mut declared = Vec::new();
        match &settings.chap {
            None => {
                request.push(("AuthMethod", "None".to_owned()));
                let answer = self.exchange(stage::SECURITY, Some(stage::OPERATIONAL), &request)?;
                expect_method(&answer, "None")?;
                declared.extend(answer);
            }
            Some(chap) => {
                request.push(("AuthMethod", "CHAP".to_owned()));
                let answer = self.exchange(stage::SECURITY, None, &request)?;
                expect_method(&answer, "CHAP")?;
                declared.extend(answer);
                self.chap(chap)?;
            }
        }
        if !self.last.transit {
            return Err(Error::protocol("RFC 7143 §6.3.2", "the target stays in a security stage that is complete"));
        }
        declared.retain(|(key, _)| key != "AuthMethod");
        Ok(declared)
    }

    fn chap(&mut self, chap: &Chap) -> Result<(), Error> {
        let numbers: Vec<String> = chap.algorithms.iter().map(|algorithm| (*algorithm as u8).to_string()).collect();
        let challenge = self.exchange(stage::SECURITY, None, &[("CHAP_A", numbers.join(","))])?;
        let algorithm = ChapAlgorithm::from_number(value(&challenge, "CHAP_A")?)
            .filter(|algorithm| chap.algorithms.contains(algorithm))
            .ok_or_else(|| Error::protocol("RFC 7143 §12.1.3", "CHAP_A names an algorithm that was not offered"))?;
        let identifier = value(&challenge, "CHAP_I")?
            .parse()
            .map_err(|_| Error::protocol("RFC 7143 §12.1.3", "CHAP_I is no number of one byte"))?;
        let bytes = binary(value(&challenge, "CHAP_C")?)
            .ok_or_else(|| Error::protocol("RFC 7143 §12.1.3", "CHAP_C is no binary value of 1 to 1024 bytes"))?;
        let mine = &chap.credentials;
        let mut response =
            vec![("CHAP_N", mine.name.clone()), ("CHAP_R", to_hex(&mine.answer(algorithm, identifier, &bytes)))];
        if let Some(back) = &chap.mutual {
            // An answer to the target's own challenge could have been had from the target itself: reflection.
            if back.challenge == bytes {
                return Err(Error::Untrusted("it challenges with our own challenge"));
            }
            response.push(("CHAP_I", back.identifier.to_string()));
            response.push(("CHAP_C", to_hex(&back.challenge)));
        }
        let proof = self.exchange(stage::SECURITY, Some(stage::OPERATIONAL), &response)?;
        let Some(back) = &chap.mutual else {
            return Ok(());
        };
        let told = (value(&proof, "CHAP_N"), value(&proof, "CHAP_R"));
        let (Ok(name), Ok(answer)) = told else {
            return Err(Error::Untrusted("it gave no answer to our challenge"));
        };
        if name != back.target.name {
            return Err(Error::Untrusted("it answered under another name"));
        }
        match binary(answer) {
            Some(answer) if answer == back.target.answer(algorithm, back.identifier, &back.challenge) => Ok(()),
            _ => Err(Error::Untrusted("its answer to our challenge is wrong")),
        }
    }

    fn operational(&mut self, agreed: &mut Agreed) -> Result<(), Error> {
        let discovery = self.settings.target.is_none();
        let proposal = self.settings.keys.proposal(discovery);
        let mut request: Pairs = proposal.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        request.extend(self.settings.extra.iter().cloned());
        // `MaxRecvDataSegmentLength` is declared, not negotiated: no answer is due (RFC 7143 §13.12).
        let mut unanswered: Vec<&str> =
            proposal.iter().map(|(key, _)| *key).filter(|key| *key != "MaxRecvDataSegmentLength").collect();
        loop {
            let answer = self.exchange(stage::OPERATIONAL, Some(stage::FULL_FEATURE), &request)?;
            request.clear();
            for (key, value) in &answer {
                let asked = request_of(self.settings, discovery, key) || DECLARATIONS.contains(&key.as_str());
                unanswered.retain(|open| open != key);
                if asked {
                    agreed.take(&self.settings.keys, key, value)?;
                } else {
                    // The target may propose keys of its own; those we have no use for are declined, as §6.2 has it.
                    request.push((key.clone(), if discovery { "Irrelevant" } else { "NotUnderstood" }.to_owned()));
                }
            }
            if self.last.transit {
                break;
            }
        }
        match unanswered.first() {
            None => Ok(()),
            Some(key) => Err(Error::protocol("RFC 7143 §6.2", format!("the target never answered {key}"))),
        }
    }

    /// Says `request` and hears the whole answer, over as many PDUs as either takes (RFC 7143 §6.2, the C bit).
    fn exchange<K: AsRef<str>>(&mut self, csg: u8, nsg: Option<u8>, request: &[(K, String)]) -> Result<Pairs, Error> {
        let text = to_text(request);
        let mut parts: Vec<&[u8]> = text.chunks(LOGIN_DATA_MAX as usize).collect();
        let end = parts.pop().unwrap_or_default();
        for part in parts {
            if !self.pass(csg, None, true, part)?.is_empty() {
                return Err(Error::protocol("RFC 7143 §6.2", "the target answered a text that goes on"));
            }
        }
        let mut answer = self.pass(csg, nsg, false, end)?;
        while self.last.more {
            answer.extend(self.pass(csg, None, false, &[])?);
            if answer.len() > TEXT_MAX {
                return Err(Error::protocol("RFC 7143 §6.2", "the target's text has no end"));
            }
        }
        pairs(&answer)
    }

    /// One request and its response.
    fn pass(&mut self, csg: u8, nsg: Option<u8>, more: bool, text: &[u8]) -> Result<Vec<u8>, Error> {
        self.exchanges += 1;
        if self.exchanges > LOGIN_EXCHANGES_MAX {
            return Err(Error::protocol("RFC 7143 §6.3", "the login does not come to an end"));
        }
        let request = LoginRequest {
            immediate: true,
            transit: nsg.is_some(),
            more,
            csg,
            nsg: nsg.unwrap_or_default(),
            version_max: VERSION,
            version_min: VERSION,
            isid: self.settings.isid,
            tsih: self.settings.tsih,
            cid: self.settings.cid,
            cmd_sn: self.settings.cmd_sn,
            exp_stat_sn: self.exp_stat_sn.unwrap_or_default(),
            data_len: text.len() as u32,
            ..LoginRequest::default()
        };
        self.frames.send(&request.encode(), &[], text)?;
        let pdu = self.frames.receive()?;
        if pdu.opcode() != Some(Opcode::LoginResponse) {
            return Err(Error::protocol("RFC 7143 §6.3", format!("opcode {:#04x} during login", pdu.bhs[0])));
        }
        let response = LoginResponse::decode(&pdu.bhs);
        self.check(&request, &response, &pdu.data)?;
        self.exp_stat_sn = Some(response.stat_sn.wrapping_add(1));
        self.last = response;
        Ok(pdu.data)
    }

    fn check(&self, request: &LoginRequest, response: &LoginResponse, text: &[u8]) -> Result<(), Error> {
        if response.status_class != 0 {
            let redirect = pairs(text).ok().and_then(|pairs| value(&pairs, "TargetAddress").ok().map(str::to_owned));
            return Err(Error::Refused { class: response.status_class, detail: response.status_detail, redirect });
        }
        let wrong = |clause, what: &'static str| Err(Error::protocol(clause, what));
        if response.itt != request.itt || response.isid != request.isid {
            return wrong("RFC 7143 §11.13", "the Login Response is for another request");
        }
        if self.exp_stat_sn.is_some_and(|expected| response.stat_sn != expected) {
            return wrong("RFC 7143 §11.13.4", "StatSN does not go up by one");
        }
        if response.version_active != VERSION {
            return wrong("RFC 7143 §11.13.2", "the active version is none that was offered");
        }
        if response.csg != request.csg {
            return wrong("RFC 7143 §11.13.1", "the Login Response is of another stage");
        }
        if response.transit && (!request.transit || response.nsg != request.nsg || response.more) {
            return wrong("RFC 7143 §11.12.1", "the target moves to a stage nobody asked for");
        }
        Ok(())
    }
}

/// Keys that a target declares without having been asked.
const DECLARATIONS: [&str; 3] = ["MaxRecvDataSegmentLength", "TargetAlias", "TargetPortalGroupTag"];

fn request_of(settings: &Settings, discovery: bool, key: &str) -> bool {
    settings.keys.proposal(discovery).iter().any(|(asked, _)| *asked == key)
        || settings.extra.iter().any(|(asked, _)| asked == key)
}

fn expect_method(answer: &Pairs, method: &str) -> Result<(), Error> {
    if value(answer, "AuthMethod")? == method {
        return Ok(());
    }
    Err(Error::protocol("RFC 7143 §12.1", "the target chose an AuthMethod that was not offered"))
}

fn value<'a>(pairs: &'a Pairs, key: &str) -> Result<&'a str, Error> {
    match pairs.iter().find(|(told, _)| told == key) {
        Some((_, value)) => Ok(value),
        None => Err(Error::protocol("RFC 7143 §6.2", format!("the target's answer lacks {key}"))),
    }
}
