//! PREEMPT and PREEMPT AND ABORT: who falls, who takes over, who hears of it.

use super::*;

#[test]
fn preempting_the_holder_gives_its_reservation_to_the_preemptor() {
    let [mut first, mut second, mut third] = three();
    reserved(&mut first, 5, 1);
    assert_eq!(ask(&mut second, PREEMPT, 5, 2, 1), good(&[]));
    assert_eq!((held(&first), keys(&first), generation(&first)), (Some((5, Some(2))), vec![2, 3], 4));
    // Its own preemption is told to the old holder even though it meets a conflict from now on.
    assert_eq!(first.ask(&TEST_UNIT_READY), attention(Attention::RegistrationsPreempted));
    assert_eq!(first.plan_with(&WRITE_6, 512), conflict());
    assert_eq!(second.ask(&TEST_UNIT_READY), good(&[]));
    assert_eq!(third.ask(&TEST_UNIT_READY), good(&[]));
}

#[test]
fn a_preemption_that_changes_the_type_is_told_to_those_who_stay() {
    let [mut first, mut second, mut third] = three();
    reserved(&mut first, 5, 1);
    assert_eq!(ask(&mut second, PREEMPT, 3, 2, 1), good(&[]));
    assert_eq!(held(&first), Some((3, Some(2))));
    assert_eq!(first.ask(&TEST_UNIT_READY), attention(Attention::RegistrationsPreempted));
    assert_eq!(third.ask(&TEST_UNIT_READY), attention(Attention::ReservationsReleased));
    assert_eq!(second.ask(&TEST_UNIT_READY), good(&[]));
}

#[test]
fn a_type_counts_only_where_a_reservation_is_preempted() {
    let [mut first, mut second, _] = three();
    assert_eq!(ask(&mut second, PREEMPT, 0, 2, 3), good(&[]));
    reserved(&mut first, 5, 1);
    assert_eq!(ask(&mut second, PREEMPT, 0, 2, 1), refused(Sense::invalid_bit(2, 3)));
    assert_eq!(ask(&mut second, PREEMPT, 0x51, 2, 1), refused(Sense::invalid_bit(2, 7)));
    assert_eq!((held(&first), keys(&first)), (Some((5, Some(1))), vec![1, 2]));
}

#[test]
fn preempting_another_than_the_holder_only_removes_registrations() {
    let [mut first, mut second, mut third] = three();
    let mut twin = first.neighbour(4);
    registered(&mut twin, 3);
    reserved(&mut first, 6, 1);
    assert_eq!(ask(&mut second, PREEMPT, 1, 2, 3), good(&[]));
    assert_eq!((held(&first), keys(&first)), (Some((6, Some(1))), vec![1, 2]));
    for bench in [&mut third, &mut twin] {
        assert_eq!(bench.ask(&TEST_UNIT_READY), attention(Attention::RegistrationsPreempted));
    }
    assert_eq!(first.ask(&TEST_UNIT_READY), good(&[]));
}

#[test]
fn preempting_a_key_that_nobody_has_is_a_conflict_and_the_key_zero_is_wrong() {
    let [mut first, mut second, _] = three();
    for kind in [0, 5] {
        if kind != 0 {
            reserved(&mut first, kind, 1);
        }
        assert_eq!(ask(&mut second, PREEMPT, 1, 2, 9), conflict());
        assert_eq!(ask(&mut second, PREEMPT, 1, 2, 0), refused(Sense::invalid_parameter(8)));
    }
    assert_eq!(keys(&first), [1, 2, 3]);
}

#[test]
fn the_key_zero_preempts_all_registrants_and_another_key_only_its_registrations() {
    let [mut first, mut second, mut third] = three();
    reserved(&mut first, 8, 1);
    assert_eq!(ask(&mut second, PREEMPT, 1, 2, 3), good(&[]));
    assert_eq!((held(&first), keys(&first)), (Some((8, None)), vec![1, 2]));
    assert_eq!(ask(&mut second, PREEMPT, 1, 2, 0), good(&[]));
    assert_eq!((held(&first), keys(&first)), (Some((1, Some(2))), vec![2]));
    for bench in [&mut first, &mut third] {
        assert_eq!(bench.ask(&TEST_UNIT_READY), attention(Attention::RegistrationsPreempted));
        assert_eq!(bench.ask(&TEST_UNIT_READY), good(&[]));
    }
    assert_eq!(second.ask(&TEST_UNIT_READY), good(&[]));
}

#[test]
fn a_holder_that_preempts_itself_changes_the_type_and_stays_registered() {
    let [mut first, mut second, _] = three();
    let mut twin = first.neighbour(4);
    registered(&mut twin, 1);
    reserved(&mut first, 5, 1);
    assert_eq!(ask(&mut first, PREEMPT, 6, 1, 1), good(&[]));
    assert_eq!((held(&first), keys(&first)), (Some((6, Some(1))), vec![1, 2, 3]));
    assert_eq!(twin.ask(&TEST_UNIT_READY), attention(Attention::RegistrationsPreempted));
    assert_eq!(second.ask(&TEST_UNIT_READY), attention(Attention::ReservationsReleased));
    assert_eq!(first.ask(&TEST_UNIT_READY), good(&[]));
}

#[test]
fn one_may_remove_ones_own_registration_by_its_key_and_hears_nothing() {
    let [mut first, mut second, mut third] = three();
    assert_eq!(ask(&mut first, PREEMPT, 1, 1, 1), good(&[]));
    assert_eq!(keys(&first), [2, 3]);
    reserved(&mut second, 7, 2);
    assert_eq!(ask(&mut third, PREEMPT, 1, 3, 2), good(&[]));
    assert_eq!(ask(&mut third, PREEMPT_AND_ABORT, 1, 3, 3), good(&[]));
    assert_eq!((held(&first), keys(&first)), (None, vec![]));
    assert_eq!(third.ask(&TEST_UNIT_READY), good(&[]));
}

#[test]
fn preempt_and_abort_ends_the_commands_of_those_preempted() {
    let [mut first, mut second, third] = three();
    let mut twin = first.neighbour(4);
    registered(&mut twin, 3);
    reserved(&mut first, 5, 1);
    let whose = |benches: &[&Bench]| Plan::Abort {
        nexuses: benches.iter().map(|bench| (Box::from(&*bench.nexus.id().name), 1)).collect(),
    };
    assert_eq!(ask(&mut second, PREEMPT_AND_ABORT, 5, 2, 3), whose(&[&third, &twin]));
    assert_eq!(ask(&mut second, PREEMPT_AND_ABORT, 5, 2, 1), whose(&[&first]));
    assert_eq!((held(&first), keys(&first)), (Some((5, Some(2))), vec![2]));
    assert_eq!(ask(&mut second, PREEMPT_AND_ABORT, 6, 2, 2), good(&[]));
}
