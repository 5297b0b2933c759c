//! A login said request by request, so that a test can say it wrong.

use ferrite_iscsi::initiator::{Error, Frames, Pdu};
use ferrite_iscsi::wire::{LoginRequest, LoginResponse, Opcode};

use super::{INITIATOR, Kit, TARGET, Wire};

/// SecurityNegotiation.
pub const SECURITY: u8 = 0;
/// LoginOperationalNegotiation.
pub const OPERATIONAL: u8 = 1;
/// FullFeaturePhase.
pub const FULL_FEATURE: u8 = 3;

/// The names that a first request must carry.
pub const NAMES: [(&str, &str); 3] = [("InitiatorName", INITIATOR), ("TargetName", TARGET), ("SessionType", "Normal")];

/// A connection that is logging in.
pub struct Dialogue {
    pub frames: Frames<Wire>,
    /// What every request starts from.
    pub request: LoginRequest,
}

/// What the target said.
#[derive(Debug)]
pub struct Said {
    pub header: LoginResponse,
    pub pairs: Vec<(String, String)>,
}

impl Said {
    /// Status-Class and Status-Detail.
    pub fn status(&self) -> (u8, u8) {
        (self.header.status_class, self.header.status_detail)
    }

    /// The value of a key.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.pairs.iter().find(|(told, _)| told == key).map(|(_, value)| value.as_str())
    }
}

impl Dialogue {
    pub fn new(kit: &Kit) -> Self {
        let request = LoginRequest {
            immediate: true,
            isid: [0x80, 1, 2, 3, 4, 5],
            itt: 0x1234,
            cid: 9,
            cmd_sn: 100,
            ..LoginRequest::default()
        };
        Dialogue { frames: kit.frames(), request }
    }

    /// A dialogue that stands in the operational stage, nothing negotiated yet.
    pub fn operational(kit: &Kit) -> Self {
        let mut dialogue = Dialogue::new(kit);
        let mut text = NAMES.to_vec();
        text.push(("AuthMethod", "None"));
        let said = dialogue.say(SECURITY, Some(OPERATIONAL), &text);
        assert_eq!((said.status(), said.header.transit), ((0, 0), true), "{said:?}");
        dialogue
    }

    /// Says pairs in one request, ready to go on to `nsg`, and hears the response.
    #[track_caller]
    pub fn say(&mut self, csg: u8, nsg: Option<u8>, pairs: &[(&str, &str)]) -> Said {
        let text: Vec<u8> = pairs.iter().flat_map(|(key, value)| format!("{key}={value}\0").into_bytes()).collect();
        self.say_text(csg, nsg, false, &text).expect("the target answers")
    }

    /// Says bytes that need not be whole pairs.
    pub fn say_text(&mut self, csg: u8, nsg: Option<u8>, more: bool, text: &[u8]) -> Result<Said, Error> {
        let request = LoginRequest { csg, nsg: nsg.unwrap_or(0), transit: nsg.is_some(), more, ..self.request };
        self.frames.send_pdu(&Pdu::new(request.encode(), [], text))?;
        let pdu = self.frames.receive()?;
        assert_eq!(pdu.opcode(), Some(Opcode::LoginResponse));
        let header = LoginResponse::decode(&pdu.bhs);
        self.request.exp_stat_sn = header.stat_sn.wrapping_add(1);
        let pairs = pdu.pairs().unwrap_or_default();
        Ok(Said { header, pairs })
    }
}
