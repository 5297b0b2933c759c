//! Where do the disks behind LUNs come from: sparse files, and loop devices on them.

use crate::need::{self, Missing};
use crate::process;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LOSETUP_LIMIT: Duration = Duration::from_secs(20);

/// Makes a sparse file of this many bytes.
///
/// # Panics
/// When it cannot be made.
pub fn sparse_file(path: &Path, bytes: u64) {
    let file = File::create(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file.set_len(bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// A loop device with direct I/O on a file; detached when dropped.
#[derive(Debug)]
pub struct LoopDevice {
    path: PathBuf,
    losetup: PathBuf,
}

impl LoopDevice {
    /// Attaches a free loop device to the file.
    ///
    /// # Errors
    /// [`Missing`] without root, `losetup`, or loop devices in this kernel.
    pub fn attach(file: &Path) -> Result<LoopDevice, Missing> {
        need::root("a loop device")?;
        let losetup = need::tool("losetup")?;
        let mut attach = Command::new(&losetup);
        attach.args(["--find", "--show", "--direct-io=on"]).arg(file);
        let finished = process::run(&mut attach, LOSETUP_LIMIT);
        if !finished.succeeded() {
            return Err(Missing::new(
                format!("a loop device ({})", finished.output.trim()),
                "a kernel with loop devices",
            ));
        }
        Ok(LoopDevice { path: PathBuf::from(finished.output.trim()), losetup })
    }

    /// The device.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        // Who still holds the device open keeps it attached until the last close.
        process::run(Command::new(&self.losetup).arg("--detach").arg(&self.path), LOSETUP_LIMIT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_device_shows_its_file_and_goes_when_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("disk");
        sparse_file(&file, 1 << 20);
        let Some(device) = need::require(LoopDevice::attach(&file)) else {
            return;
        };
        let path = device.path().to_owned();
        let name = path.file_name().unwrap().to_str().unwrap();
        let size = format!("/sys/block/{name}/size");
        assert_eq!(std::fs::read_to_string(&size).unwrap().trim(), "2048");
        drop(device);
        let backing = std::fs::read_to_string(format!("/sys/block/{name}/loop/backing_file")).unwrap_or_default();
        assert_ne!(backing.trim(), file.to_str().unwrap());
    }
}
