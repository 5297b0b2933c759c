//! Which bytes of a file have space, how much that is, and how they are copied without being looked at.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::sys::statvfs::fstatvfs;
use nix::unistd::{Whence, lseek};
use rustix::fs::copy_file_range;
use rustix::io::Errno as CopyError;

use crate::contract::Runs;
use crate::{Run, Usage};

/// The runs of `at..end`, in whole blocks of `unit` bytes: one that has space in part has it. `None`: the file system
/// cannot tell.
///
/// Space that was set aside and never written counts as none, as it does for `SEEK_DATA`: it reads as zeroes.
pub(super) fn map(file: &File, at: u64, end: u64, unit: u32) -> io::Result<Option<Vec<Run>>> {
    let unit = u64::from(unit);
    let mut runs = Runs::from(at);
    while runs.at() < end {
        let data = match seek(file, runs.at(), Whence::SeekData) {
            Ok(data) => data,
            // No data from here to the end of the file.
            Err(Errno::ENXIO) => end,
            Err(Errno::EINVAL | Errno::EOPNOTSUPP | Errno::ESPIPE) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let before = if data < end { data - data % unit } else { end };
        if !runs.until(before, false) || before == end {
            break;
        }
        let hole = match seek(file, data.max(runs.at()), Whence::SeekHole) {
            Ok(hole) => hole,
            // What was data is beyond the end now: the file shrank meanwhile.
            Err(Errno::ENXIO) => end,
            Err(error) => return Err(error.into()),
        };
        // One byte at least: between the two looks the data may have gone.
        if !runs.until(hole.max(runs.at() + 1).next_multiple_of(unit).min(end), true) {
            break;
        }
    }
    Ok(Some(runs.list()))
}

/// What the file takes, and what its file system would still give to it, up to `bytes` in all.
pub(super) fn usage(file: &File, bytes: u64) -> io::Result<Usage> {
    // Whatever the file system's blocks are, these are counted in 512 bytes (stat(2)).
    let used = file.metadata()?.blocks() * 512;
    let system = fstatvfs(file)?;
    let free = system.blocks_available().saturating_mul(system.fragment_size());
    Ok(Usage { used, available: free.min(bytes.saturating_sub(used)) })
}

/// Copies whole blocks of `unit` bytes within the kernel, [`COPY_AT_ONCE`] bytes at the most, and says how many bytes:
/// where the file system shares extents (reflink) it moves none.
///
/// # Errors
/// [`io::ErrorKind::Unsupported`]: not between these two files, or not these extents.
pub(super) fn copy(source: &File, from: u64, to: &File, at: u64, len: u64, unit: u32) -> io::Result<u64> {
    let unit = u64::from(unit);
    let len = len.min(COPY_AT_ONCE);
    let (mut read, mut written) = (from, at);
    if i64::try_from(from.max(at).saturating_add(len)).is_err() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut done: u64 = 0;
    loop {
        let left = usize::try_from(len - done).expect("a copy at once is short");
        match copy_file_range(source, Some(&mut read), to, Some(&mut written), left) {
            Err(CopyError::INTR) => continue,
            // Whole blocks that were copied are copied; the next call meets the reason again, if it stays.
            Ok(0) | Err(_) if done >= unit => return Ok(done - done % unit),
            // The end of the source: it is shorter than the disk it is.
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if NOT_THIS_WAY.contains(&error) => return Err(io::ErrorKind::Unsupported.into()),
            Err(error) => return Err(error.into()),
            Ok(copied) => done += copied as u64,
        }
        if done.is_multiple_of(unit) {
            return Ok(done);
        }
    }
}

// Nobody uses the position of the file.
fn seek(file: &File, at: u64, whence: Whence) -> Result<u64, Errno> {
    let at = i64::try_from(at).map_err(|_| Errno::ENXIO)?;
    Ok(u64::try_from(lseek(file, at, whence)?).expect("an offset is not negative"))
}

/// What the kernel says of files that are no files, lie on different file systems, overlap, or are open in a way that
/// does not fit. Each of them says that nothing was written.
const NOT_THIS_WAY: [CopyError; 7] = [
    CopyError::XDEV,
    CopyError::INVAL,
    CopyError::OPNOTSUPP,
    CopyError::NOSYS,
    CopyError::TXTBSY,
    CopyError::BADF,
    CopyError::PERM,
];

/// One call into the kernel copies at most this many bytes: it cannot be told to stop meanwhile.
pub(super) const COPY_AT_ONCE: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RUNS_MAX;
    use std::os::unix::fs::FileExt;

    const UNIT: u64 = 64 << 10;

    /// A file with data in these units of 64 KiB.
    fn sparse(units: u64, data: &[u64]) -> File {
        let file = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        file.set_len(units * UNIT).unwrap();
        data.iter().for_each(|at| file.write_all_at(&[7; UNIT as usize], at * UNIT).unwrap());
        file
    }

    fn runs(list: &[(u64, bool)]) -> Option<Vec<Run>> {
        Some(list.iter().map(|(units, mapped)| Run { len: units * UNIT, mapped: *mapped }).collect())
    }

    #[test]
    fn runs_follow_each_other_without_a_gap_and_change_their_kind() {
        let file = sparse(8, &[1, 2, 5]);
        let of = |from: u64, to: u64| map(&file, from * UNIT, to * UNIT, 512).unwrap();
        assert_eq!(of(0, 8), runs(&[(1, false), (2, true), (2, false), (1, true), (2, false)]));
        assert_eq!(of(2, 4), runs(&[(1, true), (1, false)]));
        assert_eq!(of(6, 8), runs(&[(2, false)]));
        assert_eq!(of(1, 2), runs(&[(1, true)]));
        assert_eq!(of(7, 9), runs(&[(2, false)]), "beyond its end a file has no space");
    }

    #[test]
    fn a_block_that_has_space_in_part_has_it() {
        let file = sparse(8, &[1, 5]);
        let whole = map(&file, 0, 8 * UNIT, 3 * UNIT as u32).unwrap();
        assert_eq!(whole, runs(&[(6, true), (2, false)]));
    }

    #[test]
    fn a_map_of_very_many_runs_ends_early() {
        const BLOCK: u64 = 4096;
        let file = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let pairs = RUNS_MAX as u64 / 2 + 1;
        (0..pairs).for_each(|pair| file.write_all_at(&[7; BLOCK as usize], pair * 2 * BLOCK).unwrap());
        let list = map(&file, 0, pairs * 2 * BLOCK, 512).unwrap().unwrap();
        assert_eq!(list.len(), RUNS_MAX);
        let alternate = |(number, run): (usize, &Run)| *run == Run { len: BLOCK, mapped: number % 2 == 0 };
        assert!(list.iter().enumerate().all(alternate));
    }

    #[test]
    fn usage_is_what_the_file_takes_and_no_more_than_it_may_get() {
        let file = sparse(8, &[1, 2]);
        file.sync_all().unwrap();
        let Usage { used, available } = usage(&file, 8 * UNIT).unwrap();
        assert!((2 * UNIT..3 * UNIT).contains(&used), "{used}");
        assert_eq!(used + available, 8 * UNIT);
        assert_eq!(usage(&file, UNIT).unwrap().available, 0, "it takes more than it is long");
    }

    #[test]
    fn a_copy_moves_the_bytes_that_were_asked_for_and_no_others() {
        let (source, to) = (sparse(4, &[0, 1, 2]), sparse(4, &[]));
        assert_eq!(copy(&source, 512, &to, 4096, UNIT, 512).unwrap(), UNIT);
        let mut all = vec![1; 4 * UNIT as usize];
        to.read_exact_at(&mut all, 0).unwrap();
        let inside = 4096..4096 + UNIT as usize;
        assert!(all.iter().enumerate().all(|(at, byte)| *byte == if inside.contains(&at) { 7 } else { 0 }));
    }

    #[test]
    fn a_copy_that_the_kernel_does_not_do_is_told_from_one_that_failed() {
        let file = sparse(2, &[0]);
        let overlapping = copy(&file, 0, &file, 512, 4096, 512).unwrap_err();
        assert_eq!(overlapping.kind(), io::ErrorKind::Unsupported);
        let beyond = copy(&file, 2 * UNIT, &sparse(1, &[]), 0, 512, 512).unwrap_err();
        assert_eq!(beyond.kind(), io::ErrorKind::UnexpectedEof);
        let no_space = copy(&file, u64::MAX, &file, 0, 512, 512).unwrap_err();
        assert_eq!(no_space.kind(), io::ErrorKind::InvalidInput);
        let part = copy(&file, 2 * UNIT - 4096, &sparse(2, &[]), 0, 8192, 4096).unwrap();
        assert_eq!(part, 4096, "up to the end of the source");
    }
}
