//! Which bytes are due on a connection, in which order, without copying data that lies elsewhere?
//!
//! Headers, padding, digests and small data stand inline in one arena that grows to what a turn needs and is then
//! reused; big data stays in its [`Payload`]. Payloads leave in the order they came, each is dropped with its last
//! byte.

use std::collections::VecDeque;
use std::io::IoSlice;

use crate::payload::Payload;

/// An idle arena keeps at most this many bytes.
const ARENA_IDLE_MAX: usize = 64 * 1024;

/// The queue of bytes due on one connection.
#[derive(Debug)]
pub struct Outgoing<P> {
    /// Inline bytes; those before `arena_sent` have left.
    arena: Vec<u8>,
    arena_sent: usize,
    payloads: VecDeque<P>,
    parts: VecDeque<Part>,
    due: u64,
}

#[derive(Clone, Copy, Debug)]
enum Part {
    /// The next `len` bytes of the arena.
    Inline { len: usize },
    /// Bytes of the front payload; with `last` it is done.
    Data { at: usize, len: usize, last: bool },
}

impl<P: Payload> Outgoing<P> {
    /// Nothing due.
    pub fn new() -> Self {
        Self { arena: Vec::new(), arena_sent: 0, payloads: VecDeque::new(), parts: VecDeque::new(), due: 0 }
    }

    /// Nothing is due.
    pub fn is_empty(&self) -> bool {
        self.due == 0
    }

    /// How many bytes are due.
    pub fn len(&self) -> u64 {
        self.due
    }

    /// How many of them are inline: what a peer can make us keep without owning a task.
    pub fn inline_len(&self) -> usize {
        self.arena.len() - self.arena_sent
    }

    /// Appends what the next vectored send should carry: at most `max_slices` slices with at most `max_bytes` bytes.
    pub fn slices<'a>(&'a self, into: &mut Vec<IoSlice<'a>>, max_slices: usize, max_bytes: usize) {
        let mut room = max_bytes;
        let mut inline = self.arena_sent;
        let mut payload = 0;
        let full = into.len() + max_slices;
        for part in &self.parts {
            match *part {
                Part::Inline { len } => {
                    if into.len() == full || room == 0 {
                        return;
                    }
                    let some = len.min(room);
                    into.push(IoSlice::new(&self.arena[inline..inline + some]));
                    inline += len;
                    room -= some;
                }
                Part::Data { mut at, mut len, last } => {
                    while len > 0 {
                        if into.len() == full || room == 0 {
                            return;
                        }
                        let piece = self.payloads[payload].piece(at);
                        let some = piece.len().min(len).min(room);
                        into.push(IoSlice::new(&piece[..some]));
                        (at, len, room) = (at + some, len - some, room - some);
                    }
                    payload += usize::from(last);
                }
            }
        }
    }

    /// The first `sent` bytes have left.
    ///
    /// # Panics
    /// When fewer bytes were due.
    pub fn advance(&mut self, mut sent: usize) {
        assert!(sent as u64 <= self.due, "more bytes left than were due");
        self.due -= sent as u64;
        while let Some(part) = self.parts.front_mut() {
            let len = match part {
                Part::Inline { len } | Part::Data { len, .. } => len,
            };
            let some = sent.min(*len);
            *len -= some;
            sent -= some;
            let done = *len == 0;
            match part {
                Part::Inline { .. } => self.arena_sent += some,
                Part::Data { at, .. } => *at += some,
            }
            if !done {
                break;
            }
            if let Some(Part::Data { last: true, .. }) = self.parts.pop_front() {
                self.payloads.pop_front();
            }
        }
        self.tidy();
    }

    /// Appends inline bytes.
    pub fn push_bytes(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.arena.extend_from_slice(bytes);
        self.due += bytes.len() as u64;
        match self.parts.back_mut() {
            Some(Part::Inline { len }) => *len += bytes.len(),
            _ => self.parts.push_back(Part::Inline { len: bytes.len() }),
        }
    }

    /// Takes a payload in whose ranges the following [`Outgoing::push_data`] calls name.
    pub(crate) fn lend(&mut self, payload: P) -> &P {
        self.payloads.push_back(payload);
        self.payloads.back().expect("it was just put there")
    }

    /// Appends bytes of the payload lent last; `last` ends it.
    pub(crate) fn push_data(&mut self, at: usize, len: usize, last: bool) {
        debug_assert!(len > 0, "an empty part would never be sent");
        self.parts.push_back(Part::Data { at, len, last });
        self.due += len as u64;
    }

    /// The payload lent last.
    pub(crate) fn lent(&self) -> &P {
        self.payloads.back().expect("a payload was lent")
    }

    /// What is kept allocated: a warm queue stays as it is.
    #[cfg(test)]
    pub(crate) fn capacities(&self) -> (usize, usize, usize) {
        (self.arena.capacity(), self.payloads.capacity(), self.parts.capacity())
    }

    /// Makes the arena start anew when it is used up, and moves its rest down when most of it has left.
    fn tidy(&mut self) {
        if self.arena_sent == self.arena.len() {
            self.arena.clear();
            self.arena_sent = 0;
            if self.due == 0 && self.arena.capacity() > ARENA_IDLE_MAX {
                self.arena.shrink_to(ARENA_IDLE_MAX);
            }
        } else if self.arena_sent > ARENA_IDLE_MAX && self.arena_sent > self.arena.len() / 2 {
            self.arena.drain(..self.arena_sent);
            self.arena_sent = 0;
        }
    }
}

impl<P: Payload> Default for Outgoing<P> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    /// A payload in pieces of three bytes that tells whether it is still alive.
    struct Pieces(Vec<u8>, #[allow(dead_code, reason = "counts")] Rc<()>);

    impl Payload for Pieces {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn piece(&self, at: usize) -> &[u8] {
            &self.0[at..(at / 3 * 3 + 3).min(self.0.len())]
        }
    }

    fn all<P: Payload>(out: &Outgoing<P>, max_slices: usize, max_bytes: usize) -> Vec<u8> {
        let mut slices = Vec::new();
        out.slices(&mut slices, max_slices, max_bytes);
        assert!(slices.len() <= max_slices);
        slices.iter().flat_map(|slice| slice.to_vec()).collect()
    }

    fn filled(alive: &Rc<()>) -> (Outgoing<Pieces>, Vec<u8>) {
        let mut out = Outgoing::new();
        let mut want = Vec::new();
        for round in 0..3u8 {
            let data: Vec<u8> = (0..10).map(|i| round * 32 + i).collect();
            out.push_bytes(b"head");
            out.push_bytes(b"er");
            out.lend(Pieces(data.clone(), alive.clone()));
            out.push_data(0, 4, false);
            out.push_bytes(b"pad");
            out.push_data(4, 6, true);
            want.extend([b"header", &data[..4], b"pad", &data[4..]].concat());
        }
        (out, want)
    }

    #[test]
    fn bytes_leave_in_order_however_many_go_at_once() {
        for step in 1..40 {
            let alive = Rc::new(());
            let (mut out, want) = filled(&alive);
            let mut seen = Vec::new();
            while !out.is_empty() {
                let some = all(&out, 4, step);
                assert!(!some.is_empty() && some.len() <= step);
                out.advance(some.len());
                seen.extend(some);
                assert_eq!(out.len() as usize, want.len() - seen.len());
            }
            assert_eq!(seen, want);
            assert_eq!(Rc::strong_count(&alive), 1, "every payload came home");
        }
    }

    #[test]
    fn a_payload_is_dropped_with_its_last_byte() {
        let alive = Rc::new(());
        let (mut out, _) = filled(&alive);
        assert_eq!(Rc::strong_count(&alive), 4);
        out.advance(6 + 4 + 3 + 5);
        assert_eq!(Rc::strong_count(&alive), 4);
        out.advance(1);
        assert_eq!(Rc::strong_count(&alive), 3);
    }

    #[test]
    fn a_warm_arena_is_reused_and_an_idle_one_shrinks() {
        let mut out = Outgoing::<Vec<u8>>::new();
        out.push_bytes(&[1; 4 * ARENA_IDLE_MAX]);
        // Most has left: the rest moves down instead of growing the arena for ever.
        out.advance(3 * ARENA_IDLE_MAX);
        assert_eq!(out.inline_len(), ARENA_IDLE_MAX);
        assert_eq!(out.arena.len(), ARENA_IDLE_MAX);
        out.advance(ARENA_IDLE_MAX);
        assert!(out.arena.capacity() <= ARENA_IDLE_MAX);
    }

    #[test]
    #[should_panic(expected = "more bytes left than were due")]
    fn sending_more_than_was_due_is_our_own_mistake() {
        Outgoing::<Vec<u8>>::new().advance(1);
    }
}
