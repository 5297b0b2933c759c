//! What the tests of the daemon share: running it, talking to it, ending it.

#![allow(dead_code, reason = "each test binary uses its part")]

use ferrite_iscsi::initiator::{Error, Initiator, Settings};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// Whatever takes longer than this hangs.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) type Session = Initiator<TcpStream>;

/// The daemon with these arguments, in an environment that says nothing.
pub(crate) fn ferrited(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferrited"));
    command.args(arguments).stdin(Stdio::null());
    for variable in ["RUST_LOG", "NOTIFY_SOCKET", "JOURNAL_STREAM", "NO_COLOR"] {
        command.env_remove(variable);
    }
    command
}

/// What it says and how it ends, for commands that end by themselves.
pub(crate) fn run(arguments: &[&str]) -> Output {
    ferrited(arguments).output().expect("ferrited starts")
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("it talks UTF-8")
}

/// A daemon that serves. Killed when dropped.
pub(crate) struct Served {
    child: Child,
    lines: Receiver<String>,
    pub(crate) portal: SocketAddr,
}

impl Served {
    /// Starts it on a configuration with one portal, and waits until it listens.
    pub(crate) fn start(config: &Path, more: &[&str]) -> Served {
        let path = config.to_str().expect("paths of tests are text");
        Served::spawn(ferrited(&["--config", path]).args(more))
    }

    pub(crate) fn spawn(command: &mut Command) -> Served {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("ferrited starts");
        let stderr = child.stderr.take().expect("it is piped");
        let (to, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = to.send(line);
            }
        });
        let mut served = Served { child, lines, portal: SocketAddr::from(([0, 0, 0, 0], 0)) };
        let line = served.line_with("listening on ");
        let portal = line.rsplit("listening on ").next().and_then(|portal| portal.parse().ok());
        served.portal = portal.unwrap_or_else(|| panic!("no portal in {line:?}"));
        served.line_with("serving ");
        served
    }

    /// The next line of its log that has this in it.
    pub(crate) fn line_with(&mut self, part: &str) -> String {
        let until = Instant::now() + LIMIT;
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => seen.push(line),
                Err(_) => panic!("no {part:?} in its log:\n{}", seen.join("\n")),
            }
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("pids fit"));
        kill(pid, signal).expect("it can be signalled");
    }

    /// Waits for its end, and how long that took.
    pub(crate) fn ended(&mut self) -> (ExitStatus, Duration) {
        let started = Instant::now();
        while started.elapsed() < LIMIT {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                return (status, started.elapsed());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("it does not end");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Logs in with these settings.
pub(crate) fn login(portal: SocketAddr, settings: &Settings) -> Result<Session, Error> {
    let stream = TcpStream::connect_timeout(&portal, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    Initiator::login(stream, settings)
}

/// A session of a host with a target, its first unit attentions heard.
pub(crate) fn enter(portal: SocketAddr, target: &str) -> Session {
    let mut session = login(portal, &Settings::normal("iqn.2026-11.com.example:host", target)).expect("the login");
    session.settle(0).expect("the unit gets ready");
    session
}
