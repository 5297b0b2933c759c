//! One run of a load: connect, log in, warm up, measure, drain, log out.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrite_iscsi::initiator::{Capacity, Initiator, Keys, Settings, lun};
use hdrhistogram::Histogram;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

use super::Error;
use super::lane::{Finished, Lane, Start};
use super::report::Report;
use super::workload::{Access, EXCHANGE_MAX, Plan};

/// Bytes that one read takes at most.
const READ_LEN: usize = 256 * 1024;

/// A target that answers nothing for so many seconds is given up.
const SILENCE_MAX_S: u64 = 10;

/// Connections of one run, at most.
pub const CONNECTIONS_MAX: usize = 64;

/// Commands in flight on one connection, at most.
pub const DEPTH_MAX: usize = 1024;

/// The name that the generator logs in under; connections differ in their ISID.
const INITIATOR: &str = "iqn.2026-11.org.ferrite:load";

/// Which blocks are touched, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pattern {
    /// What is done with them.
    pub access: Access,
    /// Anywhere on the unit instead of one after the other.
    pub random: bool,
}

/// What to do to which target.
#[derive(Debug, Clone)]
pub struct Options {
    /// Portal.
    pub address: SocketAddr,
    /// Target name.
    pub target: String,
    /// Logical unit number.
    pub lun: u16,
    /// What is done, in order or not.
    pub pattern: Pattern,
    /// Bytes of one command: whole logical blocks, below 16 MiB.
    pub block_len: u32,
    /// Commands in flight on each connection.
    pub depth: usize,
    /// Connections, each a session of its own.
    pub connections: usize,
    /// What is measured.
    pub measured: Duration,
    /// What comes before it.
    pub warmup: Duration,
    /// CRC32C over headers and data.
    pub digests: bool,
    /// The processor to stay on.
    pub pin: Option<usize>,
    /// Ask the sockets again and again instead of sleeping: no wake-up in the latencies, a whole processor used.
    pub spin: bool,
}

/// Runs a load.
///
/// # Errors
/// See [`Error`]. A run that met any failed command is no measurement.
pub fn run(options: &Options) -> Result<Report, Error> {
    let fits = (1..=DEPTH_MAX).contains(&options.depth)
        && (1..=CONNECTIONS_MAX).contains(&options.connections)
        && (1..1 << 24).contains(&options.block_len);
    if !fits {
        let what =
            format!("a load has depth 1 to {DEPTH_MAX}, connections 1 to {CONNECTIONS_MAX}, blocks below 16 MiB");
        return Err(Error::Unfit(what));
    }
    if let Some(cpu) = options.pin {
        let mut set = CpuSet::new();
        set.set(cpu).and_then(|()| sched_setaffinity(Pid::from_raw(0), &set)).map_err(io::Error::from)?;
    }
    let pattern = options.pattern.access.pattern(options.block_len);
    let mut links = Vec::with_capacity(options.connections);
    for index in 0..options.connections {
        links.push(Link::open(options, index, &pattern)?);
    }
    let report = Clock::new(options).measure(&mut links)?;
    for link in &mut links {
        link.close(&pattern)?;
    }
    Ok(report)
}

/// One connection: its socket and its commands.
struct Link {
    stream: TcpStream,
    lane: Lane,
    pattern: Arc<[u8]>,
}

impl Link {
    fn open(options: &Options, index: usize, pattern: &Arc<[u8]>) -> Result<Self, Error> {
        let stream = TcpStream::connect(options.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(SILENCE_MAX_S)))?;
        let mut settings = Settings::normal(INITIATOR, options.target.as_str());
        let digest = if options.digests { vec!["CRC32C", "None"] } else { vec!["None"] };
        settings.keys = Keys { header_digest: digest.clone(), data_digest: digest, ..Keys::default() };
        settings.isid[4..].copy_from_slice(&(index as u16 + 1).to_be_bytes());
        let mut initiator = Initiator::login(stream, &settings)?;
        let agreed = initiator.agreed();
        if (agreed.header_digest, agreed.data_digest) != (options.digests, options.digests) {
            return Err(Error::Unfit("the target does not agree to digests".into()));
        }
        initiator.settle(options.lun)?;
        let Capacity { blocks, block_size } = initiator.read_capacity(options.lun)?;
        if !options.block_len.is_multiple_of(block_size) {
            return Err(Error::Unfit(format!("{} bytes are no whole blocks of {block_size}", options.block_len)));
        }
        if options.pattern.access == Access::CompareAndWrite && options.block_len / block_size > EXCHANGE_MAX {
            return Err(Error::Unfit(format!("COMPARE AND WRITE names at most {EXCHANGE_MAX} blocks")));
        }
        let plan = Plan {
            block_len: options.block_len,
            logical_block: block_size,
            capacity: blocks,
            access: options.pattern.access,
            random: options.pattern.random,
        };
        let workload = plan
            .part(index, options.connections, pattern)
            .ok_or_else(|| Error::Unfit("the unit is too small for this load".into()))?;
        let parts = initiator.into_parts();
        let start = Start {
            agreed: parts.agreed,
            cmd_sn: parts.cmd_sn,
            exp_stat_sn: parts.exp_stat_sn,
            max_cmd_sn: parts.max_cmd_sn,
            lun: lun(options.lun),
        };
        let mut lane = Lane::new(start, workload, options.depth);
        lane.receive(&parts.received, &mut Nobody)?;
        parts.stream.set_nonblocking(true)?;
        Ok(Link { stream: parts.stream, lane, pattern: Arc::clone(pattern) })
    }

    fn send(&mut self) -> Result<bool, Error> {
        Ok(self.lane.out.write(&mut self.stream, &self.pattern)?)
    }

    /// One read and all that follows from it; true where something came.
    fn receive(&mut self, buffer: &mut [u8], heard: &mut Latencies) -> Result<bool, Error> {
        let len = match self.stream.read(buffer) {
            Ok(0) => return Err(Error::Closed),
            Ok(len) => len,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        heard.now = Instant::now();
        self.lane.receive(&buffer[..len], heard)?;
        Ok(true)
    }

    /// Logs out and waits for the target to close, or to have said all it has to say.
    fn close(&mut self, pattern: &[u8]) -> Result<(), Error> {
        self.stream.set_nonblocking(false)?;
        self.lane.log_out();
        self.lane.out.write(&mut self.stream, pattern)?;
        let mut answer = [0; 48];
        match self.stream.read_exact(&mut answer) {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// Between login and the run nothing is in flight that could finish.
struct Nobody;

impl Finished for Nobody {
    fn finished(&mut self, _: Instant) {
        unreachable!("a command finished that was never issued");
    }
}

struct Latencies {
    now: Instant,
    nanoseconds: Histogram<u64>,
    total: u64,
}

impl Finished for Latencies {
    fn finished(&mut self, issued: Instant) {
        let latency = self.now.saturating_duration_since(issued).as_nanos() as u64;
        self.nanoseconds.saturating_record(latency);
        self.total += 1;
    }
}

/// The phases of a run.
struct Clock<'a> {
    options: &'a Options,
    latencies: Latencies,
}

impl<'a> Clock<'a> {
    fn new(options: &'a Options) -> Self {
        // From 1 ns to a minute, three digits.
        let nanoseconds = Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("the bounds are in order");
        Clock { options, latencies: Latencies { now: Instant::now(), nanoseconds, total: 0 } }
    }

    fn measure(mut self, links: &mut [Link]) -> Result<Report, Error> {
        let begun = Instant::now();
        self.turns(links, begun + self.options.warmup)?;
        self.latencies.nanoseconds.reset();
        let (started, busy) = (Instant::now(), busy()?);
        self.turns(links, started + self.options.measured)?;
        let (measured, busy) = (started.elapsed(), self::busy()?.saturating_sub(busy));
        let report = Report::new(&self.latencies.nanoseconds, measured, busy, self.options.block_len);
        self.drain(links)?;
        Ok(report)
    }

    /// Keeps every connection full until `end`.
    fn turns(&mut self, links: &mut [Link], end: Instant) -> Result<(), Error> {
        let mut buffer = vec![0; READ_LEN];
        let (mut counted, mut last) = (self.latencies.total, Instant::now());
        loop {
            let mut moved = false;
            let now = Instant::now();
            for link in &mut *links {
                moved |= link.receive(&mut buffer, &mut self.latencies)?;
                link.lane.fill(now);
                moved |= link.send()?;
            }
            if now >= end {
                return Ok(());
            }
            if self.latencies.total != counted {
                (counted, last) = (self.latencies.total, now);
            } else if now.duration_since(last).as_secs() >= SILENCE_MAX_S {
                return Err(Error::Silent(SILENCE_MAX_S));
            }
            if !moved && !self.options.spin {
                sleep(links, end.duration_since(now))?;
            }
        }
    }

    /// Lets the commands in flight end.
    fn drain(&mut self, links: &mut [Link]) -> Result<(), Error> {
        let mut buffer = vec![0; READ_LEN];
        let end = Instant::now() + Duration::from_secs(SILENCE_MAX_S);
        while links.iter().any(|link| link.lane.in_flight() > 0) {
            let mut moved = false;
            for link in &mut *links {
                moved |= link.receive(&mut buffer, &mut self.latencies)?;
                moved |= link.send()?;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Silent(SILENCE_MAX_S));
            }
            if !moved {
                sleep(links, left)?;
            }
        }
        Ok(())
    }
}

/// Sleeps until a connection can move, at most for `time`.
fn sleep(links: &[Link], time: Duration) -> Result<(), Error> {
    let wish = |link: &Link| match link.lane.out.is_empty() {
        true => PollFlags::POLLIN,
        false => PollFlags::POLLIN | PollFlags::POLLOUT,
    };
    // An array, because a vector would be an allocation for each command at depth 1.
    let mut fds: [PollFd<'_>; CONNECTIONS_MAX] = std::array::from_fn(|index| {
        let link = links.get(index).unwrap_or(&links[0]);
        PollFd::new(link.stream.as_fd(), wish(link))
    });
    let timeout = PollTimeout::try_from(time.min(Duration::from_secs(1))).expect("a second fits");
    match poll(&mut fds[..links.len()], timeout) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(errno) => Err(io::Error::from(errno).into()),
    }
}

/// Processor time that this thread has used.
fn busy() -> Result<Duration, Error> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_err(io::Error::from)?;
    Ok(time.into())
}
