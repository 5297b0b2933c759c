//! Which tasks does a session have, and whose is a tag that comes back?

use std::fmt;

use serde::{Deserialize, Serialize};

use super::index::Index;
use super::window::Window;
use crate::serial::Serial;

/// Immediate commands beyond the window (RFC 7143 §4.2.2.1 lets a target bound them).
pub(crate) const IMMEDIATE_MAX: usize = 16;

/// Tasks of one session: the widest window, and the immediate ones.
pub(crate) const TASKS_MAX: usize = Window::MAX as usize + IMMEDIATE_MAX;

/// Names a task of a session: its place (low 8 bits) and how often the place was used (24 bits).
///
/// It is the Target Transfer Tag on the wire. Since the use count changes, data that comes late for a task which has
/// ended is told apart from data for the task that now has its place, and from tags that never were.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskTag(u32);

const PLACE_BITS: u32 = 8;
const USE_MASK: u32 = u32::MAX >> PLACE_BITS;
/// A tag that was used up to so many uses of its place ago still counts as one of ours.
const STALE_USES: u32 = 1 << 16;

impl TaskTag {
    fn new(place: usize, uses: u32) -> Self {
        Self(uses << PLACE_BITS | place as u32)
    }

    /// The place in the session's task table, below [`super::Session::TASKS_MAX`]; free for another task afterwards.
    #[inline]
    pub fn index(self) -> usize {
        (self.0 & !(u32::MAX << PLACE_BITS)) as usize
    }

    /// The tag as Target Transfer Tag; never FFFFFFFFh.
    #[inline]
    pub fn to_wire(self) -> u32 {
        self.0
    }

    #[inline]
    pub(crate) fn from_wire(ttt: u32) -> Self {
        Self(ttt)
    }

    fn uses(self) -> u32 {
        self.0 >> PLACE_BITS
    }
}

impl fmt::Debug for TaskTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskTag({}#{})", self.index(), self.uses())
    }
}

/// A task: what the protocol must know of a command until it is answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Task {
    pub(crate) itt: u32,
    pub(crate) cmd_sn: Serial,
    pub(crate) lun: [u8; 8],
    pub(crate) expected: u32,
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) immediate: bool,
    pub(crate) incoming: Incoming,
}

impl Task {
    /// LUN as on the wire.
    pub fn lun(&self) -> [u8; 8] {
        self.lun
    }

    /// Initiator Task Tag.
    pub fn initiator_task_tag(&self) -> u32 {
        self.itt
    }

    /// CmdSN.
    pub fn cmd_sn(&self) -> u32 {
        self.cmd_sn.0
    }

    /// Expected Data Transfer Length in bytes.
    pub fn expected(&self) -> u32 {
        self.expected
    }

    /// Bytes of write data that have come so far.
    pub fn received(&self) -> u32 {
        self.incoming.received
    }
}

/// How far the data of a write has come. With DataPDUInOrder and DataSequenceInOrder both Yes, as we insist, it comes
/// in one ascending row: unsolicited bytes first, then one burst for each R2T.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Incoming {
    /// The owner has said how much it takes.
    pub(crate) begun: bool,
    /// DataComplete was told.
    pub(crate) complete: bool,
    /// Unsolicited Data-Out PDUs may still come.
    pub(crate) unsolicited: bool,
    /// Unsolicited data may reach up to here.
    pub(crate) unsolicited_end: u32,
    /// The owner takes the bytes before this one.
    pub(crate) welcome: u32,
    /// The bytes before this one have come.
    pub(crate) received: u32,
    /// The burst that comes now ends here.
    pub(crate) burst_end: u32,
    /// R2Ts have asked for the bytes before this one.
    pub(crate) solicited: u32,
    /// R2Ts that were sent and are not fulfilled.
    pub(crate) outstanding: u32,
    /// R2TSN of the next R2T.
    pub(crate) r2t_sn: u32,
    /// DataSN of the next Data-Out of this sequence.
    pub(crate) data_sn: u32,
}

/// What a Target Transfer Tag means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// A task that is alive.
    Alive,
    /// A task that has ended: its data is let pass unseen.
    Ended,
    /// Never one of ours.
    Nobody,
}

/// All tasks of one session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Tasks {
    places: Vec<Place>,
    /// Free places; the one used last is used again first, its memory is warm.
    free: Vec<u8>,
    index: Index,
    immediate: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Place {
    uses: u32,
    task: Option<Task>,
}

impl Tasks {
    pub(crate) fn new() -> Self {
        const { assert!(TASKS_MAX <= Index::TASKS_MAX) };
        Self {
            places: vec![Place { uses: 0, task: None }; TASKS_MAX],
            free: (0..TASKS_MAX as u8).rev().collect(),
            index: Index::new(),
            immediate: 0,
        }
    }

    /// How many tasks are alive.
    pub(crate) fn len(&self) -> usize {
        TASKS_MAX - self.free.len()
    }

    /// How many of them came through the window.
    pub(crate) fn ordered(&self) -> u32 {
        self.len() as u32 - self.immediate
    }

    /// There is room for one more immediate command.
    pub(crate) fn takes_immediate(&self) -> bool {
        (self.immediate as usize) < IMMEDIATE_MAX
    }

    /// Adds a task whose tag is not in use.
    ///
    /// # Panics
    /// When there is no room: the window and the bound on immediate commands leave some.
    pub(crate) fn insert(&mut self, task: Task) -> TaskTag {
        let at = usize::from(self.free.pop().expect("the window promises free places only"));
        let place = &mut self.places[at];
        // Zero is no use count: small numbers are what a confused peer sends.
        place.uses = if place.uses == USE_MASK { 1 } else { place.uses + 1 };
        self.index.insert(task.itt, at);
        self.immediate += u32::from(task.immediate);
        let tag = TaskTag::new(at, place.uses);
        place.task = Some(task);
        tag
    }

    pub(crate) fn remove(&mut self, tag: TaskTag) -> Option<Task> {
        let place = self.places.get_mut(tag.index()).filter(|place| place.uses == tag.uses())?;
        let task = place.task.take()?;
        self.free.push(tag.index() as u8);
        self.index.remove(task.itt);
        self.immediate -= u32::from(task.immediate);
        Some(task)
    }

    #[inline]
    pub(crate) fn get(&self, tag: TaskTag) -> Option<&Task> {
        self.places.get(tag.index()).filter(|place| place.uses == tag.uses())?.task.as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, tag: TaskTag) -> Option<&mut Task> {
        self.places.get_mut(tag.index()).filter(|place| place.uses == tag.uses())?.task.as_mut()
    }

    /// The task with this Initiator Task Tag.
    #[inline]
    pub(crate) fn find(&self, itt: u32) -> Option<TaskTag> {
        let at = self.index.find(itt)?;
        Some(TaskTag::new(at, self.places[at].uses))
    }

    pub(crate) fn whose(&self, tag: TaskTag) -> Whose {
        let Some(place) = self.places.get(tag.index()).filter(|_| tag.uses() != 0) else {
            return Whose::Nobody;
        };
        match place.uses.wrapping_sub(tag.uses()) & USE_MASK {
            0 if place.task.is_some() => Whose::Alive,
            0..=STALE_USES => Whose::Ended,
            _ => Whose::Nobody,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (TaskTag, &Task)> {
        let alive =
            |(at, place): (usize, &'_ Place)| Some(TaskTag::new(at, place.uses)).filter(|_| place.task.is_some());
        self.places.iter().enumerate().filter_map(move |(at, place)| Some((alive((at, place))?, place.task.as_ref()?)))
    }
}

#[cfg(test)]
pub(crate) fn example(itt: u32) -> Task {
    Task {
        itt,
        cmd_sn: Serial(itt),
        lun: [0; 8],
        expected: 0,
        read: false,
        write: false,
        immediate: false,
        incoming: Incoming::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_of_a_task_that_ended_is_told_from_its_successor_and_from_garbage() {
        let mut tasks = Tasks::new();
        let first = tasks.insert(example(7));
        assert_eq!(tasks.whose(first), Whose::Alive);
        assert!(tasks.remove(first).is_some());
        assert_eq!(tasks.whose(first), Whose::Ended);
        let second = tasks.insert(example(7));
        assert_eq!(second.index(), first.index(), "a warm place is used again");
        assert_ne!(second, first);
        assert_eq!(tasks.whose(first), Whose::Ended);
        assert!(tasks.remove(first).is_none() && tasks.get(first).is_none() && tasks.get_mut(first).is_none());
        for garbage in [0, 1, 0xffff_ffff, 0x00ff_ff00, second.0 + (1 << PLACE_BITS), u32::from(u8::MAX) | 1 << 8] {
            assert_eq!(tasks.whose(TaskTag(garbage)), Whose::Nobody, "{garbage:08x}");
        }
    }

    #[test]
    fn use_counts_wrap_past_zero() {
        let mut tasks = Tasks::new();
        let place = usize::from(*tasks.free.last().unwrap());
        tasks.places[place].uses = USE_MASK;
        let old = TaskTag::new(place, USE_MASK);
        let tag = tasks.insert(example(1));
        assert_eq!(tag.uses(), 1);
        assert_eq!(tasks.whose(old), Whose::Ended);
        assert_ne!(TaskTag::new(TASKS_MAX - 1, USE_MASK).to_wire(), crate::wire::NO_TAG);
    }

    #[test]
    fn all_places_can_be_taken_and_come_back() {
        let mut tasks = Tasks::new();
        let tags: Vec<_> = (0..TASKS_MAX as u32).map(|itt| tasks.insert(example(itt))).collect();
        assert_eq!((tasks.len(), tasks.iter().count()), (TASKS_MAX, TASKS_MAX));
        for (itt, &tag) in tags.iter().enumerate() {
            assert_eq!(tasks.find(itt as u32), Some(tag));
            tasks.remove(tag);
            assert_eq!(tasks.find(itt as u32), None);
        }
        assert_eq!(tasks.len(), 0);
    }

    #[test]
    fn immediate_tasks_are_counted_apart() {
        let mut tasks = Tasks::new();
        let tags: Vec<_> = (0..IMMEDIATE_MAX as u32)
            .map(|itt| {
                assert!(tasks.takes_immediate());
                tasks.insert(Task { immediate: true, ..example(itt) })
            })
            .collect();
        assert!(!tasks.takes_immediate());
        assert_eq!(tasks.ordered(), 0);
        tasks.remove(tags[0]);
        assert!(tasks.takes_immediate());
    }
}
