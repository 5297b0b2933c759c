//! PERSISTENT RESERVE OUT: what does an initiator want of registrations and the reservation (SPC-4)?
//!
//! Here bytes become a request; what becomes of it, the book knows.

use super::transport_id::{self, Initiator};
use crate::book::Book;
use crate::command::Asked;
use crate::lasting::{Reach, Registrant, Request, ReservationType, SPEC_I_PT};
use crate::plan::Plan;
use crate::sense::Sense;
use std::sync::Arc;

/// SERVICE ACTION codes.
pub(crate) const REGISTER: u8 = 0x00;
pub(crate) const RESERVE: u8 = 0x01;
pub(crate) const RELEASE: u8 = 0x02;
pub(crate) const CLEAR: u8 = 0x03;
pub(crate) const PREEMPT: u8 = 0x04;
pub(crate) const PREEMPT_AND_ABORT: u8 = 0x05;
pub(crate) const REGISTER_AND_IGNORE: u8 = 0x06;
pub(crate) const REGISTER_AND_MOVE: u8 = 0x07;

/// The parameter list first.
pub(crate) fn out(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let book = asked.unit.book();
    if book.holder().is_some() {
        return Ok(Plan::Reply(book.refusal()));
    }
    let action = action(asked);
    if matches!(action, RESERVE | RELEASE) {
        kind(asked)?;
    }
    let len = asked.cdb.u32(5);
    let longest = if matches!(action, REGISTER | REGISTER_AND_MOVE) { LIST_MAX } else { BASIC };
    match len {
        _ if !(BASIC..=longest).contains(&len) => Err(Sense::PARAMETER_LIST_LENGTH),
        _ if asked.data_out < len => Err(Sense::DATA_OUT_LENGTH),
        _ => Ok(Plan::Gather { len }),
    }
}

/// The request, and what becomes of it.
pub(crate) fn gathered(asked: &mut Asked<'_>, list: &[u8]) -> Result<Plan, Sense> {
    if list.len() < BASIC as usize {
        return Err(Sense::PARAMETER_LIST_LENGTH);
    }
    let action = action(asked);
    let request = if action == REGISTER_AND_MOVE { to_move(asked, list)? } else { basic(asked, action, list)? };
    Ok(asked.unit.book().persist(asked.nexus.id(), &request))
}

/// The basic parameter list.
fn basic(asked: &Asked<'_>, action: u8, list: &[u8]) -> Result<Request, Sense> {
    let (claimed, key, flags) = (wide(list, 0), wide(list, 8), list[20]);
    if flags & SPECIFY_PORTS == 0 && list.len() != BASIC as usize {
        return Err(Sense::PARAMETER_LIST_LENGTH);
    }
    if flags & SPECIFY_PORTS != 0 && action != REGISTER {
        return Err(SPEC_I_PT);
    }
    Ok(match action {
        REGISTER | REGISTER_AND_IGNORE => {
            let aptpl = survives(asked.unit.book(), flags, 20)?;
            let ports = (flags & ALL_TARGET_PORTS != 0).then(|| target_ports(asked));
            let initiators = if flags & SPECIFY_PORTS != 0 { Some(initiators(asked, list)?) } else { None };
            let claimed = (action == REGISTER).then_some(claimed);
            Request::Register { claimed, key, reach: Reach { initiators, ports }, aptpl }
        }
        RESERVE => Request::Reserve { claimed, kind: kind(asked)? },
        RELEASE => Request::Release { claimed, kind: kind(asked)? },
        CLEAR => Request::Clear { claimed },
        _ => Request::Preempt { claimed, victim: key, kind: kind(asked), abort: action == PREEMPT_AND_ABORT },
    })
}

/// The parameter list of REGISTER AND MOVE.
fn to_move(asked: &Asked<'_>, list: &[u8]) -> Result<Request, Sense> {
    let book = asked.unit.book();
    let aptpl = survives(book, list[17], 17)?;
    let port = u16::from_be_bytes([list[18], list[19]]);
    if !target_ports(asked).contains(&port) {
        return Err(Sense::invalid_parameter(18));
    }
    let ids = additional(list, 20)?;
    let (initiator, len) = transport_id::parse(ids, 24)?;
    if len != ids.len() {
        return Err(Sense::invalid_parameter(20));
    }
    // One nexus is to hold the unit, so a device must have one port.
    let name = match &*names(book, initiator) {
        [name] => name.clone(),
        _ => return Err(Sense::invalid_parameter(24)),
    };
    Ok(Request::Move {
        claimed: wide(list, 0),
        key: wide(list, 8),
        to: Registrant { name, port },
        unregister: list[17] & UNREG != 0,
        aptpl,
    })
}

/// The TransportIDs of SPEC_I_PT as port names, each with its place in the list.
fn initiators(asked: &Asked<'_>, list: &[u8]) -> Result<Vec<(u16, Arc<str>)>, Sense> {
    let mut ids = additional(list, BASIC as usize)?;
    let mut all = Vec::new();
    while !ids.is_empty() {
        let at = u16::try_from(list.len() - ids.len()).expect("LIST_MAX is that of a field pointer");
        let (initiator, len) = transport_id::parse(ids, at)?;
        let names = names(asked.unit.book(), initiator);
        if names.is_empty() {
            return Err(Sense::invalid_parameter(at));
        }
        all.extend(names.into_iter().map(|name| (at, name)));
        ids = &ids[len..];
    }
    Ok(all)
}

/// A device stands for the ports by which it uses the unit now.
fn names(book: &Book, initiator: Initiator) -> Vec<Arc<str>> {
    match initiator {
        Initiator::Port(name) => vec![name],
        Initiator::Device(name) => book.ports_of(&name),
    }
}

/// What follows the TRANSPORTID PARAMETER DATA LENGTH at `at`: exactly the rest of the list.
fn additional(list: &[u8], at: usize) -> Result<&[u8], Sense> {
    let (len, rest) = list[at..].split_first_chunk::<4>().ok_or(Sense::PARAMETER_LIST_LENGTH)?;
    if u32::from_be_bytes(*len) as usize == rest.len() { Ok(rest) } else { Err(Sense::PARAMETER_LIST_LENGTH) }
}

/// APTPL at bit 0 of byte `at`.
///
/// # Errors
/// 5/26/00 where there is no stable storage for it.
fn survives(book: &Book, flags: u8, at: u16) -> Result<bool, Sense> {
    match flags & APTPL != 0 {
        true if !book.keeps() => Err(Sense::invalid_parameter_bit(at, 0)),
        aptpl => Ok(aptpl),
    }
}

/// SCOPE and TYPE.
///
/// # Errors
/// 5/24/00 for other scopes than LU_SCOPE, and for reserved types.
fn kind(asked: &Asked<'_>) -> Result<ReservationType, Sense> {
    match asked.cdb.u8(2) {
        0x10.. => Err(Sense::invalid_bit(2, 7)),
        code => ReservationType::of(code).ok_or(Sense::invalid_bit(2, 3)),
    }
}

/// RELATIVE TARGET PORT IDENTIFIERs of all ports of the target.
fn target_ports(asked: &Asked<'_>) -> Vec<u16> {
    asked.port.groups.iter().flat_map(|group| group.ports.iter().copied()).collect()
}

fn action(asked: &Asked<'_>) -> u8 {
    asked.cdb.u8(1) & 0x1F
}

fn wide(list: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(list[at..at + 8].try_into().expect("eight bytes"))
}

/// Bytes of the basic parameter list; REGISTER AND MOVE has as many before its TransportID.
const BASIC: u32 = 24;

/// The longest parameter list that is taken: as far as a field pointer reaches. TransportIDs for more than 260 ports
/// with the longest names there are fit in it.
const LIST_MAX: u32 = u16::MAX as u32;

/// SPEC_I_PT and ALL_TG_PT in byte 20.
const SPECIFY_PORTS: u8 = 0x08;
const ALL_TARGET_PORTS: u8 = 0x04;
/// In byte 20, and for REGISTER AND MOVE in byte 17.
const APTPL: u8 = 0x01;
/// In byte 17 of REGISTER AND MOVE.
const UNREG: u8 = 0x02;

#[cfg(test)]
mod tests;
