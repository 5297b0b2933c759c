//! How a logical unit number looks on the wire (SAM-5 4.7), and how it is read back.

/// The highest number that flat space addressing can carry.
pub const MAX: u16 = 0x3FFF;

/// The eight bytes for unit `number`: peripheral device addressing below 256, flat space addressing from there.
///
/// # Panics
/// When `number` is above [`MAX`].
pub fn to_bytes(number: u16) -> [u8; 8] {
    assert!(number <= MAX, "logical unit numbers end at {MAX}");
    let method = if number < 256 { PERIPHERAL } else { FLAT };
    let [high, low] = number.to_be_bytes();
    [method | high, low, 0, 0, 0, 0, 0, 0]
}

/// The unit number that the eight bytes of a LUN field mean, or `None` where they cannot mean one of ours.
///
/// An initiator may write any number in flat space form, also one below 256 (SAM-5, flat space addressing): both forms
/// name the same unit.
pub fn parse(bytes: [u8; 8]) -> Option<u16> {
    if bytes[2..] != [0; 6] {
        return None;
    }
    let value = u16::from_be_bytes([bytes[0] & !METHOD, bytes[1]]);
    match bytes[0] & METHOD {
        // The low bits of the first byte are a bus number, and there is one bus.
        PERIPHERAL => (value < 256).then_some(value),
        FLAT => Some(value),
        _ => None,
    }
}

/// ADDRESS METHOD: the two high bits.
const METHOD: u8 = 0xC0;
const PERIPHERAL: u8 = 0x00;
const FLAT: u8 = 0x40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_below_256_are_peripheral_and_the_rest_flat() {
        assert_eq!(to_bytes(0), [0; 8]);
        assert_eq!(to_bytes(255), [0, 255, 0, 0, 0, 0, 0, 0]);
        assert_eq!(to_bytes(256), [0x41, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(to_bytes(MAX), [0x7F, 0xFF, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    #[should_panic(expected = "end at 16383")]
    fn a_number_beyond_flat_space_is_our_own_mistake() {
        to_bytes(MAX + 1);
    }

    #[test]
    fn every_number_is_read_back_as_itself() {
        for number in 0..=MAX {
            assert_eq!(parse(to_bytes(number)), Some(number));
        }
    }

    #[test]
    fn flat_space_may_also_carry_a_small_number() {
        assert_eq!(parse([0x40, 7, 0, 0, 0, 0, 0, 0]), Some(7));
    }

    #[test]
    fn what_is_not_a_single_level_number_of_ours_is_none() {
        for foreign in [
            [0x01, 0, 0, 0, 0, 0, 0, 0],
            [0x80, 0, 0, 0, 0, 0, 0, 0],
            [0xC1, 1, 0, 0, 0, 0, 0, 0],
            [0x00, 1, 0, 0, 0, 0, 0, 1],
            [0x00, 1, 0x40, 0, 0, 0, 0, 0],
        ] {
            assert_eq!(parse(foreign), None, "{foreign:02x?}");
        }
    }
}
