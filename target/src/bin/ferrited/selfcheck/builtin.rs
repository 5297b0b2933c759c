//! What the built-in initiator tries: discovery, login, identity, data, digests, and what must be refused.

use super::{Outcome, Row, STEP_LIMIT, Subject};
use ferrite_iscsi::initiator::{Capacity, Error, Initiator, Request, Settings, cdb};
use std::net::TcpStream;

type Session = Initiator<TcpStream>;
/// What was seen, or why it is wrong.
type Seen = Result<String, String>;
/// One step.
type Check = fn(Subject<'_>) -> Seen;

const INITIATOR: &str = "iqn.2026-11.com.example:self-check";

/// The steps, in order. A later one does not depend on an earlier one having worked.
const STEPS: [(&str, Check); 7] = [
    ("discovery", discovery),
    ("login", login),
    ("identity", identity),
    ("write, flush, read", |subject| data(subject, false)),
    ("the same with CRC32C", |subject| data(subject, true)),
    ("read past the end", past_the_end),
    ("unknown target", unknown_target),
];

pub(super) fn run(subject: Subject<'_>) -> Vec<Row> {
    let row = |(step, check): &(&'static str, Check)| {
        let outcome = match check(subject) {
            Ok(seen) => Outcome::Good(seen),
            Err(why) => Outcome::Bad(why),
        };
        Row { initiator: "ferrite", step, outcome }
    };
    STEPS.iter().map(row).collect()
}

fn connect(subject: Subject<'_>, settings: &Settings) -> Result<Session, Error> {
    let stream = TcpStream::connect_timeout(&subject.portal, STEP_LIMIT)?;
    stream.set_read_timeout(Some(STEP_LIMIT))?;
    stream.set_write_timeout(Some(STEP_LIMIT))?;
    stream.set_nodelay(true)?;
    Initiator::login(stream, settings)
}

fn enter(subject: Subject<'_>, digests: bool) -> Result<Session, Error> {
    let mut settings = Settings::normal(INITIATOR, subject.target);
    settings.keys = settings.keys.with_digests(digests);
    let mut session = connect(subject, &settings)?;
    session.settle(0)?;
    Ok(session)
}

fn leave(session: Session) -> Result<(), String> {
    match session.logout() {
        Ok(0) => Ok(()),
        Ok(code) => Err(format!("the logout was answered by code {code}")),
        Err(error) => Err(format!("logout: {error}")),
    }
}

fn discovery(subject: Subject<'_>) -> Seen {
    let mut session = connect(subject, &Settings::discovery(INITIATOR)).map_err(text)?;
    let found = session.send_targets("All").map_err(text)?;
    leave(session)?;
    let ours = found.iter().find(|target| target.name == subject.target);
    let portals = &ours.ok_or_else(|| format!("{} is not among the targets", subject.target))?.portals;
    let told: Vec<String> = portals.iter().map(|(address, group)| format!("{address},{group}")).collect();
    match told.iter().any(|portal| portal.starts_with(&subject.portal.to_string())) {
        true => Ok(told.join(" ")),
        false => Err(format!("the portals {told:?} do not have {}", subject.portal)),
    }
}

fn login(subject: Subject<'_>) -> Seen {
    let mut session = enter(subject, false).map_err(text)?;
    let echo = session.ping(b"ferrite").map_err(text)?;
    let luns = session.report_luns().map_err(text)?;
    let window = session.window_left();
    leave(session)?;
    if echo != b"ferrite" {
        return Err("a ping came back changed".to_owned());
    }
    match luns[..] {
        [[0, 0, 0, 0, 0, 0, 0, 0]] => Ok(format!("LUN 0, {window} commands at once")),
        _ => Err(format!("REPORT LUNS shows {luns:?}")),
    }
}

fn identity(subject: Subject<'_>) -> Seen {
    let mut session = enter(subject, false).map_err(text)?;
    let standard = session.inquiry(0, None).map_err(text)?;
    let serial = session.inquiry(0, Some(0x80)).map_err(text)?;
    let designators = session.inquiry(0, Some(0x83)).map_err(text)?;
    leave(session)?;
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    let (Some(vendor), Some(product)) = (standard.get(8..16), standard.get(16..32)) else {
        return Err(format!("INQUIRY gives {} bytes", standard.len()));
    };
    let serial =
        serial.get(4..).map(shown).filter(|serial| !serial.is_empty()).ok_or("page 80h has no serial number")?;
    // Designator: code set in byte 0, association (bits 5-4) and type (bits 3-0) in byte 1 (SPC-5 7.7.6).
    if !walk(designators.get(4..).unwrap_or_default()).any(|d| d[1] & 0x3f == 0x03) {
        return Err("page 83h has no NAA designator of the unit".to_owned());
    }
    Ok(format!("{} {} {serial}", shown(vendor), shown(product)))
}

/// The designators of page 83h, each with its header.
fn walk(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = 4 + usize::from(*bytes.get(3)?);
        let (designator, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        Some(designator)
    })
}

/// As much as goes out in several PDUs and R2Ts.
const DATA_BYTES_MAX: u64 = 1 << 20;

fn data(subject: Subject<'_>, digests: bool) -> Seen {
    let mut session = enter(subject, digests).map_err(text)?;
    let agreed = (session.agreed().header_digest, session.agreed().data_digest);
    let capacity = session.read_capacity(0).map_err(text)?;
    let Capacity { blocks, block_size } = capacity;
    let count = (DATA_BYTES_MAX / u64::from(block_size)).min(blocks);
    // At the beginning and at the end; bytes that differ from block to block and from place to place.
    for lba in [0, blocks - count] {
        let written: Vec<u8> =
            (0..count * u64::from(block_size)).map(|at| ((at * 31 + at / 509 + lba) % 251) as u8).collect();
        session.write(0, lba, &written, block_size).map_err(text)?;
        session.synchronize_cache(0).map_err(text)?;
        let count = u32::try_from(count).expect("at most 1 MiB");
        let read = session.read(0, lba, count, block_size).map_err(text)?;
        if read != written {
            let at = read.iter().zip(&written).position(|(r, w)| r != w).unwrap_or(read.len().min(written.len()));
            return Err(format!("at block {lba}, byte {at}: what was read differs from what was written"));
        }
    }
    leave(session)?;
    match agreed == (digests, digests) {
        true => Ok(format!("{} MiB in blocks of {block_size}", (blocks * u64::from(block_size)) >> 20)),
        false => Err(format!("digests asked for: {digests}, agreed on: {agreed:?}")),
    }
}

fn past_the_end(subject: Subject<'_>) -> Seen {
    let mut session = enter(subject, false).map_err(text)?;
    let Capacity { blocks, block_size } = session.read_capacity(0).map_err(text)?;
    let request = Request::new(0, &cdb::read16(blocks, 1)).reading(block_size);
    let result = session.command(&request).map_err(text)?;
    leave(session)?;
    match result.sense_code() {
        // ILLEGAL REQUEST, LOGICAL BLOCK ADDRESS OUT OF RANGE.
        Some((0x05, 0x21, 0x00)) => Ok("refused, 5/21/00".to_owned()),
        other => Err(format!("status {:02x}h, sense {other:02x?}", result.status)),
    }
}

fn unknown_target(subject: Subject<'_>) -> Seen {
    let settings = Settings::normal(INITIATOR, "iqn.2026-11.com.example:nobody");
    match connect(subject, &settings) {
        // Not found (RFC 7143 11.13.5).
        Err(Error::Refused { class: 2, detail: 3, .. }) => Ok("refused, 02/03".to_owned()),
        Err(other) => Err(text(other)),
        Ok(_) => Err("the login was accepted".to_owned()),
    }
}

fn text(error: Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn designators_are_walked_and_a_cut_one_ends_the_walk() {
        let page = [1, 3, 0, 2, 9, 9, 2, 8, 0, 1, 7, 1, 3, 0, 8, 0];
        let found: Vec<&[u8]> = walk(&page).collect();
        assert_eq!(found, [&[1, 3, 0, 2, 9, 9][..], &[2, 8, 0, 1, 7]]);
        assert_eq!(walk(&[]).count(), 0);
    }
}
