//! Pushes at the door `login`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ferrite_fuzz_doors::login(bytes));
