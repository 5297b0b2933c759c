//! A command as it arrives, and the shape of the tables that say what is a command.

mod cdb;
pub(crate) mod row;
pub(crate) mod table;

pub(crate) use cdb::Cdb;
pub(crate) use row::Row;
pub(crate) use table::Table;

use crate::nexus::Nexus;
use crate::port::Port;
use crate::unit::LogicalUnit;

/// A SCSI command as the transport delivered it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command<'a> {
    /// Command descriptor block; longer than the command needs, where the transport pads (iSCSI: to 16 bytes).
    pub cdb: &'a [u8],
    /// Task attribute.
    pub attribute: Attribute,
    /// Bytes of data-out that the initiator announces; 0 if none.
    pub data_out: u32,
    /// Bytes of data-in that the initiator has room for; 0 if none.
    pub data_in: u32,
}

/// Task attribute (SAM-5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Attribute {
    /// None was given.
    Untagged,
    /// In any order.
    Simple,
    /// After everything older, before everything younger.
    Ordered,
    /// Before everything that waits.
    HeadOfQueue,
    /// Part of an auto contingent allegiance, which we do not establish.
    Aca,
}

/// All that a command's handler may look at and change.
pub(crate) struct Asked<'a> {
    pub(crate) unit: &'a LogicalUnit,
    /// The commands that the unit has.
    pub(crate) table: &'static Table,
    pub(crate) nexus: &'a mut Nexus,
    pub(crate) port: &'a Port,
    pub(crate) cdb: Cdb<'a>,
    pub(crate) data_out: u32,
}
