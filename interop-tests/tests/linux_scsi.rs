//! Do the commands of sg3_utils, the Linux kernel and device mapper find a disk that keeps what the standards say?
//!
//! Each test boots a Debian kernel in QEMU; the scripts in `guest/jobs` say what it does there.

use ferrite_interop_tests::guest::{Guest, Job, expect_job};
use ferrite_interop_tests::need::{self, require};
use ferrite_interop_tests::process;
use ferrite_interop_tests::served::Served;
use ferrite_interop_tests::setup::{Disk, Io, Lun, Setup, Target};
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

const MIB: u32 = 64;

fn bytes() -> u64 {
    u64::from(MIB) << 20
}

fn temporary() -> TempDir {
    TempDir::new().expect("a temporary folder can be made")
}

fn file_in(folder: &TempDir, name: &str) -> Lun {
    Lun::on(Disk::File { path: folder.path().join(name), mib: MIB })
}

/// One target with these LUNs, and a folder in which it keeps its state.
fn setup(folder: &TempDir, io: Io, luns: Vec<Lun>) -> Setup {
    Setup { io, state: Some(folder.path().join("state")), ..Setup::of(vec![Target::new("disk", luns)]) }
}

/// A job that knows the first target of what is served.
fn job(guest: &Guest, script: &str, served: &Served) -> Job {
    let url = served.url(0);
    let job = guest.job(script).set("PORT", url.port).set("TARGET", url.target).set("LUN", url.lun);
    job.set("BYTES", bytes()).limit(Duration::from_secs(240))
}

#[test]
fn a_disk_tells_the_truth_of_itself_in_every_page_log_and_report() {
    let Some(guest) = require(Guest::find()) else { return };
    let folder = temporary();
    let Some(served) = require(Served::start(setup(&folder, Io::Auto, vec![file_in(&folder, "disk")]))) else { return };
    expect_job(job(&guest, "told.sh", &served).run(), "what a disk tells of itself");
}

#[test]
fn persistent_reservations_fence_and_outlive_sessions_and_the_target() {
    let Some(guest) = require(Guest::find()) else { return };
    let folder = temporary();
    let Some(served) = require(Served::start(setup(&folder, Io::Auto, vec![file_in(&folder, "disk")]))) else { return };
    let job = job(&guest, "persist.sh", &served);
    let served = Arc::new(Mutex::new(served));
    let job = job.allow("restart", move || {
        served.lock().expect("deeds do not panic").restart();
        Ok("up".to_owned())
    });
    expect_job(job.run(), "persistent reservations");
}

#[test]
fn no_increment_by_compare_and_write_is_lost_between_two_sessions() {
    let Some(guest) = require(Guest::find()) else { return };
    let folder = temporary();
    for (io, name) in [(Io::Uring, "a"), (Io::Threads, "b")] {
        let Some(served) = require(Served::start(setup(&folder, io, vec![file_in(&folder, name)]))) else { return };
        expect_job(job(&guest, "compare.sh", &served).set("ROUNDS", 150).run(), "COMPARE AND WRITE");
    }
}

#[test]
fn bytes_are_copied_inside_the_target_by_extended_copy_and_by_token() {
    let Some(guest) = require(Guest::find()) else { return };
    let folder = temporary();
    let luns = vec![file_in(&folder, "from"), file_in(&folder, "to")];
    let Some(served) = require(Served::start(setup(&folder, Io::Auto, luns))) else { return };
    expect_job(job(&guest, "copy.sh", &served).run(), "copies inside the target");
}

#[test]
fn space_comes_back_by_unmap_write_same_discards_and_trims() {
    let Some(guest) = require(Guest::find()) else { return };
    let folder = temporary();
    let path = folder.path().join("disk");
    let Some(served) = require(Served::start(setup(&folder, Io::Auto, vec![file_in(&folder, "disk")]))) else { return };
    let job = job(&guest, "space.sh", &served).allow("occupied", move || match path.metadata() {
        Ok(metadata) => Ok((metadata.blocks() / 2).to_string()),
        Err(error) => Err(error.to_string()),
    });
    expect_job(job.run(), "space that comes back");
}

#[test]
fn sanitize_and_format_leave_nothing_and_tell_how_far_they_are() {
    let Some(guest) = require(Guest::find()) else { return };
    let folder = temporary();
    let Some(served) = require(Served::start(setup(&folder, Io::Auto, vec![file_in(&folder, "disk")]))) else { return };
    expect_job(job(&guest, "erase.sh", &served).run(), "SANITIZE and FORMAT UNIT");
}

#[test]
fn multipath_prefers_what_alua_says_and_goes_on_when_a_path_is_cut() {
    let Some(guest) = require(Guest::find()) else { return };
    let folder = temporary();
    let setup = Setup { two_ways: true, ..setup(&folder, Io::Auto, vec![file_in(&folder, "disk")]) };
    let Some(served) = require(Served::start(setup)) else { return };
    let job = job(&guest, "multipath.sh", &served).set("PORT2", served.second_url(0).port);
    expect_job(job.run(), "multipath");
}

#[test]
fn a_drive_shows_its_disc_ejects_it_and_takes_it_back() {
    let Some(guest) = require(Guest::find()) else { return };
    let Some(xorriso) = require(need::tool("xorriso")) else { return };
    let folder = temporary();
    let (data, path) = (folder.path().join("data"), folder.path().join("disc.iso"));
    let content: Vec<u8> = (0u32..1 << 16).flat_map(u32::to_le_bytes).collect();
    std::fs::write(&data, &content).expect("the folder takes a file");
    let mut make = Command::new(xorriso);
    make.args(["-as", "mkisofs", "-quiet", "-o"]).arg(&path).arg(&data);
    process::run(&mut make, Duration::from_secs(60)).expect_success("xorriso");
    let digest =
        process::run(Command::new("sha256sum").arg(&data), Duration::from_secs(10)).expect_success("sha256sum");
    let digest = digest.split_whitespace().next().expect("a digest").to_owned();
    let bytes = path.metadata().expect("it was made").len();
    let setup = setup(&folder, Io::Auto, vec![Lun::on(Disk::Disc { path })]);
    let Some(served) = require(Served::start(setup)) else { return };
    let job = job(&guest, "cdrom.sh", &served).set("BYTES", bytes).set("DIGEST", digest);
    expect_job(job.run(), "a drive for discs");
}
