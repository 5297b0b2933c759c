//! What a whole configuration is: what is common, the targets, the engine.

use super::{ChapSpec, EngineSpec, PortalSpec, TargetSpec, is_default};
use crate::{Iqn, IqnPrefix, PortalAddress, PortalGroup, Refusal, TargetName, codes};
use serde::{Deserialize, Deserializer, Serialize, de};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// A whole configuration, as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The version of the words that are used. Always written.
    pub schema: Schema,
    /// What is common to all targets.
    #[serde(default, skip_serializing_if = "is_default")]
    pub global: GlobalSpec,
    /// The engine's own settings.
    #[serde(default, skip_serializing_if = "is_default")]
    pub engine: EngineSpec,
    /// The targets by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub targets: BTreeMap<TargetName, TargetSpec>,
}

/// What is common to all targets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GlobalSpec {
    /// Where to listen. Empty is [`GlobalSpec::default_portals`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub portals: Vec<PortalSpec>,
    /// What stands before the colon of short target names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iqn_prefix: Option<IqnPrefix>,
    /// Accounts of which an initiator has to prove one in a discovery session. Empty asks for no proof.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub discovery_auth: Vec<ChapSpec>,
    /// Where the state of LUNs is kept that has to survive a restart: persistent reservations, saved mode pages.
    /// Without it they are not offered.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "state_dir")]
    pub state_dir: Option<PathBuf>,
}

/// The version of the words: 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Schema;

impl Schema {
    /// The version that is served.
    pub const VERSION: u32 = 1;
}

impl TryFrom<u32> for Schema {
    type Error = Refusal;
    fn try_from(version: u32) -> Result<Self, Refusal> {
        if version == Self::VERSION {
            return Ok(Schema);
        }
        Err(Refusal::new(codes::BAD_SCHEMA, format!("schema {version} is not known"))
            .hint("this version reads schema = 1"))
    }
}

impl From<Schema> for u32 {
    fn from(_: Schema) -> u32 {
        Schema::VERSION
    }
}

impl GlobalSpec {
    /// The most portals.
    pub const PORTALS_MAX: usize = 64;

    /// Where to listen if the file does not say: every address, the port of iSCSI.
    pub fn default_portals() -> Vec<PortalSpec> {
        let everywhere = std::net::SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, PortalAddress::DEFAULT_PORT));
        vec![PortalAddress::from(everywhere).into()]
    }

    /// The portal groups, ascending.
    pub fn portal_groups(&self) -> BTreeSet<PortalGroup> {
        let default = self.portals.is_empty().then_some(PortalGroup::FIRST);
        self.portals.iter().map(|portal| portal.group).chain(default).collect()
    }
}

fn state_dir<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let path = PathBuf::deserialize(deserializer)?;
    if path.is_absolute() {
        return Ok(Some(path));
    }
    let refusal = Refusal::new(codes::BAD_TEXT, "`state_dir` is not absolute");
    Err(de::Error::custom(refusal.hint("the working folder of a daemon is nobody's; write the whole path")))
}

impl Config {
    /// The most targets.
    pub const TARGETS_MAX: usize = 4096;
    /// The most LUNs of all targets together.
    pub const LUNS_MAX: usize = 65_536;

    /// The targets by their whole names.
    ///
    /// # Errors
    /// `F-0201` for a short name without a prefix, `F-0205` where two become the same name. A config that
    /// [`crate::config::parse`] gave out has neither.
    pub fn whole_targets(&self) -> Result<BTreeMap<Iqn, &TargetSpec>, Refusal> {
        let mut whole = BTreeMap::new();
        for (name, spec) in &self.targets {
            let name = name.whole(self.global.iqn_prefix.as_ref())?;
            if whole.insert(name.clone(), spec).is_some() {
                return Err(Refusal::new(codes::DUPLICATE_TARGET, format!("there are two targets {name}")));
            }
        }
        Ok(whole)
    }
}
