//! Do QEMU's tools, with an iSCSI driver that is not ours, get back what they wrote: images, patterns, zeroes, holes;
//! with digests and with CHAP?

use ferrite_interop_tests::device::sparse_file;
use ferrite_interop_tests::need::require;
use ferrite_interop_tests::qemu::{Image, Qemu};
use ferrite_interop_tests::served::Served;
use ferrite_interop_tests::setup::{Account, Disk, Io, Lun, Setup, Target};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const MIB: u32 = 48;

/// A target with one LUN of each kind: memory, file, block; the tools, and a folder.
struct Bench {
    qemu: Qemu,
    served: Served,
    folder: TempDir,
}

const KINDS: [&str; 3] = ["file", "block", "memory"];

/// None: not on this machine.
fn bench(io: Io, chap: Option<Account>) -> Option<Bench> {
    bench_of(io, |lun| lun, chap)
}

/// The same with LUNs that are made different.
fn bench_of(io: Io, made: fn(Lun) -> Lun, chap: Option<Account>) -> Option<Bench> {
    let qemu = require(Qemu::find())?;
    let folder = TempDir::new().expect("a temporary folder can be made");
    let [file, block] = ["file", "block"].map(|name| folder.path().join(name));
    for path in [&file, &block] {
        sparse_file(path, u64::from(MIB) << 20);
    }
    let disks = [Disk::File { path: file, mib: MIB }, Disk::Block { path: block }, Disk::Memory { mib: MIB }];
    let target = |(kind, disk): (&str, Disk)| {
        let luns = vec![made(Lun::on(disk))];
        Target { chap: chap.clone(), ..Target::new(kind, luns) }
    };
    let targets = KINDS.into_iter().zip(disks).map(target).collect();
    let served = require(Served::start(Setup { io, ..Setup::of(targets) }))?;
    Some(Bench { qemu, served, folder })
}

impl Bench {
    /// Each kind of disk, by its name.
    fn images(&self) -> impl Iterator<Item = (&'static str, Image)> {
        KINDS.into_iter().enumerate().map(|(index, kind)| (kind, Image::at(self.served.url(index))))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A raw image of the LUNs' size: bytes that follow no pattern, and holes between them.
fn write_image(path: &Path, seed: u64) {
    let mut state = seed;
    let mut bytes = vec![0; MIB as usize * (1 << 20)];
    for (number, chunk) in bytes.chunks_mut(192 << 10).enumerate() {
        if number % 3 == 2 {
            continue;
        }
        for word in chunk.chunks_mut(8) {
            // SplitMix64: cheap, and no block is like another.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            word.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes()[..word.len()]);
        }
    }
    std::fs::write(path, bytes).expect("the folder takes the image");
}

fn round_trip(bench: &Bench, image: &Image, seed: u64, what: &str) {
    let (source, back) = (bench.path("source"), bench.path("back"));
    write_image(&source, seed);
    bench.qemu.upload(&source, image).expect_success(&format!("{what}: convert into the LUN"));
    bench.qemu.compare(image, &source).expect_success(&format!("{what}: compare"));
    bench.qemu.download(image, &back).expect_success(&format!("{what}: convert out of the LUN"));
    let same = std::fs::read(&source).expect("it was written") == std::fs::read(&back).expect("it was written");
    assert!(same, "{what}: what came back is not what was written");
}

#[test]
fn an_image_comes_back_as_it_went_with_io_uring() {
    let Some(bench) = bench(Io::Uring, None) else {
        return;
    };
    for (kind, image) in bench.images() {
        round_trip(&bench, &image, 1, kind);
    }
}

#[test]
fn an_image_comes_back_as_it_went_with_threads() {
    let Some(bench) = bench(Io::Threads, None) else {
        return;
    };
    for (kind, image) in bench.images() {
        round_trip(&bench, &image, 2, kind);
    }
}

#[test]
fn an_image_comes_back_as_it_went_under_header_digests() {
    let Some(bench) = bench(Io::Auto, None) else {
        return;
    };
    for (kind, image) in bench.images() {
        round_trip(&bench, &image.with_header_digest(), 3, kind);
    }
}

#[test]
fn one_changed_byte_is_found_by_the_comparison() {
    let Some(bench) = bench(Io::Auto, None) else {
        return;
    };
    let (_, image) = bench.images().next().expect("there are three");
    let source = bench.path("source");
    write_image(&source, 4);
    bench.qemu.upload(&source, &image).expect_success("convert into the LUN");
    let mut bytes = std::fs::read(&source).expect("it was written");
    let at = bytes.len() - 513;
    bytes[at] ^= 1;
    std::fs::write(&source, bytes).expect("it can be written again");
    bench.qemu.compare(&image, &source).expect_failure("a comparison with another image");
}

#[test]
fn the_right_secret_opens_and_every_other_one_does_not() {
    let account = Account::new("reader", "open-sesame-42");
    let Some(bench) = bench(Io::Auto, Some(account)) else {
        return;
    };
    let io = |account: Option<Account>| {
        let url = ferrite_interop_tests::served::Url { account, ..bench.served.url(0) };
        bench.qemu.io(&Image::at(url), &["read 0 64k"])
    };
    for wrong in
        [None, Some(Account::new("reader", "open-sesame-43")), Some(Account::new("stranger", "open-sesame-42"))]
    {
        io(wrong.clone()).expect_failure(&format!("a login with {wrong:?}"));
    }
    for (kind, image) in bench.images() {
        round_trip(&bench, &image, 5, &format!("{kind} behind CHAP"));
        round_trip(&bench, &image.with_header_digest(), 6, &format!("{kind} behind CHAP, with digests"));
    }
}

#[test]
fn a_pattern_is_read_back_at_every_size_and_place() {
    let Some(bench) = bench(Io::Auto, None) else {
        return;
    };
    for (kind, image) in bench.images() {
        let commands = [
            // The first block, the last, and what is no multiple of anything.
            "write -P 0x11 0 512",
            "write -P 0x22 50331136 512",
            "write -P 0x33 1048064 1537k",
            "read -P 0x11 0 512",
            "read -P 0x22 50331136 512",
            "read -P 0x33 1048064 1537k",
            "read -P 0x00 512 512",
            // More than one burst, and more than the first one without asking.
            "write -P 0x44 4M 8M",
            "read -P 0x44 4M 8M",
            // Durable at once, and a flush of its own.
            "write -f -P 0x55 16M 64k",
            "flush",
            "read -P 0x55 16M 64k",
            // Over what was there.
            "write -P 0x66 6M 4k",
            "read -P 0x44 6287360 4k",
            "read -P 0x66 6M 4k",
            "read -P 0x44 6295552 4k",
        ];
        bench.qemu.io(&image, &commands).expect_success(kind);
    }
}

#[test]
fn a_pattern_that_is_not_there_is_a_failure() {
    let Some(bench) = bench(Io::Auto, None) else {
        return;
    };
    for (kind, image) in bench.images() {
        bench.qemu.io(&image, &["write -P 0x11 0 64k"]).expect_success(kind);
        bench.qemu.io(&image, &["read -P 0x12 0 64k"]).expect_failure(kind);
    }
}

#[test]
fn zeroes_are_written_and_what_stands_beside_them_stays() {
    let Some(bench) = bench(Io::Auto, None) else {
        return;
    };
    for (kind, image) in bench.images() {
        let commands = [
            "write -P 0xaa 0 4M",
            "write -z 1M 1M",
            "write -z -u 2M 64k",
            "read -P 0xaa 0 1M",
            "read -P 0x00 1M 1M",
            "read -P 0x00 2M 64k",
            "read -P 0xaa 2162688 64k",
            "read -P 0xaa 3M 1M",
        ];
        bench.qemu.io(&image, &commands).expect_success(kind);
    }
}

#[test]
fn a_discard_frees_what_it_names_and_nothing_else() {
    let Some(bench) = bench(Io::Auto, None) else {
        return;
    };
    for (kind, image) in bench.images() {
        let commands = [
            "write -P 0xbb 0 4M",
            "discard 1M 2M",
            "read -P 0xbb 0 1M",
            "read -P 0x00 1M 2M",
            "read -P 0xbb 3M 1M",
            "write -P 0xcc 2M 64k",
            "read -P 0xcc 2M 64k",
        ];
        bench.qemu.io(&image, &commands).expect_success(kind);
    }
}

#[test]
fn a_read_only_lun_is_read_and_nobody_takes_it_for_writable() {
    let Some(bench) = bench_of(Io::Auto, |lun| Lun { read_only: true, ..lun }, None) else { return };
    for (kind, image) in bench.images() {
        // QEMU looks at WP in the mode parameter header, and opens nothing for writing that has it.
        let said = bench.qemu.io(&image, &["write -P 0x11 0 64k"]).expect_failure(kind);
        assert!(said.contains("write protected"), "{kind}: {said}");
        bench.qemu.io(&image.read_only(), &["read -P 0x00 0 1M"]).expect_success(kind);
    }
}

#[test]
fn a_session_that_comes_later_sees_what_an_earlier_one_wrote() {
    let Some(bench) = bench(Io::Auto, None) else {
        return;
    };
    for (kind, image) in bench.images() {
        bench.qemu.io(&image, &["write -P 0x77 7M 1M"]).expect_success(kind);
        bench.qemu.io(&image, &["read -P 0x77 7M 1M"]).expect_success(kind);
    }
}

#[test]
fn many_writes_at_a_time_all_arrive() {
    let Some(bench) = bench(Io::Auto, None) else {
        return;
    };
    for (kind, image) in bench.images() {
        // 4096 writes of 4 KiB, 64 at a time, cover 16 MiB without a gap.
        bench.qemu.write_in_depth(&image, 64, 4096, 4096, 0x5a).expect_success(kind);
        bench.qemu.io(&image, &["read -P 0x5a 0 16M", "read -P 0x00 16M 1M"]).expect_success(kind);
        bench.qemu.write_in_depth(&image, 16, 1 << 20, 32, 0xa5).expect_success(kind);
        bench.qemu.io(&image, &["read -P 0xa5 0 32M", "read -P 0x00 32M 1M"]).expect_success(kind);
    }
}
