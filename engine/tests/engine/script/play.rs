//! Does the target answer a script as it says?

use super::parse::{Check, Outcome, Piece, Step, parse};
use ferrite_iscsi::initiator::{Initiator, Request, ScsiResult, Settings};
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Plays a script against the target at `portal`, and says where it went wrong.
///
/// # Errors
/// The line, what was expected, and what came.
pub(crate) fn play(text: &str, portal: SocketAddr, target: &str) -> Result<(), String> {
    let mut player = Player { portal, target, sessions: BTreeMap::new(), saved: BTreeMap::new() };
    let mut headline = String::new();
    for line in parse(text)? {
        if let Step::Headline(text) = line.step {
            headline = text;
            continue;
        }
        player.step(line.step).map_err(|why| format!("line {} ({headline}): {why}", line.number))?;
    }
    Ok(())
}

struct Player<'a> {
    portal: SocketAddr,
    target: &'a str,
    sessions: BTreeMap<String, Session>,
    saved: BTreeMap<String, Vec<u8>>,
}

struct Session {
    initiator: Initiator<TcpStream>,
    /// LUNs that it has used, whose first attentions it has heard.
    luns: Vec<u16>,
}

impl Player<'_> {
    fn step(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Headline(_) => Ok(()),
            Step::Logout(session) => {
                let session = self.sessions.remove(&session).ok_or("no such session")?;
                session.initiator.logout().map(|_| ()).map_err(|error| error.to_string())
            }
            Step::Hear(name) => {
                let session = self.session(&name)?;
                for lun in session.luns.clone() {
                    hear(&mut session.initiator, lun)?;
                }
                Ok(())
            }
            Step::Command { session, lun, cdb, data_out, outcome, checks } => {
                let (cdb, data_out) = (self.bytes(&session, &cdb)?, self.bytes(&session, &data_out)?);
                let result = self.command(&session, lun, &cdb, data_out)?;
                let came = outcome_of(&result)?;
                if came != outcome {
                    return Err(format!("{cdb:02x?}: expected {outcome}, came {came}"));
                }
                checks.into_iter().try_for_each(|check| self.check(check, &result.data))
            }
        }
    }

    fn command(&mut self, name: &str, lun: u16, cdb: &[u8], data_out: Vec<u8>) -> Result<ScsiResult, String> {
        let session = self.session(name)?;
        if !session.luns.contains(&lun) {
            hear(&mut session.initiator, lun)?;
            session.luns.push(lun);
        }
        let request = Request::new(lun, cdb);
        let request = if data_out.is_empty() { request.reading(ROOM) } else { request.writing(data_out) };
        session.initiator.command(&request).map_err(|error| error.to_string())
    }

    fn session(&mut self, name: &str) -> Result<&mut Session, String> {
        if !self.sessions.contains_key(name) {
            let stream = TcpStream::connect(self.portal).map_err(|error| error.to_string())?;
            stream.set_read_timeout(Some(PATIENCE)).map_err(|error| error.to_string())?;
            let mut settings = Settings::normal(format!("iqn.2026-11.com.example:host-{name}"), self.target);
            settings.isid[5] = name.bytes().fold(0, u8::wrapping_add);
            let initiator = Initiator::login(stream, &settings).map_err(|error| error.to_string())?;
            self.sessions.insert(name.to_owned(), Session { initiator, luns: Vec::new() });
        }
        Ok(self.sessions.get_mut(name).expect("just put there"))
    }

    fn bytes(&mut self, session: &str, pieces: &[Piece]) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Bytes(some) => bytes.extend_from_slice(some),
                Piece::Saved(name) => match name.strip_prefix("cscd") {
                    Some(lun) => {
                        let lun = lun.parse().map_err(|_| format!("no LUN: {name}"))?;
                        bytes.extend(self.identification(session, lun)?);
                    }
                    None => bytes.extend(self.saved.get(name).ok_or_else(|| format!("nothing saved as {name}"))?),
                },
            }
        }
        Ok(bytes)
    }

    /// An identification descriptor CSCD descriptor (E4h) of 32 bytes, made of the first NAA designator of the unit.
    fn identification(&mut self, session: &str, lun: u16) -> Result<Vec<u8>, String> {
        let page = self.command(session, lun, &[0x12, 1, 0x83, 4, 0, 0], Vec::new())?.data;
        let mut at = 4;
        while at + 4 <= page.len() {
            let len = usize::from(page[at + 3]);
            let designator = page.get(at..at + 4 + len).ok_or("a designator is cut off")?;
            if designator[1] & 0x3F == 0x03 {
                let mut cscd = vec![0xE4, 0, 0, 0];
                cscd.extend_from_slice(designator);
                cscd.resize(28, 0);
                // Disk block device, 512 bytes in a block.
                cscd.extend_from_slice(&[0, 0, 2, 0]);
                return Ok(cscd);
            }
            at += 4 + len;
        }
        Err(format!("LUN {lun} has no NAA designator"))
    }

    fn check(&mut self, check: Check, data: &[u8]) -> Result<(), String> {
        match check {
            Check::Len(len) if data.len() == len => Ok(()),
            Check::Len(len) => Err(format!("{} bytes came, not {len}", data.len())),
            Check::At(at, expected) => match data.get(at..at + expected.len()) {
                Some(came) if came == expected => Ok(()),
                came => Err(format!("at {at}: expected {expected:02x?}, came {came:02x?}")),
            },
            Check::Save(name, at, len) => {
                let bytes = data.get(at..at + len).ok_or_else(|| format!("only {} bytes came", data.len()))?;
                self.saved.insert(name, bytes.to_vec());
                Ok(())
            }
        }
    }
}

/// Takes the unit attentions that wait; what else is in the way is for the next command to meet.
fn hear(initiator: &mut Initiator<TcpStream>, lun: u16) -> Result<(), String> {
    const ATTENTIONS_MAX: usize = 16;
    for _ in 0..ATTENTIONS_MAX {
        let result = initiator.command(&Request::new(lun, &[0; 6])).map_err(|error| error.to_string())?;
        if !matches!(outcome_of(&result)?, Outcome::Sense(0x6, ..)) {
            return Ok(());
        }
    }
    Err("there is no end of unit attentions".to_owned())
}

fn outcome_of(result: &ScsiResult) -> Result<Outcome, String> {
    match (result.status, result.sense_code()) {
        (0x00, _) => Ok(Outcome::Good),
        (0x02, Some((key, asc, ascq))) => Ok(Outcome::Sense(key, asc, ascq)),
        (0x08, _) => Ok(Outcome::Busy),
        (0x18, _) => Ok(Outcome::Conflict),
        (status, _) => Err(format!("status {status:02x} without a meaning here")),
    }
}

/// Room for data-in of every command.
const ROOM: u32 = 64 << 10;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
