//! Persistent reservations on a running engine: what survives a restart, and what PREEMPT AND ABORT ends.

use crate::common::*;
use ferrite_backends::{DiskError, Fault, FaultyDisk, MemoryDisk, OpKind, Rule};
use ferrite_engine::{EngineOptions, IoChoice};
use ferrite_iscsi::initiator::{Answer, Initiator, Notice, Request, ScsiResult, cdb};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

type Host = Initiator<TcpStream>;

const REGISTER: u8 = 0;
const RESERVE: u8 = 1;
const PREEMPT_AND_ABORT: u8 = 5;
const WRITE_EXCLUSIVE_REGISTRANTS: u8 = 5;
const EXCLUSIVE_ACCESS: u8 = 3;
const APTPL: u8 = 0x01;

fn out(action: u8, kind: u8, key: u64, second: u64, flags: u8) -> Request {
    let mut list = vec![0; 24];
    list[..8].copy_from_slice(&key.to_be_bytes());
    list[8..16].copy_from_slice(&second.to_be_bytes());
    list[20] = flags;
    Request::new(0, &[0x5F, action, kind, 0, 0, 0, 0, 0, 24, 0]).writing(list)
}

/// READ KEYS: the keys that are registered.
fn keys(host: &mut Host) -> Vec<u64> {
    let data = host.command(&Request::new(0, &[0x5E, 0, 0, 0, 0, 0, 0, 0, 255, 0]).reading(255)).unwrap().data;
    data[8..].chunks_exact(8).map(|key| u64::from_be_bytes(key.try_into().unwrap())).collect()
}

fn write(host: &mut Host, lba: u64) -> ScsiResult {
    host.command(&Request::new(0, &cdb::write16(lba, 1)).writing(vec![7; 512])).unwrap()
}

fn good(host: &mut Host, request: &Request) {
    let answer = host.command(request).unwrap();
    assert!(answer.is_good(), "{answer:?}");
}

fn keeping(choice: IoChoice, folder: &Path) -> EngineOptions {
    EngineOptions { state_dir: Some(folder.to_owned()), ..options(choice, 2) }
}

#[test]
fn a_reservation_that_persists_through_power_loss_is_there_after_a_restart_and_one_that_does_not_is_not() {
    both_tenants(|choice| {
        for (flags, persists) in [(APTPL, true), (0, false)] {
            let folder = tempfile::tempdir().unwrap();
            let served = Served::new(&keeping(choice, folder.path())).with(0, MemoryDisk::new(1 << 20));
            let (mut holder, mut other) = (served.login(1, &[0]), served.login(2, &[0]));
            good(&mut holder, &out(REGISTER, 0, 0, 0xA, flags));
            good(&mut holder, &out(RESERVE, EXCLUSIVE_ACCESS, 0xA, 0, 0));
            assert_eq!(write(&mut other, 0).status, 0x18);
            drop(served);
            let served = Served::new(&keeping(choice, folder.path())).with(0, MemoryDisk::new(1 << 20));
            let (mut holder, mut other) = (served.login(1, &[0]), served.login(2, &[]));
            assert_eq!(keys(&mut holder), if persists { vec![0xA] } else { vec![] });
            assert_eq!(write(&mut other, 0).sense_code(), Some((6, 0x29, 0)));
            assert_eq!(write(&mut other, 0).status, if persists { 0x18 } else { 0 });
            assert!(write(&mut holder, 0).is_good());
        }
    });
}

#[test]
fn a_registration_that_cannot_be_kept_fails_and_nobody_is_registered() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let served = Served::new(&keeping(Default::default(), &state)).with(0, MemoryDisk::new(1 << 20));
    let mut host = served.login(1, &[0]);
    std::fs::rename(&state, folder.path().join("away")).unwrap();
    let refused = host.command(&out(REGISTER, 0, 0, 0xA, APTPL)).unwrap();
    assert_eq!(refused.sense_code(), Some((4, 0x44, 0)));
    assert!(keys(&mut host).is_empty());
    good(&mut host, &out(REGISTER, 0, 0, 0xB, 0));
    std::fs::rename(folder.path().join("away"), &state).unwrap();
    good(&mut host, &out(REGISTER, 0, 0xB, 0xA, APTPL));
    assert_eq!(keys(&mut host), [0xA]);
}

#[test]
fn preempt_and_abort_ends_the_commands_of_those_it_names_on_every_shard_and_of_nobody_else() {
    both_tenants(|choice| {
        for persists in [0, APTPL] {
            let folder = tempfile::tempdir().unwrap();
            let served = Served::new(&EngineOptions { shards: 4, ..keeping(choice, folder.path()) });
            let disk = Arc::new(FaultyDisk::new(MemoryDisk::new(1 << 20)));
            served.add(0, disk.clone());
            let mut hosts: Vec<Host> = (0..6)
                .map(|port| {
                    let mut settings = settings(port);
                    settings.extra.push(("TaskReporting".into(), "FastAbort".into()));
                    let mut host = Initiator::login(served.stream(), &settings).unwrap();
                    host.settle(0).unwrap();
                    host
                })
                .collect();
            // The last one stays: its key is another.
            for (port, host) in hosts.iter_mut().enumerate() {
                let key = if port == 5 { 0xC } else { 0xA + u64::from(port > 0) };
                good(host, &out(REGISTER, 0, 0, key, persists));
            }
            good(&mut hosts[1], &out(RESERVE, WRITE_EXCLUSIVE_REGISTRANTS, 0xB, 0, 0));
            disk.add(Rule::new(Fault::Hang).on(OpKind::Write));
            let tags: Vec<u32> = hosts[1..]
                .iter_mut()
                .zip(1..)
                .map(|(host, lba)| {
                    let tag = host.submit(&Request::new(0, &cdb::write16(lba, 1)).writing(vec![9; 512])).unwrap();
                    host.ping(b"").unwrap();
                    tag
                })
                .collect();
            assert_eq!(disk.hanging(), 5);
            let preempt = out(PREEMPT_AND_ABORT, WRITE_EXCLUSIVE_REGISTRANTS, 0xA, 0xB, 0);
            let waits = hosts[0].submit(&preempt).unwrap();
            hosts[0].ping(b"").unwrap();
            std::thread::sleep(Duration::from_millis(100));
            hosts[0].ping(b"").unwrap();
            assert!(hosts[0].poll_completion().is_none(), "writes of those it names are on the disk");
            disk.heal();
            disk.fail_hanging(DiskError::Medium);
            match hosts[0].complete_one(waits).unwrap() {
                Answer::Scsi(result) => assert!(result.is_good(), "{result:?}"),
                other => panic!("{other:?}"),
            }
            // The one who was not named has its answer, the others none.
            match hosts[5].complete_one(tags[4]).unwrap() {
                Answer::Scsi(result) => assert_eq!(result.sense_code(), Some((3, 0x0C, 0))),
                other => panic!("{other:?}"),
            }
            for (host, tag) in hosts[1..5].iter_mut().zip(&tags) {
                host.ping(b"").unwrap();
                let answered = host.poll_completion();
                assert!(answered.is_none(), "TAS is zero, and no answer: {answered:?}");
                assert!(matches!(host.poll_notice(), Some(Notice::Async(message, _)) if message.event == 5));
                host.forget(*tag);
                let mut told = Vec::new();
                while let Some(code) = host.command(&Request::new(0, &[0; 6])).unwrap().sense_code() {
                    told.push(code);
                }
                told.sort_unstable();
                assert_eq!(told, [(6, 0x2A, 5), (6, 0x2F, 0)]);
                assert_eq!(write(host, 0).status, 0x18);
            }
            assert!(hosts[5].poll_notice().is_none());
            assert_eq!(keys(&mut hosts[0]), [0xA, 0xC]);
            assert!(write(&mut hosts[0], 0).is_good());
        }
    });
}
