//! The kit that proves the target against software we did not write: it starts `ferrited` as any administrator
//! would, and sets foreign initiators on it.
//!
//! The kit knows the target by its command line, its configuration file and its portal, and links none of its
//! crates: what passes here passes for a stranger.
//!
//! A tool that is missing fails the test where `CI` is set, and skips it loudly elsewhere ([`need`]).
//! `FERRITE_PEER=tgt` runs the same tests against Debian's `tgt`, which tells a mistake of the kit from one of the target.

#![forbid(unsafe_code)]

pub mod device;
pub mod guest;
pub mod house;
pub mod libiscsi;
pub mod need;
pub mod process;
pub mod qemu;
pub mod served;
pub mod setup;
pub mod software;
