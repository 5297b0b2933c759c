//! What does each part of a command's way cost by itself?
//!
//! `cargo bench -p ferrite-benches`. The figures are for comparing one state of the code with another on one machine.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ferrite_iscsi::wire::digest::crc32c;
use ferrite_iscsi::wire::{DataIn, LoginRequest, NO_TAG, Opcode, ScsiCommand, data_len, text};
use ferrite_iscsi::{
    Auth, Connection, ConnectionLimits, Entropy, Event, Login, LoginEvent, LoginLimits, Offer, Outcome, Session, Terms,
    Tsih, Want,
};
use ferrite_scsi::{Attribute, Book, Command, Device, Identity, LogicalUnit, Medium, Nexus, NexusId, Plan, Port};

const BLOCK: u32 = 4096;

/// READ(10) or WRITE(10) of one 4 KiB block, on the wire.
fn command(write: bool, cmd_sn: u32) -> [u8; 48] {
    let mut cdb = [0; 16];
    (cdb[0], cdb[5], cdb[8]) = (if write { 0x2a } else { 0x28 }, 8, 8);
    let command = ScsiCommand {
        fin: true,
        read: !write,
        write,
        attribute: 1,
        itt: cmd_sn,
        expected: BLOCK,
        cmd_sn,
        cdb,
        data_len: if write { BLOCK } else { 0 },
        ..ScsiCommand::default()
    };
    command.encode()
}

fn wire(c: &mut Criterion) {
    let bhs = command(false, 7);
    c.bench_function("wire: read a SCSI Command header", |b| {
        b.iter(|| (Opcode::of(black_box(&bhs)), data_len(&bhs), ScsiCommand::decode(black_box(&bhs))));
    });
    let data = DataIn { fin: true, status_here: true, itt: 7, ttt: NO_TAG, data_len: BLOCK, ..DataIn::default() };
    c.bench_function("wire: write a Data-In header", |b| b.iter(|| black_box(&data).encode()));
    let keys = b"HeaderDigest=None,CRC32C\0DataDigest=None\0InitialR2T=No\0ImmediateData=Yes\0MaxBurstLength=262144\0";
    c.bench_function("wire: read a text of five keys", |b| b.iter(|| text::parse(black_box(keys))));
}

fn digest(c: &mut Criterion) {
    let mut group = c.benchmark_group("digest");
    for len in [48, 4096, 262_144] {
        let bytes = vec![7u8; len];
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(format!("{len} bytes"), |b| b.iter(|| crc32c(black_box(&bytes))));
    }
    group.finish();
}

fn scsi(c: &mut Criterion) {
    let medium = Medium::new(512, 1 << 30).expect("a disk of 512 GiB");
    let unit = LogicalUnit::new(Identity::derive("uuid:bench"), medium, Arc::new(Book::new()));
    let port = Port::single("iqn.2026-11.org.example:t", Arc::new(Device::new(|| 0, |bytes| bytes.fill(1))));
    let id = NexusId { session: 1, name: "iqn.2026-11.org.example:i,i,0x800000000001".into(), portal_group: 1 };
    let mut nexus = Nexus::new(id);
    nexus.forget_attentions();
    let mut plan = |name: &str, cdb: &[u8]| {
        let command = Command { cdb, attribute: Attribute::Simple, data_out: 0, data_in: BLOCK };
        assert!(!matches!(&unit.plan(&mut nexus, &port, &command), Plan::Reply(reply) if reply.sense.is_some()));
        c.bench_function(name, |b| b.iter(|| unit.plan(&mut nexus, black_box(&port), black_box(&command))));
    };
    plan("scsi: READ(10) to its plan", &[0x28, 0, 0, 0, 0, 8, 0, 0, 8, 0]);
    plan("scsi: READ(16) to its plan", &[0x88, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0]);
    plan("scsi: INQUIRY to its reply", &[0x12, 0, 0, 0, 96, 0]);
}

/// A session as it is after a login without wishes.
fn session() -> (Session, Connection<Bytes>) {
    let now = Instant::now();
    let mut login = Login::new(LoginLimits::default(), Entropy::new([1; 32]), now);
    let names = b"InitiatorName=iqn.2026-11.org.example:i\0TargetName=iqn.2026-11.org.example:t\0\
        SessionType=Normal\0InitialR2T=No\0MaxRecvDataSegmentLength=262144\0FirstBurstLength=65536\0";
    let request = LoginRequest {
        immediate: true,
        transit: true,
        csg: 1,
        nsg: 3,
        isid: [0x80, 0, 0, 0, 0, 1],
        cmd_sn: 1,
        data_len: names.len() as u32,
        ..LoginRequest::default()
    };
    let mut stream = [&request.encode()[..], names].concat();
    stream.resize(stream.len().next_multiple_of(4), 0);
    let mut rest = &stream[..];
    loop {
        match login.poll_event() {
            Some(LoginEvent::Names(_)) => {
                let offer = Offer::default();
                login.offer(Terms { auth: Auth::None, portal_group: 1, target_alias: None, offer });
            }
            Some(LoginEvent::Ready(_)) => break,
            Some(event) => panic!("the login failed: {event:?}"),
            None => rest = &rest[login.receive(rest, now)..],
        }
    }
    let limits = ConnectionLimits { ping_interval: None, ..ConnectionLimits::default() };
    let (session, mut connection) = login.admit(Tsih::new(1).expect("one is a handle"), limits, now);
    sent(&mut connection, now);
    (session, connection)
}

/// Everything that is due leaves.
fn sent(connection: &mut Connection<Bytes>, now: Instant) -> usize {
    let mut slices = Vec::new();
    connection.outgoing().slices(&mut slices, 64, 1 << 20);
    let len = slices.iter().map(|slice| slice.len()).sum();
    drop(slices);
    connection.sent(len, now);
    len
}

fn protocol(c: &mut Criterion) {
    let now = Instant::now();
    let data = Bytes::from(vec![3; BLOCK as usize]);
    c.bench_function("protocol: 4 KiB read, from its header to its last byte", |b| {
        let (mut session, mut connection) = session();
        let mut cmd_sn = 0;
        b.iter(|| {
            cmd_sn += 1;
            connection.receive(&mut session, &command(false, cmd_sn), now);
            let Some(Event::Command(command)) = connection.poll_event() else { panic!("a command was sent") };
            connection.send_data(&mut session, command.task, data.clone(), Outcome::good(BLOCK));
            assert_eq!(sent(&mut connection, now), 48 + BLOCK as usize);
        });
    });
    c.bench_function("protocol: 4 KiB write, from its header to its response", |b| {
        let (mut session, mut connection) = session();
        let mut cmd_sn = 0;
        b.iter(|| {
            cmd_sn += 1;
            connection.receive(&mut session, &command(true, cmd_sn), now);
            let Some(Event::Command(command)) = connection.poll_event() else { panic!("a command was sent") };
            connection.begin_write(&mut session, command.task, BLOCK);
            assert!(matches!(connection.want(), Want::Payload { len: BLOCK, .. }));
            connection.landed(&mut session, &data, now);
            let Some(Event::DataComplete(task)) = connection.poll_event() else { panic!("the data is there") };
            connection.respond(&mut session, task, Outcome::good(BLOCK));
            assert_eq!(sent(&mut connection, now), 48);
        });
    });
}

criterion_group! {
    name = parts;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = wire, digest, scsi, protocol
}
criterion_main!(parts);
