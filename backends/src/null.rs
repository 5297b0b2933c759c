//! A disk that forgets: for measuring everything but the disk.

use std::io;

use crate::{AtomicLimits, Backend, Discard, DiskError, FileRing, Geometry, Job, Op, Pages, Pool, Run};

/// Answers at once: reads are zeroes, writes vanish. Any size costs nothing.
#[derive(Debug, Clone)]
pub struct NullDisk {
    geometry: Geometry,
}

impl NullDisk {
    /// A disk of `bytes` bytes in blocks of 512.
    pub fn new(bytes: u64) -> Self {
        Self::with_block_size(bytes, 512)
    }

    /// A disk of `bytes` bytes, rounded down to blocks of `block_size` (512 or 4096).
    ///
    /// # Panics
    /// If `block_size` is another.
    pub fn with_block_size(bytes: u64, block_size: u32) -> Self {
        let discard = Discard { granularity: block_size, alignment: 0, max_bytes: DISCARD_MAX, reads_zero: true };
        // Nothing is never half written.
        let atomic =
            AtomicLimits { max_bytes: ATOMIC_MAX, granularity: block_size, alignment: block_size, natural: false };
        let plain = Geometry::plain(block_size, bytes);
        let geometry = Geometry { discard: Some(discard), atomic: Some(atomic), rotational: Some(false), ..plain };
        Self { geometry }
    }
}

impl Backend for NullDisk {
    fn geometry(&self) -> Geometry {
        self.geometry.clone()
    }

    fn submit(&self, mut job: Job, _ring: &mut dyn FileRing) {
        let done: Result<(), DiskError> = job.op().check(self.geometry.bytes, false);
        match (job.op(), done) {
            (Op::WriteAtomic { len, .. }, Ok(())) if len > ATOMIC_MAX => job.finish(Err(DiskError::Unsupported)),
            (Op::Read { .. }, Ok(())) if job.has_buffer() => {
                job.buffer().fill(0);
                job.finish(Ok(()));
            }
            (Op::Read { len, .. }, Ok(())) => job.finish_with(Pages::zeroes(len as usize)),
            (_, done) => job.finish(done),
        }
    }

    fn refresh(&self) -> io::Result<Geometry> {
        Ok(self.geometry.clone())
    }

    fn shares_pages(&self) -> bool {
        true
    }

    fn map(&self, at: u64, len: u64) -> io::Result<Option<Vec<Run>>> {
        let len = len.min(self.geometry.bytes.saturating_sub(at));
        if len == 0 { Err(io::ErrorKind::InvalidInput.into()) } else { Ok(Some(vec![Run { len, mapped: false }])) }
    }

    fn describe(&self) -> String {
        "null".to_owned()
    }
}

/// The longest discard that is invited.
const DISCARD_MAX: u64 = 4 << 30;

/// The longest atomic write: as long as any write.
const ATOMIC_MAX: u32 = Pool::BUFFER_MAX as u32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Driver;

    #[test]
    fn reads_are_zeroes_whatever_was_written_and_end_where_the_disk_ends() {
        let disk = Driver::new(NullDisk::new(1 << 50));
        disk.write(4096, &[7; 512]).unwrap();
        assert_eq!(disk.read(4096, 512).unwrap(), [0; 512]);
        assert_eq!(disk.read_into_buffer(4096, 512).unwrap(), [0; 512]);
        assert_eq!(disk.read((1 << 50) - 512, 512).unwrap(), [0; 512]);
        assert_eq!(disk.read(1 << 50, 512), Err(DiskError::OutOfRange));
        assert_eq!(disk.write((1 << 50) - 512, &[0; 1024]), Err(DiskError::OutOfRange));
        assert_eq!(disk.run(Op::Flush), Ok(()));
        let map = |at, len| disk.disk().map(at, len).map(Option::unwrap).map_err(|error| error.kind());
        assert_eq!(map(512, 1024).unwrap(), [Run { len: 1024, mapped: false }]);
        assert_eq!(map((1 << 50) - 512, 1024).unwrap(), [Run { len: 512, mapped: false }]);
        assert_eq!(map(1 << 50, 512), Err(io::ErrorKind::InvalidInput));
    }
}
