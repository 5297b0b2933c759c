//! PERSISTENT RESERVE OUT in bytes: what the lists must look like, and who may ask at all.

mod holding;
mod moving;
mod preempting;
mod registering;

use super::*;
use crate::attention::Attention;
use crate::identity::Identity;
use crate::lasting::Persistent;
use crate::medium::Medium;
use crate::sense::SenseKey;
use crate::tests::{Bench, attention, conflict, good, refused};
use crate::unit::LogicalUnit;

const TEST_UNIT_READY: [u8; 6] = [0; 6];
const READ_6: [u8; 6] = [0x08, 0, 0, 0, 1, 0];
const WRITE_6: [u8; 6] = [0x0A, 0, 0, 0, 1, 0];

fn cdb(action: u8, kind: u8, len: u16) -> [u8; 10] {
    let [high, low] = len.to_be_bytes();
    [0x5F, action, kind, 0, 0, 0, 0, high, low, 0]
}

fn list(claimed: u64, key: u64, flags: u8) -> [u8; 24] {
    let mut list = [0; 24];
    list[..8].copy_from_slice(&claimed.to_be_bytes());
    list[8..16].copy_from_slice(&key.to_be_bytes());
    list[20] = flags;
    list
}

/// What becomes of a service action with the basic parameter list, from its CDB on.
fn ask(bench: &mut Bench, action: u8, kind: u8, claimed: u64, key: u64) -> Plan {
    match bench.plan_with(&cdb(action, kind, 24), 24) {
        Plan::Gather { len: 24 } => bench.gathered(&cdb(action, kind, 24), &list(claimed, key, 0)),
        other => other,
    }
}

fn reserved(bench: &mut Bench, kind: u8, key: u64) {
    assert_eq!(ask(bench, RESERVE, kind, key, 0), good(&[]));
}

fn registered(bench: &mut Bench, key: u64) {
    assert_eq!(ask(bench, REGISTER_AND_IGNORE, 0, 0, key), good(&[]));
}

/// Three nexuses with the keys 1, 2 and 3.
fn three() -> [Bench; 3] {
    let mut first = Bench::disk();
    let (mut second, mut third) = (first.neighbour(2), first.neighbour(3));
    registered(&mut first, 1);
    registered(&mut second, 2);
    registered(&mut third, 3);
    [first, second, third]
}

fn keys(bench: &Bench) -> Vec<u64> {
    bench.unit.book().persistent().registrations().iter().map(|one| one.key.get()).collect()
}

fn held(bench: &Bench) -> Option<(u8, Option<u64>)> {
    let persistent = bench.unit.book().persistent();
    let held = persistent.reservation()?;
    let key = held.holder().map(|holder| persistent.key_of(holder).expect("holders are registered").get());
    Some((held.kind() as u8, key))
}

fn generation(bench: &Bench) -> u32 {
    bench.unit.book().persistent().generation()
}

fn transport_id(session: u64) -> Vec<u8> {
    transport_id::of_port(&format!("iqn.2026-11.com.example:host,i,0x{session:012x}"))
}

/// REGISTER with SPEC_I_PT and these TransportIDs.
fn register_for(bench: &mut Bench, claimed: u64, key: u64, ids: &[u8]) -> Plan {
    let len = (ids.len() as u32).to_be_bytes();
    let list = [&list(claimed, key, SPECIFY_PORTS)[..], &len, ids].concat();
    bench.gathered(&cdb(REGISTER, 0, list.len() as u16), &list)
}

fn move_to(bench: &mut Bench, claimed: u64, key: u64, flags: u8, port: u16, id: &[u8]) -> Plan {
    let mut list = [&list(claimed, key, 0)[..], id].concat();
    list[17] = flags;
    list[18..20].copy_from_slice(&port.to_be_bytes());
    list[20..24].copy_from_slice(&(id.len() as u32).to_be_bytes());
    bench.gathered(&cdb(REGISTER_AND_MOVE, 0, list.len() as u16), &list)
}

#[test]
fn the_list_of_a_service_action_has_twenty_four_bytes_unless_it_has_transport_ids() {
    let mut bench = Bench::disk();
    for action in 0..8 {
        let longest = if matches!(action, REGISTER | REGISTER_AND_MOVE) { u16::MAX } else { 24 };
        for len in [0, 23] {
            assert_eq!(bench.plan_with(&cdb(action, 1, len), 100), refused(Sense::PARAMETER_LIST_LENGTH));
        }
        assert_eq!(bench.plan_with(&cdb(action, 1, longest), 1 << 20), Plan::Gather { len: longest.into() });
        let mut past = cdb(action, 1, longest.wrapping_add(1));
        if longest == u16::MAX {
            past[6] = 1;
        }
        assert_eq!(bench.plan_with(&past, 1 << 20), refused(Sense::PARAMETER_LIST_LENGTH));
        assert_eq!(bench.plan_with(&cdb(action, 1, 24), 23), refused(Sense::DATA_OUT_LENGTH));
    }
    let long = [&list(0, 1, 0)[..], &[0; 4]].concat();
    assert_eq!(bench.gathered(&cdb(REGISTER, 0, 28), &long), refused(Sense::PARAMETER_LIST_LENGTH));
}

#[test]
fn a_service_action_that_does_not_exist_is_a_wrong_field() {
    for action in 8..0x20 {
        assert_eq!(Bench::disk().plan_with(&cdb(action, 1, 24), 24), refused(Sense::invalid_bit(1, 4)));
        assert_eq!(Bench::disk().ask(&[0x5E, action, 0, 0, 0, 0, 0, 0, 8, 0]), refused(Sense::invalid_bit(1, 4)));
    }
}

#[test]
fn scopes_and_types_that_do_not_exist_are_pointed_at() {
    let [mut bench, ..] = three();
    for action in [RESERVE, RELEASE] {
        for kind in [0, 2, 4, 9, 15] {
            assert_eq!(bench.plan_with(&cdb(action, kind, 24), 24), refused(Sense::invalid_bit(2, 3)));
        }
        assert_eq!(bench.plan_with(&cdb(action, 0x15, 24), 24), refused(Sense::invalid_bit(2, 7)));
    }
    assert_eq!(held(&bench), None);
    // Registering does not look at them.
    registered(&mut bench, 1);
    assert_eq!(ask(&mut bench, REGISTER, 0xFF, 1, 5), good(&[]));
}

#[test]
fn all_else_is_for_those_who_are_registered_and_know_their_key() {
    let [mut first, ..] = three();
    let mut stranger = first.neighbour(9);
    let before = first.unit.book().persistent();
    for action in [RESERVE, RELEASE, CLEAR, PREEMPT, PREEMPT_AND_ABORT] {
        assert_eq!(ask(&mut stranger, action, 1, 0, 2), conflict());
        assert_eq!(ask(&mut stranger, action, 1, 1, 2), conflict());
        assert_eq!(ask(&mut first, action, 1, 2, 2), conflict());
        assert_eq!(ask(&mut first, action, 1, 0, 2), conflict());
    }
    assert_eq!(first.unit.book().persistent(), before);
}

/// The tables of SPC-4 and SBC-3 for commands that meet another nexus's persistent reservation: operation code and
/// service action of those that pass under exclusive access, and of those that pass besides where others may read.
#[test]
fn under_a_reservation_each_command_is_allowed_or_conflicts_as_its_table_says() {
    let pass = |kind: u8| {
        let mut allowed: Vec<(u8, u8)> = Vec::new();
        for cdb in Bench::every_command() {
            let mut holder = Bench::thin_disk();
            registered(&mut holder, 1);
            reserved(&mut holder, kind, 1);
            // What registrations say of PERSISTENT RESERVE OUT, other tests tell.
            if cdb[0] != 0x5F && holder.neighbour(2).ask(&cdb) != conflict() {
                allowed.push((cdb[0], cdb[1]));
            }
        }
        allowed
    };
    let exclusive = pass(3);
    let mut reads = pass(1);
    reads.retain(|command| !exclusive.contains(command));
    for kind in [6, 8] {
        assert_eq!(pass(kind), exclusive);
    }
    assert_eq!(pass(5), pass(1));
    assert_eq!(pass(7), pass(1));
    let anybody = [
        &[(0x00, 0), (0x03, 0), (0x12, 0), (0x1E, 0), (0x25, 0), (0x4D, 0)][..],
        &[(0x5E, 0), (0x5E, 1), (0x5E, 2), (0x5E, 3)],
        &[(0x84, 0), (0x84, 1), (0x84, 3), (0x84, 4), (0x84, 5), (0x84, 7), (0x84, 8)],
        &[(0x9E, 0x10), (0xA0, 0), (0xA3, 0x05), (0xA3, 0x0A), (0xA3, 0x0F)],
    ];
    assert_eq!(exclusive, anybody.concat());
    let readers = [
        &[(0x08, 0), (0x1A, 0), (0x1C, 0), (0x28, 0), (0x2F, 0), (0x34, 0), (0x37, 0), (0x3C, 0), (0x5A, 0)][..],
        // Of variable length: READ, VERIFY, GET LBA STATUS.
        &[(0x7F, 0), (0x7F, 0), (0x7F, 0)],
        &[(0x83, 0x10), (0x88, 0), (0x8F, 0), (0x90, 0), (0x9E, 0x12)],
        &[(0xA3, 0x0C), (0xA3, 0x0D), (0xA8, 0), (0xAF, 0), (0xB7, 0)],
    ];
    assert_eq!(reads, readers.concat());
}
