//! SCSI as a storage target speaks it: a command descriptor block goes in, a [`Plan`] comes out.
//!
//! This crate is pure: it has no clock, no I/O, no threads and no knowledge of iSCSI. A [`LogicalUnit`] reads a
//! [`Command`] together with what one initiator has with the unit (its [`Nexus`]) and answers with a [`Plan`]:
//! either a finished [`Reply`], or what has to be done to which *bytes* of the medium. Whoever holds the medium
//! executes the plan, and answers GOOD or a [`Sense`] that tells the truth about what went wrong.
//!
//! ```
//! use std::sync::Arc;
//! use ferrite_scsi::{Attribute, Book, Command, Device, Identity, LogicalUnit, Medium, Nexus, NexusId, Plan, Port};
//!
//! let unit = LogicalUnit::new(
//!     Identity::derive("uuid:6a1f0c8e"),
//!     Medium::new(512, 2048).unwrap(),
//!     Arc::new(Book::new()),
//! );
//! let port = Port::single("iqn.2026-11.com.example:demo", Arc::new(Device::new(|| 0, |bytes| bytes.fill(4))));
//! let host = NexusId { session: 1, name: "iqn.2026-11.com.example:host,i,0x1".into(), portal_group: 1 };
//! let mut nexus = Nexus::new(host);
//! nexus.forget_attentions();
//!
//! let read_10 = [0x28, 0, 0, 0, 0, 8, 0, 0, 4, 0];
//! let command = Command { cdb: &read_10, attribute: Attribute::Simple, data_out: 0, data_in: 2048 };
//! assert_eq!(unit.plan(&mut nexus, &port, &command), Plan::Read { at: 8 * 512, len: 4 * 512, fua: false });
//! ```
//!
//! The standards are SAM-5, SPC-4 and SBC-3; SPC-2 where it alone defines something (RESERVE and RELEASE). What is
//! meant is named by its command, page or field, for clause numbers move from revision to revision.

#![forbid(unsafe_code)]

mod attention;
mod block;
mod book;
mod command;
mod copy;
mod device;
mod dispatch;
mod gauges;
mod identity;
mod lasting;
pub mod lun;
mod medium;
mod nexus;
mod nexus_id;
mod optical;
mod page;
mod plan;
mod port;
mod primary;
mod sense;
mod unit;

pub use attention::Attention;
pub use book::{AccessState, Book, Holder, Progress, RegistrationReport, ReservationCounters, ReservationReport};
pub use command::{Attribute, Command};
pub use device::Device;
pub use dispatch::goes_alone;
pub use gauges::{Gauges, Share, Traffic, Usage};
pub use identity::{Ascii, BadIdentity, Clash, Designator, Eui, Identity, IetRelease, Naa, Profile};
pub use lasting::{Lasting, Operation, Persistent, Registrant, Registration, Reservation, ReservationType, Settings};
pub use medium::{AtomicLimits, BadMedium, Medium, Provisioning, Rotation, UnmapLimits};
pub use nexus::Nexus;
pub use nexus_id::NexusId;
pub use plan::{
    Amendment, Answer, Copied, Copy, CopyFailure, CopySide, Erase, Erasure, Extent, Extents, Mapped, Mapping, Move,
    Plan, Question, Reply, Source, Status,
};
pub use port::{Port, PortGroup};
pub use sense::{CopySegment, FieldPointer, Forwarded, Sense, SenseBytes, SenseKey, SenseSource, Specific};
pub use unit::LogicalUnit;

#[cfg(test)]
mod tests;
