//! Pushes at the door `keys`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ferrite_fuzz_doors::keys(bytes));
