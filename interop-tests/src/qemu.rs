//! How do QEMU's tools, with their own iSCSI driver, get at a LUN?

use crate::need::{self, Missing};
use crate::process::{self, Finished};
use crate::served::Url;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How long one of QEMU's tools may take for some ten MiB.
pub const TOOL_LIMIT: Duration = Duration::from_secs(120);

/// QEMU's tools on this machine.
#[derive(Debug, Clone)]
pub struct Qemu {
    img: PathBuf,
    io: PathBuf,
}

/// A LUN as QEMU sees it.
#[derive(Debug, Clone)]
pub struct Image {
    url: Url,
    header_digest: bool,
    read_only: bool,
}

impl Image {
    /// The LUN at this place, with the account that stands in it and without digests.
    pub fn at(url: Url) -> Image {
        Image { url, header_digest: false, read_only: false }
    }

    /// The same with `HeaderDigest=CRC32C` and nothing else offered.
    pub fn with_header_digest(self) -> Image {
        Image { header_digest: true, ..self }
    }

    /// The same, opened by [`Qemu::io`] for reading only.
    pub fn read_only(self) -> Image {
        Image { read_only: true, ..self }
    }

    /// What QEMU calls it: `driver=iscsi,...`, with the secret by reference so that it does not stand in the process list of a real machine.
    pub fn options(&self) -> String {
        let Url { port, target, lun, account } = &self.url;
        let digest = if self.header_digest { "crc32c" } else { "none" };
        let mut options = format!(
            "driver=raw,file.driver=iscsi,file.transport=tcp,file.portal=127.0.0.1:{port},file.target={target},\
             file.lun={lun},file.header-digest={digest}"
        );
        if let Some(account) = account {
            options += &format!(",file.user={},file.password-secret=chap", account.user);
        }
        options
    }

    fn secret(&self) -> Vec<String> {
        let secret = self.url.account.iter();
        secret.flat_map(|account| ["--object".to_owned(), format!("secret,id=chap,data={}", account.secret)]).collect()
    }
}

impl Qemu {
    /// The tools.
    ///
    /// # Errors
    /// [`Missing`], when one of them or QEMU's iSCSI driver is not installed.
    pub fn find() -> Result<Qemu, Missing> {
        let qemu = Qemu { img: need::tool("qemu-img")?, io: need::tool("qemu-io")? };
        // The driver is a module of a package of its own, or built in.
        let help = process::run(Command::new(&qemu.img).arg("--help"), TOOL_LIMIT).output;
        let formats = help.lines().find(|line| line.starts_with("Supported formats:")).unwrap_or_default();
        let module = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
        let module = module.map(|folder| folder.path().join("qemu/block-iscsi.so")).find(|path| path.exists());
        if module.is_none() && !formats.split_whitespace().any(|format| format == "iscsi") {
            return Err(Missing::new("QEMU's iSCSI driver", "interop-tests/install-tools"));
        }
        Ok(qemu)
    }

    /// Writes a raw file onto the LUN (`qemu-img convert`).
    pub fn upload(&self, file: &Path, image: &Image) -> Finished {
        let mut command = Command::new(&self.img);
        command.args(["convert", "-n", "-f", "raw", "--target-image-opts"]).args(image.secret());
        process::run(command.arg(file).arg(image.options()), TOOL_LIMIT)
    }

    /// Reads the LUN into a raw file (`qemu-img convert`).
    pub fn download(&self, image: &Image, file: &Path) -> Finished {
        let mut command = Command::new(&self.img);
        command.args(["convert", "--image-opts", "-O", "raw"]).args(image.secret());
        process::run(command.arg(image.options()).arg(file), TOOL_LIMIT)
    }

    /// Compares the LUN with a raw file, byte by byte (`qemu-img compare`); exit code 1 when they differ.
    pub fn compare(&self, image: &Image, file: &Path) -> Finished {
        let mut command = Command::new(&self.img);
        // Under --image-opts both names are options.
        command.args(["compare", "--image-opts"]).args(image.secret()).arg(image.options());
        process::run(command.arg(format!("driver=raw,file.driver=file,file.filename={}", file.display())), TOOL_LIMIT)
    }

    /// `depth` writes of `bytes` each at a time, `count` in all, each with the byte `pattern` (`qemu-img bench`).
    pub fn write_in_depth(&self, image: &Image, depth: u32, bytes: u32, count: u32, pattern: u8) -> Finished {
        let mut command = Command::new(&self.img);
        command.args(["bench", "--image-opts", "-w", "--flush-interval=256"]).args(image.secret());
        command.args(["-d", &depth.to_string(), "-s", &bytes.to_string(), "-c", &count.to_string()]);
        process::run(command.arg(format!("--pattern={pattern}")).arg(image.options()), TOOL_LIMIT)
    }

    /// Commands of `qemu-io`, one after the other in one session. The first that fails ends it with exit code 1.
    pub fn io(&self, image: &Image, commands: &[&str]) -> Finished {
        let mut command = Command::new(&self.io);
        command.args(image.secret()).arg("--image-opts").args(image.read_only.then_some("--read-only"));
        for one in commands {
            command.args(["-c", one]);
        }
        let finished = process::run(command.arg(image.options()), TOOL_LIMIT);
        told_by_text(finished)
    }
}

/// qemu-io says some failures, and does not always exit with them.
fn told_by_text(finished: Finished) -> Finished {
    // Not "failed" alone: the driver remarks so when a target has no GET LBA STATUS, and does without.
    const SIGNS: [&str; 2] = ["Pattern verification failed", " failed: "];
    let told = SIGNS.iter().any(|sign| finished.output.contains(sign));
    if finished.succeeded() && told {
        return Finished { ending: process::Ending::Exit(1), ..finished };
    }
    finished
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Ending;
    use crate::setup::Account;

    fn image(account: Option<Account>) -> Image {
        Image::at(Url { port: 3261, target: "iqn.2026-11.com.example:d".into(), lun: 1, account })
    }

    #[test]
    fn a_secret_goes_by_reference_and_only_with_an_account() {
        assert_eq!(image(None).secret(), Vec::<String>::new());
        let image = image(Some(Account::new("u", "secretsecret")));
        assert_eq!(image.secret(), ["--object", "secret,id=chap,data=secretsecret"]);
        assert!(image.options().ends_with(",file.user=u,file.password-secret=chap"));
        assert!(!image.options().contains("secretsecret"));
    }

    #[test]
    fn a_mismatch_that_exits_with_0_is_a_failure_all_the_same() {
        let output = "Pattern verification failed at offset 0, 512 bytes\n".to_owned();
        let finished = Finished { ending: Ending::Exit(0), output, took: Duration::ZERO };
        assert!(!told_by_text(finished).succeeded());
        let good = Finished {
            ending: Ending::Exit(0),
            output: "qemu-io: iSCSI GET_LBA_STATUS failed at lba 0: ...\nread 512/512 bytes at offset 0\n".into(),
            took: Duration::ZERO,
        };
        assert!(told_by_text(good).succeeded());
    }
}
