//! Does a machine start from a disc that is served: as its firmware finds it behind QEMU's own drive, and as our drive
//! itself, command by command?

use ferrite_interop_tests::need::{require, tool};
use ferrite_interop_tests::process::{self, Finished};
use ferrite_interop_tests::qemu::{Image, Qemu};
use ferrite_interop_tests::served::Served;
use ferrite_interop_tests::setup::{Disk, Lun, Setup, Target};
use std::process::Command;
use std::time::Duration;

/// Firmware and one block of code take a second; a machine that finds nothing waits for ever.
const LIMIT: Duration = Duration::from_secs(120);

const SAYING: &[u8] = b"started from the disc\r\n\0";

/// QEMU's drive reads the blocks; the firmware sees an ATAPI drive of QEMU.
const DRIVE_OF_QEMU: &[&str] = &["ide-cd,drive=disc"];
/// QEMU hands the firmware's SCSI commands to the target as they are.
const DRIVE_OF_OURS: &[&str] = &["virtio-scsi-pci", "scsi-block,drive=disc,bootindex=0"];

#[test]
fn a_machine_starts_from_a_disc_that_is_served() {
    let Some(_) = require(Qemu::find()) else { return };
    let Some(machine) = require(tool("qemu-system-x86_64")) else { return };
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("boot.iso");
    std::fs::write(&path, disc()).expect("the folder takes the image");
    let target = Target::new("disc", vec![Lun::on(Disk::Disc { path })]);
    let Some(served) = require(Served::start(Setup::of(vec![target]))) else { return };
    let drive = format!("if=none,id=disc,readonly=on,{}", Image::at(served.url(0)).options());
    for devices in [DRIVE_OF_QEMU, DRIVE_OF_OURS] {
        let mut command = Command::new(&machine);
        command.args(["-machine", "pc,accel=tcg", "-m", "64", "-display", "none", "-monitor", "none"]);
        command.args(["-serial", "stdio", "-no-reboot", "-boot", "d", "-drive", &drive]);
        command.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=1"]);
        command.args(devices.iter().flat_map(|device| ["-device", device]));
        let Finished { ending, output, .. } = process::run(&mut command, LIMIT);
        let said = String::from_utf8_lossy(SAYING);
        assert!(output.contains(said.trim_end_matches(['\0', '\n', '\r'])), "{devices:?}: {ending:?}\n{output}");
    }
}

const BLOCK: usize = 2048;
/// Blocks of the image: 16 that nobody defines, three volume descriptors, the boot catalog, the code.
const CATALOG: usize = 19;
const CODE: usize = 20;
const BLOCKS: usize = 32;

/// An image with nothing on it but what a BIOS starts (El Torito, no emulation): code that says [`SAYING`] on the first
/// serial port, and ends the machine.
fn disc() -> Vec<u8> {
    let mut image = vec![0; BLOCKS * BLOCK];
    let mut put = |block: usize, at: usize, bytes: &[u8]| {
        let at = block * BLOCK + at;
        image[at..at + bytes.len()].copy_from_slice(bytes);
    };
    // Primary volume descriptor, boot record, and the end of the descriptors.
    for (block, kind) in [(16, 1), (17, 0), (18, 255)] {
        put(block, 0, &[kind]);
        put(block, 1, b"CD001\x01");
    }
    put(17, 7, b"EL TORITO SPECIFICATION");
    put(17, 71, &(CATALOG as u32).to_le_bytes());
    // The validation entry, whose words add up to zero, and the initial entry.
    let mut validation = [0; 32];
    validation[0] = 1;
    validation[30..].copy_from_slice(&[0x55, 0xAA]);
    let sum =
        validation.chunks_exact(2).fold(0u16, |sum, word| sum.wrapping_add(u16::from_le_bytes([word[0], word[1]])));
    validation[28..30].copy_from_slice(&sum.wrapping_neg().to_le_bytes());
    put(CATALOG, 0, &validation);
    const BOOTABLE: u8 = 0x88;
    put(CATALOG, 32, &[BOOTABLE, 0, 0, 0, 0, 0, 4, 0]);
    put(CATALOG, 40, &(CODE as u32).to_le_bytes());
    put(CODE, 0, &PROGRAM);
    put(CODE, TEXT, SAYING);
    image
}

/// Where the text is behind the program; both are loaded at 7C00h.
const TEXT: usize = 0x20;

/// Sixteen-bit code.
#[rustfmt::skip]
const PROGRAM: [u8; 28] = [
    0xFA,                   // cli
    0x31, 0xC0,             // xor ax, ax
    0x8E, 0xD8,             // mov ds, ax
    0xBE, 0x20, 0x7C,       // mov si, 7C20h
    0xAC,                   // next: lodsb
    0x84, 0xC0,             // test al, al
    0x74, 0x06,             // jz end
    0xBA, 0xF8, 0x03,       // mov dx, 3F8h
    0xEE,                   // out dx, al
    0xEB, 0xF5,             // jmp next
    0xB0, 0x00,             // end: mov al, 0
    0xBA, 0xF4, 0x00,       // mov dx, F4h
    0xEE,                   // out dx, al
    0xF4,                   // hlt
    0xEB, 0xFD,             // jmp hlt
];
