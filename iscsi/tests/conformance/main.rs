//! Does the protocol keep RFC 7143 and RFC 7144, clause by clause, against an initiator that checks and misbehaves?
//!
//! One file per topic; each test names its clause. The target side is the state machine with a RAM disk, the other
//! side is `ferrite_iscsi::initiator`, and between them is memory.

mod bad_input;
mod chap;
mod data_in;
mod data_out;
mod digests;
mod keys;
#[allow(missing_docs, unreachable_pub, reason = "the kit is private to these tests")]
mod kit;
mod login;
mod logout;
mod management;
mod nop;
mod notices;
mod segmentation;
mod text;
mod window;
