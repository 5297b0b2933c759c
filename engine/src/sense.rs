//! What an initiator is told when a disk fails.

use ferrite_backends::{DiskError, Op};
use ferrite_scsi::Sense;

/// The sense for a job that failed on a block of `block_size` bytes.
pub(crate) fn sense_of(error: DiskError, op: Op, block_size: u32) -> Sense {
    let lba = op.extent().map_or(0, |(at, _)| at / u64::from(block_size));
    let writes = op.changes() || op == Op::Flush;
    match error {
        DiskError::NoSpace => Sense::NO_SPACE,
        DiskError::ReadOnly => Sense::WRITE_PROTECTED,
        // Only an administrator makes a unit go away for good (5/25/00): a disk that vanished by itself may
        // come back, and initiators forget a unit that said it is gone.
        DiskError::Gone => Sense::IN_TRANSITION,
        DiskError::Medium if writes => Sense::write_error(lba),
        DiskError::Medium => Sense::read_error(lba),
        DiskError::TimedOut => Sense::TIMED_OUT,
        DiskError::OutOfRange => Sense::LBA_OUT_OF_RANGE,
        // Within the limits that are shown; the rest of its rule has no field there.
        DiskError::Unsupported if matches!(op, Op::WriteAtomic { .. }) => Sense::INVALID_FIELD_IN_CDB,
        DiskError::Unsupported | DiskError::Lost | DiskError::Other(_) => Sense::INTERNAL_FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_become_the_sense_that_initiators_act_on() {
        let read = Op::Read { at: 1024, len: 512 };
        let write = Op::Write { at: 1024, len: 512, durable: false };
        for (error, op, sense) in [
            (DiskError::NoSpace, write, Sense::NO_SPACE),
            (DiskError::ReadOnly, write, Sense::WRITE_PROTECTED),
            (DiskError::Medium, read, Sense::read_error(2)),
            (DiskError::Medium, write, Sense::write_error(2)),
            (DiskError::Medium, Op::Zero { at: 512, len: 512, may_unmap: true }, Sense::write_error(1)),
            (DiskError::Medium, Op::Flush, Sense::write_error(0)),
            (DiskError::Gone, read, Sense::IN_TRANSITION),
            (DiskError::Lost, read, Sense::INTERNAL_FAILURE),
        ] {
            assert_eq!(sense_of(error, op, 512), sense, "{error:?}");
        }
    }
}
