//! fence_scsi of Pacemaker: each node registers with its key, one reserves with Write Exclusive – Registrants Only, and
//! whoever fences a node preempts and aborts it.

use crate::hosts::*;

const KEYS: [u64; 3] = [0x3ABE_0000, 0x3ABE_0001, 0x3ABE_0002];

fn on(node: &mut Host, shared: &mut Shared, key: u64, flags: u8) {
    assert_eq!(node.out(shared, REGISTER_AND_IGNORE, 0, 0, key, flags), GOOD);
    assert!(shared.keys().1.contains(&key));
    if shared.reservation().is_none() {
        assert_eq!(node.out(shared, RESERVE, 5, key, 0, 0), GOOD);
    }
    assert!(matches!(shared.reservation(), Some((5, _))));
}

fn cluster(flags: u8) -> (Shared, [Host; 3]) {
    let mut shared = Shared::new();
    let mut nodes = [1, 2, 3].map(|number| Host::new(number, 1).quiet(&shared));
    for (node, key) in nodes.iter_mut().zip(KEYS) {
        on(node, &mut shared, key, flags);
    }
    (shared, nodes)
}

#[test]
fn nodes_that_are_on_write_and_others_read() {
    let (mut shared, mut nodes) = cluster(0);
    assert_eq!(shared.keys(), (3, KEYS.to_vec()));
    assert_eq!(shared.reservation(), Some((5, KEYS[0])));
    for node in &mut nodes {
        assert_eq!(node.send(&mut shared, &WRITE, &[]), GOOD);
        assert_eq!(node.send(&mut shared, &READ, &[]), GOOD);
    }
    let mut stranger = Host::new(9, 1).quiet(&shared);
    assert_eq!(stranger.send(&mut shared, &WRITE, &[]), End::Conflict);
    assert_eq!(stranger.send(&mut shared, &READ, &[]), GOOD);
    assert_eq!(stranger.send(&mut shared, &TEST_UNIT_READY, &[]), GOOD);
}

#[test]
fn a_fenced_node_hears_of_it_and_never_writes_again() {
    let (mut shared, [mut first, mut second, mut third]) = cluster(0);
    let fenced = second.out(&mut shared, PREEMPT_AND_ABORT, 5, KEYS[1], KEYS[2], 0);
    assert_eq!(fenced, End::Aborted(vec![third.name()]));
    assert_eq!(shared.keys().1, KEYS[..2]);
    assert_eq!(third.send(&mut shared, &WRITE, &[]), End::Conflict);
    assert_eq!(third.send(&mut shared, &TEST_UNIT_READY, &[]), REGISTRATIONS_PREEMPTED);
    for _ in 0..2 {
        assert_eq!(third.send(&mut shared, &WRITE, &[]), End::Conflict);
        third.log_in_again(&shared);
        assert_eq!(third.send(&mut shared, &TEST_UNIT_READY, &[]), POWER_ON);
    }
    // Nor does it fence anybody with the key it had.
    let revenge = third.out(&mut shared, PREEMPT_AND_ABORT, 5, KEYS[2], KEYS[1], 0);
    assert_eq!(revenge, End::Conflict);
    for node in [&mut first, &mut second] {
        assert_eq!(node.send(&mut shared, &WRITE, &[]), GOOD);
    }
    // To fence it once more is a conflict, for its key is gone: fence_scsi looks for it first.
    let again = second.out(&mut shared, PREEMPT_AND_ABORT, 5, KEYS[1], KEYS[2], 0);
    assert_eq!(again, End::Conflict);
}

#[test]
fn fencing_the_holder_leaves_the_disk_reserved_without_a_gap() {
    let (mut shared, [mut first, mut second, mut third]) = cluster(0);
    let fenced = second.out(&mut shared, PREEMPT_AND_ABORT, 5, KEYS[1], KEYS[0], 0);
    assert_eq!(fenced, End::Aborted(vec![first.name()]));
    assert_eq!(shared.reservation(), Some((5, KEYS[1])));
    assert_eq!(first.send(&mut shared, &WRITE, &[]), End::Conflict);
    // Nothing has changed for the third.
    assert_eq!(third.send(&mut shared, &WRITE, &[]), GOOD);
    // Unfenced, the first is one among others.
    assert_eq!(first.send(&mut shared, &TEST_UNIT_READY, &[]), REGISTRATIONS_PREEMPTED);
    on(&mut first, &mut shared, KEYS[0], 0);
    assert_eq!(first.send(&mut shared, &WRITE, &[]), GOOD);
    assert_eq!(shared.reservation(), Some((5, KEYS[1])));
}

#[test]
fn all_paths_of_a_node_are_fenced_by_its_one_key() {
    let mut shared = Shared::new();
    let mut node = Host::new(1, 1).quiet(&shared);
    let mut paths = [1, 2].map(|port| Host::new(2, port).quiet(&shared));
    on(&mut node, &mut shared, KEYS[0], 0);
    for path in &mut paths {
        on(path, &mut shared, KEYS[1], 0);
    }
    assert_eq!(shared.keys().1, [KEYS[0], KEYS[1], KEYS[1]]);
    let fenced = node.out(&mut shared, PREEMPT_AND_ABORT, 5, KEYS[0], KEYS[1], 0);
    assert_eq!(fenced, End::Aborted(vec![paths[0].name(), paths[1].name()]));
    for path in &mut paths {
        assert_eq!(path.send(&mut shared, &WRITE, &[]), End::Conflict);
        assert_eq!(path.send(&mut shared, &TEST_UNIT_READY, &[]), REGISTRATIONS_PREEMPTED);
    }
}

#[test]
fn with_aptpl_a_fenced_node_stays_out_when_the_target_is_started_again() {
    let (mut shared, [mut first, mut second, mut third]) = cluster(APTPL);
    assert!(matches!(second.out(&mut shared, PREEMPT_AND_ABORT, 5, KEYS[1], KEYS[2], 0), End::Aborted(_)));
    shared.restart();
    assert_eq!(shared.keys(), (0, KEYS[..2].to_vec()));
    assert_eq!(shared.reservation(), Some((5, KEYS[0])));
    for (node, writes) in [(&mut first, GOOD), (&mut second, GOOD), (&mut third, End::Conflict)] {
        node.log_in_again(&shared);
        assert_eq!(node.send(&mut shared, &TEST_UNIT_READY, &[]), POWER_ON);
        assert_eq!(node.send(&mut shared, &WRITE, &[]), writes);
    }
}

#[test]
fn without_aptpl_nothing_is_left_when_the_target_is_started_again() {
    let (mut shared, _) = cluster(0);
    shared.restart();
    assert_eq!((shared.keys(), shared.reservation()), ((0, vec![]), None));
}
