//! Discards that `fallocate` cannot do: `BLKDISCARD` on loop devices over sparse files, by both tenants.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crate::common::*;
use ferrite_backends::testing::Collector;
use ferrite_backends::{Backend, BlockDisk, Discard, DiskError, DiskFile, DiskOptions, FileRing, FileWork, Geometry};
use ferrite_backends::{Job, Op, Pool};
use ferrite_engine::IoChoice;
use ferrite_engine::io::linux::Disks;
use ferrite_engine::io::threads::DiskThreads;
use ferrite_engine::io::uring::Uring;
use ferrite_iscsi::initiator::Request;

#[test]
fn a_discard_gives_the_space_of_a_device_back_and_touches_nothing_beside_it() {
    let Some(device) = Device::new(8 << 20) else { return };
    both_tenants(|choice| {
        let file = device.open();
        let mut disks = disks(choice);
        device.fill(7);
        assert!(device.allocated() >= 8 << 20);
        assert_eq!(discard(&mut *disks, &file, 1 << 20, 4 << 20), Ok(()));
        assert!(device.allocated() <= 4 << 20, "{} bytes are left", device.allocated());
        let left = device.content();
        assert!(left[..1 << 20].iter().chain(&left[5 << 20..]).all(|byte| *byte == 7));
    });
}

#[test]
fn a_discard_need_not_lie_on_the_granules_of_the_device() {
    let Some(device) = Device::new(1 << 20) else { return };
    both_tenants(|choice| {
        let file = device.open();
        let mut disks = disks(choice);
        device.fill(7);
        assert_eq!(discard(&mut *disks, &file, 512, 512), Ok(()), "less than a granule");
        assert_eq!(discard(&mut *disks, &file, 8192 - 512, (64 << 10) + 1024), Ok(()), "more than some");
        let left = device.content();
        let beside = [0..512, 1024..8192 - 512, 8192 + 512 + (64 << 10)..1 << 20];
        assert!(beside.into_iter().flat_map(|part| &left[part]).all(|byte| *byte == 7));
        assert!(device.allocated() <= (1 << 20) - (60 << 10), "{} bytes are left", device.allocated());
    });
}

#[test]
fn a_discard_past_the_end_or_of_part_of_a_block_is_refused_by_the_kernel() {
    let Some(device) = Device::new(1 << 20) else { return };
    both_tenants(|choice| {
        let file = device.open();
        let mut disks = disks(choice);
        device.fill(7);
        for (at, len) in [(1 << 20, 512), ((1 << 20) - 512, 1024), (256, 512), (512, 256), (u64::MAX - 511, 512)] {
            let result = discard(&mut *disks, &file, at, len);
            assert_eq!(result, Err(DiskError::Other(libc::EINVAL)), "{len} bytes from {at}");
        }
        assert!(device.content().iter().all(|byte| *byte == 7));
    });
}

#[test]
fn a_regular_file_has_no_such_discard() {
    both_tenants(|choice| {
        let file = Arc::new(DiskFile::new(tempfile::tempfile().unwrap()));
        assert_eq!(discard(&mut *disks(choice), &file, 0, 4096), Err(DiskError::Unsupported));
    });
}

#[test]
fn unmap_discards_and_write_same_zeroes_where_discarded_blocks_read_as_anything() {
    let Some(device) = Device::new(8 << 20) else { return };
    both_tenants(|choice| {
        let served = Served::new(&options(choice, 1)).with(0, NoZeroes::open(&device));
        let mut host = served.login(1, &[0]);
        let capacity = host.command(&Request::new(0, &READ_CAPACITY_16).reading(32)).unwrap();
        assert_eq!(capacity.data[14] & 0xC0, 0x80, "LBPME without LBPRZ");
        let provisioning = host.inquiry(0, Some(0xB2)).unwrap();
        assert_eq!(provisioning[5] & 0x84, 0x80, "LBPU without LBPRZ");

        for at in (0..8u64 << 20).step_by(1 << 20) {
            host.write(0, at / 512, &vec![7; 1 << 20], BLOCK).unwrap();
        }
        assert!(device.allocated() >= 8 << 20);
        assert!(host.command(&unmap(2 << 11, 4 << 11)).unwrap().is_good());
        host.synchronize_cache(0).unwrap();
        assert!(device.allocated() <= 4 << 20, "{} bytes are left", device.allocated());
        assert!(host.read(0, (2 << 11) - 1, 1, BLOCK).unwrap() == [7; 512]);
        assert!(host.read(0, 6 << 11, 1, BLOCK).unwrap() == [7; 512]);

        let mut write_same = [0x41, UNMAP, 0, 0, 0, 5, 0, 0, 9, 0];
        assert!(host.command(&Request::new(0, &write_same).writing(vec![0; 512])).unwrap().is_good());
        write_same[5] = 100;
        assert!(host.command(&Request::new(0, &write_same).writing(vec![3; 512])).unwrap().is_good());
        let read = |host: &mut ferrite_iscsi::initiator::Initiator<_>, lba| host.read(0, lba, 11, BLOCK).unwrap();
        let around = |byte: u8| [vec![7; 512], vec![byte; 9 * 512], vec![7; 512]].concat();
        assert!(read(&mut host, 4) == around(0) && read(&mut host, 99) == around(3));
        host.logout().unwrap();
    });
}

/// UNMAP of one extent.
fn unmap(lba: u64, blocks: u32) -> Request {
    let list = [&[0, 22, 0, 16, 0, 0, 0, 0][..], &lba.to_be_bytes(), &blocks.to_be_bytes(), &[0; 4]].concat();
    Request::new(0, &[0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0]).writing(list)
}

const READ_CAPACITY_16: [u8; 16] = [0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0];

/// The bit of WRITE SAME (10).
const UNMAP: u8 = 0x08;

fn disks(choice: IoChoice) -> Box<dyn Disks> {
    match choice {
        IoChoice::Uring => Box::new(Uring::new(&Pool::new(0), "discard").unwrap()),
        _ => Box::new(DiskThreads::new("discard")),
    }
}

fn discard(disks: &mut dyn Disks, file: &Arc<DiskFile>, at: u64, len: u64) -> Result<(), DiskError> {
    let home = Arc::new(Collector::default());
    let job = Job::new(Op::Discard { at, len }, None, 0, home.clone());
    disks.ring().submit(file, FileWork::Discard { at, len }, job);
    disks.submit();
    home.take().result
}

/// A loop device shown as one that discards and does not zero. The kernel makes none such of a file, so the
/// disk is told what the geometry of one would be.
#[derive(Debug)]
struct NoZeroes {
    device: BlockDisk,
    file: Arc<DiskFile>,
}

impl NoZeroes {
    fn open(device: &Device) -> Self {
        Self { device: BlockDisk::open(&device.path, &DiskOptions::default()).unwrap(), file: device.open() }
    }
}

impl Backend for NoZeroes {
    fn geometry(&self) -> Geometry {
        let geometry = self.device.geometry();
        let discard = geometry.discard.expect("a loop device over a file can discard");
        Geometry { discard: Some(Discard { reads_zero: false, ..discard }), ..geometry }
    }

    fn submit(&self, job: Job, ring: &mut dyn FileRing) {
        match job.op() {
            Op::Discard { at, len } => ring.submit(&self.file, FileWork::Discard { at, len }, job),
            _ => self.device.submit(job, ring),
        }
    }

    fn refresh(&self) -> std::io::Result<Geometry> {
        self.device.refresh().map(|_| self.geometry())
    }

    fn detach(&self, ring: &mut dyn FileRing) {
        self.device.detach(ring);
    }

    fn describe(&self) -> String {
        "no zeroes".to_owned()
    }
}

/// A loop device over a sparse file, detached when dropped.
struct Device {
    path: PathBuf,
    folder: tempfile::TempDir,
}

impl Device {
    /// `None`, said loudly, where the host does not let us; in CI that is a failure.
    fn new(bytes: u64) -> Option<Self> {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let file = folder.path().join("medium");
        File::create(&file).unwrap().set_len(bytes).unwrap();
        let why = match Command::new("losetup").args(["--find", "--show"]).arg(&file).output() {
            Ok(output) if output.status.success() => {
                let path = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
                return Some(Self { path, folder });
            }
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => error.to_string(),
        };
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "losetup must work in CI: {why}");
        let test = std::thread::current().name().unwrap_or("?").to_owned();
        // Past the test harness, which hides what a passing test prints.
        let said = format!("SKIPPED (needs root): {test}: losetup: {why}\n");
        let _ = std::io::Write::write_all(&mut std::io::stderr(), said.as_bytes());
        None
    }

    /// The device, for reading and writing by whoever else has it.
    fn open(&self) -> Arc<DiskFile> {
        Arc::new(DiskFile::new(open(&self.path)))
    }

    /// Writes every byte of the medium.
    fn fill(&self, byte: u8) {
        use std::io::{Seek, Write};
        let mut device = open(&self.path);
        let bytes = device.seek(std::io::SeekFrom::End(0)).unwrap();
        device.rewind().unwrap();
        device.write_all(&vec![byte; usize::try_from(bytes).unwrap()]).unwrap();
        device.sync_all().unwrap();
    }

    fn content(&self) -> Vec<u8> {
        std::fs::read(&self.path).unwrap()
    }

    /// Bytes that the file has on its file system.
    fn allocated(&self) -> u64 {
        let file = File::open(self.folder.path().join("medium")).unwrap();
        // The file system may give space only when the data leaves the page cache.
        file.sync_all().unwrap();
        file.metadata().unwrap().blocks() * 512
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.path).status();
    }
}

fn open(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}
