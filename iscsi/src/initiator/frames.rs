//! How PDUs go into a stream and come out of it: lengths, padding, digests, and nothing of what they mean.

use std::io::{ErrorKind, Read, Write};

use super::error::Error;
use crate::wire::digest::crc32c;

/// Bytes of a basic header segment (RFC 7143 §11.2.1).
pub const HEADER_LEN: usize = 48;

/// What one read asks of the stream, at least.
const READ_LEN: usize = 64 * 1024;

/// Bytes that may wait to be written before [`Frames::send`] writes them by itself.
const UNSENT_MAX: usize = 256 * 1024;

/// One PDU as bytes: the raw level, where a test may say anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pdu {
    /// The basic header segment.
    pub header: [u8; HEADER_LEN],
    /// Additional header segments, a multiple of four bytes.
    pub ahs: Vec<u8>,
    /// The data segment without its padding.
    pub data: Vec<u8>,
}

impl Pdu {
    /// A PDU with the two length fields of its header set from `data`.
    pub fn new(mut header: [u8; HEADER_LEN], data: impl Into<Vec<u8>>) -> Self {
        let data = data.into();
        seal(&mut header, 0, data.len());
        Pdu { header, ahs: Vec::new(), data }
    }

    /// The opcode, without the immediate bit.
    pub fn opcode(&self) -> u8 {
        self.header[0] & 0x3f
    }

    /// The Initiator Task Tag.
    pub fn itt(&self) -> u32 {
        self.word(16)
    }

    /// The big-endian 32-bit field that starts at byte `at` of the header.
    pub fn word(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.header[at..at + 4].try_into().expect("four bytes"))
    }

    /// Sets the big-endian 32-bit field that starts at byte `at` of the header.
    pub fn set_word(&mut self, at: usize, value: u32) {
        self.header[at..at + 4].copy_from_slice(&value.to_be_bytes());
    }

    /// The data segment as text: `key=value` pairs, split at the NULs (RFC 7143 §6.1).
    pub fn pairs(&self) -> Vec<(String, String)> {
        pairs(&self.data)
    }

    /// The bytes of this PDU on the wire. The length fields are taken as they stand in the header.
    pub fn encode(&self, header_digest: bool, data_digest: bool) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_LEN + self.ahs.len() + self.data.len() + 12);
        encode(&mut bytes, &self.header, &self.ahs, &self.data, Digests { header: header_digest, data: data_digest });
        bytes
    }
}

/// Splits text into its pairs. What has no `=` is a key with an empty value, so that a test can see it.
pub(crate) fn pairs(text: &[u8]) -> Vec<(String, String)> {
    text.split(|byte| *byte == 0)
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let pair = String::from_utf8_lossy(pair);
            let (key, value) = pair.split_once('=').unwrap_or((&pair, ""));
            (key.to_owned(), value.to_owned())
        })
        .collect()
}

/// Writes pairs as text.
pub(crate) fn text<K: AsRef<str>, V: AsRef<str>>(pairs: &[(K, V)]) -> Vec<u8> {
    let mut text = Vec::new();
    for (key, value) in pairs {
        text.extend_from_slice(key.as_ref().as_bytes());
        text.push(b'=');
        text.extend_from_slice(value.as_ref().as_bytes());
        text.push(0);
    }
    text
}

/// Sets TotalAHSLength and DataSegmentLength (RFC 7143 §11.2.1.5, §11.2.1.6).
pub(crate) fn seal(header: &mut [u8; HEADER_LEN], ahs: usize, data: usize) {
    assert!(ahs.is_multiple_of(4) && ahs / 4 < 256 && data < 1 << 24, "a PDU has no room for such lengths");
    header[4] = (ahs / 4) as u8;
    header[5..8].copy_from_slice(&(data as u32).to_be_bytes()[1..]);
}

/// Which digests are in use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Digests {
    /// CRC32C after each header.
    pub header: bool,
    /// CRC32C after each data segment.
    pub data: bool,
}

fn encode(bytes: &mut Vec<u8>, header: &[u8; HEADER_LEN], ahs: &[u8], data: &[u8], digests: Digests) {
    let start = bytes.len();
    bytes.extend_from_slice(header);
    bytes.extend_from_slice(ahs);
    if digests.header {
        let digest = crc32c(&bytes[start..]);
        bytes.extend_from_slice(&digest.to_le_bytes());
    }
    if data.is_empty() {
        return;
    }
    let start = bytes.len();
    bytes.extend_from_slice(data);
    bytes.resize(start + data.len().next_multiple_of(4), 0);
    if digests.data {
        let digest = crc32c(&bytes[start..]);
        bytes.extend_from_slice(&digest.to_le_bytes());
    }
}

/// A stream seen as PDUs.
#[derive(Debug)]
pub struct Frames<S> {
    stream: S,
    /// Digests expected on what comes.
    pub receiving: Digests,
    /// Digests put on what goes.
    pub sending: Digests,
    /// The largest data segment that may come: our MaxRecvDataSegmentLength.
    pub data_len_max: usize,
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
            receiving: Digests::default(),
            sending: Digests::default(),
            data_len_max: 8192,
            received: Vec::new(),
            taken: 0,
            unsent: Vec::new(),
        }
    }

    /// The stream below, for a test that wants to break it.
    pub fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The stream, and what came from it that nobody took yet. Flush first: unsent bytes are lost.
    pub fn into_parts(mut self) -> (S, Vec<u8>) {
        self.received.drain(..self.taken);
        (self.stream, self.received)
    }

    /// Queues a PDU with its length fields set; it leaves with the next [`flush`](Self::flush) or
    /// [`receive`](Self::receive), so that a batch of commands is one write.
    ///
    /// # Errors
    /// [`Error::Io`] where enough was queued to write at once, and that failed.
    pub fn send(&mut self, mut header: [u8; HEADER_LEN], ahs: &[u8], data: &[u8]) -> Result<(), Error> {
        seal(&mut header, ahs.len(), data.len());
        encode(&mut self.unsent, &header, ahs, data, self.sending);
        if self.unsent.len() >= UNSENT_MAX { self.flush() } else { Ok(()) }
    }

    /// Queues a PDU as it stands: lengths that lie are the caller's.
    pub fn send_pdu(&mut self, pdu: &Pdu) {
        encode(&mut self.unsent, &pdu.header, &pdu.ahs, &pdu.data, self.sending);
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
    /// not match, padding that is cut off, or a data segment longer than this side takes.
    pub fn receive(&mut self) -> Result<Pdu, Error> {
        self.flush()?;
        loop {
            if let Some(pdu) = self.next()? {
                return Ok(pdu);
            }
            self.fill()?;
        }
    }

    /// The next PDU among the bytes that have come already; `None` where more must come first.
    ///
    /// # Errors
    /// [`Error::Protocol`], as for [`receive`](Self::receive).
    pub fn next(&mut self) -> Result<Option<Pdu>, Error> {
        let bytes = &self.received[self.taken..];
        let Some(header) = bytes.first_chunk::<HEADER_LEN>() else { return Ok(None) };
        let header_len = HEADER_LEN + usize::from(header[4]) * 4;
        let data_len = u32::from_be_bytes([0, header[5], header[6], header[7]]) as usize;
        if data_len > self.data_len_max {
            return Err(Error::protocol(
                "RFC 7143 §13.12",
                format!("a data segment of {data_len} bytes exceeds our limit of {}", self.data_len_max),
            ));
        }
        let data_at = header_len + if self.receiving.header { 4 } else { 0 };
        let padded = data_len.next_multiple_of(4);
        let len = data_at + padded + if self.receiving.data && data_len > 0 { 4 } else { 0 };
        if bytes.len() < len {
            return Ok(None);
        }
        if self.receiving.header {
            check_digest("header", &bytes[..header_len], &bytes[header_len..data_at])?;
        }
        if self.receiving.data && data_len > 0 {
            check_digest("data", &bytes[data_at..data_at + padded], &bytes[data_at + padded..len])?;
        }
        let pdu = Pdu {
            header: *header,
            ahs: bytes[HEADER_LEN..header_len].to_vec(),
            data: bytes[data_at..data_at + data_len].to_vec(),
        };
        self.taken += len;
        Ok(Some(pdu))
    }

    fn fill(&mut self) -> Result<(), Error> {
        self.received.drain(..self.taken);
        self.taken = 0;
        let kept = self.received.len();
        self.received.resize(kept + READ_LEN, 0);
        let result = loop {
            match self.stream.read(&mut self.received[kept..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        self.received.truncate(kept + *result.as_ref().unwrap_or(&0));
        match result? {
            0 => Err(Error::Closed { inside_pdu: kept > 0 }),
            _ => Ok(()),
        }
    }
}

fn check_digest(which: &str, covered: &[u8], digest: &[u8]) -> Result<(), Error> {
    let told = u32::from_le_bytes(digest.try_into().expect("four bytes"));
    if crc32c(covered) == told {
        return Ok(());
    }
    Err(Error::protocol("RFC 7143 §13.1", format!("the {which} digest {told:#010x} does not match")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::io;

    /// A stream that gives its bytes in pieces of one size.
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

    fn frames(bytes: Vec<u8>, piece: usize) -> Frames<Pieces> {
        Frames::new(Pieces { bytes: bytes.into(), piece, written: Vec::new() })
    }

    fn sample(len: usize) -> Pdu {
        let mut header = [0; HEADER_LEN];
        header[0] = 0x20;
        Pdu::new(header, (0..len).map(|at| at as u8).collect::<Vec<_>>())
    }

    #[test]
    fn a_pdu_survives_every_segmentation_with_and_without_digests() {
        for (header, data) in [(false, false), (true, false), (false, true), (true, true)] {
            let pdus = [sample(0), sample(1), sample(4), sample(517)];
            let bytes: Vec<u8> = pdus.iter().flat_map(|pdu| pdu.encode(header, data)).collect();
            for piece in [1, 3, 7, 48, 53, bytes.len()] {
                let mut frames = frames(bytes.clone(), piece);
                frames.receiving = Digests { header, data };
                for pdu in &pdus {
                    assert_eq!(frames.receive().unwrap(), *pdu);
                }
                assert!(matches!(frames.receive(), Err(Error::Closed { inside_pdu: false })));
            }
        }
    }

    #[test]
    fn a_flipped_bit_is_a_breach_under_digests() {
        let clean = sample(10).encode(true, true);
        for byte in 8..clean.len() {
            let mut bytes = clean.clone();
            bytes[byte] ^= 0x10;
            let mut frames = frames(bytes, 4096);
            frames.receiving = Digests { header: true, data: true };
            assert!(matches!(frames.receive(), Err(Error::Protocol { .. })), "byte {byte}");
        }
    }

    #[test]
    fn a_data_segment_at_the_limit_is_taken_and_one_past_it_is_not() {
        let mut at = frames(sample(8192).encode(false, false), 4096);
        assert_eq!(at.receive().unwrap().data.len(), 8192);
        let mut past = frames(sample(8193).encode(false, false), 4096);
        assert!(matches!(past.receive(), Err(Error::Protocol { clause: "RFC 7143 §13.12", .. })));
    }

    #[test]
    fn an_end_inside_a_pdu_is_told_from_one_between_two() {
        let mut bytes = sample(4).encode(false, false);
        bytes.pop();
        assert!(matches!(frames(bytes, 4096).receive(), Err(Error::Closed { inside_pdu: true })));
    }

    #[test]
    fn what_is_queued_leaves_whole_though_the_stream_takes_little() {
        let mut frames = frames(Vec::new(), 5);
        frames.send(sample(9).header, &[], &sample(9).data).unwrap();
        frames.send_bytes(b"xyz");
        frames.flush().unwrap();
        let mut expected = sample(9).encode(false, false);
        expected.extend_from_slice(b"xyz");
        assert_eq!(frames.stream().written, expected);
    }

    #[test]
    fn text_is_split_at_its_nuls_and_first_equals_sign() {
        let pdu = Pdu::new([0; HEADER_LEN], *b"A=1\0B=x=y\0\0C\0");
        let expected = [("A", "1"), ("B", "x=y"), ("C", "")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(pdu.pairs(), expected);
        assert_eq!(text(&expected[..2]), b"A=1\0B=x=y\0");
    }
}
