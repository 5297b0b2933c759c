//! The numbers that tasks, and their jobs, are known by.

/// Names a task within its shard for as long as it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TaskKey {
    pub(super) slot: u32,
    pub(super) sequence: u32,
}

impl TaskKey {
    /// The number a job carries.
    pub(crate) fn token(self) -> u64 {
        u64::from(self.sequence) << 32 | u64::from(self.slot)
    }

    /// The task of a job that came home; `Err` is the number of a flush that belongs to no command.
    pub(crate) fn from_token(token: u64) -> Result<Self, usize> {
        let slot = u32::try_from(token & u64::from(u32::MAX)).expect("masked");
        let upper = u32::try_from(token >> 32).expect("shifted");
        if slot == FLUSH { Err(upper as usize) } else { Ok(Self { slot, sequence: upper }) }
    }

    /// The number of a job that belongs to no command.
    pub(crate) fn flush_token(number: usize) -> u64 {
        (number as u64) << 32 | u64::from(FLUSH)
    }
}

/// The slot that no task has.
const FLUSH: u32 = u32::MAX;
