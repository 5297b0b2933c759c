//! How is a whole PDU put on the stream, and taken off it, when its data is small enough to be kept?

use thiserror::Error;

use super::digest::{self, Digests};
use super::{BHS_LEN, Bhs, ahs_len, data_len, padding};

/// Why a PDU cannot be taken off the stream. The stream has lost its framing or its trust: close the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadPdu {
    /// The data segment is longer than what was agreed on.
    #[error("the data segment has {len} bytes, more than {max}")]
    TooLong {
        /// DataSegmentLength.
        len: u32,
        /// The limit.
        max: u32,
    },
    /// The header digest does not fit the header.
    #[error("the header digest is wrong")]
    HeaderDigest,
    /// The data digest does not fit the data.
    #[error("the data digest is wrong")]
    DataDigest,
}

/// A whole PDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pdu<'a> {
    /// The Basic Header Segment.
    pub bhs: &'a Bhs,
    /// All additional header segments, with their padding.
    pub ahs: &'a [u8],
    /// The data segment without padding.
    pub data: &'a [u8],
}

/// Appends a whole PDU with padding and digests.
///
/// # Panics
/// When the header's lengths do not tell the lengths of `ahs` and `data`.
pub fn append(out: &mut Vec<u8>, bhs: &Bhs, ahs: &[u8], data: &[u8], digests: Digests) {
    assert_eq!(ahs_len(bhs), ahs.len(), "TotalAHSLength and the segments differ");
    assert_eq!(data_len(bhs) as usize, data.len(), "DataSegmentLength and the data differ");
    let header = out.len();
    out.extend_from_slice(bhs);
    out.extend_from_slice(ahs);
    if digests.header {
        let crc = digest::crc32c(&out[header..]);
        out.extend_from_slice(&digest::to_wire(crc));
    }
    let segment = out.len();
    out.extend_from_slice(data);
    out.resize(out.len() + padding(data.len()), 0);
    if digests.data && !data.is_empty() {
        let crc = digest::crc32c(&out[segment..]);
        out.extend_from_slice(&digest::to_wire(crc));
    }
}

/// Puts one PDU after the other together from bytes that come in any pieces.
#[derive(Clone, Debug)]
pub struct Assembler {
    buffer: Vec<u8>,
    whole: bool,
    digests: Digests,
    data_max: u32,
}

impl Assembler {
    /// `data_max`: the longest data segment, in bytes, that is taken.
    pub fn new(data_max: u32) -> Self {
        Self { buffer: Vec::with_capacity(BHS_LEN), whole: false, digests: Digests::default(), data_max }
    }

    /// Changes digests and limit from the next PDU on.
    pub fn agree(&mut self, digests: Digests, data_max: u32) {
        self.digests = digests;
        self.data_max = data_max;
    }

    /// Takes bytes up to the end of one PDU and says how many. Takes none while a whole PDU waits for
    /// [`Assembler::clear`].
    ///
    /// # Errors
    /// See [`BadPdu`].
    pub fn feed(&mut self, bytes: &[u8]) -> Result<usize, BadPdu> {
        let mut taken = 0;
        while !self.whole {
            let missing = self.length()? - self.buffer.len();
            if missing == 0 {
                self.check_data()?;
                self.whole = true;
                break;
            }
            let some = missing.min(bytes.len() - taken);
            if some == 0 {
                break;
            }
            self.buffer.extend_from_slice(&bytes[taken..taken + some]);
            taken += some;
        }
        Ok(taken)
    }

    /// The PDU, when it is whole.
    pub fn pdu(&self) -> Option<Pdu<'_>> {
        if !self.whole {
            return None;
        }
        let bhs = self.buffer.first_chunk().expect("a whole PDU has a header");
        let data = self.data_at(bhs);
        Some(Pdu {
            bhs,
            ahs: &self.buffer[BHS_LEN..BHS_LEN + ahs_len(bhs)],
            data: &self.buffer[data..data + data_len(bhs) as usize],
        })
    }

    /// Forgets the PDU that was whole and is ready for the next one.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.whole = false;
    }

    /// No byte of a next PDU has come.
    pub fn is_between_pdus(&self) -> bool {
        self.buffer.is_empty()
    }

    /// How long the PDU is, as far as is known; its header has been checked when more than the header is asked for.
    fn length(&self) -> Result<usize, BadPdu> {
        let Some(bhs) = self.buffer.first_chunk::<BHS_LEN>() else {
            return Ok(BHS_LEN);
        };
        let data = self.data_at(bhs);
        if self.buffer.len() < data {
            return Ok(data);
        }
        let len = data_len(bhs);
        if self.buffer.len() == data {
            let header = BHS_LEN + ahs_len(bhs);
            if self.digests.header
                && self.buffer[header..data] != digest::to_wire(digest::crc32c(&self.buffer[..header]))
            {
                return Err(BadPdu::HeaderDigest);
            }
            if len > self.data_max {
                return Err(BadPdu::TooLong { len, max: self.data_max });
            }
        }
        let trailer = if self.digests.data && len > 0 { digest::DIGEST_LEN } else { 0 };
        Ok(data + len as usize + padding(len as usize) + trailer)
    }

    /// Where the data segment starts.
    fn data_at(&self, bhs: &Bhs) -> usize {
        BHS_LEN + ahs_len(bhs) + if self.digests.header { digest::DIGEST_LEN } else { 0 }
    }

    fn check_data(&self) -> Result<(), BadPdu> {
        let bhs = self.buffer.first_chunk().expect("the PDU is whole");
        let data = self.data_at(bhs);
        if !self.digests.data || self.buffer.len() == data {
            return Ok(());
        }
        let (segment, crc) = self.buffer[data..].split_at(self.buffer.len() - data - digest::DIGEST_LEN);
        if digest::to_wire(digest::crc32c(segment)) == crc { Ok(()) } else { Err(BadPdu::DataDigest) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{TextRequest, ahs};

    const ALL: Digests = Digests { header: true, data: true };

    fn pdu(digests: Digests, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let bhs = TextRequest { fin: true, itt: 5, data_len: data.len() as u32, ..Default::default() }.encode();
        append(&mut out, &bhs, &[], data, digests);
        out
    }

    fn assembler(digests: Digests) -> Assembler {
        let mut assembler = Assembler::new(0);
        assembler.agree(digests, 100);
        assembler
    }

    #[test]
    fn a_pdu_is_whole_at_its_last_byte_however_it_is_cut() {
        for digests in [Digests::default(), Digests { header: true, data: false }, ALL] {
            for data in [&b""[..], b"a", b"abc", b"abcd", b"abcde"] {
                let bytes = [pdu(digests, data), pdu(digests, b"next")].concat();
                let end = pdu(digests, data).len();
                for cut in 0..=bytes.len() {
                    let mut assembler = assembler(digests);
                    let mut taken = assembler.feed(&bytes[..cut]).unwrap();
                    assert_eq!(taken, cut.min(end));
                    assert_eq!(assembler.pdu().is_some(), cut >= end);
                    taken += assembler.feed(&bytes[taken..]).unwrap();
                    assert_eq!((taken, assembler.pdu().unwrap().data), (end, data));
                    assembler.clear();
                    assembler.feed(&bytes[end..]).unwrap();
                    assert_eq!(assembler.pdu().unwrap().data, b"next");
                }
            }
        }
    }

    #[test]
    fn additional_header_segments_are_kept_and_digested() {
        let ahs = ahs::extended_cdb(&[9; 16]);
        let mut bhs = TextRequest::default().encode();
        bhs[4] = (ahs.len() / 4) as u8;
        let mut bytes = Vec::new();
        append(&mut bytes, &bhs, &ahs, &[], ALL);
        let mut assembler = assembler(ALL);
        assert_eq!(assembler.feed(&bytes), Ok(bytes.len()));
        assert_eq!(assembler.pdu().unwrap().ahs, ahs);
    }

    #[test]
    fn a_changed_bit_is_found_by_one_of_the_digests() {
        let bytes = pdu(ALL, b"hello");
        for at in 0..bytes.len() {
            // A changed length moves the digest: it is found all the same, or more bytes are waited for.
            if (4..8).contains(&at) {
                continue;
            }
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            let found = assembler(ALL).feed(&bad).unwrap_err();
            assert_eq!(found, if at < 52 { BadPdu::HeaderDigest } else { BadPdu::DataDigest }, "byte {at}");
        }
    }

    #[test]
    fn the_data_limit_holds_at_the_limit_and_breaks_one_past_it() {
        let bytes = pdu(Digests::default(), &[0; 100]);
        assert_eq!(assembler(Digests::default()).feed(&bytes), Ok(bytes.len()));
        let bytes = pdu(Digests::default(), &[0; 101]);
        assert_eq!(assembler(Digests::default()).feed(&bytes), Err(BadPdu::TooLong { len: 101, max: 100 }));
    }
}
