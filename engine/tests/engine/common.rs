//! What the tests of a running engine share: an engine on a loopback port, and initiators for it.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use ferrite_api::{AllowRule, IdentitySpec, Iqn, LunNumber, TargetSpec};
use ferrite_backends::Backend;
use ferrite_engine::{Engine, EngineOptions, IoChoice, IoOptions};
use ferrite_iscsi::initiator::{Initiator, Settings};

pub(crate) const TARGET: &str = "iqn.2026-11.com.example:disk";
pub(crate) const HOST: &str = "iqn.2026-11.com.example:host";
pub(crate) const BLOCK: u32 = 512;

/// Both tenants of the disks; a machine without `io_uring` says so and is tested with threads alone.
#[allow(clippy::print_stderr, reason = "says what is tested, and loudly what is not")]
pub(crate) fn both_tenants(test: impl Fn(IoChoice)) {
    for choice in [IoChoice::Uring, IoChoice::Threads] {
        eprintln!("disks by {choice:?}");
        match Engine::start(&options(choice, 1)) {
            Ok(_) => test(choice),
            Err(error) if std::env::var_os("CI").is_none() => eprintln!("SKIPPED: {choice:?}: {error}"),
            Err(error) => panic!("{choice:?}: {error}"),
        }
    }
}

pub(crate) fn options(choice: IoChoice, shards: usize) -> EngineOptions {
    let io = IoOptions { choice, spin: Duration::from_micros(20) };
    EngineOptions { shards, io, ..EngineOptions::default() }
}

/// An engine with one open target and no LUN.
pub(crate) struct Served {
    pub(crate) engine: Engine,
    pub(crate) address: SocketAddr,
}

impl Served {
    pub(crate) fn new(options: &EngineOptions) -> Self {
        let engine = Engine::start(options).unwrap();
        let address = engine.listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let served = Self { engine, address };
        served.engine.add_target(&iqn(), &open_target()).unwrap();
        served
    }

    pub(crate) fn with(self, number: u16, disk: impl Backend) -> Self {
        self.add(number, Arc::new(disk));
        self
    }

    pub(crate) fn add(&self, number: u16, disk: Arc<dyn Backend>) {
        self.engine.add_disk(&iqn(), lun(number), disk, &IdentitySpec::default()).unwrap();
    }

    pub(crate) fn stream(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// A session of its own for each `port`, past its first unit attentions on `luns`.
    pub(crate) fn login(&self, port: u8, luns: &[u16]) -> Initiator<TcpStream> {
        let mut initiator = Initiator::login(self.stream(), &settings(port)).unwrap();
        for lun in luns {
            initiator.settle(*lun).unwrap();
        }
        initiator
    }
}

pub(crate) fn settings(port: u8) -> Settings {
    let mut settings = Settings::normal(HOST, TARGET);
    settings.isid[5] = port;
    settings
}

pub(crate) fn iqn() -> Iqn {
    Iqn::parse(TARGET).unwrap()
}

pub(crate) fn lun(number: u16) -> LunNumber {
    LunNumber::new(number).unwrap()
}

pub(crate) fn open_target() -> TargetSpec {
    TargetSpec { allow: vec![AllowRule::Any], ..TargetSpec::default() }
}

/// Bytes that say where they belong, so that a misplaced block is seen.
pub(crate) fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}
