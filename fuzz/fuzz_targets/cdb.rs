//! Pushes at the door `cdb`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ferrite_fuzz_doors::cdb(bytes));
