//! How does a foreign program run without ever hanging a test or staying behind?
//!
//! Each runs in a process group of its own with a time limit; at the limit, and when its handle is dropped, the
//! group is killed by id.

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::fs::File;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How much of a program's output is kept: the end of it, where the reasons stand.
pub const OUTPUT_BYTES_MAX: usize = 256 << 10;

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this code.
    Exit(i32),
    /// By this signal.
    Signal(i32),
    /// Its time was over, and it was killed.
    TimedOut,
}

/// A program that ended, and what it said: standard output and error as they came.
#[derive(Debug, Clone)]
pub struct Finished {
    /// How it ended.
    pub ending: Ending,
    /// What it said, at most [`OUTPUT_BYTES_MAX`] bytes from the end; bytes that are no UTF-8 are replaced.
    pub output: String,
    /// How long it ran.
    pub took: Duration,
}

impl Finished {
    /// Exit code 0?
    pub fn succeeded(&self) -> bool {
        self.ending == Ending::Exit(0)
    }

    /// The output of a success.
    ///
    /// # Panics
    /// When it was none, with everything known about it.
    #[track_caller]
    pub fn expect_success(self, what: &str) -> String {
        assert!(self.succeeded(), "{what}: {:?} after {:?}\n{}", self.ending, self.took, self.output);
        self.output
    }

    /// The output of a program that was to fail by itself, with an exit code other than 0.
    ///
    /// # Panics
    /// When it succeeded, was killed, or outran its time.
    #[track_caller]
    pub fn expect_failure(self, what: &str) -> String {
        assert!(
            matches!(self.ending, Ending::Exit(code) if code != 0),
            "{what} was to fail: {:?} after {:?}\n{}",
            self.ending,
            self.took,
            self.output
        );
        self.output
    }
}

/// Runs the program to its end, or to the end of its time.
///
/// # Panics
/// When it cannot be started.
pub fn run(command: &mut Command, limit: Duration) -> Finished {
    let said = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    let started = Instant::now();
    let mut running = Running::start(command, said.path());
    let ending = running.wait(limit).unwrap_or(Ending::TimedOut);
    drop(running);
    Finished { ending, output: tail(said.path()), took: started.elapsed() }
}

/// A program that runs; killed with all it started when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    name: String,
}

impl Running {
    /// Starts the program with nothing to read, its output and errors going to the end of `log`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: &mut Command, log: &Path) -> Running {
        let name = command.get_program().to_string_lossy().into_owned();
        let log = File::options().create(true).append(true).open(log).expect("the log can be opened");
        let errors = log.try_clone().expect("a file can be opened twice");
        let child = command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Running { child, name }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<Ending> {
        self.child.try_wait().expect("our own child can be waited for").map(ending_of)
    }

    /// Waits for its end; None when the time is over and it still runs.
    pub fn wait(&mut self, limit: Duration) -> Option<Ending> {
        let until = Instant::now() + limit;
        let mut pause = Duration::from_micros(500);
        loop {
            if let Some(ending) = self.ended() {
                return Some(ending);
            }
            if Instant::now() >= until {
                return None;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    /// Sends a signal to the program itself (not to what it started).
    ///
    /// # Panics
    /// When it has ended already.
    pub fn signal(&mut self, signal: Signal) {
        assert_eq!(self.ended(), None, "{} has ended already", self.name);
        nix::sys::signal::kill(self.pid(), signal).expect("our own child can be signalled");
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().expect("a process id fits in an i32"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The group is killed even when its leader has ended: what that one started must not stay behind.
        // Its id cannot have gone to a stranger, because a group's id is not given out while a member lives,
        // and with no member left there is nobody to hit (ESRCH).
        let _ = killpg(self.pid(), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// The end of a file of text, at most [`OUTPUT_BYTES_MAX`] bytes; empty when there is none.
pub fn tail(path: &Path) -> String {
    fn read(path: &Path) -> io::Result<Vec<u8>> {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(OUTPUT_BYTES_MAX as u64)))?;
        let mut bytes = Vec::new();
        file.take(OUTPUT_BYTES_MAX as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
    String::from_utf8_lossy(&read(path).unwrap_or_default()).into_owned()
}

fn ending_of(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exit(code),
        (None, signal) => Ending::Signal(signal.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Finished {
        run(Command::new("sh").args(["-c", script]), limit)
    }

    #[test]
    fn an_exit_code_and_both_streams_come_back() {
        let finished = shell("echo out; echo err >&2; exit 7", Duration::from_secs(10));
        assert_eq!(finished.ending, Ending::Exit(7));
        assert_eq!(finished.output, "out\nerr\n");
    }

    #[test]
    fn a_crash_is_told_from_an_exit() {
        assert_eq!(shell("kill -SEGV $$", Duration::from_secs(10)).ending, Ending::Signal(11));
    }

    #[test]
    fn a_program_that_hangs_is_killed_with_its_children_at_its_limit() {
        let finished = shell("sleep 600 & echo $!; wait", Duration::from_millis(300));
        assert_eq!(finished.ending, Ending::TimedOut);
        assert!(finished.took < Duration::from_secs(30), "{:?}", finished.took);
        let child: i32 = finished.output.trim().parse().unwrap();
        // An orphan is reaped by whoever is PID 1; until then it is a zombie, which runs nothing.
        let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        let gone = state.is_empty() || state.contains(") Z ");
        assert!(gone, "{state}");
    }

    #[test]
    fn of_a_flood_the_end_is_kept() {
        let finished = shell("yes flood | head -c 1000000; echo; echo the end", Duration::from_secs(30));
        assert_eq!(finished.output.len(), OUTPUT_BYTES_MAX);
        assert!(finished.output.ends_with("the end\n"));
    }

    #[test]
    #[should_panic(expected = "does not start")]
    fn a_program_that_is_not_there_is_no_silent_success() {
        run(&mut Command::new("/nonexistent/program"), Duration::from_secs(1));
    }
}
