//! Windows: what the validation of a failover cluster tries with a disk, and what a cluster does with it from then on.

use crate::hosts::*;

const A: u64 = 0x0000_0001_7374_6D63;
const B: u64 = 0x0000_0002_7374_6D63;

fn nodes(shared: &Shared) -> [Host; 2] {
    [1, 2].map(|number| Host::new(number, 1).quiet(shared))
}

/// Both nodes have registered, and the first has reserved.
fn reserved() -> (Shared, [Host; 2]) {
    let mut shared = Shared::new();
    let [mut first, mut second] = nodes(&shared);
    assert_eq!(first.out(&mut shared, REGISTER_AND_IGNORE, 0, 0, A, 0), GOOD);
    assert_eq!(first.out(&mut shared, RESERVE, 5, A, 0, 0), GOOD);
    assert_eq!(second.out(&mut shared, REGISTER_AND_IGNORE, 0, 0, B, 0), GOOD);
    (shared, [first, second])
}

#[test]
fn the_capabilities_that_are_asked_for_are_there() {
    let mut shared = Shared::new();
    let [mut first, _] = nodes(&shared);
    let End::Good(capabilities) = first.send(&mut shared, &[0x5E, 2, 0, 0, 0, 0, 0, 0, 8, 0], &[]) else {
        panic!("REPORT CAPABILITIES failed")
    };
    let write_exclusive_registrants_only = capabilities[4] & 0x20;
    assert_eq!((capabilities.len(), capabilities[3] & 0x80, write_exclusive_registrants_only), (8, 0x80, 0x20));
}

#[test]
fn a_second_node_that_registers_cannot_reserve_what_is_reserved() {
    let (mut shared, [mut first, mut second]) = reserved();
    assert_eq!(second.out(&mut shared, RESERVE, 5, B, 0, 0), End::Conflict);
    assert_eq!(first.out(&mut shared, RESERVE, 5, A, 0, 0), GOOD);
    assert_eq!(shared.keys(), (2, vec![A, B]));
    assert_eq!(shared.reservation(), Some((5, A)));
}

#[test]
fn a_node_that_is_not_registered_reads_but_does_not_write() {
    let (mut shared, _) = reserved();
    let mut third = Host::new(3, 1).quiet(&shared);
    assert_eq!(third.send(&mut shared, &READ, &[]), GOOD);
    assert_eq!(third.send(&mut shared, &WRITE, &[]), End::Conflict);
    // Reading has not touched the reservation.
    assert_eq!(shared.reservation(), Some((5, A)));
}

#[test]
fn preempting_passes_the_disk_to_the_other_node_and_back() {
    let (mut shared, [mut first, mut second]) = reserved();
    assert_eq!(second.out(&mut shared, PREEMPT, 5, B, A, 0), GOOD);
    assert_eq!((shared.keys(), shared.reservation()), ((3, vec![B]), Some((5, B))));
    assert_eq!(first.send(&mut shared, &WRITE, &[]), End::Conflict);
    assert_eq!(first.send(&mut shared, &READ, &[]), REGISTRATIONS_PREEMPTED);
    assert_eq!(first.out(&mut shared, RESERVE, 5, A, 0, 0), End::Conflict);
    assert_eq!(first.out(&mut shared, REGISTER_AND_IGNORE, 0, 0, A, 0), GOOD);
    assert_eq!(first.out(&mut shared, PREEMPT, 5, A, B, 0), GOOD);
    assert_eq!(second.send(&mut shared, &READ, &[]), REGISTRATIONS_PREEMPTED);
    assert_eq!(shared.reservation(), Some((5, A)));
}

#[test]
fn releasing_is_told_to_the_other_node_and_clearing_too() {
    let (mut shared, [mut first, mut second]) = reserved();
    assert_eq!(first.out(&mut shared, RELEASE, 5, A, 0, 0), GOOD);
    assert_eq!(second.send(&mut shared, &READ, &[]), RESERVATIONS_RELEASED);
    assert_eq!(shared.reservation(), None);
    assert_eq!(second.out(&mut shared, RESERVE, 5, B, 0, 0), GOOD);
    assert_eq!(second.out(&mut shared, CLEAR, 0, B, 0, 0), GOOD);
    assert_eq!(first.send(&mut shared, &READ, &[]), RESERVATIONS_PREEMPTED);
    assert_eq!(first.send(&mut shared, &READ, &[]), GOOD);
    assert_eq!((shared.keys().1, shared.reservation()), (vec![], None));
}

#[test]
fn a_node_that_loses_its_connection_finds_its_registration_and_reservation_again() {
    let (mut shared, [mut first, mut second]) = reserved();
    for _ in 0..3 {
        first.log_in_again(&shared);
        assert_eq!(first.send(&mut shared, &TEST_UNIT_READY, &[]), POWER_ON);
        assert_eq!(first.send(&mut shared, &WRITE, &[]), GOOD);
    }
    assert_eq!(second.out(&mut shared, RESERVE, 5, B, 0, 0), End::Conflict);
    assert_eq!(first.out(&mut shared, REGISTER, 0, A, A, 0), GOOD);
    assert_eq!(first.out(&mut shared, RELEASE, 5, A, 0, 0), GOOD);
    assert_eq!(second.send(&mut shared, &READ, &[]), RESERVATIONS_RELEASED);
}

#[test]
fn a_node_that_is_gone_is_preempted_and_finds_the_disk_taken_when_it_comes_back() {
    let (mut shared, [mut first, mut second]) = reserved();
    shared.unit.book().forget(first.id().session);
    assert_eq!(second.out(&mut shared, PREEMPT, 5, B, A, 0), GOOD);
    first.log_in_again(&shared);
    assert_eq!(first.send(&mut shared, &TEST_UNIT_READY, &[]), POWER_ON);
    assert_eq!(first.send(&mut shared, &TEST_UNIT_READY, &[]), GOOD);
    assert_eq!(first.send(&mut shared, &WRITE, &[]), End::Conflict);
}

#[test]
fn another_session_of_the_same_host_is_another_nexus() {
    let (mut shared, [first, _]) = reserved();
    let mut by_another_port = Host::new(1, 2).quiet(&shared);
    assert_eq!(by_another_port.send(&mut shared, &WRITE, &[]), End::Conflict);
    assert_eq!(by_another_port.out(&mut shared, REGISTER_AND_IGNORE, 0, 0, A, 0), GOOD);
    assert_eq!(by_another_port.send(&mut shared, &WRITE, &[]), GOOD);
    assert_eq!(shared.keys().1.len(), 3);
    assert_eq!(first.name(), by_another_port.name());
}
