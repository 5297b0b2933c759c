//! How many commands could any target answer over this machine's loopback?
//!
//! A server that knows no SCSI: it answers each read with the same bytes and each write with GOOD, on one thread, with
//! one large read and one vectored write a turn. What a target loses against it, it loses by its own work.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use ferrite_iscsi::wire::{
    Bhs, DataIn, LoginResponse, LogoutResponse, NO_TAG, NopIn, Opcode, ScsiCommand, ScsiResponse, data_len, padding,
};
use ferrite_iscsi::{Auth, ConnectionLimits, DigestOffer, Entropy, Login, LoginEvent, LoginLimits, Offer, Terms, Tsih};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::outbox::Outbox;

/// The name of the target; any other is taken as well.
pub const TARGET: &str = "iqn.2026-11.org.ferrite:wire-limit";

/// Connections at a time; more are closed as they come.
pub const CONNECTIONS_MAX: usize = 64;

/// Bytes of a logical block, and blocks of the unit: 1 GiB.
const BLOCK_LEN: u32 = 512;
const BLOCKS: u64 = 1 << 21;

/// The longest command that is answered, in bytes.
const COMMAND_MAX: u32 = 1 << 20;

/// Commands that each connection may have in flight.
const WINDOW: u32 = 1024;

const READ_LEN: usize = 256 * 1024;

/// How long it asks the sockets again and again after something moved, before it sleeps.
const SPIN: Duration = Duration::from_micros(50);

/// The server.
pub struct Server {
    listener: TcpListener,
}

impl Server {
    /// Listens on `address`; port 0 takes any.
    ///
    /// # Errors
    /// Those of the system.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(Server { listener })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// Those of the system.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` says so; it is asked whenever there is nothing to do, at least ten times a second.
    ///
    /// # Errors
    /// Those of the system; a connection that fails is dropped.
    pub fn run(&self, stop: impl Fn() -> bool) -> io::Result<()> {
        // Not zero: a page of zeroes could be shared by the processor's caches in ways that real data is not.
        let data: Vec<u8> = (0..COMMAND_MAX).map(|at| (at / 512 + at) as u8 | 1).collect();
        let mut buffer = vec![0; READ_LEN];
        let mut links: Vec<Link> = Vec::new();
        let mut last = Instant::now();
        loop {
            let mut moved = false;
            links.retain_mut(|link| match link.turn(&mut buffer, &data) {
                Ok(some) => {
                    moved |= some;
                    !link.is_over()
                }
                Err(_) => false,
            });
            if moved {
                last = Instant::now();
                continue;
            }
            // A ceiling that sleeps at once would lie below targets that look again for a moment.
            if last.elapsed() < SPIN && !links.is_empty() {
                continue;
            }
            self.sleep(&links)?;
            last = Instant::now();
            if stop() {
                return Ok(());
            }
            while let Some(stream) = self.accept()? {
                if links.len() < CONNECTIONS_MAX {
                    links.push(Link::new(stream)?);
                }
            }
        }
    }

    fn accept(&self) -> io::Result<Option<TcpStream>> {
        match self.listener.accept() {
            Ok((stream, _)) => Ok(Some(stream)),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionAborted) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn sleep(&self, links: &[Link]) -> io::Result<()> {
        let mut fds: [PollFd<'_>; CONNECTIONS_MAX + 1] = std::array::from_fn(|index| match links.get(index) {
            Some(link) if link.out.is_empty() => PollFd::new(link.stream.as_fd(), PollFlags::POLLIN),
            Some(link) => PollFd::new(link.stream.as_fd(), PollFlags::POLLIN | PollFlags::POLLOUT),
            None => PollFd::new(self.listener.as_fd(), PollFlags::POLLIN),
        });
        match poll(&mut fds[..=links.len()], PollTimeout::from(100u8)) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// One connection.
struct Link {
    stream: TcpStream,
    out: Outbox,
    phase: Phase,
}

enum Phase {
    Login(Box<Login>),
    Live(Live),
    /// A logout was answered, or the peer is gone.
    Over,
}

impl Link {
    fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        // Nobody is authenticated here, so nothing has to be unpredictable.
        let login = Login::new(LoginLimits::default(), Entropy::new([0; 32]), Instant::now());
        Ok(Link { stream, out: Outbox::new(), phase: Phase::Login(Box::new(login)) })
    }

    fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over) && self.out.is_empty()
    }

    /// Reads once and answers; true where something moved.
    fn turn(&mut self, buffer: &mut [u8], data: &[u8]) -> io::Result<bool> {
        let mut moved = false;
        match self.stream.read(buffer) {
            Ok(0) => {
                self.phase = Phase::Over;
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(len) => {
                self.receive(&buffer[..len])?;
                moved = true;
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
        Ok(self.out.write(&mut self.stream, data)? || moved)
    }

    fn receive(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while let Phase::Login(_) = self.phase
            && !bytes.is_empty()
        {
            let taken = self.log_in(bytes)?;
            bytes = &bytes[taken..];
        }
        if let Phase::Live(live) = &mut self.phase
            && !live.receive(bytes, &mut self.out)?
        {
            self.phase = Phase::Over;
        }
        Ok(())
    }

    /// Gives the login bytes, answers what it asks, and says how many it took.
    fn log_in(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Phase::Login(login) = &mut self.phase else { unreachable!("the caller looked") };
        let taken = login.receive(bytes, Instant::now());
        while let Some(event) = login.poll_event() {
            match event {
                LoginEvent::Names(_) => login.offer(terms()),
                LoginEvent::Ready(_) => {
                    self.admit();
                    return Ok(taken);
                }
                LoginEvent::Failed { .. } | LoginEvent::Fault(_) => {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "the login failed"));
                }
            }
        }
        self.out.push(&login.output());
        if taken == 0 { Err(io::ErrorKind::InvalidData.into()) } else { Ok(taken) }
    }

    fn admit(&mut self) {
        let Phase::Login(login) = std::mem::replace(&mut self.phase, Phase::Over) else { return };
        let handle = Tsih::new(1).expect("one is not zero");
        let (session, mut connection) = login.admit::<Vec<u8>>(handle, ConnectionLimits::default(), Instant::now());
        let mut slices = Vec::new();
        connection.outgoing().slices(&mut slices, usize::MAX, usize::MAX);
        let response: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        let header = LoginResponse::decode(response.first_chunk().expect("the last Login Response is due"));
        self.out.push(&response);
        self.phase = Phase::Live(Live {
            stat_sn: header.stat_sn.wrapping_add(1),
            segment_max: session.params().initiator_segment & !3,
            burst_max: session.params().max_burst,
            header: [0; 48],
            have: 0,
            skip: 0,
            answer: None,
        });
    }
}

/// Everything unsolicited, so that a write is one PDU; no digests, which would be work.
fn terms() -> Terms {
    let offer = Offer {
        header_digest: DigestOffer::Never,
        data_digest: DigestOffer::Never,
        target_segment: COMMAND_MAX,
        first_burst: COMMAND_MAX,
        max_burst: COMMAND_MAX,
        ..Offer::default()
    };
    Terms { auth: Auth::None, portal_group: 1, target_alias: None, offer }
}

/// Full feature phase.
struct Live {
    stat_sn: u32,
    segment_max: u32,
    burst_max: u32,
    header: Bhs,
    /// Bytes of `header` that have come.
    have: usize,
    /// Bytes of the data segment that are still to come.
    skip: usize,
    /// What is said when they have come.
    answer: Option<Bhs>,
}

impl Live {
    /// Takes bytes in and answers; false where the initiator logs out.
    fn receive(&mut self, mut bytes: &[u8], out: &mut Outbox) -> io::Result<bool> {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let some = self.skip.min(bytes.len());
                self.skip -= some;
                bytes = &bytes[some..];
            } else {
                let some = (48 - self.have).min(bytes.len());
                self.header[self.have..self.have + some].copy_from_slice(&bytes[..some]);
                self.have += some;
                bytes = &bytes[some..];
                if self.have == 48 {
                    self.have = 0;
                    let len = data_len(&self.header) as usize;
                    self.skip = len + padding(len);
                    self.answer = Some(self.header);
                }
            }
            if self.skip == 0
                && let Some(header) = self.answer.take()
                && !self.answer(&header, out)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn answer(&mut self, header: &Bhs, out: &mut Outbox) -> io::Result<bool> {
        let command = ScsiCommand::decode(header);
        let exp_cmd_sn = command.cmd_sn.wrapping_add(if command.immediate { 0 } else { 1 });
        let max_cmd_sn = exp_cmd_sn.wrapping_add(WINDOW - 1);
        match Opcode::of(header) {
            Some(Opcode::ScsiCommand) if command.read && command.expected > 0 => {
                self.data_in(&command, exp_cmd_sn, max_cmd_sn, out)?;
            }
            Some(Opcode::ScsiCommand) => {
                if command.write && command.data_len != command.expected {
                    return Err(io::Error::new(io::ErrorKind::Unsupported, "only writes in one PDU are answered"));
                }
                let stat_sn = self.next_stat_sn();
                let response =
                    ScsiResponse { itt: command.itt, stat_sn, exp_cmd_sn, max_cmd_sn, ..ScsiResponse::default() };
                out.push(&response.encode());
            }
            Some(Opcode::NopOut) if command.itt != NO_TAG => {
                let stat_sn = self.next_stat_sn();
                let pong = NopIn { itt: command.itt, ttt: NO_TAG, stat_sn, exp_cmd_sn, max_cmd_sn, ..NopIn::default() };
                out.push(&pong.encode());
            }
            Some(Opcode::NopOut) => {}
            Some(Opcode::LogoutRequest) => {
                let stat_sn = self.next_stat_sn();
                let response =
                    LogoutResponse { itt: command.itt, stat_sn, exp_cmd_sn, max_cmd_sn, ..LogoutResponse::default() };
                out.push(&response.encode());
                return Ok(false);
            }
            _ => return Err(io::Error::new(io::ErrorKind::Unsupported, "only commands and pings are answered")),
        }
        Ok(true)
    }

    fn data_in(&mut self, command: &ScsiCommand, exp_cmd_sn: u32, max_cmd_sn: u32, out: &mut Outbox) -> io::Result<()> {
        let capacity = capacity();
        let canned = command.cdb[0] == 0x9e;
        let len = if canned { command.expected.min(capacity.len() as u32) } else { command.expected };
        if len > COMMAND_MAX.min(self.burst_max) {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "a read is longer than what is answered"));
        }
        let (mut offset, mut data_sn) = (0, 0);
        while offset < len {
            let some = self.segment_max.min(len - offset);
            let last = offset + some == len;
            let stat_sn = if last { self.next_stat_sn() } else { 0 };
            let pdu = DataIn {
                fin: last,
                status_here: last,
                underflow: last && len < command.expected,
                residual: if last { command.expected - len } else { 0 },
                itt: command.itt,
                ttt: NO_TAG,
                stat_sn,
                exp_cmd_sn,
                max_cmd_sn,
                data_sn,
                offset,
                data_len: some,
                ..DataIn::default()
            };
            out.push(&pdu.encode());
            if canned {
                out.push(&capacity[offset as usize..(offset + some) as usize]);
            } else {
                out.push_data(offset as usize, some as usize);
            }
            out.push(&[0; 3][..padding(some as usize)]);
            offset += some;
            data_sn += 1;
        }
        Ok(())
    }

    fn next_stat_sn(&mut self) -> u32 {
        let stat_sn = self.stat_sn;
        self.stat_sn = stat_sn.wrapping_add(1);
        stat_sn
    }
}

/// READ CAPACITY(16) data (SBC-4 5.20.2).
fn capacity() -> [u8; 32] {
    let mut data = [0; 32];
    data[..8].copy_from_slice(&(BLOCKS - 1).to_be_bytes());
    data[8..12].copy_from_slice(&BLOCK_LEN.to_be_bytes());
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{Access, Options, Pattern, run};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn the_generator_and_the_server_understand_each_other() {
        let server = Server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = server.address().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let serving = std::thread::spawn(move || server.run(|| stopped.load(Ordering::Relaxed)).unwrap());
        for (writes, block_len, depth, connections) in
            [(false, 4096, 1, 1), (true, 4096, 32, 2), (false, 512 << 10, 4, 1), (true, 256 << 10, 4, 3)]
        {
            let options = Options {
                address,
                target: TARGET.into(),
                lun: 0,
                pattern: Pattern { access: if writes { Access::Write } else { Access::Read }, random: writes },
                block_len,
                depth,
                connections,
                measured: Duration::from_millis(50),
                warmup: Duration::ZERO,
                digests: false,
                pin: None,
                spin: false,
            };
            assert!(run(&options).unwrap().commands > 0, "{options:?}");
        }
        stop.store(true, Ordering::Relaxed);
        serving.join().unwrap();
    }
}
