//! Who a LUN says it is: what the file may say of it, and what goes together.

use crate::{Eui64Name, HexId, InquiryText, NaaName, Refusal, codes};
use serde::{Deserialize, Serialize};

/// Who a LUN says it is. None derives the value from what does not move with the disk.
///
/// What is set here is shown byte for byte: it is how initiators tell disks apart, and must not change while
/// any of them remembers the LUN.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IdentitySpec {
    /// Another target's way to say all of it, for a disk taken over from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<IdentityProfile>,
    /// The NAA designator, VPD page 83h; for owners of an IEEE company id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub naa: Option<NaaName>,
    /// The EUI-64 based designator, VPD page 83h.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eui64: Option<Eui64Name>,
    /// The T10 vendor designator's own part, VPD page 83h.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scsi_id: Option<InquiryText<16>>,
    /// The same where it is not text, as the iSCSI Enterprise Target made it up; only with a `profile`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scsi_id_hex: Option<HexId>,
    /// The unit serial number, VPD page 80h.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<InquiryText<32>>,
    /// T10 VENDOR IDENTIFICATION.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<InquiryText<8>>,
    /// PRODUCT IDENTIFICATION.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<InquiryText<16>>,
    /// PRODUCT REVISION LEVEL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<InquiryText<4>>,
}

/// Whose INQUIRY data and vital product data a disk has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum IdentityProfile {
    /// The iSCSI Enterprise Target, release 0.4.15.
    #[serde(rename = "iet-0.4.15")]
    Iet0_4_15,
    /// The iSCSI Enterprise Target, release 1.4.20.
    #[serde(rename = "iet-1.4.20")]
    Iet1_4_20,
}

impl IdentityProfile {
    /// The word in the file.
    pub fn word(self) -> &'static str {
        match self {
            IdentityProfile::Iet0_4_15 => "iet-0.4.15",
            IdentityProfile::Iet1_4_20 => "iet-1.4.20",
        }
    }

    /// The longest serial number that the release could show, in bytes.
    pub fn serial_bytes_max(self) -> usize {
        match self {
            IdentityProfile::Iet0_4_15 => 16,
            IdentityProfile::Iet1_4_20 => 32,
        }
    }
}

impl IdentitySpec {
    /// The same, if what it says goes together.
    ///
    /// # Errors
    /// `F-0113`, `F-0114` or `F-0203`: a profile without the id that the old target showed, or with what it
    /// could not show; `scsi_id_hex` without a profile.
    pub fn checked(self) -> Result<Self, Refusal> {
        let Some(profile) = self.profile else {
            if self.scsi_id_hex.is_some() {
                let refusal = Refusal::new(codes::UNFIT_KEY, "`scsi_id_hex` stands without a profile");
                return Err(refusal.hint("only disks taken over from another target show an id that is not text"));
            }
            return Ok(self);
        };
        let word = profile.word();
        let others = [
            ("naa", self.naa.is_some()),
            ("eui64", self.eui64.is_some()),
            ("vendor", self.vendor.is_some()),
            ("product", self.product.is_some()),
            ("revision", self.revision.is_some()),
        ];
        if let Some((key, _)) = others.iter().find(|(_, said)| *said) {
            let what = format!("`{key}` stands beside the profile {word}, which says that itself");
            return Err(Refusal::new(codes::UNFIT_KEY, what).hint("a disk taken over has to look as it did before"));
        }
        if self.scsi_id.is_some() && self.scsi_id_hex.is_some() {
            let refusal = Refusal::new(codes::UNFIT_KEY, "`scsi_id_hex` stands beside scsi_id");
            return Err(refusal.hint("both say the same bytes; keep one"));
        }
        if self.scsi_id.is_none() && self.scsi_id_hex.is_none() {
            let what =
                format!("`scsi_id` is missing: the profile {word} has to show the one that the old target showed");
            return Err(Refusal::new(codes::MISSING_KEY, what).hint(
                "read its last 16 bytes there with sg_inq -p 0x83 -H, and write them as scsi_id or scsi_id_hex",
            ));
        }
        let (max, serial) = (profile.serial_bytes_max(), self.serial.as_ref().map_or("", InquiryText::as_str));
        if serial.len() > max {
            let what = format!("`serial` is {} bytes, the limit of the profile {word} is {max}", serial.len());
            return Err(Refusal::new(codes::BAD_INQUIRY_TEXT, what));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<IdentitySpec, Refusal> {
        serde_json::from_str::<IdentitySpec>(text).expect(text).checked()
    }

    #[test]
    fn a_profile_needs_the_id_that_was_shown_and_nothing_that_it_says_itself() {
        for (text, code) in [
            (r#"{"profile":"iet-0.4.15","scsi_id":"A"}"#, None),
            (r#"{"profile":"iet-0.4.15","scsi_id_hex":"000000000200000009110000 0d000000"}"#, Some("parse")),
            (r#"{"profile":"iet-0.4.15","scsi_id_hex":"0000000002000000091100000d000000","serial":"S"}"#, None),
            (r#"{"profile":"iet-0.4.15"}"#, Some(codes::MISSING_KEY)),
            (r#"{"profile":"iet-1.4.20","scsi_id":"A","vendor":"X"}"#, Some(codes::UNFIT_KEY)),
            (r#"{"profile":"iet-1.4.20","scsi_id":"A","naa":"3000000000000001"}"#, Some(codes::UNFIT_KEY)),
            (r#"{"profile":"iet-1.4.20","scsi_id":"A","scsi_id_hex":"41"}"#, Some(codes::UNFIT_KEY)),
            (r#"{"scsi_id_hex":"41"}"#, Some(codes::UNFIT_KEY)),
            (r#"{"scsi_id":"A","naa":"3000000000000001","eui64":"0000000000000001"}"#, None),
        ] {
            if code == Some("parse") {
                assert!(serde_json::from_str::<IdentitySpec>(text).is_err(), "{text}");
                continue;
            }
            assert_eq!(read(text).err().map(|refusal| refusal.code), code, "{text}");
        }
    }

    #[test]
    fn a_serial_is_as_long_as_the_release_could_show_it() {
        for (profile, max) in [(IdentityProfile::Iet0_4_15, 16), (IdentityProfile::Iet1_4_20, 32)] {
            let with = |len: usize| IdentitySpec {
                profile: Some(profile),
                scsi_id: Some("A".try_into().unwrap()),
                serial: InquiryText::parse(&"S".repeat(len)).ok(),
                ..IdentitySpec::default()
            };
            assert!(with(max).checked().is_ok(), "{profile:?}");
            if max < 32 {
                assert_eq!(with(max + 1).checked().unwrap_err().code, codes::BAD_INQUIRY_TEXT);
            }
        }
    }
}
