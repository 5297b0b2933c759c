//! Unit attentions: what an initiator must hear before its next command is carried out (SAM-5 5.14).

use crate::sense::{Sense, SenseKey};
use serde::{Deserialize, Serialize};

/// Something happened to a unit that its initiators did not ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Attention {
    /// 28/00 NOT READY TO READY CHANGE, MEDIUM MAY HAVE CHANGED.
    MediumChanged,
    /// 29/00 POWER ON, RESET, OR BUS DEVICE RESET OCCURRED: how every nexus begins.
    PowerOn,
    /// 29/02 SCSI BUS RESET OCCURRED: a target reset.
    BusReset,
    /// 29/03 BUS DEVICE RESET FUNCTION OCCURRED: a logical unit reset.
    DeviceReset,
    /// 29/04 DEVICE INTERNAL RESET.
    InternalReset,
    /// 29/07 I_T NEXUS LOSS OCCURRED.
    NexusLoss,
    /// 2A/01 MODE PARAMETERS CHANGED.
    ModeChanged,
    /// 2A/02 LOG PARAMETERS CHANGED.
    LogChanged,
    /// 2A/03 RESERVATIONS PREEMPTED.
    ReservationsPreempted,
    /// 2A/04 RESERVATIONS RELEASED.
    ReservationsReleased,
    /// 2A/05 REGISTRATIONS PREEMPTED.
    RegistrationsPreempted,
    /// 2A/06 ASYMMETRIC ACCESS STATE CHANGED.
    AccessStateChanged,
    /// 2A/09 CAPACITY DATA HAS CHANGED.
    CapacityChanged,
    /// 2A/10 TIMESTAMP CHANGED.
    TimestampChanged,
    /// 2F/00 COMMANDS CLEARED BY ANOTHER INITIATOR.
    CommandsCleared,
    /// 38/07 THIN PROVISIONING SOFT THRESHOLD REACHED.
    ThinThreshold,
    /// 3F/03 INQUIRY DATA HAS CHANGED.
    InquiryChanged,
    /// 3F/05 DEVICE IDENTIFIER CHANGED.
    IdentifierChanged,
    /// 3F/0E REPORTED LUNS DATA HAS CHANGED.
    LunsChanged,
    /// 5A/01 OPERATOR MEDIUM REMOVAL REQUEST.
    RemovalRequest,
}

impl Attention {
    /// How many different attentions there are; no queue of them is longer, for none is queued twice.
    pub const COUNT: usize = CODES.len();

    /// The CHECK CONDITION an initiator gets: UNIT ATTENTION and the additional sense code.
    pub const fn sense(self) -> Sense {
        let (asc, ascq) = CODES[self as usize];
        Sense::new(SenseKey::UnitAttention, asc, ascq)
    }

    /// A reset is reported even where the command would meet a RESERVATION CONFLICT (SAM-5 5.3.3): the
    /// initiator must learn that its own reservation may be gone.
    pub(crate) const fn outranks_reservation(self) -> bool {
        CODES[self as usize].0 == 0x29
    }
}

/// ASC and ASCQ, in the order of the variants.
const CODES: [(u8, u8); 20] = [
    (0x28, 0x00),
    (0x29, 0x00),
    (0x29, 0x02),
    (0x29, 0x03),
    (0x29, 0x04),
    (0x29, 0x07),
    (0x2A, 0x01),
    (0x2A, 0x02),
    (0x2A, 0x03),
    (0x2A, 0x04),
    (0x2A, 0x05),
    (0x2A, 0x06),
    (0x2A, 0x09),
    (0x2A, 0x10),
    (0x2F, 0x00),
    (0x38, 0x07),
    (0x3F, 0x03),
    (0x3F, 0x05),
    (0x3F, 0x0E),
    (0x5A, 0x01),
];

/// Attentions due on one nexus, oldest first. It cannot overflow: an attention that is already waiting is not
/// queued again, so [`Attention::COUNT`] places are enough for all there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Attention>", into = "Vec<Attention>")]
pub(crate) struct AttentionQueue {
    waiting: [Option<Attention>; Attention::COUNT],
    len: usize,
}

impl AttentionQueue {
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn push(&mut self, attention: Attention) {
        if !self.waiting.contains(&Some(attention)) {
            self.waiting[self.len] = Some(attention);
            self.len += 1;
        }
    }

    /// The oldest attention, which is now reported.
    pub(crate) fn pop(&mut self) -> Option<Attention> {
        self.take_first(|_| true)
    }

    /// The oldest attention of those that `wanted` accepts, which is now reported.
    pub(crate) fn take_first(&mut self, wanted: impl Fn(Attention) -> bool) -> Option<Attention> {
        let place = self.waiting[..self.len].iter().flatten().position(|&waiting| wanted(waiting))?;
        let taken = self.waiting[place].take();
        self.waiting[place..self.len].rotate_left(1);
        self.len -= 1;
        taken
    }

    pub(crate) fn clear(&mut self) {
        *self = AttentionQueue::default();
    }
}

impl From<Vec<Attention>> for AttentionQueue {
    fn from(list: Vec<Attention>) -> Self {
        let mut queue = AttentionQueue::default();
        list.into_iter().for_each(|attention| queue.push(attention));
        queue
    }
}

impl From<AttentionQueue> for Vec<Attention> {
    fn from(queue: AttentionQueue) -> Self {
        queue.waiting.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Attention::*;

    const ALL: [Attention; Attention::COUNT] = [
        MediumChanged,
        PowerOn,
        BusReset,
        DeviceReset,
        InternalReset,
        NexusLoss,
        ModeChanged,
        LogChanged,
        ReservationsPreempted,
        ReservationsReleased,
        RegistrationsPreempted,
        AccessStateChanged,
        CapacityChanged,
        TimestampChanged,
        CommandsCleared,
        ThinThreshold,
        InquiryChanged,
        IdentifierChanged,
        LunsChanged,
        RemovalRequest,
    ];

    #[test]
    fn every_attention_has_the_code_in_its_description() {
        let codes = ALL.map(|attention| attention.sense().to_string());
        assert_eq!(
            codes,
            [
                "6/28/00", "6/29/00", "6/29/02", "6/29/03", "6/29/04", "6/29/07", "6/2A/01", "6/2A/02", "6/2A/03",
                "6/2A/04", "6/2A/05", "6/2A/06", "6/2A/09", "6/2A/10", "6/2F/00", "6/38/07", "6/3F/03", "6/3F/05",
                "6/3F/0E", "6/5A/01"
            ]
        );
    }

    #[test]
    fn attentions_come_out_in_the_order_they_went_in() {
        let mut queue = AttentionQueue::from(vec![LunsChanged, PowerOn, CapacityChanged]);
        assert_eq!(queue.take_first(Attention::outranks_reservation), Some(PowerOn));
        assert_eq!([queue.pop(), queue.pop(), queue.pop()], [Some(LunsChanged), Some(CapacityChanged), None]);
        assert!(queue.is_empty());
    }

    #[test]
    fn an_attention_that_waits_already_is_not_queued_again_but_one_reported_is() {
        let mut queue = AttentionQueue::default();
        queue.push(CapacityChanged);
        queue.push(CapacityChanged);
        assert_eq!((queue.pop(), queue.pop()), (Some(CapacityChanged), None));
        queue.push(CapacityChanged);
        assert_eq!(queue.pop(), Some(CapacityChanged));
    }

    #[test]
    fn the_queue_has_a_place_for_every_attention_there_is_and_needs_no_more() {
        let mut queue = AttentionQueue::default();
        for attention in ALL.into_iter().chain(ALL) {
            queue.push(attention);
        }
        assert_eq!(Vec::from(queue), ALL);
    }
}
