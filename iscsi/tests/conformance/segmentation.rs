//! However the stream is cut, the same is said (RFC 7143 §4.2: TCP keeps no boundaries).

use ferrite_iscsi::initiator::{Chap, Credentials, Initiator, Keys, Request, Settings, cdb, lun};
use ferrite_iscsi::wire::codes::function;
use ferrite_iscsi::{Account, Auth, Notice, Secret};

use crate::kit::{BLOCK, Kit, Piece, Wire, discovery, pattern, settings};

/// What a whole session comes to, for comparing.
#[derive(Debug, PartialEq)]
struct Told {
    read: Vec<Vec<u8>>,
    residuals: Vec<ferrite_iscsi::initiator::Residual>,
    notices: usize,
    stat_sn: u32,
    faults: usize,
}

/// A session with everything in it.
fn session(kit: &Kit, mut initiator: Initiator<Wire>) -> Told {
    let start = initiator.exp_stat_sn();
    let mut read = Vec::new();
    let mut residuals = Vec::new();
    for (seed, blocks) in [1, 3, 8, 21, 64].into_iter().enumerate() {
        let data = pattern((blocks * BLOCK) as usize, seed as u32);
        let writing = Request::new(0, &cdb::write16(7, blocks)).writing(data);
        residuals.push(initiator.command(&writing).unwrap().residual);
        let reading = Request::new(0, &cdb::read16(7, blocks)).reading(blocks * BLOCK + 100);
        let result = initiator.command(&reading).unwrap();
        residuals.push(result.residual);
        read.push(result.data);
    }
    read.push(initiator.inquiry(0, None).unwrap());
    read.push(initiator.ping(&pattern(333, 1)).unwrap());
    let long = [&[0x7f][..], &pattern(76, 0)].concat();
    read.push(initiator.command(&Request::new(0, &long).reading(100)).unwrap().data);
    kit.target().holding = true;
    let held = initiator.submit(&Request::new(0, &cdb::read10(0, 2)).reading(1024)).unwrap();
    initiator.manage(function::ABORT_TASK, lun(0), Some(held)).unwrap();
    kit.target().holding = false;
    kit.target().notify(Notice::LogoutRequest { seconds: 3 });
    assert_eq!(initiator.send_targets("").unwrap().len(), 1);
    let notices = std::iter::from_fn(|| initiator.poll_notice()).count();
    let stat_sn = initiator.exp_stat_sn().wrapping_sub(start);
    assert_eq!(initiator.logout().unwrap(), 0);
    Told { read, residuals, notices, stat_sn, faults: kit.target().faults.len() }
}

fn with_everything(digests: bool) -> Settings {
    let chap = Chap::one_way("alice", "wonderland twelve").and_back(
        Credentials::new("target", "looking glass 12"),
        3,
        vec![9; 24],
    );
    let keys = Keys {
        max_recv_data_segment_length: 1500,
        first_burst_length: 2000,
        max_burst_length: 5000,
        max_outstanding_r2t: 3,
        ..Keys::default()
    };
    Settings { chap: Some(chap), keys: keys.with_digests(digests), ..settings() }
}

fn guarded() -> Kit {
    let kit = Kit::new();
    let account = |name: &str, secret| Account { name: name.into(), secret: Secret::from(secret) };
    kit.target().terms.auth = Auth::Chap {
        accounts: vec![account("alice", "wonderland twelve")],
        mutual: Some(account("target", "looking glass 12")),
    };
    kit
}

/// One byte, primes, around headers and digests, all at once: login, data both ways, text, abort, logout.
#[test]
fn a_session_is_the_same_in_every_segmentation() {
    for digests in [false, true] {
        let settings = with_everything(digests);
        let mut first: Option<Told> = None;
        for piece in Piece::ALL {
            let kit = guarded();
            let initiator = Initiator::login(kit.wire(piece), &settings).unwrap();
            let told = session(&kit, initiator);
            assert_eq!((told.faults, told.notices), (0, 1), "{piece:?}");
            match &first {
                None => first = Some(told),
                Some(first) => assert_eq!(told, *first, "{piece:?}, digests {digests}"),
            }
        }
    }
}

/// The same for discovery with an answer of many PDUs.
#[test]
fn discovery_is_the_same_in_every_segmentation() {
    for piece in Piece::ALL {
        let kit = Kit::new();
        let record = |index| ferrite_iscsi::TargetRecord {
            name: format!("iqn.2026-11.org.example:disk-{index}"),
            portals: vec![("192.0.2.1:3260".into(), 1)],
        };
        kit.target().records = (0..40).map(record).collect();
        let keys = Keys { max_recv_data_segment_length: 600, ..Keys::default() };
        let mut session = Initiator::login(kit.wire(piece), &Settings { keys, ..discovery() }).unwrap();
        assert_eq!(session.send_targets("All").unwrap().len(), 40, "{piece:?}");
    }
}

/// Many commands in flight while the stream trickles.
#[test]
fn pipelined_commands_survive_a_trickle() {
    for piece in [Piece::Bytes(1), Piece::Bytes(13), Piece::Whole] {
        let kit = Kit::new();
        let mut initiator = Initiator::login(kit.wire(piece), &settings()).unwrap();
        for round in 0..4u32 {
            for lba in 0..64 {
                let data = pattern(BLOCK as usize, lba + round);
                initiator.submit(&Request::new(0, &cdb::write10(lba, 1)).writing(data)).unwrap();
            }
            for _ in 0..64 {
                initiator.complete().unwrap();
            }
            for lba in 0..64 {
                let expected = pattern(BLOCK as usize, lba + round);
                assert_eq!(initiator.read(0, lba.into(), 1, BLOCK).unwrap(), expected, "{piece:?}, block {lba}");
            }
        }
    }
}
