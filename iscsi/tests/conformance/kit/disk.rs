//! A RAM disk that knows just enough SCSI for the protocol's tests.

use ferrite_iscsi::Command;

/// Bytes of a block.
pub const BLOCK: u32 = 512;
/// Blocks of the disk.
pub const BLOCKS: usize = 4096;

const CHECK_CONDITION: u8 = 2;
/// ILLEGAL REQUEST, INVALID COMMAND OPERATION CODE, in fixed format.
const UNKNOWN_OPCODE: [u8; 18] = [0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0];

/// What the disk makes of a command.
pub enum Wish {
    /// Data in, and how much of it SCSI means to move.
    Read(Vec<u8>),
    /// So many bytes of data out, for this place.
    Write { at: usize, len: u32 },
    /// GOOD without data.
    Done,
    /// A status with sense.
    Fail { status: u8, sense: Vec<u8> },
}

/// The disk.
pub struct Disk {
    /// All its bytes.
    pub bytes: Vec<u8>,
}

impl Disk {
    pub fn new() -> Self {
        Disk { bytes: vec![0; BLOCKS * BLOCK as usize] }
    }

    /// What `command` asks for.
    pub fn wish(&self, command: &Command) -> Wish {
        let cdb = &command.cdb;
        let word = |at: usize| u32::from_be_bytes(cdb[at..at + 4].try_into().unwrap()) as usize;
        let block = BLOCK as usize;
        match cdb[0] {
            0x00 | 0x91 => Wish::Done,
            0x12 => Wish::Read(b"\0\0\x06\x02\x1f\0\0\0FERRITE RAM DISK        0001".to_vec()),
            0x28 => self.read(word(2) * block, usize::from(cdb[7]) << 8 | usize::from(cdb[8])),
            0x88 => self.read(word(6) * block, word(10)),
            0x2a => Wish::Write { at: word(2) * block, len: u32::from(cdb[7]) << 8 << 9 | u32::from(cdb[8]) << 9 },
            0x8a => Wish::Write { at: word(6) * block, len: (word(10) * block) as u32 },
            0x9e => Wish::Read([&(BLOCKS as u64 - 1).to_be_bytes()[..], &BLOCK.to_be_bytes(), &[0; 20]].concat()),
            0xa0 => Wish::Read([&8u32.to_be_bytes()[..], &[0; 12]].concat()),
            // A variable length CDB comes back as it came, so that a test sees whether it arrived whole.
            0x7f => Wish::Read(command.extended.as_deref().unwrap_or(cdb).to_vec()),
            _ => Wish::Fail { status: CHECK_CONDITION, sense: UNKNOWN_OPCODE.to_vec() },
        }
    }

    fn read(&self, at: usize, blocks: usize) -> Wish {
        Wish::Read(self.bytes[at..at + blocks * BLOCK as usize].to_vec())
    }
}
