//! A disk in memory: sparse, shared by reference, never half written.

mod table;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use table::{PAGE_BYTES, Table};

use crate::contract::Runs;
use crate::{AtomicLimits, Backend, Discard, DiskError, FileRing, Geometry, Job, Op, Run, Usage};

/// A disk in memory.
///
/// It takes memory as it is written, in pages of 16 KiB, and never more than its size (plus the pages that
/// readers still hold while they are overwritten). A discarded or zeroed page takes none.
///
/// A read is answered with references to the pages and copies nothing. A write changes a page in place
/// where nobody else holds it, else it replaces it by a changed copy: a reader sees each page as it was
/// before a write or after it, never in between.
///
/// There is no write cache to flush (`write_cache` is false), although all is lost with the power: a flush
/// could make nothing safer, so initiators are spared it. Whoever needs the data kept needs another disk.
#[derive(Debug)]
pub struct MemoryDisk {
    table: Arc<Table>,
    block_size: u32,
    bytes: AtomicU64,
}

impl MemoryDisk {
    /// The largest disk: its empty table takes 16 MiB.
    pub const BYTES_MAX: u64 = 16 << 40;

    /// A disk of `bytes` zeroes in blocks of 512.
    ///
    /// # Panics
    /// If `bytes` is over [`BYTES_MAX`](Self::BYTES_MAX).
    pub fn new(bytes: u64) -> Self {
        Self::with_block_size(bytes, 512)
    }

    /// A disk of `bytes` zeroes, rounded down to blocks of `block_size` (512 or 4096).
    ///
    /// # Panics
    /// If `block_size` is another, or `bytes` is over [`BYTES_MAX`](Self::BYTES_MAX).
    pub fn with_block_size(bytes: u64, block_size: u32) -> Self {
        assert!(bytes <= Self::BYTES_MAX, "a memory disk has at most {} bytes", Self::BYTES_MAX);
        let bytes = Geometry::plain(block_size, bytes).bytes;
        Self { table: Arc::new(Table::new(bytes)), block_size, bytes: AtomicU64::new(bytes) }
    }

    /// Lets the disk, which is still empty, [`grow`](Self::grow) up to `bytes`.
    ///
    /// # Panics
    /// If `bytes` is over [`BYTES_MAX`](Self::BYTES_MAX) or less than the disk has, or something was
    /// written already.
    #[must_use]
    pub fn with_room_to(self, bytes: u64) -> Self {
        assert!((self.size()..=Self::BYTES_MAX).contains(&bytes), "room between the size and BYTES_MAX");
        assert_eq!(self.resident(), 0, "room is made before the first write");
        Self { table: Arc::new(Table::new(bytes)), ..self }
    }

    /// Makes the disk larger; whoever serves it learns of it by [`Backend::refresh`].
    ///
    /// # Errors
    /// [`DiskError::OutOfRange`] if the disk would shrink or have more than it has
    /// [room](Self::with_room_to) for.
    pub fn grow(&self, bytes: u64) -> Result<(), DiskError> {
        let bytes = bytes - bytes % u64::from(self.block_size);
        if bytes > self.table.capacity() {
            return Err(DiskError::OutOfRange);
        }
        let before = self.bytes.fetch_max(bytes, Ordering::AcqRel);
        if bytes >= before { Ok(()) } else { Err(DiskError::OutOfRange) }
    }

    /// How much memory the pages take now, in bytes, without those that only readers hold.
    pub fn resident(&self) -> u64 {
        self.table.resident()
    }

    // A page changes at once, and what begins with one and is no longer touches no other.
    fn atomic(&self) -> AtomicLimits {
        let page = PAGE_BYTES as u32;
        AtomicLimits { max_bytes: page, granularity: self.block_size, alignment: page, natural: false }
    }

    fn size(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }
}

impl Backend for MemoryDisk {
    fn geometry(&self) -> Geometry {
        let discard =
            Discard { granularity: PAGE_BYTES as u32, alignment: 0, max_bytes: DISCARD_MAX, reads_zero: true };
        let plain = Geometry::plain(self.block_size, self.size());
        Geometry { discard: Some(discard), atomic: Some(self.atomic()), rotational: Some(false), ..plain }
    }

    fn submit(&self, mut job: Job, ring: &mut dyn FileRing) {
        let op = job.op();
        if let Err(error) = op.check(self.size(), false) {
            return job.finish(Err(error));
        }
        match op {
            Op::Read { at, .. } if job.has_buffer() => {
                self.table.read_into(at, job.buffer());
                job.finish(Ok(()));
            }
            Op::Read { at, len } => job.finish_with(self.table.pages(at, len as usize)),
            Op::WriteAtomic { at, len, .. } if !self.atomic().allow(at, len) => job.finish(Err(DiskError::Unsupported)),
            Op::Write { at, len, .. } if len > WRITE_AT_ONCE => {
                let table = self.table.clone();
                let work = move |job: &mut Job| {
                    table.write(at, job.buffer());
                    Ok(())
                };
                ring.elsewhere(job, Box::new(work));
            }
            Op::Write { at, .. } | Op::WriteAtomic { at, .. } => {
                self.table.write(at, job.buffer());
                job.finish(Ok(()));
            }
            Op::Flush | Op::Prefetch { .. } => job.finish(Ok(())),
            Op::Discard { at, len } | Op::Zero { at, len, .. } if len <= ZERO_AT_ONCE => {
                self.table.zero(at, len);
                job.finish(Ok(()));
            }
            Op::Discard { at, len } | Op::Zero { at, len, .. } => {
                let table = self.table.clone();
                let work = move |_: &mut Job| {
                    table.zero(at, len);
                    Ok(())
                };
                ring.elsewhere(job, Box::new(work));
            }
        }
    }

    fn refresh(&self) -> io::Result<Geometry> {
        Ok(self.geometry())
    }

    fn shares_pages(&self) -> bool {
        true
    }

    fn map(&self, at: u64, len: u64) -> io::Result<Option<Vec<Run>>> {
        let end = at.saturating_add(len).min(self.size());
        if at >= end {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut runs = Runs::from(at);
        let _ = self.table.held(at, end).all(|(held, end)| runs.until(end, held));
        Ok(Some(runs.list()))
    }

    fn usage(&self) -> io::Result<Option<Usage>> {
        let used = self.resident();
        Ok(Some(Usage { used, available: self.size().saturating_sub(used) }))
    }

    fn describe(&self) -> String {
        "memory".to_owned()
    }
}

/// Longer writes are copied by a helper: 32 MiB into new pages take about 10 ms, which everybody else would wait.
const WRITE_AT_ONCE: u32 = 4 << 20;

/// Longer extents of zeroes are worked on by a helper: giving back 64 MiB of pages was measured at 0.2 ms.
const ZERO_AT_ONCE: u64 = 64 << 20;

/// The longest discard that is invited.
const DISCARD_MAX: u64 = 4 << 30;
