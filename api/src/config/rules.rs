//! What only shows when objects are seen together: names, counts, identities and disks that collide.

use super::Diagnostic;
use super::place::Source;
use super::tree::{Path, Tree};
use crate::{AllowRule, Config, GlobalSpec, LunSpec, PortalGroup, Refusal, TargetName, TargetSpec, codes};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;

/// Checks a config that was read. `tree` is where it was read from.
pub(crate) fn check(config: &Config, tree: &Tree<'_>, source: &Source<'_>) -> Vec<Diagnostic> {
    let mut findings = Findings { tree, source, found: Vec::new() };
    findings.counts(config);
    if !findings.found.is_empty() {
        // The rest compares many with many, and is for numbers within the limits.
        return findings.found;
    }
    findings.names(config);
    if !findings.found.is_empty() {
        // Of two targets with one name only one was read.
        return findings.found;
    }
    findings.portals(config);
    findings.luns(config);
    let groups = config.global.portal_groups();
    for (name, target) in &config.targets {
        findings.access(&tree.target(name), target);
        findings.alua(&tree.target(name), target, &groups);
    }
    findings.found
}

struct Findings<'a> {
    tree: &'a Tree<'a>,
    source: &'a Source<'a>,
    found: Vec<Diagnostic>,
}

impl Findings<'_> {
    fn error(&mut self, at: &Path, refusal: Refusal) {
        let place = self.tree.span(at).map(|span| self.source.place(&span));
        self.found.push(Diagnostic::error(refusal, place));
    }

    fn warning(&mut self, at: &Path, refusal: Refusal) {
        let place = self.tree.span(at).map(|span| self.source.place(&span));
        self.found.push(Diagnostic::warning(refusal, place));
    }

    fn names(&mut self, config: &Config) {
        let mut seen = HashMap::new();
        for name in config.targets.keys() {
            let at = self.tree.target(name);
            match name.whole(config.global.iqn_prefix.as_ref()) {
                Err(refusal) => self.error(&at, refusal),
                Ok(whole) => {
                    if let Some(first) = seen.insert(whole.clone(), name) {
                        let what = format!("{first} and {name} are the same target, {whole}");
                        self.error(&at, Refusal::new(codes::DUPLICATE_TARGET, what));
                    }
                }
            }
        }
        // Two spellings of one key fall together when they are read, and one of them would be lost.
        let keys = self.tree.keys(&Path::of(&["targets"]));
        let mut spelled = HashMap::new();
        for key in &keys {
            let Ok(name) = TargetName::parse(key) else {
                continue;
            };
            if let Some(first) = spelled.insert(name, key) {
                let what = format!("{first} and {key} are the same target");
                self.error(&Path::of(&["targets", key]), Refusal::new(codes::DUPLICATE_TARGET, what));
            }
        }
    }

    fn counts(&mut self, config: &Config) {
        let luns = config.targets.values().map(|target| target.luns.len()).sum();
        self.count(&Path::of(&["targets"]), config.targets.len(), Config::TARGETS_MAX, "targets");
        self.count(&Path::of(&["targets"]), luns, Config::LUNS_MAX, "LUNs in all");
        let global = Path::of(&["global"]);
        self.count(&global.key("portals"), config.global.portals.len(), GlobalSpec::PORTALS_MAX, "portals");
        let accounts = config.global.discovery_auth.len();
        self.count(&global.key("discovery_auth"), accounts, TargetSpec::ACCOUNTS_MAX, "accounts");
        for (name, target) in config.targets.iter().take(Config::TARGETS_MAX) {
            let at = self.tree.target(name);
            self.count(&at.key("allow"), target.allow.len(), TargetSpec::RULES_MAX, "rules");
            self.count(&at.key("chap"), target.chap.len(), TargetSpec::ACCOUNTS_MAX, "accounts");
        }
    }

    fn count(&mut self, at: &Path, count: usize, limit: usize, of: &str) {
        if count > limit {
            self.error(
                at,
                Refusal::new(codes::TOO_MANY, format!("{at}: there are {count} {of}, the limit is {limit}")),
            );
        }
    }

    fn portals(&mut self, config: &Config) {
        let mut seen = HashSet::new();
        for (index, portal) in config.global.portals.iter().enumerate() {
            let address = portal.address;
            if address.socket().port() != 0 && !seen.insert(address) {
                let at = Path::of(&["global", "portals"]).index(index);
                self.error(&at, Refusal::new(codes::BAD_PORTAL, format!("[global]: portal {address} stands twice")));
            }
        }
    }

    /// Two LUNs that look the same are one disk to an initiator, with two contents.
    fn luns(&mut self, config: &Config) {
        let (mut ids, mut serials, mut disks) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut names = HashMap::new();
        for (name, target) in &config.targets {
            let luns = self.tree.target(name).key("luns");
            for (number, lun) in &target.luns {
                let at = luns.key(number);
                let identity = &lun.identity;
                if let Some(id) = &identity.scsi_id {
                    self.unique(&mut ids, id.clone(), &at, "scsi_id", id.as_str());
                }
                if let Some(naa) = &identity.naa {
                    self.unique(&mut names, ("naa", naa.as_str()), &at, "naa", naa.as_str());
                }
                if let Some(eui64) = &identity.eui64 {
                    self.unique(&mut names, ("eui64", eui64.as_str()), &at, "eui64", eui64.as_str());
                }
                if let Some(id) = &identity.scsi_id_hex {
                    self.unique(&mut names, ("scsi_id_hex", id.as_str()), &at, "scsi_id_hex", id.as_str());
                }
                if let Some(serial) = &identity.serial {
                    self.unique(&mut serials, serial.clone(), &at, "serial", serial.as_str());
                }
                self.disk(&mut disks, &at, lun);
            }
        }
    }

    fn unique<K: Hash + Eq>(&mut self, seen: &mut HashMap<K, Path>, key: K, at: &Path, word: &str, value: &str) {
        match seen.get(&key) {
            None => {
                seen.insert(key, at.clone());
            }
            Some(first) => {
                let what = format!("{at}: {word} {value:?} is also that of {first}");
                let hint = "initiators would take both for one disk; give each its own";
                self.error(&at.key(word), Refusal::new(codes::DUPLICATE_IDENTITY, what).hint(hint));
            }
        }
    }

    fn disk<'c>(&mut self, seen: &mut HashMap<&'c std::path::Path, (Path, bool)>, at: &Path, lun: &'c LunSpec) {
        let Some(path) = lun.backend.path() else {
            return;
        };
        let reads = lun.read_only || lun.backend.is_drive();
        match seen.get(path.as_path()) {
            None => {
                seen.insert(path, (at.clone(), reads));
            }
            Some((_, true)) if reads => {}
            Some((first, _)) => {
                let what = format!("{at}: {} is also the disk of {first}", path.display());
                let hint = "reservations of one would not hold for the other; serve it once, or make both read_only";
                self.error(&at.key("path"), Refusal::new(codes::DISK_TWICE, what).hint(hint));
            }
        }
    }

    /// A state of a group that nobody can come by is a slip of its number.
    fn alua(&mut self, at: &Path, target: &TargetSpec, groups: &BTreeSet<PortalGroup>) {
        for group in target.alua.keys().filter(|group| !groups.contains(group)) {
            let there: Vec<String> = groups.iter().map(ToString::to_string).collect();
            let refusal = Refusal::new(codes::UNFIT_KEY, format!("{at}: alua: no portal is in group {group}"));
            let hint = format!(
                "the portals are in: {}; a portal gets a group by {{ address = \"...\", group = {group} }}",
                there.join(", ")
            );
            self.error(&at.key("alua").key(group), refusal.hint(hint));
        }
    }

    fn access(&mut self, at: &Path, target: &TargetSpec) {
        let allow = at.key("allow");
        if target.allow.is_empty() {
            let place = if self.tree.has(&allow) { &allow } else { at };
            let refusal = Refusal::new(codes::LISTS_NOBODY, format!("{at} lets nobody in"));
            self.warning(place, refusal.hint("list who may enter: allow = [\"iqn:GLOB\", \"addr:ADDRESS/BITS\"]"));
        }
        if target.allow.len() > 1
            && let Some(index) = target.allow.iter().position(|rule| *rule == AllowRule::Any)
        {
            let what = format!("{at}: beside \"any\" no other rule has a meaning");
            self.warning(&allow.index(index), Refusal::new(codes::OPEN_TO_ALL, what).hint("keep either"));
        }
        if target.mutual_chap.is_some() && target.chap.is_empty() {
            let what =
                format!("{at}: `mutual_chap` stands without chap: a target answers only after the initiator has");
            let refusal = Refusal::new(codes::UNFIT_KEY, what).hint("add a [[targets.NAME.chap]]");
            self.error(&at.key("mutual_chap"), refusal);
        }
    }
}
