//! What is counted of a command for the statistics of its unit (SPC-4, general statistics and performance log page).

use ferrite_scsi::Book;

use super::work::{Rare, Work};

/// A command that reads or writes the medium for its initiator, from its arrival to its answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gauge {
    /// On the clock of its shard, in nanoseconds.
    arrived_ns: u64,
    direction: Direction,
    fua: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Read,
    Write,
}

impl Gauge {
    /// `None`: the command is none of those that are counted.
    pub(crate) fn of(work: &Work, cdb: &[u8], now_ns: u64) -> Option<Self> {
        let direction = match work {
            Work::Read { .. } => Direction::Read,
            Work::Write { .. } => Direction::Write,
            Work::Rare(rare) => match **rare {
                Rare::WriteAndVerify { .. } | Rare::WriteAtomic { .. } => Direction::Write,
                _ => return None,
            },
            Work::Done { .. } => return None,
        };
        Some(Self { arrived_ns: now_ns, direction, fua: fua(cdb) })
    }

    /// It is answered GOOD, and has moved `bytes`. `slot` is that of this shard.
    pub(crate) fn answered(self, book: &Book, slot: usize, bytes: u32, block_size: u32, now_ns: u64) {
        let busy_ns = now_ns.saturating_sub(self.arrived_ns);
        let blocks = u64::from(bytes / block_size);
        let slot = book.gauges().slot(slot);
        match self.direction {
            Direction::Read => slot.read(blocks, busy_ns, self.fua),
            Direction::Write => slot.wrote(blocks, busy_ns, self.fua),
        }
    }
}

/// FORCE UNIT ACCESS: READ (6) and WRITE (6) have none, those of 32 bytes have it behind their header.
fn fua(cdb: &[u8]) -> bool {
    let at = match cdb[0] {
        0x00..=0x1F => return false,
        0x7F => 10,
        _ => 1,
    };
    cdb.get(at).is_some_and(|flags| flags & 0x08 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read() -> Work {
        Work::Read { at: 0, len: 4096, wanted: 4096, flush: false }
    }

    fn write() -> Work {
        Work::Write { at: 0, len: 4096, wanted: 4096, durable: true }
    }

    #[test]
    fn force_unit_access_is_where_the_length_of_the_command_puts_it() {
        let mut long = [0; 32];
        (long[0], long[10]) = (0x7F, 0x08);
        for (cdb, expected) in [
            (&[0x28, 0x08, 0, 0][..], true),
            (&[0x8A, 0x18], true),
            (&[0x8A, 0x10], false),
            (&[0x0A, 0x08, 0], false),
            (&long, true),
            (&[0x7F, 0x08], false),
            (&[0x28], false),
        ] {
            assert_eq!(fua(cdb), expected, "{cdb:02x?}");
        }
    }

    #[test]
    fn reads_and_writes_are_counted_with_their_blocks_and_their_time_and_nothing_else_is() {
        let (book, now, later) = (Book::new(), 1_000, 8_000);
        Gauge::of(&read(), &[0x28, 0x08], now).unwrap().answered(&book, 0, 4096, 512, later);
        Gauge::of(&read(), &[0x28, 0], now).unwrap().answered(&book, 1, 4096, 512, later);
        Gauge::of(&write(), &[0x2A, 0], now).unwrap().answered(&book, 0, 512, 512, now);
        let usage = book.gauges().usage();
        assert_eq!((usage.read.commands, usage.read.blocks, usage.read.busy_ns), (2, 16, 14_000));
        assert_eq!((usage.read.fua_commands, usage.read.fua_busy_ns), (1, 7_000));
        assert_eq!((usage.written.commands, usage.written.blocks, usage.written.busy_ns), (1, 1, 0));
        assert!(Gauge::of(&Work::Done { wanted: 0 }, &[0x28], now).is_none());
        assert!(Gauge::of(&Work::Rare(Box::new(Rare::Verify { at: 0, left: 512 })), &[0x2F], now).is_none());
    }
}
