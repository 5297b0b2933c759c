//! How is a Basic Header Segment described once, and read and written from that description?
//!
//! [`header!`] takes the layout of one PDU as a table (bit, byte and field offsets, as drawn in RFC 7143 §11) and
//! makes a plain struct with `encode` and `decode` out of it. Reserved bits are written as zero and ignored when read.

use super::{BHS_LEN, Bhs};

/// A whole field of a header: big-endian, at a byte offset.
pub(super) trait Field: Copy {
    fn put(self, bhs: &mut Bhs, at: usize);
    fn take(bhs: &Bhs, at: usize) -> Self;
}

impl<const N: usize> Field for [u8; N] {
    #[inline(always)]
    fn put(self, bhs: &mut Bhs, at: usize) {
        bhs[at..at + N].copy_from_slice(&self);
    }
    #[inline(always)]
    fn take(bhs: &Bhs, at: usize) -> Self {
        let mut field = [0; N];
        field.copy_from_slice(&bhs[at..at + N]);
        field
    }
}

macro_rules! big_endian {
    ($($int:ty),*) => { $(
        impl Field for $int {
            #[inline(always)]
            fn put(self, bhs: &mut Bhs, at: usize) {
                self.to_be_bytes().put(bhs, at);
            }
            #[inline(always)]
            fn take(bhs: &Bhs, at: usize) -> Self {
                <$int>::from_be_bytes(Field::take(bhs, at))
            }
        }
    )* };
}
big_endian!(u8, u16, u32);

/// Writes the DataSegmentLength (24 bits at byte 5, RFC 7143 §11.2.1.6).
///
/// # Panics
/// When `len` does not fit: a caller that built such a segment has a bug.
#[inline(always)]
pub(super) fn put_data_len(bhs: &mut Bhs, len: u32) {
    assert!(len <= super::DATA_SEGMENT_MAX, "a data segment of {len} bytes has no encoding");
    bhs[5..8].copy_from_slice(&len.to_be_bytes()[1..]);
}

/// An all-zero header.
pub(super) const ZEROED: Bhs = [0; BHS_LEN];

/// Makes a header type: see the uses in `requests` and `responses`.
///
/// * `always`: bits of byte 1 that every PDU of the type carries;
/// * `flags`: single bits, as `bool`;
/// * `bits`: some bits of one byte, shifted down, as `u8`;
/// * `fields`: whole big-endian fields.
macro_rules! header {
    (
        $(#[$meta:meta])*
        $name:ident = $opcode:expr, always $always:literal;
        flags { $($(#[$flag_meta:meta])* $flag:ident @ $flag_byte:literal & $flag_mask:literal,)* }
        bits { $($(#[$bits_meta:meta])* $bits:ident @ $bits_byte:literal & $bits_mask:literal,)* }
        fields { $($(#[$field_meta:meta])* $field:ident : $type:tt @ $at:literal,)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[$flag_meta])* pub $flag: bool,)*
            $($(#[$bits_meta])* pub $bits: u8,)*
            $($(#[$field_meta])* pub $field: $type,)*
            /// DataSegmentLength: bytes of the data segment without padding, at most 2^24 - 1.
            pub data_len: u32,
        }

        impl $name {
            /// The opcode of this PDU.
            pub const OPCODE: $crate::wire::Opcode = $opcode;

            /// The 48 bytes of the header.
            #[inline]
            #[allow(clippy::identity_op)]
            pub fn encode(&self) -> $crate::wire::Bhs {
                let mut bhs = $crate::wire::layout::ZEROED;
                bhs[0] = Self::OPCODE as u8;
                bhs[1] = $always;
                $(if self.$flag { bhs[$flag_byte] |= $flag_mask; })*
                $(
                    const _: () = assert!($bits_mask != 0);
                    bhs[$bits_byte] |= (self.$bits << u8::trailing_zeros($bits_mask)) & $bits_mask;
                )*
                $($crate::wire::layout::Field::put(self.$field, &mut bhs, $at);)*
                $crate::wire::layout::put_data_len(&mut bhs, self.data_len);
                bhs
            }

            /// Reads the header; the caller has looked at the opcode.
            #[inline]
            pub fn decode(bhs: &$crate::wire::Bhs) -> Self {
                Self {
                    $($flag: bhs[$flag_byte] & $flag_mask != 0,)*
                    $($bits: (bhs[$bits_byte] & $bits_mask) >> u8::trailing_zeros($bits_mask),)*
                    $($field: $crate::wire::layout::Field::take(bhs, $at),)*
                    data_len: $crate::wire::data_len(bhs),
                }
            }
        }
    };
}
pub(super) use header;
