//! How does the SecurityNegotiation stage get from a choice of methods to a proven name (RFC 7143 §12.1)?

use super::chap::{Algorithm, Challenge, Reply};
use super::entropy::Entropy;
use super::keys::{Refusal, list};
use super::status::LoginStatus;
use super::terms::Auth;
use crate::wire::text;

/// How far authentication has come.
#[derive(Debug)]
pub(super) enum Security {
    /// No method was chosen.
    Open,
    /// CHAP was chosen; the initiator names its algorithms next.
    ChapChosen,
    /// Our challenge is out.
    Challenged(Challenge),
    /// Done: with a proven name, or with method None.
    Done(Option<String>),
}

impl Security {
    /// Takes the stage's pairs, appends the answers.
    pub(super) fn take(
        &mut self,
        pairs: &[(&str, &str)],
        auth: &Auth,
        entropy: &mut Entropy,
        answer: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let find = |name| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1);
        if let Some(methods) = find("AuthMethod") {
            let Self::Open = self else { return Err(denied("AuthMethod comes too late")) };
            *self = choose(methods, auth)?;
            let method = if matches!(self, Self::ChapChosen) { "CHAP" } else { "None" };
            text::push(answer, "AuthMethod", method);
        }
        let chap = pairs.iter().any(|pair| pair.0.starts_with("CHAP_"));
        match self {
            _ if !chap => Ok(()),
            Self::ChapChosen => {
                let offered = find("CHAP_A").ok_or_else(|| denied("CHAP_A is missing"))?;
                let algorithm = Algorithm::choose(offered).ok_or_else(|| denied("no CHAP algorithm in common"))?;
                let challenge = Challenge::new(algorithm, entropy);
                text::push(answer, "CHAP_A", &algorithm.code().to_string());
                text::push(answer, "CHAP_I", &challenge.id.to_string());
                text::push(answer, "CHAP_C", &text::to_hex(&challenge.bytes));
                *self = Self::Challenged(challenge);
                Ok(())
            }
            Self::Challenged(challenge) => {
                let Auth::Chap { accounts, mutual } = auth else { unreachable!("only CHAP challenges") };
                let counter = match (find("CHAP_I"), find("CHAP_C")) {
                    (Some(id), Some(challenge)) => Some((id, challenge)),
                    (None, None) => None,
                    _ => return Err(denied("one of CHAP_I and CHAP_C is missing")),
                };
                let (Some(name), Some(response)) = (find("CHAP_N"), find("CHAP_R")) else {
                    return Err(denied("one of CHAP_N and CHAP_R is missing"));
                };
                let reply = Reply { name, response, counter };
                let (name, proof) = challenge.judge(&reply, accounts, mutual.as_ref()).map_err(denied)?;
                if let Some(proof) = proof {
                    text::push(answer, "CHAP_N", &proof.name);
                    text::push(answer, "CHAP_R", &proof.response);
                }
                *self = Self::Done(Some(name));
                Ok(())
            }
            Self::Open | Self::Done(_) => Err(denied("CHAP keys came out of turn")),
        }
    }

    /// May the stage be left?
    pub(super) fn may_leave(&self, auth: &Auth) -> Result<bool, Refusal> {
        match (self, auth) {
            (Self::Done(_), _) | (Self::Open, Auth::None) => Ok(true),
            (Self::Open, Auth::Chap { .. }) => Err(denied("the initiator does not authenticate itself")),
            (Self::ChapChosen | Self::Challenged(_), _) => Ok(false),
        }
    }

    /// The proven name.
    pub(super) fn user(&self) -> Option<&str> {
        match self {
            Self::Done(user) => user.as_deref(),
            _ => None,
        }
    }
}

/// The first method of the list that suits us.
fn choose(methods: &str, auth: &Auth) -> Result<Security, Refusal> {
    let (want, next) = match auth {
        Auth::None => ("None", Security::Done(None)),
        Auth::Chap { .. } => ("CHAP", Security::ChapChosen),
    };
    if list(methods).any(|method| method == want) {
        Ok(next)
    } else {
        Err(denied(&format!("{want} is not among the initiator's methods")))
    }
}

fn denied(why: &str) -> Refusal {
    (LoginStatus::AuthenticationFailure, why.to_owned())
}
