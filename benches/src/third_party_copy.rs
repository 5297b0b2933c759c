//! How fast do bytes move from one unit of a target to another: by EXTENDED COPY, and through an initiator that reads
//! and writes them?
//!
//! Both ways take turns over the same blocks, and each turn is checked: the first unit gets other bytes before it, and
//! the second one must have them after it.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use ferrite_iscsi::initiator::{Answer, Error as Failed, Initiator, Request, Settings, cdb};

/// Bytes of one segment of an EXTENDED COPY, and segments of one command.
const SEGMENT_LEN: u64 = 4 << 20;
const SEGMENTS: u64 = 16;

/// Bytes of one READ or WRITE, and how many are in flight.
const PIECE_LEN: u64 = 1 << 20;
const DEPTH: usize = 8;

/// What to copy where.
#[derive(Debug, Clone)]
pub struct Job {
    /// Portal.
    pub address: SocketAddr,
    /// Target name.
    pub target: String,
    /// Number of the unit that is read, and of the one that is written.
    pub units: [u16; 2],
    /// Bytes to copy: a multiple of what one EXTENDED COPY moves, 64 MiB.
    pub bytes: u64,
}

/// What was found, turn by turn.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// By EXTENDED COPY.
    pub inside: Vec<Duration>,
    /// Through the initiator.
    pub through: Vec<Duration>,
}

/// Why a copy could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection, or a command.
    #[error(transparent)]
    Failed(#[from] Failed),
    /// No connection.
    #[error("no connection: {0}")]
    Io(#[from] std::io::Error),
    /// The units do not fit the job.
    #[error("{0}")]
    Unfit(String),
    /// The second unit has other bytes than the first.
    #[error("at byte {0} the copy is none")]
    Wrong(u64),
}

/// Copies both ways, `rounds` times each.
///
/// # Errors
/// See [`Error`].
pub fn measure(job: &Job, rounds: usize) -> Result<Found, Error> {
    let mut host = Host::open(job)?;
    let mut found = Found::default();
    for round in 0..rounds as u64 {
        for inside in if round % 2 == 0 { [true, false] } else { [false, true] } {
            let seed = 2 * round + u64::from(inside);
            host.fill(seed)?;
            let began = Instant::now();
            if inside {
                host.copy_inside()?
            } else {
                host.copy_through()?
            };
            let took = began.elapsed();
            host.check(seed)?;
            if inside { &mut found.inside } else { &mut found.through }.push(took);
        }
    }
    Ok(found)
}

struct Host<'a> {
    job: &'a Job,
    initiator: Initiator<TcpStream>,
    block_size: u32,
    /// CSCD descriptors of both units.
    descriptors: Vec<u8>,
}

impl<'a> Host<'a> {
    fn open(job: &'a Job) -> Result<Self, Error> {
        let stream = TcpStream::connect(job.address)?;
        stream.set_nodelay(true)?;
        let settings = Settings::normal("iqn.2026-11.org.ferrite:copy", job.target.as_str());
        let mut initiator = Initiator::login(stream, &settings)?;
        let (mut descriptors, mut sizes) = (Vec::new(), [0; 2]);
        for (unit, size) in job.units.into_iter().zip(&mut sizes) {
            initiator.settle(unit)?;
            let capacity = initiator.read_capacity(unit)?;
            if capacity.blocks * u64::from(capacity.block_size) < job.bytes {
                return Err(Error::Unfit(format!("unit {unit} has less than {} bytes", job.bytes)));
            }
            *size = capacity.block_size;
            let page = initiator.inquiry(unit, Some(0x83))?;
            let name = naa(&page).ok_or_else(|| Error::Unfit(format!("unit {unit} has no NAA designator")))?;
            descriptors.extend(cscd(name, *size));
        }
        let whole = job.bytes > 0 && job.bytes.is_multiple_of(SEGMENTS * SEGMENT_LEN);
        if sizes[0] != sizes[1] || !whole {
            return Err(Error::Unfit("units of one block size, and whole commands of 64 MiB, can be copied".into()));
        }
        Ok(Host { job, initiator, block_size: sizes[0], descriptors })
    }

    fn blocks(&self, bytes: u64) -> u64 {
        bytes / u64::from(self.block_size)
    }

    fn read(&self, unit: u16, at: u64) -> Request {
        let cdb = cdb::read16(self.blocks(at), self.blocks(PIECE_LEN) as u32);
        Request::new(unit, &cdb).reading(PIECE_LEN as u32)
    }

    fn write(&self, unit: u16, at: u64, data: Vec<u8>) -> Request {
        Request::new(unit, &cdb::write16(self.blocks(at), self.blocks(PIECE_LEN) as u32)).writing(data)
    }

    fn fill(&mut self, seed: u64) -> Result<(), Error> {
        let mut in_flight = VecDeque::new();
        for at in (0..self.job.bytes).step_by(PIECE_LEN as usize) {
            if in_flight.len() == DEPTH {
                self.data(in_flight.pop_front().expect("just counted"))?;
            }
            let request = self.write(self.job.units[0], at, bytes(seed, at));
            in_flight.push_back(self.initiator.submit(&request)?);
        }
        in_flight.into_iter().try_for_each(|tag| self.data(tag).map(drop))
    }

    fn check(&mut self, seed: u64) -> Result<(), Error> {
        for at in (0..self.job.bytes).step_by(PIECE_LEN as usize) {
            let request = self.read(self.job.units[1], at);
            let tag = self.initiator.submit(&request)?;
            if self.data(tag)? != bytes(seed, at) {
                return Err(Error::Wrong(at));
            }
        }
        Ok(())
    }

    fn copy_inside(&mut self) -> Result<(), Error> {
        for at in (0..self.job.bytes).step_by((SEGMENTS * SEGMENT_LEN) as usize) {
            let blocks = self.blocks(SEGMENT_LEN);
            let segments = (0..SEGMENTS).map(|index| segment(self.blocks(at) + index * blocks, blocks));
            let list = parameters(&self.descriptors, segments);
            let mut cdb = [0; 16];
            cdb[0] = 0x83;
            cdb[10..14].copy_from_slice(&(list.len() as u32).to_be_bytes());
            let tag = self.initiator.submit(&Request::new(self.job.units[0], &cdb).writing(list))?;
            self.data(tag)?;
        }
        Ok(())
    }

    /// Each piece is written as soon as it has been read, and the next is asked for.
    fn copy_through(&mut self) -> Result<(), Error> {
        let mut places = (0..self.job.bytes).step_by(PIECE_LEN as usize);
        let (mut reads, mut writes) = (VecDeque::new(), VecDeque::new());
        loop {
            while reads.len() < DEPTH
                && let Some(at) = places.next()
            {
                let request = self.read(self.job.units[0], at);
                reads.push_back((at, self.initiator.submit(&request)?));
            }
            let Some((at, tag)) = reads.pop_front() else { break };
            let piece = self.data(tag)?;
            let request = self.write(self.job.units[1], at, piece);
            writes.push_back(self.initiator.submit(&request)?);
            if writes.len() == DEPTH {
                self.data(writes.pop_front().expect("just counted"))?;
            }
        }
        writes.into_iter().try_for_each(|tag| self.data(tag).map(drop))
    }

    /// Waits for one command, which must be good: what it read.
    fn data(&mut self, tag: u32) -> Result<Vec<u8>, Error> {
        match self.initiator.complete_one(tag)? {
            Answer::Scsi(result) if result.is_good() => Ok(result.data),
            answer => Err(Error::Unfit(format!("a command ended with {answer:?}"))),
        }
    }
}

/// The bytes of one piece.
fn bytes(seed: u64, at: u64) -> Vec<u8> {
    (0..PIECE_LEN / 8)
        .flat_map(|word| (at + word).wrapping_mul(2 * seed + 0x9E37_79B9_7F4A_7C15).to_le_bytes())
        .collect()
}

/// The first NAA designator of a device identification page (SPC-5 7.7.6).
fn naa(page: &[u8]) -> Option<&[u8]> {
    let mut rest = page.get(4..)?;
    loop {
        let (head, tail) = rest.split_first_chunk::<4>()?;
        let (designator, after) = tail.split_at_checked(head[3].into())?;
        // Of the logical unit, and binary.
        if head[1] & 0x3F == 0x03 && head[0] & 0x0F == 1 {
            return Some(designator);
        }
        rest = after;
    }
}

/// Identification Descriptor CSCD descriptor of a disk (SPC-4 6.4.5.2).
fn cscd(name: &[u8], block_size: u32) -> [u8; 32] {
    let mut cscd = [0; 32];
    (cscd[0], cscd[4], cscd[5], cscd[7]) = (0xE4, 0x01, 0x03, name.len() as u8);
    cscd[8..8 + name.len()].copy_from_slice(name);
    cscd[29..32].copy_from_slice(&block_size.to_be_bytes()[1..]);
    cscd
}

/// Block to block segment descriptor (SPC-4 6.4.6.3), from the first unit to the same place of the second.
fn segment(lba: u64, blocks: u64) -> [u8; 28] {
    let mut segment = [0; 28];
    (segment[0], segment[3], segment[7]) = (0x02, 0x18, 0x01);
    segment[10..12].copy_from_slice(&u16::try_from(blocks).expect("a segment of 4 MiB").to_be_bytes());
    segment[12..20].copy_from_slice(&lba.to_be_bytes());
    segment[20..28].copy_from_slice(&lba.to_be_bytes());
    segment
}

/// Parameter list of EXTENDED COPY (LID1) (SPC-4 6.4.2).
fn parameters(descriptors: &[u8], segments: impl Iterator<Item = [u8; 28]>) -> Vec<u8> {
    let segments: Vec<u8> = segments.flatten().collect();
    let mut list = vec![0; 16];
    list[2..4].copy_from_slice(&(descriptors.len() as u16).to_be_bytes());
    list[8..12].copy_from_slice(&(segments.len() as u32).to_be_bytes());
    [list, descriptors.to_vec(), segments].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_naa_designator_of_the_unit_is_found_among_others() {
        let vendor = [2, 1, 0, 2, b'a', b'b'];
        let port = [0x61, 0x13, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0];
        let unit = [1, 3, 0, 4, 0x60, 1, 2, 3];
        let page = [&[0, 0x83, 0, 26][..], &vendor, &port, &unit].concat();
        assert_eq!(naa(&page), Some(&[0x60, 1, 2, 3][..]));
        assert_eq!(naa(&page[..22]), None);
        assert_eq!(naa(&page[..29]), None, "cut short");
    }

    #[test]
    fn a_parameter_list_counts_its_descriptors() {
        let descriptors = [cscd(&[0x60; 16], 512), cscd(&[0x61; 16], 512)].concat();
        let list = parameters(&descriptors, [segment(0, 8192), segment(8192, 8192)].into_iter());
        assert_eq!((list.len(), list[3], list[11]), (16 + 64 + 56, 64, 56));
        assert_eq!(list[16 + 29..16 + 32], [0, 2, 0]);
        assert_eq!(list[16 + 64 + 10..][..10], [0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn no_two_turns_and_no_two_pieces_have_the_same_bytes() {
        assert_ne!(bytes(0, 0), bytes(1, 0));
        assert_ne!(bytes(0, 0), bytes(0, PIECE_LEN));
    }
}
