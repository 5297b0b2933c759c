//! What of a unit's state outlives the process, and how it changes.

use super::persistent::{Persistent, Registrant};
use super::settings::Settings;
use super::underway::Operation;
use crate::attention::Attention;
use crate::plan::Plan;
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

/// A change of what lasts: planned from the state that was, made true once it is safe.
///
/// The owner sees to it that between the plan and [`Book::amend`](super::Book::amend) no other command of the unit
/// that [changes what lasts](crate::goes_alone) is planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amendment {
    /// What has to be on stable storage first.
    pub keep: Lasting,
    /// What the unit's state becomes.
    pub(crate) next: Lasting,
    /// Who hears of it: all but the session, with what they hear.
    pub(crate) posts: Vec<(u64, Attention)>,
    /// Who hears of it besides: these and no others.
    pub(crate) told: Vec<(Registrant, Attention)>,
    /// What is next for the command that asked for it.
    pub(crate) then: Plan,
}
