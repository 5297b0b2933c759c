//! What a row of a command table says: everything about a command but what it does, and who does it.

use super::Asked;
use crate::lasting::ShutOut;
use crate::medium::Medium;
use crate::plan::{Answer, Copied, Copy, Plan};
use crate::sense::Sense;

/// Carries a command out, or says why not.
pub(crate) type Handler = fn(&mut Asked<'_>) -> Result<Plan, Sense>;

/// The same, once the parameter list it asked for has come.
pub(crate) type Gathered = fn(&mut Asked<'_>, &[u8]) -> Result<Plan, Sense>;

/// The same, once the disk has said what it was asked.
pub(crate) type Answered = fn(&mut Asked<'_>, &Answer) -> Result<Plan, Sense>;

/// The same, once bytes have been copied.
pub(crate) type CopyDone = fn(&mut Asked<'_>, &Copy, &Copied) -> Result<Plan, Sense>;

/// One command.
pub(crate) struct Row {
    /// CDB USAGE DATA (SPC-4, REPORT SUPPORTED OPERATION CODES): the operation code, then a one for each bit that is
    /// looked at, with the service action in its place. Its length is that of the CDB. A bit that is neither here nor
    /// in `ignored` makes a command invalid, so that what is reported and what is done cannot differ.
    pub(crate) usage: &'static [u8],
    /// Bits that may be set and mean nothing to us, as (byte, mask): obsolete fields, and hints we do not take.
    pub(crate) ignored: &'static [(u8, u8)],
    /// SERVICE ACTION, where the operation code has several commands.
    pub(crate) action: Option<u16>,
    /// The bits of 16 bytes that may be set, by all that is said above; those behind the CDB are padding. None for a
    /// CDB of variable length, which has more bytes.
    known: u128,
    /// A service action that the operation code does not have is a mistake in a known command, not an unknown one.
    pub(crate) names_actions: bool,
    /// Carried out although the initiator has something to hear first (SAM-5 5.14).
    pub(crate) passes_attention: bool,
    /// What becomes of it while another nexus holds the unit.
    pub(crate) reserved: WhenReserved,
    /// What becomes of it under another nexus's persistent reservation.
    pub(crate) persistent: WhenPersistent,
    /// Carried out although the unit is not ready: in standby, while it is formatted, without a medium.
    pub(crate) passes_not_ready: bool,
    /// Carried out in the access state standby, but not where else the unit is not ready (SPC-4, standby state).
    pub(crate) passes_standby: bool,
    /// Failures that it is let past, because its success ends them.
    pub(crate) mends: &'static [Sense],
    /// Reservations or what lasts change by it: nothing of its kind may be under way at the same unit.
    pub(crate) alone: bool,
    /// Changes the medium: refused when the unit is read-only.
    pub(crate) writes: bool,
    /// Which media have it at all.
    pub(crate) offered: Offered,
    /// RECOMMENDED COMMAND TIMEOUT in seconds.
    pub(crate) timeout_s: u32,
    pub(crate) handler: Handler,
    pub(crate) gathered: Option<Gathered>,
    pub(crate) answered: Option<Answered>,
    pub(crate) copied: Option<CopyDone>,
}

/// What SPC-4 and SBC-3 say of a command from a nexus that a persistent reservation does not let write, or not access
/// at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WhenPersistent {
    /// RESERVATION CONFLICT under either: it writes, or sets something for all.
    Conflicts,
    /// It only reads: a conflict under exclusive access.
    Reads,
    /// As if nothing were reserved.
    Allowed,
    /// As `WhenReserved::AllowedIf`.
    AllowedIf { at: u8, mask: u8, value: u8 },
}

/// What the tables of SPC-2 and SBC-2 say of a command that meets another initiator's reservation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WhenReserved {
    /// RESERVATION CONFLICT.
    Conflicts,
    /// As if nothing were reserved.
    Allowed,
    /// Allowed where the bits of `mask` in byte `at` are `value`, else a conflict.
    AllowedIf { at: u8, mask: u8, value: u8 },
}

/// Which media have a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Offered {
    Always,
    /// Those with limits for UNMAP.
    WithUnmap,
    /// Those of which a block erase can be seen.
    WithBlockErase,
    /// Those with limits for WRITE ATOMIC.
    WithAtomic,
}

impl Row {
    /// A row with the answers most commands have; the methods below say what differs.
    pub(crate) const fn new(usage: &'static [u8], handler: Handler) -> Row {
        Row {
            usage,
            ignored: &[],
            action: None,
            known: known(usage, &[], None),
            names_actions: false,
            passes_attention: false,
            reserved: WhenReserved::Conflicts,
            persistent: WhenPersistent::Conflicts,
            passes_not_ready: false,
            passes_standby: false,
            mends: &[],
            alone: false,
            writes: false,
            offered: Offered::Always,
            timeout_s: 30,
            handler,
            gathered: None,
            answered: None,
            copied: None,
        }
    }

    pub(crate) const fn ignoring(self, ignored: &'static [(u8, u8)]) -> Row {
        Row { ignored, known: known(self.usage, ignored, self.action), ..self }
    }

    /// The low five bits of byte 1 of the usage data are a service action; in a CDB of variable length, it is bytes 8
    /// and 9.
    pub(crate) const fn service_action(self) -> Row {
        let action = match self.usage[0] {
            VARIABLE_LENGTH => u16::from_be_bytes([self.usage[8], self.usage[9]]),
            _ => (self.usage[1] & SERVICE_ACTION) as u16,
        };
        let known = known(self.usage, self.ignored, Some(action));
        Row { action: Some(action), known, ..self }
    }

    /// Other service actions of the operation code are answered with 5/24/00 that points at them (SBC-3, SANITIZE). It
    /// is enough that one row of the operation code says so.
    pub(crate) const fn names_actions(self) -> Row {
        Row { names_actions: true, ..self }
    }

    pub(crate) const fn passes_attention(self) -> Row {
        Row { passes_attention: true, ..self }
    }

    pub(crate) const fn when_reserved(self, reserved: WhenReserved) -> Row {
        Row { reserved, ..self }
    }

    pub(crate) const fn when_persistent(self, persistent: WhenPersistent) -> Row {
        Row { persistent, ..self }
    }

    pub(crate) const fn passes_not_ready(self) -> Row {
        Row { passes_not_ready: true, ..self }
    }

    pub(crate) const fn passes_standby(self) -> Row {
        Row { passes_standby: true, ..self }
    }

    pub(crate) const fn mends(self, mends: &'static [Sense]) -> Row {
        Row { mends, ..self }
    }

    pub(crate) const fn alone(self) -> Row {
        Row { alone: true, ..self }
    }

    pub(crate) const fn answers(self, answered: Answered) -> Row {
        Row { answered: Some(answered), ..self }
    }

    pub(crate) const fn copies(self, copied: CopyDone) -> Row {
        Row { copied: Some(copied), ..self }
    }

    pub(crate) const fn writes(self) -> Row {
        Row { writes: true, ..self }
    }

    pub(crate) const fn offered(self, offered: Offered) -> Row {
        Row { offered, ..self }
    }

    pub(crate) const fn takes_s(self, timeout_s: u32) -> Row {
        Row { timeout_s, ..self }
    }

    pub(crate) const fn gathers(self, gathered: Gathered) -> Row {
        Row { gathered: Some(gathered), ..self }
    }

    pub(crate) const fn opcode(&self) -> u8 {
        self.usage[0]
    }

    pub(crate) fn is_offered(&self, medium: &Medium) -> bool {
        match self.offered {
            Offered::Always => true,
            Offered::WithUnmap => medium.unmap.is_some(),
            Offered::WithBlockErase => medium.block_erases(),
            Offered::WithAtomic => medium.atomic_shown().is_some(),
        }
    }

    /// Whether a nexus that is shut out so may not have it.
    pub(crate) fn conflicts(&self, cdb: &[u8], shut_out: ShutOut) -> bool {
        let unless = |at: u8, mask: u8, value: u8| cdb.get(usize::from(at)).is_none_or(|byte| byte & mask != value);
        match (shut_out, self.reserved, self.persistent) {
            (ShutOut::No, ..) => false,
            (ShutOut::Held, WhenReserved::Conflicts, _) => true,
            (ShutOut::Held, WhenReserved::Allowed, _) => false,
            (ShutOut::Held, WhenReserved::AllowedIf { at, mask, value }, _) => unless(at, mask, value),
            (ShutOut::FromWriting | ShutOut::FromAccess, _, WhenPersistent::Conflicts) => true,
            (ShutOut::FromWriting | ShutOut::FromAccess, _, WhenPersistent::Allowed) => false,
            (ShutOut::FromWriting, _, WhenPersistent::Reads) => false,
            (ShutOut::FromAccess, _, WhenPersistent::Reads) => true,
            (_, _, WhenPersistent::AllowedIf { at, mask, value }) => unless(at, mask, value),
        }
    }

    /// The bytes of `cdb` that are this command.
    ///
    /// # Errors
    /// 5/24/00, when it is too short, or a bit is set that this command does not know; the first such bit is
    /// pointed at. NACA in the CONTROL byte is one of them: we establish no auto contingent allegiance.
    #[inline]
    pub(crate) fn fields<'a>(&self, cdb: &'a [u8]) -> Result<&'a [u8], Sense> {
        // All at once, where the CDB came in the 16 bytes that transports have for it.
        match cdb.first_chunk().map(|bytes| u128::from_be_bytes(*bytes)) {
            Some(bits) if bits & !self.known == 0 => Ok(&cdb[..self.usage.len()]),
            _ => self.fields_one_by_one(cdb),
        }
    }

    fn fields_one_by_one<'a>(&self, cdb: &'a [u8]) -> Result<&'a [u8], Sense> {
        let cdb = cdb.get(..self.usage.len()).ok_or(Sense::INVALID_FIELD_IN_CDB)?;
        // ADDITIONAL CDB LENGTH is the one field that has a single right value.
        if self.opcode() == VARIABLE_LENGTH && cdb[7] != self.usage[7] {
            return Err(Sense::invalid_field(7));
        }
        // All rows allow all of byte 0, which chose them, and of the service action, which did so, too.
        for (at, (&byte, &usage)) in cdb.iter().zip(self.usage).enumerate().skip(1) {
            let unknown = byte & !(usage | chosen_by(self.action, self.opcode(), at));
            if unknown != 0 {
                self.unless_ignored(at, unknown)?;
            }
        }
        Ok(cdb)
    }

    #[cold]
    fn unless_ignored(&self, at: usize, unknown: u8) -> Result<(), Sense> {
        let ignored = self.ignored.iter().filter(|(byte, _)| usize::from(*byte) == at);
        let wrong = ignored.fold(unknown, |left, (_, mask)| left & !mask);
        if wrong == 0 {
            return Ok(());
        }
        Err(Sense::invalid_bit(at as u16, 7 - wrong.leading_zeros() as u8))
    }
}

/// Bits of byte `at` that are the service action.
const fn chosen_by(action: Option<u16>, opcode: u8, at: usize) -> u8 {
    match (action, opcode, at) {
        (None, ..) => 0,
        (Some(_), VARIABLE_LENGTH, 8 | 9) => 0xFF,
        (Some(_), VARIABLE_LENGTH, _) => 0,
        (Some(_), _, 1) => SERVICE_ACTION,
        (Some(_), ..) => 0,
    }
}

/// [`Row::known`].
const fn known(usage: &[u8], ignored: &[(u8, u8)], action: Option<u16>) -> u128 {
    if usage[0] == VARIABLE_LENGTH {
        return 0;
    }
    assert!(usage.len() <= 16, "other commands have 6 to 16 bytes");
    let mut known = [0xFF; 16];
    let mut at = 1;
    while at < usage.len() {
        known[at] = usage[at] | chosen_by(action, usage[0], at);
        at += 1;
    }
    let mut next = 0;
    while next < ignored.len() {
        let (at, mask) = (ignored[next].0 as usize, ignored[next].1);
        if at < known.len() {
            known[at] |= mask;
        }
        next += 1;
    }
    u128::from_be_bytes(known)
}

/// Bits 4 to 0 of byte 1.
pub(super) const SERVICE_ACTION: u8 = 0x1F;

/// The operation code of commands that have their length in byte 7.
pub(crate) const VARIABLE_LENGTH: u8 = 0x7F;

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn nothing(_: &mut Asked<'_>) -> Result<Plan, Sense> {
        Ok(Plan::good())
    }

    /// Of each shape that a row can have; the tests of tables find their way among them.
    pub(in crate::command) static ROWS: [Row; 7] = [
        Row::new(&[0x10, 0x03, 0xF0, 0, 0, 0], nothing).ignoring(&[(1, 0x80), (1, 0x40), (4, 0xFF)]),
        Row::new(&[0x20, 0x01, 0, 0, 0, 0], nothing).service_action(),
        Row::new(&[0x20, 0x02, 0, 0, 0, 0, 0, 0], nothing).service_action(),
        Row::new(&[0x30, 0x83, 0, 0, 0, 0], nothing).service_action().names_actions(),
        Row::new(&[0x7F, 0, 0, 0, 0, 0, 0, 4, 0, 9, 0xF0, 0], nothing).service_action(),
        Row::new(&[0x7F, 0, 0, 0, 0, 0, 0, 4, 1, 9, 0, 0], nothing).service_action(),
        Row::new(&[0xFF, 0, 0, 0, 0, 0], nothing).offered(Offered::WithUnmap),
    ];

    #[test]
    fn flags_beside_a_service_action_are_known_as_the_row_says() {
        let fields = |flags: u8| ROWS[3].fields(&[0x30, flags | 3, 0, 0, 0, 0]).map(<[u8]>::len);
        assert_eq!(fields(0x80), Ok(6));
        assert_eq!(fields(0x40), Err(Sense::invalid_bit(1, 6)));
    }

    #[test]
    fn bits_that_a_command_does_not_know_are_pointed_at() {
        let fields = |cdb: &[u8]| ROWS[0].fields(cdb).map(<[u8]>::len);
        assert_eq!(fields(&[0x10, 0x03, 0xF0, 0, 0, 0, 0xAA]), Ok(6));
        assert_eq!(fields(&[0x10, 0xC3, 0, 0, 0x11, 0]), Ok(6));
        assert_eq!(fields(&[0x10, 0xE0, 0, 0, 0, 0]), Err(Sense::invalid_bit(1, 5)));
        assert_eq!(fields(&[0x10, 0, 0x0C, 0, 0, 0]), Err(Sense::invalid_bit(2, 3)));
        assert_eq!(fields(&[0x10, 0, 0, 0, 0, 0x04]), Err(Sense::invalid_bit(5, 2)));
    }

    #[test]
    fn looking_at_all_bits_at_once_finds_what_looking_at_each_does() {
        for row in &ROWS {
            let mut cdb = [0; 16];
            cdb[..row.usage.len()].copy_from_slice(row.usage);
            for (at, bit) in (0..16).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
                let mut cdb = cdb;
                cdb[at] ^= 1 << bit;
                assert_eq!(row.fields(&cdb), row.fields_one_by_one(&cdb), "{cdb:02x?}");
            }
        }
    }

    #[test]
    fn a_descriptor_block_that_is_too_short_is_invalid() {
        assert_eq!(ROWS[2].fields(&[0x20, 2, 0, 0, 0, 0, 0]), Err(Sense::INVALID_FIELD_IN_CDB));
        assert_eq!(ROWS[2].fields(&[0x20, 2, 0, 0, 0, 0, 0, 0]).map(<[u8]>::len), Ok(8));
    }
}
