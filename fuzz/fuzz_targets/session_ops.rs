//! Pushes at the door `session_ops`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ferrite_fuzz_doors::session_ops(bytes));
