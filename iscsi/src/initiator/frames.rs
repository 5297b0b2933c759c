//! How PDUs go into a stream and come out of it: batches, lengths, digests, and nothing of what they mean.

use std::io::{ErrorKind, Read, Write};

use super::error::Error;
use crate::wire::pdu::{Assembler, BadPdu, append};
use crate::wire::{Bhs, Digests, Opcode, initiator_task_tag, text};

/// What one read asks of the stream, in bytes.
const READ_LEN: usize = 64 * 1024;

/// Bytes that may wait to be written before [`Frames::send`] writes them by itself.
const UNSENT_MAX: usize = 256 * 1024;

/// The longest data segment before a login has declared another (RFC 7143 §13.12).
pub(crate) const LOGIN_DATA_MAX: u32 = 8192;

/// One PDU as bytes: the raw level, where a test may say anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pdu {
    /// The basic header segment.
    pub bhs: Bhs,
    /// Additional header segments, a multiple of four bytes.
    pub ahs: Vec<u8>,
    /// The data segment without its padding.
    pub data: Vec<u8>,
}

impl Pdu {
    /// A PDU with the two length fields of its header set to those of `ahs` and `data`.
    ///
    /// # Panics
    /// Where a header has no room for such lengths: 1020 bytes of AHS, 2^24 - 1 bytes of data.
    pub fn new(mut bhs: Bhs, ahs: impl Into<Vec<u8>>, data: impl Into<Vec<u8>>) -> Self {
        let (ahs, data) = (ahs.into(), data.into());
        assert!(ahs.len().is_multiple_of(4) && ahs.len() < 1024, "{} bytes of AHS have no encoding", ahs.len());
        assert!(data.len() < 1 << 24, "{} bytes of data have no encoding", data.len());
        bhs[4] = (ahs.len() / 4) as u8;
        bhs[5..8].copy_from_slice(&(data.len() as u32).to_be_bytes()[1..]);
        Pdu { bhs, ahs, data }
    }

    /// The kind of PDU; `None` for a reserved opcode.
    pub fn opcode(&self) -> Option<Opcode> {
        Opcode::of(&self.bhs)
    }

    /// The Initiator Task Tag.
    pub fn itt(&self) -> u32 {
        initiator_task_tag(&self.bhs)
    }

    /// The data segment as text.
    ///
    /// # Errors
    /// [`Error::Protocol`] where it is none (RFC 7143 §6.1).
    pub fn pairs(&self) -> Result<Vec<(String, String)>, Error> {
        pairs(&self.data)
    }

    /// The bytes of this PDU on the wire.
    pub fn encode(&self, digests: Digests) -> Vec<u8> {
        let mut bytes = Vec::new();
        append(&mut bytes, &self.bhs, &self.ahs, &self.data, digests);
        bytes
    }
}

/// The pairs of a whole text.
pub(crate) fn pairs(bytes: &[u8]) -> Result<Vec<(String, String)>, Error> {
    match text::parse(bytes) {
        Ok(pairs) => Ok(pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()),
        Err(bad) => Err(Error::protocol("RFC 7143 §6.1", bad.to_string())),
    }
}

/// Pairs as a text.
pub(crate) fn to_text<K: AsRef<str>, V: AsRef<str>>(pairs: &[(K, V)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    pairs.iter().for_each(|(key, value)| text::push(&mut bytes, key.as_ref(), value.as_ref()));
    bytes
}

/// A stream seen as PDUs.
#[derive(Debug)]
pub struct Frames<S> {
    stream: S,
    assembler: Assembler,
    sending: Digests,
    received: Vec<u8>,
    /// Bytes of `received` that were taken already.
    taken: usize,
    unsent: Vec<u8>,
}

impl<S: Read + Write> Frames<S> {
    /// PDUs over `stream`, without digests, with the data segments of at most 8192 bytes that hold before login.
    pub fn new(stream: S) -> Self {
        Frames {
            stream,
            assembler: Assembler::new(LOGIN_DATA_MAX),
            sending: Digests::default(),
            received: Vec::new(),
            taken: 0,
            unsent: Vec::new(),
        }
    }

    /// Digests in both directions, and the longest data segment in bytes that is taken, from the next PDU on.
    pub fn agree(&mut self, digests: Digests, data_max: u32) {
        self.sending = digests;
        self.assembler.agree(digests, data_max);
    }

    /// The digests of what is sent.
    pub fn digests(&self) -> Digests {
        self.sending
    }

    /// The stream below, for a test that wants to break it.
    pub fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The stream, and what came from it that nobody took yet.
    ///
    /// # Panics
    /// Where bytes are unsent, or a PDU has come in part: take the stream apart between two exchanges.
    pub fn into_parts(mut self) -> (S, Vec<u8>) {
        assert!(self.unsent.is_empty() && self.assembler.is_between_pdus(), "an exchange is under way");
        self.received.drain(..self.taken);
        (self.stream, self.received)
    }

    /// Queues a PDU; it leaves with the next [`flush`](Self::flush) or [`receive`](Self::receive), so that a batch of
    /// commands is one write.
    ///
    /// # Errors
    /// [`Error::Io`] where enough was queued to write at once, and that failed.
    ///
    /// # Panics
    /// Where the lengths in `bhs` are not those of `ahs` and `data`.
    pub fn send(&mut self, bhs: &Bhs, ahs: &[u8], data: &[u8]) -> Result<(), Error> {
        append(&mut self.unsent, bhs, ahs, data, self.sending);
        if self.unsent.len() >= UNSENT_MAX { self.flush() } else { Ok(()) }
    }

    /// Queues a whole PDU.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub fn send_pdu(&mut self, pdu: &Pdu) -> Result<(), Error> {
        self.send(&pdu.bhs, &pdu.ahs, &pdu.data)
    }

    /// Queues bytes that need not be a PDU at all.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.unsent.extend_from_slice(bytes);
    }

    /// Writes all that is queued.
    ///
    /// # Errors
    /// [`Error::Io`]; what was written until then is forgotten, the rest stays queued.
    pub fn flush(&mut self) -> Result<(), Error> {
        let mut written = 0;
        let result = loop {
            if written == self.unsent.len() {
                break self.stream.flush();
            }
            match self.stream.write(&self.unsent[written..]) {
                Ok(0) => break Err(ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.unsent.drain(..written);
        Ok(result?)
    }

    /// Sends what is queued and waits for the next PDU.
    ///
    /// # Errors
    /// [`Error::Io`] (a quiet one may be repeated), [`Error::Closed`], and [`Error::Protocol`] for a digest that does
    /// not match or a data segment longer than this side takes.
    pub fn receive(&mut self) -> Result<Pdu, Error> {
        self.flush()?;
        loop {
            if let Some(pdu) = self.received()? {
                return Ok(pdu);
            }
            self.fill()?;
        }
    }

    /// The next PDU among the bytes that have come already; `None` where more must come first.
    ///
    /// # Errors
    /// [`Error::Protocol`], as for [`receive`](Self::receive).
    pub fn received(&mut self) -> Result<Option<Pdu>, Error> {
        self.taken += self.assembler.feed(&self.received[self.taken..]).map_err(breach)?;
        let Some(pdu) = self.assembler.pdu() else {
            return Ok(None);
        };
        let pdu = Pdu { bhs: *pdu.bhs, ahs: pdu.ahs.to_vec(), data: pdu.data.to_vec() };
        self.assembler.clear();
        Ok(Some(pdu))
    }

    /// Reads once. Everything that came before has gone into the assembler.
    fn fill(&mut self) -> Result<(), Error> {
        self.taken = 0;
        self.received.resize(READ_LEN, 0);
        let result = loop {
            match self.stream.read(&mut self.received) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        self.received.truncate(*result.as_ref().unwrap_or(&0));
        match result? {
            0 => Err(Error::Closed { inside_pdu: !self.assembler.is_between_pdus() }),
            _ => Ok(()),
        }
    }
}

fn breach(bad: BadPdu) -> Error {
    let clause = match bad {
        BadPdu::TooLong { .. } => "RFC 7143 §13.12",
        BadPdu::HeaderDigest | BadPdu::DataDigest => "RFC 7143 §13.1",
    };
    Error::protocol(clause, bad.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::io;

    /// A stream that gives and takes its bytes in pieces of one size.
    struct Pieces {
        bytes: VecDeque<u8>,
        piece: usize,
        written: Vec<u8>,
    }

    impl Read for Pieces {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let len = self.piece.min(into.len());
            self.bytes.read(&mut into[..len])
        }
    }

    impl Write for Pieces {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let len = bytes.len().min(self.piece);
            self.written.extend_from_slice(&bytes[..len]);
            Ok(len)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const BOTH: Digests = Digests { header: true, data: true };

    fn frames(bytes: Vec<u8>, piece: usize) -> Frames<Pieces> {
        Frames::new(Pieces { bytes: bytes.into(), piece, written: Vec::new() })
    }

    fn sample(len: usize) -> Pdu {
        let mut bhs = [0; 48];
        bhs[0] = 0x20;
        Pdu::new(bhs, [], (0..len).map(|at| at as u8).collect::<Vec<_>>())
    }

    #[test]
    fn pdus_survive_every_segmentation_with_and_without_digests() {
        for digests in [Digests::default(), Digests { header: true, data: false }, BOTH] {
            let pdus = [sample(0), sample(1), sample(4), sample(517)];
            let bytes: Vec<u8> = pdus.iter().flat_map(|pdu| pdu.encode(digests)).collect();
            for piece in [1, 3, 7, 48, 53, bytes.len()] {
                let mut frames = frames(bytes.clone(), piece);
                frames.agree(digests, LOGIN_DATA_MAX);
                for pdu in &pdus {
                    assert_eq!(frames.receive().unwrap(), *pdu);
                }
                assert!(matches!(frames.receive(), Err(Error::Closed { inside_pdu: false })));
            }
        }
    }

    #[test]
    fn a_wrong_digest_and_an_overlong_segment_are_breaches_by_the_target() {
        let mut bytes = sample(10).encode(BOTH);
        *bytes.last_mut().unwrap() ^= 1;
        let mut digest = frames(bytes, 4096);
        digest.agree(BOTH, LOGIN_DATA_MAX);
        assert!(matches!(digest.receive(), Err(Error::Protocol { clause: "RFC 7143 §13.1", .. })));

        let mut at = frames(sample(8192).encode(Digests::default()), 4096);
        assert_eq!(at.receive().unwrap().data.len(), 8192);
        let mut past = frames(sample(8193).encode(Digests::default()), 4096);
        assert!(matches!(past.receive(), Err(Error::Protocol { clause: "RFC 7143 §13.12", .. })));
    }

    #[test]
    fn an_end_inside_a_pdu_is_told_from_one_between_two() {
        let mut bytes = sample(4).encode(Digests::default());
        bytes.pop();
        assert!(matches!(frames(bytes, 4096).receive(), Err(Error::Closed { inside_pdu: true })));
    }

    #[test]
    fn what_is_queued_leaves_whole_though_the_stream_takes_little() {
        let mut frames = frames(Vec::new(), 5);
        frames.send_pdu(&sample(9)).unwrap();
        frames.send_bytes(b"xyz");
        frames.flush().unwrap();
        let mut expected = sample(9).encode(Digests::default());
        expected.extend_from_slice(b"xyz");
        assert_eq!(frames.stream().written, expected);
    }

    #[test]
    fn a_text_is_written_and_read_back() {
        let written = [("A", "1"), ("B", "x=y")];
        assert_eq!(to_text(&written), b"A=1\0B=x=y\0");
        let read = Pdu::new([0; 48], [], to_text(&written)).pairs().unwrap();
        assert_eq!(read, written.map(|(key, value)| (key.to_owned(), value.to_owned())));
        assert!(Pdu::new([0; 48], [], *b"no equals sign").pairs().is_err());
    }
}
