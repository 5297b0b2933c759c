//! A userspace iSCSI target to embed: describe what is served, get a handle on it while it runs.
//!
//! ```no_run
//! use ferrite::{Lun, Target};
//!
//! let running = Target::builder("iqn.2026-11.com.example:demo")
//!     .portal("127.0.0.1:3260")
//!     .allow("any")
//!     .lun(0, Lun::memory(64 << 20))
//!     .serve()?;
//! running.add_lun(1, Lun::blockio("/dev/vg0/data")?)?; // sessions go on
//! # Ok::<(), ferrite::Error>(())
//! ```
//!
//! Any [`Backend`] can be a LUN. [`Server`] serves several targets, or a whole [`Config`]. The library runs
//! its own threads, installs no signal handler, no logger and no global; it logs through `tracing`.
//!
//! What a program may change while sessions go on: LUNs ([`Running::add_lun`], [`Running::resize_lun`],
//! [`Running::remove_lun`]), the disc in a drive ([`Running::eject`], [`Running::insert`]), and how well the LUNs are
//! reached through a portal group ([`Running::set_access_state`]). What initiators make a LUN remember outlives the
//! process where [`TargetBuilder::state_dir`] says where.

#![forbid(unsafe_code)]

mod builder;
mod error;
mod lun;
mod running;
mod server;

pub use builder::{Target, TargetBuilder};
pub use error::Error;
pub use lun::Lun;
pub use running::Running;
pub use server::Server;

pub use ferrite_api::{
    self as api, AccessState, AllowRule, ChapSpec, Config, EngineSpec, Eui64Name, IdentityProfile, IdentitySpec,
    InquiryText, IoChoice, Iqn, LunNumber, LunSpec, NaaName, NegotiateSpec, Percent, PortalAddress, PortalGroup,
    PortalSpec, Refusal, Secret, SecretSource, Size, TargetSpec,
};
pub use ferrite_backends::{
    Backend, BlockDisk, Create, Data, Discard, DiskError, DiskFile, DiskOptions, FileDisk, FileRing, FileWork,
    Finished, Geometry, Home, Job, MemoryDisk, NullDisk, Op, Page, Pages, Work,
};
pub use ferrite_engine::{SessionReport, ShutdownReport};

/// The examples of the README, compiled with the others.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
