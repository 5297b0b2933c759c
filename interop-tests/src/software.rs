//! Which target software is under test, and how is it started?
//!
//! `ferrited`, built by cargo in the profile of the tests, or the binary that `FERRITED` names. With `FERRITE_PEER=tgt`
//! it is Debian's `tgt` instead: a test that fails there too is wrong itself, or asks for more than tgt has.

use crate::need::{self, Missing};
use crate::process::{self, Running};
use crate::setup::{Account, Disk, Setup};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const BUILD_LIMIT: Duration = Duration::from_secs(900);
const ADMIN_LIMIT: Duration = Duration::from_secs(20);
/// How long a started program may take until it can be spoken to.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(30);

/// A target software on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Software {
    /// Ours: the binary.
    Ferrited(PathBuf),
    /// Debian's: the daemon, and the command that configures it.
    Tgt {
        /// `tgtd`.
        daemon: PathBuf,
        /// `tgtadm`.
        admin: PathBuf,
    },
}

impl Software {
    /// The software under test, built when that is needed.
    ///
    /// # Errors
    /// [`Missing`], when it is the peer and that is not installed.
    ///
    /// # Panics
    /// When `ferrited` does not build.
    pub fn find() -> Result<Software, Missing> {
        if std::env::var("FERRITE_PEER").as_deref() == Ok("tgt") {
            need::root("tgtd")?;
            return Ok(Software::Tgt { daemon: need::tool("tgtd")?, admin: need::tool("tgtadm")? });
        }
        static BUILT: OnceLock<PathBuf> = OnceLock::new();
        Ok(Software::Ferrited(BUILT.get_or_init(ferrited).clone()))
    }

    /// The number under which initiators find the LUN that the setup calls by this one.
    pub(crate) fn lun_number(&self, number: u32) -> u32 {
        match self {
            Software::Ferrited(_) => number,
            Software::Tgt { .. } => tgt_lun_number(number),
        }
    }

    /// Starts it in a folder, on a port of the loopback. Its disks are those of the setup; the port may not
    /// answer yet when this returns.
    ///
    /// # Panics
    /// When it does not start.
    pub(crate) fn start(&self, setup: &Setup, ports: [u16; 2], folder: &Path, log: &Path) -> Running {
        match self {
            Software::Ferrited(binary) => {
                let config = folder.join("ferrited.toml");
                std::fs::write(&config, setup.to_toml(ports)).expect("the folder takes a file");
                Running::start(Command::new(binary).arg("--config").arg(&config).current_dir(folder), log)
            }
            Software::Tgt { daemon, admin } => {
                let [port, second] = ports;
                let control = port.to_string();
                let mut command = Command::new(daemon);
                command.args([
                    "--foreground",
                    "--control-port",
                    &control,
                    "--iscsi",
                    &format!("portal=127.0.0.1:{port}"),
                ]);
                if setup.two_ways {
                    // It knows one portal group; the second portal is one more of it.
                    command.args(["--iscsi", &format!("portal=127.0.0.1:{second}")]);
                }
                let mut running = Running::start(&mut command, log);
                let peer = Peer { admin, control };
                peer.wait_until_it_listens(&mut running);
                peer.configure(setup, folder);
                running
            }
        }
    }
}

/// The binary `ferrited`, in the profile in which the tests are.
fn ferrited() -> PathBuf {
    if let Some(named) = std::env::var_os("FERRITED") {
        return PathBuf::from(named);
    }
    let test = std::env::current_exe().expect("a test knows where it is");
    let profile = test.parent().and_then(Path::parent).expect("cargo keeps tests two folders below the profile's");
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // From the root of the workspace, or cargo does not find the setting that keeps its output out of `target/`.
    build.current_dir(workspace()).args(["build", "--quiet", "--package", "ferrite", "--bin", "ferrited"]);
    if profile.ends_with("release") {
        build.arg("--release");
    }
    process::run(&mut build, BUILD_LIMIT).expect_success("building ferrited");
    profile.join("ferrited")
}

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is a folder of the workspace")
}

/// A running tgtd, as `tgtadm` reaches it.
struct Peer<'a> {
    admin: &'a Path,
    control: String,
}

impl Peer<'_> {
    fn run(&self, mode: &str, op: &str, rest: &[&str]) -> process::Finished {
        let mut command = Command::new(self.admin);
        command.args(["-C", &self.control, "--lld", "iscsi", "--mode", mode, "--op", op]).args(rest);
        process::run(&mut command, ADMIN_LIMIT)
    }

    fn must(&self, mode: &str, op: &str, rest: &[&str]) {
        self.run(mode, op, rest).expect_success(&format!("tgtadm --mode {mode} --op {op} {rest:?}"));
    }

    fn wait_until_it_listens(&self, running: &mut Running) {
        let until = Instant::now() + START_LIMIT;
        while !self.run("target", "show", &[]).succeeded() {
            assert_eq!(running.ended(), None, "tgtd ended");
            assert!(Instant::now() < until, "tgtd does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn configure(&self, setup: &Setup, folder: &Path) {
        if let Some(account) = &setup.discovery {
            self.bind_account(&[], account, None);
        }
        for (tid, target) in (1..).zip(&setup.targets) {
            let tid = &tid.to_string();
            self.must("target", "new", &["--tid", tid, "-T", &target.name]);
            for (number, lun) in &target.luns {
                let (lun_number, block_size) = (&tgt_lun_number(*number).to_string(), &lun.block_size.to_string());
                let path = disk_file(&lun.disk, folder, &format!("{tid}-{number}"));
                let path = path.to_str().expect("paths of tests are text");
                self.must(
                    "logicalunit",
                    "new",
                    &["--tid", tid, "--lun", lun_number, "-b", path, "--blocksize", block_size],
                );
                let params = format!("thin_provisioning=1,readonly={}", u8::from(lun.read_only));
                self.must("logicalunit", "update", &["--tid", tid, "--lun", lun_number, "--params", &params]);
            }
            for (account, direction) in [(&target.chap, None), (&target.mutual_chap, Some("--outgoing"))] {
                if let Some(account) = account {
                    self.bind_account(&["--tid", tid], account, direction);
                }
            }
            for digest in ["HeaderDigest", "DataDigest"] {
                let wanted = ["--tid", tid, "--name", digest, "--value", "CRC32C,None"];
                self.must("target", "update", &wanted);
            }
            self.must("target", "bind", &["--tid", tid, "-I", "ALL"]);
        }
    }

    /// Binds an account to the target that `to` names; to discovery, when it names none.
    fn bind_account(&self, to: &[&str], account: &Account, direction: Option<&str>) {
        // Two targets may share an account; the second time it exists already.
        self.run("account", "new", &["--user", &account.user, "--password", &account.secret]);
        let mut rest = to.to_vec();
        rest.extend(["--user", &account.user]);
        rest.extend(direction);
        self.must("account", "bind", &rest);
    }
}

/// tgt keeps LUN 0 for a controller of its own.
fn tgt_lun_number(number: u32) -> u32 {
    number + 1
}

/// tgt knows only files and devices: memory is a sparse file, and a file is made for it.
fn disk_file(disk: &Disk, folder: &Path, name: &str) -> PathBuf {
    let (path, mib) = match disk {
        Disk::Block { path } | Disk::Disc { path } => return path.clone(),
        Disk::Memory { mib } | Disk::Null { mib } => (folder.join(name), mib),
        Disk::File { path, mib } => (path.clone(), mib),
    };
    if !path.exists() {
        crate::device::sparse_file(&path, u64::from(*mib) << 20);
    }
    path
}
