//! What is served: targets, their logical units, who may enter, where we listen.
//!
//! A catalog is immutable. A change is a new catalog, posted to every shard; each shard swaps it between two
//! turns, and its acknowledgement is the proof that nothing runs against the old one.

mod drive;
mod identity;
mod lun;
mod target;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use ferrite_api::Iqn;
use ferrite_iscsi::{Auth, Offer, Terms};

pub use drive::EmptyDrive;
pub(crate) use identity::check_identities;
pub(crate) use lun::open;
pub use lun::{House, Lun};
pub(crate) use target::auth;
pub use target::{Access, Target};

/// Everything that is served, as of one generation.
#[derive(Debug, Clone)]
pub struct Catalog {
    /// Counts changes.
    pub generation: u64,
    /// By name.
    pub targets: BTreeMap<Iqn, Arc<Target>>,
    /// Where we listen.
    pub portals: Vec<Portal>,
    /// What discovery sessions must prove.
    pub discovery: Auth,
}

/// An address we listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Portal {
    /// Bound, with its real port.
    pub address: SocketAddr,
    /// TargetPortalGroupTag.
    pub group: u16,
}

impl Catalog {
    /// Nothing is served.
    pub fn empty() -> Self {
        Self { generation: 0, targets: BTreeMap::new(), portals: Vec::new(), discovery: Auth::None }
    }

    /// The target that a login asks for. Names are compared in their normal form (RFC 7143 §4.2.7.1).
    pub fn find(&self, name: &str) -> Option<&Arc<Target>> {
        self.targets.get(&Iqn::parse(name).ok()?)
    }

    /// All LUNs of all targets.
    pub fn luns(&self) -> impl Iterator<Item = &Arc<Lun>> {
        self.targets.values().flat_map(|target| target.luns.values())
    }

    /// [`Lun::id`] of each LUN that `next` has no more, or has on another disk.
    pub fn luns_gone_from(&self, next: &Self) -> Vec<u64> {
        let stays: BTreeMap<u64, &Lun> = next.luns().map(|lun| (lun.id, &**lun)).collect();
        let gone = |lun: &&Arc<Lun>| !stays.get(&lun.id).is_some_and(|next| Arc::ptr_eq(&next.disk, &lun.disk));
        self.luns().filter(gone).map(|lun| lun.id).collect()
    }

    /// Whether the disk behind `lun` is still served.
    pub fn has_disk_of(&self, lun: &Lun) -> bool {
        self.luns().any(|other| Arc::ptr_eq(&other.disk, &lun.disk))
    }

    /// The same with one target put in or replaced.
    #[must_use]
    pub fn with(&self, target: Target) -> Self {
        let mut next = self.next();
        next.targets.insert(target.name.clone(), Arc::new(target));
        next
    }

    /// The same without one target.
    #[must_use]
    pub fn without(&self, name: &Iqn) -> Self {
        let mut next = self.next();
        next.targets.remove(name);
        next
    }

    /// The same with one portal more; the first of its group is another port of every target.
    #[must_use]
    pub fn with_portal(&self, portal: Portal) -> Self {
        let mut next = self.next();
        next.portals.push(portal);
        let groups = next.groups();
        if groups != self.groups() {
            next.targets.values_mut().for_each(|target| *target = Arc::new(target.reached_through(&groups)));
        }
        next
    }

    /// The portal groups, ascending.
    pub fn groups(&self) -> Vec<u16> {
        let groups: BTreeSet<u16> = self.portals.iter().map(|portal| portal.group).collect();
        groups.into_iter().collect()
    }

    /// The same with other rules for discovery sessions.
    #[must_use]
    pub fn with_discovery(&self, discovery: Auth) -> Self {
        Self { discovery, ..self.next() }
    }

    fn next(&self) -> Self {
        Self { generation: self.generation + 1, ..self.clone() }
    }

    /// What a discovery session is offered.
    pub fn discovery_terms(&self, portal_group: u16) -> Terms {
        Terms { auth: self.discovery.clone(), portal_group, target_alias: None, offer: Offer::default() }
    }

    /// Addresses for SendTargets, as a peer that came in by `local` can reach them. A wildcard portal is
    /// shown as the address the peer used, which is the one that surely works for it.
    pub fn portals_seen_at(&self, local: SocketAddr) -> Vec<(String, u16)> {
        let seen = |portal: &Portal| {
            let mut address = portal.address;
            if address.ip().is_unspecified() {
                let ip = local.ip().to_canonical();
                if address.is_ipv4() && ip.is_ipv6() {
                    return None;
                }
                address.set_ip(ip);
            }
            Some((SocketAddr::new(address.ip(), address.port()).to_string(), portal.group))
        };
        let mut portals: Vec<_> = self.portals.iter().filter_map(seen).collect();
        portals.dedup();
        portals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn portals(addresses: &[&str]) -> Catalog {
        addresses.iter().fold(Catalog::empty(), |catalog, address| {
            catalog.with_portal(Portal { address: address.parse().unwrap(), group: 1 })
        })
    }

    #[test]
    fn a_wildcard_portal_is_shown_as_the_address_the_peer_came_by() {
        let catalog = portals(&["0.0.0.0:3260", "192.0.2.9:3261"]);
        let seen = catalog.portals_seen_at("192.0.2.1:3260".parse().unwrap());
        assert_eq!(seen, [("192.0.2.1:3260".to_owned(), 1), ("192.0.2.9:3261".to_owned(), 1)]);
    }

    #[test]
    fn an_ipv4_peer_of_a_wildcard_ipv6_portal_gets_its_ipv4_address() {
        let seen = portals(&["[::]:3260"]).portals_seen_at("[::ffff:192.0.2.1]:3260".parse().unwrap());
        assert_eq!(seen, [("192.0.2.1:3260".to_owned(), 1)]);
    }

    #[test]
    fn an_ipv6_peer_is_not_shown_an_ipv4_wildcard() {
        let seen = portals(&["0.0.0.0:3260", "[::]:3260"]).portals_seen_at("[2001:db8::1]:3260".parse().unwrap());
        assert_eq!(seen, [("[2001:db8::1]:3260".to_owned(), 1)]);
    }

    #[test]
    fn each_portal_is_shown_with_the_tag_of_its_group() {
        let catalog = portals(&["192.0.2.1:3260"]);
        let catalog = catalog.with_portal(Portal { address: "192.0.2.2:3260".parse().unwrap(), group: 9 });
        let seen = catalog.portals_seen_at("192.0.2.1:3260".parse().unwrap());
        assert_eq!(seen, [("192.0.2.1:3260".to_owned(), 1), ("192.0.2.2:3260".to_owned(), 9)]);
        assert_eq!(catalog.groups(), [1, 9]);
    }

    #[test]
    fn each_change_is_a_new_generation_and_leaves_the_old_catalog_alone() {
        let old = portals(&["127.0.0.1:3260"]);
        let new = old.with_portal(Portal { address: "[::1]:3260".parse().unwrap(), group: 1 });
        assert_eq!((old.generation, old.portals.len()), (1, 1));
        assert_eq!((new.generation, new.portals.len()), (2, 2));
    }
}
