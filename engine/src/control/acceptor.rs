//! Listens on the portals and gives each connection to the shard with the fewest.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use crate::io::Inbox;
use crate::shard::letters::{Arrival, Letter, Load};

/// One shard as the acceptor sees it.
#[derive(Clone)]
pub(crate) struct Lane {
    pub(crate) inbox: Arc<Inbox<Letter<TcpStream>>>,
    /// Connections it has.
    pub(crate) load: Arc<AtomicUsize>,
    /// It has ended, and takes no more.
    pub(crate) dead: Arc<AtomicBool>,
}

/// The listening thread.
pub(crate) struct Acceptor {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    listeners: Mutex<Vec<Arc<Listener>>>,
    wake: EventFd,
    stop: AtomicBool,
    lanes: Vec<Lane>,
    connections_max: usize,
}

/// A bound portal; connections to it wait until [`Acceptor::serve`].
pub(crate) struct Listener {
    socket: TcpListener,
    portal_group: u16,
}

impl Acceptor {
    pub(crate) fn start(lanes: Vec<Lane>, connections_max: usize) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            listeners: Mutex::default(),
            wake: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?,
            stop: AtomicBool::new(false),
            lanes,
            connections_max,
        });
        let own = shared.clone();
        let thread = thread::Builder::new().name("ferrite-accept".into()).spawn(move || own.run())?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Binds and listens; returns the portal and the address with its real port.
    pub(crate) fn bind(address: SocketAddr, portal_group: u16) -> io::Result<(Listener, SocketAddr)> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // A restarted target takes its port back at once, while old connections still linger in TIME_WAIT.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let socket = TcpListener::from(socket);
        let bound = socket.local_addr()?;
        Ok((Listener { socket, portal_group }, bound))
    }

    /// Lets initiators in by a bound portal.
    pub(crate) fn serve(&self, listener: Listener) {
        self.shared.lock().push(Arc::new(listener));
        let _ = self.shared.wake.write(1);
    }

    /// Stops listening, on all portals.
    pub(crate) fn stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
        let _ = self.shared.wake.write(1);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
        self.shared.lock().clear();
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Listener>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        while !self.stop.load(Ordering::Acquire) {
            let listeners = self.lock().clone();
            let mut descriptors = vec![PollFd::new(self.wake.as_fd(), PollFlags::POLLIN)];
            descriptors
                .extend(listeners.iter().map(|listener| PollFd::new(listener.socket.as_fd(), PollFlags::POLLIN)));
            if let Err(error) = poll(&mut descriptors, PollTimeout::NONE) {
                if error != nix::errno::Errno::EINTR {
                    tracing::error!(%error, "cannot wait for connections");
                    thread::sleep(PAUSE);
                }
                continue;
            }
            let ready: Vec<bool> = descriptors.iter().map(|descriptor| descriptor.any().unwrap_or(true)).collect();
            drop(descriptors);
            if ready[0] {
                let _ = self.wake.read();
            }
            for (listener, ready) in listeners.iter().zip(&ready[1..]) {
                if *ready {
                    self.accept(listener);
                }
            }
        }
    }

    fn accept(&self, listener: &Listener) {
        for _ in 0..ACCEPTS_PER_LOOK {
            match listener.socket.accept() {
                Ok((stream, peer)) => self.hand_over(stream, peer, listener.portal_group),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The peer was gone before we looked.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::error!(%error, "cannot accept a connection; raise the limit on open files (ulimit -n, LimitNOFILE=)");
                    // Nothing was taken out of the queue: without a pause this would turn at full speed.
                    thread::sleep(PAUSE);
                    return;
                }
            }
        }
    }

    fn hand_over(&self, stream: TcpStream, peer: SocketAddr, portal_group: u16) {
        let alive = self.lanes.iter().filter(|lane| !lane.dead.load(Ordering::Acquire));
        let Some(lane) = alive.min_by_key(|lane| lane.load.load(Ordering::Relaxed)) else { return };
        let connections: usize = self.lanes.iter().map(|lane| lane.load.load(Ordering::Relaxed)).sum();
        if connections >= self.connections_max {
            tracing::warn!(%peer, limit = self.connections_max, "connection refused: the limit is reached");
            return;
        }
        let local = match prepare(&stream) {
            Ok(local) => local,
            Err(error) => {
                tracing::warn!(%peer, %error, "connection refused");
                return;
            }
        };
        let load = Load::count(&lane.load);
        lane.inbox.post(Letter::Connection(Arrival { stream, peer, local, portal_group, load }));
    }
}

fn prepare(stream: &TcpStream) -> io::Result<SocketAddr> {
    // Answers are small and wanted at once; we send whole turns in one call, so Nagle has nothing to gain.
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)?;
    stream.local_addr()
}

/// Connections that the kernel holds for us: a storm of reconnects after a failover must fit.
const BACKLOG: i32 = 1024;

/// Connections taken from one portal before the others are looked at.
const ACCEPTS_PER_LOOK: usize = 64;

const PAUSE: Duration = Duration::from_millis(100);
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
