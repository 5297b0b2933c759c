//! `ferrited demo`: what it prints, what it refuses, and its check of itself.

mod kit;

use kit::{LIMIT, ferrited, run, text};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

#[test]
fn the_demo_prints_what_to_paste_and_ends_at_ctrl_c() {
    let mut child = ferrited(&["demo", "--port", "0", "--size", "16M"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut printed = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    while !printed.contains("Ctrl-C ends it.") {
        assert_ne!(out.read_line(&mut printed).unwrap(), 0, "it ended:\n{printed}");
    }
    let portal = printed.split("portal  ").nth(1).and_then(|rest| rest.lines().next()).unwrap().parse().unwrap();
    let expected = format!(
        "  portal  {portal}
  target  iqn.2026-11.com.example:ferrite-demo
  lun     0

Paste one of these into another terminal:
  iscsi-ls -s iscsi://{portal}
  qemu-io -f raw -c 'write -P 90 0 64k' -c 'read -P 90 0 64k' iscsi://{portal}/iqn.2026-11.com.example:ferrite-demo/0
  sudo iscsiadm -m discovery -t sendtargets -p {portal} --login

Ctrl-C ends it.
"
    );
    assert!(printed.starts_with("Serving one disk of 16MiB: ") && printed.ends_with(&expected), "{printed}");
    let mut session = kit::enter(portal, "iqn.2026-11.com.example:ferrite-demo");
    assert_eq!(session.read_capacity(0).unwrap().blocks, 32768);
    session.logout().unwrap();
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_demo_checks_itself_with_every_initiator_there_is() {
    let output = run(&["demo", "--port", "0", "--self-check"]);
    let table = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{table}\n{}", text(&output.stderr));
    assert_eq!(
        table.lines().filter(|line| line.starts_with("ferrite ") && line.contains("  ok  ")).count(),
        7,
        "{table}"
    );
    assert!(table.ends_with(" 0 failed\n"), "{table}");
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn a_disk_of_one_block_passes_the_check_too() {
    let output = run(&["demo", "--port", "0", "--size", "512", "--self-check"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
}

#[test]
fn a_disk_in_a_file_is_made_checked_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk.img");
    let arguments = ["demo", "--port", "0", "--size", "8M", "--file", path.to_str().unwrap(), "--self-check"];
    let output = run(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 8 << 20);

    // The second time the file is somebody's, and the check would write to it.
    let output = run(&arguments);
    assert_eq!(output.status.code(), Some(5));
    let expected = format!(
        "error[F-0405]: refused: --self-check writes, and {} exists\n  help: name a file that is not there, or leave --file out\n",
        path.display()
    );
    assert_eq!(text(&output.stderr), expected);
}

#[test]
fn what_the_demo_cannot_do_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk.img");
    std::fs::write(&path, [0; 4096]).unwrap();
    let output = run(&["demo", "--port", "0", "--size", "8M", "--file", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(6));
    assert_eq!(
        text(&output.stderr),
        format!("error[F-0114]: {} exists and has its own size\n  help: leave --size out\n", path.display())
    );

    let output = run(&["demo", "--port", "0", "--size", "4E"]);
    assert_eq!(output.status.code(), Some(6));
    assert!(text(&output.stderr).starts_with("error[F-0206]: a disk in memory has at most "));

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = run(&["demo", "--port", &port]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("error[F-0503]: cannot listen on 127.0.0.1:"), "{}", text(&output.stderr));
    let _ = LIMIT;
}
