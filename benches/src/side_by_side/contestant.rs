//! How is each contestant started, found and ended?

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Error;

/// How long a contestant may take until it can be connected to, and to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// The peer's control ports are numbers below this.
const CONTROL_PORTS: u16 = 32_000;

/// The peer's target name.
const TGT_TARGET: &str = "iqn.2026-11.org.ferrite:peer";

/// A target that is running. Dropped, it is ended, by its own process id.
#[derive(Debug)]
pub struct Contestant {
    /// What it is called in the report.
    pub name: &'static str,
    /// What is it, in one line.
    pub what: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its target.
    pub target: String,
    /// Its unit.
    pub lun: u16,
    process: Child,
    /// Files that go with it.
    files: Vec<PathBuf>,
}

impl Contestant {
    /// Processor time that the process has used, in all its threads.
    ///
    /// # Errors
    /// Where the process is gone.
    pub fn busy(&self) -> Result<Duration, Error> {
        let path = format!("/proc/{}/stat", self.process.id());
        let text = fs::read_to_string(&path).map_err(Error::system(format!("{} has ended", self.name)))?;
        ticks(&text)
            .map(|ticks| Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
            .ok_or_else(|| Error::Contestant(format!("{path} makes no sense")))
    }
}

impl Drop for Contestant {
    fn drop(&mut self) {
        // A target that is asked to end may flush and say goodbye; the peer ignores the question while it has a target.
        let _ = kill(Pid::from_raw(self.process.id() as i32), Signal::SIGTERM);
        let end = Instant::now() + Duration::from_secs(2);
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < end {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
    }
}

/// `ferrited demo` from the program at `program`, with a disk of `mebibytes`: memory, or a file that is made in `folder`
/// and goes with it. It is called `name`.
///
/// # Errors
/// Where it does not start, or does not say its target's name.
pub fn ferrite(
    name: &'static str,
    program: &Path,
    mebibytes: u64,
    folder: Option<&Path>,
    cpu: usize,
) -> Result<Contestant, Error> {
    let port = free_port()?;
    let mut command = Command::new(program);
    command.args(["demo", "--log", "error", "--size", &format!("{mebibytes}M"), "--port", &port.to_string()]);
    let file = folder.map(|folder| folder.join(format!("side-by-side-{port}.img")));
    if let Some(file) = &file {
        command.arg("--file").arg(file);
    }
    let mut process = start(&mut command, cpu)?;
    // The pipe stays with the process: closed, what it says later would end it.
    let lines = BufReader::new(process.stdout.as_mut().expect("it is piped")).lines();
    // `  target  iqn...`, among other lines.
    let target = lines.map_while(Result::ok).find_map(|line| {
        let (word, name) = line.trim().split_once(char::is_whitespace)?;
        (word == "target").then(|| name.trim().to_owned())
    });
    let disk = if file.is_some() { "file" } else { "memory disk" };
    let what = format!("{}, {disk}", version(program, "--version"));
    let contestant = Contestant {
        name,
        what,
        address: (Ipv4Addr::LOCALHOST, port).into(),
        target: target.unwrap_or_default(),
        lun: 0,
        process,
        files: file.into_iter().collect(),
    };
    if contestant.target.is_empty() {
        return Err(Error::Contestant(format!("{} does not say its target's name", program.display())));
    }
    ready(contestant)
}

/// Debian's `tgtd`, with a file of `mebibytes` on /dev/shm: the nearest it has to a memory disk.
///
/// # Errors
/// Where it is not installed (package `tgt`), or does not start.
pub fn tgt(mebibytes: u64, cpu: usize) -> Result<Contestant, Error> {
    let port = free_port()?;
    let control = (port % CONTROL_PORTS).to_string();
    let file = PathBuf::from(format!("/dev/shm/ferrite-side-by-side-{}", std::process::id()));
    let made = fs::File::create(&file).and_then(|made| made.set_len(mebibytes << 20));
    made.map_err(Error::system(format!("{}", file.display())))?;
    let socket = |suffix| PathBuf::from(format!("/var/run/tgtd/socket.{control}{suffix}"));
    let files = vec![file.clone(), socket(""), socket(".lock")];
    let mut command = Command::new("tgtd");
    command.args(["-f", "--iscsi", &format!("portal=127.0.0.1:{port}"), "-C", &control]);
    let contestant = Contestant {
        name: "tgt",
        what: format!("tgtd {}, file on /dev/shm", version(Path::new("tgtd"), "--version")),
        address: (Ipv4Addr::LOCALHOST, port).into(),
        target: TGT_TARGET.to_owned(),
        lun: 1,
        process: start(&mut command, cpu)?,
        files,
    };
    let contestant = ready(contestant)?;
    let file = file.to_string_lossy();
    for arguments in [
        &["--op", "new", "--mode", "target", "--tid", "1", "-T", TGT_TARGET][..],
        &["--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "-b", &file],
        &["--op", "bind", "--mode", "target", "--tid", "1", "-I", "ALL"],
    ] {
        let status = Command::new("tgtadm").args(["-C", &control, "--lld", "iscsi"]).args(arguments).status();
        if !status.map_err(Error::system("tgtadm"))?.success() {
            return Err(Error::Contestant(format!("tgtadm {} failed", arguments.join(" "))));
        }
    }
    Ok(contestant)
}

/// The server of canned answers, `wire-limit`, from the folder of this program.
///
/// # Errors
/// Where it does not start.
pub fn wire_limit(program: &Path, cpu: usize) -> Result<Contestant, Error> {
    let port = free_port()?;
    let mut command = Command::new(program);
    command.args(["--address", &format!("127.0.0.1:{port}")]);
    ready(Contestant {
        name: "wire limit",
        what: "canned answers, no SCSI".to_owned(),
        address: (Ipv4Addr::LOCALHOST, port).into(),
        target: crate::wire_limit::TARGET.to_owned(),
        lun: 0,
        process: start(&mut command, cpu)?,
        files: Vec::new(),
    })
}

/// USER_HZ of every Linux that this project runs on.
const TICKS_PER_SECOND: u64 = 100;

/// User and system time of /proc/PID/stat: fields 14 and 15, counted behind the name in parentheses.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

/// Starts a program on one processor. It inherits the affinity of this thread, so that its own threads have it too.
fn start(command: &mut Command, cpu: usize) -> Result<Child, Error> {
    let name = command.get_program().to_string_lossy().into_owned();
    let own = sched_getaffinity(Pid::from_raw(0)).map_err(io::Error::from);
    let own = own.map_err(Error::system("the affinity of this thread"))?;
    let mut one = CpuSet::new();
    let pinned = one.set(cpu).and_then(|()| sched_setaffinity(Pid::from_raw(0), &one)).map_err(io::Error::from);
    pinned.map_err(Error::system(format!("processor {cpu}")))?;
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let back = sched_setaffinity(Pid::from_raw(0), &own).map_err(io::Error::from);
    back.map_err(Error::system("the affinity of this thread"))?;
    child.map_err(Error::system(name))
}

/// Waits until it can be connected to.
fn ready(contestant: Contestant) -> Result<Contestant, Error> {
    let end = Instant::now() + PATIENCE;
    while TcpStream::connect(contestant.address).is_err() {
        if Instant::now() > end {
            return Err(Error::Contestant(format!("{} does not listen", contestant.name)));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(contestant)
}

fn free_port() -> Result<u16, Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    Ok(listener.and_then(|listener| listener.local_addr()).map_err(Error::system("a port"))?.port())
}

/// The first line that a program says about its version.
fn version(program: &Path, flag: &str) -> String {
    let output = Command::new(program).arg(flag).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("of unknown version").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let line = "77 (a (odd) name) S 1 2 3 4 5 6 7 8 9 10 120 34 0 0 20 0 1 0 5 6 7";
        assert_eq!(ticks(line), Some(154));
        assert_eq!(ticks("77 (short) S 1"), None);
    }

    #[test]
    fn our_own_process_has_used_some_time_or_none() {
        let text = fs::read_to_string("/proc/self/stat").unwrap();
        assert!(ticks(&text).is_some());
    }
}
