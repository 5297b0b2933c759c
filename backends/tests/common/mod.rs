//! What tests need a privileged host for: loop devices and small file systems.
#![allow(dead_code, reason = "each test program uses its part")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// A loop device over a file, detached when dropped.
#[derive(Debug)]
pub(crate) struct Loop(PathBuf);

/// A file system in memory, unmounted when dropped.
#[derive(Debug)]
pub(crate) struct Tmpfs(tempfile::TempDir);

impl Loop {
    /// Sets one up with these options of losetup(8). `None`, said loudly, where the host does not let us.
    pub(crate) fn over(file: &Path, options: &[&str]) -> Option<Self> {
        let mut losetup = Command::new("losetup");
        losetup.args(["--find", "--show"]).args(options).arg(file);
        run(&mut losetup).map(|device| Self(PathBuf::from(device.trim())))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Tells the kernel to look at the length of the file again. `None` as above.
    pub(crate) fn look_again(&self) -> Option<()> {
        run(Command::new("losetup").arg("--set-capacity").arg(&self.0)).map(drop)
    }

    /// How often the device was told to make its cache safe, since it exists.
    pub(crate) fn flushes(&self) -> u64 {
        let name = self.0.file_name().expect("a device has a name");
        let stat = std::fs::read_to_string(Path::new("/sys/block").join(name).join("stat")).unwrap();
        // Documentation/block/stat.rst: the 16th field counts flush I/Os.
        stat.split_whitespace().nth(15).expect("Linux 5.5 and later").parse().unwrap()
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.0).status();
    }
}

impl Tmpfs {
    /// Mounts one of `bytes`. `None`, said loudly, where the host does not let us.
    pub(crate) fn mount(bytes: u64) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "ferrite-test"]).arg(folder.path());
        run(&mut mount).map(|_| Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily: a test that fails may still have its disk open.
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

/// What the command printed. Where it fails the test cannot run: in CI that is a failure.
fn run(command: &mut Command) -> Option<String> {
    let why = match command.output() {
        Ok(output) if output.status.success() => return Some(String::from_utf8(output.stdout).unwrap()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    let program = command.get_program().to_string_lossy().into_owned();
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{program} must work in CI: {why}");
    let test = std::thread::current().name().unwrap_or("?").to_owned();
    say(&format!("SKIPPED (needs root): {test}: {program}: {why}\n"));
    None
}

// Past the test harness, which hides what a passing test prints.
fn say(text: &str) {
    use std::io::Write;
    let _ = std::io::stderr().write_all(text.as_bytes());
}
