//! How does a SCSI command come in, and how does its write data (RFC 7143 §4.2.5.2, §11.3, §11.7, §11.8)?

use super::Connection;
use super::event::{Attribute, Command, Event};
use super::receive::Segment;
use crate::payload::Payload;
use crate::serial::Serial;
use crate::session::tasks::{Incoming, Whose};
use crate::session::{Session, Task, TaskTag};
use crate::wire::codes::reject;
use crate::wire::{Bhs, DataOut, NO_TAG, R2t, ScsiCommand, ahs};

impl<P: Payload> Connection<P> {
    /// A SCSI Command: checked against numbers and limits, then a task.
    pub(super) fn command(&mut self, session: &mut Session, bhs: &Bhs) -> Segment {
        let command = ScsiCommand::decode(bhs);
        if !self.in_order(session, bhs) {
            return self.pass_over(session, &command);
        }
        if let Some((clause, what)) = self.broken_rule(session, &command) {
            self.reject_and_fault(session, reject::PROTOCOL, clause, what);
            return Segment::Discard;
        }
        let attribute = Attribute::from_bits(command.attribute);
        let segments = ahs::parse(self.state.receiver.ahs());
        // Data, or the promise of data, needs the W bit (RFC 7143 §11.3.1).
        let (Some(attribute), Ok(segments), true) =
            (attribute, segments, command.write || command.fin && command.data_len == 0)
        else {
            self.reject(session, reject::INVALID_FIELD, bhs);
            return self.pass_over(session, &command);
        };
        let extended = segments.cdb_rest.map(|rest| [&command.cdb, rest].concat().into_boxed_slice());
        if command.immediate && !session.tasks.takes_immediate() {
            self.reject(session, reject::TOO_MANY_IMMEDIATE, bhs);
            return self.pass_over(session, &command);
        }
        session.zombies.remove(command.itt);
        let expected = if command.read || command.write { command.expected } else { 0 };
        let task = session.tasks.insert(Task {
            itt: command.itt,
            cmd_sn: Serial(command.cmd_sn),
            lun: command.lun,
            expected,
            read: command.read,
            write: command.write,
            immediate: command.immediate,
            incoming: Incoming {
                unsolicited: !command.fin,
                unsolicited_end: self.state.params.first_burst.min(expected),
                solicited: command.data_len,
                ..Default::default()
            },
        });
        self.events.push_back(Event::Command(Command {
            task,
            lun: command.lun,
            cdb: command.cdb,
            extended,
            attribute,
            read: command.read,
            write: command.write,
            expected,
            immediate: command.immediate,
            data_follows: command.data_len > 0 || !command.fin,
        }));
        Segment::Task { task, offset: 0 }
    }

    /// The command does not become a task, but unsolicited data may follow all the same.
    fn pass_over(&mut self, session: &mut Session, command: &ScsiCommand) -> Segment {
        if command.write && !command.fin && session.tasks.find(command.itt).is_none() {
            session.zombies.add(command.itt);
        }
        Segment::Discard
    }

    /// Rules whose breach leaves no agreement on what the stream means.
    fn broken_rule(&self, session: &Session, command: &ScsiCommand) -> Option<(&'static str, &'static str)> {
        let params = &self.state.params;
        let unsolicited = command.data_len > 0;
        let table = [
            (command.itt == NO_TAG, "RFC 7143 §11.2.1.8", "a command has the reserved Initiator Task Tag"),
            (
                session.tasks.find(command.itt).is_some(),
                "RFC 7143 §11.2.1.8",
                "an Initiator Task Tag is in use already",
            ),
            (unsolicited && !params.immediate_data, "RFC 7143 §13.11", "immediate data came with ImmediateData=No"),
            (
                command.write && !command.fin && params.initial_r2t,
                "RFC 7143 §13.10",
                "unsolicited data was announced with InitialR2T=Yes",
            ),
            (command.data_len > params.first_burst, "RFC 7143 §13.14", "immediate data exceeds FirstBurstLength"),
            (
                command.write && command.data_len > command.expected,
                "RFC 7143 §11.3.4",
                "immediate data exceeds the Expected Data Transfer Length",
            ),
        ];
        table.into_iter().find(|&(broken, ..)| broken).map(|(_, clause, what)| (clause, what))
    }

    /// A Data-Out: solicited data is found by our tag, unsolicited data by the initiator's.
    pub(super) fn data_out(&mut self, session: &mut Session, bhs: &Bhs) -> Segment {
        let data = DataOut::decode(bhs);
        let unsolicited = data.ttt == NO_TAG;
        let tag = if unsolicited {
            let Some(tag) = session.tasks.find(data.itt) else { return self.data_of_nobody(session, &data) };
            tag
        } else {
            let tag = TaskTag::from_wire(data.ttt);
            match session.tasks.whose(tag) {
                Whose::Alive => tag,
                // An aborted task's initiator may go on sending, or stop: both are fine (RFC 7143 §4.2.3.3, §4.2.3.4).
                Whose::Ended => return Segment::Discard,
                Whose::Nobody => {
                    let what = format!("Target Transfer Tag {:08x}h was never given", data.ttt);
                    self.reject_and_fault(session, reject::INVALID_FIELD, "RFC 7143 §11.7.3", what);
                    return Segment::Discard;
                }
            }
        };
        let max_burst = self.state.params.max_burst;
        let task = session.tasks.get_mut(tag).expect("the tag was just found alive");
        if let Err((clause, what)) = next_in_row(task, &data, unsolicited) {
            let what = format!("{what} (task {:08x}h, offset {}, {} bytes)", data.itt, data.offset, data.data_len);
            self.reject_and_fault(session, reject::PROTOCOL, clause, what);
            return Segment::Discard;
        }
        let incoming = &mut task.incoming;
        incoming.data_sn += 1;
        if data.fin && unsolicited {
            incoming.unsolicited = false;
            incoming.data_sn = 0;
            incoming.solicited = data.offset + data.data_len;
            self.solicit(session, tag);
        } else if data.fin {
            incoming.data_sn = 0;
            incoming.outstanding -= 1;
            incoming.burst_end = incoming.burst_end.saturating_add(max_burst).min(incoming.welcome);
            // The next R2T goes out while the last bytes of this burst are still coming.
            self.solicit(session, tag);
        }
        Segment::Task { task: tag, offset: data.offset }
    }

    /// Unsolicited data for a task that is not there: harmless when the task was and its sequence was not finished.
    fn data_of_nobody(&mut self, session: &mut Session, data: &DataOut) -> Segment {
        if session.zombies.holds(data.itt) {
            if data.fin {
                session.zombies.remove(data.itt);
            }
        } else {
            let what = format!("unsolicited data for task {:08x}h, which is not there", data.itt);
            self.reject_and_fault(session, reject::PROTOCOL, "RFC 7143 §11.7.3", what);
        }
        Segment::Discard
    }

    /// The owner takes `len` bytes of the task's data; what the initiator sends beyond that is let pass. R2Ts go out
    /// as MaxBurstLength and MaxOutstandingR2T allow, `want()` says where the bytes belong, and
    /// [`Event::DataComplete`] tells when all are there. More than the initiator expects to send is cut off.
    ///
    /// A task that has ended meanwhile is passed over; a second call for one task changes nothing.
    pub fn begin_write(&mut self, session: &mut Session, task: TaskTag, len: u32) {
        let Some(alive) = session.tasks.get_mut(task) else { return };
        if alive.incoming.begun {
            return;
        }
        let welcome = if alive.write { len.min(alive.expected) } else { 0 };
        alive.incoming.begun = true;
        alive.incoming.welcome = welcome;
        if self.state.receiver.admit(task, welcome) {
            self.clock.pdu_restarts();
        }
        self.solicit(session, task);
        self.tell_complete(session, task);
    }

    /// `len` more bytes of the task have come.
    pub(super) fn data_arrived(&mut self, session: &mut Session, tag: TaskTag, len: u32) {
        if let Some(task) = session.tasks.get_mut(tag) {
            task.incoming.received += len;
            self.tell_complete(session, tag);
        }
    }

    fn tell_complete(&mut self, session: &mut Session, tag: TaskTag) {
        let Some(task) = session.tasks.get_mut(tag) else { return };
        let incoming = &mut task.incoming;
        if incoming.begun && !incoming.complete && incoming.received >= incoming.welcome {
            incoming.complete = true;
            self.events.push_back(Event::DataComplete(tag));
        }
    }

    /// Sends as many R2Ts as may be outstanding: each asks for one burst, in ascending order (RFC 7143 §11.8).
    fn solicit(&mut self, session: &mut Session, tag: TaskTag) {
        let params = self.state.params;
        loop {
            let (exp_cmd_sn, max_cmd_sn) = session.command_numbers();
            let task = session.tasks.get_mut(tag).expect("data is asked for tasks that are alive");
            let incoming = &mut task.incoming;
            if !incoming.begun
                || incoming.unsolicited
                || incoming.outstanding == params.max_outstanding_r2t
                || incoming.solicited >= incoming.welcome
            {
                return;
            }
            let offset = incoming.solicited;
            let desired = params.max_burst.min(incoming.welcome - offset);
            if incoming.outstanding == 0 {
                incoming.burst_end = offset + desired;
            }
            incoming.solicited += desired;
            incoming.outstanding += 1;
            let r2t_sn = incoming.r2t_sn;
            incoming.r2t_sn += 1;
            let r2t = R2t {
                lun: task.lun,
                itt: task.itt,
                ttt: tag.to_wire(),
                stat_sn: self.state.stat_sn,
                exp_cmd_sn,
                max_cmd_sn,
                r2t_sn,
                offset,
                desired,
                data_len: 0,
            };
            self.put(&r2t.encode(), &[]);
        }
    }
}

/// Is this Data-Out the next one of its sequence? In order, inside of what was agreed on, F exactly at the end.
fn next_in_row(task: &Task, data: &DataOut, unsolicited: bool) -> Result<(), (&'static str, &'static str)> {
    let incoming = &task.incoming;
    let end = u64::from(data.offset) + u64::from(data.data_len);
    let limit = if unsolicited { incoming.unsolicited_end } else { incoming.burst_end };
    let table = [
        (data.itt != task.itt, "RFC 7143 §11.7.3", "the two task tags of a Data-Out do not belong together"),
        (unsolicited && !incoming.unsolicited, "RFC 7143 §4.2.5.2", "unsolicited data after its sequence had ended"),
        (!unsolicited && incoming.outstanding == 0, "RFC 7143 §11.8", "solicited data that no R2T asked for"),
        (data.data_sn != incoming.data_sn, "RFC 7143 §11.7.4", "DataSN is out of order"),
        (data.offset != incoming.received, "RFC 7143 §13.18", "Buffer Offset is out of order"),
        (
            unsolicited && end > u64::from(limit),
            "RFC 7143 §13.14",
            "unsolicited data exceeds FirstBurstLength or what is expected",
        ),
        (!unsolicited && end > u64::from(limit), "RFC 7143 §11.8.4", "data exceeds what the R2T asked for"),
        (
            !unsolicited && data.fin != (end == u64::from(limit)),
            "RFC 7143 §11.7.1",
            "F does not stand exactly at the end of the burst",
        ),
    ];
    match table.into_iter().find(|&(broken, ..)| broken) {
        Some((_, clause, what)) => Err((clause, what)),
        None => Ok(()),
    }
}
