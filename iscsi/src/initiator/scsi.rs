//! The SCSI commands that tests, monitors and self-checks need, as calls.

use std::io::{Read, Write};

use super::error::Error;
use super::request::{Request, ScsiResult};
use super::session::Initiator;

/// What READ CAPACITY(16) tells (SBC-4 5.20.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Logical blocks.
    pub blocks: u64,
    /// Bytes of one logical block.
    pub block_size: u32,
}

/// Command descriptor blocks.
pub mod cdb {
    /// TEST UNIT READY (SPC-5 6.47).
    pub const TEST_UNIT_READY: [u8; 6] = [0; 6];

    /// INQUIRY (SPC-5 6.7): standard data, or one page of vital product data.
    pub fn inquiry(page: Option<u8>, len: u16) -> [u8; 6] {
        let [high, low] = len.to_be_bytes();
        [0x12, u8::from(page.is_some()), page.unwrap_or_default(), high, low, 0]
    }

    /// READ CAPACITY(16) (SBC-4 5.20).
    pub fn read_capacity(len: u32) -> [u8; 16] {
        let mut cdb = [0; 16];
        (cdb[0], cdb[1]) = (0x9e, 0x10);
        cdb[10..14].copy_from_slice(&len.to_be_bytes());
        cdb
    }

    /// REPORT LUNS (SPC-5 6.34) of all addressable units.
    pub fn report_luns(len: u32) -> [u8; 12] {
        let [a, b, c, d] = len.to_be_bytes();
        [0xa0, 0, 0, 0, 0, 0, a, b, c, d, 0, 0]
    }

    /// READ(10) (SBC-4 5.15).
    pub fn read10(lba: u32, blocks: u16) -> [u8; 10] {
        ten(0x28, lba, blocks)
    }

    /// WRITE(10) (SBC-4 5.39).
    pub fn write10(lba: u32, blocks: u16) -> [u8; 10] {
        ten(0x2a, lba, blocks)
    }

    /// READ(16) (SBC-4 5.17).
    pub fn read16(lba: u64, blocks: u32) -> [u8; 16] {
        sixteen(0x88, lba, blocks)
    }

    /// WRITE(16) (SBC-4 5.41).
    pub fn write16(lba: u64, blocks: u32) -> [u8; 16] {
        sixteen(0x8a, lba, blocks)
    }

    /// SYNCHRONIZE CACHE(16) (SBC-4 5.32); no blocks means all of them.
    pub fn synchronize_cache16(lba: u64, blocks: u32) -> [u8; 16] {
        sixteen(0x91, lba, blocks)
    }

    fn ten(opcode: u8, lba: u32, blocks: u16) -> [u8; 10] {
        let ([a, b, c, d], [high, low]) = (lba.to_be_bytes(), blocks.to_be_bytes());
        [opcode, 0, a, b, c, d, 0, high, low, 0]
    }

    fn sixteen(opcode: u8, lba: u64, blocks: u32) -> [u8; 16] {
        let mut cdb = [0; 16];
        cdb[0] = opcode;
        cdb[2..10].copy_from_slice(&lba.to_be_bytes());
        cdb[10..14].copy_from_slice(&blocks.to_be_bytes());
        cdb
    }
}

/// Commands to unit `lun`. Each fails with [`Error::Status`] where the target does not end it with GOOD; where the end
/// itself is of interest, use [`command`](Initiator::command).
impl<S: Read + Write> Initiator<S> {
    /// TEST UNIT READY, once: a unit attention that waits is its answer.
    ///
    /// # Errors
    /// [`Error::Status`] and those of [`command`](Initiator::command).
    pub fn test_unit_ready(&mut self, lun: u16) -> Result<(), Error> {
        self.good(&Request::new(lun, &cdb::TEST_UNIT_READY)).map(drop)
    }

    /// Repeats TEST UNIT READY until the unit attentions that wait for this initiator are heard.
    ///
    /// # Errors
    /// As for [`test_unit_ready`](Self::test_unit_ready), the last of 16 unit attentions included.
    pub fn settle(&mut self, lun: u16) -> Result<(), Error> {
        const ATTENTIONS_MAX: u32 = 16;
        for _ in 1..ATTENTIONS_MAX {
            match self.test_unit_ready(lun) {
                Err(Error::Status(result)) if matches!(result.sense_code(), Some((6, ..))) => {}
                end => return end,
            }
        }
        self.test_unit_ready(lun)
    }

    /// INQUIRY: standard data, or the vital product data page.
    ///
    /// # Errors
    /// As for [`test_unit_ready`](Self::test_unit_ready).
    pub fn inquiry(&mut self, lun: u16, page: Option<u8>) -> Result<Vec<u8>, Error> {
        const LEN: u16 = 1024;
        Ok(self.good(&Request::new(lun, &cdb::inquiry(page, LEN)).reading(LEN.into()))?.data)
    }

    /// READ CAPACITY(16).
    ///
    /// # Errors
    /// As for [`test_unit_ready`](Self::test_unit_ready), and [`Error::Protocol`] for data that makes no sense.
    pub fn read_capacity(&mut self, lun: u16) -> Result<Capacity, Error> {
        const LEN: u32 = 32;
        let data = self.good(&Request::new(lun, &cdb::read_capacity(LEN)).reading(LEN))?.data;
        let wrong = || Error::protocol("SBC-4 5.20.2", "READ CAPACITY(16) data makes no sense");
        let (last, rest) = data.split_first_chunk::<8>().ok_or_else(wrong)?;
        let size = rest.first_chunk::<4>().ok_or_else(wrong)?;
        let blocks = u64::from_be_bytes(*last).checked_add(1).ok_or_else(wrong)?;
        let block_size = u32::from_be_bytes(*size);
        if block_size == 0 { Err(wrong()) } else { Ok(Capacity { blocks, block_size }) }
    }

    /// REPORT LUNS: the LUN fields of all units.
    ///
    /// # Errors
    /// As for [`read_capacity`](Self::read_capacity).
    pub fn report_luns(&mut self) -> Result<Vec<[u8; 8]>, Error> {
        const LEN: u32 = 8 + 8 * 16_384;
        let data = self.good(&Request::new(0, &cdb::report_luns(LEN)).reading(LEN))?.data;
        let wrong = || Error::protocol("SPC-5 6.34", "REPORT LUNS data makes no sense");
        let (len, _) = data.split_first_chunk::<4>().ok_or_else(wrong)?;
        let list = (u32::from_be_bytes(*len) as usize).checked_add(8).and_then(|end| data.get(8..end));
        let list = list.filter(|list| list.len().is_multiple_of(8)).ok_or_else(wrong)?;
        Ok(list.chunks_exact(8).map(|lun| lun.try_into().expect("eight bytes")).collect())
    }

    /// READ(16) of `blocks` blocks of `block_size` bytes.
    ///
    /// # Errors
    /// As for [`test_unit_ready`](Self::test_unit_ready).
    pub fn read(&mut self, lun: u16, lba: u64, blocks: u32, block_size: u32) -> Result<Vec<u8>, Error> {
        Ok(self.good(&Request::new(lun, &cdb::read16(lba, blocks)).reading(blocks * block_size))?.data)
    }

    /// WRITE(16) of `data`, whole blocks of `block_size` bytes.
    ///
    /// # Errors
    /// As for [`test_unit_ready`](Self::test_unit_ready).
    pub fn write(&mut self, lun: u16, lba: u64, data: &[u8], block_size: u32) -> Result<(), Error> {
        assert!(data.len().is_multiple_of(block_size as usize), "{} bytes are no whole blocks", data.len());
        let blocks = (data.len() / block_size as usize) as u32;
        self.good(&Request::new(lun, &cdb::write16(lba, blocks)).writing(data.to_vec())).map(drop)
    }

    /// SYNCHRONIZE CACHE(16) of the whole unit.
    ///
    /// # Errors
    /// As for [`test_unit_ready`](Self::test_unit_ready).
    pub fn synchronize_cache(&mut self, lun: u16) -> Result<(), Error> {
        self.good(&Request::new(lun, &cdb::synchronize_cache16(0, 0))).map(drop)
    }

    /// Carries a command out that must end with GOOD.
    fn good(&mut self, request: &Request) -> Result<ScsiResult, Error> {
        let result = self.command(request)?;
        if result.is_good() { Ok(result) } else { Err(Error::Status(Box::new(result))) }
    }
}

#[cfg(test)]
mod tests {
    use super::cdb::*;

    #[test]
    fn descriptor_blocks_have_the_layout_of_the_standards() {
        assert_eq!(inquiry(None, 255), [0x12, 0, 0, 0, 255, 0]);
        assert_eq!(inquiry(Some(0x83), 256), [0x12, 1, 0x83, 1, 0, 0]);
        assert_eq!(read10(0x0102_0304, 0x0506), [0x28, 0, 1, 2, 3, 4, 0, 5, 6, 0]);
        assert_eq!(write10(0x0102_0304, 0x0506), [0x2a, 0, 1, 2, 3, 4, 0, 5, 6, 0]);
        let long = [0x88, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 0];
        assert_eq!(read16(0x0102_0304_0506_0708, 0x090a_0b0c), long);
        assert_eq!(report_luns(0x0102_0304), [0xa0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 0, 0]);
        assert_eq!(read_capacity(32), [0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0]);
        assert_eq!(synchronize_cache16(0, 0)[0], 0x91);
        assert_eq!(write16(0, 0)[0], 0x8a);
    }
}
