//! Which doors does the outside world have into this project, and what must hold whatever comes through them?
//!
//! Each door is a function of bytes that returns, or panics where something is wrong. The fuzz targets in
//! `fuzz/fuzz_targets` call nothing else, and `tests/replay.rs` puts every input of `fuzz/corpus` through the same
//! functions with a stable compiler, so that what a fuzzer once found is looked for with every test run.

#![forbid(unsafe_code)]

mod answers;
mod bytes;
mod cdb;
mod config;
mod keys;
mod login;
mod owner;
mod pdu;
mod session_ops;

pub use answers::answers;
pub use cdb::cdb;
pub use config::config;
pub use keys::keys;
pub use login::login;
pub use pdu::pdu;
pub use session_ops::session_ops;

/// A door.
pub type Door = fn(&[u8]);

/// Every door by its name, which is also that of its fuzz target and of its folder of inputs.
pub const DOORS: [(&str, Door); 7] = [
    ("pdu", pdu),
    ("keys", keys),
    ("login", login),
    ("session_ops", session_ops),
    ("answers", answers),
    ("cdb", cdb),
    ("config", config),
];
