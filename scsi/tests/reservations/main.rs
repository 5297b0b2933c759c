//! Reservations as clusters use them: whole sequences of commands in bytes, from several hosts.

mod cluster_validation;
mod fence_scsi;
mod hosts;
mod model;
