//! A target: who may enter, what is offered at login, which units are behind it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ferrite_api::{Admission, AllowRule, ChapSpec, Digest, Iqn, NegotiateSpec, Refusal, TargetSpec};
use ferrite_iscsi::{Account, Auth, DigestOffer, Offer, Secret, Terms};
use ferrite_scsi::{Device, Port};

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
    /// What its units show of it; the inventory is that of `luns`.
    pub port: Port,
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
    /// A target without units. Secrets are read from their files here.
    ///
    /// # Errors
    /// A secret cannot be read, or a value is out of its range.
    pub fn new(id: u64, name: Iqn, spec: &TargetSpec, device: Arc<Device>) -> Result<Self, Refusal> {
        let port = Port::single(name.as_str(), device);
        Ok(Self {
            id,
            name,
            alias: spec.alias.clone(),
            access: Access::new(spec.allow.clone()),
            auth: auth(&spec.chap, spec.mutual_chap.as_ref())?,
            offer: offer(&spec.negotiate),
            luns: BTreeMap::new(),
            port,
        })
    }

    /// The same with one unit put in or replaced.
    #[must_use]
    pub fn with(&self, lun: Lun) -> Self {
        let mut next = self.clone();
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
        self.port.units = self.luns.iter().map(|(number, lun)| (*number, lun.unit.clone())).collect();
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

/// The portal group of every portal.
pub(crate) const PORTAL_GROUP: u16 = 1;

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
    fn nobody_enters_where_nobody_is_listed() {
        let address = "127.0.0.1".parse().unwrap();
        assert!(!Access::new(Vec::new()).admits("iqn.2026-11.com.example:a", address));
        assert!(Access::new(vec![AllowRule::Any]).admits("iqn.2026-11.com.example:a", address));
    }
}
