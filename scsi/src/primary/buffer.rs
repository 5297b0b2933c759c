//! READ BUFFER and WRITE BUFFER: an echo buffer to test the way with, and nothing else; there is no microcode that an
//! initiator could load (SPC-4).

use crate::command::Asked;
use crate::plan::Plan;
use crate::sense::Sense;

/// READ BUFFER. In the echo modes BUFFER ID and BUFFER OFFSET mean nothing.
///
/// # Errors
/// 5/24/00 for any mode that is not known; 5/2C/00 for the echo of nothing.
pub(crate) fn read(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let room = asked.cdb.u24(6);
    let data = match asked.cdb.u8(1) {
        // No buffer has any capacity, whatever its number.
        DESCRIPTOR => vec![0; 4],
        ECHO => asked.nexus.echo().as_deref().ok_or(Sense::COMMAND_SEQUENCE_ERROR)?.to_vec(),
        ECHO_DESCRIPTOR => {
            // Each nexus has a buffer of its own, so nobody overwrites it.
            const EBOS: u8 = 0x01;
            let [high, low] = (ECHO_MAX as u16).to_be_bytes();
            vec![EBOS, 0, high, low]
        }
        _ => return Err(UNKNOWN_MODE),
    };
    Ok(Plan::data(data, room))
}

/// WRITE BUFFER.
///
/// # Errors
/// 5/24/00 for any other mode, and for more than the echo buffer holds.
pub(crate) fn write(asked: &mut Asked<'_>) -> Result<Plan, Sense> {
    let len = asked.cdb.u24(6);
    match (asked.cdb.u8(1), len) {
        (ECHO, 0) => Ok(Plan::good()),
        (ECHO, _) if len > ECHO_MAX => Err(Sense::invalid_field(6)),
        (ECHO, _) if asked.data_out < len => Err(Sense::DATA_OUT_LENGTH),
        (ECHO, _) => Ok(Plan::Gather { len }),
        _ => Err(UNKNOWN_MODE),
    }
}

/// With what is to be echoed.
pub(crate) fn written(asked: &mut Asked<'_>, data: &[u8]) -> Result<Plan, Sense> {
    *asked.nexus.echo() = Some(data[..data.len().min(ECHO_MAX as usize)].into());
    Ok(Plan::good())
}

/// MODE.
const DESCRIPTOR: u8 = 0x03;
const ECHO: u8 = 0x0A;
const ECHO_DESCRIPTOR: u8 = 0x0B;

const UNKNOWN_MODE: Sense = Sense::invalid_bit(1, 4);

/// Bytes of the echo buffer; each nexus that writes has one.
const ECHO_MAX: u32 = 512;

#[cfg(test)]
mod tests {
    use crate::sense::Sense;
    use crate::tests::{Bench, good, refused};

    fn read(mode: u8, room: u8) -> [u8; 10] {
        [0x3C, mode, 0, 0, 0, 0, 0, 0, room, 0]
    }

    fn write(mode: u8, len: u16) -> [u8; 10] {
        let [high, low] = len.to_be_bytes();
        [0x3B, mode, 0, 0, 0, 0, 0, high, low, 0]
    }

    #[test]
    fn what_a_nexus_wrote_is_echoed_to_it_and_to_nobody_else() {
        let mut bench = Bench::disk();
        let mut other = bench.neighbour(2);
        assert_eq!(bench.ask(&read(0x0A, 255)), refused(Sense::COMMAND_SEQUENCE_ERROR));
        assert_eq!(bench.gathered(&write(0x0A, 3), &[1, 2, 3]), good(&[]));
        assert_eq!(bench.ask(&read(0x0A, 255)), good(&[1, 2, 3]));
        assert_eq!(bench.ask(&read(0x0A, 2)), good(&[1, 2]));
        assert_eq!(bench.ask(&read(0x0A, 0)), good(&[]));
        assert_eq!(other.ask(&read(0x0A, 255)), refused(Sense::COMMAND_SEQUENCE_ERROR));
    }

    #[test]
    fn descriptors_tell_what_the_buffers_hold() {
        assert_eq!(Bench::disk().ask(&read(0x0B, 255)), good(&[1, 0, 2, 0]));
        assert_eq!(Bench::disk().ask(&read(0x0B, 1)), good(&[1]));
        assert_eq!(Bench::disk().ask(&read(0x03, 255)), good(&[0; 4]));
    }

    #[test]
    fn as_much_is_echoed_as_the_descriptor_says_and_no_more() {
        let mut bench = Bench::disk();
        let gather = bench.plan_with(&write(0x0A, 512), 512);
        assert_eq!(gather, crate::Plan::Gather { len: 512 });
        assert_eq!(bench.plan_with(&write(0x0A, 513), 513), refused(Sense::invalid_field(6)));
        assert_eq!(bench.plan_with(&write(0x0A, 512), 511), refused(Sense::DATA_OUT_LENGTH));
        assert_eq!(bench.ask(&write(0x0A, 0)), good(&[]));
    }

    #[test]
    fn microcode_and_every_other_mode_are_refused() {
        for mode in (0..0x20).filter(|mode| ![0x03, 0x0A, 0x0B].contains(mode)) {
            assert_eq!(Bench::disk().ask(&read(mode, 4)), refused(Sense::invalid_bit(1, 4)), "{mode:#x}");
        }
        for mode in (0..0x20).filter(|mode| *mode != 0x0A) {
            assert_eq!(Bench::disk().plan_with(&write(mode, 4), 4), refused(Sense::invalid_bit(1, 4)), "{mode:#x}");
        }
        assert_eq!(Bench::disk().ask(&read(0x2A, 4)), refused(Sense::invalid_bit(1, 5)));
    }
}
