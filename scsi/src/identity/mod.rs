//! Who a logical unit is: the names by which initiators know it again, which must never change.

mod clash;
mod designator;
mod text;

pub use clash::Clash;
pub use designator::{Designator, Eui, Naa};
pub use text::Ascii;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
pub(crate) use text::printable;

/// Everything that tells one disk from another.
///
/// An initiator that sees other bytes sees another disk: ESX takes a datastore for a copy, multipath makes a new
/// map. So an identity is derived once from something that does not move, or given byte by byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    profile: Profile,
    vendor: Ascii<8>,
    product: Ascii<16>,
    revision: Ascii<4>,
    serial: String,
    designators: Vec<Designator>,
}

/// Which shape INQUIRY data has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Profile {
    /// SPC-4 and SBC-3, with all their pages.
    Standard,
    /// What a disk taken over from the iSCSI Enterprise Target showed, byte for byte.
    Iet {
        /// The release that showed it.
        release: IetRelease,
        /// The 16 bytes of its ScsiId, padded with NUL.
        scsi_id: [u8; 16],
    },
}

/// Releases of the iSCSI Enterprise Target whose INQUIRY data differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum IetRelease {
    /// 0.4.15.
    V0_4_15,
    /// 1.4.20.
    V1_4_20,
}

impl Identity {
    /// Designators that one unit may have besides those of its port.
    pub const DESIGNATORS_MAX: usize = 8;

    /// Characters of a serial number.
    pub const SERIAL_MAX: usize = 64;

    /// The identity of the disk that `unique` names: a UUID, a WWID, a path; something that is the same after a
    /// restart, on every node, and nowhere else. The same name gives the same identity in every release.
    ///
    /// It gets an NAA and a T10 vendor id designator, both from one SHA-256, and a serial number that is the same
    /// hash in hex, so that people see what belongs together.
    ///
    /// The NAA designator is of the *locally assigned* form (NAA 3h). The forms 2h, 5h and 6h begin with a company
    /// id that IEEE has assigned to whoever makes the name (SPC-4, NAA designator format), and this project owns none:
    /// a borrowed or invented one would name a disk of somebody else. 3h has no company id; its 60 bits only have to be
    /// unique among the disks that meet, and of a million hashed names two meet with a chance of one in two million.
    /// The owner of a company id has [`Identity::registered`] or gives names by [`Identity::with_world_wide_names`].
    pub fn derive(unique: &str) -> Identity {
        let digest = Sha256::new().chain_update(b"ferrite logical unit\0").chain_update(unique).finalize();
        let hex: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        let mut value = [0; 8];
        value.copy_from_slice(&digest[..8]);
        Identity {
            profile: Profile::Standard,
            vendor: Ascii::cut("FERRITE"),
            product: Ascii::cut("VIRTUAL DISK"),
            revision: Ascii::cut(REVISION),
            designators: vec![
                Designator::Naa(Naa::local(u64::from_be_bytes(value))),
                Designator::T10 { vendor: Ascii::cut("FERRITE"), id: Ascii::cut(&hex) },
            ],
            serial: hex,
        }
    }

    /// The same, for the owner of a `company` id of IEEE (24 bits): the NAA name is of the form 6h, IEEE registered
    /// extended, with a hundred bits of the hash.
    pub fn registered(company: u32, unique: &str) -> Identity {
        let derived = Identity::derive(unique);
        let value = u128::from_str_radix(&derived.serial, 16).expect("a derived serial is 32 hex digits");
        let naa = Designator::Naa(Naa::registered_extended(company, value));
        derived.with_world_wide_names(vec![naa]).expect("two designators are not too many")
    }

    /// The identity that the iSCSI Enterprise Target `release` showed for a disk with this ScsiId (at most 16
    /// bytes) and ScsiSN (empty: none was set).
    ///
    /// # Errors
    /// [`BadIdentity`], when either is longer than that release could show, or the serial is not printable.
    pub fn iet(release: IetRelease, scsi_id: &[u8], serial: &str) -> Result<Identity, BadIdentity> {
        let serial_max = match release {
            IetRelease::V0_4_15 => 16,
            IetRelease::V1_4_20 => 32,
        };
        let mut padded = [0; 16];
        let place = padded.get_mut(..scsi_id.len()).ok_or(BadIdentity::TooLong { max: 16 })?;
        place.copy_from_slice(scsi_id);
        Ok(Identity {
            profile: Profile::Iet { release, scsi_id: padded },
            vendor: Ascii::cut("IET"),
            product: Ascii::cut("VIRTUAL-DISK"),
            revision: Ascii::cut("0"),
            serial: printable(serial, serial_max)?.to_owned(),
            designators: Vec::new(),
        })
    }

    /// With another T10 VENDOR IDENTIFICATION (at most 8 characters). The designators stay.
    ///
    /// # Errors
    /// [`BadIdentity`], as of every text here: too long, or not printable ASCII.
    pub fn with_vendor(self, vendor: &str) -> Result<Identity, BadIdentity> {
        Ok(Identity { vendor: Ascii::new(vendor)?, ..self })
    }

    /// With another PRODUCT IDENTIFICATION (at most 16 characters).
    ///
    /// # Errors
    /// [`BadIdentity`]
    pub fn with_product(self, product: &str) -> Result<Identity, BadIdentity> {
        Ok(Identity { product: Ascii::new(product)?, ..self })
    }

    /// With another PRODUCT REVISION LEVEL (at most 4 characters).
    ///
    /// # Errors
    /// [`BadIdentity`]
    pub fn with_revision(self, revision: &str) -> Result<Identity, BadIdentity> {
        Ok(Identity { revision: Ascii::new(revision)?, ..self })
    }

    /// With another PRODUCT SERIAL NUMBER (at most [`Identity::SERIAL_MAX`] characters).
    ///
    /// # Errors
    /// [`BadIdentity`]
    pub fn with_serial(self, serial: &str) -> Result<Identity, BadIdentity> {
        Ok(Identity { serial: printable(serial, Identity::SERIAL_MAX)?.to_owned(), ..self })
    }

    /// With these names of the unit instead of the derived ones.
    ///
    /// # Errors
    /// [`BadIdentity::Designators`], when there are none or more than [`Identity::DESIGNATORS_MAX`].
    pub fn with_designators(self, designators: Vec<Designator>) -> Result<Identity, BadIdentity> {
        if designators.is_empty() || designators.len() > Identity::DESIGNATORS_MAX {
            return Err(BadIdentity::Designators);
        }
        Ok(Identity { designators, ..self })
    }

    /// With these names in place of the NAA and EUI-64 names it has; the T10 vendor identifications stay, behind
    /// them. Initiators prefer NAA 6h and 5h, then EUI-64, then NAA 3h, then T10: a name from configuration must not stand
    /// beside a derived one that some initiator prefers.
    ///
    /// # Errors
    /// [`BadIdentity::Designators`], when `names` is empty, or there are more than [`Identity::DESIGNATORS_MAX`] with
    /// those that stay.
    pub fn with_world_wide_names(self, mut names: Vec<Designator>) -> Result<Identity, BadIdentity> {
        if names.is_empty() {
            return Err(BadIdentity::Designators);
        }
        names.extend(self.designators.iter().filter(|name| matches!(name, Designator::T10 { .. })).cloned());
        self.with_designators(names)
    }

    /// The name by which initiators know it, as text: its first designator; or `iet.` and the hex digits of its
    /// ScsiId. No two units of a node may have the same ([`Identity::clash`]), so it also names what is kept of a unit.
    pub fn name(&self) -> String {
        match (self.profile, self.designators.first()) {
            (Profile::Iet { scsi_id, .. }, _) => {
                scsi_id.iter().fold(String::from("iet."), |text, byte| format!("{text}{byte:02x}"))
            }
            (Profile::Standard, Some(first)) => first.to_string(),
            (Profile::Standard, None) => unreachable!("a standard identity has a designator"),
        }
    }

    /// Which shape INQUIRY data has.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// T10 VENDOR IDENTIFICATION.
    pub fn vendor(&self) -> &Ascii<8> {
        &self.vendor
    }

    /// PRODUCT IDENTIFICATION.
    pub fn product(&self) -> &Ascii<16> {
        &self.product
    }

    /// PRODUCT REVISION LEVEL.
    pub fn revision(&self) -> &Ascii<4> {
        &self.revision
    }

    /// PRODUCT SERIAL NUMBER, as page 80h shows it but without its padding.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// The names of the unit itself; those of its port come with the port.
    pub fn designators(&self) -> &[Designator] {
        &self.designators
    }
}

/// Why something cannot be the name of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadIdentity {
    /// More characters than its field has.
    TooLong {
        /// As many as it has.
        max: usize,
    },
    /// Something else than ASCII from space to tilde.
    NotPrintable,
    /// No designator at all, or too many.
    Designators,
    /// Not the length or the first digit of an NAA name.
    NotNaa,
    /// Not the length of a name based on an EUI-64.
    NotEui,
    /// Not a name of the form `naa.`, `eui.` or `t10.`.
    NotDesignator,
}

impl std::fmt::Display for BadIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BadIdentity::TooLong { max } => write!(f, "longer than {max} characters"),
            BadIdentity::NotPrintable => write!(f, "not printable ASCII"),
            BadIdentity::Designators => write!(f, "a unit has 1 to {} designators", Identity::DESIGNATORS_MAX),
            BadIdentity::NotNaa => {
                write!(f, "an NAA name is 8 bytes that begin with 2, 3 or 5, or 16 bytes that begin with 6")
            }
            BadIdentity::NotEui => write!(f, "a name based on an EUI-64 is 8, 12 or 16 bytes"),
            BadIdentity::NotDesignator => {
                write!(f, "not a name like naa.6..., eui.... or t10.VENDOR...")
            }
        }
    }
}

impl std::error::Error for BadIdentity {}

/// Major and minor version of this crate: what four characters can say of it.
const REVISION: &str = concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_of_a_name_is_the_same_for_ever() {
        let identity = Identity::derive("uuid:6a1f0c8e");
        // These bytes are a contract with every initiator that has ever seen such a disk.
        assert_eq!(identity.serial(), "961b901657db97720638bb5ca2fec950");
        assert_eq!(identity.designators()[0].to_string(), "naa.361b901657db9772");
        assert_eq!(identity.designators()[1].to_string(), "t10.FERRITE 961b901657db97720638bb5ca2fec950");
        assert_eq!(identity.designators()[0].to_string()[5..], identity.serial()[1..16]);
    }

    #[test]
    fn different_names_have_nothing_in_common() {
        let (one, other) = (Identity::derive("a"), Identity::derive("b"));
        assert_ne!(one.serial(), other.serial());
        assert!(one.designators().iter().zip(other.designators()).all(|(one, other)| one != other));
    }

    #[test]
    fn an_owner_of_a_company_id_has_registered_names_of_the_same_hash() {
        let (derived, registered) =
            (Identity::derive("uuid:6a1f0c8e"), Identity::registered(0xABCDEF, "uuid:6a1f0c8e"));
        assert_eq!(registered.designators()[0].to_string(), "naa.6abcdef657db97720638bb5ca2fec950");
        assert_eq!(
            (registered.serial(), &registered.designators()[1..]),
            (derived.serial(), &derived.designators()[1..])
        );
    }

    #[test]
    fn names_from_configuration_stand_alone_before_the_vendor_identification() {
        let names: Vec<Designator> =
            ["naa.5000c500a1b2c3d4", "eui.0123456789abcdef"].map(|name| name.parse().unwrap()).into();
        let identity = Identity::derive("a").with_world_wide_names(names.clone()).unwrap();
        assert_eq!(identity.designators()[..2], names);
        assert_eq!(identity.designators()[2..], Identity::derive("a").designators()[1..]);
        assert_eq!(identity.name(), "naa.5000c500a1b2c3d4");
        let many =
            |count| Identity::derive("a").with_world_wide_names(names.iter().cycle().take(count).cloned().collect());
        assert!(many(Identity::DESIGNATORS_MAX - 1).is_ok());
        for count in [0, Identity::DESIGNATORS_MAX] {
            assert_eq!(many(count), Err(BadIdentity::Designators));
        }
    }

    #[test]
    fn a_unit_is_named_by_its_first_designator_or_its_scsi_id() {
        assert_eq!(Identity::derive("uuid:6a1f0c8e").name(), "naa.361b901657db9772");
        let iet = Identity::iet(IetRelease::V0_4_15, b"id", "").unwrap();
        assert_eq!(iet.name(), "iet.69640000000000000000000000000000");
    }

    #[test]
    fn serials_are_bounded() {
        let longest = "x".repeat(Identity::SERIAL_MAX);
        assert_eq!(Identity::derive("a").with_serial(&longest).unwrap().serial(), longest);
        let one_past = "x".repeat(Identity::SERIAL_MAX + 1);
        assert_eq!(Identity::derive("a").with_serial(&one_past), Err(BadIdentity::TooLong { max: 64 }));
    }

    #[test]
    fn designators_are_at_least_one_and_bounded() {
        let some = |count| vec![Designator::Naa(Naa::local(1)); count];
        assert_eq!(Identity::derive("a").with_designators(some(0)), Err(BadIdentity::Designators));
        assert!(Identity::derive("a").with_designators(some(Identity::DESIGNATORS_MAX)).is_ok());
        let one_past = Identity::derive("a").with_designators(some(Identity::DESIGNATORS_MAX + 1));
        assert_eq!(one_past, Err(BadIdentity::Designators));
    }

    #[test]
    fn an_imported_disk_has_the_bounds_of_the_release_it_comes_from() {
        let long = "x".repeat(17);
        assert!(Identity::iet(IetRelease::V0_4_15, b"0123456789abcdef", &long[1..]).is_ok());
        assert_eq!(Identity::iet(IetRelease::V0_4_15, b"", &long), Err(BadIdentity::TooLong { max: 16 }));
        assert_eq!(Identity::iet(IetRelease::V0_4_15, long.as_bytes(), ""), Err(BadIdentity::TooLong { max: 16 }));
        assert!(Identity::iet(IetRelease::V1_4_20, b"", &"x".repeat(32)).is_ok());
        assert!(Identity::iet(IetRelease::V1_4_20, b"", &"x".repeat(33)).is_err());
    }

    #[test]
    fn an_identity_survives_being_written_down() {
        for identity in [Identity::derive("a"), Identity::iet(IetRelease::V1_4_20, b"id", "serial").unwrap()] {
            let text = serde_json::to_string(&identity).unwrap();
            assert_eq!(serde_json::from_str::<Identity>(&text).unwrap(), identity);
        }
    }
}
