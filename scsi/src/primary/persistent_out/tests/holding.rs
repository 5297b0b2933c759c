//! Reserving, releasing, clearing, and the old RESERVE and RELEASE beside them.

use super::*;

#[test]
fn one_nexus_reserves_and_may_do_so_again_in_the_same_way() {
    for kind in [1, 3, 5, 6] {
        let [mut first, mut second, _] = three();
        assert_eq!(ask(&mut first, RESERVE, kind, 1, 0), good(&[]));
        assert_eq!(ask(&mut first, RESERVE, kind, 1, 0), good(&[]));
        for other in [1, 3, 5, 6, 7, 8] {
            assert_eq!(ask(&mut second, RESERVE, other, 2, 0), conflict());
            if other != kind {
                assert_eq!(ask(&mut first, RESERVE, other, 1, 0), conflict());
            }
        }
        assert_eq!((held(&first), generation(&first)), (Some((kind, Some(1))), 3));
    }
}

#[test]
fn every_registrant_may_reserve_again_what_all_of_them_hold() {
    let [mut first, mut second, _] = three();
    assert_eq!(ask(&mut first, RESERVE, 8, 1, 0), good(&[]));
    assert_eq!(ask(&mut second, RESERVE, 8, 2, 0), good(&[]));
    assert_eq!(ask(&mut second, RESERVE, 7, 2, 0), conflict());
    assert_eq!(held(&first), Some((8, None)));
}

#[test]
fn a_holder_releases_with_its_own_type_and_others_hear_of_it_where_they_had_access() {
    for (kind, told) in [(1, false), (3, false), (5, true), (6, true), (7, true), (8, true)] {
        let [mut first, mut second, _] = three();
        let mut stranger = first.neighbour(9);
        reserved(&mut first, kind, 1);
        let wrong = if kind == 1 { 3 } else { 1 };
        let invalid_release = Sense::new(SenseKey::IllegalRequest, 0x26, 0x04);
        assert_eq!(ask(&mut first, RELEASE, wrong, 1, 0), refused(invalid_release));
        assert_eq!(ask(&mut first, RELEASE, kind, 1, 0), good(&[]));
        assert_eq!((held(&first), generation(&first)), (None, 3));
        let expected = if told { attention(Attention::ReservationsReleased) } else { good(&[]) };
        assert_eq!(second.ask(&TEST_UNIT_READY), expected, "type {kind}");
        assert_eq!(second.ask(&TEST_UNIT_READY), good(&[]));
        assert_eq!(first.ask(&TEST_UNIT_READY), good(&[]));
        assert_eq!(stranger.ask(&TEST_UNIT_READY), good(&[]));
    }
}

#[test]
fn releasing_what_another_or_nobody_holds_is_good_and_does_nothing() {
    let [mut first, mut second, _] = three();
    assert_eq!(ask(&mut first, RELEASE, 5, 1, 0), good(&[]));
    reserved(&mut first, 5, 1);
    assert_eq!(ask(&mut second, RELEASE, 5, 2, 0), good(&[]));
    assert_eq!(ask(&mut second, RELEASE, 1, 2, 0), good(&[]));
    assert_eq!(held(&first), Some((5, Some(1))));
}

#[test]
fn clearing_removes_everything_and_tells_all_who_were_registered_but_the_one_who_asked() {
    let [mut first, mut second, mut third] = three();
    let mut stranger = first.neighbour(9);
    reserved(&mut first, 5, 1);
    assert_eq!(ask(&mut second, CLEAR, 0, 2, 0), good(&[]));
    assert_eq!((keys(&first), held(&first), generation(&first)), (vec![], None, 4));
    assert_eq!(second.ask(&TEST_UNIT_READY), good(&[]));
    assert_eq!(stranger.ask(&TEST_UNIT_READY), good(&[]));
    for bench in [&mut first, &mut third] {
        assert_eq!(bench.ask(&TEST_UNIT_READY), attention(Attention::ReservationsPreempted));
        assert_eq!(bench.ask(&TEST_UNIT_READY), good(&[]));
    }
}

#[test]
fn unregistering_the_holder_releases_and_registrants_of_a_shared_unit_hear_of_it() {
    for (kind, told) in [(1, false), (3, false), (5, true), (6, true)] {
        let [mut first, mut second, _] = three();
        reserved(&mut first, kind, 1);
        assert_eq!(ask(&mut first, REGISTER, 0, 1, 0), good(&[]));
        assert_eq!((held(&first), keys(&first)), (None, vec![2, 3]));
        let expected = if told { attention(Attention::ReservationsReleased) } else { good(&[]) };
        assert_eq!(second.ask(&TEST_UNIT_READY), expected);
    }
}

#[test]
fn what_all_registrants_hold_is_held_until_the_last_of_them_leaves() {
    let [mut first, mut second, mut third] = three();
    reserved(&mut first, 7, 1);
    for (bench, key) in [(&mut first, 1), (&mut second, 2)] {
        assert_eq!(ask(bench, REGISTER, 0, key, 0), good(&[]));
        assert_eq!(held(bench), Some((7, None)));
    }
    assert_eq!(first.ask(&WRITE_6), conflict());
    assert_eq!(ask(&mut third, REGISTER, 0, 3, 0), good(&[]));
    assert_eq!(held(&third), None);
    assert!(matches!(first.plan_with(&WRITE_6, 512), Plan::Write { .. }));
}

#[test]
fn a_new_key_of_the_holder_does_not_touch_the_reservation() {
    let [mut first, ..] = three();
    reserved(&mut first, 1, 1);
    assert_eq!(ask(&mut first, REGISTER, 0, 1, 8), good(&[]));
    assert_eq!(held(&first), Some((1, Some(8))));
}

#[test]
fn the_two_kinds_of_reservation_do_not_mix() {
    let mut holder = Bench::disk();
    let mut other = holder.neighbour(2);
    holder.done(&[0x16, 0, 0, 0, 0, 0]);
    for bench in [&mut holder, &mut other] {
        assert_eq!(ask(bench, REGISTER_AND_IGNORE, 0, 0, 5), conflict());
    }
    // Reserved while the list was on its way.
    assert_eq!(other.gathered(&cdb(REGISTER, 0, 24), &list(0, 5, 0)), conflict());
    holder.done(&[0x17, 0, 0, 0, 0, 0]);
    registered(&mut other, 5);
    for cdb in [[0x16, 0, 0, 0, 0, 0], [0x17, 0, 0, 0, 0, 0]] {
        assert_eq!(holder.ask(&cdb), conflict());
        assert_eq!(other.ask(&cdb), conflict());
    }
}

#[test]
fn to_a_registrant_with_access_the_old_reservations_are_good_and_do_nothing() {
    for (kind, shared) in [(1, false), (3, false), (5, true), (6, true), (7, true), (8, true)] {
        let [mut first, mut second, _] = three();
        let mut stranger = first.neighbour(9);
        reserved(&mut first, kind, 1);
        for cdb in [[0x16, 0, 0, 0, 0, 0], [0x17, 0, 0, 0, 0, 0]] {
            assert_eq!(first.ask(&cdb), good(&[]));
            assert_eq!(second.ask(&cdb), if shared { good(&[]) } else { conflict() });
            assert_eq!(stranger.ask(&cdb), conflict());
        }
        assert_eq!(first.unit.book().holder(), None);
        assert_eq!(held(&first).map(|(kind, _)| kind), Some(kind));
    }
}
