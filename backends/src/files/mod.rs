//! Disks that are one open file: through the page cache ([`FileDisk`]) or past it ([`BlockDisk`]).

mod blockio;
mod fileio;
mod look;
mod medium;
mod options;
mod ring;
mod space;
mod sysfs;
mod way;

pub use blockio::BlockDisk;
pub use fileio::FileDisk;
pub use options::{Create, DiskOptions};
pub use ring::{DiskFile, FileRing, FileWork};
