//! What is negotiated at login otherwise than by default: the text keys of RFC 7143 section 13.

use crate::{Refusal, codes};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Our side of the negotiable keys. None leaves a key to the default of the protocol crate.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, remote = "Self")]
pub struct NegotiateSpec {
    /// HeaderDigest (13.1): what is accepted. Of these the initiator gets what it likes best.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_digest: Option<Vec<Digest>>,
    /// DataDigest (13.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_digest: Option<Vec<Digest>>,
    /// InitialR2T (13.10): yes makes initiators wait for an R2T before they send unsolicited Data-Out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_r2t: Option<bool>,
    /// ImmediateData (13.11): whether data may travel with the command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub immediate_data: Option<bool>,
    /// MaxRecvDataSegmentLength (13.12) that we declare, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_recv_data_segment_length: Option<u32>,
    /// MaxBurstLength (13.13), in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_burst_length: Option<u32>,
    /// FirstBurstLength (13.14), in bytes; not above MaxBurstLength.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_burst_length: Option<u32>,
    /// MaxOutstandingR2T (13.17).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_outstanding_r2t: Option<u16>,
    /// DefaultTime2Wait (13.15), in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_time2wait: Option<u16>,
    /// DefaultTime2Retain (13.16), in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_time2retain: Option<u16>,
}

/// One way to guard a header or data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Digest {
    /// Nothing.
    None,
    /// CRC32C.
    Crc32c,
}

/// The range of every length in bytes (RFC 7143 13.12 to 13.14).
const LENGTH: (u32, u32) = (512, (1 << 24) - 1);
/// The range of both times in seconds (RFC 7143 13.15, 13.16).
const SECONDS: (u16, u16) = (0, 3600);

impl NegotiateSpec {
    /// The same, if every value is in the range the RFC gives it. What was deserialised has passed here;
    /// what a program put together has to.
    ///
    /// # Errors
    /// `F-0209` names the key.
    pub fn checked(self) -> Result<Self, Refusal> {
        in_range("max_recv_data_segment_length", self.max_recv_data_segment_length, LENGTH)?;
        in_range("max_burst_length", self.max_burst_length, LENGTH)?;
        in_range("first_burst_length", self.first_burst_length, LENGTH)?;
        in_range("max_outstanding_r2t", self.max_outstanding_r2t, (1, u16::MAX))?;
        in_range("default_time2wait", self.default_time2wait, SECONDS)?;
        in_range("default_time2retain", self.default_time2retain, SECONDS)?;
        digests("header_digest", self.header_digest.as_deref())?;
        digests("data_digest", self.data_digest.as_deref())?;
        match (self.first_burst_length, self.max_burst_length) {
            (Some(first), Some(max)) if first > max => {
                let what =
                    format!("`first_burst_length` is {first}, above the max_burst_length of {max} (RFC 7143 13.14)");
                Err(Refusal::new(codes::OUT_OF_RANGE, what))
            }
            _ => Ok(self),
        }
    }
}

impl Serialize for NegotiateSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for NegotiateSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer)?.checked().map_err(de::Error::custom)
    }
}

fn in_range<T: PartialOrd + std::fmt::Display>(
    key: &str,
    value: Option<T>,
    (least, most): (T, T),
) -> Result<(), Refusal> {
    match value {
        Some(value) if value < least || value > most => {
            Err(Refusal::new(codes::OUT_OF_RANGE, format!("`{key}` is {value}, and {least} to {most} may stand there")))
        }
        _ => Ok(()),
    }
}

/// A list says each word at most once, and at least one.
fn digests(key: &str, list: Option<&[Digest]>) -> Result<(), Refusal> {
    match list {
        Some([] | [_, _, _, ..]) | Some([Digest::None, Digest::None] | [Digest::Crc32c, Digest::Crc32c]) => {
            let what = format!("`{key}` is a list of one or both of \"crc32c\" and \"none\", each once");
            Err(Refusal::new(codes::OUT_OF_RANGE, what))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<NegotiateSpec, String> {
        serde_json::from_str(text).map_err(|e| e.to_string())
    }

    #[test]
    fn lengths_and_times_are_in_the_ranges_of_the_rfc() {
        for (key, least, most) in [
            ("max_recv_data_segment_length", 512, 16_777_215),
            ("max_burst_length", 512, 16_777_215),
            ("first_burst_length", 512, 16_777_215),
            ("max_outstanding_r2t", 1, 65_535),
            ("default_time2wait", 0, 3600),
            ("default_time2retain", 0, 3600),
        ] {
            let fits = |value: i64| read(&format!("{{\"{key}\":{value}}}")).is_ok();
            assert!(fits(least) && fits(most) && !fits(least - 1) && !fits(most + 1), "{key}");
        }
    }

    #[test]
    fn the_first_burst_is_not_longer_than_the_longest() {
        assert!(read(r#"{"first_burst_length":65536,"max_burst_length":65536}"#).is_ok());
        assert!(read(r#"{"first_burst_length":65537,"max_burst_length":65536}"#).unwrap_err().contains("13.14"));
    }

    #[test]
    fn a_list_of_digests_has_each_word_at_most_once() {
        for (list, fits) in [
            (r#"["crc32c","none"]"#, true),
            (r#"["none"]"#, true),
            (r#"["none","none"]"#, false),
            ("[]", false),
            (r#"["crc32c","none","crc32c"]"#, false),
            (r#"["md5"]"#, false),
        ] {
            assert_eq!(read(&format!("{{\"data_digest\":{list}}}")).is_ok(), fits, "{list}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = r#"{"header_digest":["crc32c","none"],"initial_r2t":true,"max_outstanding_r2t":4}"#;
        assert_eq!(serde_json::to_string(&read(text).unwrap()).unwrap(), text);
    }
}
