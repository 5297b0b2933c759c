//! How does a test give work to a Linux kernel of its own, and how does that kernel ask the host for deeds?
//!
//! `guest/build` makes the guest, `guest/run` boots it with a job and brings back exit code and output. A job is a
//! script of `guest/jobs` with variables. It reaches the host's loopback as its own, so the target's portals too, and
//! a listener of this kit that does what the test allows by name: kill the target, start it again.

use crate::need::{self, Missing};
use crate::process::{self, Ending, Finished};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The longest request of a guest, in bytes.
pub const REQUEST_BYTES_MAX: u64 = 256;
/// How long a guest may take to say its request.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// What `guest/run` takes at most on top of the job's own limit (its own hard limit, and its start).
const AROUND_THE_JOB: Duration = Duration::from_secs(120);

/// The guest on this machine.
#[derive(Debug, Clone)]
pub struct Guest {
    scripts: PathBuf,
}

/// A deed of the host: its reply, or why it was not done.
pub type Deed = Box<dyn FnMut() -> Result<String, String> + Send>;

/// What a guest has to do.
pub struct Job {
    guest: Guest,
    script: String,
    variables: BTreeMap<String, String>,
    deeds: BTreeMap<String, Deed>,
    limit: Duration,
}

impl Guest {
    /// The guest.
    ///
    /// # Errors
    /// [`Missing`], when it has not been built, or QEMU is not installed.
    pub fn find() -> Result<Guest, Missing> {
        need::tool("qemu-system-x86_64")?;
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("guest");
        let cache = process::run(&mut Command::new(scripts.join("cache")), REQUEST_LIMIT).expect_success("guest/cache");
        if !Path::new(cache.trim()).join("ready").exists() {
            return Err(Missing::new("the Linux guest", "interop-tests/guest/build (as root, about two minutes)"));
        }
        Ok(Guest { scripts })
    }

    /// A job: this script of `guest/jobs`, with 120 s.
    pub fn job(&self, script: &str) -> Job {
        Job {
            guest: self.clone(),
            script: script.to_owned(),
            variables: BTreeMap::new(),
            deeds: BTreeMap::new(),
            limit: Duration::from_secs(120),
        }
    }
}

impl Job {
    /// Sets a variable of the script.
    pub fn set(mut self, name: &str, value: impl ToString) -> Job {
        self.variables.insert(name.to_owned(), value.to_string());
        self
    }

    /// Lets the script call `host NAME`.
    pub fn allow(mut self, name: &str, deed: impl FnMut() -> Result<String, String> + Send + 'static) -> Job {
        self.deeds.insert(name.to_owned(), Box::new(deed));
        self
    }

    /// Gives the script this long instead.
    pub fn limit(mut self, limit: Duration) -> Job {
        self.limit = limit;
        self
    }

    /// Boots a clean guest and runs the script in it to its end; exit code and output are the script's (124: it
    /// outran its limit; 125: the guest did not boot).
    pub fn run(mut self) -> Finished {
        let host = Host::listen(std::mem::take(&mut self.deeds));
        self.variables.insert("HOST_PORT".to_owned(), host.port.to_string());
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let tar = self.pack(folder.path());
        let mut command = Command::new(self.guest.scripts.join("run"));
        command.args(["--limit", &self.limit.as_secs().to_string()]).arg(tar);
        process::run(&mut command, self.limit + AROUND_THE_JOB)
    }

    /// The tar for `guest/run`: the script as `run`, the library all scripts share, the variables.
    fn pack(&self, folder: &Path) -> PathBuf {
        let content = folder.join("job");
        let jobs = self.guest.scripts.join("jobs");
        std::fs::create_dir(&content).expect("the folder is empty");
        for (from, to) in [(self.script.as_str(), "run"), ("lib.sh", "lib.sh")] {
            let target = content.join(to);
            std::fs::copy(jobs.join(from), &target).unwrap_or_else(|error| panic!("guest/jobs/{from}: {error}"));
            std::fs::set_permissions(&target, PermissionsExt::from_mode(0o755)).expect("our own file");
        }
        std::fs::write(content.join("env"), env_text(&self.variables)).expect("our own folder");
        let tar = folder.join("job.tar");
        let mut pack = Command::new("tar");
        pack.arg("-cf").arg(&tar).arg("-C").arg(&content).arg(".");
        process::run(&mut pack, REQUEST_LIMIT).expect_success("tar");
        tar
    }
}

/// The variables as a shell reads them: quoted, so that a value is never more than a value.
fn env_text(variables: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (name, value) in variables {
        let _ = writeln!(text, "export {name}='{}'", value.replace('\'', r"'\''"));
    }
    text
}

/// The listener that does what a guest may ask for. One request per connection: the name of a deed and a newline;
/// the reply is `0` or `1`, a newline, and what there is to say.
struct Host {
    port: u16,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Host {
    fn listen(mut deeds: BTreeMap<String, Deed>) -> Host {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the loopback has a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            for connection in listener.incoming() {
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                // A guest that hangs up is its own trouble: its job fails for the missing reply.
                let _ = connection.and_then(|connection| answer(connection, &mut deeds));
            }
        });
        Host { port, over, thread: Some(thread) }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the listener from its accept.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer(mut connection: TcpStream, deeds: &mut BTreeMap<String, Deed>) -> std::io::Result<()> {
    connection.set_read_timeout(Some(REQUEST_LIMIT))?;
    let mut request = String::new();
    BufReader::new((&connection).take(REQUEST_BYTES_MAX)).read_line(&mut request)?;
    let done = match request.strip_suffix('\n').and_then(|name| deeds.get_mut(name.trim())) {
        Some(deed) => deed(),
        None => Err(format!("no such deed: {request:?}")),
    };
    let (code, text) = match done {
        Ok(text) => (0, text),
        Err(why) => (1, why),
    };
    connection.write_all(format!("{code}\n{text}\n").as_bytes())
}

/// What the script printed.
///
/// # Panics
/// When it failed, with its output.
#[track_caller]
pub fn expect_job(finished: Finished, what: &str) -> String {
    match finished.ending {
        Ending::Exit(124) => panic!("{what}: the job outran its limit\n{}", finished.output),
        Ending::Exit(125) => panic!("{what}: the guest did not run\n{}", finished.output),
        _ => finished.expect_success(what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(port: u16, request: &[u8]) -> String {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        connection.write_all(request).unwrap();
        let _ = connection.shutdown(std::net::Shutdown::Write);
        let mut reply = Vec::new();
        // A request that is cut off leaves bytes unread, and the reply may end in a reset.
        let _ = connection.read_to_end(&mut reply);
        String::from_utf8(reply).unwrap()
    }

    fn counting() -> Host {
        let mut count = 0;
        let deed: Deed = Box::new(move || {
            count += 1;
            if count < 3 { Ok(format!("done {count}")) } else { Err("enough".to_owned()) }
        });
        Host::listen(BTreeMap::from([("count".to_owned(), deed)]))
    }

    #[test]
    fn a_deed_is_done_by_name_and_its_reply_and_failure_come_back() {
        let host = counting();
        assert_eq!(ask(host.port, b"count\n"), "0\ndone 1\n");
        assert_eq!(ask(host.port, b"count\n"), "0\ndone 2\n");
        assert_eq!(ask(host.port, b"count\n"), "1\nenough\n");
    }

    #[test]
    fn what_is_not_allowed_is_not_done() {
        let host = counting();
        assert!(ask(host.port, b"reboot\n").starts_with("1\nno such deed"));
        assert!(ask(host.port, b"count").starts_with("1\nno such deed"), "a request without its end");
        assert_eq!(ask(host.port, b"count\n"), "0\ndone 1\n");
    }

    #[test]
    fn a_request_has_a_longest_length() {
        let host = counting();
        let padded = |bytes: usize| format!("{:<1$}\n", "count", bytes - 1).into_bytes();
        let max = usize::try_from(REQUEST_BYTES_MAX).unwrap();
        assert_eq!(ask(host.port, &padded(max)), "0\ndone 1\n");
        assert!(!ask(host.port, &padded(max + 1)).starts_with('0'));
    }

    #[test]
    fn a_value_is_never_more_than_a_value() {
        let text = env_text(&BTreeMap::from([("A".to_owned(), "it's; $(reboot)".to_owned())]));
        assert_eq!(text, "export A='it'\\''s; $(reboot)'\n");
        let finished = process::run(Command::new("sh").args(["-c", &format!("{text}printf %s \"$A\"")]), REQUEST_LIMIT);
        assert_eq!(finished.output, "it's; $(reboot)");
    }
}
