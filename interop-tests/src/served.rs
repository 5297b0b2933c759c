//! How does a test get a running target, kill it, and have it back at the same address?

use crate::need::Missing;
use crate::process::{self, Ending, Running};
use crate::setup::{Account, Setup};
use crate::software::{START_LIMIT, Software};
use nix::sys::signal::Signal;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A target that serves a setup on the loopback. Ended by id, and its folder removed, when dropped; when the test
/// fails, the end of its log is shown.
#[derive(Debug)]
pub struct Served {
    // Declared before the folder: the program is gone before its files are.
    running: Option<Running>,
    software: Software,
    setup: Setup,
    ports: [u16; 2],
    folder: TempDir,
}

/// Where a LUN is, in the form of libiscsi and QEMU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// The portal's port on 127.0.0.1.
    pub port: u16,
    /// The target's iSCSI name.
    pub target: String,
    /// The LUN.
    pub lun: u32,
    /// The account to log in with.
    pub account: Option<Account>,
}

impl Served {
    /// Starts the software under test with this setup and waits until its portal answers.
    ///
    /// # Errors
    /// [`Missing`], when the software is not here.
    ///
    /// # Panics
    /// When it does not start, with its log.
    pub fn start(setup: Setup) -> Result<Served, Missing> {
        let software = Software::find()?;
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let mut served = Served { running: None, software, setup, ports: [free_port(), free_port()], folder };
        served.restart();
        Ok(served)
    }

    /// Kills it (SIGKILL), as a power cut would.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Asks it to end (SIGTERM), as an administrator would; how it ended, or [`Ending::TimedOut`].
    ///
    /// # Panics
    /// When it does not run.
    pub fn terminate(&mut self, limit: Duration) -> Ending {
        let mut running = self.running.take().expect("only a running target can be ended");
        running.signal(Signal::SIGTERM);
        running.wait(limit).unwrap_or(Ending::TimedOut)
    }

    /// Starts it again, at the same address and with the same setup; kills it first if it runs.
    ///
    /// # Panics
    /// When its portal does not answer in time, or it ends, with its log.
    pub fn restart(&mut self) {
        self.kill();
        let mut running = self.software.start(&self.setup, self.ports, self.folder.path(), &self.log_path());
        let until = Instant::now() + START_LIMIT;
        while TcpStream::connect(self.portal()).is_err() {
            let ended = running.ended();
            assert!(ended.is_none(), "the target ended: {ended:?}\n{}", self.log());
            assert!(Instant::now() < until, "the portal does not answer\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        self.running = Some(running);
    }

    /// Does it still run?
    pub fn is_running(&mut self) -> bool {
        self.running.as_mut().is_some_and(|running| running.ended().is_none())
    }

    /// The portal.
    pub fn portal(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports[0]))
    }

    /// What is served.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The folder in which it works: its configuration and its log.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the first LUN of the target with this index is, with the account that the setup asks for.
    pub fn url(&self, target: usize) -> Url {
        let target = &self.setup.targets[target];
        let number = *target.luns.keys().next().expect("a target that is looked for has a LUN");
        let lun = self.software.lun_number(number);
        Url { port: self.ports[0], target: target.name.clone(), lun, account: target.chap.clone() }
    }

    /// The same LUN by the second portal.
    ///
    /// # Panics
    /// When the setup has one way only.
    pub fn second_url(&self, target: usize) -> Url {
        assert!(self.setup.two_ways, "there is one way only");
        Url { port: self.ports[1], ..self.url(target) }
    }

    /// The end of what it has logged, over all its lives.
    pub fn log(&self) -> String {
        process::tail(&self.log_path())
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if std::thread::panicking() {
            use std::io::Write;
            let log = self.log();
            let start = log.char_indices().rev().nth(8 << 10).map_or(0, |(at, _)| at);
            let _ = writeln!(std::io::stderr(), "---- the target's log, its end:\n{}\n----", &log[start..]);
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let account = self.account.as_ref().map(|a| format!("{}%{}@", a.user, a.secret)).unwrap_or_default();
        write!(f, "iscsi://{account}127.0.0.1:{}/{}/{}", self.port, self.target, self.lun)
    }
}

/// A port nobody listens on, from below the range out of which the system picks the ports of connections: between
/// a kill and the restart, no connection of a stranger can take it.
fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes that run side by side start in different places.
    let start = u16::try_from(std::process::id() * 37 % u32::from(COUNT)).expect("less than COUNT");
    for _ in 0..COUNT {
        let port = FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port from {FIRST} to {}", FIRST + COUNT - 1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ_from_one_target_to_the_next() {
        let ports: std::collections::BTreeSet<u16> = (0..50).map(|_| free_port()).collect();
        assert_eq!(ports.len(), 50);
        assert!(ports.iter().all(|port| (20_000..32_000).contains(port)));
    }

    #[test]
    fn a_url_carries_the_account_as_libiscsi_reads_it() {
        let mut url = Url { port: 3261, target: "iqn.2026-11.com.example:d".into(), lun: 1, account: None };
        assert_eq!(url.to_string(), "iscsi://127.0.0.1:3261/iqn.2026-11.com.example:d/1");
        url.account = Some(Account::new("u", "secretsecret"));
        assert_eq!(url.to_string(), "iscsi://u%secretsecret@127.0.0.1:3261/iqn.2026-11.com.example:d/1");
    }
}
