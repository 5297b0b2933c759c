//! Pushes at the door `pdu`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ferrite_fuzz_doors::pdu(bytes));
