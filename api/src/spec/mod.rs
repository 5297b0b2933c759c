//! What is wanted: targets, their LUNs and accounts, and the engine that serves them.

mod access_state;
mod chap;
mod engine;
mod global;
mod identity;
mod lun;
mod negotiate;
mod portal;
mod target;

pub use access_state::AccessState;
pub use chap::ChapSpec;
pub use engine::{EngineSpec, IoChoice};
pub use global::{Config, GlobalSpec, Schema};
pub use identity::{IdentityProfile, IdentitySpec};
pub use lun::{BackendSpec, LunSpec};
pub use negotiate::{Digest, NegotiateSpec};
pub use portal::PortalSpec;
pub use target::TargetSpec;

/// Serde leaves out what has its default value, so that what is written is what was said.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Refuses a text that is shown to people unless it is 1 to `bytes_max` bytes without control characters.
fn check_text(key: &str, text: &str, bytes_max: usize) -> Result<(), crate::Refusal> {
    let why = if text.is_empty() {
        "is empty".to_owned()
    } else if text.len() > bytes_max {
        format!("is {} bytes, the limit is {bytes_max}", text.len())
    } else if text.chars().any(char::is_control) {
        "has control characters".to_owned()
    } else {
        return Ok(());
    };
    Err(crate::Refusal::new(crate::codes::BAD_TEXT, format!("`{key}` {why}")))
}
