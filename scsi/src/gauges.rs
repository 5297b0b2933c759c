//! How much has been read and written through a unit, counted by many threads that do not meet.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Counters of one unit, in slots: whoever carries commands out counts in a slot of its own, whose cache line nobody
/// else writes, and whoever wants to know adds them up. Without others that write it, a counter needs no locked
/// instruction.
#[derive(Debug, Default)]
pub struct Gauges {
    slots: [Slot; Gauges::SLOTS],
    /// What had been counted at the last reset.
    reset: Mutex<Usage>,
}

/// Two cache lines, so that no prefetcher drags a neighbour's along.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Slot {
    read: Kind,
    written: Kind,
}

/// One thread's share of the counters.
#[derive(Debug, Clone, Copy)]
pub struct Share<'a> {
    slot: &'a Slot,
    /// Nobody else writes the slot.
    alone: bool,
}

#[derive(Debug, Default)]
struct Kind {
    commands: AtomicU64,
    blocks: AtomicU64,
    busy_ns: AtomicU64,
    fua_commands: AtomicU64,
    fua_busy_ns: AtomicU64,
}

/// What has been counted, since the unit was made or its statistics were reset; each counter wraps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Commands that read the medium for the initiator.
    pub read: Traffic,
    /// Commands that wrote what the initiator sent.
    pub written: Traffic,
}

/// One direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Commands.
    pub commands: u64,
    /// Logical blocks.
    pub blocks: u64,
    /// Nanoseconds from the arrival of each command to its answer, added up.
    pub busy_ns: u64,
    /// Those commands that had FUA set.
    pub fua_commands: u64,
    /// Their share of the nanoseconds.
    pub fua_busy_ns: u64,
}

impl Gauges {
    /// Slots of a unit. The last one is shared by all threads that have none of their own.
    pub const SLOTS: usize = 16;

    /// Where the `number`th thread counts, and only it: numbers begin at zero, and no two threads have the same. Those
    /// that share the last slot lose nothing, and take more time.
    pub fn slot(&self, number: usize) -> Share<'_> {
        let last = Gauges::SLOTS - 1;
        Share { slot: &self.slots[number.min(last)], alone: number < last }
    }

    /// What has been counted since the last reset. A command that is counted meanwhile may be in it in part.
    pub fn usage(&self) -> Usage {
        let base = *self.reset.lock().unwrap_or_else(PoisonError::into_inner);
        self.total().since(&base)
    }

    /// Counting begins anew (LOG SELECT).
    pub fn reset(&self) {
        let mut base = self.reset.lock().unwrap_or_else(PoisonError::into_inner);
        *base = self.total();
    }

    fn total(&self) -> Usage {
        self.slots.iter().fold(Usage::default(), |sum, slot| Usage {
            read: sum.read.and(&slot.read),
            written: sum.written.and(&slot.written),
        })
    }
}

impl Share<'_> {
    /// A command has read `blocks` for its initiator, and took `busy_ns` from its arrival to its answer.
    pub fn read(self, blocks: u64, busy_ns: u64, fua: bool) {
        self.slot.read.count(self.alone, blocks, busy_ns, fua);
    }

    /// A command has written `blocks` from its initiator, and took `busy_ns` from its arrival to its answer.
    pub fn wrote(self, blocks: u64, busy_ns: u64, fua: bool) {
        self.slot.written.count(self.alone, blocks, busy_ns, fua);
    }
}

impl Kind {
    fn count(&self, alone: bool, blocks: u64, busy_ns: u64, fua: bool) {
        add(&self.commands, 1, alone);
        add(&self.blocks, blocks, alone);
        add(&self.busy_ns, busy_ns, alone);
        if fua {
            add(&self.fua_commands, 1, alone);
            add(&self.fua_busy_ns, busy_ns, alone);
        }
    }
}

/// `alone`: nobody else writes this counter.
fn add(counter: &AtomicU64, more: u64, alone: bool) {
    if alone {
        counter.store(counter.load(Relaxed).wrapping_add(more), Relaxed);
    } else {
        counter.fetch_add(more, Relaxed);
    }
}

impl Usage {
    fn since(&self, base: &Usage) -> Usage {
        Usage { read: self.read.since(&base.read), written: self.written.since(&base.written) }
    }
}

impl Traffic {
    fn and(&self, kind: &Kind) -> Traffic {
        Traffic {
            commands: self.commands.wrapping_add(kind.commands.load(Relaxed)),
            blocks: self.blocks.wrapping_add(kind.blocks.load(Relaxed)),
            busy_ns: self.busy_ns.wrapping_add(kind.busy_ns.load(Relaxed)),
            fua_commands: self.fua_commands.wrapping_add(kind.fua_commands.load(Relaxed)),
            fua_busy_ns: self.fua_busy_ns.wrapping_add(kind.fua_busy_ns.load(Relaxed)),
        }
    }

    fn since(&self, base: &Traffic) -> Traffic {
        Traffic {
            commands: self.commands.wrapping_sub(base.commands),
            blocks: self.blocks.wrapping_sub(base.blocks),
            busy_ns: self.busy_ns.wrapping_sub(base.busy_ns),
            fua_commands: self.fua_commands.wrapping_sub(base.fua_commands),
            fua_busy_ns: self.fua_busy_ns.wrapping_sub(base.fua_busy_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_threads_count_is_added_up_and_none_of_it_is_lost() {
        let gauges = Gauges::default();
        std::thread::scope(|threads| {
            // One thread more than there are slots, so that the last two of them share one.
            for number in 0..=Gauges::SLOTS {
                let slot = gauges.slot(number);
                threads.spawn(move || {
                    for _ in 0..1000 {
                        slot.read(8, 10, false);
                        slot.wrote(2, 30, number == 0);
                    }
                });
            }
        });
        let commands = 1000 * (Gauges::SLOTS as u64 + 1);
        let read = Traffic { commands, blocks: 8 * commands, busy_ns: 10 * commands, ..Traffic::default() };
        let written =
            Traffic { commands, blocks: 2 * commands, busy_ns: 30 * commands, fua_commands: 1000, fua_busy_ns: 30_000 };
        assert_eq!(gauges.usage(), Usage { read, written });
    }

    #[test]
    fn after_a_reset_only_what_comes_later_counts() {
        let gauges = Gauges::default();
        gauges.slot(3).read(8, 100, true);
        gauges.reset();
        assert_eq!(gauges.usage(), Usage::default());
        gauges.slot(4).read(1, 2, true);
        let read = Traffic { commands: 1, blocks: 1, busy_ns: 2, fua_commands: 1, fua_busy_ns: 2 };
        assert_eq!(gauges.usage().read, read);
    }

    #[test]
    fn slots_of_two_threads_share_no_cache_line() {
        assert!(size_of::<Slot>().is_multiple_of(128) && align_of::<Slot>() == 128);
    }
}
