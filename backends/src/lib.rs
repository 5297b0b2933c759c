//! Disks for a storage target.
#![deny(unsafe_code)]

mod contract;
mod counting;
mod error;
mod faulty;
mod files;
mod job;
mod memory;
mod null;
mod pages;
// The buffers that the kernel moves blocks into are mapped memory.
#[allow(unsafe_code)]
mod pool;
pub mod testing;

pub use contract::{BLOCK_SIZES, Backend, Discard, Geometry, Work};
pub use counting::{CountingDisk, Counts};
pub use error::DiskError;
pub use faulty::{Fault, FaultyDisk, Rule};
pub use files::{BlockDisk, Create, DiskFile, DiskOptions, FileDisk, FileRing, FileWork};
pub use job::{Data, Finished, Home, Job, Op, OpKind};
pub use memory::MemoryDisk;
pub use null::NullDisk;
pub use pages::{Page, Pages};
pub use pool::{Buffer, Pool, PoolUsage, Slab};
