//! What one connection has to send: small headers in one arena, block data by reference, many PDUs to a write.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};

/// Slices that one vectored write carries at most.
const SLICES_MAX: usize = 128;

/// A queue of bytes due. Warm, it allocates nothing.
pub(crate) struct Outbox {
    /// Headers, digests and padding, in the order they are due.
    arena: Vec<u8>,
    /// Where in `arena` the first unsent byte is.
    sent: usize,
    parts: VecDeque<Part>,
}

#[derive(Clone, Copy)]
enum Part {
    /// The next `len` bytes of the arena.
    Arena { len: usize },
    /// Bytes of the block pattern.
    Data { at: usize, len: usize },
}

impl Outbox {
    pub(crate) fn new() -> Self {
        Outbox { arena: Vec::with_capacity(64 * 1024), sent: 0, parts: VecDeque::with_capacity(256) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Queues bytes by copying them.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        // A part without bytes would make a write of nothing, which cannot be told from a closed stream.
        if bytes.is_empty() {
            return;
        }
        self.arena.extend_from_slice(bytes);
        match self.parts.back_mut() {
            Some(Part::Arena { len }) => *len += bytes.len(),
            _ => self.parts.push_back(Part::Arena { len: bytes.len() }),
        }
    }

    /// Queues `len` bytes of the pattern, from `at`.
    pub(crate) fn push_data(&mut self, at: usize, len: usize) {
        self.parts.push_back(Part::Data { at, len });
    }

    /// Writes until nothing is left or the stream takes no more; true where something was written.
    pub(crate) fn write(&mut self, stream: &mut impl Write, pattern: &[u8]) -> io::Result<bool> {
        let mut progressed = false;
        while !self.parts.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let mut at = self.sent;
            let count = self.parts.len().min(SLICES_MAX);
            for (slice, part) in slices.iter_mut().zip(&self.parts) {
                *slice = match *part {
                    Part::Arena { len } => {
                        at += len;
                        IoSlice::new(&self.arena[at - len..at])
                    }
                    Part::Data { at, len } => IoSlice::new(&pattern[at..at + len]),
                };
            }
            match stream.write_vectored(&slices[..count]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            progressed = true;
        }
        Ok(progressed)
    }

    fn advance(&mut self, mut written: usize) {
        while written > 0 {
            let part = self.parts.front_mut().expect("no more is written than was due");
            let taken = match part {
                Part::Arena { len } => {
                    let taken = written.min(*len);
                    *len -= taken;
                    self.sent += taken;
                    taken
                }
                Part::Data { at, len } => {
                    let taken = written.min(*len);
                    *len -= taken;
                    *at += taken;
                    taken
                }
            };
            written -= taken;
            if matches!(part, Part::Arena { len: 0 } | Part::Data { len: 0, .. }) {
                self.parts.pop_front();
            }
        }
        if self.parts.is_empty() {
            self.arena.clear();
            self.sent = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a few bytes of each write, and every other write nothing.
    struct Narrow {
        taken: Vec<u8>,
        piece: usize,
        blocked: bool,
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.blocked = !self.blocked;
            if self.blocked {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let len = bytes.len().min(self.piece);
            self.taken.extend_from_slice(&bytes[..len]);
            Ok(len)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn headers_and_data_leave_in_order_through_a_narrow_stream() {
        let pattern: Vec<u8> = (100..200).collect();
        for piece in [1, 3, 7, 1000] {
            let mut outbox = Outbox::new();
            outbox.push(b"one");
            outbox.push(b"two");
            outbox.push_data(10, 40);
            outbox.push(b"");
            outbox.push(b"three");
            outbox.push_data(0, 1);
            outbox.push(b"");
            let mut stream = Narrow { taken: Vec::new(), piece, blocked: false };
            while !outbox.is_empty() {
                outbox.write(&mut stream, &pattern).unwrap();
            }
            let mut expected = b"onetwo".to_vec();
            expected.extend(110..150);
            expected.extend_from_slice(b"three");
            expected.push(100);
            assert_eq!(stream.taken, expected, "pieces of {piece}");
        }
    }

    #[test]
    fn the_arena_starts_over_once_all_is_sent() {
        let mut outbox = Outbox::new();
        for _ in 0..10_000 {
            outbox.push(&[0; 48]);
            outbox.write(&mut io::sink(), &[]).unwrap();
        }
        assert!(outbox.arena.capacity() <= 64 * 1024);
    }
}
