//! Does the initiator of the Linux kernel live well with the target: file systems, secrets, digests, cuts?
//!
//! Each test boots a Debian kernel in QEMU; the scripts in `guest/jobs` say what it does there.

use ferrite_interop_tests::device::sparse_file;
use ferrite_interop_tests::guest::{Guest, Job, expect_job};
use ferrite_interop_tests::need::require;
use ferrite_interop_tests::process::Ending;
use ferrite_interop_tests::served::Served;
use ferrite_interop_tests::setup::{Account, Disk, Io, Lun, Setup, Target};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

const MIB: u32 = 64;

fn bytes() -> u64 {
    u64::from(MIB) << 20
}

fn file_in(folder: &TempDir) -> Disk {
    Disk::File { path: folder.path().join("file"), mib: MIB }
}

fn block_in(folder: &TempDir) -> Disk {
    let path = folder.path().join("block");
    sparse_file(&path, bytes());
    Disk::Block { path }
}

fn temporary() -> TempDir {
    TempDir::new().expect("a temporary folder can be made")
}

/// A job that knows the first target of what is served.
fn job(guest: &Guest, script: &str, served: &Served) -> Job {
    let url = served.url(0);
    guest.job(script).set("PORT", url.port).set("TARGET", url.target).set("LUN", url.lun)
}

#[test]
fn a_guest_brings_back_exit_code_and_output_and_reaches_the_host() {
    let Some(guest) = require(Guest::find()) else { return };
    let finished = self_check(&guest, "exit").run();
    assert_eq!(finished.ending, Ending::Exit(42), "{}", finished.output);
    assert!(finished.output.contains("said: it's $(nothing)\n"), "{}", finished.output);
}

#[test]
fn a_guest_whose_job_hangs_ends_at_the_limit() {
    let Some(guest) = require(Guest::find()) else { return };
    let finished = self_check(&guest, "sleep").limit(Duration::from_secs(5)).run();
    assert_eq!(finished.ending, Ending::Exit(124), "{}", finished.output);
    assert!(finished.took < Duration::from_secs(90), "{:?}", finished.took);
}

/// A job that needs no target.
fn self_check(guest: &Guest, then: &str) -> Job {
    let job = guest.job("self.sh").set("SAYING", "it's $(nothing)").set("THEN", then);
    let job = job.set("PORT", 9).set("TARGET", "none").set("LUN", 0);
    job.allow("greet", || Ok("hello".to_owned()))
}

#[test]
fn a_file_system_lives_on_a_file_lun() {
    let Some(guest) = require(Guest::find()) else {
        return;
    };
    let folder = temporary();
    let other = Target::new("other", vec![Lun::on(Disk::Memory { mib: 8 })]);
    let setup = Setup { io: Io::Uring, ..Setup::of(vec![Target::new("disk", vec![Lun::on(file_in(&folder))]), other]) };
    let Some(served) = require(Served::start(setup)) else {
        return;
    };
    let job = job(&guest, "filesystem.sh", &served).set("BYTES", bytes()).set("TARGETS", 2).set("CACHE", "write back");
    expect_job(job.run(), "a file system on a file LUN");
}

#[test]
fn a_file_system_lives_on_a_block_lun_under_digests_of_header_and_data() {
    let Some(guest) = require(Guest::find()) else {
        return;
    };
    let folder = temporary();
    let mut target = Target::new("disk", vec![]);
    // Nothing at LUN 0, where initiators ask for the list, and a number that needs flat space addressing.
    target.luns.insert(300, Lun::on(block_in(&folder)));
    let setup = Setup { io: Io::Threads, ..Setup::of(vec![target]) };
    let Some(served) = require(Served::start(setup)) else {
        return;
    };
    let job = job(&guest, "filesystem.sh", &served).set("BYTES", bytes());
    let job = job.set("HEADER_DIGEST", "CRC32C").set("HEADER_DIGEST_IN_USE", 1);
    let job = job.set("DATA_DIGEST", "CRC32C").set("DATA_DIGEST_IN_USE", 1);
    expect_job(job.run(), "a file system under digests");
}

#[test]
fn only_the_right_secrets_enter_in_both_directions() {
    let Some(guest) = require(Guest::find()) else {
        return;
    };
    let accounts = [Account::new("initiator", "open-sesame-42"), Account::new("target", "i-am-the-one-7")];
    let target = Target {
        chap: Some(accounts[0].clone()),
        mutual_chap: Some(accounts[1].clone()),
        ..Target::new("disk", vec![Lun::on(Disk::Memory { mib: MIB })])
    };
    let discovery = Some(Account::new("finder", "where-are-they-1"));
    let Some(served) = require(Served::start(Setup { discovery, ..Setup::of(vec![target]) })) else {
        return;
    };
    let job = job(&guest, "chap.sh", &served)
        .set("CHAP_USER", &accounts[0].user)
        .set("CHAP_SECRET", &accounts[0].secret)
        .set("MUTUAL_USER", &accounts[1].user)
        .set("MUTUAL_SECRET", &accounts[1].secret)
        .set("DISCOVERY_USER", "finder")
        .set("DISCOVERY_SECRET", "where-are-they-1");
    expect_job(job.run(), "CHAP in both directions");
}

#[test]
fn a_target_that_is_killed_under_load_loses_nothing_that_was_acknowledged() {
    survives_cuts("a kill", |served| {
        served.kill();
        Ok(())
    });
}

#[test]
fn a_target_that_is_ended_and_started_again_under_load_is_a_pause() {
    survives_cuts("an orderly end", |served| match served.terminate(Duration::from_secs(40)) {
        Ending::Exit(0) => Ok(()),
        other => Err(format!("the target was asked to end, and: {other:?}")),
    });
}

fn survives_cuts(what: &str, cut: impl Fn(&mut Served) -> Result<(), String> + Send + 'static) {
    let Some(guest) = require(Guest::find()) else {
        return;
    };
    let folder = temporary();
    let setup = Setup::of(vec![Target::new("disk", vec![Lun::on(file_in(&folder))])]);
    let Some(served) = require(Served::start(setup)) else {
        return;
    };
    let job = job(&guest, "restart.sh", &served).limit(Duration::from_secs(240));
    let served = Arc::new(Mutex::new(served));
    let (killed, started) = (Arc::clone(&served), Arc::clone(&served));
    let job = job
        .allow("kill", move || cut(&mut killed.lock().expect("deeds do not panic")).map(|()| "down".to_owned()))
        .allow("start", move || {
            started.lock().expect("deeds do not panic").restart();
            Ok("up".to_owned())
        });
    expect_job(job.run(), what);
}

#[test]
fn a_session_that_lost_its_connection_is_taken_over_by_its_successor() {
    let Some(guest) = require(Guest::find()) else {
        return;
    };
    let Some(served) =
        require(Served::start(Setup::of(vec![Target::new("disk", vec![Lun::on(Disk::Memory { mib: MIB })])])))
    else {
        return;
    };
    expect_job(job(&guest, "reinstatement.sh", &served).run(), "session reinstatement");
}
