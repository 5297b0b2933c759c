//! How many commands a second does a target answer, and how soon?
//!
//! One thread, no runtime: every connection is drained with one large read a turn, all that is due on it leaves in one
//! vectored write, and nothing is allocated per command. The thread sleeps in `poll` only when no connection moved.

mod lane;
mod report;
mod run;
mod workload;

use std::io;

pub use report::Report;
pub use run::{CONNECTIONS_MAX, DEPTH_MAX, Options, Pattern, run};
pub use workload::Access;

/// Why a run could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A socket failed.
    #[error("a connection failed: {0}")]
    Io(#[from] io::Error),
    /// The login or the first commands failed.
    #[error("the target could not be prepared: {0}")]
    Prepare(#[from] ferrite_iscsi::initiator::Error),
    /// The options do not fit the target.
    #[error("{0}")]
    Unfit(String),
    /// A command ended with another status than GOOD.
    #[error("a command ended with status {0:#04x}")]
    Status(u8),
    /// A digest did not match.
    #[error("a digest of the target does not match")]
    Digest,
    /// The target said something that it should not.
    #[error("the target said something that it should not: {0}")]
    Protocol(&'static str),
    /// The target closed a connection.
    #[error("the target closed a connection during the run")]
    Closed,
    /// Commands stayed without an answer.
    #[error("no command was answered for {0} seconds")]
    Silent(u64),
}
