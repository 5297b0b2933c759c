//! The target as a command sees it: the port it came through, the units behind it, the device they are of.

use crate::device::Device;
use crate::unit::LogicalUnit;
use std::sync::Arc;

/// The SCSI target port a command came through, with what its target offers there.
///
/// Shared by everything behind the port, and rebuilt when the inventory changes.
#[derive(Debug, Clone)]
pub struct Port {
    /// iSCSI name of the target: the SCSI device name.
    pub target: String,
    /// RELATIVE TARGET PORT IDENTIFIER, from 1.
    pub relative_port: u16,
    /// TARGET PORT GROUP.
    pub group: u16,
    /// The logical units by number, ascending.
    pub units: Vec<(u16, Arc<LogicalUnit>)>,
    /// All target port groups of the target, ascending; this port's is one of them.
    pub groups: Vec<PortGroup>,
    /// What all targets of a process share.
    pub device: Arc<Device>,
}

/// Ports that have one access state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortGroup {
    /// TARGET PORT GROUP.
    pub number: u16,
    /// RELATIVE TARGET PORT IDENTIFIERS of its ports, ascending.
    pub ports: Vec<u16>,
}

impl Port {
    /// The only port of a target without units.
    pub fn single(target: &str, device: Arc<Device>) -> Port {
        Port {
            target: target.to_owned(),
            relative_port: 1,
            group: 1,
            units: Vec::new(),
            groups: vec![PortGroup { number: 1, ports: vec![1] }],
            device,
        }
    }

    /// Numbers of the logical units, ascending.
    pub fn luns(&self) -> impl Iterator<Item = u16> + '_ {
        self.units.iter().map(|(number, _)| *number)
    }

    /// The unit behind a number.
    pub fn unit(&self, number: u16) -> Option<&Arc<LogicalUnit>> {
        let at = self.units.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        Some(&self.units[at].1)
    }
}
