//! The words of the control plane: names, specs, access rules, secrets, refusals, and the file they stand in.
//!
//! One vocabulary serves every door: the types here are the TOML file, the request body, the builder and
//! the saved state. They are parsed into forms that cannot be wrong, so no later step validates again.
//!
//! * [`Iqn`], [`LunNumber`], [`Size`], [`PortalAddress`], [`PortalGroup`], [`InquiryText`]: single values.
//! * [`TargetSpec`], [`LunSpec`], [`ChapSpec`], [`NegotiateSpec`], [`EngineSpec`], [`Config`]: what is wanted.
//! * [`AllowRule`] and [`Admission`]: who may enter.
//! * [`Refusal`] with the table of [`codes`]: why not.
//! * [`config::parse`] and [`config::load`]: a file becomes a [`Config`], or diagnostics that point into it.

#![forbid(unsafe_code)]

pub mod access;
pub mod codes;
pub mod config;
mod names;
mod refusal;
mod secret;
mod spec;

pub use access::{AddressRange, Admission, AllowRule, NamePattern};
pub use names::{
    Eui64Name, HexId, InquiryText, Iqn, IqnPrefix, LunNumber, NaaName, Percent, PortalAddress, PortalGroup, ShortName,
    Size, TargetName,
};
pub use refusal::Refusal;
pub use secret::{Secret, SecretSource};
pub use spec::{
    AccessState, BackendSpec, ChapSpec, Config, Digest, EngineSpec, GlobalSpec, IdentityProfile, IdentitySpec,
    IoChoice, LunSpec, NegotiateSpec, PortalSpec, Schema, TargetSpec,
};
