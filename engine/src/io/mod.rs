//! All that a shard asks of the world: sockets, disks, time, and to be woken.
//!
//! A shard is generic over [`Io`]. Two tenants live here: sockets by epoll with disks by one `io_uring`
//! ([`uring`]), and sockets by epoll with a few disk threads ([`threads`]) for kernels and containers that
//! refuse `io_uring`. A simulated world is a third tenant, outside this crate.

#[allow(unsafe_code)]
mod discard;
pub mod inbox;
pub mod linux;
mod spin;
pub mod threads;
#[allow(unsafe_code)]
pub mod uring;

use std::io::{self, IoSlice, IoSliceMut};
use std::time::{Duration, Instant};

use ferrite_backends::{FileRing, Pool};

pub use inbox::{Inbox, Wake};

/// Names one socket of one [`Io`]; small and reused after [`Io::close`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SocketId(pub usize);

/// What a socket became ready for since it was last reported.
///
/// Readiness is edge-triggered: a reader goes on until it is told `WouldBlock` or receives less than it
/// asked for, and a writer until `WouldBlock` or a short send. After `ended` a reader goes on until it has seen
/// the end: that came with the last bytes, and is not reported again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readiness {
    /// Which socket.
    pub socket: SocketId,
    /// There may be bytes, an end of stream or an error to receive.
    pub readable: bool,
    /// There may be room to send.
    pub writable: bool,
    /// The peer sends no more.
    pub ended: bool,
}

/// All that a shard asks of the world. Nothing here blocks but [`Io::wait`].
pub trait Io {
    /// What an accepted connection is before this world owns it.
    type Stream: Send + 'static;

    /// Takes a connection in; it is reported by [`Io::wait`] from now on.
    fn adopt(&mut self, stream: Self::Stream) -> io::Result<SocketId>;

    /// Closes a connection at once; what was not sent is dropped. Where bytes came that were not received, TCP
    /// resets the connection, and the peer may lose what it had not read yet.
    fn close(&mut self, socket: SocketId);

    /// Sends the end of our stream behind what was sent; receiving goes on.
    fn finish(&mut self, socket: SocketId) -> io::Result<()>;

    /// Receives what is there. `Ok(0)` is the end of the stream.
    fn receive(&mut self, socket: SocketId, into: &mut [IoSliceMut<'_>]) -> io::Result<usize>;

    /// Sends what fits.
    fn send(&mut self, socket: SocketId, parts: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Where backends put their file work.
    fn disks(&mut self) -> &mut dyn FileRing;

    /// Hands due disk work to the kernel, then sleeps until a socket is ready, a disk job has finished,
    /// a letter has come, or `until` has passed. `ready` is cleared and filled.
    fn wait(&mut self, until: Option<Instant>, ready: &mut Vec<Readiness>);

    /// Hands due disk work to the kernel and collects what has completed, without sleeping.
    fn turn_disks(&mut self);

    /// Gives idle buffer memory back to the system.
    fn trim(&mut self, pool: &Pool);

    /// The clock of this world.
    fn now(&self) -> Instant;

    /// What serves the disks, for people: `io_uring` or `threads`.
    fn describe(&self) -> &'static str;
}

/// Which tenant serves the disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IoChoice {
    /// `io_uring` where the kernel allows it, else threads, with one log line that says why.
    #[default]
    Auto,
    /// `io_uring` or nothing.
    Uring,
    /// Disk threads.
    Threads,
}

/// What a tenant needs to know at its start.
#[derive(Debug, Clone)]
pub struct IoOptions {
    /// Which tenant.
    pub choice: IoChoice,
    /// How long to look for work before sleeping, at the most. Zero: sleep at once.
    pub spin: Duration,
}
