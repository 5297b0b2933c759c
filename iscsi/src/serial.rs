//! How do 32-bit sequence numbers compare when they wrap around (RFC 1982, RFC 7143 §4.2.2)?

use serde::{Deserialize, Serialize};

/// A sequence number with serial arithmetic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Serial(pub(crate) u32);

impl Serial {
    /// The number `by` after this one.
    #[inline]
    pub(crate) const fn plus(self, by: u32) -> Self {
        Self(self.0.wrapping_add(by))
    }

    /// How far this number is ahead of `other`: negative when it is behind it. Numbers 2^31 apart are behind each
    /// other, which RFC 1982 §3.2 leaves open: an initiator that far off is outside every window.
    #[inline]
    pub(crate) const fn ahead_of(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_across_the_wrap() {
        let table = [
            (0, 0, 0),
            (1, 0, 1),
            (0, 1, -1),
            (0, u32::MAX, 1),
            (u32::MAX, 0, -1),
            (0x7fff_ffff, 0, i32::MAX),
            (0x8000_0000, 0, i32::MIN),
            (0, 0x8000_0000, i32::MIN),
        ];
        for (a, b, ahead) in table {
            assert_eq!(Serial(a).ahead_of(Serial(b)), ahead, "{a:x} against {b:x}");
        }
        assert_eq!(Serial(u32::MAX).plus(2), Serial(1));
    }
}
