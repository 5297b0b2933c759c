//! The iSCSI protocol (RFC 7143, RFC 7144) as a sans-IO state machine.

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
