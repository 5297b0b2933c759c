//! Task attributes on a running engine: in which order the commands of one nexus begin.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use crate::common::*;
use crate::gate::Gate;
use ferrite_backends::{Op, OpKind, Pool};
use ferrite_iscsi::initiator::{Answer, Initiator, Keys, Request, ScsiResult, cdb, lun as lun_field};

type Host = Initiator<TcpStream>;

const ORDERED: u8 = 2;
const HEAD_OF_QUEUE: u8 = 3;
const ACA: u8 = 4;
const TASK_SET_FULL: u8 = 0x28;
const ABORT_TASK: u8 = 1;
/// The block whose read hangs.
const SLOW: u64 = 0;

fn gated() -> (Served, Arc<Gate>, Host) {
    let gate = Arc::new(Gate::new(256 << 20));
    let served = Served::new(&options(Default::default(), 1));
    served.add(0, gate.clone());
    let host = served.login(1, &[0]);
    gate.close(OpKind::Read, 0..512);
    gate.passed();
    (served, gate, host)
}

fn read(lba: u64) -> Request {
    Request::new(0, &cdb::read16(lba, 1)).reading(BLOCK)
}

fn write(lba: u64, byte: u8) -> Request {
    Request::new(0, &cdb::write16(lba, 1)).writing(vec![byte; BLOCK as usize])
}

fn with(attribute: u8, request: Request) -> Request {
    Request { attribute, ..request }
}

fn ended(host: &mut Host, itt: u32) -> ScsiResult {
    match host.complete_one(itt).unwrap() {
        Answer::Scsi(result) => result,
        other => panic!("{other:?}"),
    }
}

/// Sends what hangs, as one of so many.
fn hangs(host: &mut Host, gate: &Gate, request: &Request, count: usize) -> u32 {
    let itt = host.submit(request).unwrap();
    host.frames().flush().unwrap();
    gate.holds(count);
    itt
}

/// What the disk has seen, when there was time for it.
fn seen(host: &mut Host, gate: &Gate) -> Vec<Op> {
    std::thread::sleep(Duration::from_millis(20));
    host.ping(b"").unwrap();
    gate.passed()
}

#[test]
fn an_ordered_command_waits_for_those_before_it_and_those_behind_it_wait_for_it() {
    let (served, gate, mut host) = gated();
    let mut order = vec![hangs(&mut host, &gate, &read(SLOW), 1)];
    for request in [
        with(ORDERED, write(1, 1)),
        read(1),
        // Neither reads nor writes, and waits all the same.
        with(ORDERED, Request::new(0, &[0; 6])),
        with(ORDERED, read(2)),
        write(3, 1),
        read(4),
    ] {
        order.push(host.submit(&request).unwrap());
    }
    assert_eq!(seen(&mut host, &gate), []);
    // Another nexus has an order of its own.
    let mut other = served.login(2, &[0]);
    other.write(0, 9, &[1; 512], BLOCK).unwrap();
    let urgent = host.submit(&with(HEAD_OF_QUEUE, read(5))).unwrap();
    assert!(ended(&mut host, urgent).is_good(), "the head of the queue waits for nobody");
    gate.passed();
    gate.open();
    let mut answers = Vec::new();
    while answers.len() < order.len() {
        let completion = host.complete().unwrap();
        assert!(matches!(&completion.answer, Answer::Scsi(result) if result.is_good()), "{completion:?}");
        answers.push(completion.itt);
    }
    let passed = gate.passed();
    let wanted: Vec<Op> = [
        Op::Read { at: 0, len: 512 },
        Op::Write { at: 512, len: 512, durable: false },
        Op::Read { at: 512, len: 512 },
        Op::Read { at: 1024, len: 512 },
    ]
    .to_vec();
    assert_eq!(passed[..4], wanted);
    assert_eq!(passed.len(), 6);
    assert_eq!(answers[..5], order[..5]);
}

#[test]
fn a_head_of_queue_command_keeps_those_that_wait_waiting() {
    let (_served, gate, mut host) = gated();
    let first = hangs(&mut host, &gate, &read(SLOW), 1);
    let ordered = host.submit(&with(ORDERED, write(1, 1))).unwrap();
    gate.close(OpKind::Read, 8192..8704);
    let head = hangs(&mut host, &gate, &with(HEAD_OF_QUEUE, read(16)), 2);
    let behind = host.submit(&write(2, 1)).unwrap();
    assert_eq!(seen(&mut host, &gate), []);
    gate.open();
    for itt in [first, head, ordered, behind] {
        assert!(ended(&mut host, itt).is_good());
    }
}

#[test]
fn an_aborted_command_is_not_waited_for_and_one_that_waits_can_be_aborted() {
    let (_served, gate, mut host) = gated();
    let first = hangs(&mut host, &gate, &read(SLOW), 1);
    let doomed = host.submit(&with(ORDERED, write(1, 1))).unwrap();
    let behind = host.submit(&write(2, 1)).unwrap();
    assert_eq!(seen(&mut host, &gate), []);
    assert_eq!(host.manage(ABORT_TASK, lun_field(0), Some(doomed)).unwrap(), 0);
    host.forget(doomed);
    assert!(ended(&mut host, behind).is_good(), "only a SIMPLE command is left before it");
    gate.open();
    assert!(ended(&mut host, first).is_good());
    assert_eq!(host.read(0, 1, 1, BLOCK).unwrap(), [0; 512]);
}

#[test]
fn what_an_aborted_command_has_on_the_disk_is_waited_for() {
    let (_served, gate, mut host) = gated();
    gate.close(OpKind::Write, 512..1024);
    let doomed = hangs(&mut host, &gate, &write(1, 1), 1);
    let after = host.submit(&with(ORDERED, write(1, 2))).unwrap();
    let abort = host.submit_manage(ABORT_TASK, lun_field(0), Some(doomed)).unwrap();
    assert_eq!(seen(&mut host, &gate), [], "the old data would land on the new");
    gate.open();
    assert!(matches!(host.complete_one(abort).unwrap(), Answer::Managed(0)));
    host.forget(doomed);
    assert!(ended(&mut host, after).is_good());
    assert_eq!(host.read(0, 1, 1, BLOCK).unwrap(), [2; 512]);
}

#[test]
fn a_lost_session_and_a_removed_unit_leave_nothing_waiting() {
    let (served, gate, mut host) = gated();
    hangs(&mut host, &gate, &read(SLOW), 1);
    host.submit(&with(ORDERED, write(1, 1))).unwrap();
    host.submit(&read(1)).unwrap();
    host.ping(b"").unwrap();
    drop(host);
    let mut host = served.login(2, &[0]);
    hangs(&mut host, &gate, &read(SLOW), 2);
    let ordered = host.submit(&with(ORDERED, write(1, 1))).unwrap();
    let behind = host.submit(&read(1)).unwrap();
    host.ping(b"").unwrap();
    let engine = served.engine.clone();
    let removal = std::thread::spawn(move || engine.remove_lun(&iqn(), lun(0)));
    for itt in [ordered, behind] {
        assert_eq!(ended(&mut host, itt).sense_code(), Some((5, 0x25, 0)));
    }
    gate.open();
    removal.join().unwrap().unwrap();
    assert!(gate.passed().iter().all(|op| !op.changes()));
}

#[test]
fn data_that_lands_before_its_command_may_begin_has_room_up_to_a_limit_and_keeps_nobody_from_ending() {
    let (served, gate, mut host) = gated();
    let before = hangs(&mut host, &gate, &read(SLOW), 1);
    let most = 2 * Pool::BUFFER_MAX / LONG as usize;
    let long = |at: u64| {
        let cdb = cdb::write16(at * u64::from(LONG / BLOCK), LONG / BLOCK);
        with(ORDERED, Request::new(0, &cdb).writing(vec![at as u8; LONG as usize]))
    };
    let fits: Vec<u32> = (1..=most as u64).map(|at| host.submit(&long(at)).unwrap()).collect();
    let one_more = host.submit(&long(0)).unwrap();
    assert_eq!(ended(&mut host, one_more).status, TASK_SET_FULL);
    // Others have all the buffers there are.
    let mut other = served.login(2, &[0]);
    other.write(0, 400_000, &pattern(1, 1 << 20), BLOCK).unwrap();
    gate.open();
    for itt in [before].into_iter().chain(fits) {
        assert!(ended(&mut host, itt).is_good());
    }
    for at in 1..=most as u64 {
        let read = host.read(0, at * u64::from(LONG / BLOCK), 1, BLOCK).unwrap();
        assert_eq!(read, [at as u8; BLOCK as usize]);
    }
}

/// Bytes of a long write.
const LONG: u32 = 1 << 20;

#[test]
fn data_that_is_not_on_its_way_is_asked_for_when_its_command_begins() {
    let (served, gate, _host) = gated();
    let mut polite = settings(3);
    polite.keys = Keys { initial_r2t: true, immediate_data: false, ..Keys::default() };
    let mut host = Initiator::login(served.stream(), &polite).unwrap();
    host.settle(0).unwrap();
    let first = hangs(&mut host, &gate, &read(SLOW), 1);
    let many: Vec<u32> = (1..100).map(|at| host.submit(&with(ORDERED, write(at, at as u8))).unwrap()).collect();
    assert_eq!(seen(&mut host, &gate), []);
    gate.open();
    for itt in [first].into_iter().chain(many) {
        assert!(ended(&mut host, itt).is_good());
    }
    assert_eq!(host.read(0, 99, 1, BLOCK).unwrap(), [99; 512]);
}

#[test]
fn a_command_that_goes_alone_keeps_its_place_and_nobody_from_the_unit_before_it_begins() {
    let (served, gate, mut host) = gated();
    let mut other = served.login(2, &[0]);
    let first = hangs(&mut host, &gate, &read(SLOW), 1);
    let reserve = host.submit(&with(ORDERED, Request::new(0, &[0x16, 0, 0, 0, 0, 0]))).unwrap();
    assert_eq!(seen(&mut host, &gate), []);
    other.write(0, 1, &[1; 512], BLOCK).unwrap();
    assert!(other.command(&Request::new(0, &[0x16, 0, 0, 0, 0, 0])).unwrap().is_good());
    assert!(other.command(&Request::new(0, &[0x17, 0, 0, 0, 0, 0])).unwrap().is_good());
    gate.open();
    assert!(ended(&mut host, first).is_good());
    assert!(ended(&mut host, reserve).is_good());
    assert_eq!(other.command(&read(1)).unwrap().status, 0x18);
}

#[test]
fn the_aca_attribute_is_refused_and_commands_for_no_unit_are_not_kept() {
    let (_served, gate, mut host) = gated();
    assert_eq!(host.command(&with(ACA, read(1))).unwrap().sense_code(), Some((5, 0x49, 0)));
    assert_eq!(host.command(&with(ACA, Request::new(0, &[0; 6]))).unwrap().sense_code(), Some((5, 0x49, 0)));
    let first = hangs(&mut host, &gate, &read(SLOW), 1);
    let nowhere = with(ORDERED, Request::new(77, &cdb::read16(0, 1)).reading(512));
    assert_eq!(host.command(&nowhere).unwrap().sense_code(), Some((5, 0x25, 0)));
    gate.open();
    assert!(ended(&mut host, first).is_good());
}
