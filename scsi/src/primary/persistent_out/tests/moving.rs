//! REGISTER AND MOVE.

use super::*;

/// The table of register behaviors for REGISTER AND MOVE.
#[test]
fn a_reservation_moves_to_another_nexus_with_its_type() {
    let [mut first, mut second, _] = three();
    let nine = transport_id(9);
    let mut stranger = first.neighbour(9);
    assert_eq!(move_to(&mut first, 1, 5, 0, 1, &nine), refused(Sense::invalid_bit(1, 4)));
    assert_eq!(move_to(&mut stranger, 0, 5, 0, 1, &nine), conflict());
    reserved(&mut first, 6, 1);
    assert_eq!(move_to(&mut stranger, 0, 5, 0, 1, &nine), conflict());
    assert_eq!(move_to(&mut second, 2, 5, 0, 1, &nine), conflict());
    assert_eq!(move_to(&mut first, 3, 5, 0, 1, &nine), conflict());
    assert_eq!(move_to(&mut first, 1, 0, 0, 1, &nine), refused(Sense::invalid_parameter(8)));
    assert_eq!(move_to(&mut first, 1, 5, 0, 2, &nine), refused(Sense::invalid_parameter(18)));
    assert_eq!(move_to(&mut first, 1, 5, 0, 1, &transport_id(1)), refused(Sense::invalid_parameter(24)));
    assert_eq!((held(&first), generation(&first)), (Some((6, Some(1))), 3));
    assert_eq!(move_to(&mut first, 1, 5, 0, 1, &nine), good(&[]));
    assert_eq!((held(&first), keys(&first), generation(&first)), (Some((6, Some(5))), vec![1, 2, 3, 5], 4));
    // Back, to one that is registered: its key is new, and the mover is unregistered.
    assert_eq!(move_to(&mut stranger, 5, 8, UNREG, 1, &transport_id(2)), good(&[]));
    assert_eq!((held(&first), keys(&first)), (Some((6, Some(8))), vec![1, 8, 3]));
    for bench in [&mut first, &mut second] {
        assert_eq!(bench.ask(&TEST_UNIT_READY), good(&[]));
    }
    assert_eq!(stranger.ask(&READ_6), conflict());
}

#[test]
fn what_all_registrants_hold_does_not_move() {
    let [mut first, ..] = three();
    reserved(&mut first, 8, 1);
    assert_eq!(move_to(&mut first, 1, 5, 0, 1, &transport_id(9)), conflict());
}

#[test]
fn a_reservation_moves_to_one_port_and_not_to_none_or_two() {
    let [mut first, ..] = three();
    reserved(&mut first, 1, 1);
    let two = [transport_id(8), transport_id(9)].concat();
    assert_eq!(move_to(&mut first, 1, 5, 0, 1, &two), refused(Sense::invalid_parameter(20)));
    assert_eq!(move_to(&mut first, 1, 5, 0, 1, &[]), refused(Sense::PARAMETER_LIST_LENGTH));
    let mut device = vec![0x05, 0, 0, 32];
    device.extend(b"iqn.2026-11.com.example:host\0\0\0\0");
    assert_eq!(move_to(&mut first, 1, 5, 0, 1, &device), refused(Sense::invalid_parameter(24)));
}
