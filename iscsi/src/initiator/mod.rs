//! What is the smallest honest initiator that tests, self-checks, monitors and benches can rely on?
//!
//! It speaks over any [`Read`](std::io::Read) + [`Write`](std::io::Write) stream and opens none itself; it has no clock
//! (a timeout is the stream's) and no randomness (a CHAP challenge is the caller's). It believes nothing: each PDU is
//! checked against what was agreed on, and a breach names its clause.
//!
//! Three levels, from far to near the wire:
//!
//! * calls: [`Initiator::read`], [`Initiator::send_targets`], [`Initiator::manage`], ... one request, one answer;
//! * pipelined: [`Initiator::submit`] and its like, ends collected with [`Initiator::complete`];
//! * raw: [`Initiator::frames`] and [`Initiator::receive_pdu`], or [`Frames`] from the first login byte on, so that a
//!   test can misbehave in any way there is.
//!
//! A stream that answers [`WouldBlock`](std::io::ErrorKind::WouldBlock) is asked again with the next call. Deep write
//! pipelines over a blocking stream need a target that reads while it has something to send.

mod agreed;
mod chap;
mod discovery;
mod error;
mod frames;
mod login;
mod receive;
mod request;
mod scsi;
mod session;
mod settings;
mod submit;
mod task;

pub use agreed::Agreed;
pub use chap::{Chap, ChapAlgorithm, Credentials, MutualChap};
pub use discovery::{ANSWER_MAX, Discovered};
pub use error::Error;
pub use frames::{Frames, Pdu};
pub use login::LOGIN_EXCHANGES_MAX;
pub use request::{Answer, Completion, Manners, Notice, Request, Residual, ScsiResult, lun};
pub use scsi::{Capacity, cdb};
pub use session::{Initiator, NOTICES_MAX, Parts};
pub use settings::{Keys, Settings};
