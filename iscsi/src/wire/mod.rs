//! How do iSCSI PDUs look on the wire (RFC 7143 §11)? Headers in both directions, segments, padding, digests, text.
//!
//! A header is a plain struct made from a table of offsets; `encode` gives its 48 bytes, `decode` reads them. Nothing
//! here knows a session: what is sensible to send or accept is decided by `login` and `connection`.

mod layout;

pub mod ahs;
pub mod codes;
pub mod digest;
pub mod pdu;
mod requests;
mod responses;
pub mod text;

pub use digest::Digests;
pub use pdu::{Assembler, BadPdu, Pdu};
pub use requests::{DataOut, LoginRequest, LogoutRequest, NopOut, ScsiCommand, SnackRequest, TaskRequest, TextRequest};
pub use responses::{
    AsyncMessage, DataIn, LoginResponse, LogoutResponse, NopIn, R2t, Reject, ScsiResponse, TaskResponse, TextResponse,
};

/// Bytes of a Basic Header Segment.
pub const BHS_LEN: usize = 48;

/// A Basic Header Segment.
pub type Bhs = [u8; BHS_LEN];

/// The longest data segment that a header can announce: 2^24 - 1 bytes.
pub const DATA_SEGMENT_MAX: u32 = (1 << 24) - 1;

/// The reserved value of Initiator Task Tags and Target Transfer Tags: no tag.
pub const NO_TAG: u32 = 0xffff_ffff;

/// The only protocol version there is (RFC 7143 §11.12.4).
pub const VERSION: u8 = 0;

/// Kinds of PDU (RFC 7143 §11.2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// NOP-Out.
    NopOut = 0x00,
    /// SCSI Command.
    ScsiCommand = 0x01,
    /// Task Management Function Request.
    TaskRequest = 0x02,
    /// Login Request.
    LoginRequest = 0x03,
    /// Text Request.
    TextRequest = 0x04,
    /// SCSI Data-Out.
    DataOut = 0x05,
    /// Logout Request.
    LogoutRequest = 0x06,
    /// SNACK Request.
    SnackRequest = 0x10,
    /// NOP-In.
    NopIn = 0x20,
    /// SCSI Response.
    ScsiResponse = 0x21,
    /// Task Management Function Response.
    TaskResponse = 0x22,
    /// Login Response.
    LoginResponse = 0x23,
    /// Text Response.
    TextResponse = 0x24,
    /// SCSI Data-In.
    DataIn = 0x25,
    /// Logout Response.
    LogoutResponse = 0x26,
    /// Ready To Transfer.
    R2t = 0x31,
    /// Asynchronous Message.
    AsyncMessage = 0x32,
    /// Reject.
    Reject = 0x3f,
}

impl Opcode {
    const ALL: [Self; 18] = [
        Self::NopOut,
        Self::ScsiCommand,
        Self::TaskRequest,
        Self::LoginRequest,
        Self::TextRequest,
        Self::DataOut,
        Self::LogoutRequest,
        Self::SnackRequest,
        Self::NopIn,
        Self::ScsiResponse,
        Self::TaskResponse,
        Self::LoginResponse,
        Self::TextResponse,
        Self::DataIn,
        Self::LogoutResponse,
        Self::R2t,
        Self::AsyncMessage,
        Self::Reject,
    ];

    /// The opcode of a header; `None` for a reserved or vendor specific one.
    #[inline]
    pub fn of(bhs: &Bhs) -> Option<Self> {
        const TABLE: [Option<Opcode>; 64] = {
            let mut table = [None; 64];
            let mut at = 0;
            while at < Opcode::ALL.len() {
                table[Opcode::ALL[at] as usize] = Some(Opcode::ALL[at]);
                at += 1;
            }
            table
        };
        TABLE[usize::from(bhs[0] & 0x3f)]
    }
}

/// DataSegmentLength in bytes, without padding.
#[inline]
pub fn data_len(bhs: &Bhs) -> u32 {
    u32::from_be_bytes([0, bhs[5], bhs[6], bhs[7]])
}

/// TotalAHSLength in bytes, with the segments' own padding.
#[inline]
pub fn ahs_len(bhs: &Bhs) -> usize {
    usize::from(bhs[4]) * 4
}

/// How many zero bytes fill a segment of `len` bytes up to a word (RFC 7143 §11.1).
#[inline]
pub const fn padding(len: usize) -> usize {
    len.wrapping_neg() & 3
}

/// The Initiator Task Tag: at the same place in every header.
#[inline]
pub fn initiator_task_tag(bhs: &Bhs) -> u32 {
    u32::from_be_bytes([bhs[16], bhs[17], bhs[18], bhs[19]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_opcode_is_found_with_and_without_its_immediate_bit() {
        for opcode in Opcode::ALL {
            let mut bhs = [0; BHS_LEN];
            for bit in [0, 0x40] {
                bhs[0] = opcode as u8 | bit;
                assert_eq!(Opcode::of(&bhs), Some(opcode));
            }
        }
    }

    #[test]
    fn reserved_opcodes_are_no_opcodes() {
        let known = (0..64u8).filter(|&code| {
            let mut bhs = [0; BHS_LEN];
            bhs[0] = code;
            Opcode::of(&bhs).is_some()
        });
        assert_eq!(known.count(), Opcode::ALL.len());
    }

    #[test]
    fn padding_fills_words() {
        assert_eq!([0, 1, 2, 3, 4, 5].map(padding), [0, 3, 2, 1, 0, 3]);
    }
}
