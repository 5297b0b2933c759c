//! What stands between a command and its handler: which table, which row, and what is in the way.

mod disk;
mod drive;
mod missing;

use crate::attention::Attention;
use crate::book::AccessState;
use crate::command::row::Handler;
use crate::command::table::action_of;
use crate::command::{Asked, Cdb, Command, Row, Table};
use crate::lasting::ShutOut;
use crate::nexus::Nexus;
use crate::plan::{Answer, Copied, Copy, Plan, Reply};
use crate::port::Port;
use crate::sense::Sense;
use crate::unit::{Kind, LogicalUnit};

#[cfg(test)]
pub(crate) use disk::TABLE as DISK;

/// Whether a command changes reservations or what else lasts of a unit's state. Whoever carries commands out sees to it
/// that only one such command of a unit is between its arrival and its answer, and none while a COMPARE AND WRITE is.
pub fn goes_alone(cdb: &[u8]) -> bool {
    let action = |row: &Row| row.action.is_none() || row.action == action_of(cdb);
    let rows = cdb.first().map_or(&[][..], |&opcode| disk::TABLE.rows_of(opcode));
    rows.iter().any(|row| row.alone && action(row))
}

impl LogicalUnit {
    /// Reads a command of `nexus` that came through `port`: what is to be done?
    ///
    /// READ and WRITE take no lock, allocate nothing, and cost one atomic load, unless the unit's book has news.
    pub fn plan(&self, nexus: &mut Nexus, port: &Port, command: &Command<'_>) -> Plan {
        nexus.meet(self.book());
        let found = self.table().find(command.cdb, self.medium());
        if let Some(reply) = self.in_the_way(nexus, found.as_ref().ok().copied(), command.cdb) {
            return Plan::Reply(reply);
        }
        match found {
            Ok(row) => self.dispatch(nexus, port, command, row, row.handler),
            Err(sense) => sense.into(),
        }
    }

    /// Goes on with a command whose parameter list or pattern block has arrived, after [`Plan::Gather`]: `list` has
    /// the length that was asked for.
    pub fn gathered(&self, nexus: &mut Nexus, port: &Port, command: &Command<'_>, list: &[u8]) -> Plan {
        let row = match self.table().find(command.cdb, self.medium()) {
            Ok(row) => row,
            Err(sense) => return sense.into(),
        };
        let Some(gathered) = row.gathered else {
            return Sense::INVALID_FIELD_IN_CDB.into();
        };
        let asked = row.fields(command.cdb).and_then(|fields| {
            let mut asked = self.asked(nexus, port, command, fields);
            gathered(&mut asked, list)
        });
        asked.unwrap_or_else(Plan::from)
    }

    /// Goes on with a command that asked the disk by [`Plan::Ask`].
    pub fn answered(&self, nexus: &mut Nexus, port: &Port, command: &Command<'_>, answer: &Answer) -> Plan {
        let row = match self.table().find(command.cdb, self.medium()) {
            Ok(row) => row,
            Err(sense) => return sense.into(),
        };
        let asked = row.fields(command.cdb).and_then(|fields| match row.answered {
            Some(answered) => answered(&mut self.asked(nexus, port, command, fields), answer),
            None => Err(Sense::INVALID_FIELD_IN_CDB),
        });
        asked.unwrap_or_else(Plan::from)
    }

    /// Goes on with a command whose [`Plan::Copy`] is over and was not answered before: what it is answered. What is
    /// remembered of it is settled, too.
    pub fn copied(&self, nexus: &mut Nexus, port: &Port, command: &Command<'_>, copy: &Copy, copied: &Copied) -> Plan {
        copy.ended(copied);
        let row = match self.table().find(command.cdb, self.medium()) {
            Ok(row) => row,
            Err(sense) => return sense.into(),
        };
        let asked = row.fields(command.cdb).and_then(|fields| match row.copied {
            Some(done) => done(&mut self.asked(nexus, port, command, fields), copy, copied),
            None => Err(Sense::INVALID_FIELD_IN_CDB),
        });
        asked.unwrap_or_else(Plan::from)
    }

    /// What `nexus` would be told if a command of its wanted to read, or with `write` to write, the medium: for work on
    /// other units than the one that a command came to.
    pub fn refuses(&self, nexus: &mut Nexus, write: bool) -> Option<Reply> {
        nexus.meet(self.book());
        let verdict = nexus.verdict();
        let conflict = match verdict.shut_out {
            ShutOut::No => false,
            ShutOut::Held | ShutOut::FromAccess => true,
            ShutOut::FromWriting => write,
        };
        if conflict {
            return Some(self.book().refusal());
        }
        if let Some(hindrance) = verdict.hindrance {
            return Some(hindrance.into());
        }
        match self.kind() {
            Kind::Missing => Some(Sense::NO_SUCH_UNIT.into()),
            Kind::Disk if write => self.writable(nexus).err().map(Reply::from),
            Kind::Drive if write => Some(Sense::WRITE_PROTECTED.into()),
            Kind::Drive if self.medium().blocks == 0 => Some(Sense::NO_MEDIUM.into()),
            Kind::Disk | Kind::Drive => None,
        }
    }

    /// # Errors
    /// 7/27/00 for a read-only medium, 7/27/02 where an initiator has set SWP.
    fn writable(&self, nexus: &Nexus) -> Result<(), Sense> {
        if self.medium().read_only {
            return Err(Sense::WRITE_PROTECTED);
        }
        if nexus.verdict().write_protected { Err(Sense::SOFTWARE_WRITE_PROTECTED) } else { Ok(()) }
    }

    /// What `nexus` has still to hear of this unit, oldest first, with what the unit's book has for it; nothing is
    /// settled by asking (QUERY ASYNCHRONOUS EVENT).
    pub fn attentions(&self, nexus: &mut Nexus) -> Vec<Attention> {
        nexus.meet(self.book());
        nexus.attentions()
    }

    fn table(&self) -> &'static Table {
        match self.kind() {
            Kind::Disk => &disk::TABLE,
            Kind::Drive => &drive::TABLE,
            Kind::Missing => &missing::TABLE,
        }
    }

    /// What keeps a command from being looked at, in the order of SAM-5 5.3.3: a reset that the initiator must hear
    /// of, a reservation, any other attention, that the unit is not ready.
    #[inline]
    fn in_the_way(&self, nexus: &mut Nexus, row: Option<&Row>, cdb: &[u8]) -> Option<Reply> {
        if nexus.queue().is_empty() && nexus.verdict().lets_all_pass() {
            return None;
        }
        let deaf = row.map_or(self.kind() == Kind::Missing, |row| row.passes_attention);
        let reset = if deaf { None } else { nexus.queue().take_first(Attention::outranks_reservation) };
        if let Some(attention) = reset {
            return Some(attention.sense().into());
        }
        let shut_out = nexus.verdict().shut_out;
        if row.is_some_and(|row| row.conflicts(cdb, shut_out)) {
            return Some(self.book().refusal());
        }
        let other = if deaf { None } else { nexus.queue().pop() };
        if let Some(attention) = other {
            return Some(attention.sense().into());
        }
        let hindrance = nexus.verdict().hindrance?;
        let standby = Some(hindrance) == AccessState::Standby.hindrance();
        let passes =
            |row: &Row| row.passes_not_ready || row.passes_standby && standby || row.mends.contains(&hindrance);
        if row.is_none_or(passes) {
            return None;
        }
        // The verdict does not know how far an operation has come, and need not while nobody is refused.
        let now = self.book().underway().filter(|now| now.code() == hindrance.code());
        Some(now.unwrap_or(hindrance).into())
    }

    fn dispatch(&self, nexus: &mut Nexus, port: &Port, command: &Command<'_>, row: &Row, handler: Handler) -> Plan {
        let planned = row.fields(command.cdb).and_then(|fields| {
            if row.writes {
                self.writable(nexus)?;
            }
            handler(&mut self.asked(nexus, port, command, fields))
        });
        planned.unwrap_or_else(Plan::from)
    }

    fn asked<'a>(&'a self, nexus: &'a mut Nexus, port: &'a Port, command: &Command<'_>, fields: &'a [u8]) -> Asked<'a> {
        Asked { unit: self, table: self.table(), nexus, port, cdb: Cdb::new(fields), data_out: command.data_out }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;
    use crate::medium::{Medium, Rotation, UnmapLimits};
    use crate::nexus_id::NexusId;
    use crate::tests::{Bench, attention, conflict, good, refused};
    use std::sync::Arc;

    const TEST_UNIT_READY: [u8; 6] = [0; 6];

    fn newcomer(bench: &Bench) -> Bench {
        let id = NexusId { session: 99, name: "iqn.2026-11.com.example:new,i,0x1".into(), portal_group: 1 };
        Bench { unit: bench.unit.clone(), nexus: Nexus::new(id), port: bench.port.clone() }
    }

    fn changed(change: impl FnOnce(Medium) -> Medium) -> Vec<Attention> {
        let old = Bench::disk();
        let new = Bench::with(change);
        new.unit.attentions_since(&old.unit).collect()
    }

    #[test]
    fn a_new_nexus_hears_power_on_with_its_first_command_and_then_goes_on() {
        let mut bench = newcomer(&Bench::disk());
        assert_eq!(bench.ask(&TEST_UNIT_READY), attention(Attention::PowerOn));
        assert_eq!(bench.ask(&TEST_UNIT_READY), good(&[]));
    }

    #[test]
    fn asking_what_is_to_be_heard_finds_what_the_book_has_and_settles_nothing() {
        let mut bench = Bench::disk();
        bench.unit.book().reset(None, Attention::DeviceReset);
        for _ in 0..2 {
            assert_eq!(bench.unit.attentions(&mut bench.nexus), [Attention::DeviceReset]);
        }
        assert_eq!(bench.ask(&TEST_UNIT_READY), attention(Attention::DeviceReset));
        assert_eq!(bench.unit.attentions(&mut bench.nexus), []);
    }

    #[test]
    fn inquiry_and_report_luns_neither_wait_for_power_on_nor_settle_it() {
        let mut bench = newcomer(&Bench::disk());
        bench.done(&[0x12, 0, 0, 0, 36, 0]);
        bench.done(&[0xA0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0]);
        assert_eq!(bench.ask(&TEST_UNIT_READY), attention(Attention::PowerOn));
    }

    #[test]
    fn an_unknown_or_malformed_command_hears_the_attention_first() {
        let mut bench = newcomer(&Bench::disk());
        assert_eq!(bench.ask(&[0xFF; 6]), attention(Attention::PowerOn));
        assert_eq!(bench.ask(&[0xFF; 6]), refused(Sense::INVALID_OPCODE));
        let mut bench = newcomer(&Bench::disk());
        assert_eq!(bench.ask(&[0x28, 0xE0]), attention(Attention::PowerOn));
        assert_eq!(bench.ask(&[0x28, 0xE0]), refused(Sense::INVALID_FIELD_IN_CDB));
    }

    #[test]
    fn commands_that_do_not_exist_here_are_unknown() {
        for opcode in [0x7F, 0xC0, 0xFF] {
            assert_eq!(Bench::disk().ask(&[opcode, 0, 0, 0, 0, 0]), refused(Sense::INVALID_OPCODE));
        }
        assert_eq!(Bench::disk().ask(&[]), refused(Sense::INVALID_OPCODE));
    }

    #[test]
    fn bytes_that_the_transport_pads_with_are_not_looked_at() {
        assert_eq!(Bench::disk().ask(&[0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), good(&[]));
    }

    #[test]
    fn a_missing_unit_tells_every_other_command_that_it_is_missing() {
        let mut bench = newcomer(&Bench::missing());
        for cdb in Bench::every_command() {
            if !matches!(cdb[0], 0x03 | 0x12 | 0xA0) {
                assert_eq!(bench.ask(&cdb), refused(Sense::NO_SUCH_UNIT), "{cdb:02x?}");
            }
        }
        assert_eq!(bench.ask(&[0xFF; 6]), refused(Sense::NO_SUCH_UNIT));
    }

    #[test]
    fn what_has_not_been_asked_for_cannot_be_gathered() {
        assert_eq!(Bench::disk().gathered(&TEST_UNIT_READY, &[]), refused(Sense::INVALID_FIELD_IN_CDB));
        assert_eq!(Bench::disk().gathered(&[0xFF; 6], &[1]), refused(Sense::INVALID_OPCODE));
    }

    #[test]
    fn a_resized_unit_has_the_reservations_and_attentions_of_the_old_one() {
        let mut holder = Bench::disk();
        let mut other = holder.neighbour(2);
        holder.done(&[0x16, 0, 0, 0, 0, 0]);
        let old = holder.unit.clone();
        let larger = Medium { blocks: 4096, ..old.medium().clone() };
        let new = Arc::new(LogicalUnit::new(old.identity().clone(), larger, old.book().clone()));
        for news in new.attentions_since(&old) {
            new.book().post(None, news);
        }
        (holder.unit, other.unit) = (new.clone(), new);
        assert_eq!(other.ask(&TEST_UNIT_READY), conflict());
        assert_eq!(holder.ask(&TEST_UNIT_READY), attention(Attention::CapacityChanged));
        holder.done(&[0x17, 0, 0, 0, 0, 0]);
        assert_eq!(other.ask(&TEST_UNIT_READY), attention(Attention::CapacityChanged));
        assert_eq!(other.ask(&TEST_UNIT_READY), good(&[]));
    }

    #[test]
    fn what_changed_decides_which_attentions_are_due() {
        let thin = UnmapLimits { max_blocks: 1, max_descriptors: 1, granularity: 0, alignment: 0, reads_zero: true };
        assert_eq!(changed(|medium| medium), []);
        assert_eq!(changed(|medium| Medium { blocks: 4096, ..medium }), [Attention::CapacityChanged]);
        assert_eq!(changed(|medium| Medium { block_size: 4096, ..medium }), [Attention::CapacityChanged]);
        assert_eq!(changed(|medium| Medium { read_only: true, ..medium }), [Attention::ModeChanged]);
        assert_eq!(changed(|medium| Medium { unmap: Some(thin), ..medium }), [Attention::InquiryChanged]);
        assert_eq!(changed(|medium| Medium { rotation: Rotation::Solid, ..medium }), [Attention::InquiryChanged]);
        assert_eq!(
            changed(|medium| Medium { blocks: 9, write_cache: true, max_transfer: 7, ..medium }),
            [Attention::CapacityChanged, Attention::InquiryChanged, Attention::ModeChanged]
        );
        let renamed = Bench::of(Identity::derive("another"));
        let news: Vec<_> = renamed.unit.attentions_since(&Bench::disk().unit).collect();
        assert_eq!(news, [Attention::InquiryChanged]);
    }

    #[test]
    #[should_panic(expected = "a medium that is no disk")]
    fn a_medium_that_is_no_disk_is_our_own_mistake() {
        Bench::with(|medium| Medium { block_size: 513, ..medium });
    }
}
