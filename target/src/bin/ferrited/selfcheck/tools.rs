//! What the initiators that are installed try: libiscsi's tools and QEMU's, each as its own program.

use super::{Outcome, Row, STEP_LIMIT, Subject};
use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A program, what it is given, and what has to stand in its output.
struct Tool {
    program: &'static str,
    step: &'static str,
    arguments: fn(&Urls) -> Vec<String>,
    shows: fn(&Urls) -> &str,
}

/// The addresses in libiscsi's form, which QEMU uses too.
struct Urls {
    portal: String,
    unit: String,
    target: String,
}

const TOOLS: [Tool; 5] = [
    Tool {
        program: "iscsi-ls",
        step: "discovery",
        arguments: |u| vec!["-s".into(), u.portal.clone()],
        shows: |u| &u.target,
    },
    Tool { program: "iscsi-inq", step: "identity", arguments: |u| vec![u.unit.clone()], shows: |_| "Vendor" },
    Tool {
        program: "iscsi-readcapacity16",
        step: "capacity",
        arguments: |u| vec![u.unit.clone()],
        shows: |_| "Total size",
    },
    Tool {
        program: "qemu-img",
        step: "capacity",
        arguments: |u| ["info", "-f", "raw", &u.unit].map(String::from).to_vec(),
        shows: |_| "virtual size",
    },
    Tool {
        program: "qemu-io",
        step: "write, flush, read",
        arguments: |u| {
            ["-f", "raw", "-c", "write -P 90 0 512", "-c", "flush", "-c", "read -P 90 0 512", &u.unit]
                .map(String::from)
                .to_vec()
        },
        shows: |_| "read 512/512 bytes",
    },
];

pub(super) fn run(subject: Subject<'_>) -> Vec<Row> {
    let Subject { portal, target } = subject;
    let urls = Urls {
        portal: format!("iscsi://{portal}"),
        unit: format!("iscsi://{portal}/{target}/0"),
        target: target.to_owned(),
    };
    TOOLS.iter().map(|tool| Row { initiator: tool.program, step: tool.step, outcome: tool.run(&urls) }).collect()
}

impl Tool {
    fn run(&self, urls: &Urls) -> Outcome {
        let Some(program) = std::env::var_os("PATH").and_then(|path| find(self.program, &path)) else {
            return Outcome::Skipped("not installed".to_owned());
        };
        let mut command = Command::new(program);
        match finish(command.args((self.arguments)(urls)), STEP_LIMIT) {
            Err(error) => Outcome::Bad(error.to_string()),
            Ok((status, output)) => self.judge(status, &output, urls),
        }
    }

    fn judge(&self, status: ExitStatus, output: &str, urls: &Urls) -> Outcome {
        let shown = output.lines().map(str::trim).find(|line| line.contains((self.shows)(urls)));
        match shown {
            // QEMU without its iSCSI part is as good as no QEMU.
            None if output.contains("Unknown protocol") => Outcome::Skipped("made without iSCSI".to_owned()),
            Some(line) if status.success() => Outcome::Good(line.to_owned()),
            None if status.success() => Outcome::Bad(format!("its output does not show {:?}", (self.shows)(urls))),
            _ => {
                let last = output.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("no output");
                Outcome::Bad(format!("{status}: {last}"))
            }
        }
    }
}

/// The file of `program` in one of the folders of `path`.
fn find(program: &str, path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// How much of a program's output is looked at; the rest is read and dropped.
const OUTPUT_BYTES_MAX: u64 = 256 << 10;

/// Runs a program to its end, or ends it after `limit`; its status, and all it said.
fn finish(command: &mut Command, limit: Duration) -> io::Result<(ExitStatus, String)> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (out, err) = (collect(child.stdout.take()), collect(child.stderr.take()));
    let status = wait(&mut child, limit)?;
    let text = |reader: thread::JoinHandle<String>| reader.join().unwrap_or_default();
    Ok((status, text(out) + &text(err)))
}

fn wait(child: &mut Child, limit: Duration) -> io::Result<ExitStatus> {
    let until = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() > until {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::other(format!("did not end within {limit:?}")));
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Reads a pipe to its end on a thread of its own, so that no program waits for us.
fn collect(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let Some(mut pipe) = pipe else { return String::new() };
        let mut bytes = Vec::new();
        let _ = pipe.by_ref().take(OUTPUT_BYTES_MAX).read_to_end(&mut bytes);
        let _ = io::copy(&mut pipe, &mut io::sink());
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, limit: Duration) -> io::Result<(ExitStatus, String)> {
        finish(Command::new("sh").args(["-c", script]), limit)
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let started = Instant::now();
        let error = sh("exec sleep 60", Duration::from_millis(50)).unwrap_err();
        assert!(error.to_string().contains("did not end within"));
        assert!(started.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_program_that_says_much_is_not_held_up_and_not_kept_whole() {
        let (status, output) = sh("head -c 1000000 /dev/zero", Duration::from_secs(30)).unwrap();
        assert!(status.success());
        assert_eq!(output.len() as u64, OUTPUT_BYTES_MAX);
    }

    #[test]
    fn a_tool_is_good_only_if_it_ends_well_and_shows_what_it_should() {
        let urls = Urls { portal: "p".into(), unit: "u".into(), target: "t".into() };
        let judged = |script: &str| {
            let (status, output) = sh(script, Duration::from_secs(30)).unwrap();
            TOOLS[1].judge(status, &output, &urls)
        };
        assert!(matches!(judged("echo ' Vendor: X'"), Outcome::Good(line) if line == "Vendor: X"));
        assert!(matches!(judged("echo Vendor; exit 3"), Outcome::Bad(_)));
        assert!(matches!(judged("echo other; exit 1"), Outcome::Bad(why) if why.ends_with(": other")));
        assert!(matches!(judged("echo other"), Outcome::Bad(why) if why.ends_with("\"Vendor\"")));
        assert!(matches!(judged("echo Unknown protocol; exit 1"), Outcome::Skipped(_)));
    }

    #[test]
    fn a_program_that_is_not_installed_is_not_found() {
        assert_eq!(find("no-such-program", OsStr::new("/usr/bin:/bin")), None);
        assert!(find("sh", OsStr::new("/nonexistent:/usr/bin:/bin")).is_some());
    }
}
