//! Does the target answer what ESX and Windows are known to ask, command by command?

use ferrite_backends::MemoryDisk;

use super::common::{Served, TARGET, both_tenants, options};
use super::script;

#[test]
fn an_esx_host_creates_a_datastore_beats_its_heart_and_clones() {
    plays(include_str!("../scripts/esx-vmfs.txt"));
}

#[test]
fn windows_brings_a_disk_online_formats_it_and_copies_by_token() {
    plays(include_str!("../scripts/windows-disk.txt"));
}

#[test]
fn a_windows_cluster_validates_its_storage() {
    plays(include_str!("../scripts/windows-cluster.txt"));
}

fn plays(text: &str) {
    both_tenants(|choice| {
        let served =
            Served::new(&options(choice, 2)).with(0, MemoryDisk::new(64 << 20)).with(1, MemoryDisk::new(64 << 20));
        if let Err(why) = script::play(text, served.address, TARGET) {
            panic!("{choice:?}: {why}");
        }
    });
}
