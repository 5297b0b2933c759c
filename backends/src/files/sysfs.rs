//! What the kernel says about a block device, read from sysfs: no ioctl, no privilege.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::stat::{major, minor};

/// A block device, or a partition of one, in sysfs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BlockDevice {
    /// The device or partition itself.
    own: PathBuf,
    /// The whole disk, which has the queue.
    disk: PathBuf,
}

impl BlockDevice {
    /// The device with this number, where sysfs knows it. File systems that span devices (btrfs, network
    /// ones) have numbers that are no device's.
    pub(super) fn find(number: u64) -> Option<Self> {
        Self::find_in(Path::new("/sys/dev/block"), number)
    }

    pub(super) fn find_in(root: &Path, number: u64) -> Option<Self> {
        // Through the link: the disk of a partition is the folder above.
        let own = root.join(format!("{}:{}", major(number), minor(number))).canonicalize().ok()?;
        let is_partition = own.join("partition").exists();
        let disk = if is_partition { own.parent()?.to_owned() } else { own.clone() };
        Some(Self { own, disk })
    }

    /// The unit of O_DIRECT transfers, in bytes.
    pub(super) fn logical_block(&self) -> Option<u32> {
        self.queue("logical_block_size")
    }

    /// What the medium writes without reading first, in bytes.
    pub(super) fn physical_block(&self) -> Option<u32> {
        self.queue("physical_block_size")
    }

    /// Where the first whole physical block begins, in bytes; 0 where the kernel says that none ever does.
    pub(super) fn physical_offset(&self) -> u32 {
        number(&self.own.join("alignment_offset")).unwrap_or(0)
    }

    /// Zones of it only take writes in sequence: no initiator of disks would do that.
    pub(super) fn is_zoned(&self) -> bool {
        text(&self.disk.join("queue/zoned")).is_some_and(|model| model == "host-managed")
    }

    /// The preferred transfer length, in bytes; 0 where it has none.
    pub(super) fn optimal_io(&self) -> u32 {
        self.queue("optimal_io_size").unwrap_or(0)
    }

    /// Whether heads move.
    pub(super) fn rotational(&self) -> Option<bool> {
        self.queue::<u8>("rotational").map(|flag| flag != 0)
    }

    /// The longest discard, in bytes; 0 where there is none.
    pub(super) fn discard_max(&self) -> u64 {
        self.queue("discard_max_bytes").unwrap_or(0)
    }

    /// The unit of discards, in bytes.
    pub(super) fn discard_granularity(&self) -> u32 {
        self.queue("discard_granularity").unwrap_or(0)
    }

    /// Where the first whole unit of discards begins, in bytes.
    pub(super) fn discard_alignment(&self) -> u32 {
        number(&self.own.join("discard_alignment")).unwrap_or(0)
    }

    /// The longest zeroing that the device does itself, in bytes; 0 where it does none.
    pub(super) fn write_zeroes_max(&self) -> u64 {
        self.queue("write_zeroes_max_bytes").unwrap_or(0)
    }

    /// Whether finished writes may be lost with the power. In doubt they may.
    pub(super) fn write_cache(&self) -> bool {
        text(&self.disk.join("queue/write_cache")).is_none_or(|mode| mode != "write through")
    }

    /// Whether the kernel refuses writes.
    pub(super) fn read_only(&self) -> bool {
        number::<u8>(&self.own.join("ro")).is_some_and(|flag| flag != 0)
    }

    /// A name that goes where the medium goes.
    pub(super) fn identity(&self) -> Option<String> {
        let named = |(file, kind): &(&str, &str)| Some(format!("{kind}:{}", text(&self.disk.join(file))?));
        let name = NAMES.iter().find_map(named)?;
        let partition = text(&self.own.join("partition"));
        Some(partition.map_or(name.clone(), |number| format!("{name}:part{number}")))
    }

    fn queue<N: std::str::FromStr>(&self, name: &str) -> Option<N> {
        number(&self.disk.join("queue").join(name))
    }
}

/// Where names of media are, the most telling first: device-mapper (for LVM: the UUIDs of group and
/// volume), MD, SCSI, NVMe, and serial numbers of disks that have nothing better.
const NAMES: &[(&str, &str)] = &[
    ("dm/uuid", "dm"),
    ("md/uuid", "md"),
    ("device/wwid", "wwid"),
    ("wwid", "wwid"),
    ("serial", "serial"),
    ("device/serial", "serial"),
];

fn text(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!text.is_empty()).then(|| text.to_owned())
}

fn number<N: std::str::FromStr>(path: &Path) -> Option<N> {
    text(path)?.parse().ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    pub(in crate::files) const SDA: u64 = 8 << 8;

    pub(in crate::files) fn put(folder: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    /// A tree as sysfs has it: sda with sda1, found by number through links.
    pub(in crate::files) fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let disk = root.path().join("devices/sda");
        put(
            &disk,
            &[
                ("ro", "0\n"),
                ("queue/logical_block_size", "512\n"),
                ("queue/physical_block_size", "4096\n"),
                ("alignment_offset", "0\n"),
                ("queue/zoned", "none\n"),
                ("queue/optimal_io_size", "65536\n"),
                ("queue/rotational", "1\n"),
                ("queue/discard_max_bytes", "1073741824\n"),
                ("queue/discard_granularity", "4096\n"),
                ("queue/write_zeroes_max_bytes", "0\n"),
                ("queue/write_cache", "write through\n"),
                ("device/wwid", "naa.600508b1001c5e2a\n"),
                ("sda1/partition", "1\n"),
                ("sda1/ro", "1\n"),
                ("sda1/alignment_offset", "3584\n"),
                ("sda1/discard_alignment", "512\n"),
            ],
        );
        symlink("devices/sda", root.path().join("8:0")).unwrap();
        symlink("devices/sda/sda1", root.path().join("8:1")).unwrap();
        root
    }

    #[test]
    fn a_partition_has_the_queue_of_its_disk_and_a_name_of_its_own() {
        let root = tree();
        let part = BlockDevice::find_in(root.path(), SDA | 1).unwrap();
        assert_eq!((part.logical_block(), part.physical_block(), part.optimal_io()), (Some(512), Some(4096), 65536));
        assert_eq!((part.rotational(), part.write_cache(), part.read_only()), (Some(true), false, true));
        assert_eq!((part.discard_max(), part.discard_granularity(), part.discard_alignment()), (1 << 30, 4096, 512));
        assert_eq!((part.write_zeroes_max(), part.physical_offset(), part.is_zoned()), (0, 3584, false));
        assert_eq!(part.identity().unwrap(), "wwid:naa.600508b1001c5e2a:part1");
        let disk = BlockDevice::find_in(root.path(), SDA).unwrap();
        assert_eq!((disk.read_only(), disk.discard_alignment()), (false, 0));
        assert_eq!(disk.identity().unwrap(), "wwid:naa.600508b1001c5e2a");
    }

    #[test]
    fn the_name_that_device_mapper_keeps_is_preferred() {
        let root = tree();
        put(&root.path().join("devices/sda"), &[("dm/uuid", "LVM-abc\n"), ("serial", "S1\n")]);
        assert_eq!(BlockDevice::find_in(root.path(), SDA).unwrap().identity().unwrap(), "dm:LVM-abc");
    }

    #[test]
    fn what_sysfs_does_not_say_is_taken_for_the_worse() {
        let root = tree();
        fs::remove_dir_all(root.path().join("devices/sda/queue")).unwrap();
        fs::remove_dir_all(root.path().join("devices/sda/device")).unwrap();
        let disk = BlockDevice::find_in(root.path(), SDA).unwrap();
        assert!(disk.write_cache());
        assert_eq!((disk.logical_block(), disk.discard_max(), disk.rotational()), (None, 0, None));
        assert!(!disk.is_zoned());
        put(&root.path().join("devices/sda"), &[("alignment_offset", "-1\n")]);
        assert_eq!(disk.physical_offset(), 0);
        assert_eq!(disk.identity(), None);
        assert_eq!(BlockDevice::find_in(root.path(), SDA | 2), None);
    }
}
