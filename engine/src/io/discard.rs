//! How space of a block device is given back where `fallocate` cannot: by the ioctl `BLKDISCARD`. It blocks.

use std::os::fd::AsRawFd;

use ferrite_backends::{DiskError, DiskFile};
use nix::errno::Errno;

/// Lets the device forget `len` bytes from `at`, both multiples of its logical block: what they read as
/// afterwards is undefined, and space comes back as far as whole units of the device's granularity lie within.
///
/// # Errors
/// What the kernel said; [`DiskError::Unsupported`] on anything that is no block device, or that has no discard.
pub(super) fn discard(file: &DiskFile, at: u64, len: u64) -> Result<(), DiskError> {
    let extent = [at, len];
    loop {
        // SAFETY: the descriptor is open as long as `file` is borrowed, and the kernel reads two u64 from
        // `extent` (linux/fs.h), which outlives the call, and writes none of our memory.
        match unsafe { blkdiscard(file.as_raw_fd(), &extent) } {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(Errno::ENOTTY) => return Err(DiskError::Unsupported),
            Err(error) => return Err(error.into()),
        }
    }
}

// "Bad" is nix's word for requests that are older than the scheme which numbers say their direction by.
nix::ioctl_write_ptr_bad!(blkdiscard, nix::request_code_none!(0x12, 119), [u64; 2]);
