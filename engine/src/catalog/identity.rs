//! Who a LUN says it is: what the configuration says of it, and what is derived where it says nothing.

use std::collections::HashMap;
use std::sync::Arc;

use ferrite_api::{IdentityProfile, IdentitySpec, InquiryText, Refusal, codes};
use ferrite_scsi::{Ascii, BadIdentity, Clash, Designator, Eui, Identity, IetRelease, Naa};

use super::{Catalog, Lun};

/// The name from which all is derived that the configuration leaves open, and by which the state of a LUN is kept: the
/// first that `spec` gives, so that it is the same on every node that has the same configuration; else `own`, the disk's
/// own name, which does not move with host, path or device number; else `place`, where the LUN stands here.
pub(super) fn unique_name(spec: &IdentitySpec, own: Option<String>, place: impl FnOnce() -> String) -> String {
    let names = [
        spec.scsi_id.as_ref().map(|text| format!("scsi_id:{}", text.as_str())),
        spec.scsi_id_hex.as_ref().map(|id| format!("scsi_id_hex:{id}")),
        spec.serial.as_ref().map(|text| format!("serial:{}", text.as_str())),
        spec.naa.as_ref().map(|name| format!("naa:{name}")),
        spec.eui64.as_ref().map(|name| format!("eui64:{name}")),
    ];
    names.into_iter().flatten().next().or(own).unwrap_or_else(place)
}

/// The identity that `spec` asks for; what it leaves open is derived from `unique`.
///
/// # Errors
/// A text does not fit its field.
pub(super) fn identity(spec: &IdentitySpec, unique: &str) -> Result<Identity, Refusal> {
    let identity = match spec.profile {
        Some(profile) => taken_over(profile, spec),
        None => standard(spec, unique),
    };
    identity.map_err(|error| Refusal::new(codes::BAD_INQUIRY_TEXT, error.to_string()))
}

/// Refuses a catalog in which two disks have a name or a serial number in common: an initiator would take them for one,
/// and write through both paths to both. The same disk behind two targets is one disk, and rightly has one name.
///
/// # Errors
/// `F-0204`
pub(crate) fn check_identities(catalog: &Catalog) -> Result<(), Refusal> {
    let mut seen: HashMap<Clash, &Arc<Lun>> = HashMap::new();
    for lun in catalog.luns() {
        for mark in lun.unit.identity().marks() {
            let Some(other) = seen.insert(mark.clone(), lun) else { continue };
            if !Arc::ptr_eq(&other.disk, &lun.disk) {
                let what = format!("{} and {} would both show {mark}", other.disk.describe(), lun.disk.describe());
                return Err(Refusal::new(codes::DUPLICATE_IDENTITY, what)
                    .hint("give each its own `serial` and `scsi_id`, or leave both out"));
            }
        }
    }
    Ok(())
}

/// What the iSCSI Enterprise Target showed, byte for byte.
fn taken_over(profile: IdentityProfile, spec: &IdentitySpec) -> Result<Identity, BadIdentity> {
    let text = spec.scsi_id.as_ref().map(|text| text.as_str().as_bytes().to_vec());
    let id = spec.scsi_id_hex.as_ref().map(|id| id.to_bytes()).or(text).unwrap_or_default();
    let serial = spec.serial.as_ref().map(|text| text.as_str().to_owned());
    match profile {
        IdentityProfile::Iet0_4_15 => Identity::iet(IetRelease::V0_4_15, &id, &serial.unwrap_or_default()),
        IdentityProfile::Iet1_4_20 => {
            // Without a serial of its own, this release showed the digits of the identifier and its padding.
            let digits = || id.iter().chain(&[0; 16]).take(16).map(|byte| format!("{byte:02x}")).collect();
            Identity::iet(IetRelease::V1_4_20, &id, &serial.unwrap_or_else(digits))
        }
    }
}

fn standard(spec: &IdentitySpec, unique: &str) -> Result<Identity, BadIdentity> {
    let mut identity = Identity::derive(unique);
    if spec.vendor.is_some() || spec.scsi_id.is_some() {
        let derived = |name: &Designator| match name {
            Designator::T10 { id, .. } => Some(*id),
            _ => None,
        };
        let id = match &spec.scsi_id {
            Some(id) => Ascii::new(id.as_str())?,
            None => identity.designators().iter().find_map(derived).expect("a derived identity has a T10 name"),
        };
        let vendor = text(&spec.vendor).unwrap_or(identity.vendor().as_str());
        let t10 = Designator::T10 { vendor: Ascii::new(vendor)?, id };
        let others = identity.designators().iter().filter(|name| derived(name).is_none()).cloned();
        let names = others.chain([t10]).collect();
        identity = identity.with_designators(names)?;
    }
    let naa = spec.naa.as_ref().map(|name| Naa::new(&name.to_bytes()).map(Designator::Naa));
    let eui = spec.eui64.as_ref().map(|name| Eui::new(&name.to_bytes()).map(Designator::Eui));
    let names = naa.into_iter().chain(eui).collect::<Result<Vec<_>, _>>()?;
    if !names.is_empty() {
        identity = identity.with_world_wide_names(names)?;
    }
    if let Some(vendor) = text(&spec.vendor) {
        identity = identity.with_vendor(vendor)?;
    }
    if let Some(product) = text(&spec.product) {
        identity = identity.with_product(product)?;
    }
    if let Some(revision) = text(&spec.revision) {
        identity = identity.with_revision(revision)?;
    }
    if let Some(serial) = text(&spec.serial) {
        identity = identity.with_serial(serial)?;
    }
    Ok(identity)
}

fn text<const N: usize>(text: &Option<InquiryText<N>>) -> Option<&str> {
    text.as_ref().map(InquiryText::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(spec: &str, own: Option<&str>) -> Identity {
        let spec = serde_json::from_str::<IdentitySpec>(spec).expect(spec);
        let unique = unique_name(&spec, own.map(str::to_owned), || "lun:t/0".to_owned());
        identity(&spec, &unique).expect("its texts fit")
    }

    fn names(identity: &Identity) -> Vec<String> {
        identity.designators().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_not_said_is_derived_from_what_does_not_move() {
        assert_eq!(of("{}", Some("uuid:a")), Identity::derive("uuid:a"));
        assert_eq!(of("{}", None), Identity::derive("lun:t/0"));
        let by_serial = of(r#"{"serial":"S"}"#, Some("uuid:a"));
        assert_eq!(by_serial, Identity::derive("serial:S").with_serial("S").unwrap());
        assert_eq!(by_serial, of(r#"{"serial":"S"}"#, Some("uuid:b")), "the same on every node");
    }

    #[test]
    fn names_of_the_configuration_stand_in_place_of_derived_ones() {
        let identity = of(
            r#"{"naa":"600140512345678900000000deadbeef","eui64":"0123456789abcdef","scsi_id":"DATA-00","vendor":"ACME"}"#,
            Some("uuid:a"),
        );
        assert_eq!(
            names(&identity),
            ["naa.600140512345678900000000deadbeef", "eui.0123456789abcdef", "t10.ACME    DATA-00"]
        );
        assert_eq!(identity.vendor().as_str(), "ACME");
    }

    #[test]
    fn every_text_of_the_configuration_is_shown() {
        let identity = of(r#"{"vendor":"V","product":"P","revision":"R","serial":"S"}"#, None);
        let texts = (identity.vendor().as_str(), identity.product().as_str(), identity.revision().as_str());
        assert_eq!((texts, identity.serial()), (("V", "P", "R"), "S"));
    }

    #[test]
    fn a_disk_taken_over_shows_what_its_release_showed() {
        let text = of(r#"{"profile":"iet-0.4.15","scsi_id":"AMHDSK"}"#, Some("uuid:a"));
        assert_eq!(text, Identity::iet(IetRelease::V0_4_15, b"AMHDSK", "").unwrap());
        let raw = of(r#"{"profile":"iet-0.4.15","scsi_id_hex":"0000000002000000","serial":"S"}"#, None);
        assert_eq!(raw, Identity::iet(IetRelease::V0_4_15, &[0, 0, 0, 0, 2, 0, 0, 0], "S").unwrap());
        let later = of(r#"{"profile":"iet-1.4.20","scsi_id":"AB"}"#, None);
        assert_eq!(later.serial(), "41420000000000000000000000000000");
    }
}
