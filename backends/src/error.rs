//! Why a disk did not do what it was asked.

use std::io;

/// Why a job failed, fine enough for the SCSI sense data that follows from it.
///
/// Made from an [`io::Error`] without losing its cause: what has no variant of its own keeps its `errno`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum DiskError {
    /// The space behind a thin disk is used up, or a quota is.
    #[error("no space left on the backing storage")]
    NoSpace,
    /// The disk does not take writes.
    #[error("the disk is read-only")]
    ReadOnly,
    /// The device is no longer there.
    #[error("the device is gone")]
    Gone,
    /// The medium could not be read or written.
    #[error("medium error")]
    Medium,
    /// The device did not answer in time.
    #[error("the device timed out")]
    TimedOut,
    /// The disk does not know how to do this.
    #[error("not supported by the disk")]
    Unsupported,
    /// Nobody is left who could say what became of the job: it was dropped unfinished.
    #[error("the job was lost before it finished")]
    Lost,
    /// The extent does not lie within the disk, or the backing file is shorter than the disk it is.
    #[error("beyond the end of the disk")]
    OutOfRange,
    /// Anything else, by `errno`; 0 where there was none.
    #[error("{}", describe(*.0))]
    Other(i32),
}

impl DiskError {
    /// The class of an `errno`.
    pub fn from_errno(errno: i32) -> Self {
        let known = ERRNOS.iter().find(|(known, _)| *known == errno);
        known.map_or(Self::Other(errno), |(_, class)| *class)
    }
}

impl From<io::Error> for DiskError {
    fn from(error: io::Error) -> Self {
        if let Some(errno) = error.raw_os_error() {
            return Self::from_errno(errno);
        }
        let known = KINDS.iter().find(|(known, _)| *known == error.kind());
        known.map_or(Self::Other(0), |(_, class)| *class)
    }
}

impl From<nix::Error> for DiskError {
    fn from(error: nix::Error) -> Self {
        Self::from_errno(error as i32)
    }
}

fn describe(errno: i32) -> String {
    match errno {
        0 => "unknown error".to_owned(),
        errno => io::Error::from_raw_os_error(errno).to_string(),
    }
}

/// What the kernel says, and what that means for a disk. EOPNOTSUPP and ENOTSUP are one number on Linux.
const ERRNOS: &[(i32, DiskError)] = &[
    (libc::EIO, DiskError::Medium),
    // blk_status_t: a protection, checksum or unrecoverable medium error.
    (libc::EILSEQ, DiskError::Medium),
    (libc::ENODATA, DiskError::Medium),
    (libc::EBADMSG, DiskError::Medium),
    (libc::EUCLEAN, DiskError::Medium),
    (libc::ENOSPC, DiskError::NoSpace),
    (libc::EDQUOT, DiskError::NoSpace),
    (libc::EROFS, DiskError::ReadOnly),
    (libc::EPERM, DiskError::ReadOnly),
    (libc::EACCES, DiskError::ReadOnly),
    (libc::ENXIO, DiskError::Gone),
    (libc::ENODEV, DiskError::Gone),
    (libc::ENOENT, DiskError::Gone),
    (libc::ESTALE, DiskError::Gone),
    (libc::ENOLINK, DiskError::Gone),
    (libc::ENOMEDIUM, DiskError::Gone),
    (libc::ETIMEDOUT, DiskError::TimedOut),
    (libc::ETIME, DiskError::TimedOut),
    (libc::EOPNOTSUPP, DiskError::Unsupported),
    (libc::ENOSYS, DiskError::Unsupported),
    (libc::EFBIG, DiskError::OutOfRange),
];

/// The same for errors that no system call made.
const KINDS: &[(io::ErrorKind, DiskError)] = &[
    (io::ErrorKind::UnexpectedEof, DiskError::OutOfRange),
    (io::ErrorKind::StorageFull, DiskError::NoSpace),
    (io::ErrorKind::ReadOnlyFilesystem, DiskError::ReadOnly),
    (io::ErrorKind::PermissionDenied, DiskError::ReadOnly),
    (io::ErrorKind::NotFound, DiskError::Gone),
    (io::ErrorKind::TimedOut, DiskError::TimedOut),
    (io::ErrorKind::Unsupported, DiskError::Unsupported),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errno_keeps_its_class_and_an_unknown_one_its_number() {
        let class = |errno| DiskError::from(io::Error::from_raw_os_error(errno));
        assert_eq!(class(libc::ENOSPC), DiskError::NoSpace);
        assert_eq!(class(libc::EDQUOT), DiskError::NoSpace);
        assert_eq!(class(libc::EROFS), DiskError::ReadOnly);
        assert_eq!(class(libc::ENXIO), DiskError::Gone);
        assert_eq!(class(libc::EIO), DiskError::Medium);
        assert_eq!(class(libc::ETIMEDOUT), DiskError::TimedOut);
        assert_eq!(class(libc::EOPNOTSUPP), DiskError::Unsupported);
        assert_eq!(class(libc::EINVAL), DiskError::Other(libc::EINVAL));
        assert_eq!(DiskError::from(nix::Error::EINVAL), DiskError::Other(libc::EINVAL));
        assert_eq!(DiskError::Other(libc::EINVAL).to_string(), "Invalid argument (os error 22)");
    }

    #[test]
    fn an_error_without_an_errno_is_classed_by_its_kind() {
        assert_eq!(DiskError::from(io::Error::from(io::ErrorKind::UnexpectedEof)), DiskError::OutOfRange);
        assert_eq!(DiskError::from(io::Error::other("?")), DiskError::Other(0));
    }

    #[test]
    fn no_errno_is_listed_twice() {
        for (at, (errno, _)) in ERRNOS.iter().enumerate() {
            assert!(ERRNOS[..at].iter().all(|(other, _)| other != errno), "errno {errno}");
        }
    }
}
