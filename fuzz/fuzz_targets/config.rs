//! Pushes at the door `config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ferrite_fuzz_doors::config(bytes));
