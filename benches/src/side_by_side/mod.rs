//! How does ferrite stand beside a peer and beside the wire, on one machine and in one hour?
//!
//! All contestants run at the same time, pinned to one processor and idle but for the one that is measured; the
//! generator has another processor to itself. A case is measured in rounds, the contestants in turns and each round in
//! the opposite order, so that whatever drifts on the machine drifts for all. What is told are ratios of medians.

mod cases;
mod contestant;
mod measure;
mod report;

use std::io;

pub use cases::{CASES, Case};
pub use contestant::{Contestant, ferrite, tgt, wire_limit};
pub use measure::{Figures, Measured, measure, prefill};
pub use report::{in_place_of, machine, report};

/// Why a comparison could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused something.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A contestant did not do what it has to.
    #[error("{0}")]
    Contestant(String),
    /// A run of the generator failed.
    #[error("{contestant}, {case}: {source}")]
    Run {
        /// Whose run it was.
        contestant: &'static str,
        /// What was measured.
        case: String,
        /// Why it failed.
        source: crate::load::Error,
    },
}

impl Error {
    fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Error::System { what: what.into(), source }
    }
}
