//! Sense data as bytes, in the two formats of SPC-4: fixed, and with descriptors.

use super::{FieldPointer, Forwarded, Sense, SenseSource, Specific};
use std::ops::Deref;

impl Sense {
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
    use crate::sense::SenseKey;

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
}
