//! What the engine knows of a session beside the protocol's part: its target, its units, its tasks.

use std::collections::VecDeque;
use std::sync::Arc;

use ferrite_iscsi::{Session, TaskTag};
use ferrite_scsi::{Attention, LogicalUnit, Nexus, NexusId, Plan, Port, Reply, Sense};

use super::key::TaskKey;
use super::letters::Hold;
use super::lineup::Lineup;
use super::work::Ask;
use crate::catalog::{Lun, Target};
use crate::roster::Seat;

/// A session that lives on this shard.
pub(crate) struct Member {
    pub(crate) protocol: Session,
    /// The connection that carries it; `None` while its last disk jobs come home.
    pub(crate) link: Option<usize>,
    /// Unique on this node for as long as it runs.
    pub(crate) serial: u64,
    /// Its place in the roster, given back when the last of its jobs is home, and the last of its copies.
    pub(crate) seat: Arc<Seat>,
    /// `None` for a discovery session.
    pub(crate) target: Option<Arc<Target>>,
    nexus: NexusId,
    /// By LUN number, ascending.
    units: Vec<UnitLink>,
    /// For LUNs that are not there.
    absent: Absent,
    tasks: Vec<Option<TaskKey>>,
    /// Jobs on disks and errands, of live and of aborted tasks.
    pub(crate) on_disk: usize,
    /// Bytes that its tasks hold.
    pub(crate) lent: u64,
    /// Tasks that wait for its share, oldest first.
    pub(crate) choked: VecDeque<TaskKey>,
    /// Units where not all commands are SIMPLE: mostly none.
    pub(crate) lineups: Vec<Lineup>,
    /// Its target was removed; it ends.
    pub(crate) lost: bool,
    /// Who waits for the session's end.
    pub(crate) holds: Vec<Hold>,
    pub(crate) counters: Counters,
}

/// What one session has with one logical unit.
pub(crate) struct UnitLink {
    pub(crate) number: u16,
    pub(crate) lun: Arc<Lun>,
    pub(crate) nexus: Nexus,
    /// Its writes are claimed in the unit's lane.
    pub(crate) armed: bool,
}

/// The unit behind LUN numbers that nobody configured.
struct Absent {
    unit: LogicalUnit,
    nexus: Nexus,
}

/// Counted per session, read by reports.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counters {
    pub(crate) commands: u64,
    pub(crate) bytes_read: u64,
    pub(crate) bytes_written: u64,
}

impl Member {
    pub(crate) fn new(protocol: Session, link: usize, seat: Seat, target: Option<Arc<Target>>, nexus: NexusId) -> Self {
        let serial = seat.serial();
        let absent = Absent { unit: LogicalUnit::missing(), nexus: Nexus::new(nexus.clone()) };
        let mut member = Self {
            protocol,
            link: Some(link),
            serial,
            seat: Arc::new(seat),
            target: None,
            nexus,
            units: Vec::new(),
            absent,
            tasks: Vec::new(),
            on_disk: 0,
            lent: 0,
            choked: VecDeque::new(),
            lineups: Vec::new(),
            lost: false,
            holds: Vec::new(),
            counters: Counters::default(),
        };
        if let Some(target) = target {
            member.units = target.luns.iter().map(|(number, lun)| member.link_unit(*number, lun)).collect();
            member.target = Some(target);
        }
        member
    }

    fn link_unit(&self, number: u16, lun: &Arc<Lun>) -> UnitLink {
        UnitLink { number, lun: lun.clone(), nexus: Nexus::new(self.nexus.clone()), armed: lun.lane.is_armed() }
    }

    /// What it has with the configured LUN behind `number`.
    pub(crate) fn unit(&self, number: u16) -> Option<&UnitLink> {
        position(&self.units, number).map(|at| &self.units[at])
    }

    /// Who its initiator port and target port are.
    pub(crate) fn nexus(&self) -> &NexusId {
        &self.nexus
    }

    /// Whether its nexus is one of these.
    pub(crate) fn is_among(&self, named: &[(Box<str>, u16)]) -> bool {
        is_among(&self.nexus, named)
    }

    /// The configured LUN behind `number`.
    pub(crate) fn lun(&self, number: u16) -> Option<&Arc<Lun>> {
        position(&self.units, number).map(|at| &self.units[at].lun)
    }

    /// Names the configured LUN behind `number`, whatever comes to have the number later.
    pub(crate) fn unit_id(&self, number: u16) -> u64 {
        self.lun(number).map_or(0, |lun| lun.id)
    }

    /// What the unit behind `number` makes of a command.
    pub(crate) fn plan(&mut self, number: u16, ask: &Ask<'_>) -> Plan {
        let (unit, nexus, port) = self.unit_and_port(number);
        let plan = unit.plan(nexus, port, &ask.command());
        if let Plan::Reply(reply) = &plan {
            self.told(ask.cdb[0], reply);
        }
        plan
    }

    /// What the unit behind `number` has against a write by this nexus just now.
    pub(crate) fn refuses_writing(&mut self, number: u16) -> Option<Reply> {
        let (unit, nexus, _) = self.unit_and_port(number);
        unit.refuses(nexus, true)
    }

    // A changed inventory is told once for all units of a target (SPC-4 6.33), by a unit attention or by the
    // inventory itself.
    fn told(&mut self, opcode: u8, reply: &Reply) {
        let attention = Attention::LunsChanged;
        if opcode == REPORT_LUNS || reply.sense == Some(attention.sense()) {
            for link in &mut self.units {
                link.nexus.withdraw(attention);
            }
        }
    }

    /// The same, now that the parameter list has come.
    pub(crate) fn gathered(&mut self, number: u16, ask: &Ask<'_>, list: &[u8]) -> Plan {
        let (unit, nexus, port) = self.unit_and_port(number);
        unit.gathered(nexus, port, &ask.command(), list)
    }

    fn unit_and_port(&mut self, number: u16) -> (&LogicalUnit, &mut Nexus, &Port) {
        let target = self.target.as_ref().expect("discovery sessions have no commands");
        let port = target.port(self.nexus.portal_group);
        match position(&self.units, number) {
            Some(at) => {
                let link = &mut self.units[at];
                (&link.lun.unit, &mut link.nexus, port)
            }
            None => (&self.absent.unit, &mut self.absent.nexus, port),
        }
    }

    /// Queues a unit attention for this nexus.
    pub(crate) fn post(&mut self, number: u16, attention: Attention) {
        if let Some(at) = position(&self.units, number) {
            self.units[at].nexus.post(attention);
        }
    }

    /// The unit attention that the next command to `number` would meet.
    pub(crate) fn first_attention(&mut self, number: u16) -> Option<Sense> {
        let at = position(&self.units, number)?;
        let link = &mut self.units[at];
        link.lun.unit.attentions(&mut link.nexus).first().map(|attention| attention.sense())
    }

    pub(crate) fn block_size(&self, number: u16) -> u32 {
        self.lun(number).map_or(512, |lun| lun.unit.medium().block_size)
    }

    pub(crate) fn write_cache(&self, number: u16) -> bool {
        self.lun(number).is_some_and(|lun| lun.unit.medium().write_cache)
    }

    /// Sense data of the unit behind `number` has the descriptor format for this nexus.
    pub(crate) fn wants_descriptors(&self, number: u16) -> bool {
        position(&self.units, number).is_some_and(|at| self.units[at].nexus.wants_descriptors())
    }

    pub(crate) fn units(&mut self) -> &mut [UnitLink] {
        &mut self.units
    }

    /// Takes the target's new shape over. Returns the LUN numbers that went away and whether the
    /// inventory changed.
    pub(crate) fn relink(&mut self, target: Arc<Target>) -> Relinked {
        let mut old = std::mem::take(&mut self.units);
        let mut changed = false;
        let mut replaced = Vec::new();
        let mut units = Vec::with_capacity(target.luns.len());
        for (number, lun) in &target.luns {
            let before = old.iter().position(|link| link.number == *number && link.lun.id == lun.id);
            match before.map(|at| old.remove(at)) {
                Some(mut link) => {
                    if !Arc::ptr_eq(&link.lun, lun) {
                        for attention in lun.unit.attentions_since(&link.lun.unit) {
                            link.nexus.post(attention);
                        }
                        if !Arc::ptr_eq(&link.lun.disk, &lun.disk) {
                            replaced.push(*number);
                        }
                        link.lun = lun.clone();
                    }
                    units.push(link);
                }
                None => {
                    changed = true;
                    units.push(self.link_unit(*number, lun));
                }
            }
        }
        self.units = units;
        self.target = Some(target);
        changed |= !old.is_empty();
        if changed {
            for link in &mut self.units {
                link.nexus.post(Attention::LunsChanged);
            }
        }
        Relinked { removed: old, replaced, inventory_changed: changed }
    }

    pub(crate) fn remember(&mut self, tag: TaskTag, key: TaskKey) {
        let index = tag.index();
        if self.tasks.len() <= index {
            self.tasks.resize(index + 1, None);
        }
        self.tasks[index] = Some(key);
    }

    pub(crate) fn forget(&mut self, tag: TaskTag) {
        self.tasks[tag.index()] = None;
    }

    pub(crate) fn task(&self, tag: TaskTag) -> Option<TaskKey> {
        self.tasks.get(tag.index()).copied().flatten()
    }

    /// None of its tasks is known to the protocol any more.
    pub(crate) fn forget_all(&mut self) {
        self.tasks.clear();
        self.choked.clear();
    }

    /// The live tasks.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = TaskKey> + '_ {
        self.tasks.iter().flatten().copied()
    }
}

impl Drop for Member {
    // Here and not where sessions end: a shard that fails ends its sessions, too.
    fn drop(&mut self) {
        for unit in &self.units {
            unit.lun.unit.book().forget(self.serial);
        }
    }
}

/// Whether a nexus is one of these.
pub(crate) fn is_among(nexus: &NexusId, named: &[(Box<str>, u16)]) -> bool {
    named.iter().any(|(name, group)| **name == *nexus.name && *group == nexus.portal_group)
}

/// What [`Member::relink`] changed.
pub(crate) struct Relinked {
    /// Units that went away, with what this nexus had with them.
    pub(crate) removed: Vec<UnitLink>,
    /// Units that have another disk behind them.
    pub(crate) replaced: Vec<u16>,
    pub(crate) inventory_changed: bool,
}

const REPORT_LUNS: u8 = 0xA0;

// LUNs are mostly numbered from zero without holes: look there before searching.
fn position(units: &[UnitLink], number: u16) -> Option<usize> {
    let at = usize::from(number);
    if units.get(at).is_some_and(|link| link.number == number) {
        return Some(at);
    }
    units.binary_search_by_key(&number, |link| link.number).ok()
}
