//! Which nexuses of a unit are there, and what only they have to hear: letters beside the bulletin, in bounded space.

use crate::attention::Attention;
use crate::lasting::Registrant;
use crate::nexus_id::NexusId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Nexuses by session. A letter is kept for those that are there, and only until they have read it: who comes later
/// hears POWER ON OCCURRED, which covers everything before. So there are never more letters than kinds of attention
/// for each session.
#[derive(Debug, Default)]
pub(super) struct Presence {
    nexuses: BTreeMap<u64, Present>,
}

#[derive(Debug)]
struct Present {
    who: Registrant,
    /// With the generation at which they were written.
    letters: Vec<(u64, Attention)>,
}

impl Presence {
    /// `nexus` is there; it takes its letters with it.
    pub(super) fn meet(&mut self, nexus: &NexusId) -> Vec<(u64, Attention)> {
        let newcomer = || Present { who: Registrant::of(nexus), letters: Vec::new() };
        std::mem::take(&mut self.nexuses.entry(nexus.session).or_insert_with(newcomer).letters)
    }

    pub(super) fn leave(&mut self, session: u64) {
        self.nexuses.remove(&session);
    }

    /// The nexus `who` has to hear `attention`, if it is there.
    pub(super) fn tell(&mut self, who: &Registrant, generation: u64, attention: Attention) {
        for present in self.nexuses.values_mut().filter(|present| present.who == *who) {
            present.letters.retain(|(_, waiting)| *waiting != attention);
            present.letters.push((generation, attention));
            debug_assert!(present.letters.len() <= Attention::COUNT);
        }
    }

    pub(super) fn has(&self, who: &Registrant) -> bool {
        self.nexuses.values().any(|present| present.who == *who)
    }

    /// The initiator ports that the initiator device `name` has here, each once.
    pub(super) fn ports_of(&self, name: &str) -> Vec<Arc<str>> {
        let ours = |port: &str| port.strip_prefix(name).is_some_and(|rest| rest.starts_with(",i,"));
        let mut ports: Vec<Arc<str>> =
            self.nexuses.values().map(|present| present.who.name.clone()).filter(|port| ours(port)).collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nexus(session: u64, name: &str) -> NexusId {
        NexusId { session, name: name.into(), portal_group: 1 }
    }

    #[test]
    fn a_letter_reaches_its_nexus_once_and_nobody_else() {
        let mut presence = Presence::default();
        presence.meet(&nexus(1, "a,i,0x1"));
        presence.meet(&nexus(2, "b,i,0x1"));
        presence.tell(&Registrant::of(&nexus(0, "a,i,0x1")), 5, Attention::ReservationsReleased);
        assert_eq!(presence.meet(&nexus(2, "b,i,0x1")), []);
        assert_eq!(presence.meet(&nexus(1, "a,i,0x1")), [(5, Attention::ReservationsReleased)]);
        assert_eq!(presence.meet(&nexus(1, "a,i,0x1")), []);
    }

    #[test]
    fn nothing_is_kept_for_those_who_are_not_there() {
        let mut presence = Presence::default();
        let id = nexus(1, "a,i,0x1");
        presence.tell(&Registrant::of(&id), 1, Attention::ReservationsReleased);
        assert_eq!(presence.meet(&id), []);
        presence.tell(&Registrant::of(&id), 2, Attention::ReservationsReleased);
        presence.leave(1);
        assert!(!presence.has(&Registrant::of(&id)));
        assert_eq!(presence.meet(&id), []);
    }

    #[test]
    fn the_same_letter_does_not_pile_up() {
        let mut presence = Presence::default();
        let id = nexus(1, "a,i,0x1");
        presence.meet(&id);
        for generation in 0..1000 {
            presence.tell(&Registrant::of(&id), generation, Attention::ReservationsReleased);
            presence.tell(&Registrant::of(&id), generation, Attention::RegistrationsPreempted);
        }
        let last = [(999, Attention::ReservationsReleased), (999, Attention::RegistrationsPreempted)];
        assert_eq!(presence.meet(&id), last);
    }

    #[test]
    fn the_ports_of_a_device_are_those_of_its_whole_name() {
        let mut presence = Presence::default();
        for (session, name) in [(1, "iqn.a,i,0x2"), (2, "iqn.a,i,0x1"), (3, "iqn.a,i,0x1"), (4, "iqn.ab,i,0x1")] {
            presence.meet(&nexus(session, name));
        }
        assert_eq!(presence.ports_of("iqn.a"), ["iqn.a,i,0x1".into(), "iqn.a,i,0x2".into()] as [Arc<str>; 2]);
        assert_eq!(presence.ports_of("iqn"), [] as [Arc<str>; 0]);
    }
}
