//! Block devices, by way of loop devices over sparse files.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::Loop;
use ferrite_backends::testing::Driver;
use ferrite_backends::{Backend, BlockDisk, Create, DiskError, DiskOptions, FileDisk, Op};

mod common;

type Open = fn(&Path) -> Arc<dyn Backend>;

struct Device {
    // Detached before its file goes.
    device: Loop,
    file: PathBuf,
    _folder: tempfile::TempDir,
}

fn device(bytes: u64, options: &[&str]) -> Option<Device> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = folder.path().join("medium");
    File::create(&file).unwrap().set_len(bytes).unwrap();
    let device = Loop::over(&file, options)?;
    Some(Device { device, file, _folder: folder })
}

impl Device {
    fn open(&self, options: &DiskOptions) -> std::io::Result<Driver<BlockDisk>> {
        BlockDisk::open(self.device.path(), options).map(Driver::new)
    }

    fn allocated(&self) -> u64 {
        self.file.metadata().unwrap().blocks() * 512
    }
}

fn read_only() -> DiskOptions {
    DiskOptions { read_only: true, ..DiskOptions::default() }
}

#[test]
fn a_device_is_written_and_read_past_the_page_cache() {
    let Some(device) = device(8 << 20, &[]) else { return };
    let disk = device.open(&DiskOptions::default()).unwrap();
    let geometry = disk.disk().geometry();
    assert_eq!((geometry.block_size, geometry.bytes, geometry.read_only), (512, 8 << 20, false));
    assert!(geometry.physical_block.is_power_of_two() && geometry.physical_block >= 512);
    let bytes: Vec<u8> = (0..64 << 10).map(|i| (i / 97) as u8).collect();
    disk.write(512, &bytes).unwrap();
    disk.write_durably((8 << 20) - 512, &[9; 512]).unwrap();
    disk.run(Op::Flush).unwrap();
    assert_eq!(disk.read(512, 64 << 10).unwrap(), bytes);
    assert_eq!(disk.read((8 << 20) - 512, 512).unwrap(), [9; 512]);
    assert_eq!(disk.read(8 << 20, 512), Err(DiskError::OutOfRange));
    assert_eq!(disk.disk().describe(), format!("block {} O_DIRECT", device.device.path().display()));
}

#[test]
fn a_device_shows_the_write_cache_that_the_kernel_says_it_has() {
    let Some(device) = device(1 << 20, &[]) else { return };
    let name = device.device.path().file_name().unwrap().to_owned();
    let mode = PathBuf::from("/sys/block").join(name).join("queue/write_cache");
    let said = std::fs::read_to_string(mode).unwrap();
    let disk = device.open(&DiskOptions::default()).unwrap();
    assert_eq!(disk.disk().geometry().write_cache, said.trim() == "write back");
    drop(disk);
    let cached = FileDisk::open(device.device.path(), &DiskOptions::default()).unwrap();
    assert!(cached.geometry().write_cache, "the page cache is one");
}

#[test]
fn durable_writes_and_flushes_reach_the_medium_and_other_writes_do_not_wait_for_it() {
    let Some(device) = device(1 << 20, &[]) else { return };
    let path = device.device.path();
    let open: [Open; 2] = [
        |path| Arc::new(BlockDisk::open(path, &DiskOptions::default()).unwrap()),
        |path| Arc::new(FileDisk::open(path, &DiskOptions::default()).unwrap()),
    ];
    for open in open {
        let disk = Driver::new(open(path));
        let flushed_by = |work: &dyn Fn()| {
            let before = device.device.flushes();
            work();
            device.device.flushes() - before
        };
        let what = disk.disk().describe();
        assert_eq!(flushed_by(&|| disk.write(0, &[7; 4096]).unwrap()), 0, "{what}: a plain write");
        assert!(flushed_by(&|| disk.run(Op::Flush).unwrap()) > 0, "{what}: a flush");
        assert!(flushed_by(&|| disk.write_durably(4096, &[7; 4096]).unwrap()) > 0, "{what}: a durable write");
    }
}

#[test]
fn a_discard_of_a_device_gives_the_space_of_its_sparse_file_back() {
    let Some(device) = device(8 << 20, &[]) else { return };
    let disk = device.open(&DiskOptions::default()).unwrap();
    disk.write(0, &[7; 4 << 20]).unwrap();
    disk.run(Op::Flush).unwrap();
    assert!(device.allocated() >= 4 << 20);
    let discard = disk.disk().geometry().discard.expect("a loop device over a file can discard");
    assert!(discard.reads_zero && discard.granularity >= 512 && discard.max_bytes >= 1 << 20);
    disk.run(Op::Discard { at: 1 << 20, len: 2 << 20 }).unwrap();
    disk.run(Op::Flush).unwrap();
    assert!(device.allocated() <= 2 << 20, "{} bytes are left", device.allocated());
    assert_eq!(disk.read(1 << 20, 2 << 20).unwrap(), vec![0; 2 << 20]);
    assert_eq!(disk.read((1 << 20) - 512, 512).unwrap(), [7; 512]);
    assert_eq!(disk.read(3 << 20, 512).unwrap(), [7; 512]);
}

#[test]
fn a_device_is_zeroed_both_ways() {
    let Some(device) = device(4 << 20, &[]) else { return };
    let disk = device.open(&DiskOptions::default()).unwrap();
    for may_unmap in [false, true] {
        disk.write(0, &[7; 2 << 20]).unwrap();
        disk.run(Op::Zero { at: 512, len: 1 << 20, may_unmap }).unwrap();
        assert_eq!(disk.read(512, 1 << 20).unwrap(), vec![0; 1 << 20]);
        assert_eq!(disk.read(0, 512).unwrap(), [7; 512]);
        assert_eq!(disk.read((1 << 20) + 512, 512).unwrap(), [7; 512]);
    }
}

#[test]
fn a_device_in_use_is_not_taken_unless_it_is_asked_for() {
    let Some(device) = device(1 << 20, &[]) else { return };
    let first = device.open(&DiskOptions::default()).unwrap();
    let error = device.open(&DiskOptions::default()).unwrap_err().to_string();
    assert!(error.contains("in use"), "{error}");
    device.open(&DiskOptions { exclusive: false, ..DiskOptions::default() }).unwrap();
    drop(first);
    device.open(&DiskOptions::default()).unwrap();
}

#[test]
fn a_device_is_opened_again_at_once_although_the_process_starts_programs() {
    let Some(device) = device(1 << 20, &[]) else { return };
    let done = AtomicBool::new(false);
    let (device, done) = (&device, &done);
    std::thread::scope(|scope| {
        let starter = scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                Command::new("true").status().unwrap();
            }
        });
        let failure = (0..1000).find_map(|_| device.open(&DiskOptions::default()).err());
        done.store(true, Ordering::Relaxed);
        starter.join().unwrap();
        assert!(failure.is_none(), "{failure:?}");
    });
}

#[test]
fn a_device_of_4096_byte_sectors_has_such_blocks_and_no_smaller_ones() {
    let Some(device) = device(1 << 20, &["--sector-size", "4096"]) else { return };
    let disk = device.open(&DiskOptions::default()).unwrap();
    assert_eq!(disk.disk().geometry().block_size, 4096);
    disk.write(4096, &[7; 4096]).unwrap();
    assert_eq!(disk.read(4096, 4096).unwrap(), [7; 4096]);
    drop(disk);
    let small = DiskOptions { block_size: Some(512), ..DiskOptions::default() };
    let error = device.open(&small).unwrap_err().to_string();
    assert!(error.contains("units of 4096 bytes") && error.contains("file backend"), "{error}");
    let cached = Driver::new(FileDisk::open(device.device.path(), &small).unwrap());
    cached.write(512, &[8; 512]).unwrap();
    assert_eq!(cached.read(512, 512).unwrap(), [8; 512]);
}

#[test]
fn part_of_a_block_of_the_device_is_zeroed_by_writing_and_not_discarded() {
    let Some(device) = device(1 << 20, &["--sector-size", "4096"]) else { return };
    let small = DiskOptions { block_size: Some(512), ..DiskOptions::default() };
    let disk = Driver::new(FileDisk::open(device.device.path(), &small).unwrap());
    assert_eq!(disk.disk().geometry().discard, None);
    for may_unmap in [false, true] {
        disk.write(0, &[8; 8192]).unwrap();
        disk.run(Op::Zero { at: 512, len: 1024, may_unmap }).unwrap();
        assert_eq!(disk.read(0, 2048).unwrap(), [[8; 512], [0; 512], [0; 512], [8; 512]].concat());
        disk.run(Op::Zero { at: 4096, len: 4096, may_unmap }).unwrap();
        assert_eq!(disk.read(4096, 4096).unwrap(), [0; 4096]);
    }
}

#[test]
fn a_device_of_512_byte_sectors_serves_larger_blocks() {
    let Some(device) = device((1 << 20) + 512, &[]) else { return };
    let large = DiskOptions { block_size: Some(4096), ..DiskOptions::default() };
    let disk = device.open(&large).unwrap();
    assert_eq!((disk.disk().geometry().block_size, disk.disk().geometry().bytes), (4096, 1 << 20));
}

#[test]
fn a_device_that_takes_no_writes_is_opened_for_reading_only() {
    let Some(device) = device(1 << 20, &["--read-only"]) else { return };
    let error = device.open(&DiskOptions::default()).unwrap_err().to_string();
    assert!(error.contains("read-only"), "{error}");
    let disk = device.open(&read_only()).unwrap();
    assert!(disk.disk().geometry().read_only && disk.disk().geometry().discard.is_none());
    assert_eq!(disk.read(0, 512).unwrap(), [0; 512]);
    assert_eq!(disk.write(0, &[7; 512]), Err(DiskError::ReadOnly));
}

#[test]
fn a_device_that_grew_is_larger_once_it_is_looked_at_again() {
    let Some(device) = device(1 << 20, &[]) else { return };
    let disk = device.open(&DiskOptions::default()).unwrap();
    OpenOptions::new().write(true).open(&device.file).unwrap().set_len(2 << 20).unwrap();
    let Some(()) = device.device.look_again() else { return };
    assert_eq!(disk.disk().geometry().bytes, 1 << 20);
    assert_eq!(disk.disk().refresh().unwrap().bytes, 2 << 20);
    disk.write((2 << 20) - 512, &[7; 512]).unwrap();
    assert_eq!(disk.read((2 << 20) - 512, 512).unwrap(), [7; 512]);
}

#[test]
fn a_device_that_shrank_fails_what_is_gone() {
    let Some(device) = device(2 << 20, &[]) else { return };
    let disk = device.open(&DiskOptions::default()).unwrap();
    OpenOptions::new().write(true).open(&device.file).unwrap().set_len(1 << 20).unwrap();
    let Some(()) = device.device.look_again() else { return };
    assert_eq!(disk.read(1 << 20, 4096), Err(DiskError::OutOfRange));
    assert_eq!(disk.write(1 << 20, &[7; 4096]), Err(DiskError::NoSpace), "what the kernel calls it");
}

#[test]
fn a_device_is_never_made() {
    let Some(device) = device(1 << 20, &[]) else { return };
    let create = DiskOptions { create: Some(Create { bytes: 8 << 20, allocate: true }), ..DiskOptions::default() };
    assert_eq!(device.open(&create).unwrap().disk().geometry().bytes, 1 << 20, "it is there and stays as it is");
}

#[test]
fn a_device_cannot_tell_what_it_holds_and_is_not_copied_within_the_kernel() {
    let Some(device) = device(1 << 20, &[]) else { return };
    let disk = device.open(&DiskOptions::default()).unwrap();
    let disk = disk.disk();
    assert_eq!(disk.map(0, 512).unwrap(), None);
    assert_eq!(disk.usage().unwrap(), None);
    let copied = disk.copy_from(disk, 0, 4096, 512).unwrap_err();
    assert_eq!(copied.kind(), std::io::ErrorKind::Unsupported);
    assert_eq!(disk.map(1 << 20, 512).unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
}
