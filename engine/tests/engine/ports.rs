//! Portal groups: what is seen through each of them, and which way is open.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use crate::common::*;
use ferrite_api::{AccessState, PortalGroup, TargetSpec, codes};
use ferrite_backends::MemoryDisk;
use ferrite_iscsi::initiator::{Initiator, Notice, Request, Settings, cdb};

const TEST_UNIT_READY: [u8; 6] = [0; 6];

fn group(number: u16) -> PortalGroup {
    PortalGroup::new(number).unwrap()
}

fn settled(address: SocketAddr, port: u8) -> Initiator<TcpStream> {
    let mut session = enter(address, port);
    session.settle(0).unwrap();
    session
}

fn enter(address: SocketAddr, port: u8) -> Initiator<TcpStream> {
    Initiator::login(connect(address), &settings(port)).unwrap()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// A target with one LUN and a portal in each of two groups; the address in the first is `served.address`.
fn two_ways() -> (Served, SocketAddr) {
    let served = Served::new(&options(Default::default(), 2)).with(0, MemoryDisk::new(1 << 20));
    let second = served.engine.listen_in(group(2), "127.0.0.1:0".parse().unwrap()).unwrap();
    (served, second)
}

#[test]
fn discovery_shows_each_portal_with_the_tag_of_its_group() {
    let (served, second) = two_ways();
    for address in [served.address, second] {
        let mut discovery = Initiator::login(connect(address), &Settings::discovery(HOST)).unwrap();
        let found = discovery.send_targets("All").unwrap();
        let portals = [(served.address.to_string(), 1), (second.to_string(), 2)];
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].portals, portals);
    }
}

#[test]
fn each_group_is_a_target_port_of_its_own_and_the_unit_behind_is_the_same() {
    let (served, second) = two_ways();
    let mut pages = Vec::new();
    for (address, number) in [(served.address, 1), (second, 2)] {
        let mut session = settled(address, 1);
        let page = session.inquiry(0, Some(0x83)).unwrap();
        let has = |part: &[u8]| page.windows(part.len()).any(|window| window == part);
        assert!(has(&[0x51, 0x94, 0, 4, 0, 0, 0, number]), "relative target port {number}");
        assert!(has(&[0x51, 0x95, 0, 4, 0, 0, 0, number]), "target port group {number}");
        assert!(has(format!("{TARGET},t,0x{number:04x}").as_bytes()), "port name {number}");
        pages.push(session.inquiry(0, Some(0x80)).unwrap());
    }
    assert_eq!(pages[0], pages[1]);
}

#[test]
fn one_initiator_port_has_a_session_with_each_group_and_reinstates_only_its_own() {
    let (served, second) = two_ways();
    let mut one = settled(served.address, 1);
    let mut two = settled(second, 1);
    one.write(0, 7, &[7; 512], BLOCK).unwrap();
    assert_eq!(two.read(0, 7, 1, BLOCK).unwrap(), [7; 512]);
    let mut again = settled(second, 1);
    assert!(two.test_unit_ready(0).is_err(), "the new session of this path took its place");
    again.test_unit_ready(0).unwrap();
    one.test_unit_ready(0).unwrap();
}

#[test]
fn a_state_closes_one_way_and_every_session_hears_of_it() {
    let (served, second) = two_ways();
    let mut one = settled(served.address, 1);
    let mut two = settled(second, 1);
    served.engine.set_access_state(&iqn(), group(2), AccessState::Standby).unwrap();
    for session in [&mut one, &mut two] {
        let heard = session.command(&Request::new(0, &TEST_UNIT_READY)).unwrap();
        assert_eq!(heard.sense_code(), Some((6, 0x2a, 6)));
    }
    one.read(0, 0, 1, BLOCK).unwrap();
    for (state, ascq) in
        [(AccessState::Standby, 0x0b), (AccessState::Unavailable, 0x0c), (AccessState::Transitioning, 0x0a)]
    {
        served.engine.set_access_state(&iqn(), group(2), state).unwrap();
        while one.command(&Request::new(0, &TEST_UNIT_READY)).unwrap().sense_code() == Some((6, 0x2a, 6)) {}
        let read = || Request::new(0, &cdb::read16(0, 1)).reading(512);
        let told = std::iter::repeat_with(|| two.command(&read()).unwrap().sense_code());
        assert_eq!(told.take(3).find(|sense| *sense != Some((6, 0x2a, 6))), Some(Some((2, 4, ascq))), "{state}");
        assert!(two.inquiry(0, None).is_ok(), "{state}");
    }
    served.engine.set_access_state(&iqn(), group(2), AccessState::ActiveNonOptimized).unwrap();
    two.settle(0).unwrap();
    two.read(0, 0, 1, BLOCK).unwrap();
}

#[test]
fn a_lun_that_comes_later_has_the_state_of_its_group() {
    let (served, second) = two_ways();
    served.engine.set_access_state(&iqn(), group(2), AccessState::Standby).unwrap();
    served.add(5, Arc::new(MemoryDisk::new(1 << 20)));
    let mut two = enter(second, 1);
    let mut told = || two.command(&Request::new(5, &TEST_UNIT_READY)).unwrap().sense_code();
    assert_eq!(told(), Some((6, 0x29, 0)));
    assert_eq!(told(), Some((2, 4, 0x0b)));
    let mut one = enter(served.address, 1);
    one.settle(5).unwrap();
}

#[test]
fn a_portal_group_that_comes_later_is_reached_at_once_by_targets_that_were_there() {
    let served = Served::new(&options(Default::default(), 2)).with(0, MemoryDisk::new(1 << 20));
    let mut one = settled(served.address, 1);
    let third = served.engine.listen_in(group(65535), "127.0.0.1:0".parse().unwrap()).unwrap();
    settled(third, 1).read(0, 0, 1, BLOCK).unwrap();
    one.read(0, 0, 1, BLOCK).unwrap();
}

#[test]
fn the_state_of_a_group_without_portals_or_of_no_target_is_refused() {
    let (served, _) = two_ways();
    let set = |target: &str, number| {
        let target = ferrite_api::Iqn::parse(target).unwrap();
        served.engine.set_access_state(&target, group(number), AccessState::Standby).unwrap_err().code
    };
    assert_eq!(set(TARGET, 3), codes::NO_SUCH_GROUP);
    assert_eq!(set("iqn.2026-11.com.example:none", 1), codes::NO_SUCH_TARGET);
}

#[test]
fn a_state_of_the_spec_is_there_from_the_first_session_on() {
    let (served, second) = two_ways();
    let name = ferrite_api::Iqn::parse("iqn.2026-11.com.example:passive").unwrap();
    let luns = serde_json::from_str(r#"{"0":{"backend":"memory","size":1048576}}"#).unwrap();
    let spec = TargetSpec { alua: [(group(2), AccessState::Standby)].into(), luns, ..open_target() };
    served.engine.add_target(&name, &spec).unwrap();
    let mut settings = settings(1);
    settings.target = Some(name.as_str().to_owned());
    let mut two = Initiator::login(connect(second), &settings).unwrap();
    let mut told = || two.command(&Request::new(0, &TEST_UNIT_READY)).unwrap().sense_code();
    assert_eq!(told(), Some((6, 0x29, 0)));
    assert_eq!(told(), Some((2, 4, 0x0b)));
    Initiator::login(connect(served.address), &settings).unwrap().settle(0).unwrap();
}

#[test]
fn a_target_without_events_tells_of_a_new_lun_by_unit_attention_alone() {
    let (served, _) = two_ways();
    let name = ferrite_api::Iqn::parse("iqn.2026-11.com.example:quiet").unwrap();
    let spec = TargetSpec { async_events: false, ..open_target() };
    served.engine.add_target(&name, &spec).unwrap();
    let disk = || Arc::new(MemoryDisk::new(1 << 20));
    served.engine.add_disk(&name, lun(0), disk(), &Default::default()).unwrap();
    let mut settings = settings(1);
    settings.target = Some(name.as_str().to_owned());
    let mut host = Initiator::login(connect(served.address), &settings).unwrap();
    host.settle(0).unwrap();
    served.engine.add_disk(&name, lun(1), disk(), &Default::default()).unwrap();
    let heard = host.command(&Request::new(0, &TEST_UNIT_READY)).unwrap();
    assert_eq!(heard.sense_code(), Some((6, 0x3f, 0x0e)));
    assert!(!matches!(host.poll_notice(), Some(Notice::Async(..))));
}
