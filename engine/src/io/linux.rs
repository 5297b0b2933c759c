//! The real world: sockets by epoll, disks by a [`Disks`] whose completions wake the same epoll set.

use std::io::{self, IoSlice, IoSliceMut, Read};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrite_backends::{FileRing, Pool};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use slab::Slab;
use socket2::SockRef;

use super::spin::Spin;
use super::{Io, Readiness, SocketId, Wake};

/// What moves blocks for a shard, beside its sockets.
pub trait Disks {
    /// Where backends put their work.
    fn ring(&mut self) -> &mut dyn FileRing;
    /// The descriptor that becomes readable when work has completed, if completions need one.
    fn descriptor(&self) -> Option<BorrowedFd<'_>>;
    /// Hands what is due to the kernel.
    fn submit(&mut self);
    /// The kernel would not take all of it: to be tried again soon.
    fn is_refused(&self) -> bool {
        false
    }
    /// Finishes the jobs that have completed; true when there were any.
    fn reap(&mut self) -> bool;
    /// Gives idle buffer memory back.
    fn trim(&mut self, pool: &Pool);
    /// For people.
    fn describe(&self) -> &'static str;
}

/// Sockets by epoll and disks by `D`.
#[derive(Debug)]
pub struct LinuxIo<D> {
    // Fields drop in this order: sockets first, so that peers see the end before the disks drain.
    sockets: Slab<TcpStream>,
    epoll: Epoll,
    events: Vec<EpollEvent>,
    disks: D,
    wake: Arc<Wake>,
    spin: Spin,
}

impl<D: Disks> LinuxIo<D> {
    /// Builds the world on the thread that will live in it.
    pub fn new(disks: D, wake: Arc<Wake>, spin: Duration) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(wake.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, WAKE))?;
        if let Some(descriptor) = disks.descriptor() {
            epoll.add(descriptor, EpollEvent::new(EpollFlags::EPOLLIN, DISKS))?;
        }
        let events = vec![EpollEvent::empty(); EVENTS_PER_LOOK];
        Ok(Self { sockets: Slab::new(), epoll, events, disks, wake, spin: Spin::new(spin) })
    }

    /// One look at the epoll set; true when anything was there.
    fn look(&mut self, timeout: EpollTimeout, ready: &mut Vec<Readiness>) -> bool {
        let count = match self.epoll.wait(&mut self.events, timeout) {
            Ok(count) => count,
            Err(nix::errno::Errno::EINTR) => 0,
            Err(error) => panic!("epoll_wait on our own descriptor: {error}"),
        };
        for event in &self.events[..count] {
            match event.data() {
                WAKE => self.wake.drain(),
                DISKS => {}
                socket => {
                    let flags = event.events();
                    let broken = flags.intersects(EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP);
                    let socket = SocketId(usize::try_from(socket).expect("we put a usize in"));
                    ready.push(Readiness {
                        socket,
                        readable: broken || flags.intersects(EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP),
                        writable: broken || flags.contains(EpollFlags::EPOLLOUT),
                        ended: broken || flags.contains(EpollFlags::EPOLLRDHUP),
                    });
                }
            }
        }
        let completed = self.disks.reap();
        count > 0 || completed || self.wake.is_pending()
    }
}

impl<D: Disks> Io for LinuxIo<D> {
    type Stream = TcpStream;

    fn adopt(&mut self, stream: TcpStream) -> io::Result<SocketId> {
        stream.set_nonblocking(true)?;
        let slot = self.sockets.vacant_entry();
        let key = slot.key();
        let interest = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET;
        self.epoll.add(stream.as_fd(), EpollEvent::new(interest, key as u64))?;
        slot.insert(stream);
        Ok(SocketId(key))
    }

    fn close(&mut self, socket: SocketId) {
        let stream = self.sockets.remove(socket.0);
        let _ = self.epoll.delete(stream.as_fd());
        drop(stream);
    }

    fn finish(&mut self, socket: SocketId) -> io::Result<()> {
        self.sockets[socket.0].shutdown(Shutdown::Write)
    }

    fn receive(&mut self, socket: SocketId, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&self.sockets[socket.0]).read_vectored(into)
    }

    fn send(&mut self, socket: SocketId, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        // MSG_NOSIGNAL: an embedding process may not ignore SIGPIPE.
        SockRef::from(&self.sockets[socket.0]).send_vectored_with_flags(parts, libc::MSG_NOSIGNAL)
    }

    fn disks(&mut self) -> &mut dyn FileRing {
        self.disks.ring()
    }

    fn turn_disks(&mut self) {
        self.disks.submit();
        self.disks.reap();
    }

    fn wait(&mut self, until: Option<Instant>, ready: &mut Vec<Readiness>) {
        ready.clear();
        self.disks.submit();
        if self.look(EpollTimeout::ZERO, ready) {
            self.spin.found();
            return;
        }
        let began = Instant::now();
        if until.is_some_and(|until| until <= began) {
            return;
        }
        let budget = self.spin.budget();
        if !budget.is_zero() {
            while began.elapsed() < budget {
                if self.look(EpollTimeout::ZERO, ready) {
                    self.spin.found();
                    return;
                }
                std::hint::spin_loop();
            }
            self.spin.missed();
        }
        // Nothing will tell when the kernel would take what it refused.
        let again = self.disks.is_refused().then(|| began + RETRY_AFTER);
        let timeout = match [until, again].into_iter().flatten().min() {
            None => EpollTimeout::NONE,
            Some(until) => {
                // Rounded up: waking a little late is right, waking early would turn for nothing.
                let left = until.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
                EpollTimeout::try_from(left.min(LONGEST_SLEEP)).unwrap_or(EpollTimeout::ZERO)
            }
        };
        self.look(timeout, ready);
    }

    fn trim(&mut self, pool: &Pool) {
        self.disks.trim(pool);
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn describe(&self) -> &'static str {
        self.disks.describe()
    }
}

/// How soon work that the kernel refused is handed over again.
const RETRY_AFTER: Duration = Duration::from_millis(5);

const WAKE: u64 = u64::MAX;
const DISKS: u64 = u64::MAX - 1;

/// Sockets reported per look; the rest is reported by the next.
const EVENTS_PER_LOOK: usize = 256;

/// The timeout of epoll counts milliseconds in 31 bits; a day is short enough.
const LONGEST_SLEEP: Duration = Duration::from_secs(86_400);
