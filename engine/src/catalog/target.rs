//! A target: who may enter, what is offered at login, which units are behind it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ferrite_api::{
    AccessState, Admission, AllowRule, ChapSpec, Digest, Iqn, NegotiateSpec, PortalGroup, Refusal, TargetSpec,
};
use ferrite_iscsi::{Account, Auth, DigestOffer, Offer, Secret, Terms};
use ferrite_scsi::{Device, Port, PortGroup};

use super::Lun;

/// A target.
#[derive(Debug, Clone)]
pub struct Target {
    /// Unique for as long as the engine runs: a target of the same name added again is another one.
    pub id: u64,
    /// Its name.
    pub name: Iqn,
    /// TargetAlias.
    pub alias: Option<String>,
    /// Who may enter.
    pub access: Access,
    /// What a candidate must prove.
    pub auth: Auth,
    /// Our side of the negotiation.
    pub offer: Offer,
    /// By number.
    pub luns: BTreeMap<u16, Arc<Lun>>,
    /// Sessions are told of a changed inventory by an asynchronous event.
    pub async_events: bool,
    /// How its units are reached through each portal group, where an operator has said so.
    pub alua: BTreeMap<PortalGroup, AccessState>,
    /// What its units show of it, by portal group, ascending; the inventory is that of `luns`.
    ports: Vec<Port>,
    device: Arc<Device>,
}

/// Who may enter a target.
#[derive(Debug, Clone)]
pub struct Access(Vec<AllowRule>);

impl Access {
    /// By rules.
    pub fn new(rules: Vec<AllowRule>) -> Self {
        Self(rules)
    }

    /// What the rules say.
    pub fn judge(&self, initiator: &str, address: IpAddr) -> Admission {
        Admission::judge(&self.0, initiator, address)
    }

    /// Whether the initiator may enter.
    pub fn admits(&self, initiator: &str, address: IpAddr) -> bool {
        self.judge(initiator, address).is_granted()
    }
}

impl Target {
    /// A target without units that is reached through `groups`. Secrets are read from their files here.
    ///
    /// # Errors
    /// A secret cannot be read, or a value is out of its range.
    pub fn new(id: u64, name: Iqn, spec: &TargetSpec, groups: &[u16], device: Arc<Device>) -> Result<Self, Refusal> {
        let target = Self {
            id,
            name,
            alias: spec.alias.clone(),
            access: Access::new(spec.allow.clone()),
            auth: auth(&spec.chap, spec.mutual_chap.as_ref())?,
            offer: offer(&spec.negotiate),
            luns: BTreeMap::new(),
            async_events: spec.async_events,
            alua: spec.alua.clone(),
            ports: Vec::new(),
            device,
        };
        Ok(target.reached_through(groups))
    }

    /// The SCSI target port that the portals of `group` are.
    ///
    /// # Panics
    /// When there are none: nobody can have come by them.
    pub fn port(&self, group: u16) -> &Port {
        let port = self.ports.iter().find(|port| port.group == group);
        port.expect("a portal is in the catalog before anybody is let in by it")
    }

    /// The same, reached through these portal groups, ascending. The portals of one group are one SCSI target port
    /// (RFC 7143 §4.4.3), which is a target port group of its own: its state can be set apart from all others.
    #[must_use]
    pub fn reached_through(&self, groups: &[u16]) -> Self {
        let all: Vec<PortGroup> = groups.iter().map(|&number| PortGroup { number, ports: vec![number] }).collect();
        let port = |&group: &u16| Port {
            target: self.name.as_str().to_owned(),
            relative_port: group,
            group,
            units: Vec::new(),
            groups: all.clone(),
            device: self.device.clone(),
        };
        Self { ports: groups.iter().map(port).collect(), ..self.clone() }.renumbered()
    }

    /// The same, its units reached through `group` in this state. A state is told to the units by
    /// [`Target::set_access`].
    #[must_use]
    pub fn with_access(&self, group: PortalGroup, state: AccessState) -> Self {
        let mut next = self.clone();
        next.alua.insert(group, state);
        next
    }

    /// Makes the state of `group` true for every unit; their initiators hear of it where it changes.
    pub fn set_access(&self, group: PortalGroup, state: AccessState) {
        for lun in self.luns.values() {
            lun.unit.book().set_access(group.number(), scsi_state(state), None);
        }
    }

    /// The same with one unit put in or replaced.
    #[must_use]
    pub fn with(&self, lun: Lun) -> Self {
        let mut next = self.clone();
        for (group, state) in &self.alua {
            if !self.luns.contains_key(&lun.number) {
                lun.unit.book().set_access(group.number(), scsi_state(*state), None);
            }
        }
        next.luns.insert(lun.number, Arc::new(lun));
        next.renumbered()
    }

    /// The same without one unit.
    #[must_use]
    pub fn without(&self, number: u16) -> Self {
        let mut next = self.clone();
        next.luns.remove(&number);
        next.renumbered()
    }

    fn renumbered(mut self) -> Self {
        for port in &mut self.ports {
            port.units = self.luns.iter().map(|(number, lun)| (*number, lun.unit.clone())).collect();
        }
        self
    }

    /// What a candidate is offered that may enter.
    pub fn terms(&self, portal_group: u16) -> Terms {
        Terms { auth: self.auth.clone(), portal_group, target_alias: self.alias.clone(), offer: self.offer }
    }
}

/// CHAP from the accounts of a spec; none: no authentication.
///
/// # Errors
/// A secret cannot be read.
pub(crate) fn auth(chap: &[ChapSpec], mutual: Option<&ChapSpec>) -> Result<Auth, Refusal> {
    let account = |spec: &ChapSpec| -> Result<Account, Refusal> {
        let secret = spec.secret().resolve()?;
        Ok(Account { name: spec.user().to_owned(), secret: Secret::from(secret.reveal()) })
    };
    if chap.is_empty() {
        return Ok(Auth::None);
    }
    let accounts = chap.iter().map(account).collect::<Result<_, _>>()?;
    Ok(Auth::Chap { accounts, mutual: mutual.map(account).transpose()? })
}

fn offer(spec: &NegotiateSpec) -> Offer {
    let default = Offer::default();
    let digest = |digests: &Option<Vec<Digest>>, default| match digests.as_deref() {
        None | Some([]) => default,
        Some(list) => match (list.contains(&Digest::Crc32c), list.contains(&Digest::None)) {
            (true, true) => DigestOffer::Welcome,
            (true, false) => DigestOffer::Required,
            (false, _) => DigestOffer::Never,
        },
    };
    Offer {
        header_digest: digest(&spec.header_digest, default.header_digest),
        data_digest: digest(&spec.data_digest, default.data_digest),
        initial_r2t: spec.initial_r2t.unwrap_or(default.initial_r2t),
        immediate_data: spec.immediate_data.unwrap_or(default.immediate_data),
        target_segment: spec.max_recv_data_segment_length.unwrap_or(default.target_segment),
        max_burst: spec.max_burst_length.unwrap_or(default.max_burst),
        first_burst: spec.first_burst_length.unwrap_or(default.first_burst),
        max_outstanding_r2t: spec.max_outstanding_r2t.map_or(default.max_outstanding_r2t, u32::from),
        time_to_wait: spec.default_time2wait.map_or(default.time_to_wait, u32::from),
        time_to_retain: spec.default_time2retain.map_or(default.time_to_retain, u32::from),
        ..default
    }
}

fn scsi_state(state: AccessState) -> ferrite_scsi::AccessState {
    match state {
        AccessState::ActiveOptimized => ferrite_scsi::AccessState::ActiveOptimized,
        AccessState::ActiveNonOptimized => ferrite_scsi::AccessState::ActiveNonOptimized,
        AccessState::Standby => ferrite_scsi::AccessState::Standby,
        AccessState::Unavailable => ferrite_scsi::AccessState::Unavailable,
        AccessState::Offline => ferrite_scsi::AccessState::Offline,
        AccessState::Transitioning => ferrite_scsi::AccessState::Transitioning,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_offered_as_the_list_says() {
        for (list, expected) in [
            (None, DigestOffer::Welcome),
            (Some(vec![Digest::None]), DigestOffer::Never),
            (Some(vec![Digest::Crc32c]), DigestOffer::Required),
            (Some(vec![Digest::Crc32c, Digest::None]), DigestOffer::Welcome),
        ] {
            let spec = NegotiateSpec { header_digest: list.clone(), ..NegotiateSpec::default() };
            assert_eq!(offer(&spec).header_digest, expected, "{list:?}");
        }
    }

    #[test]
    fn each_portal_group_is_a_port_and_a_target_port_group_of_its_own() {
        let name = Iqn::parse("iqn.2026-11.com.example:t").unwrap();
        let device = Arc::new(Device::new(|| 0, |bytes| bytes.fill(1)));
        let target = Target::new(1, name, &TargetSpec::default(), &[1], device).unwrap();
        assert_eq!(target.port(1).groups.len(), 1);
        let target = target.reached_through(&[1, 7]);
        for group in [1, 7] {
            let port = target.port(group);
            assert_eq!((port.relative_port, port.group), (group, group));
            let all: Vec<_> = port.groups.iter().map(|group| (group.number, group.ports.clone())).collect();
            assert_eq!(all, [(1, vec![1]), (7, vec![7])]);
        }
    }

    #[test]
    #[should_panic(expected = "before anybody is let in")]
    fn a_session_through_a_group_without_portals_is_our_own_mistake() {
        let name = Iqn::parse("iqn.2026-11.com.example:t").unwrap();
        let device = Arc::new(Device::new(|| 0, |bytes| bytes.fill(1)));
        let _ = Target::new(1, name, &TargetSpec::default(), &[1], device).unwrap().port(2);
    }

    #[test]
    fn nobody_enters_where_nobody_is_listed() {
        let address = "127.0.0.1".parse().unwrap();
        assert!(!Access::new(Vec::new()).admits("iqn.2026-11.com.example:a", address));
        assert!(Access::new(vec![AllowRule::Any]).admits("iqn.2026-11.com.example:a", address));
    }
}
