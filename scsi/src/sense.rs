//! Sense data: why a command did not do what it was asked, in the two formats of SPC-4 4.5.

use std::ops::Deref;

/// SENSE KEY: the first thing an initiator looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SenseKey {
    /// Nothing to report.
    NoSense = 0x0,
    /// The command succeeded, after something was put right.
    RecoveredError = 0x1,
    /// The unit cannot be accessed now.
    NotReady = 0x2,
    /// The medium is flawed, or the data on it is.
    MediumError = 0x3,
    /// The hardware, or we, failed.
    HardwareError = 0x4,
    /// The command, or its parameters, are wrong.
    IllegalRequest = 0x5,
    /// Something changed that the initiator must know before it goes on.
    UnitAttention = 0x6,
    /// A write to something that may not be written.
    DataProtect = 0x7,
    /// A copy between units ended before it was done.
    CopyAborted = 0xA,
    /// The command was given up; the initiator may try again.
    AbortedCommand = 0xB,
    /// What was compared is not the same.
    Miscompare = 0xE,
}

/// Which field of an ILLEGAL REQUEST is meant (SPC-4, field pointer sense key specific
/// information).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FieldPointer {
    /// The field is in the CDB (otherwise in the parameter list).
    pub in_cdb: bool,
    /// Offset of the byte in error; of the first byte, for a field of several.
    pub byte: u16,
    /// Most significant bit of the field, where it is smaller than a byte.
    pub bit: Option<u8>,
}

/// Where in a third-party copy it went wrong (SPC-4, segment pointer sense key specific information, and forwarded sense
/// data).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CopySegment {
    /// Number of the segment descriptor, from zero; zero where there are none.
    pub number: u16,
    /// What a unit said that the copy manager asked.
    pub forwarded: Option<Forwarded>,
}

/// The answer of a unit that takes part in a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Forwarded {
    /// Which of the two.
    pub source: SenseSource,
    /// Its status; CHECK CONDITION where there is sense.
    pub status: u8,
    /// Its sense: key, additional code and qualifier.
    pub sense: Option<(SenseKey, u8, u8)>,
    /// INFORMATION of its sense.
    pub information: Option<u64>,
}

/// SENSE DATA SOURCE of forwarded sense data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SenseSource {
    /// The unit that was read.
    CopySource = 1,
    /// The unit that was written.
    CopyDestination = 2,
}

/// What went wrong, not yet in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sense {
    /// The sense key.
    pub key: SenseKey,
    /// ADDITIONAL SENSE CODE.
    pub asc: u8,
    /// ADDITIONAL SENSE CODE QUALIFIER.
    pub ascq: u8,
    /// INFORMATION: a logical block address, or for a miscompare a byte offset.
    pub information: Option<u64>,
    /// What the three sense key specific bytes hold.
    pub specific: Option<Specific>,
    /// Where a COPY ABORTED happened.
    pub segment: Option<CopySegment>,
}

/// SENSE KEY SPECIFIC: one of these at a time (SPC-4, sense key specific sense data).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Specific {
    /// Of an ILLEGAL REQUEST.
    Field(FieldPointer),
    /// PROGRESS INDICATION of a NOT READY: how much is done, in 65536ths.
    Progress(u16),
    /// Of a COPY ABORTED: byte of the segment descriptor in error.
    SegmentField(u16),
}

impl Sense {
    /// 0/00/00: nothing to report.
    pub const NONE: Sense = Sense::new(SenseKey::NoSense, 0x00, 0x00);
    /// 2/04/0A: the unit is moving to another node and will be back.
    pub const IN_TRANSITION: Sense = Sense::new(SenseKey::NotReady, 0x04, 0x0A);
    /// 2/04/14: space is being allocated; the initiator tries again.
    pub const ALLOCATING: Sense = Sense::new(SenseKey::NotReady, 0x04, 0x14);
    /// 2/3A/01: the tray is shut, and nothing is in it.
    pub const NO_MEDIUM: Sense = Sense::new(SenseKey::NotReady, 0x3A, 0x01);
    /// 2/3A/02: the tray is open.
    pub const NO_MEDIUM_TRAY_OPEN: Sense = Sense::new(SenseKey::NotReady, 0x3A, 0x02);
    /// 4/44/00: our own failure.
    pub const INTERNAL_FAILURE: Sense = Sense::new(SenseKey::HardwareError, 0x44, 0x00);
    /// 4/67/0A: target port groups do not become what they were to be.
    pub const SET_TARGET_PORT_GROUPS_FAILED: Sense = Sense::new(SenseKey::HardwareError, 0x67, 0x0A);
    /// 5/0E/03: the data-out that the transport announces is not what the command needs to mean anything.
    pub const DATA_OUT_LENGTH: Sense = Sense::new(SenseKey::IllegalRequest, 0x0E, 0x03);
    /// 5/00/16: a copy with this list identifier is under way.
    pub const OPERATION_IN_PROGRESS: Sense = Sense::new(SenseKey::IllegalRequest, 0x00, 0x16);
    /// 5/1A/00: a parameter list is shorter than what its fields need.
    pub const PARAMETER_LIST_LENGTH: Sense = Sense::new(SenseKey::IllegalRequest, 0x1A, 0x00);
    /// 5/20/00: no such command here.
    pub const INVALID_OPCODE: Sense = Sense::new(SenseKey::IllegalRequest, 0x20, 0x00);
    /// 5/21/00: blocks that do not exist.
    pub const LBA_OUT_OF_RANGE: Sense = Sense::new(SenseKey::IllegalRequest, 0x21, 0x00);
    /// 5/24/00: a field of the CDB is wrong; see [`Sense::invalid_field`] for one that says which.
    pub const INVALID_FIELD_IN_CDB: Sense = Sense::new(SenseKey::IllegalRequest, 0x24, 0x00);
    /// 5/25/00: no logical unit here, for good. ESX takes it for a permanent device loss.
    pub const NO_SUCH_UNIT: Sense = Sense::new(SenseKey::IllegalRequest, 0x25, 0x00);
    /// 5/26/00: a field of the parameter list is wrong; see [`Sense::invalid_parameter`].
    pub const INVALID_FIELD_IN_LIST: Sense = Sense::new(SenseKey::IllegalRequest, 0x26, 0x00);
    /// 5/2C/00: what this command needs has not come before it.
    pub const COMMAND_SEQUENCE_ERROR: Sense = Sense::new(SenseKey::IllegalRequest, 0x2C, 0x00);
    /// 5/30/02: the medium does not have what is asked for.
    pub const INCOMPATIBLE_MEDIUM: Sense = Sense::new(SenseKey::IllegalRequest, 0x30, 0x02);
    /// 5/53/02: somebody prevents the removal of the medium.
    pub const REMOVAL_PREVENTED: Sense = Sense::new(SenseKey::IllegalRequest, 0x53, 0x02);
    /// 5/64/00: blocks of this track cannot be read so.
    pub const ILLEGAL_MODE: Sense = Sense::new(SenseKey::IllegalRequest, 0x64, 0x00);
    /// 5/39/00: mode pages cannot be saved.
    pub const SAVING_NOT_SUPPORTED: Sense = Sense::new(SenseKey::IllegalRequest, 0x39, 0x00);
    /// 7/27/00: the unit is read-only.
    pub const WRITE_PROTECTED: Sense = Sense::new(SenseKey::DataProtect, 0x27, 0x00);
    /// 7/27/02: an initiator has set the unit read-only (SWP).
    pub const SOFTWARE_WRITE_PROTECTED: Sense = Sense::new(SenseKey::DataProtect, 0x27, 0x02);
    /// 7/27/07: the thin disk is full. ESX pauses only the guests that need space.
    pub const NO_SPACE: Sense = Sense::new(SenseKey::DataProtect, 0x27, 0x07);
    /// A/00/00: a copy ended early because nobody wanted it any more.
    pub const COPY_CANCELLED: Sense = Sense::new(SenseKey::CopyAborted, 0x00, 0x00);
    /// B/00/00: given up, with nothing else to say.
    pub const ABORTED: Sense = Sense::new(SenseKey::AbortedCommand, 0x00, 0x00);
    /// B/0C/0C: unsolicited data where none was agreed (RFC 7143 §11.4.7.2).
    pub const UNEXPECTED_UNSOLICITED_DATA: Sense = Sense::new(SenseKey::AbortedCommand, 0x0C, 0x0C);
    /// B/0C/0D: less unsolicited data than was due (RFC 7143 §11.4.7.2).
    pub const NOT_ENOUGH_UNSOLICITED_DATA: Sense = Sense::new(SenseKey::AbortedCommand, 0x0C, 0x0D);
    /// B/2E/02: the command took longer than we let it.
    pub const TIMED_OUT: Sense = Sense::new(SenseKey::AbortedCommand, 0x2E, 0x02);
    /// B/47/05: a data digest did not fit (RFC 7143 §11.4.7.2).
    pub const DIGEST_ERROR: Sense = Sense::new(SenseKey::AbortedCommand, 0x47, 0x05);
    /// B/4B/00: the data phase went wrong.
    pub const DATA_PHASE_ERROR: Sense = Sense::new(SenseKey::AbortedCommand, 0x4B, 0x00);

    /// A sense of `key` with the additional code `asc`/`ascq`, and nothing more.
    pub const fn new(key: SenseKey, asc: u8, ascq: u8) -> Sense {
        Sense { key, asc, ascq, information: None, specific: None, segment: None }
    }

    /// 5/24/00 that points at byte `byte` of the CDB.
    pub const fn invalid_field(byte: u16) -> Sense {
        Sense::INVALID_FIELD_IN_CDB.pointing(FieldPointer { in_cdb: true, byte, bit: None })
    }

    /// 5/24/00 that points at a field of the CDB whose most significant bit is `bit` of byte `byte`.
    pub const fn invalid_bit(byte: u16, bit: u8) -> Sense {
        Sense::INVALID_FIELD_IN_CDB.pointing(FieldPointer { in_cdb: true, byte, bit: Some(bit) })
    }

    /// 5/26/00 that points at byte `byte` of the parameter list.
    pub const fn invalid_parameter(byte: u16) -> Sense {
        Sense::INVALID_FIELD_IN_LIST.pointing(FieldPointer { in_cdb: false, byte, bit: None })
    }

    /// 5/26/00 that points at a field of the parameter list whose most significant bit is `bit` of byte `byte`.
    pub const fn invalid_parameter_bit(byte: u16, bit: u8) -> Sense {
        Sense::INVALID_FIELD_IN_LIST.pointing(FieldPointer { in_cdb: false, byte, bit: Some(bit) })
    }

    /// Key, code and qualifier, without what comes with them.
    pub const fn code(self) -> (SenseKey, u8, u8) {
        (self.key, self.asc, self.ascq)
    }

    /// The same, pointing at a field.
    pub const fn pointing(self, field: FieldPointer) -> Sense {
        Sense { specific: Some(Specific::Field(field)), ..self }
    }

    /// The same, telling how far what is in the way has come, in 65536ths.
    pub const fn with_progress(self, progress: u16) -> Sense {
        Sense { specific: Some(Specific::Progress(progress)), ..self }
    }

    /// 3/11/00 UNRECOVERED READ ERROR at block `lba`.
    pub const fn read_error(lba: u64) -> Sense {
        Sense { information: Some(lba), ..Sense::new(SenseKey::MediumError, 0x11, 0x00) }
    }

    /// 3/0C/00 WRITE ERROR at block `lba`.
    pub const fn write_error(lba: u64) -> Sense {
        Sense { information: Some(lba), ..Sense::new(SenseKey::MediumError, 0x0C, 0x00) }
    }

    /// E/1D/00: the first byte that differs is `offset` bytes into the data that was compared.
    pub const fn miscompare(offset: u64) -> Sense {
        Sense { information: Some(offset), ..Sense::new(SenseKey::Miscompare, 0x1D, 0x00) }
    }

    /// A/`asc`/`ascq`: a third-party copy ended early, at segment descriptor `number`.
    pub const fn copy_aborted(asc: u8, ascq: u8, number: u16) -> Sense {
        let segment = Some(CopySegment { number, forwarded: None });
        Sense { segment, ..Sense::new(SenseKey::CopyAborted, asc, ascq) }
    }

    /// A/0D/01 THIRD PARTY DEVICE FAILURE at segment descriptor `number`, with what the unit said.
    pub const fn third_party(number: u16, forwarded: Forwarded) -> Sense {
        let segment = Some(CopySegment { number, forwarded: Some(forwarded) });
        Sense { segment, ..Sense::new(SenseKey::CopyAborted, 0x0D, 0x01) }
    }

    /// The same, where byte `byte` of the segment descriptor is in error.
    pub const fn at_segment_field(self, byte: u16) -> Sense {
        Sense { specific: Some(Specific::SegmentField(byte)), ..self }
    }

    /// The bytes an initiator gets: the fixed format (18 bytes), or the descriptor format where `descriptor` is set.
    ///
    /// INFORMATION of the fixed format has four bytes; a value beyond them is left out (VALID stays zero), as
    /// SPC-4 4.5 wants it.
    pub fn to_bytes(&self, descriptor: bool) -> SenseBytes {
        if descriptor { self.in_descriptors() } else { self.fixed() }
    }

    fn fixed(&self) -> SenseBytes {
        let mut bytes = [0; SenseBytes::MAX];
        bytes[0] = 0x70;
        if let Some(information) = self.information.and_then(|wide| u32::try_from(wide).ok()) {
            bytes[0] |= VALID;
            bytes[3..7].copy_from_slice(&information.to_be_bytes());
        }
        bytes[2] = self.key as u8;
        bytes[12] = self.asc;
        bytes[13] = self.ascq;
        if let Some(specific) = self.specific {
            bytes[15..18].copy_from_slice(&specific.to_bytes());
        }
        let mut len = FIXED_LEN;
        if let Some(segment) = self.segment {
            bytes[10..12].copy_from_slice(&segment.number.to_be_bytes());
            // COMMAND-SPECIFIC INFORMATION says where status and sense of the source and of the destination stand.
            if let Some(forwarded) = segment.forwarded {
                let place = if forwarded.source == SenseSource::CopySource { 8 } else { 9 };
                bytes[place] = FIXED_LEN;
                bytes[usize::from(len)] = forwarded.status;
                len += 1;
                if let Some(sense) = forwarded.sense() {
                    let inner = sense.fixed();
                    bytes[usize::from(len)..][..inner.len()].copy_from_slice(&inner);
                    len += inner.len;
                }
            }
        }
        bytes[7] = len - 8;
        SenseBytes { bytes, len }
    }

    fn in_descriptors(&self) -> SenseBytes {
        let mut bytes = [0; SenseBytes::MAX];
        bytes[0] = 0x72;
        bytes[1] = self.key as u8;
        bytes[2] = self.asc;
        bytes[3] = self.ascq;
        let mut len = 8;
        if let Some(information) = self.information {
            bytes[len..len + 4].copy_from_slice(&[0x00, 0x0A, VALID, 0x00]);
            bytes[len + 4..len + 12].copy_from_slice(&information.to_be_bytes());
            len += 12;
        }
        if let Some(segment) = self.segment {
            bytes[len..len + 4].copy_from_slice(&[0x01, 0x0A, 0x00, 0x00]);
            bytes[len + 6..len + 8].copy_from_slice(&segment.number.to_be_bytes());
            len += 12;
        }
        if let Some(specific) = self.specific {
            bytes[len..len + 4].copy_from_slice(&[0x02, 0x06, 0x00, 0x00]);
            bytes[len + 4..len + 7].copy_from_slice(&specific.to_bytes());
            len += 8;
        }
        if let Some(forwarded) = self.segment.and_then(|segment| segment.forwarded) {
            let inner = forwarded.sense().map(|sense| sense.in_descriptors());
            let inner = inner.as_deref().unwrap_or_default();
            let head = [0x0C, 2 + inner.len() as u8, forwarded.source as u8, forwarded.status];
            bytes[len..len + 4].copy_from_slice(&head);
            bytes[len + 4..len + 4 + inner.len()].copy_from_slice(inner);
            len += 4 + inner.len();
        }
        bytes[7] = (len - 8) as u8;
        SenseBytes { bytes, len: len as u8 }
    }
}

/// Sense data ready to be sent: a slice of at most [`SenseBytes::MAX`] bytes that needs no heap.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SenseBytes {
    bytes: [u8; SenseBytes::MAX],
    len: u8,
}

impl SenseBytes {
    /// The longest sense data there is here, as descriptors: a header, INFORMATION, COMMAND-SPECIFIC INFORMATION, a
    /// pointer, and forwarded sense data that has a header and INFORMATION of its own.
    pub const MAX: usize = 8 + 12 + 12 + 8 + 4 + 8 + 12;
}

impl Deref for SenseBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl std::fmt::Debug for SenseBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02x?}", &**self)
    }
}

/// `5/24/00`: key, code and qualifier in hex, as storage people write it.
impl std::fmt::Display for Sense {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:X}/{:02X}/{:02X}", self.key as u8, self.asc, self.ascq)
    }
}

impl Specific {
    /// SKSV and what it vouches for.
    fn to_bytes(self) -> [u8; 3] {
        match self {
            Specific::Field(field) => field.to_bytes(),
            Specific::Progress(progress) => {
                let [high, low] = progress.to_be_bytes();
                [SKSV, high, low]
            }
            Specific::SegmentField(byte) => {
                // SD: the pointer is into the segment descriptor.
                const SD: u8 = 0x20;
                let [high, low] = byte.to_be_bytes();
                [SKSV | SD, high, low]
            }
        }
    }
}

impl FieldPointer {
    /// SKSV, C/D, BPV, BIT POINTER and FIELD POINTER.
    fn to_bytes(self) -> [u8; 3] {
        let place = if self.in_cdb { 0x40 } else { 0 };
        let bit = self.bit.map_or(0, |bit| 0x08 | (bit & 0x07));
        let [high, low] = self.byte.to_be_bytes();
        [SKSV | place | bit, high, low]
    }
}

impl Forwarded {
    /// What unit `source` answered: its sense, or without one RESERVATION CONFLICT.
    pub(crate) fn new(source: SenseSource, answer: Option<Sense>) -> Forwarded {
        const CHECK_CONDITION: u8 = 0x02;
        const RESERVATION_CONFLICT: u8 = 0x18;
        let status = if answer.is_some() { CHECK_CONDITION } else { RESERVATION_CONFLICT };
        let information = answer.and_then(|sense| sense.information);
        Forwarded { source, status, sense: answer.map(|sense| (sense.key, sense.asc, sense.ascq)), information }
    }

    fn sense(self) -> Option<Sense> {
        let (key, asc, ascq) = self.sense?;
        Some(Sense { information: self.information, ..Sense::new(key, asc, ascq) })
    }
}

/// INFORMATION holds what the command's standard says it holds.
const VALID: u8 = 0x80;

/// The sense key specific bytes mean something.
const SKSV: u8 = 0x80;

/// Fixed format without vendor specific bytes.
const FIXED_LEN: u8 = 18;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_format_has_eighteen_bytes_with_key_and_code_in_their_places() {
        assert_eq!(
            &*Sense::WRITE_PROTECTED.to_bytes(false),
            &[0x70, 0, 7, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x27, 0, 0, 0, 0, 0]
        );
    }

    #[test]
    fn fixed_format_carries_an_lba_in_information() {
        assert_eq!(
            &*Sense::read_error(0x0102_0304).to_bytes(false),
            &[0xF0, 0, 3, 1, 2, 3, 4, 10, 0, 0, 0, 0, 0x11, 0, 0, 0, 0, 0]
        );
    }

    #[test]
    fn fixed_format_leaves_out_an_lba_that_does_not_fit() {
        let last_that_fits = Sense::write_error(u64::from(u32::MAX)).to_bytes(false);
        assert_eq!((last_that_fits[0], &last_that_fits[3..7]), (0xF0, &[0xFF; 4][..]));
        let one_past = Sense::write_error(u64::from(u32::MAX) + 1).to_bytes(false);
        assert_eq!((one_past[0], &one_past[3..7]), (0x70, &[0; 4][..]));
    }

    #[test]
    fn field_pointers_name_byte_and_bit_of_the_cdb_or_the_list() {
        assert_eq!(&Sense::invalid_field(7).to_bytes(false)[15..], &[0xC0, 0, 7]);
        assert_eq!(&Sense::invalid_bit(1, 5).to_bytes(false)[15..], &[0xCD, 0, 1]);
        assert_eq!(&Sense::invalid_parameter(0x0102).to_bytes(false)[15..], &[0x80, 1, 2]);
        assert_eq!(&Sense::invalid_parameter_bit(3, 4).to_bytes(false)[15..], &[0x8C, 0, 3]);
    }

    #[test]
    fn descriptor_format_carries_a_wide_information_and_the_field_pointer() {
        assert_eq!(
            &*Sense::miscompare(0x01_0000_0002).to_bytes(true),
            &[0x72, 0xE, 0x1D, 0, 0, 0, 0, 12, 0, 0x0A, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 2]
        );
        assert_eq!(
            &*Sense::invalid_bit(2, 7).to_bytes(true),
            &[0x72, 5, 0x24, 0, 0, 0, 0, 8, 2, 6, 0, 0, 0xCF, 0, 2, 0]
        );
        assert_eq!(&*Sense::NONE.to_bytes(true), &[0x72, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn progress_stands_where_field_pointers_do() {
        let formatting = Sense::new(SenseKey::NotReady, 0x04, 0x04).with_progress(0x8001);
        assert_eq!(&formatting.to_bytes(false)[12..], &[0x04, 0x04, 0, 0x80, 0x80, 0x01]);
        assert_eq!(&*formatting.to_bytes(true), &[0x72, 2, 0x04, 0x04, 0, 0, 0, 8, 2, 6, 0, 0, 0x80, 0x80, 0x01, 0]);
    }

    #[test]
    fn the_longest_sense_data_fills_the_array_exactly() {
        let forwarded = Forwarded::new(SenseSource::CopySource, Some(Sense::read_error(u64::MAX)));
        let everything = Sense { information: Some(u64::MAX), ..Sense::third_party(1, forwarded).at_segment_field(4) };
        assert_eq!(everything.to_bytes(true).len(), SenseBytes::MAX);
        assert!(everything.to_bytes(false).len() <= SenseBytes::MAX);
    }

    #[test]
    fn a_copy_that_failed_names_the_segment_and_the_byte_in_it() {
        let sense = Sense::copy_aborted(0x0D, 0x02, 0x0102).at_segment_field(20);
        assert_eq!(&*sense.to_bytes(false), &[0x70, 0, 0xA, 0, 0, 0, 0, 10, 0, 0, 1, 2, 0x0D, 0x02, 0, 0xA0, 0, 20]);
        assert_eq!(
            &*sense.to_bytes(true),
            &[
                0x72, 0xA, 0x0D, 0x02, 0, 0, 0, 20, // the header
                0x01, 0x0A, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, // COMMAND-SPECIFIC INFORMATION
                0x02, 0x06, 0, 0, 0xA0, 0, 20, 0, // the segment pointer
            ]
        );
    }

    #[test]
    fn a_copy_that_failed_tells_what_the_unit_said() {
        let forwarded = Forwarded::new(SenseSource::CopyDestination, Some(Sense::NO_SPACE));
        let sense = Sense::third_party(3, forwarded);
        let fixed = sense.to_bytes(false);
        assert_eq!(&fixed[7..19], &[29, 0, 18, 0, 3, 0x0D, 0x01, 0, 0, 0, 0, 0x02]);
        assert_eq!(&fixed[19..], &*Sense::NO_SPACE.to_bytes(false));
        let descriptors = sense.to_bytes(true);
        assert_eq!(&descriptors[20..], &[0x0C, 10, 0x02, 0x02, 0x72, 7, 0x27, 7, 0, 0, 0, 0]);
    }

    #[test]
    fn a_reservation_conflict_is_forwarded_as_a_status_without_sense() {
        let forwarded = Forwarded::new(SenseSource::CopySource, None);
        let sense = Sense::third_party(0, forwarded);
        assert_eq!(&sense.to_bytes(false)[7..], &[11, 18, 0, 0, 0, 0x0D, 0x01, 0, 0, 0, 0, 0x18]);
        assert_eq!(&sense.to_bytes(true)[20..], &[0x0C, 2, 0x01, 0x18]);
    }

    #[test]
    fn sense_is_written_as_people_write_it() {
        assert_eq!(Sense::miscompare(0).to_string(), "E/1D/00");
        assert_eq!(Sense::NO_SPACE.to_string(), "7/27/07");
    }
}
