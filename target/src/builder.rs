//! How an embedding program describes one target and has it served.

use crate::{Error, Lun, Running, Server};
use ferrite_api::{
    AccessState, AllowRule, ChapSpec, EngineSpec, Iqn, LunNumber, NegotiateSpec, PortalAddress, PortalGroup,
    PortalSpec, Refusal, Secret, SecretSource, TargetSpec, codes,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Where the description of a target begins.
#[derive(Debug)]
pub struct Target;

impl Target {
    /// Describes a target of this name: `iqn.`, `eui.` or `naa.` (RFC 7143 4.2.7).
    pub fn builder(name: impl AsRef<str>) -> TargetBuilder {
        let mut builder = TargetBuilder {
            name: None,
            portals: Vec::new(),
            state_dir: None,
            spec: TargetSpec::default(),
            engine: EngineSpec::default(),
            luns: BTreeMap::new(),
            wrong: None,
        };
        builder.name = builder.take(Iqn::parse(name.as_ref()));
        builder
    }
}

/// The description of one target. What is wrong in it is said by [`TargetBuilder::serve`].
#[derive(Debug)]
#[must_use = "nothing is served before serve()"]
pub struct TargetBuilder {
    name: Option<Iqn>,
    portals: Vec<PortalSpec>,
    state_dir: Option<PathBuf>,
    spec: TargetSpec,
    engine: EngineSpec,
    luns: BTreeMap<LunNumber, Lun>,
    /// The first thing that was wrong.
    wrong: Option<Refusal>,
}

impl TargetBuilder {
    /// Listens at an address: `127.0.0.1:3260`, `[::]:3260`, `192.0.2.1` (port 3260), `127.0.0.1:0` (any
    /// port; [`Running::portals`] knows which). May be called again for more. Without any: every address.
    pub fn portal(self, address: impl AsRef<str>) -> Self {
        self.portal_in(PortalGroup::FIRST.number(), address)
    }

    /// The same with a portal of another group, 1 to 65535: another path to multipath software.
    pub fn portal_in(mut self, group: u16, address: impl AsRef<str>) -> Self {
        let group = self.take(PortalGroup::new(group));
        let address = self.take(PortalAddress::parse(address.as_ref()));
        self.portals.extend(group.zip(address).map(|(group, address)| PortalSpec { address, group }));
        self
    }

    /// How the LUNs are reached through a portal group at the start (ALUA); active and optimized unless said here.
    pub fn access_state(mut self, group: u16, state: AccessState) -> Self {
        let group = self.take(PortalGroup::new(group));
        self.spec.alua.extend(group.map(|group| (group, state)));
        self
    }

    /// Whether sessions are told of changes by an asynchronous event as well, or only with their next command. They
    /// are unless said here.
    pub fn async_events(mut self, tell: bool) -> Self {
        self.spec.async_events = tell;
        self
    }

    /// Keeps in this folder what has to survive a restart: persistent reservations, saved mode pages. Without it they
    /// are not offered.
    pub fn state_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.state_dir = Some(folder.into());
        self
    }

    /// Lets initiators in: `any`, `iqn:GLOB`, `addr:ADDRESS[/BITS]`. May be called again for more; nobody is
    /// let in who is not listed, and an empty list is refused.
    pub fn allow(mut self, rule: impl AsRef<str>) -> Self {
        let rule = self.take(AllowRule::parse(rule.as_ref()));
        self.spec.allow.extend(rule);
        self
    }

    /// Asks initiators to prove this account. May be called again for more accounts, of which one is enough.
    pub fn chap(mut self, user: impl Into<String>, secret: impl AsRef<str>) -> Self {
        let account = self.account(user.into(), secret.as_ref());
        self.spec.chap.extend(account);
        self
    }

    /// Proves this account to initiators that ask back. Needs a [`TargetBuilder::chap`] as well.
    pub fn mutual_chap(mut self, user: impl Into<String>, secret: impl AsRef<str>) -> Self {
        self.spec.mutual_chap = self.account(user.into(), secret.as_ref());
        self
    }

    /// Gives the target a name for people.
    pub fn alias(mut self, alias: impl Into<String>) -> Self {
        self.spec.alias = Some(alias.into());
        self
    }

    /// Negotiates otherwise than by default.
    pub fn negotiate(mut self, negotiate: NegotiateSpec) -> Self {
        if let Some(negotiate) = self.take(negotiate.checked()) {
            self.spec.negotiate = negotiate;
        }
        self
    }

    /// Runs the engine otherwise than by default.
    pub fn engine(mut self, engine: EngineSpec) -> Self {
        self.engine = engine;
        self
    }

    /// Shows a LUN under a number, 0 to 16383.
    pub fn lun(mut self, number: u16, lun: Lun) -> Self {
        if let Some(number) = self.take(LunNumber::new(number))
            && self.luns.insert(number, lun).is_some()
        {
            let twice = Refusal::new(codes::LUN_EXISTS, format!("lun {number} is given twice"));
            self.take::<()>(Err(twice));
        }
        self
    }

    /// Opens everything, listens, and comes back at once; initiators are served by threads of their own
    /// until [`Running::shutdown`], or until the handle is dropped.
    ///
    /// # Errors
    /// The first thing that is wrong in the description, or that the system refuses. Nothing runs then.
    pub fn serve(mut self) -> Result<Running, Error> {
        let spec = &self.spec;
        let groups: BTreeSet<PortalGroup> = self.portals.iter().map(|portal| portal.group).collect();
        let reached = |group: &PortalGroup| groups.contains(group) || groups.is_empty() && *group == PortalGroup::FIRST;
        if self.wrong.is_none()
            && let Some(group) = spec.alua.keys().find(|group| !reached(group))
        {
            let nobody = Refusal::new(codes::NO_SUCH_GROUP, format!("no portal is in group {group}"));
            self.wrong = Some(nobody.hint("give it one by .portal_in(GROUP, ADDRESS)"));
        }
        if self.wrong.is_none() && spec.allow.is_empty() {
            let nobody = Refusal::new(codes::LISTS_NOBODY, "the target lets nobody in");
            self.wrong = Some(nobody.hint("say who may enter; .allow(\"any\") lets everybody in"));
        }
        if self.wrong.is_none() && spec.mutual_chap.is_some() && spec.chap.is_empty() {
            let alone = "mutual_chap stands without chap: a target answers only after the initiator has";
            self.wrong = Some(Refusal::new(codes::UNFIT_KEY, alone));
        }
        let name = match (self.name, self.wrong) {
            (Some(name), None) => name,
            (_, Some(wrong)) => return Err(wrong.into()),
            (None, None) => unreachable!("a name that was refused left its refusal"),
        };
        let mut server = Server::with_state(&self.engine, self.state_dir.as_deref())?;
        server.add_target(&name, &self.spec)?;
        for (number, lun) in self.luns {
            server.add_lun(&name, number, lun)?;
        }
        // Last, so that nobody sees a target without its LUNs.
        server.listen(&self.portals)?;
        Ok(Running::new(server, name))
    }

    fn account(&mut self, user: String, secret: &str) -> Option<ChapSpec> {
        let secret = Secret::parse(secret).map(SecretSource::Inline);
        self.take(secret.and_then(|secret| ChapSpec::new(user, secret)))
    }

    /// The value, or None and the refusal kept for later if it is the first.
    fn take<T>(&mut self, result: Result<T, Refusal>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(refusal) => {
                self.wrong.get_or_insert(refusal);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(builder: TargetBuilder) -> &'static str {
        builder.serve().expect_err("it is refused").refusal().code
    }

    fn good() -> TargetBuilder {
        Target::builder("iqn.2026-11.com.example:t").portal("127.0.0.1:0").allow("any")
    }

    #[test]
    fn what_is_wrong_in_a_description_is_said_when_it_is_served() {
        assert_eq!(code(Target::builder("disk").allow("any")), codes::BAD_NAME);
        assert_eq!(code(good().portal("localhost")), codes::BAD_PORTAL);
        assert_eq!(code(good().portal_in(0, "127.0.0.1:0")), codes::OUT_OF_RANGE);
        assert_eq!(code(good().access_state(2, AccessState::Standby)), codes::NO_SUCH_GROUP);
        assert_eq!(code(good().allow("192.0.2.1")), codes::BAD_RULE);
        assert_eq!(code(good().chap("u", "")), codes::BAD_SECRET);
        assert_eq!(code(good().chap("", "correct horse")), codes::BAD_TEXT);
        assert_eq!(code(good().mutual_chap("u", "correct horse")), codes::UNFIT_KEY);
        assert_eq!(code(good().lun(16384, Lun::memory(512))), codes::BAD_LUN_NUMBER);
        assert_eq!(code(good().lun(0, Lun::memory(512)).lun(0, Lun::memory(512))), codes::LUN_EXISTS);
        let negotiate = NegotiateSpec { max_burst_length: Some(1), ..NegotiateSpec::default() };
        assert_eq!(code(good().negotiate(negotiate)), codes::OUT_OF_RANGE);
    }

    #[test]
    fn the_first_wrong_thing_is_the_one_that_is_said() {
        assert_eq!(code(good().portal("localhost").allow("nobody")), codes::BAD_PORTAL);
    }

    #[test]
    fn a_target_that_lists_nobody_is_refused_with_the_line_that_helps() {
        let refusal = Target::builder("iqn.2026-11.com.example:t").serve().unwrap_err().refusal();
        assert_eq!(refusal.code, codes::LISTS_NOBODY);
        assert!(refusal.hint.unwrap().contains(".allow(\"any\")"));
    }
}
