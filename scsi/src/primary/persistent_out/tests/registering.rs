//! Registering, and unregistering: for oneself, for others, for all ports, to survive.

use super::*;

/// The table of register behaviors for REGISTER.
#[test]
fn registering_asks_for_the_key_that_the_nexus_has() {
    let mut bench = Bench::disk();
    let mut try_it = |claimed, key, reply: Plan, left: &[u64], count: u32| {
        assert_eq!(ask(&mut bench, REGISTER, 0, claimed, key), reply, "{claimed} to {key}");
        assert_eq!((keys(&bench), generation(&bench)), (left.to_vec(), count), "{claimed} to {key}");
    };
    try_it(0, 0, good(&[]), &[], 0);
    try_it(9, 0, conflict(), &[], 0);
    try_it(9, 5, conflict(), &[], 0);
    try_it(0, 5, good(&[]), &[5], 1);
    try_it(0, 6, conflict(), &[5], 1);
    try_it(0, 0, conflict(), &[5], 1);
    try_it(6, 7, conflict(), &[5], 1);
    try_it(5, 5, good(&[]), &[5], 2);
    try_it(5, u64::MAX, good(&[]), &[u64::MAX], 3);
    try_it(5, 0, conflict(), &[u64::MAX], 3);
    try_it(u64::MAX, 0, good(&[]), &[], 4);
}

/// The table of register behaviors for REGISTER AND IGNORE EXISTING KEY.
#[test]
fn registering_without_regard_to_a_key_needs_none() {
    let mut bench = Bench::disk();
    for (key, left, count) in [(0, &[][..], 0), (5, &[5], 1), (6, &[6], 2), (0, &[], 3), (0, &[], 3)] {
        assert_eq!(ask(&mut bench, REGISTER_AND_IGNORE, 0, 77, key), good(&[]));
        assert_eq!((keys(&bench), generation(&bench)), (left.to_vec(), count));
    }
}

#[test]
fn a_registration_survives_its_session_and_is_found_again_by_the_next_one() {
    let [mut first, mut second, _] = three();
    reserved(&mut first, 5, 1);
    first.unit.book().forget(1);
    first.unit.book().reset(None, Attention::DeviceReset);
    assert_eq!(held(&second), Some((5, Some(1))));
    let mut id = first.nexus.id().clone();
    id.session = 100;
    first.nexus = crate::nexus::Nexus::new(id);
    first.nexus.forget_attentions();
    assert!(matches!(first.plan_with(&WRITE_6, 512), Plan::Write { .. }));
    assert_eq!(ask(&mut first, RELEASE, 5, 1, 0), good(&[]));
    second.nexus.forget_attentions();
    assert_eq!(second.ask(&TEST_UNIT_READY), attention(Attention::DeviceReset));
    assert_eq!(second.ask(&TEST_UNIT_READY), attention(Attention::ReservationsReleased));
}

#[test]
fn a_new_session_of_a_preempted_nexus_hears_nothing_older() {
    let [first, mut second, _] = three();
    first.unit.book().forget(1);
    assert_eq!(ask(&mut second, PREEMPT, 1, 2, 1), good(&[]));
    let mut again = first.neighbour(1);
    assert_eq!(again.ask(&TEST_UNIT_READY), good(&[]));
}

#[test]
fn registering_for_others_registers_all_or_nobody() {
    let mut bench = Bench::disk();
    let both = [transport_id(2), transport_id(3)].concat();
    assert_eq!(register_for(&mut bench, 0, 7, &both), good(&[]));
    assert_eq!((keys(&bench), generation(&bench)), (vec![7, 7, 7], 1));
    let mut second = bench.neighbour(2);
    assert_eq!(ask(&mut second, RESERVE, 1, 7, 0), good(&[]));
    // Registered nexuses do not register others, and nobody registers those who already are.
    assert_eq!(register_for(&mut bench, 7, 8, &transport_id(4)), refused(Sense::invalid_parameter_bit(20, 3)));
    assert_eq!(register_for(&mut bench, 7, 0, &transport_id(4)), refused(Sense::invalid_parameter_bit(20, 3)));
    let mut fifth = bench.neighbour(5);
    let known = [transport_id(4), transport_id(3)].concat();
    let second_id = 28 + transport_id(4).len() as u16;
    assert_eq!(register_for(&mut fifth, 0, 8, &known), refused(Sense::invalid_parameter(second_id)));
    assert_eq!(register_for(&mut fifth, 1, 8, &transport_id(4)), conflict());
    assert_eq!(register_for(&mut fifth, 0, 0, &transport_id(4)), good(&[]));
    assert_eq!(keys(&bench).len(), 3);
    // To name oneself, or somebody twice, or nobody, is no error.
    let same = [transport_id(5), transport_id(4), transport_id(4)].concat();
    assert_eq!(register_for(&mut fifth, 0, 8, &same), good(&[]));
    assert_eq!(keys(&bench), [7, 7, 7, 8, 8]);
    assert_eq!(register_for(&mut bench.neighbour(6), 0, 9, &[]), good(&[]));
}

#[test]
fn a_device_name_stands_for_the_ports_that_use_the_unit() {
    let mut bench = Bench::disk();
    let _second = bench.neighbour(2);
    let mut device = vec![0x05, 0, 0, 28];
    device.extend(b"iqn.2026-11.com.example:host");
    assert_eq!(register_for(&mut bench, 0, 7, &device), refused(Sense::invalid_parameter(32)));
    device[3] = 32;
    device.resize(36, 0);
    assert_eq!(register_for(&mut bench, 0, 7, &device), good(&[]));
    assert_eq!(keys(&bench), [7, 7]);
    let mut nobody = device.clone();
    nobody[4] = b'x';
    let mut third = bench.neighbour(3);
    assert_eq!(register_for(&mut third, 0, 7, &nobody), refused(Sense::invalid_parameter(28)));
}

#[test]
fn lists_of_transport_ids_that_do_not_add_up_are_too_short_or_too_long() {
    let mut bench = Bench::disk();
    let id = transport_id(2);
    let mut with = |said: u32, ids: &[u8]| {
        let list = [&list(0, 7, SPECIFY_PORTS)[..], &said.to_be_bytes(), ids].concat();
        bench.gathered(&cdb(REGISTER, 0, list.len() as u16), &list)
    };
    let len = id.len() as u32;
    for said in [0, len - 4, len + 4, u32::MAX] {
        assert_eq!(with(said, &id), refused(Sense::PARAMETER_LIST_LENGTH));
    }
    assert_eq!(with(len - 4, &id[..id.len() - 4]), refused(Sense::PARAMETER_LIST_LENGTH));
    let bare = list(0, 7, SPECIFY_PORTS);
    assert_eq!(bench.gathered(&cdb(REGISTER, 0, 24), &bare), refused(Sense::PARAMETER_LIST_LENGTH));
    assert!(keys(&bench).is_empty());
}

#[test]
fn only_register_takes_other_initiators() {
    let [mut bench, ..] = three();
    for action in [RESERVE, RELEASE, CLEAR, PREEMPT, PREEMPT_AND_ABORT, REGISTER_AND_IGNORE] {
        let reply = bench.gathered(&cdb(action, 1, 24), &list(1, 2, SPECIFY_PORTS));
        assert_eq!(reply, refused(Sense::invalid_parameter_bit(20, 3)), "{action}");
    }
}

#[test]
fn a_registration_for_all_target_ports_is_one_for_each_of_them() {
    let mut bench = Bench::disk();
    bench.port.groups[0].ports = vec![1, 2, 7];
    let all = |claimed, key| list(claimed, key, ALL_TARGET_PORTS);
    let ports = |bench: &Bench| {
        let persistent = bench.unit.book().persistent();
        persistent.registrations().iter().map(|one| (one.nexus.port, one.key.get())).collect::<Vec<_>>()
    };
    assert_eq!(bench.gathered(&cdb(REGISTER, 0, 24), &all(0, 5)), good(&[]));
    assert_eq!((ports(&bench), generation(&bench)), (vec![(1, 5), (2, 5), (7, 5)], 1));
    let mut id = bench.nexus.id().clone();
    (id.session, id.portal_group) = (50, 7);
    let mut elsewhere = bench.neighbour(50);
    elsewhere.nexus = crate::nexus::Nexus::new(id);
    elsewhere.nexus.forget_attentions();
    assert_eq!(ask(&mut elsewhere, REGISTER, 0, 5, 6), good(&[]));
    assert_eq!(ports(&bench), [(1, 5), (2, 5), (7, 6)]);
    // Behind port 7 it would have met a conflict.
    assert_eq!(bench.gathered(&cdb(REGISTER, 0, 24), &all(5, 0)), conflict());
    assert_eq!(bench.gathered(&cdb(REGISTER_AND_IGNORE, 0, 24), &all(0, 9)), good(&[]));
    assert_eq!(ports(&bench), [(1, 9), (2, 9), (7, 9)]);
    reserved(&mut elsewhere, 5, 9);
    assert_eq!(bench.gathered(&cdb(REGISTER, 0, 24), &all(9, 0)), good(&[]));
    assert_eq!((ports(&bench), held(&bench)), (vec![], None));
}

#[test]
fn survival_is_refused_where_nobody_keeps_anything() {
    let [mut bench, ..] = three();
    for action in [REGISTER, REGISTER_AND_IGNORE] {
        let reply = bench.gathered(&cdb(action, 0, 24), &list(1, 2, APTPL));
        assert_eq!(reply, refused(Sense::invalid_parameter_bit(20, 0)));
    }
    // For the others the bit means nothing.
    assert_eq!(bench.gathered(&cdb(RESERVE, 1, 24), &list(1, 0, APTPL)), good(&[]));
    let reply = move_to(&mut bench, 1, 5, APTPL, 1, &transport_id(2));
    assert_eq!(reply, refused(Sense::invalid_parameter_bit(17, 0)));
    assert_eq!(held(&bench), Some((1, Some(1))));
}

#[test]
fn survival_waits_for_stable_storage() {
    let book = Arc::new(Book::keeping(crate::lasting::Lasting::default()));
    let medium = Medium::new(512, 2048).unwrap();
    let mut bench = Bench::on(LogicalUnit::new(Identity::derive("bench"), medium, book));
    let reply = bench.gathered(&cdb(REGISTER, 0, 24), &list(0, 5, APTPL));
    let Plan::Keep(amendment) = reply else { panic!("{reply:?} keeps nothing") };
    assert!(keys(&bench).is_empty());
    assert_eq!(bench.unit.book().amend(*amendment), good(&[]));
    assert_eq!(keys(&bench), [5]);
    assert_eq!(bench.ask(&[0x5E, 2, 0, 0, 0, 0, 0, 0, 8, 0]), good(&[0, 8, 0x1D, 0xC1, 0xEA, 1, 0, 0]));
}

#[test]
fn the_last_place_can_be_taken_and_one_past_it_is_refused() {
    let no_room = Sense::new(SenseKey::IllegalRequest, 0x55, 0x04);
    let mut bench = Bench::disk();
    registered(&mut bench, 1);
    for session in 2..Persistent::REGISTRATIONS_MAX as u64 {
        registered(&mut bench.neighbour(session), session);
    }
    let (mut last, mut past) = (bench.neighbour(10_000), bench.neighbour(10_001));
    let two = register_for(&mut last, 0, 7, &transport_id(10_001));
    assert_eq!(two, refused(no_room));
    registered(&mut last, 7);
    assert_eq!(ask(&mut past, REGISTER, 0, 0, 7), refused(no_room));
    assert_eq!(keys(&bench).len(), Persistent::REGISTRATIONS_MAX);
    // What needs no more room goes on, and a move frees the place that it leaves.
    registered(&mut last, 8);
    reserved(&mut last, 1, 8);
    assert_eq!(move_to(&mut last, 8, 5, 0, 1, &transport_id(10_001)), refused(no_room));
    assert_eq!(move_to(&mut last, 8, 5, UNREG, 1, &transport_id(10_001)), good(&[]));
}
