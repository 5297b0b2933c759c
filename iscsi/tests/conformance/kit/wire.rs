//! A stream between the test initiator and the target that lives in one thread.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::rc::Rc;

use super::Target;

/// In which pieces bytes travel, both ways.
#[derive(Debug, Clone, Copy)]
pub enum Piece {
    /// All that there is at once.
    Whole,
    /// At most so many bytes.
    Bytes(usize),
}

impl Piece {
    /// One byte, small primes, around the sizes of headers and digests, everything.
    pub const ALL: [Piece; 9] = [
        Piece::Bytes(1),
        Piece::Bytes(2),
        Piece::Bytes(3),
        Piece::Bytes(7),
        Piece::Bytes(47),
        Piece::Bytes(48),
        Piece::Bytes(53),
        Piece::Bytes(4099),
        Piece::Whole,
    ];

    /// How many of `len` bytes travel together.
    pub fn of(self, len: usize) -> usize {
        match self {
            Piece::Whole => len,
            Piece::Bytes(piece) => piece.min(len),
        }
    }
}

/// The initiator's end of a connection.
pub struct Wire {
    target: Rc<RefCell<Target>>,
    piece: Piece,
}

impl Wire {
    pub(super) fn new(target: Rc<RefCell<Target>>, piece: Piece) -> Self {
        Wire { target, piece }
    }
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wire({:?})", self.piece)
    }
}

impl Read for Wire {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut target = self.target.borrow_mut();
        target.run(self.piece);
        if target.due.is_empty() {
            return if target.is_closed() { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        let len = self.piece.of(into.len());
        target.due.read(&mut into[..len])
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.target.borrow_mut().arrived.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
