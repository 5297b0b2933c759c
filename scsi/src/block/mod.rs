//! Commands of a disk (SBC-3), one file for each question.

pub(crate) mod cache;
pub(crate) mod capacity;
pub(crate) mod defects;
pub(crate) mod erase;
pub(crate) mod lba_status;
pub(crate) mod prefetch;
pub(crate) mod range;
pub(crate) mod transfer;
pub(crate) mod unmap;
pub(crate) mod verify;
pub(crate) mod whole;
pub(crate) mod write_same;
