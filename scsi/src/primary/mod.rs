//! Commands that every kind of unit has (SPC-4), one file for each question.

pub(crate) mod buffer;
pub(crate) mod diagnostic;
pub(crate) mod identifying_information;
pub(crate) mod inquiry;
pub(crate) mod log_select;
pub(crate) mod log_sense;
pub(crate) mod luns;
pub(crate) mod mode_select;
pub(crate) mod mode_sense;
pub(crate) mod persistent_in;
pub(crate) mod persistent_out;
pub(crate) mod ready;
pub(crate) mod request_sense;
pub(crate) mod reserve;
pub(crate) mod supported;
pub(crate) mod target_port_groups;
pub(crate) mod timestamp;
mod transport_id;
