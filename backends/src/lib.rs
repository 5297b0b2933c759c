//! Disks for a storage target: the contract that every disk keeps, and the disks.
//!
//! | disk | is | finished writes | discards |
//! | --- | --- | --- | --- |
//! | [`BlockDisk`] | a block device or a file with `O_DIRECT` | as the device says; files: cached | holes, where device or file system has them, else `BLKDISCARD` |
//! | [`FileDisk`] | a file through the page cache | cached | holes in the file |
//! | [`MemoryDisk`] | shared pages in memory | lost with the power, flushed or not | pages given back |
//! | [`NullDisk`] | zeroes | vanish | vanish |
//!
//! [`FaultyDisk`] and [`CountingDisk`] wrap any of them.
//!
//! # How a job travels
//!
//! The engine makes a [`Job`] of an [`Op`], a [`Buffer`] from its [`Pool`] and a [`Home`], and submits it to a
//! [`Backend`] together with the [`FileRing`] of its thread. The backend does one of three things, none of
//! which blocks: it finishes the job at once, it hands the job to the ring (which moves the blocks of a
//! [`DiskFile`], or runs blocking work on a helper thread), or it sends the job to a thread of its own. The
//! job ends exactly once, by type: finishing it consumes it, and when it is dropped it ends as
//! [`DiskError::Lost`]. A read ends with the buffer it filled, or with [`Pages`] that the disk shares.
//!
//! # A disk of your own
//!
//! ```
//! use std::io;
//! use std::sync::Mutex;
//!
//! use ferrite_backends::testing::Driver;
//! use ferrite_backends::{Backend, DiskError, FileRing, Geometry, Job, Op};
//!
//! /// A disk in one allocation.
//! struct Flat(Mutex<Vec<u8>>);
//!
//! impl Backend for Flat {
//!     fn geometry(&self) -> Geometry {
//!         Geometry::plain(512, self.0.lock().unwrap().len() as u64)
//!     }
//!
//!     fn submit(&self, mut job: Job, _ring: &mut dyn FileRing) {
//!         let mut bytes = self.0.lock().unwrap();
//!         let op = job.op();
//!         // Initiators ask for anything: the check comes first.
//!         let result = op.check(bytes.len() as u64, false).and_then(|()| match op {
//!             Op::Read { at, len } => {
//!                 job.buffer().copy_from_slice(&bytes[at as usize..][..len as usize]);
//!                 Ok(())
//!             }
//!             Op::Write { at, len, .. } => {
//!                 bytes[at as usize..][..len as usize].copy_from_slice(job.buffer());
//!                 Ok(())
//!             }
//!             Op::Zero { at, len, .. } => {
//!                 bytes[at as usize..][..len as usize].fill(0);
//!                 Ok(())
//!             }
//!             Op::Flush => Ok(()),
//!             // Nothing is faster than this already.
//!             Op::Prefetch { .. } => Ok(()),
//!             // The geometry offers neither.
//!             Op::Discard { .. } | Op::WriteAtomic { .. } => Err(DiskError::Unsupported),
//!         });
//!         drop(bytes);
//!         job.finish(result);
//!     }
//!
//!     fn refresh(&self) -> io::Result<Geometry> {
//!         Ok(self.geometry())
//!     }
//!
//!     fn describe(&self) -> String {
//!         "flat".to_owned()
//!     }
//! }
//!
//! let disk = Driver::new(Flat(Mutex::new(vec![0; 4096])));
//! disk.write(512, &[7; 512])?;
//! assert_eq!(disk.read(0, 1024)?, [[0; 512], [7; 512]].concat());
//! assert_eq!(disk.read(4096, 512), Err(DiskError::OutOfRange));
//! # Ok::<(), DiskError>(())
//! ```
//!
//! `unsafe` code is in the buffer pool and nowhere else.
#![deny(unsafe_code)]

mod blocking;
mod contract;
mod counting;
mod error;
mod faulty;
mod files;
mod geometry;
mod job;
mod memory;
mod null;
mod pages;
// The buffers that the kernel moves blocks into are mapped memory.
#[allow(unsafe_code)]
mod pool;
pub mod testing;

pub use blocking::Blocking;
pub use contract::{Backend, RUNS_MAX, Run, Usage, Work};
pub use counting::{CountingDisk, Counts};
pub use error::DiskError;
pub use faulty::{Fault, FaultyDisk, Rule};
pub use files::{BlockDisk, Create, DiskFile, DiskOptions, FileDisk, FileRing, FileWork};
pub use geometry::{AtomicLimits, BLOCK_SIZES, Discard, Geometry};
pub use job::{Data, Finished, Home, Job, Op, OpKind};
pub use memory::MemoryDisk;
pub use null::NullDisk;
pub use pages::{Page, Pages};
pub use pool::{Buffer, Pool, PoolUsage, Slab};
