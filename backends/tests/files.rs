//! Disks on files: through the page cache and past it.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ferrite_backends::testing::{Driver, InlineRing};
use ferrite_backends::{Backend, BlockDisk, Create, DiskError, DiskOptions, FaultyDisk, FileDisk, Geometry, Op};
use proptest::collection::vec;
use proptest::prelude::*;

mod common;

/// On the disk that holds the build, not in a /tmp that may be memory without O_DIRECT.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn create(bytes: u64) -> DiskOptions {
    DiskOptions { create: Some(Create { bytes, allocate: false }), ..DiskOptions::default() }
}

fn blocks_of_4096(options: DiskOptions) -> DiskOptions {
    DiskOptions { block_size: Some(4096), ..options }
}

fn read_only() -> DiskOptions {
    DiskOptions { read_only: true, ..DiskOptions::default() }
}

/// Both ways to a new file of `bytes` in blocks of 4096.
fn both_ways(folder: &Path, bytes: u64) -> [(Driver<Arc<dyn Backend>>, PathBuf); 2] {
    let options = blocks_of_4096(create(bytes));
    let (cached, direct) = (folder.join("cached"), folder.join("direct"));
    let file: Arc<dyn Backend> = Arc::new(FileDisk::open(&cached, &options).unwrap());
    let block: Arc<dyn Backend> = Arc::new(BlockDisk::open(&direct, &options).unwrap());
    [(Driver::new(file), cached), (Driver::new(block), direct)]
}

#[derive(Debug, Clone)]
enum Step {
    Write(u64, u64, u8, bool),
    Read(u64, u64),
    Discard(u64, u64),
    Zero(u64, u64, bool),
    Flush,
}

const BLOCKS: u64 = 300;

fn extent() -> impl Strategy<Value = (u64, u64)> {
    (0..BLOCKS, 1..40u64).prop_map(|(at, len)| (at * 4096, len.min(BLOCKS - at) * 4096))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (extent(), any::<u8>(), any::<bool>()).prop_map(|((at, len), fill, fua)| Step::Write(at, len, fill, fua)),
        3 => extent().prop_map(|(at, len)| Step::Read(at, len)),
        1 => extent().prop_map(|(at, len)| Step::Discard(at, len)),
        1 => (extent(), any::<bool>()).prop_map(|((at, len), unmap)| Step::Zero(at, len, unmap)),
        1 => Just(Step::Flush),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_file_is_what_a_flat_vector_is_both_ways(steps in vec(step(), 1..30)) {
        let folder = folder();
        for (disk, path) in both_ways(folder.path(), BLOCKS * 4096) {
            let can_discard = disk.disk().geometry().discard.is_some();
            let mut model = vec![0u8; (BLOCKS * 4096) as usize];
            for step in &steps {
                match *step {
                    Step::Write(at, len, fill, durable) => {
                        let bytes: Vec<u8> = (0..len).map(|i| fill ^ (i / 61) as u8).collect();
                        let write = if durable { Driver::write_durably } else { Driver::write };
                        write(&disk, at, &bytes).unwrap();
                        model[at as usize..][..len as usize].copy_from_slice(&bytes);
                    }
                    Step::Read(at, len) => {
                        let read = disk.read(at, len as usize).unwrap();
                        prop_assert!(read == model[at as usize..][..len as usize]);
                    }
                    Step::Discard(at, len) if can_discard => {
                        disk.run(Op::Discard { at, len }).unwrap();
                        model[at as usize..][..len as usize].fill(0);
                    }
                    Step::Discard(at, len) => {
                        prop_assert_eq!(disk.run(Op::Discard { at, len }), Err(DiskError::Unsupported));
                    }
                    Step::Zero(at, len, may_unmap) => {
                        disk.run(Op::Zero { at, len, may_unmap }).unwrap();
                        model[at as usize..][..len as usize].fill(0);
                    }
                    Step::Flush => disk.run(Op::Flush).unwrap(),
                }
            }
            prop_assert!(fs::read(&path).unwrap() == model, "what the disk says is what the file holds");
        }
    }
}

#[test]
fn the_geometry_of_a_file_says_what_is_true_of_it() {
    let folder = folder();
    let path = folder.path().join("disk");
    let disk = FileDisk::open(&path, &create(10_000)).unwrap();
    let Geometry { block_size, physical_block, bytes, read_only, write_cache, identity, .. } = disk.geometry();
    assert_eq!((block_size, bytes, read_only, write_cache), (512, 9728, false, true));
    assert!(physical_block >= 4096 && identity.is_some());
    assert_eq!(disk.describe(), format!("file {}", path.display()));
    drop(disk);
    let disk = BlockDisk::open(&path, &blocks_of_4096(DiskOptions::default())).unwrap();
    assert_eq!((disk.geometry().block_size, disk.geometry().bytes, disk.geometry().write_cache), (4096, 8192, true));
    assert_eq!(disk.describe(), format!("file {} O_DIRECT", path.display()));
}

#[test]
fn only_a_block_disk_goes_past_the_page_cache() {
    let folder = folder();
    // The kernel shows the flags of an open file in octal.
    let is_direct = |path: &Path| {
        let open = fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap());
        let mut ours = open.filter(|entry| fs::read_link(entry.path()).is_ok_and(|link| link == path));
        let descriptor = ours.next().expect("the disk is open").file_name();
        let about = fs::read_to_string(Path::new("/proc/self/fdinfo").join(descriptor)).unwrap();
        let flags = about.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
        i32::from_str_radix(flags.trim(), 8).unwrap() & libc::O_DIRECT != 0
    };
    let [cached, direct] = both_ways(folder.path(), 8192);
    assert_eq!((is_direct(&cached.1), is_direct(&direct.1)), (false, true));
}

#[test]
fn the_identity_of_a_file_goes_with_it_and_not_with_its_copy() {
    let folder = folder();
    let (path, moved, copy) = (folder.path().join("a"), folder.path().join("b"), folder.path().join("c"));
    let identity = |path: &Path| FileDisk::open(path, &read_only()).unwrap().geometry().identity;
    drop(FileDisk::open(&path, &create(8192)).unwrap());
    let first = identity(&path);
    assert!(first.is_some(), "this file system keeps times of birth");
    fs::rename(&path, &moved).unwrap();
    fs::copy(&moved, &copy).unwrap();
    assert_eq!(identity(&moved), first);
    assert_ne!(identity(&copy), first);
}

#[test]
fn a_discard_gives_space_back_and_the_rest_stays() {
    let folder = folder();
    for (disk, path) in both_ways(folder.path(), 1 << 20) {
        disk.write(0, &[7; 1 << 20]).unwrap();
        disk.run(Op::Flush).unwrap();
        let before = path.metadata().unwrap().blocks();
        assert!(disk.disk().geometry().discard.is_some_and(|discard| discard.reads_zero));
        disk.run(Op::Discard { at: 4096, len: 512 << 10 }).unwrap();
        disk.run(Op::Flush).unwrap();
        assert!(path.metadata().unwrap().blocks() <= before - 1000, "{}", disk.disk().describe());
        assert_eq!(disk.read(4096, 512 << 10).unwrap(), vec![0; 512 << 10]);
        assert_eq!(disk.read(0, 4096).unwrap(), [7; 4096]);
        assert_eq!(disk.read(4096 + (512 << 10), 4096).unwrap(), [7; 4096]);
        assert_eq!(path.metadata().unwrap().len(), 1 << 20);
    }
}

#[test]
fn zeroing_keeps_the_space_unless_it_may_be_given_back() {
    let folder = folder();
    for (disk, path) in both_ways(folder.path(), 1 << 20) {
        disk.write(0, &[7; 1 << 20]).unwrap();
        disk.run(Op::Flush).unwrap();
        let before = path.metadata().unwrap().blocks();
        disk.run(Op::Zero { at: 0, len: 512 << 10, may_unmap: false }).unwrap();
        disk.run(Op::Flush).unwrap();
        assert!(path.metadata().unwrap().blocks() >= before, "{}", disk.disk().describe());
        disk.run(Op::Zero { at: 0, len: 512 << 10, may_unmap: true }).unwrap();
        disk.run(Op::Flush).unwrap();
        assert!(path.metadata().unwrap().blocks() < before, "{}", disk.disk().describe());
        assert_eq!(disk.read(0, 512 << 10).unwrap(), vec![0; 512 << 10]);
        assert_eq!(disk.read(512 << 10, 4096).unwrap(), [7; 4096]);
    }
}

#[test]
fn a_read_of_a_file_that_shrank_fails_and_brings_no_zeroes() {
    let folder = folder();
    for (disk, path) in both_ways(folder.path(), 64 << 10) {
        disk.write(0, &[7; 64 << 10]).unwrap();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(32 << 10).unwrap();
        assert_eq!(disk.read(28 << 10, 8 << 10), Err(DiskError::OutOfRange), "half of it is there");
        assert_eq!(disk.read(32 << 10, 4096), Err(DiskError::OutOfRange));
        assert_eq!(disk.read(28 << 10, 4096).unwrap(), [7; 4096]);
        assert_eq!(disk.disk().refresh().unwrap().bytes, 32 << 10);
        assert_eq!(disk.write(32 << 10, &[7; 4096]), Err(DiskError::OutOfRange));
    }
}

#[test]
fn a_file_that_grew_is_larger_once_it_is_looked_at_again() {
    let folder = folder();
    for (disk, path) in both_ways(folder.path(), 64 << 10) {
        OpenOptions::new().write(true).open(&path).unwrap().set_len((128 << 10) + 100).unwrap();
        assert_eq!(disk.write(64 << 10, &[7; 4096]), Err(DiskError::OutOfRange), "nobody has looked yet");
        assert_eq!(disk.disk().refresh().unwrap().bytes, 128 << 10);
        disk.write(64 << 10, &[7; 4096]).unwrap();
        assert_eq!(disk.disk().geometry().bytes, 128 << 10);
    }
}

#[test]
fn a_read_only_disk_is_read_and_refuses_every_change() {
    let folder = folder();
    let path = folder.path().join("disk");
    fs::write(&path, [7; 8192]).unwrap();
    let file: Arc<dyn Backend> = Arc::new(FileDisk::open(&path, &read_only()).unwrap());
    let block: Arc<dyn Backend> = Arc::new(BlockDisk::open(&path, &blocks_of_4096(read_only())).unwrap());
    for disk in [file, block].map(Driver::new) {
        assert!(disk.disk().geometry().read_only && disk.disk().geometry().discard.is_none());
        assert_eq!(disk.read(0, 8192).unwrap(), [7; 8192]);
        assert_eq!(disk.write(0, &[1; 4096]), Err(DiskError::ReadOnly));
        assert_eq!(disk.run(Op::Discard { at: 0, len: 4096 }), Err(DiskError::ReadOnly));
        assert_eq!(disk.run(Op::Zero { at: 0, len: 4096, may_unmap: true }), Err(DiskError::ReadOnly));
        assert_eq!(disk.run(Op::Flush), Ok(()));
    }
    assert_eq!(fs::read(&path).unwrap(), [7; 8192]);
}

#[test]
fn an_empty_extent_is_no_error() {
    let folder = folder();
    for (disk, _) in both_ways(folder.path(), 8192) {
        assert_eq!(disk.run(Op::Zero { at: 0, len: 0, may_unmap: true }), Ok(()));
        assert_eq!(disk.run(Op::Discard { at: 8192, len: 0 }), Ok(()));
        assert_eq!(disk.read(8192, 0).unwrap(), []);
    }
}

#[test]
fn a_medium_smaller_than_a_block_is_refused() {
    let folder = folder();
    let path = folder.path().join("disk");
    fs::write(&path, [0; 4095]).unwrap();
    let error = FileDisk::open(&path, &blocks_of_4096(DiskOptions::default())).unwrap_err();
    assert!(error.to_string().contains("smaller than one logical block"), "{error}");
}

#[test]
fn a_disk_that_leaves_a_ring_has_its_file_forgotten_through_wrappers() {
    let folder = folder();
    let disk = FaultyDisk::new(FileDisk::open(folder.path().join("disk"), &create(8192)).unwrap());
    let mut ring = InlineRing::default();
    disk.detach(&mut ring);
    assert_eq!(ring.forgotten().len(), 1);
}

#[test]
fn zeroes_reach_a_file_system_that_cannot_zero_a_range() {
    let Some(memory) = common::Tmpfs::mount(1 << 20) else { return };
    let disk = Driver::new(FileDisk::open(memory.path().join("disk"), &create(256 << 10)).unwrap());
    disk.write(0, &[7; 256 << 10]).unwrap();
    disk.run(Op::Zero { at: 512, len: 100 << 10, may_unmap: false }).unwrap();
    assert_eq!(disk.read(512, 100 << 10).unwrap(), vec![0; 100 << 10]);
    assert_eq!((disk.read(0, 512).unwrap(), disk.read(512 + (100 << 10), 512).unwrap()), (vec![7; 512], vec![7; 512]));
}

#[test]
fn a_full_file_system_is_said_to_be_full_and_takes_writes_again_after_a_discard() {
    let Some(memory) = common::Tmpfs::mount(1 << 20) else { return };
    let disk = Driver::new(FileDisk::open(memory.path().join("disk"), &create(4 << 20)).unwrap());
    let written = (0..64u64).take_while(|i| disk.write(i << 16, &[7; 64 << 10]).is_ok()).count() as u64;
    assert!((8..=16).contains(&written), "{written} pieces of 64 KiB fit into 1 MiB");
    assert_eq!(disk.write(2 << 20, &[7; 64 << 10]), Err(DiskError::NoSpace));
    assert_eq!(disk.read(0, 64 << 10).unwrap(), [7; 64 << 10]);
    disk.run(Op::Discard { at: 0, len: 512 << 10 }).unwrap();
    disk.write(2 << 20, &[8; 64 << 10]).unwrap();
    let too_large = DiskOptions { create: Some(Create { bytes: 8 << 20, allocate: true }), ..DiskOptions::default() };
    let path = memory.path().join("allocated");
    FileDisk::open(&path, &too_large).unwrap_err();
    assert!(!path.exists(), "a file that could not get its space does not stay");
}

#[test]
fn a_file_without_a_name_any_more_is_served_on() {
    let folder = folder();
    for (disk, path) in both_ways(folder.path(), 8192) {
        disk.write(0, &[7; 8192]).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(disk.read(0, 8192).unwrap(), [7; 8192]);
        assert_eq!(disk.disk().refresh().unwrap().bytes, 8192);
        assert!(File::open(&path).is_err());
    }
}

#[test]
fn a_map_shows_what_was_written_and_a_discard_takes_it_away_both_ways() {
    const UNIT: u64 = 64 << 10;
    let folder = folder();
    for (disk, _) in both_ways(folder.path(), 8 * UNIT) {
        let what = disk.disk().describe();
        disk.write(UNIT, &[7; 2 * UNIT as usize]).unwrap();
        let map = |at, len| {
            let runs = disk.disk().map(at, len).unwrap().expect("file systems of tests have holes");
            runs.iter().map(|run| (run.len / UNIT, run.mapped)).collect::<Vec<_>>()
        };
        assert_eq!(map(0, u64::MAX), [(1, false), (2, true), (5, false)], "{what}");
        assert_eq!(map(2 * UNIT, 2 * UNIT), [(1, true), (1, false)], "{what}");
        assert_eq!(disk.disk().map(8 * UNIT, 512).unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
        disk.run(Op::Flush).unwrap();
        let usage = disk.disk().usage().unwrap().unwrap();
        assert!((2 * UNIT..3 * UNIT).contains(&usage.used), "{what}: {usage:?}");
        assert_eq!(usage.used + usage.available, 8 * UNIT, "{what}");
        if disk.disk().geometry().discard.is_some() {
            disk.run(Op::Discard { at: UNIT, len: UNIT }).unwrap();
            assert_eq!(map(0, u64::MAX), [(2, false), (1, true), (5, false)], "{what}");
        }
    }
}

#[test]
fn a_copy_within_the_host_is_the_same_bytes_and_as_thin_as_its_source() {
    const UNIT: u64 = 64 << 10;
    let (one, two) = (folder(), folder());
    let sources = both_ways(one.path(), 8 * UNIT);
    let targets = both_ways(two.path(), 8 * UNIT);
    for ((source, _), (target, _)) in
        sources.iter().flat_map(|source| targets.iter().map(move |target| (source, target)))
    {
        let (from, to) = (source.disk(), target.disk());
        let what = format!("{} to {}", from.describe(), to.describe());
        let data: Vec<u8> = (0..3 * UNIT).map(|at| (at / 251) as u8 | 1).collect();
        source.write(2 * UNIT, &data).unwrap();
        target.write(0, &[9; 8 * UNIT as usize]).unwrap();
        let (mut done, len) = (0, 6 * UNIT);
        while done < len {
            // One block aside: nothing about a copy is aligned to more.
            let copied = to.copy_from(from, UNIT + done, 4096 + done, len - done).unwrap();
            assert!(copied > 0 && copied % 4096 == 0 && copied <= len - done, "{what}: {copied}");
            done += copied;
        }
        let all = target.read(0, 8 * UNIT as usize).unwrap();
        let nothing = |len: u64| vec![0; len as usize];
        let rest = vec![9; (2 * UNIT - 4096) as usize];
        assert!(all == [vec![9; 4096], nothing(UNIT), data, nothing(2 * UNIT), rest].concat(), "{what}");
        if to.geometry().discard.is_some() {
            let runs = to.map(0, u64::MAX).unwrap().unwrap();
            assert!(
                runs.iter().filter(|run| !run.mapped).map(|run| run.len).sum::<u64>() >= 2 * UNIT,
                "{what}: {runs:?}"
            );
        }
    }
}

#[test]
fn what_cannot_be_copied_within_the_host_is_refused_before_anything_is_written() {
    let folder = folder();
    let file = FileDisk::open(folder.path().join("disk"), &create(1 << 20)).unwrap();
    let memory = Driver::new(ferrite_backends::MemoryDisk::new(1 << 20));
    memory.write(0, &[7; 512]).unwrap();
    let kind = |from: &dyn Backend, to: &dyn Backend, at, len| to.copy_from(from, 0, at, len).unwrap_err().kind();
    use std::io::ErrorKind;
    assert_eq!(kind(memory.disk(), &file, 0, 512), ErrorKind::Unsupported);
    assert_eq!(kind(&file, memory.disk(), 0, 512), ErrorKind::Unsupported);
    assert_eq!(kind(&file, &file, 1 << 20, 512), ErrorKind::InvalidInput);
    assert_eq!(kind(&file, &file, 0, 0), ErrorKind::InvalidInput);
    assert_eq!(kind(&file, &file, u64::MAX, 512), ErrorKind::InvalidInput);
    fs::copy(folder.path().join("disk"), folder.path().join("other")).unwrap();
    let reader = FileDisk::open(folder.path().join("other"), &read_only()).unwrap();
    assert_eq!(kind(&file, &reader, 0, 512), ErrorKind::ReadOnlyFilesystem);
    assert!(file.file().is_some() && memory.disk().file().is_none());
    assert!(FaultyDisk::new(file).file().is_none(), "no byte passes its rules");
}

#[test]
fn a_prefetch_is_a_hint_that_every_way_takes() {
    let folder = folder();
    for (disk, _) in both_ways(folder.path(), 1 << 20) {
        disk.write(0, &[7; 8192]).unwrap();
        assert_eq!(disk.run(Op::Prefetch { at: 4096, len: (1 << 20) - 4096 }), Ok(()));
        assert_eq!(disk.run(Op::Prefetch { at: 4096, len: 1 << 20 }), Err(DiskError::OutOfRange));
        assert_eq!(disk.read(0, 8192).unwrap(), [7; 8192]);
    }
}

#[test]
fn an_atomic_write_is_done_where_the_kernel_says_it_can_be_and_refused_elsewhere() {
    let folder = folder();
    for (disk, _) in both_ways(folder.path(), 1 << 20) {
        let written = disk.write_atomic(4096, &[7; 4096]);
        match disk.disk().geometry().atomic {
            Some(limits) if limits.allow(4096, 4096) => assert_eq!(written, Ok(())),
            _ => assert_eq!((written, disk.read(4096, 512).unwrap()), (Err(DiskError::Unsupported), vec![0; 512])),
        }
    }
}
