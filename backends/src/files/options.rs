//! How a file or a device is opened as a disk.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::FallocateFlags;

use super::DiskFile;
use crate::geometry::BLOCK_SIZES;

/// How a file or a device is opened as a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskOptions {
    /// The logical block: 512 or 4096. `None`: what suits the medium, 512 for a file.
    pub block_size: Option<u32>,
    /// Open for reading only, and refuse every change.
    pub read_only: bool,
    /// Make the file where there is none. Devices are never made.
    pub create: Option<Create>,
    /// Refuse a medium that something else uses: a device that is mounted or held by device-mapper, MD or
    /// another program that asked for itself, a file that another program has locked. True unless said
    /// otherwise; two read-only users of a file do not disturb each other.
    pub exclusive: bool,
}

/// How to make a file that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Create {
    /// Its length, at least one logical block.
    pub bytes: u64,
    /// Take the space now instead of when it is written: then a write cannot fail for lack of space.
    pub allocate: bool,
}

impl Default for DiskOptions {
    fn default() -> Self {
        Self { block_size: None, read_only: false, create: None, exclusive: true }
    }
}

impl DiskOptions {
    /// Makes the file if it is asked for and not there, opens it with `flags` beside the usual ones, and
    /// makes sure that nobody else uses it.
    pub(super) fn open(&self, path: &Path, flags: i32) -> io::Result<DiskFile> {
        if let Some(block_size) = self.block_size
            && !BLOCK_SIZES.contains(&block_size)
        {
            return Err(refuse(path, &format!("logical blocks have 512 or 4096 bytes, not {block_size}")));
        }
        if let Some(create) = self.create {
            self.make(path, create)?;
        }
        // Asked before opening: to open a pipe for reading would wait for somebody who writes.
        let kind = path.metadata().map_err(|error| because(path, &error, ""))?.file_type();
        if !kind.is_file() && !kind.is_block_device() {
            return Err(refuse(path, "neither a regular file nor a block device"));
        }
        // On a block device O_EXCL without O_CREAT asks to be its one holder (open(2)).
        let exclusive = if self.exclusive && kind.is_block_device() { libc::O_EXCL } else { 0 };
        let mut options = OpenOptions::new();
        options.read(true).write(!self.read_only).custom_flags(flags | exclusive);
        let file = unless_busy_for_long(|| options.open(path))
            .map_err(|error| because(path, &error, advice(&error, flags)))?;
        if self.exclusive && kind.is_file() {
            self.lock(path, &file)?;
        }
        Ok(DiskFile::new(file))
    }

    fn make(&self, path: &Path, create: Create) -> io::Result<()> {
        if create.bytes < self.block_size.unwrap_or(BLOCK_SIZES[0]).into() {
            return Err(refuse(path, "a disk has at least one logical block"));
        }
        let made = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(made) => DiskFile::new(made),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            Err(error) => return Err(because(path, &error, "")),
        };
        let sized = match create.allocate {
            true => made.allocate(FallocateFlags::empty(), 0, create.bytes).map_err(io::Error::other),
            false => made.file().set_len(create.bytes),
        };
        sized.and_then(|()| made.file().sync_all()).map_err(|error| {
            // A file of the wrong size must not be taken for the disk next time.
            let _ = std::fs::remove_file(path);
            because(path, &error, "")
        })
    }

    fn lock(&self, path: &Path, file: &File) -> io::Result<()> {
        let lock = || match if self.read_only { file.try_lock_shared() } else { file.try_lock() } {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err(io::Error::from(io::ErrorKind::ResourceBusy)),
            // A file system without locks (some network ones): nothing can be known, nothing is refused.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
            Err(TryLockError::Error(error)) => Err(error),
        };
        unless_busy_for_long(lock).map_err(|error| match error.kind() {
            io::ErrorKind::ResourceBusy => because(path, &error, "another program or another LUN has locked the file"),
            _ => because(path, &error, ""),
        })
    }
}

/// Tries again for a while where somebody else holds the medium.
///
/// It may be nobody: while this process starts a program, the new one has a copy of every descriptor from
/// its fork to its exec, so that a disk that was just closed is held a little longer.
fn unless_busy_for_long<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let began = Instant::now();
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy && began.elapsed() < BUSY_PATIENCE => {
                thread::sleep(BUSY_PAUSE);
            }
            result => return result,
        }
    }
}

/// An error of ours about `path`.
pub(super) fn refuse(path: &Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{}: {why}", path.display()))
}

/// An error of the system about `path`, with a hint where there is one. Keeps its kind.
pub(super) fn because(path: &Path, error: &io::Error, hint: &str) -> io::Error {
    let separator = if hint.is_empty() { "" } else { ": " };
    io::Error::new(error.kind(), format!("{}: {error}{separator}{hint}", path.display()))
}

fn advice(error: &io::Error, flags: i32) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EBUSY) => "in use: mounted, or held by device-mapper, MD or another program",
        Some(libc::EROFS | libc::EACCES | libc::EPERM) => "open it read-only, or see to its permissions",
        Some(libc::EINVAL) if flags & libc::O_DIRECT != 0 => {
            "the file system has no O_DIRECT; use the file backend instead"
        }
        _ => "",
    }
}

/// How long a medium may stay busy before it is in use. A copy that a starting program held was seen to
/// last 80 ms on a loaded machine.
const BUSY_PATIENCE: Duration = Duration::from_millis(500);

/// How long to wait before looking again.
const BUSY_PAUSE: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn creating(bytes: u64, allocate: bool) -> DiskOptions {
        DiskOptions { create: Some(Create { bytes, allocate }), ..DiskOptions::default() }
    }

    fn refusal(options: &DiskOptions, path: &Path) -> String {
        options.open(path, 0).unwrap_err().to_string()
    }

    #[test]
    fn a_file_is_made_once_and_never_resized_by_opening_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        drop(creating(8192, false).open(&path, 0).unwrap());
        drop(creating(4096, true).open(&path, 0).unwrap());
        assert_eq!(path.metadata().unwrap().len(), 8192);
    }

    #[test]
    fn an_allocated_file_has_its_space_and_a_sparse_one_has_none() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        for (name, allocate) in [("sparse", false), ("allocated", true)] {
            let path = folder.path().join(name);
            drop(creating(1 << 20, allocate).open(&path, 0).unwrap());
            assert_eq!(path.metadata().unwrap().blocks() * 512 >= 1 << 20, allocate, "{name}");
        }
    }

    #[test]
    fn what_cannot_be_a_disk_is_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        assert!(refusal(&DiskOptions::default(), &path).contains("No such file"));
        assert!(refusal(&creating(511, false), &path).contains("at least one logical block"));
        let odd = DiskOptions { block_size: Some(1024), ..DiskOptions::default() };
        assert!(refusal(&odd, &path).contains("512 or 4096"));
        let read_only = DiskOptions { read_only: true, ..DiskOptions::default() };
        assert!(refusal(&read_only, folder.path()).contains("neither a regular file"));
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_is_a_disk_already_is_not_opened_for_writing_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        let options = creating(4096, false);
        let first = options.open(&path, 0).unwrap();
        assert!(refusal(&options, &path).contains("has locked the file"));
        let shared = DiskOptions { exclusive: false, ..options.clone() };
        shared.open(&path, 0).unwrap();
        drop(first);
        let reader = DiskOptions { read_only: true, ..DiskOptions::default() };
        let _readers = [reader.open(&path, 0).unwrap(), reader.open(&path, 0).unwrap()];
        assert!(refusal(&options, &path).contains("has locked the file"));
    }

    #[test]
    fn a_holder_that_lets_go_at_once_is_waited_for_and_one_that_stays_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        let options = creating(4096, false);
        let held = options.open(&path, 0).unwrap();
        let began = Instant::now();
        thread::scope(|scope| {
            scope.spawn(move || {
                thread::sleep(BUSY_PATIENCE / 5);
                drop(held);
            });
            options.open(&path, 0).unwrap();
        });
        assert!(began.elapsed() >= BUSY_PATIENCE / 5);
        let _held = options.open(&path, 0).unwrap();
        let began = Instant::now();
        assert!(refusal(&options, &path).contains("has locked the file"));
        assert!(began.elapsed() >= BUSY_PATIENCE);
    }

    #[test]
    fn a_pipe_is_refused_without_waiting_for_a_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let read_only = DiskOptions { read_only: true, ..DiskOptions::default() };
        assert!(refusal(&read_only, &path).contains("neither a regular file"));
    }
}
