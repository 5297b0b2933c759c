//! What one initiator has with one unit: what it must be told, and whether it may pass.

use crate::attention::{Attention, AttentionQueue};
use crate::book::{Book, Verdict};
use crate::nexus_id::NexusId;
use serde::{Deserialize, Serialize};

/// An I_T_L nexus. Plain data, so that a session can be handed to another process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Nexus {
    id: NexusId,
    attentions: AttentionQueue,
    /// Generation of the book this nexus has read to; `None` before its first command, which has nothing to
    /// catch up on: POWER ON OCCURRED covers all that happened before.
    #[serde(skip)]
    read_to: Option<u64>,
    /// How things stand at that generation.
    #[serde(skip)]
    verdict: Verdict,
    /// Media events of the unit's tray that it has heard of; `None` before it first asked.
    #[serde(skip)]
    media_events: Option<u64>,
    /// What WRITE BUFFER put into the echo buffer.
    #[serde(skip)]
    echo: Option<Box<[u8]>>,
    /// Another one of this name hears what there is to hear.
    #[serde(skip)]
    stands_in: bool,
}

impl Nexus {
    /// A new nexus; the first thing it hears is POWER ON OCCURRED (29/00).
    pub fn new(id: NexusId) -> Self {
        let mut attentions = AttentionQueue::default();
        attentions.push(Attention::PowerOn);
        Nexus {
            id,
            attentions,
            read_to: None,
            verdict: Verdict::default(),
            media_events: None,
            echo: None,
            stands_in: false,
        }
    }

    /// One of the same name, for work that goes on beside the nexus itself: it learns how things stand, hears nothing,
    /// and takes nothing of what the nexus itself has to hear. No unit counts it among those that are there.
    pub fn stand_in(id: NexusId) -> Self {
        Nexus { attentions: AttentionQueue::default(), stands_in: true, ..Nexus::new(id) }
    }

    /// Who it is.
    pub fn id(&self) -> &NexusId {
        &self.id
    }

    /// This nexus hears `attention` before one of its next commands, once, in the order of the posts.
    pub fn post(&mut self, attention: Attention) {
        self.attentions.push(attention);
    }

    /// What is waiting to be told, oldest first, without what the unit's [`Book`] has for it since its last command
    /// ([`LogicalUnit::attentions`](crate::LogicalUnit::attentions) has that, too).
    pub fn attentions(&self) -> Vec<Attention> {
        self.attentions.clone().into()
    }

    /// `attention` need not be told any more. REPORTED LUNS DATA HAS CHANGED is told once for all units of a
    /// target (SPC-4, REPORT LUNS), so its owner takes it back from the initiator's other units.
    pub fn withdraw(&mut self, attention: Attention) {
        self.attentions.take_first(|waiting| waiting == attention);
    }

    /// Nothing is left to be told; for owners that have told it another way.
    pub fn forget_attentions(&mut self) {
        self.attentions.clear();
    }

    /// Sense data for this nexus has the descriptor format (D_SENSE of the control mode page).
    pub fn wants_descriptors(&self) -> bool {
        self.verdict.descriptor_sense
    }

    /// Reads what `book` has that is new: one atomic load where there is nothing.
    pub(crate) fn meet(&mut self, book: &Book) {
        if self.read_to != Some(book.generation()) {
            let news = if self.stands_in { book.standing(&self.id) } else { book.since(self.read_to, &self.id) };
            news.attentions.into_iter().for_each(|attention| self.attentions.push(attention));
            self.verdict = news.verdict;
            self.read_to = Some(news.generation);
        }
    }

    pub(crate) fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    pub(crate) fn media_events(&mut self) -> &mut Option<u64> {
        &mut self.media_events
    }

    pub(crate) fn echo(&mut self) -> &mut Option<Box<[u8]>> {
        &mut self.echo
    }

    pub(crate) fn queue(&mut self) -> &mut AttentionQueue {
        &mut self.attentions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Attention::*;

    fn nexus(session: u64) -> Nexus {
        Nexus::new(NexusId { session, name: "iqn.2026-11.com.example:host,i,0x1".into(), portal_group: 1 })
    }

    #[test]
    fn a_nexus_begins_with_power_on_and_hears_nothing_older() {
        let book = Book::new();
        book.post(None, CapacityChanged);
        let mut nexus = nexus(1);
        nexus.meet(&book);
        assert_eq!(nexus.attentions(), [PowerOn]);
    }

    #[test]
    fn what_is_posted_to_the_book_is_heard_once_and_in_order() {
        let (book, mut nexus) = (Book::new(), nexus(1));
        nexus.meet(&book);
        book.post(None, ModeChanged);
        book.post(None, CapacityChanged);
        nexus.meet(&book);
        nexus.meet(&book);
        assert_eq!(nexus.attentions(), [PowerOn, ModeChanged, CapacityChanged]);
        nexus.forget_attentions();
        nexus.meet(&book);
        assert_eq!(nexus.attentions(), []);
    }

    #[test]
    fn withdrawing_takes_one_attention_and_leaves_the_others() {
        let mut nexus = nexus(1);
        nexus.post(LunsChanged);
        nexus.post(CapacityChanged);
        nexus.withdraw(LunsChanged);
        nexus.withdraw(ModeChanged);
        assert_eq!(nexus.attentions(), [PowerOn, CapacityChanged]);
    }

    #[test]
    fn a_nexus_that_moved_to_another_process_still_has_its_attentions() {
        let mut before = nexus(7);
        before.post(LunsChanged);
        let text = serde_json::to_string(&before).unwrap();
        let after: Nexus = serde_json::from_str(&text).unwrap();
        assert_eq!((after.id(), after.attentions()), (before.id(), vec![PowerOn, LunsChanged]));
    }
}
