//! A command as the initiator offered it.

use ferrite_scsi::Attribute;

use crate::errand::Order;

/// What the initiator offered, for [`Work::new`](super::Work::new).
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) cdb: &'a [u8],
    pub(crate) attribute: Attribute,
    /// Room for data-in, in bytes.
    pub(crate) data_in: u32,
    /// Data-out to come, in bytes.
    pub(crate) data_out: u32,
    /// Data-out that a parameter list already took.
    pub(crate) gathered: u32,
    pub(crate) block_size: u32,
    pub(crate) write_cache: bool,
}

impl Ask<'_> {
    /// The same, kept.
    pub(super) fn order(&self) -> Order {
        Order {
            cdb: self.cdb.into(),
            attribute: self.attribute,
            data_in: self.data_in,
            data_out: self.data_out,
            gathered: self.gathered,
        }
    }

    /// The command as SCSI sees it.
    pub(crate) fn command(&self) -> ferrite_scsi::Command<'_> {
        ferrite_scsi::Command {
            cdb: self.cdb,
            attribute: self.attribute,
            data_out: self.data_out,
            data_in: self.data_in,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn ask(data_in: u32, data_out: u32) -> Ask<'static> {
        Ask {
            cdb: &[],
            attribute: Attribute::Simple,
            data_in,
            data_out,
            gathered: 0,
            block_size: 512,
            write_cache: true,
        }
    }
}
