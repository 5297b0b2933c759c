//! How the engine runs: threads, the way to do I/O, spinning, memory.

use super::is_default;
use crate::{Refusal, Size, codes};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The engine's own settings; everything has a default that fits most machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Words", into = "Words")]
pub struct EngineSpec {
    /// How many shards (threads with a loop of their own) there are; None is one per core.
    pub shards: Option<u16>,
    /// How disks are reached.
    pub io: IoChoice,
    /// How long an idle shard looks for new work before it sleeps; None lets the engine decide.
    pub spin: Option<Duration>,
    /// Memory for data buffers, of all shards together; None lets the engine decide.
    pub memory: Option<Size>,
}

/// How disks are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IoChoice {
    /// io_uring where the system lets us, threads elsewhere.
    #[default]
    Auto,
    /// io_uring, or refuse to start.
    Uring,
    /// A few threads per shard with blocking calls.
    Threads,
}

impl EngineSpec {
    /// The most shards.
    pub const SHARDS_MAX: u16 = 256;
    /// The longest spin, in microseconds: beyond it an idle target would be a burning one.
    pub const SPIN_US_MAX: u64 = 10_000;
    /// The least memory for buffers: one command of the largest size per shard has to fit.
    pub const MEMORY_BYTES_MIN: u64 = 16 << 20;
}

impl Default for EngineSpec {
    fn default() -> Self {
        EngineSpec { shards: None, io: IoChoice::Auto, spin: None, memory: None }
    }
}

/// The same as it is written.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Words {
    #[serde(skip_serializing_if = "Option::is_none")]
    shards: Option<u16>,
    #[serde(skip_serializing_if = "is_default")]
    io: IoChoice,
    #[serde(skip_serializing_if = "Option::is_none")]
    spin_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<Size>,
}

impl TryFrom<Words> for EngineSpec {
    type Error = Refusal;
    fn try_from(words: Words) -> Result<Self, Refusal> {
        let out_of_range =
            |key: &str, range: String| Err(Refusal::new(codes::OUT_OF_RANGE, format!("`{key}` is {range}")));
        if words.shards.is_some_and(|n| n == 0 || n > Self::SHARDS_MAX) {
            return out_of_range("shards", format!("1 to {}; leave it out for one per core", Self::SHARDS_MAX));
        }
        if words.spin_us.is_some_and(|us| us > Self::SPIN_US_MAX) {
            return out_of_range("spin_us", format!("0 to {}", Self::SPIN_US_MAX));
        }
        if words.memory.is_some_and(|size| size.bytes() < Self::MEMORY_BYTES_MIN) {
            return out_of_range("memory", format!("at least {} MiB", Self::MEMORY_BYTES_MIN >> 20));
        }
        let spin = words.spin_us.map(Duration::from_micros);
        Ok(EngineSpec { shards: words.shards, io: words.io, spin, memory: words.memory })
    }
}

impl From<EngineSpec> for Words {
    fn from(spec: EngineSpec) -> Words {
        let spin_us = spec.spin.map(|spin| u64::try_from(spin.as_micros()).unwrap_or(u64::MAX));
        Words { shards: spec.shards, io: spec.io, spin_us, memory: spec.memory }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<EngineSpec, String> {
        serde_json::from_str(text).map_err(|e| e.to_string())
    }

    #[test]
    fn nothing_said_is_the_default_and_the_default_says_nothing() {
        assert_eq!(read("{}").unwrap(), EngineSpec::default());
        assert_eq!(serde_json::to_string(&EngineSpec::default()).unwrap(), "{}");
    }

    #[test]
    fn each_number_has_a_range_and_its_ends_are_in_it() {
        for (text, fits) in [
            (r#"{"shards":0}"#, false),
            (r#"{"shards":1}"#, true),
            (r#"{"shards":256}"#, true),
            (r#"{"shards":257}"#, false),
            (r#"{"spin_us":0}"#, true),
            (r#"{"spin_us":10000}"#, true),
            (r#"{"spin_us":10001}"#, false),
            (r#"{"memory":"16M"}"#, true),
            (r#"{"memory":16777215}"#, false),
        ] {
            assert_eq!(read(text).is_ok(), fits, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let spec = read(r#"{"shards":2,"io":"threads","spin_us":50,"memory":"256MiB"}"#).unwrap();
        assert_eq!(read(&serde_json::to_string(&spec).unwrap()).unwrap(), spec);
        assert_eq!(spec.spin, Some(Duration::from_micros(50)));
    }
}
