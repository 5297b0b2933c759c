//! The join: SCSI says what, backends do it, the protocol carries it, and this crate brings them together.
//!
//! * [`io`]: all that a shard asks of the world, and the tenants that give it.
//! * `shard`: one thread, one loop; connections, sessions and commands from the first byte to the last.
//! * [`catalog`]: what is served, immutable.
//! * [`state`]: what of a unit's state outlives the process.
//! * `errand`: what blocks and is rare, on threads of its own.
//! * [`roster`]: the sessions of all shards, asked at login.
//! * `lane`: what must not happen at the same time on one unit.
//! * [`control`]: the registry that changes the catalog, and the handle [`Engine`].
//!
//! `control` knows `shard`, `shard` knows `errand` and `roster`, both know `catalog`, which knows `lane` and `state`;
//! `shard` and `control` know `io`. Never the other way round.

#![deny(unsafe_code)]

pub mod catalog;
pub mod control;
mod errand;
mod hold;
pub mod io;
mod lane;
pub mod roster;
mod sense;
mod shard;
pub mod state;

pub use catalog::EmptyDrive;
pub use control::{Engine, EngineOptions, ShutdownReport};
pub use io::{IoChoice, IoOptions};
pub use shard::{Limits, SessionReport};
