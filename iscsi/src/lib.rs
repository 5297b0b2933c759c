//! The iSCSI protocol (RFC 7143, RFC 7144) as a sans-IO state machine.

#![forbid(unsafe_code)]

pub mod wire;

#[cfg(feature = "initiator")]
pub mod initiator;
