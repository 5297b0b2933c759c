//! What of a unit's state outlives the process?

mod operation;
mod persistent;
mod registrar;
mod settings;
mod shut_out;

pub use operation::Operation;
pub use persistent::{Persistent, Registrant, Registration, Reservation, ReservationType};
pub(crate) use registrar::{Outcome, Reach, Refusal, Request, SPEC_I_PT};
pub use settings::Settings;
pub(crate) use shut_out::ShutOut;

use serde::{Deserialize, Serialize};

/// The state of a unit that is kept on stable storage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lasting {
    /// Persistent reservations, while APTPL is in force.
    pub persistent: Persistent,
    /// Saved mode parameters.
    pub settings: Settings,
    /// What initiators have set with SET IDENTIFYING INFORMATION, by type.
    pub information: std::collections::BTreeMap<u8, Vec<u8>>,
    /// An operation that began and is not known to have ended: the medium holds neither what it did nor what it should.
    pub unfinished: Option<Operation>,
}
