//! PERSISTENT RESERVE IN: who is registered, and who holds the unit (SPC-4)?

use super::transport_id;
use crate::command::Asked;
use crate::lasting::{Persistent, Reservation, ReservationType};
use crate::plan::Plan;
use crate::sense::Sense;

/// READ KEYS: the key of each registration.
pub(crate) fn read_keys(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    report(asked, |persistent| persistent.registrations().iter().flat_map(|one| one.key.get().to_be_bytes()).collect())
}

/// READ RESERVATION: its key, which is zero where all registrants hold it, and its type.
pub(crate) fn read_reservation(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    report(asked, |persistent| {
        let Some(held) = persistent.reservation() else { return Vec::new() };
        let key = held.holder().and_then(|holder| persistent.key_of(holder)).map_or(0, |key| key.get());
        let mut descriptor = [0; 16];
        descriptor[..8].copy_from_slice(&key.to_be_bytes());
        descriptor[13] = scope_and_type(held);
        descriptor.to_vec()
    })
}

/// READ FULL STATUS: each registered I_T nexus with all that is known of it. A registration for all target ports is
/// one for each of them, and is told so.
pub(crate) fn read_full_status(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    report(asked, |persistent| {
        let mut descriptors = Vec::new();
        for one in persistent.registrations() {
            let transport_id = transport_id::of_port(&one.nexus.name);
            let mut descriptor = [0; 24];
            descriptor[..8].copy_from_slice(&one.key.get().to_be_bytes());
            if let Some(held) = persistent.reservation().filter(|_| persistent.is_holder(&one.nexus)) {
                descriptor[12] = R_HOLDER;
                descriptor[13] = scope_and_type(held);
            }
            descriptor[18..20].copy_from_slice(&one.nexus.port.to_be_bytes());
            descriptor[20..].copy_from_slice(&(transport_id.len() as u32).to_be_bytes());
            descriptors.extend_from_slice(&descriptor);
            descriptors.extend(transport_id);
        }
        descriptors
    })
}

/// REPORT CAPABILITIES.
pub(crate) fn report_capabilities(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let book = asked.unit.book();
    if book.holder().is_some() {
        return Ok(Plan::Reply(book.refusal()));
    }
    let kept = if book.keeps() { PTPL_C } else { 0 };
    let active = if book.persistent().is_kept() { PTPL_A } else { 0 };
    let [high, low] = type_mask().to_be_bytes();
    let data = vec![0, 8, CRH | SIP_C | ATP_C | kept, TMV | ALLOW_COMMANDS | active, high, low, 0, 0];
    Ok(Plan::data(data, asked.cdb.u16(7).into()))
}

/// PRGENERATION and ADDITIONAL LENGTH, which is that of the whole `list` whatever the allocation length cuts off.
fn report(asked: &mut Asked<'_>, list: impl Fn(&Persistent) -> Vec<u8>) -> Result<Plan, Sense> {
    let book = asked.unit.book();
    // The two kinds of reservation do not mix, not even for the holder (SPC-2, PERSISTENT RESERVE IN).
    if book.holder().is_some() {
        return Ok(Plan::Reply(book.refusal()));
    }
    let persistent = book.persistent();
    let list = list(&persistent);
    let mut data = Vec::with_capacity(8 + list.len());
    data.extend_from_slice(&persistent.generation().to_be_bytes());
    data.extend_from_slice(&(list.len() as u32).to_be_bytes());
    data.extend(list);
    Ok(Plan::data(data, asked.cdb.u16(7).into()))
}

/// SCOPE is always LU_SCOPE, 0h.
fn scope_and_type(held: &Reservation) -> u8 {
    held.kind() as u8
}

/// PERSISTENT RESERVATION TYPE MASK: types 0 to 7 from bit 0 of the first byte, the eighth at bit 0 of the second.
fn type_mask() -> u16 {
    ReservationType::ALL.iter().fold(0, |mask, kind| match *kind as u8 {
        8 => mask | 0x0001,
        code => mask | 0x0100 << code,
    })
}

/// Compatible reservation handling: RESERVE and RELEASE of a registrant are GOOD under its own reservation.
const CRH: u8 = 0x10;
/// SPEC_I_PT can be used.
const SIP_C: u8 = 0x08;
/// ALL_TG_PT can be used.
const ATP_C: u8 = 0x04;
/// APTPL can be used.
const PTPL_C: u8 = 0x01;
/// The type mask is valid.
const TMV: u8 = 0x80;
/// 100b: TEST UNIT READY and RECEIVE COPY RESULTS pass every reservation; MODE SENSE, READ BUFFER and its like pass those
/// that let others read.
const ALLOW_COMMANDS: u8 = 0x40;
/// APTPL is in force.
const PTPL_A: u8 = 0x01;

const R_HOLDER: u8 = 0x01;

#[cfg(test)]
mod tests {
    use super::type_mask;
    use crate::book::Book;
    use crate::identity::Identity;
    use crate::lasting::Lasting;
    use crate::medium::Medium;
    use crate::tests::{Bench, conflict, good};
    use crate::unit::LogicalUnit;
    use std::sync::Arc;

    fn ask(action: u8, room: u16) -> [u8; 10] {
        let [high, low] = room.to_be_bytes();
        [0x5E, action, 0, 0, 0, 0, 0, high, low, 0]
    }

    /// Registers `key`, and reserves with `kind` unless it is zero.
    fn enter(bench: &mut Bench, key: u8, kind: u8) {
        let list = |own: u8, new: u8| {
            let mut list = [0; 24];
            (list[7], list[15]) = (own, new);
            list
        };
        assert_eq!(bench.gathered(&[0x5F, 6, 0, 0, 0, 0, 0, 0, 24, 0], &list(0, key)), good(&[]));
        if kind != 0 {
            assert_eq!(bench.gathered(&[0x5F, 1, kind, 0, 0, 0, 0, 0, 24, 0], &list(key, 0)), good(&[]));
        }
    }

    #[test]
    fn a_unit_of_which_nobody_wants_anything_reports_nothing() {
        for action in [0, 1, 3] {
            assert_eq!(Bench::disk().ask(&ask(action, 255)), good(&[0; 8]));
        }
    }

    #[test]
    fn keys_are_listed_in_the_order_of_registration_and_each_as_often_as_it_is_used() {
        let mut bench = Bench::disk();
        enter(&mut bench, 9, 0);
        enter(&mut bench.neighbour(2), 3, 0);
        enter(&mut bench.neighbour(3), 9, 0);
        let mut list = vec![0; 32];
        (list[3], list[7], list[15], list[23], list[31]) = (3, 24, 9, 3, 9);
        assert_eq!(bench.ask(&ask(0, 32)), good(&list));
        for room in [0, 1, 4, 8, 31, 32] {
            assert_eq!(bench.ask(&ask(0, room)), good(&list[..room.into()]));
        }
    }

    #[test]
    fn a_reservation_is_read_with_the_key_of_its_holder_and_its_type() {
        let mut bench = Bench::disk();
        enter(&mut bench, 9, 5);
        let mut list = [0; 24];
        (list[3], list[7], list[15], list[21]) = (1, 16, 9, 5);
        assert_eq!(bench.neighbour(2).ask(&ask(1, 255)), good(&list));
        assert_eq!(bench.ask(&ask(1, 9)), good(&list[..9]));
    }

    #[test]
    fn a_reservation_of_all_registrants_has_the_key_zero() {
        let mut bench = Bench::disk();
        enter(&mut bench, 9, 8);
        let mut list = [0; 24];
        (list[3], list[7], list[21]) = (1, 16, 8);
        assert_eq!(bench.ask(&ask(1, 255)), good(&list));
    }

    #[test]
    fn the_full_status_names_each_nexus_and_who_holds_the_unit() {
        let mut bench = Bench::disk();
        enter(&mut bench, 9, 6);
        enter(&mut bench.neighbour(2), 3, 0);
        let descriptor = |key: u8, holder: [u8; 2], port: &[u8]| {
            [
                &[0, 0, 0, 0, 0, 0, 0, key, 0, 0, 0, 0][..],
                &holder,
                &[0, 0, 0, 0, 0, 1, 0, 0, 0, 52, 0x45, 0, 0, 48],
                port,
            ]
            .concat()
        };
        let golden = [
            vec![0, 0, 0, 2, 0, 0, 0, 152],
            descriptor(9, [1, 6], b"iqn.2026-11.com.example:host,i,0x000000000001\0\0\0"),
            descriptor(3, [0, 0], b"iqn.2026-11.com.example:host,i,0x000000000002\0\0\0"),
        ]
        .concat();
        assert_eq!(bench.ask(&ask(3, 1000)), good(&golden));
        assert_eq!(bench.ask(&ask(3, 100)), good(&golden[..100]));
    }

    #[test]
    fn all_registrants_are_holders_where_all_of_them_hold_the_unit() {
        let mut bench = Bench::disk();
        enter(&mut bench, 9, 7);
        enter(&mut bench.neighbour(2), 3, 0);
        let status = bench.data(&ask(3, 1000));
        for at in [8, 84] {
            assert_eq!(status[at + 12..at + 14], [1, 7]);
        }
    }

    #[test]
    fn capabilities_are_those_there_are() {
        let golden = [0, 8, 0x1C, 0xC0, 0xEA, 0x01, 0, 0];
        assert_eq!(Bench::disk().ask(&ask(2, 255)), good(&golden));
        assert_eq!(Bench::disk().ask(&ask(2, 3)), good(&golden[..3]));
        assert_eq!(type_mask(), 0xEA01);
    }

    #[test]
    fn persistence_is_offered_where_somebody_keeps_it_and_shown_where_it_is_in_force() {
        let medium = Medium::new(512, 2048).unwrap();
        let unit = |aptpl: bool| {
            let persistent = serde_json::from_str(&format!(r#"{{"aptpl":{aptpl}}}"#)).unwrap();
            let book = Book::keeping(Lasting { persistent, ..Lasting::default() });
            LogicalUnit::new(Identity::derive("bench"), medium.clone(), Arc::new(book))
        };
        assert_eq!(Bench::on(unit(false)).ask(&ask(2, 255)), good(&[0, 8, 0x1D, 0xC0, 0xEA, 0x01, 0, 0]));
        assert_eq!(Bench::on(unit(true)).ask(&ask(2, 255)), good(&[0, 8, 0x1D, 0xC1, 0xEA, 0x01, 0, 0]));
    }

    #[test]
    fn while_the_unit_is_reserved_as_of_old_nothing_is_told_to_anybody() {
        let mut holder = Bench::disk();
        holder.done(&[0x16, 0, 0, 0, 0, 0]);
        let mut other = holder.neighbour(2);
        for action in 0..4 {
            assert_eq!(holder.ask(&ask(action, 255)), conflict());
            assert_eq!(other.ask(&ask(action, 255)), conflict());
        }
    }
}
