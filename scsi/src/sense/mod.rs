//! Sense data: why a command did not do what it was asked (SPC-4).

mod bytes;

pub use bytes::SenseBytes;

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
}

/// `5/24/00`: key, code and qualifier in hex, as storage people write it.
impl std::fmt::Display for Sense {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:X}/{:02X}/{:02X}", self.key as u8, self.asc, self.ascq)
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sense_is_written_as_people_write_it() {
        assert_eq!(Sense::miscompare(0).to_string(), "E/1D/00");
        assert_eq!(Sense::NO_SPACE.to_string(), "7/27/07");
    }
}
