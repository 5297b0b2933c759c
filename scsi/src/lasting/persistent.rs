//! Persistent reservations: who is registered, and who holds the unit (SPC-4, reservations).

use super::shut_out::ShutOut;
use crate::nexus_id::NexusId;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU64;
use std::sync::Arc;

/// Registrations and the reservation of one unit.
///
/// Whatever made it (a service action, or a file), it is sound: no I_T nexus is registered twice, there are at most
/// [`Persistent::REGISTRATIONS_MAX`], and whoever holds the unit is registered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Persistent {
    /// In the order in which they were made.
    pub(super) registrations: Vec<Registration>,
    pub(super) reservation: Option<Reservation>,
    /// The last valid APTPL: all of this outlives a loss of power.
    pub(super) aptpl: bool,
    /// PRGENERATION. A loss of power sets it to zero whatever APTPL is, so that it is not kept.
    pub(super) generation: u32,
}

/// An I_T nexus as registrations know it: by names, so that it is the same after a reconnect and a restart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Registrant {
    /// SCSI initiator port name, `iqn...,i,0x<isid>`.
    pub name: Arc<str>,
    /// The target port: its portal group tag, which is also its RELATIVE TARGET PORT IDENTIFIER.
    pub port: u16,
}

/// A registered I_T nexus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// Who.
    pub nexus: Registrant,
    /// RESERVATION KEY. The key zero means "none" everywhere.
    pub key: NonZeroU64,
}

/// A persistent reservation of the whole unit (LU_SCOPE; there is no other scope).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    pub(super) kind: ReservationType,
    /// `None` for the types that all registrants hold together.
    pub(super) holder: Option<Registrant>,
}

/// TYPE of a persistent reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum ReservationType {
    /// The holder writes.
    WriteExclusive = 1,
    /// The holder reads and writes.
    ExclusiveAccess = 3,
    /// Who is registered writes.
    WriteExclusiveRegistrantsOnly = 5,
    /// Who is registered reads and writes.
    ExclusiveAccessRegistrantsOnly = 6,
    /// Who is registered writes, and holds the reservation.
    WriteExclusiveAllRegistrants = 7,
    /// Who is registered reads and writes, and holds the reservation.
    ExclusiveAccessAllRegistrants = 8,
}

impl Persistent {
    /// How many I_T nexuses may be registered with one unit: 64 hosts with 16 paths each.
    pub const REGISTRATIONS_MAX: usize = 1024;

    /// All registrations, in the order in which they were made.
    pub fn registrations(&self) -> &[Registration] {
        &self.registrations
    }

    /// The reservation, if there is one.
    pub fn reservation(&self) -> Option<&Reservation> {
        self.reservation.as_ref()
    }

    /// PRGENERATION: how often registrations have changed since the start.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// PTPL_A: it is kept through a loss of power.
    pub fn is_kept(&self) -> bool {
        self.aptpl
    }

    /// The key that `nexus` has registered.
    pub fn key_of(&self, nexus: &Registrant) -> Option<NonZeroU64> {
        self.registrations.iter().find(|one| one.nexus == *nexus).map(|one| one.key)
    }

    /// Whether `nexus` is a persistent reservation holder.
    pub fn is_holder(&self, nexus: &Registrant) -> bool {
        match &self.reservation {
            None => false,
            Some(Reservation { holder: Some(holder), .. }) => holder == nexus,
            Some(Reservation { holder: None, .. }) => self.key_of(nexus).is_some(),
        }
    }

    /// What of it belongs on stable storage.
    pub(crate) fn to_keep(&self) -> Persistent {
        if self.aptpl { Persistent { generation: 0, ..self.clone() } } else { Persistent::default() }
    }

    /// Which commands of `nexus` meet the reservation.
    pub(crate) fn shut_out(&self, nexus: &Registrant) -> ShutOut {
        let Some(reservation) = &self.reservation else { return ShutOut::No };
        let may = self.is_holder(nexus) || reservation.kind.is_shared() && self.key_of(nexus).is_some();
        match (may, reservation.kind.lets_others_read()) {
            (true, _) => ShutOut::No,
            (false, true) => ShutOut::FromWriting,
            (false, false) => ShutOut::FromAccess,
        }
    }

    /// RESERVE and RELEASE of SPC-2 where somebody is registered: `Some(true)` where they are answered with GOOD and
    /// change nothing, `Some(false)` where they conflict, `None` where nobody is registered and they do their work
    /// (SPC-4, exceptions to SPC-2 RESERVE and RELEASE behavior).
    pub(crate) fn compatible_handling(&self, nexus: &Registrant) -> Option<bool> {
        if self.registrations.is_empty() {
            return None;
        }
        let shared = self.reservation.as_ref().is_some_and(|reservation| reservation.kind.is_shared());
        Some(self.is_holder(nexus) || shared && self.key_of(nexus).is_some())
    }
}

impl Registrant {
    /// How `nexus` is known beyond its session.
    pub fn of(nexus: &NexusId) -> Registrant {
        Registrant { name: nexus.name.clone(), port: nexus.portal_group }
    }
}

impl Reservation {
    /// A reservation that `holder` has made: it is its own, or for some types that of all registrants.
    pub(super) fn new(kind: ReservationType, holder: &Registrant) -> Reservation {
        Reservation { kind, holder: (!kind.is_of_all()).then(|| holder.clone()) }
    }

    /// TYPE.
    pub fn kind(&self) -> ReservationType {
        self.kind
    }

    /// Who holds it; `None` for the types that all registrants hold together.
    pub fn holder(&self) -> Option<&Registrant> {
        self.holder.as_ref()
    }
}

impl ReservationType {
    /// All there are, ascending.
    pub const ALL: [ReservationType; 6] = [
        ReservationType::WriteExclusive,
        ReservationType::ExclusiveAccess,
        ReservationType::WriteExclusiveRegistrantsOnly,
        ReservationType::ExclusiveAccessRegistrantsOnly,
        ReservationType::WriteExclusiveAllRegistrants,
        ReservationType::ExclusiveAccessAllRegistrants,
    ];

    /// The type with this code.
    pub fn of(code: u8) -> Option<ReservationType> {
        ReservationType::ALL.into_iter().find(|kind| *kind as u8 == code)
    }

    /// Registrants only, or all registrants: whoever is registered has access.
    pub fn is_shared(self) -> bool {
        self as u8 >= ReservationType::WriteExclusiveRegistrantsOnly as u8
    }

    /// All registrants: whoever is registered is a holder.
    pub fn is_of_all(self) -> bool {
        self as u8 >= ReservationType::WriteExclusiveAllRegistrants as u8
    }

    /// Registrants only: one of the registrants is the holder.
    pub(super) fn is_registrants_only(self) -> bool {
        self.is_shared() && !self.is_of_all()
    }

    fn lets_others_read(self) -> bool {
        use ReservationType::{WriteExclusive, WriteExclusiveAllRegistrants, WriteExclusiveRegistrantsOnly};
        matches!(self, WriteExclusive | WriteExclusiveRegistrantsOnly | WriteExclusiveAllRegistrants)
    }
}

/// As it is on stable storage, before anybody has looked whether it is sound.
#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct Stored {
    registrations: Vec<Registration>,
    reservation: Option<Reservation>,
    aptpl: bool,
}

impl From<Persistent> for Stored {
    fn from(sound: Persistent) -> Stored {
        let Persistent { registrations, reservation, aptpl, generation: _ } = sound;
        Stored { registrations, reservation, aptpl }
    }
}

impl TryFrom<Stored> for Persistent {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Persistent, Self::Error> {
        let Stored { registrations, reservation, aptpl } = stored;
        if registrations.len() > Persistent::REGISTRATIONS_MAX {
            return Err("more registrations than a unit can have");
        }
        let mut names: Vec<&Registrant> = registrations.iter().map(|one| &one.nexus).collect();
        names.sort_unstable();
        if names.windows(2).any(|two| two[0] == two[1]) {
            return Err("an I_T nexus is registered twice");
        }
        match &reservation {
            Some(_) if registrations.is_empty() => return Err("a reservation without registrations"),
            Some(Reservation { kind, holder }) if kind.is_of_all() == holder.is_some() => {
                return Err("a reservation whose holder does not fit its type");
            }
            Some(Reservation { holder: Some(holder), .. }) if names.binary_search(&holder).is_err() => {
                return Err("a reservation whose holder is not registered");
            }
            _ => {}
        }
        Ok(Persistent { registrations, reservation, aptpl, generation: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(name: &str) -> Registrant {
        Registrant { name: name.into(), port: 1 }
    }

    fn registered(names: &[&str]) -> Vec<Registration> {
        let key = NonZeroU64::new(7).unwrap();
        names.iter().map(|name| Registration { nexus: who(name), key }).collect()
    }

    #[test]
    fn types_have_the_codes_of_the_standard_and_the_others_are_reserved() {
        let codes: Vec<u8> = (0..=255).filter(|&code| ReservationType::of(code).is_some()).collect();
        assert_eq!(codes, [1, 3, 5, 6, 7, 8]);
    }

    /// The columns of the table of commands that are allowed in the presence of reservations.
    #[test]
    fn each_type_shuts_out_whom_its_column_says() {
        use ShutOut::{FromAccess, FromWriting, No};
        let columns = [
            (1, No, FromWriting, FromWriting),
            (3, No, FromAccess, FromAccess),
            (5, No, No, FromWriting),
            (6, No, No, FromAccess),
            (7, No, No, FromWriting),
            (8, No, No, FromAccess),
        ];
        for (code, holder, registered_only, stranger) in columns {
            let reservation = Reservation::new(ReservationType::of(code).unwrap(), &who("holder"));
            let unit = Persistent {
                registrations: registered(&["holder", "other"]),
                reservation: Some(reservation),
                ..Persistent::default()
            };
            let found = ["holder", "other", "stranger"].map(|name| unit.shut_out(&who(name)));
            assert_eq!(found, [holder, registered_only, stranger], "type {code}");
        }
    }

    #[test]
    fn what_was_kept_comes_back_and_its_generation_begins_anew() {
        let reservation = Reservation::new(ReservationType::WriteExclusiveRegistrantsOnly, &who("a"));
        let unit = Persistent {
            registrations: registered(&["a", "b"]),
            reservation: Some(reservation),
            aptpl: true,
            generation: 9,
        };
        let text = serde_json::to_string(&unit).unwrap();
        let back: Persistent = serde_json::from_str(&text).unwrap();
        assert_eq!(back, unit.to_keep());
        assert_eq!((back.generation, back.registrations.len()), (0, 2));
        assert_eq!(Persistent { aptpl: false, ..unit }.to_keep(), Persistent::default());
    }

    #[test]
    fn a_file_that_cannot_have_been_written_here_is_refused() {
        let nexus = r#"{"nexus":{"name":"a","port":1},"key":7}"#;
        let held = |kind: &str, holder: &str| {
            format!(r#"{{"registrations":[{nexus}],"reservation":{{"kind":"{kind}","holder":{holder}}}}}"#)
        };
        let by = |name: &str| format!(r#"{{"name":"{name}","port":1}}"#);
        let sound =
            ["{}".to_owned(), held("write_exclusive", &by("a")), held("exclusive_access_all_registrants", "null")];
        let damaged = [
            format!(r#"{{"registrations":[{nexus},{nexus}]}}"#),
            r#"{"registrations":[{"nexus":{"name":"a","port":1},"key":0}]}"#.to_owned(),
            r#"{"reservation":{"kind":"exclusive_access_all_registrants","holder":null}}"#.to_owned(),
            held("write_exclusive", &by("b")),
            held("write_exclusive", "null"),
            held("exclusive_access_all_registrants", &by("a")),
            held("shared", &by("a")),
        ];
        for text in sound {
            assert!(serde_json::from_str::<Persistent>(&text).is_ok(), "{text}");
        }
        for text in damaged {
            assert!(serde_json::from_str::<Persistent>(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_file_may_have_as_many_registrations_as_a_unit_and_no_more() {
        let names: Vec<String> = (0..=Persistent::REGISTRATIONS_MAX).map(|number| number.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let stored = |count: usize| Stored { registrations: registered(&names[..count]), ..Stored::default() };
        assert!(Persistent::try_from(stored(Persistent::REGISTRATIONS_MAX)).is_ok());
        assert!(Persistent::try_from(stored(Persistent::REGISTRATIONS_MAX + 1)).is_err());
    }
}
