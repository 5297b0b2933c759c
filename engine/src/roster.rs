//! Who is logged in: the sessions of all shards, their handles, and who must leave before another enters.
//!
//! Touched at login and at the end of a session only, never by a command.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use ferrite_iscsi::Tsih;

/// The initiator port and target port of a session: a second login with the same name reinstates it
/// (RFC 7143 §6.3.5).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NexusName {
    /// Initiator name.
    pub initiator: String,
    /// ISID.
    pub isid: [u8; 6],
    /// [`crate::catalog::Target::id`].
    pub target: u64,
    /// Target portal group tag: with the target's name it is the target port.
    pub portal_group: u16,
}

/// A login that waits for a seat: told by its shard when it is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiter {
    /// Number of its shard.
    pub shard: usize,
    /// Serial of its link there.
    pub link: u64,
}

/// All sessions.
pub struct Roster {
    entries: Mutex<Entries>,
    sessions_max: usize,
    call: Box<dyn Fn(Waiter) + Send + Sync>,
}

#[derive(Default)]
struct Entries {
    by_name: HashMap<NexusName, Entry>,
    tsihs: HashSet<Tsih>,
    last_tsih: u16,
    last_serial: u64,
}

struct Entry {
    shard: usize,
    serial: u64,
    waiters: Vec<Waiter>,
}

/// What [`Roster::claim`] says.
#[derive(Debug)]
pub enum Claim {
    /// Come in.
    Granted(Seat),
    /// An older session of the same nexus must end first; the waiter will be called.
    Taken {
        /// Its shard.
        shard: usize,
        /// Its serial.
        session: u64,
    },
    /// There are as many sessions as there may be.
    Full,
}

/// A session's place in the roster. Given back when dropped, which calls those who wait for it.
pub struct Seat {
    roster: Arc<Roster>,
    name: Option<NexusName>,
    tsih: Tsih,
    serial: u64,
}

impl Roster {
    /// At most `sessions_max` sessions; `call` tells a waiter that it may claim again.
    pub fn new(sessions_max: usize, call: impl Fn(Waiter) + Send + Sync + 'static) -> Self {
        let sessions_max = sessions_max.clamp(1, SESSIONS_MAX);
        Self { entries: Mutex::default(), sessions_max, call: Box::new(call) }
    }

    /// Asks for a seat; a discovery session has no name, for it reinstates nothing.
    pub fn claim(self: &Arc<Self>, name: Option<NexusName>, waiter: Waiter) -> Claim {
        let mut entries = self.lock();
        if let Some(entry) = name.as_ref().and_then(|name| entries.by_name.get_mut(name)) {
            if entry.waiters.len() >= WAITERS_MAX {
                return Claim::Full;
            }
            entry.waiters.push(waiter);
            return Claim::Taken { shard: entry.shard, session: entry.serial };
        }
        if entries.tsihs.len() >= self.sessions_max {
            return Claim::Full;
        }
        entries.last_serial += 1;
        let serial = entries.last_serial;
        let tsih = entries.free_tsih();
        entries.tsihs.insert(tsih);
        if let Some(name) = &name {
            entries.by_name.insert(name.clone(), Entry { shard: waiter.shard, serial, waiters: Vec::new() });
        }
        Claim::Granted(Seat { roster: self.clone(), name, tsih, serial })
    }

    /// Whether a session has this handle.
    pub fn knows(&self, tsih: u16) -> bool {
        Tsih::new(tsih).is_some_and(|tsih| self.lock().tsihs.contains(&tsih))
    }

    /// Sessions now.
    pub fn len(&self) -> usize {
        self.lock().tsihs.len()
    }

    /// No sessions.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn give_back(&self, seat: &Seat) {
        let mut entries = self.lock();
        entries.tsihs.remove(&seat.tsih);
        let entry = seat.name.as_ref().and_then(|name| entries.by_name.remove(name));
        drop(entries);
        for waiter in entry.into_iter().flat_map(|entry| entry.waiters) {
            (self.call)(waiter);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    // A handle is not used again before all others were, so that a late second connection does not meet a
    // stranger's session. There is always a free one: sessions are fewer than handles.
    fn free_tsih(&mut self) -> Tsih {
        loop {
            self.last_tsih = self.last_tsih.wrapping_add(1);
            if let Some(tsih) = Tsih::new(self.last_tsih).filter(|tsih| !self.tsihs.contains(tsih)) {
                return tsih;
            }
        }
    }
}

impl Seat {
    /// Target session identifying handle.
    pub fn tsih(&self) -> Tsih {
        self.tsih
    }

    /// Unique for as long as the engine runs.
    pub fn serial(&self) -> u64 {
        self.serial
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.roster.clone().give_back(self);
    }
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seat").field("tsih", &self.tsih).field("serial", &self.serial).finish_non_exhaustive()
    }
}

/// Handles are 16 bits and zero means none.
const SESSIONS_MAX: usize = 65_000;

/// Logins that may wait for one session to end.
const WAITERS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn name(isid: u8) -> Option<NexusName> {
        Some(NexusName { initiator: "iqn.2026-11.com.example:a".into(), isid: [isid; 6], target: 1, portal_group: 1 })
    }

    fn granted(claim: Claim) -> Seat {
        match claim {
            Claim::Granted(seat) => seat,
            other => panic!("{other:?}"),
        }
    }

    const WAITER: Waiter = Waiter { shard: 1, link: 7 };

    #[test]
    fn a_second_login_of_a_nexus_waits_until_the_first_session_is_gone() {
        let called = Arc::new(Mutex::new(Vec::new()));
        let log = called.clone();
        let roster = Arc::new(Roster::new(10, move |waiter| log.lock().unwrap().push(waiter)));
        let first = granted(roster.claim(name(1), Waiter { shard: 0, link: 1 }));
        let Claim::Taken { shard: 0, session } = roster.claim(name(1), WAITER) else { panic!("it is taken") };
        assert_eq!(session, first.serial());
        assert!(called.lock().unwrap().is_empty());
        drop(first);
        assert_eq!(*called.lock().unwrap(), [WAITER]);
        granted(roster.claim(name(1), WAITER));
    }

    #[test]
    fn other_initiator_ports_are_other_sessions() {
        let roster = Arc::new(Roster::new(10, |_| {}));
        let one = granted(roster.claim(name(1), WAITER));
        let two = granted(roster.claim(name(2), WAITER));
        assert_ne!(one.tsih(), two.tsih());
        assert!(roster.knows(one.tsih().get()) && !roster.knows(999));
    }

    #[test]
    fn one_initiator_port_has_a_session_with_each_portal_group() {
        let roster = Arc::new(Roster::new(10, |_| {}));
        let _one = granted(roster.claim(name(1), WAITER));
        let other = name(1).map(|name| NexusName { portal_group: 2, ..name });
        let _two = granted(roster.claim(other.clone(), WAITER));
        assert!(matches!(roster.claim(other, WAITER), Claim::Taken { .. }));
    }

    #[test]
    fn one_session_past_the_limit_is_refused_and_room_comes_back() {
        let roster = Arc::new(Roster::new(1, |_| {}));
        let one = granted(roster.claim(None, WAITER));
        assert!(matches!(roster.claim(None, WAITER), Claim::Full));
        drop(one);
        granted(roster.claim(None, WAITER));
    }

    #[test]
    fn one_waiter_past_the_limit_is_refused() {
        let roster = Arc::new(Roster::new(10, |_| {}));
        let _first = granted(roster.claim(name(1), WAITER));
        for _ in 0..WAITERS_MAX {
            assert!(matches!(roster.claim(name(1), WAITER), Claim::Taken { .. }));
        }
        assert!(matches!(roster.claim(name(1), WAITER), Claim::Full));
    }

    #[test]
    fn handles_are_never_zero_and_not_used_again_at_once() {
        let roster = Arc::new(Roster::new(10, |_| {}));
        let mut last = None;
        for _ in 0..70_000 {
            let seat = granted(roster.claim(None, WAITER));
            assert_ne!(last.replace(seat.tsih()), Some(seat.tsih()));
        }
    }
}
