//! Does the target pass libiscsi's conformance suite, on every kind of disk and with both tenants of the engine?
//!
//! What need not pass stands in `libiscsi-skips.txt`, each with its reason.

use ferrite_interop_tests::device::{LoopDevice, sparse_file};
use ferrite_interop_tests::libiscsi::{Suite, disagreements, excuses_in, summary};
use ferrite_interop_tests::need::require;
use ferrite_interop_tests::served::Served;
use ferrite_interop_tests::setup::{Disk, Io, Lun, Setup, Target};
use std::io::Write;
use std::path::Path;
use tempfile::TempDir;

/// Each worker has a target of its own. More of them than cores, because a dozen tests do nothing but wait.
const WORKERS: usize = 4;
const MIB: u32 = 64;
/// Overwriting so much of nothing takes twenty seconds: the suite looks after three and after four more, then each minute,
/// and has [`libiscsi::TEST_LIMIT`](ferrite_interop_tests::libiscsi::TEST_LIMIT).
const LARGE_MIB: u32 = 384 << 10;

#[test]
fn a_memory_lun_passes_with_io_uring() {
    passes("memory", Io::Uring, memory);
}

#[test]
fn a_memory_lun_passes_with_threads() {
    passes("memory", Io::Threads, memory);
}

#[test]
fn a_memory_lun_with_blocks_of_4096_bytes_passes() {
    passes("memory4k", Io::Auto, |_, _| Some((Lun { block_size: 4096, ..Lun::on(Disk::Memory { mib: MIB }) }, None)));
}

#[test]
fn a_read_only_lun_passes_what_only_a_read_only_lun_can_show() {
    const TESTS: [&str; 5] =
        ["ReadOnly.ReadOnlySBC", "Inquiry.Standard", "Read10.Simple", "ReadCapacity16.Simple", "ModeSense6.AllPages"];
    let read_only = |(lun, device): (Lun, Option<LoopDevice>)| (Lun { read_only: true, ..lun }, device);
    passes_of("readonly", Io::Auto, Some(&TESTS), |folder, worker| memory(folder, worker).map(read_only));
    passes_of("readonly-file", Io::Auto, Some(&TESTS), |folder, worker| block_file(folder, worker).map(read_only));
}

#[test]
fn a_lun_that_takes_long_to_sanitize_goes_on_with_it_whatever_is_reset() {
    let large = |_: &Path, _| Some((Lun::on(Disk::Null { mib: LARGE_MIB }), None));
    passes_of("large", Io::Auto, Some(&["Sanitize.Reset"]), large);
}

#[test]
fn a_file_lun_passes_with_io_uring() {
    passes("file", Io::Uring, file);
}

#[test]
fn a_file_lun_passes_with_threads() {
    passes("file", Io::Threads, file);
}

#[test]
fn a_block_lun_on_a_file_passes_with_io_uring() {
    passes("block-file", Io::Uring, block_file);
}

#[test]
fn a_block_lun_on_a_file_passes_with_threads() {
    passes("block-file", Io::Threads, block_file);
}

#[test]
fn a_block_lun_on_a_loop_device_passes_with_io_uring() {
    passes("block-loop", Io::Uring, block_loop);
}

#[test]
fn a_block_lun_on_a_loop_device_passes_with_threads() {
    passes("block-loop", Io::Threads, block_loop);
}

/// A LUN, and what has to live as long as it is served. None: not on this machine.
type Made = Option<(Lun, Option<LoopDevice>)>;

fn memory(_: &Path, _: usize) -> Made {
    Some((Lun::on(Disk::Memory { mib: MIB }), None))
}

fn file(folder: &Path, worker: usize) -> Made {
    Some((Lun::on(Disk::File { path: folder.join(format!("file-{worker}")), mib: MIB }), None))
}

fn block_file(folder: &Path, worker: usize) -> Made {
    let path = folder.join(format!("disk-{worker}"));
    sparse_file(&path, u64::from(MIB) << 20);
    Some((Lun::on(Disk::Block { path }), None))
}

fn block_loop(folder: &Path, worker: usize) -> Made {
    let path = folder.join(format!("disk-{worker}"));
    sparse_file(&path, u64::from(MIB) << 20);
    let device = require(LoopDevice::attach(&path))?;
    Some((Lun::on(Disk::Block { path: device.path().to_owned() }), Some(device)))
}

fn passes(kind: &str, io: Io, lun: impl Fn(&Path, usize) -> Made) {
    passes_of(kind, io, None, lun);
}

/// Runs the whole suite, or only these tests, against LUNs of this kind.
fn passes_of(kind: &str, io: Io, only: Option<&[&str]>, lun: impl Fn(&Path, usize) -> Made) {
    let Some(suite) = require(Suite::find()) else {
        return;
    };
    let excuses = excuses_in(include_str!("../libiscsi-skips.txt")).expect("libiscsi-skips.txt can be read");
    let folder = TempDir::new().expect("a temporary folder can be made");
    let state = Some(folder.path().join("state"));
    let mut devices = Vec::new();
    let mut targets = Vec::new();
    for worker in 0..WORKERS {
        let Some((lun, device)) = lun(folder.path(), worker) else {
            return;
        };
        devices.extend(device);
        targets.push(Target::new(&format!("{kind}-{worker}"), vec![lun]));
    }
    let Some(mut served) = require(Served::start(Setup { io, state, two_ways: true, ..Setup::of(targets) })) else {
        return;
    };
    let urls: Vec<_> = (0..WORKERS).map(|worker| [served.url(worker), served.second_url(worker)]).collect();

    let every = suite.tests();
    let tests = match only {
        None => every,
        Some(names) => names
            .iter()
            .map(|name| (*name).to_owned())
            .inspect(|name| assert!(every.contains(name), "no test {name}"))
            .collect(),
    };
    let verdicts = suite.run(&tests, &urls);

    let _ = writeln!(std::io::stderr(), "libiscsi, {kind}, {io:?}: {}", summary(&verdicts));
    let excuses: Vec<_> =
        excuses.into_iter().filter(|excuse| only.is_none() || verdicts.contains_key(&excuse.test)).collect();
    let wrong = disagreements(kind, &verdicts, &excuses);
    assert!(served.is_running(), "the target did not survive the suite\n{}", served.log());
    assert!(wrong.is_empty(), "{} tests of {} on {kind}:\n  {}", wrong.len(), verdicts.len(), wrong.join("\n  "));
}
