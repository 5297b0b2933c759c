//! How does a target speak iSCSI (RFC 7143, RFC 7144) without touching a socket, a disk or a clock?
//!
//! Bytes go in, events come out, bytes come out; time and entropy are arguments. The same code serves epoll, a
//! simulation, a fuzzer, and a process that takes live sessions over from another.
//!
//! - [`wire`]: headers, segments, digests and text, in both directions.
//! - [`Login`]: one TCP connection up to full feature phase. It pauses and asks its owner twice ([`LoginEvent::Names`],
//!   [`LoginEvent::Ready`]) and then turns into a [`Session`] and a [`Connection`].
//! - [`Session`]: what both sides have with each other: names, parameters, command window, tasks. Plain data.
//! - [`Connection`]: the stream. [`Connection::want`] says where its next bytes belong, so that write data lands in the
//!   task's own buffer and is only looked at here; read data stays in its owner's [`Payload`] until it has been sent.
//!
//! Whatever a peer gets wrong ends in one type, [`Fault`], or in a Reject that the connection survives. Every queue,
//! text and table has a named limit; every wait on the peer has a deadline.

#![forbid(unsafe_code)]

pub mod connection;
pub mod fault;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
pub mod login;
mod outgoing;
mod params;
mod payload;
mod serial;
pub mod session;
pub mod wire;

#[cfg(feature = "initiator")]
pub mod initiator;

pub use connection::{
    Attribute, Command, Connection, ConnectionLimits, Event, LogoutReason, Manage, ManageFunction, ManageResponse,
    Notice, Outcome, Referenced, TargetRecord, TargetsAsked, Want,
};
pub use fault::{Cost, Fault};
pub use login::{
    Account, Auth, DigestOffer, Entropy, Login, LoginEvent, LoginLimits, LoginStatus, Offer, Secret, Terms,
};
pub use outgoing::Outgoing;
pub use params::{Params, TaskReporting};
pub use payload::Payload;
pub use session::{Candidate, Isid, ManageTag, Session, Task, TaskTag, Tsih};
