//! How fast is ferrite, beside its peers and beside what the wire allows?
//!
//! * [`load`]: the generator behind the program `ferrite-load`, for any iSCSI target;
//! * [`wire_limit`]: a server of canned answers, the ceiling that any target meets on this machine;
//! * [`side_by_side`]: targets and ceiling measured in turns, told as ratios;
//! * [`third_party_copy`]: copies inside a target beside copies through its initiator.
//!
//! The benches of single parts are in `benches/`, for criterion. Nothing here runs under `cargo test` but the tests of
//! these tools themselves: a test suite that measures time fails on a busy machine.

#![forbid(unsafe_code)]

pub mod load;
mod outbox;
pub mod side_by_side;
pub mod third_party_copy;
pub mod wire_limit;
