//! What PERSISTENT RESERVE OUT makes of registrations and the reservation: one function for each of its tables.
//!
//! A request either is refused and nothing has changed, or it gives the whole state that comes next, with those who
//! have to hear of it. Who asks is never told what it did itself.

use super::persistent::{Persistent, Registrant, Registration, Reservation, ReservationType};
use crate::attention::Attention;
use crate::sense::{Sense, SenseKey};
use std::num::NonZeroU64;
use std::sync::Arc;

/// A service action with its parameters. A key of zero is "none".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// REGISTER with the key that the nexus claims to have; REGISTER AND IGNORE EXISTING KEY without.
    Register { claimed: Option<u64>, key: u64, reach: Reach, aptpl: bool },
    /// RESERVE.
    Reserve { claimed: u64, kind: ReservationType },
    /// RELEASE.
    Release { claimed: u64, kind: ReservationType },
    /// CLEAR.
    Clear { claimed: u64 },
    /// PREEMPT, and with `abort` PREEMPT AND ABORT. The type counts only where a reservation is preempted, so that only
    /// then it may be wrong.
    Preempt { claimed: u64, victim: u64, kind: Result<ReservationType, Sense>, abort: bool },
    /// REGISTER AND MOVE.
    Move { claimed: u64, key: u64, to: Registrant, unregister: bool, aptpl: bool },
}

/// Which other I_T nexuses a registration is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    /// SPEC_I_PT: more initiator ports, each with its offset in the parameter list.
    pub(crate) initiators: Option<Vec<(u16, Arc<str>)>>,
    /// ALL_TG_PT: all target ports there are.
    pub(crate) ports: Option<Vec<u16>>,
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// RESERVATION CONFLICT.
    Conflict,
    /// CHECK CONDITION.
    Check(Sense),
}

/// What becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) next: Persistent,
    /// Who hears what.
    pub(crate) told: Vec<(Registrant, Attention)>,
    /// Whose commands end (PREEMPT AND ABORT).
    pub(crate) ended: Vec<Registrant>,
}

impl Persistent {
    /// What becomes of `request`, which comes from `by`.
    pub(crate) fn after(&self, by: &Registrant, request: &Request) -> Result<Outcome, Refusal> {
        match request {
            Request::Register { claimed, key, reach, aptpl } => self.register(by, *claimed, *key, reach, *aptpl),
            Request::Reserve { claimed, kind } => self.reserve(by, *claimed, *kind),
            Request::Release { claimed, kind } => self.release(by, *claimed, *kind),
            Request::Clear { claimed } => self.clear(by, *claimed),
            Request::Preempt { claimed, victim, kind, abort } => self.preempt(by, *claimed, *victim, *kind, *abort),
            Request::Move { claimed, key, to, unregister, aptpl } => {
                self.register_and_move(by, *claimed, *key, to, *unregister, *aptpl)
            }
        }
    }

    fn register(
        &self,
        by: &Registrant,
        claimed: Option<u64>,
        key: u64,
        reach: &Reach,
        aptpl: bool,
    ) -> Result<Outcome, Refusal> {
        let own = self.key_of(by);
        // Who is not registered claims the key zero.
        if claimed.is_some_and(|claimed| claimed != own.map_or(0, NonZeroU64::get)) {
            return Err(Refusal::Conflict);
        }
        if own.is_some() && reach.initiators.is_some() {
            return Err(Refusal::Check(SPEC_I_PT));
        }
        if own.is_none() && key == 0 {
            return Ok(self.unchanged());
        }
        let ports = reach.ports.clone().unwrap_or_else(|| vec![by.port]);
        let at =
            |name: &Arc<str>| ports.iter().map(|&port| Registrant { name: name.clone(), port }).collect::<Vec<_>>();
        // ALL_TG_PT is as if the request had come through each port. Where another key is found behind another port,
        // it would have met a conflict there.
        let mut all = at(&by.name);
        let differs = |nexus: &Registrant| self.key_of(nexus).is_some_and(|found| Some(found.get()) != claimed);
        if claimed.is_some() && all.iter().any(differs) {
            return Err(Refusal::Conflict);
        }
        for (offset, name) in reach.initiators.iter().flatten().filter(|(_, name)| *name != by.name) {
            let more = at(name);
            if more.iter().any(|nexus| self.key_of(nexus).is_some()) {
                return Err(Refusal::Check(Sense::invalid_parameter(*offset)));
            }
            all.extend(more);
        }
        let mut outcome = self.counted();
        outcome.next.aptpl = aptpl;
        match NonZeroU64::new(key) {
            Some(key) => all.into_iter().for_each(|nexus| outcome.next.enter(nexus, key)),
            None => outcome.unregister(&all),
        }
        outcome.within_limits()
    }

    fn reserve(&self, by: &Registrant, claimed: u64, kind: ReservationType) -> Result<Outcome, Refusal> {
        self.authorize(by, claimed)?;
        match &self.reservation {
            Some(held) if held.kind == kind && self.is_holder(by) => Ok(self.unchanged()),
            Some(_) => Err(Refusal::Conflict),
            None => {
                let mut outcome = self.unchanged();
                outcome.next.reservation = Some(Reservation::new(kind, by));
                Ok(outcome)
            }
        }
    }

    fn release(&self, by: &Registrant, claimed: u64, kind: ReservationType) -> Result<Outcome, Refusal> {
        self.authorize(by, claimed)?;
        match &self.reservation {
            Some(held) if self.is_holder(by) && held.kind != kind => Err(Refusal::Check(INVALID_RELEASE)),
            Some(_) if self.is_holder(by) => {
                let mut outcome = self.unchanged();
                outcome.next.reservation = None;
                if kind.is_shared() {
                    outcome.tell_all_but(by, Attention::ReservationsReleased);
                }
                Ok(outcome)
            }
            // To release what one does not hold is no error.
            Some(_) | None => Ok(self.unchanged()),
        }
    }

    fn clear(&self, by: &Registrant, claimed: u64) -> Result<Outcome, Refusal> {
        self.authorize(by, claimed)?;
        let mut outcome = self.counted();
        outcome.tell_all_but(by, Attention::ReservationsPreempted);
        outcome.next.reservation = None;
        outcome.next.registrations.clear();
        Ok(outcome)
    }

    fn preempt(
        &self,
        by: &Registrant,
        claimed: u64,
        victim: u64,
        kind: Result<ReservationType, Sense>,
        abort: bool,
    ) -> Result<Outcome, Refusal> {
        self.authorize(by, claimed)?;
        let held_by_all = self.reservation.as_ref().is_some_and(|held| held.kind.is_of_all());
        if victim == 0 && !held_by_all {
            return Err(Refusal::Check(SERVICE_ACTION_KEY));
        }
        let holder = self.reservation.as_ref().and_then(Reservation::holder);
        let holders_key = holder.and_then(|holder| self.key_of(holder)).map_or(0, NonZeroU64::get);
        // Zero preempts all registrants, and the holder's key the holder; any other key only removes registrations.
        let takes_over = self.reservation.is_some() && victim == holders_key;
        let falls = |one: &Registration| match takes_over {
            true => one.nexus != *by && (victim == 0 || one.key.get() == victim),
            false => one.key.get() == victim,
        };
        let (gone, left): (Vec<_>, Vec<_>) = self.registrations.iter().cloned().partition(falls);
        if gone.is_empty() && !takes_over {
            return Err(Refusal::Conflict);
        }
        let mut outcome = self.counted();
        outcome.next.registrations = left;
        // Whoever preempts by its own key loses its own registration, but nobody tells it and nothing of its ends.
        let others: Vec<Registrant> = gone.into_iter().map(|one| one.nexus).filter(|nexus| nexus != by).collect();
        outcome.told = others.iter().map(|nexus| (nexus.clone(), Attention::RegistrationsPreempted)).collect();
        if takes_over {
            let next = Reservation::new(kind.map_err(Refusal::Check)?, by);
            if self.reservation.as_ref().is_some_and(|held| held.kind != next.kind) {
                outcome.tell_all_but(by, Attention::ReservationsReleased);
            }
            outcome.next.reservation = Some(next);
        } else if outcome.next.registrations.is_empty() {
            outcome.next.reservation = None;
        }
        if abort {
            outcome.ended = others;
        }
        Ok(outcome)
    }

    fn register_and_move(
        &self,
        by: &Registrant,
        claimed: u64,
        key: u64,
        to: &Registrant,
        unregister: bool,
        aptpl: bool,
    ) -> Result<Outcome, Refusal> {
        let own = self.key_of(by).ok_or(Refusal::Conflict)?;
        let held = self.reservation.as_ref().ok_or(Refusal::Check(NOTHING_TO_MOVE))?;
        if held.kind.is_of_all() || !self.is_holder(by) || own.get() != claimed {
            return Err(Refusal::Conflict);
        }
        let key = NonZeroU64::new(key).ok_or(Refusal::Check(SERVICE_ACTION_KEY))?;
        if to.name == by.name {
            return Err(Refusal::Check(Sense::invalid_parameter(24)));
        }
        let mut outcome = self.counted();
        outcome.next.aptpl = aptpl;
        outcome.next.reservation = Some(Reservation::new(held.kind, to));
        outcome.next.enter(to.clone(), key);
        if unregister {
            outcome.next.registrations.retain(|one| one.nexus != *by);
        }
        outcome.within_limits()
    }

    /// Every service action but the two that register is for registered nexuses that know their key.
    fn authorize(&self, by: &Registrant, claimed: u64) -> Result<(), Refusal> {
        match self.key_of(by) {
            Some(key) if key.get() == claimed => Ok(()),
            _ => Err(Refusal::Conflict),
        }
    }

    fn enter(&mut self, nexus: Registrant, key: NonZeroU64) {
        match self.registrations.iter_mut().find(|one| one.nexus == nexus) {
            Some(one) => one.key = key,
            None => self.registrations.push(Registration { nexus, key }),
        }
    }

    fn unchanged(&self) -> Outcome {
        Outcome { next: self.clone(), told: Vec::new(), ended: Vec::new() }
    }

    /// What counts in PRGENERATION, which wraps.
    fn counted(&self) -> Outcome {
        let mut outcome = self.unchanged();
        outcome.next.generation = self.generation.wrapping_add(1);
        outcome
    }
}

impl Outcome {
    fn tell_all_but(&mut self, by: &Registrant, attention: Attention) {
        let others = self.next.registrations.iter().filter(|one| one.nexus != *by);
        self.told.extend(others.map(|one| (one.nexus.clone(), attention)));
    }

    /// The reservation goes with its holder, or with the last of all registrants.
    fn unregister(&mut self, leaving: &[Registrant]) {
        self.next.registrations.retain(|one| !leaving.contains(&one.nexus));
        let Some(held) = &self.next.reservation else { return };
        let released = match held.holder() {
            Some(holder) => leaving.contains(holder),
            None => self.next.registrations.is_empty(),
        };
        if released {
            if held.kind.is_registrants_only() {
                let left = self.next.registrations.iter();
                self.told = left.map(|one| (one.nexus.clone(), Attention::ReservationsReleased)).collect();
            }
            self.next.reservation = None;
        }
    }

    fn within_limits(self) -> Result<Outcome, Refusal> {
        match self.next.registrations.len() {
            0..=Persistent::REGISTRATIONS_MAX => Ok(self),
            _ => Err(Refusal::Check(NO_ROOM)),
        }
    }
}

/// SPEC_I_PT where it may not be set.
pub(crate) const SPEC_I_PT: Sense = Sense::invalid_parameter_bit(20, 3);

/// SERVICE ACTION RESERVATION KEY that may not be zero.
const SERVICE_ACTION_KEY: Sense = Sense::invalid_parameter(8);

/// REGISTER AND MOVE without a reservation: the standard blames the SERVICE ACTION.
const NOTHING_TO_MOVE: Sense = Sense::invalid_bit(1, 4);

/// 5/26/04 INVALID RELEASE OF PERSISTENT RESERVATION.
const INVALID_RELEASE: Sense = Sense::new(SenseKey::IllegalRequest, 0x26, 0x04);

/// 5/55/04 INSUFFICIENT REGISTRATION RESOURCES.
const NO_ROOM: Sense = Sense::new(SenseKey::IllegalRequest, 0x55, 0x04);

#[cfg(test)]
mod tests {
    use super::*;

    fn register(claimed: Option<u64>, key: u64) -> Request {
        Request::Register { claimed, key, reach: Reach::default(), aptpl: false }
    }

    #[test]
    fn the_generation_wraps() {
        let by = Registrant { name: "a".into(), port: 1 };
        let full = Persistent { generation: u32::MAX, ..Persistent::default() };
        let outcome = full.after(&by, &register(Some(0), 5)).expect("nobody is registered");
        assert_eq!((outcome.next.generation, outcome.next.registrations.len()), (0, 1));
    }

    #[test]
    fn what_is_refused_and_what_does_nothing_does_not_count() {
        let by = Registrant { name: "a".into(), port: 1 };
        let unit = Persistent { generation: 7, ..Persistent::default() };
        assert_eq!(unit.after(&by, &register(Some(1), 5)), Err(Refusal::Conflict));
        let nothing = unit.after(&by, &register(None, 0)).expect("to unregister twice is no error");
        assert_eq!(nothing, Outcome { next: unit, told: Vec::new(), ended: Vec::new() });
    }
}
