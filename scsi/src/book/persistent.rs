//! Persistent reservations: who is registered, and who holds the unit.

use serde::{Deserialize, Serialize};

/// Registrations and the reservation of one unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Persistent {}
