//! The join: SCSI says what, backends do it, the protocol carries it, and this crate brings them together.
//!
//! * [`io`]: all that a shard asks of the world, and the tenants that give it.
//! * `shard`: one thread, one loop; connections, sessions and commands from the first byte to the last.
//! * [`catalog`]: what is served, immutable.
//! * [`roster`]: the sessions of all shards, asked at login.
//! * `lane`: what must not happen at the same time on one unit.
//! * [`control`]: the registry that changes the catalog, and the handle [`Engine`].
//!
//! `control` knows `shard`, `shard` knows `catalog` and `roster`, `catalog` knows `lane`, all know `io`; never the
//! other way round.

#![deny(unsafe_code)]

pub mod catalog;
pub mod control;
pub mod io;
#[allow(dead_code, reason = "shards take to it next")]
mod lane;
pub mod roster;
mod shard;

pub use control::{Engine, EngineOptions, ShutdownReport};
pub use io::{IoChoice, IoOptions};
pub use shard::{Limits, SessionReport};
