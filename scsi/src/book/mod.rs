//! The book of a unit: who has reserved it, how it is set, and what its nexuses still have to be told.

mod access;
mod bulletin;
mod clock;
mod copies;
mod presence;
mod reservations;
mod tray;
mod underway;
mod verdict;

pub use access::AccessState;
pub(crate) use access::Reason;
pub(crate) use clock::Origin;
pub(crate) use copies::{Copies, CopyRecord, NoCopy};
pub use reservations::{Holder, RegistrationReport, ReservationCounters, ReservationReport};
use tray::Tray;
pub(crate) use tray::{MediaEvent, TrayStatus};
pub use underway::Progress;
use underway::Underway;
pub(crate) use verdict::Verdict;

use crate::attention::Attention;
use crate::gauges::Gauges;
use crate::lasting::{Lasting, Operation, Registrant, Settings, ShutOut};
use crate::nexus_id::NexusId;
use crate::plan::{Amendment, Plan};
use crate::sense::Sense;
use access::Access;
use bulletin::Bulletin;
use clock::Clock;
use presence::Presence;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Shared by every nexus of a unit, on every shard, and kept when the unit is resized.
///
/// Each change takes the lock and raises a generation number; each nexus keeps the verdict it read together with
/// the generation it read it at. A command whose nexus has read the last generation costs one atomic load.
#[derive(Debug, Default)]
pub struct Book {
    generation: AtomicU64,
    state: Mutex<State>,
    /// What lasts can be kept: somebody has stable storage for it.
    keeps: bool,
    /// Commands answered with RESERVATION CONFLICT.
    refusals: AtomicU64,
    gauges: Gauges,
    /// Third-party copies that came to the unit.
    copies: Copies,
}

#[derive(Debug, Default)]
struct State {
    /// Session that holds the unit by RESERVE (SPC-2).
    holder: Option<u64>,
    /// What is true now; what is kept of it is decided when it changes.
    lasting: Lasting,
    /// What is on stable storage: where it was asked for, what is true now; else what was true when it was last asked for.
    kept: Lasting,
    access: Access,
    clock: Clock,
    underway: Underway,
    tray: Tray,
    bulletin: Bulletin,
    presence: Presence,
    /// Without the refusals, which are counted without the lock.
    counters: ReservationCounters,
}

/// What a nexus finds when it reads the book.
pub(crate) struct News {
    pub(crate) generation: u64,
    pub(crate) attentions: Vec<Attention>,
    pub(crate) verdict: Verdict,
}

impl Book {
    /// An empty book: nothing is reserved.
    pub fn new() -> Book {
        Book::default()
    }

    /// The book of a unit whose lasting state somebody keeps, as it was kept.
    pub fn keeping(lasting: Lasting) -> Book {
        let underway = lasting.unfinished.map_or(Underway::Nothing, Underway::Failed);
        let state = State { kept: lasting.clone(), lasting, underway, ..State::default() };
        Book { keeps: true, state: Mutex::new(state), ..Book::default() }
    }

    /// Whether what lasts can be kept.
    pub fn keeps(&self) -> bool {
        self.keeps
    }

    /// How much has been read and written.
    pub fn gauges(&self) -> &Gauges {
        &self.gauges
    }

    /// What lasts, as it is now.
    pub fn lasting(&self) -> Lasting {
        self.state().lasting.clone()
    }

    /// What lasts, as it is on stable storage: what a command has not asked to save is not in it.
    pub fn kept(&self) -> Lasting {
        self.state().kept.clone()
    }

    /// Mode parameters, as they are now.
    pub(crate) fn settings(&self) -> Settings {
        self.state().lasting.settings
    }

    /// Mode parameters as they are on stable storage, where there is some.
    pub(crate) fn saved_settings(&self) -> Option<Settings> {
        self.keeps.then(|| self.state().kept.settings)
    }

    /// MODE SELECT without saving: the mode parameters are these from now on, and every nexus but that of session `by`
    /// hears it. Nothing happens where they are so already.
    pub(crate) fn set(&self, settings: Settings, by: u64) {
        if self.settings() != settings {
            self.change(|state, next| {
                state.lasting.settings = settings;
                state.bulletin.post(next, Some(by), Attention::ModeChanged);
            });
        }
    }

    /// Makes true what [`Plan::Keep`] waited for, and says what is next for its command.
    pub fn amend(&self, amendment: Amendment) -> Plan {
        self.change(|state, next| {
            state.turn_to(amendment.next.persistent.clone());
            if state.lasting.unfinished.is_some() && amendment.next.unfinished.is_none() {
                state.underway.exit_failure();
            }
            state.lasting = amendment.next;
            state.kept = amendment.keep;
            for (except, attention) in amendment.posts {
                state.bulletin.post(next, Some(except), attention);
            }
            for (who, attention) in amendment.told {
                state.presence.tell(&who, next, attention);
            }
        });
        amendment.then
    }

    /// The access state through a target port group.
    pub fn access(&self, group: u16) -> AccessState {
        self.access_and_reason(group).0
    }

    /// The same, with the reason for it.
    pub(crate) fn access_and_reason(&self, group: u16) -> (AccessState, Reason) {
        self.state().access.of(group)
    }

    /// The unit is reached through `group` in another way from now on, as its operator wants it, or session `by` for
    /// him; every other nexus hears it. Nothing is heard where it is so already. What is closed so is opened by nobody
    /// else: SET TARGET PORT GROUPS for it fails.
    pub fn set_access(&self, group: u16, access: AccessState, by: Option<u64>) {
        self.change(|state, next| {
            if state.access.set(group, access, Reason::Implicit) {
                state.bulletin.post(next, by, Attention::AccessStateChanged);
            }
        });
    }

    /// SET TARGET PORT GROUPS: each of these groups gets its state, or none of them does, where the operator has closed
    /// one that is to be opened.
    pub(crate) fn request_access(&self, wanted: &[(u16, AccessState)], by: u64) -> bool {
        let mut state = self.state();
        if !wanted.iter().all(|&(group, access)| state.access.may_be(group, access)) {
            return false;
        }
        let mut changed = false;
        for &(group, access) in wanted {
            changed |= state.access.set(group, access, Reason::Explicit);
        }
        if changed {
            let next = self.generation() + 1;
            state.bulletin.post(next, Some(by), Attention::AccessStateChanged);
            self.advance();
        }
        true
    }

    /// The unit's clock, when the host's says `now_ms`: milliseconds since 1970.
    pub(crate) fn timestamp(&self, now_ms: u64) -> (u64, Origin) {
        self.state().clock.read(now_ms)
    }

    /// SET TIMESTAMP by `session`.
    pub(crate) fn set_timestamp(&self, timestamp: u64, now_ms: u64, session: u64) {
        self.change(|state, next| {
            state.clock.set(timestamp, now_ms);
            state.bulletin.post(next, Some(session), Attention::TimestampChanged);
        });
    }

    /// `operation` begins, and until [`Book::end`] no command reaches the medium. Whoever carries it out says in the
    /// [`Progress`] how far it is. `None`, and nothing changes, while another operation runs: then
    /// [`Book::underway`] is the answer.
    pub fn begin(&self, operation: Operation) -> Option<Arc<Progress>> {
        let mut begun = None;
        self.change(|state, _| begun = state.underway.begin(operation));
        begun
    }

    /// `operation`, which had begun, is over; where it is not `ok`, the unit stays unusable until another one succeeds.
    pub fn end(&self, operation: Operation, ok: bool) {
        self.change(|state, _| state.underway.end(operation, ok));
    }

    /// `operation`, which had begun, has touched nothing and will not: the unit is as it was before.
    pub fn undo(&self, operation: Operation) {
        self.change(|state, _| state.underway.undo(operation));
    }

    /// What has to be on stable storage before an operation touches the first block, so that a unit does not come back
    /// from a failure as if nothing had been; with `None`, what has to be there before a complete one
    /// [ends](Book::end). No command that changes what lasts may be under way; while the operation is, none is planned.
    pub fn mark(&self, unfinished: Option<Operation>) -> Lasting {
        let mut kept = Lasting::default();
        self.change(|state, _| {
            (state.lasting.unfinished, state.kept.unfinished) = (unfinished, unfinished);
            kept = state.kept.clone();
        });
        kept
    }

    /// What a command that needs the medium is told because of an operation that runs or has failed, with how far it is.
    pub fn underway(&self) -> Option<Sense> {
        self.state().underway.told()
    }

    /// The operation that has failed and keeps the unit from being used.
    pub(crate) fn failed(&self) -> Option<Operation> {
        match self.state().underway {
            Underway::Failed(operation) => Some(operation),
            _ => None,
        }
    }

    /// EXIT FAILURE MODE of SANITIZE; `false` where the one that failed did not allow it.
    pub(crate) fn exit_failure(&self) -> bool {
        let mut exited = false;
        self.change(|state, _| exited = state.underway.exit_failure());
        exited
    }

    /// Where the tray of a drive stands.
    pub(crate) fn tray(&self) -> TrayStatus {
        self.state().tray.status()
    }

    /// PREVENT: the tray does not open before `session` allows it, or is gone.
    pub(crate) fn prevent_removal(&self, session: u64) {
        self.state().tray.prevent(session);
    }

    /// ALLOW.
    pub(crate) fn allow_removal(&self, session: u64) {
        self.state().tray.allow(session);
    }

    /// START STOP UNIT with LOEJ, and without START.
    ///
    /// # Errors
    /// 5/53/02 while some nexus prevents it.
    pub(crate) fn eject(&self) -> Result<(), Sense> {
        if self.state().tray.prevented() {
            return Err(Sense::REMOVAL_PREVENTED);
        }
        self.open_tray();
        Ok(())
    }

    /// An operator wants the medium: whether nobody prevents it. Else those who do are asked, by a media event and by
    /// OPERATOR MEDIUM REMOVAL REQUEST.
    pub fn request_removal(&self) -> bool {
        if !self.state().tray.prevented() {
            return true;
        }
        self.change(|state, next| {
            state.tray.happened(MediaEvent::EjectRequest);
            state.bulletin.post(next, None, Attention::RemovalRequest);
        });
        false
    }

    /// The tray opens, whoever prevents it: no command reaches the medium from now on.
    pub fn open_tray(&self) {
        self.change(|state, _| {
            state.tray.open();
        });
    }

    /// The tray shuts. Where it is `loaded`, every nexus hears that there is a medium, which may be another.
    pub fn load(&self, loaded: bool) {
        self.change(|state, next| {
            if state.tray.shut(loaded) && loaded {
                state.bulletin.post(next, None, Attention::MediumChanged);
            }
        });
    }

    /// The nexus of `session` is gone (logout, connection loss, reinstatement), and what it held by RESERVE with
    /// it (SPC-2, reservations).
    pub fn forget(&self, session: u64) {
        self.nexus_lost(session);
        self.state().presence.leave(session);
    }

    /// A logical unit or target reset: whatever was held by RESERVE is free, and every nexus but that of session
    /// `by` hears `attention`.
    pub fn reset(&self, by: Option<u64>, attention: Attention) {
        self.copies.reset();
        self.change(|state, next| {
            state.tray.allow_all();
            state.free_if(|_| true);
            state.bulletin.post(next, by, attention);
        });
    }

    /// Every nexus but that of session `except` hears `attention`.
    pub fn post(&self, except: Option<u64>, attention: Attention) {
        self.change(|state, next| state.bulletin.post(next, except, attention));
    }

    /// Third-party copies that came to the unit.
    pub(crate) fn copies(&self) -> &Copies {
        &self.copies
    }

    /// The number of the last change.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// What `nexus` must know that it did not know at generation `read_to`; with `None`, only how things stand.
    pub(crate) fn since(&self, read_to: Option<u64>, nexus: &NexusId) -> News {
        let mut state = self.state();
        let letters = state.presence.meet(nexus);
        let attentions = match read_to {
            Some(read_to) => {
                let mut owed = state.bulletin.since(read_to, nexus.session);
                owed.extend(letters);
                owed.sort_unstable();
                owed.into_iter().map(|(_, attention)| attention).collect()
            }
            None => Vec::new(),
        };
        News { generation: self.generation(), attentions, verdict: state.verdict(nexus) }
    }

    /// How things stand for `nexus`, which has nothing to hear and is not counted among those that are there.
    pub(crate) fn standing(&self, nexus: &NexusId) -> News {
        let state = self.state();
        News { generation: self.generation(), attentions: Vec::new(), verdict: state.verdict(nexus) }
    }

    fn change(&self, change: impl FnOnce(&mut State, u64)) {
        let mut state = self.state();
        let next = self.generation() + 1;
        change(&mut state, next);
        self.advance();
    }

    /// Called with the lock held, so that generation and state move together.
    fn advance(&self) {
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Each change is complete before anything in it could panic, so a poisoned lock guards a sound state.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn verdict(&self, nexus: &NexusId) -> Verdict {
        let held = self.holder.is_some_and(|holder| holder != nexus.session);
        let settings = self.lasting.settings;
        Verdict {
            shut_out: match held {
                true => ShutOut::Held,
                false => self.lasting.persistent.shut_out(&Registrant::of(nexus)),
            },
            write_protected: settings.write_protect,
            write_through: settings.write_through,
            descriptor_sense: settings.descriptor_sense,
            hindrance: self
                .access
                .of(nexus.portal_group)
                .0
                .hindrance()
                .or_else(|| self.underway.hindrance())
                .or_else(|| self.tray.hindrance()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(session: u64) -> NexusId {
        NexusId { session, name: "iqn.2026-11.com.example:host,i,0x1".into(), portal_group: 1 }
    }

    #[test]
    fn a_reset_frees_the_unit_and_tells_all_but_the_one_who_asked() {
        let book = Book::new();
        book.reserve(&id(1));
        let before = book.generation();
        book.reset(Some(2), Attention::DeviceReset);
        assert_eq!(book.holder(), None);
        assert_eq!(book.since(Some(before), &id(1)).attentions, [Attention::DeviceReset]);
        assert_eq!(book.since(Some(before), &id(2)).attentions, []);
    }

    #[test]
    fn what_changes_nothing_does_not_make_every_nexus_look() {
        let book = Book::new();
        book.reserve(&id(1));
        let generation = book.generation();
        book.reserve(&id(1));
        book.reserve(&id(2));
        book.release(&id(2));
        book.forget(3);
        assert_eq!(book.generation(), generation);
        book.release(&id(1));
        assert_eq!(book.generation(), generation + 1);
    }
}
