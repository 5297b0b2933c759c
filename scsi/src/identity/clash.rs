//! What two units have in common that initiators would take for one disk.

use super::{Identity, Profile};

/// A name that two units share, or could share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Clash {
    /// A designator of the device identification page, as text: multipath would make one disk of two.
    Name(String),
    /// The unit serial number: old ESX takes them for two paths to one disk.
    Serial(String),
}

impl Identity {
    /// What `other` has that this unit has, too: they must not be shown by one node. No serial at all is not a serial
    /// that is shared.
    pub fn clash(&self, other: &Identity) -> Option<Clash> {
        let theirs = other.marks();
        self.marks().into_iter().find(|mark| theirs.contains(mark))
    }

    /// All that no other unit may have: two units with one of these in common clash.
    pub fn marks(&self) -> Vec<Clash> {
        let serial = (!self.serial.is_empty()).then(|| Clash::Serial(self.serial.clone()));
        names(self).into_iter().map(Clash::Name).chain(serial).collect()
    }
}

/// All that page 83h says of the unit itself.
fn names(identity: &Identity) -> Vec<String> {
    match identity.profile {
        Profile::Standard => identity.designators.iter().map(ToString::to_string).collect(),
        Profile::Iet { .. } => vec![identity.name()],
    }
}

impl std::fmt::Display for Clash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Clash::Name(name) => write!(f, "the name {name}"),
            Clash::Serial(serial) => write!(f, "the serial number {serial}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::IetRelease;

    #[test]
    fn a_shared_designator_or_serial_is_found_and_nothing_else_is() {
        let (one, other) = (Identity::derive("a"), Identity::derive("b"));
        assert_eq!(one.clash(&other), None);
        assert_eq!(one.clash(&one), Some(Clash::Name(one.name())));
        let serial = other.clone().with_serial(one.serial()).unwrap();
        assert_eq!(one.clash(&serial), Some(Clash::Serial(one.serial().to_owned())));
        let name = other.clone().with_world_wide_names(vec![one.designators()[0].clone()]).unwrap();
        assert_eq!(one.clash(&name), Some(Clash::Name(one.name())));
    }

    #[test]
    fn disks_that_were_taken_over_clash_by_their_scsi_id_and_not_by_having_no_serial() {
        let iet = |id: &[u8], serial| Identity::iet(IetRelease::V0_4_15, id, serial).unwrap();
        assert_eq!(iet(b"a", "").clash(&iet(b"b", "")), None);
        assert_eq!(
            iet(b"a", "").clash(&iet(b"a", "x")).map(|clash| clash.to_string()),
            Some("the name iet.61000000000000000000000000000000".into())
        );
        assert_eq!(
            iet(b"a", "x").clash(&iet(b"b", "x")).map(|clash| clash.to_string()),
            Some("the serial number x".into())
        );
    }
}
