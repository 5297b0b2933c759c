//! Who has the unit: RESERVE and RELEASE (SPC-2), persistent reservations (SPC-4), and what operators see of them.

use super::{Book, State};
use crate::lasting::{Lasting, Outcome, Persistent, Refusal, Registrant, Request, ReservationType};
use crate::nexus_id::NexusId;
use crate::plan::{Amendment, Plan, Reply, Status};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How often a unit was reserved and released, by whatever kind of reservation, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReservationCounters {
    /// Reservations that began, or passed to another holder or type.
    pub reserves: u64,
    /// Reservations that ended: released, cleared, or lost with their holder.
    pub releases: u64,
    /// Commands that were answered with RESERVATION CONFLICT.
    pub refusals: u64,
}

/// Who has the unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// Nobody.
    Nobody,
    /// A session, by RESERVE.
    Session(u64),
    /// One I_T nexus, by PERSISTENT RESERVE OUT.
    Nexus(Registrant, ReservationType),
    /// All who are registered.
    AllRegistrants(ReservationType),
}

/// All that operators want to know of a unit's reservations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservationReport {
    /// Who has the unit.
    pub holder: Holder,
    /// Everyone who is registered, in the order of registration.
    pub registrations: Vec<RegistrationReport>,
    /// PRGENERATION.
    pub generation: u32,
    /// PTPL_A: registrations and reservation outlive a restart.
    pub kept: bool,
    /// How often.
    pub counters: ReservationCounters,
}

/// One registration, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationReport {
    /// SCSI initiator port name.
    pub initiator_port: Arc<str>,
    /// Portal group tag of the target port.
    pub target_port: u16,
    /// RESERVATION KEY.
    pub key: NonZeroU64,
    /// It has a session now, and has used the unit in it.
    pub connected: bool,
}

impl Book {
    /// The session that holds the unit by RESERVE.
    pub fn holder(&self) -> Option<u64> {
        self.state().holder
    }

    /// Registrations and the persistent reservation.
    pub fn persistent(&self) -> Persistent {
        self.state().lasting.persistent.clone()
    }

    /// Who has the unit, who is registered, and how often that changed.
    pub fn reservations(&self) -> ReservationReport {
        let state = self.state();
        let persistent = &state.lasting.persistent;
        let registrations = persistent.registrations().iter().map(|one| RegistrationReport {
            initiator_port: one.nexus.name.clone(),
            target_port: one.nexus.port,
            key: one.key,
            connected: state.presence.has(&one.nexus),
        });
        ReservationReport {
            holder: state.who_has_it(),
            registrations: registrations.collect(),
            generation: persistent.generation(),
            kept: persistent.is_kept(),
            counters: ReservationCounters { refusals: self.refusals.load(Ordering::Relaxed), ..state.counters },
        }
    }

    /// The nexus of `session` was lost, be it that the session goes on (I_T NEXUS RESET): what it held by RESERVE is free,
    /// its copies are forgotten, and it prevents no removal. What is registered stays.
    pub fn nexus_lost(&self, session: u64) {
        self.copies.forget(session);
        self.allow_removal(session);
        let mut state = self.state();
        if state.free_if(|holder| holder == session) {
            self.advance();
        }
    }

    /// RESERVATION CONFLICT, which operators count.
    pub(crate) fn refusal(&self) -> Reply {
        self.refusals.fetch_add(1, Ordering::Relaxed);
        Status::ReservationConflict.into()
    }

    /// RESERVE.
    pub(crate) fn reserve(&self, nexus: &NexusId) -> Reply {
        let mut state = self.state();
        match state.lasting.persistent.compatible_handling(&Registrant::of(nexus)) {
            Some(true) => return Status::Good.into(),
            Some(false) => return self.refusal(),
            None => {}
        }
        match state.holder {
            Some(holder) if holder != nexus.session => return self.refusal(),
            Some(_) => {}
            None => {
                state.holder = Some(nexus.session);
                state.counters.reserves += 1;
                self.advance();
            }
        }
        Status::Good.into()
    }

    /// RELEASE. That the nexus did not hold the unit is no error (SPC-2, RELEASE).
    pub(crate) fn release(&self, nexus: &NexusId) -> Reply {
        let mut state = self.state();
        if state.lasting.persistent.compatible_handling(&Registrant::of(nexus)) == Some(false) {
            return self.refusal();
        }
        if state.free_if(|holder| holder == nexus.session) {
            self.advance();
        }
        Status::Good.into()
    }

    /// The initiator ports of an initiator device that use this unit now.
    pub(crate) fn ports_of(&self, device: &str) -> Vec<Arc<str>> {
        self.state().presence.ports_of(device)
    }

    /// PERSISTENT RESERVE OUT: what becomes of `request` of `nexus`, done at once where nothing of it has to be on
    /// stable storage first.
    pub(crate) fn persist(&self, nexus: &NexusId, request: &Request) -> Plan {
        let mut state = self.state();
        // The two kinds of reservation do not mix, not even for one holder (SPC-2, PERSISTENT RESERVE OUT).
        if state.holder.is_some() {
            return Plan::Reply(self.refusal());
        }
        let outcome = match state.lasting.persistent.after(&Registrant::of(nexus), request) {
            Ok(outcome) => outcome,
            Err(Refusal::Conflict) => return Plan::Reply(self.refusal()),
            Err(Refusal::Check(sense)) => return sense.into(),
        };
        let Outcome { next, told, ended } = outcome;
        let then = match ended.is_empty() {
            true => Plan::good(),
            false => Plan::Abort { nexuses: ended.into_iter().map(|who| (Box::from(&*who.name), who.port)).collect() },
        };
        let keep = next.to_keep();
        if keep != state.kept.persistent {
            return Plan::Keep(Box::new(Amendment {
                keep: Lasting { persistent: keep, ..state.kept.clone() },
                next: Lasting { persistent: next, ..state.lasting.clone() },
                posts: Vec::new(),
                told,
                then,
            }));
        }
        if next != state.lasting.persistent {
            let generation = self.generation() + 1;
            state.turn_to(next);
            told.iter().for_each(|(who, attention)| state.presence.tell(who, generation, *attention));
            self.advance();
        }
        then
    }
}

impl State {
    /// Ends a reservation by RESERVE whose holder `chosen` accepts; whether there was one.
    pub(super) fn free_if(&mut self, chosen: impl Fn(u64) -> bool) -> bool {
        let held = self.holder.is_some_and(chosen);
        if held {
            self.holder = None;
            self.counters.releases += 1;
        }
        held
    }

    /// Makes `next` the truth, and counts what became of the reservation by it.
    pub(super) fn turn_to(&mut self, next: Persistent) {
        let before = std::mem::replace(&mut self.lasting.persistent, next);
        match (before.reservation(), self.lasting.persistent.reservation()) {
            (before, Some(now)) if before != Some(now) => self.counters.reserves += 1,
            (Some(_), None) => self.counters.releases += 1,
            _ => {}
        }
    }

    fn who_has_it(&self) -> Holder {
        match (self.holder, self.lasting.persistent.reservation()) {
            (Some(session), _) => Holder::Session(session),
            (None, None) => Holder::Nobody,
            (None, Some(held)) => match held.holder() {
                Some(nexus) => Holder::Nexus(nexus.clone(), held.kind()),
                None => Holder::AllRegistrants(held.kind()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attention::Attention;
    use crate::lasting::{Reach, ShutOut};
    use crate::nexus::Nexus;

    fn id(session: u64) -> NexusId {
        NexusId { session, name: format!("iqn.2026-11.com.example:host,i,0x{session:012x}").into(), portal_group: 1 }
    }

    fn register(key: u64, aptpl: bool) -> Request {
        Request::Register { claimed: None, key, reach: Reach::default(), aptpl }
    }

    fn is_good(reply: &Reply) -> bool {
        reply.status == Status::Good
    }

    const WRITE_EXCLUSIVE: Request = Request::Reserve { claimed: 1, kind: ReservationType::WriteExclusive };

    #[test]
    fn one_session_holds_the_unit_and_may_reserve_it_again() {
        let book = Book::new();
        assert!(is_good(&book.reserve(&id(1))) && is_good(&book.reserve(&id(1))));
        assert!(!is_good(&book.reserve(&id(2))));
        assert_eq!(book.holder(), Some(1));
        assert_eq!(book.since(None, &id(2)).verdict.shut_out, ShutOut::Held);
        assert_eq!(book.since(None, &id(1)).verdict.shut_out, ShutOut::No);
    }

    #[test]
    fn only_the_holder_releases() {
        let book = Book::new();
        book.reserve(&id(1));
        assert!(is_good(&book.release(&id(2))));
        assert_eq!(book.holder(), Some(1));
        book.release(&id(1));
        assert_eq!(book.holder(), None);
        assert!(is_good(&book.reserve(&id(2))));
    }

    #[test]
    fn losing_the_nexus_frees_what_it_held_and_nothing_else() {
        let book = Book::new();
        for lose in [Book::forget, Book::nexus_lost] {
            book.reserve(&id(1));
            lose(&book, 2);
            assert_eq!(book.holder(), Some(1));
            lose(&book, 1);
            assert_eq!(book.holder(), None);
        }
    }

    #[test]
    fn operators_see_who_has_the_unit_and_how_often_that_changed() {
        let book = Book::new();
        assert_eq!(book.reservations().holder, Holder::Nobody);
        book.reserve(&id(1));
        book.reserve(&id(2));
        assert_eq!(book.reservations().holder, Holder::Session(1));
        book.reset(None, Attention::DeviceReset);
        let counters = ReservationCounters { reserves: 1, releases: 1, refusals: 1 };
        assert_eq!(book.reservations().counters, counters);
        let _good = book.persist(&id(1), &register(1, false));
        let _good = book.persist(&id(1), &WRITE_EXCLUSIVE);
        let _again = book.persist(&id(1), &WRITE_EXCLUSIVE);
        let _conflict = book.persist(&id(2), &WRITE_EXCLUSIVE);
        book.since(None, &id(1));
        let report = book.reservations();
        assert_eq!(report.holder, Holder::Nexus(Registrant::of(&id(1)), ReservationType::WriteExclusive));
        assert_eq!(report.counters, ReservationCounters { reserves: 2, releases: 1, refusals: 2 });
        assert_eq!((report.registrations.len(), report.generation, report.kept), (1, 1, false));
        assert!(report.registrations[0].connected);
        book.forget(1);
        assert!(!book.reservations().registrations[0].connected);
        let _cleared = book.persist(&id(1), &Request::Clear { claimed: 1 });
        assert_eq!(book.reservations().counters.releases, 2);
        let _good = book.persist(&id(1), &register(1, false));
        let all = ReservationType::WriteExclusiveAllRegistrants;
        let _good = book.persist(&id(1), &Request::Reserve { claimed: 1, kind: all });
        assert_eq!(book.reservations().holder, Holder::AllRegistrants(all));
    }

    #[test]
    fn what_is_to_survive_changes_nothing_before_it_is_kept() {
        let book = Book::keeping(Lasting::default());
        let Plan::Keep(amendment) = book.persist(&id(1), &register(1, true)) else { panic!("nothing to keep") };
        assert_eq!(book.persistent(), Persistent::default());
        assert_eq!(amendment.keep.persistent.registrations().len(), 1);
        assert_eq!(book.amend(*amendment), Plan::good());
        assert_eq!(book.persistent().registrations().len(), 1);
        let Plan::Keep(amendment) = book.persist(&id(1), &WRITE_EXCLUSIVE) else { panic!("nothing to keep") };
        let after_restart = Book::keeping(amendment.keep.clone());
        assert_eq!(after_restart.since(None, &id(2)).verdict.shut_out, ShutOut::FromWriting);
        assert_eq!(after_restart.since(None, &id(1)).verdict.shut_out, ShutOut::No);
        assert_eq!(after_restart.persistent().generation(), 0);
        assert_eq!(book.amend(*amendment), Plan::good());
        assert_eq!(book.reservations().counters.reserves, 1);
    }

    #[test]
    fn giving_up_survival_takes_everything_off_stable_storage() {
        let book = Book::keeping(Lasting::default());
        let keep = |plan: Plan| match plan {
            Plan::Keep(amendment) => book.amend(*amendment),
            other => panic!("{other:?} keeps nothing"),
        };
        assert_eq!(keep(book.persist(&id(1), &register(1, true))), Plan::good());
        assert_eq!(keep(book.persist(&id(2), &register(2, false))), Plan::good());
        assert_eq!(book.kept().persistent, Persistent::default());
        assert_eq!(book.persistent().registrations().len(), 2);
        assert_eq!(book.persist(&id(1), &register(3, false)), Plan::good());
    }

    #[test]
    fn what_other_commands_have_not_saved_is_not_kept_by_a_registration() {
        let book = Book::keeping(Lasting::default());
        let mut unsaved = book.lasting();
        unsaved.settings.write_protect = true;
        let _good = book.amend(Amendment {
            keep: Lasting::default(),
            next: unsaved,
            posts: Vec::new(),
            told: Vec::new(),
            then: Plan::good(),
        });
        let Plan::Keep(amendment) = book.persist(&id(1), &register(1, true)) else { panic!("nothing to keep") };
        assert!(!amendment.keep.settings.write_protect && amendment.next.settings.write_protect);
    }

    #[test]
    fn whoever_stands_in_for_a_nexus_sees_how_things_stand_and_takes_nothing_that_it_has_to_hear() {
        let book = Book::new();
        let (holder, mut other, mut nexus) = (id(1), Nexus::new(id(2)), Nexus::stand_in(id(2)));
        other.meet(&book);
        other.forget_attentions();
        let _good = book.persist(&holder, &register(1, false));
        let _good = book.persist(&id(2), &register(2, false));
        let kind = Ok(ReservationType::ExclusiveAccess);
        let _good = book.persist(&holder, &Request::Reserve { claimed: 1, kind: ReservationType::ExclusiveAccess });
        let _good = book.persist(&holder, &Request::Preempt { claimed: 1, victim: 2, kind, abort: false });
        nexus.meet(&book);
        assert_eq!((nexus.verdict().shut_out, nexus.attentions()), (ShutOut::FromAccess, vec![]));
        other.meet(&book);
        assert_eq!(other.attentions(), [Attention::RegistrationsPreempted]);
        // When the session has ended, what still goes on for it does not bring it back.
        book.forget(2);
        let _good = book.persist(&id(2), &register(2, false));
        nexus.meet(&book);
        assert!(book.reservations().registrations.iter().all(|one| !one.connected));
    }

    #[test]
    fn preempted_nexuses_are_told_and_their_commands_end_once_it_is_kept() {
        let book = Book::keeping(Lasting::default());
        for session in [1, 2] {
            book.since(None, &id(session));
            if let Plan::Keep(amendment) = book.persist(&id(session), &register(session, true)) {
                let _good = book.amend(*amendment);
            }
        }
        let read_to = book.generation();
        let kind = Ok(ReservationType::WriteExclusive);
        let preempt = Request::Preempt { claimed: 1, victim: 2, kind, abort: true };
        let Plan::Keep(amendment) = book.persist(&id(1), &preempt) else { panic!("nothing to keep") };
        assert_eq!(book.since(Some(read_to), &id(2)).attentions, []);
        let nexuses = vec![(Box::from(&*id(2).name), 1)];
        assert_eq!(book.amend(*amendment), Plan::Abort { nexuses });
        assert_eq!(book.since(Some(read_to), &id(2)).attentions, [Attention::RegistrationsPreempted]);
        assert_eq!(book.since(Some(read_to), &id(1)).attentions, []);
    }
}
