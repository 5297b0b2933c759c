//! A logical unit: what stands between a command and its handler.

use crate::attention::Attention;
use crate::command::table::Handler;
use crate::command::{self, Asked, Cdb, Command, Row, Table};
use crate::identity::Identity;
use crate::medium::Medium;
use crate::nexus::Nexus;
use crate::plan::{Plan, Port, Reply, Status};
use crate::reservation::Book;
use crate::sense::Sense;
use std::sync::Arc;

/// A disk, or the place where one is missing. Immutable: a resize makes a new one with the same [`Book`].
#[derive(Debug, Clone)]
pub struct LogicalUnit {
    kind: &'static Kind,
    identity: Identity,
    medium: Medium,
    book: Arc<Book>,
}

/// What differs between a unit that is there and one that is not.
pub(crate) struct Kind {
    /// Its commands.
    pub(crate) table: &'static Table,
    /// PERIPHERAL QUALIFIER and PERIPHERAL DEVICE TYPE.
    pub(crate) peripheral: u8,
}

static DISK: Kind = Kind {
    table: &command::disk::TABLE,
    peripheral: 0x00,
};
static MISSING: Kind = Kind {
    table: &command::missing::TABLE,
    peripheral: 0x7F,
};

impl LogicalUnit {
    /// A disk.
    ///
    /// # Panics
    /// When `medium` has a shape that [`Medium::new`] refuses.
    pub fn new(identity: Identity, medium: Medium, book: Arc<Book>) -> Self {
        assert_eq!(medium.shape(), Ok(()), "a medium that is no disk");
        LogicalUnit {
            kind: &DISK,
            identity,
            medium,
            book,
        }
    }

    /// The unit behind a number that no disk has. It answers INQUIRY (with qualifier 011b), REPORT LUNS and
    /// REQUEST SENSE, and everything else with LOGICAL UNIT NOT SUPPORTED.
    pub fn missing() -> Self {
        let medium = Medium::new(512, 1).expect("one block is a disk");
        LogicalUnit {
            kind: &MISSING,
            identity: Identity::derive(""),
            medium,
            book: Arc::default(),
        }
    }

    /// Who it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What it shows of its medium.
    pub fn medium(&self) -> &Medium {
        &self.medium
    }

    /// Its reservations and announcements.
    pub fn book(&self) -> &Arc<Book> {
        &self.book
    }

    /// Reads a command of `nexus` that came through `port`: what is to be done?
    ///
    /// READ and WRITE take no lock, allocate nothing, and cost one atomic load, unless the unit's book has news.
    pub fn plan(&self, nexus: &mut Nexus, port: &Port, command: &Command<'_>) -> Plan {
        nexus.meet(&self.book);
        let found = self.kind.table.find(command.cdb, &self.medium);
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
    pub fn gathered(
        &self,
        nexus: &mut Nexus,
        port: &Port,
        command: &Command<'_>,
        list: &[u8],
    ) -> Plan {
        let row = match self.kind.table.find(command.cdb, &self.medium) {
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

    /// What an initiator must be told when this unit takes the place of `old`.
    pub fn attentions_since(&self, old: &LogicalUnit) -> impl Iterator<Item = Attention> + use<> {
        let (now, then) = (&self.medium, &old.medium);
        let capacity = (now.blocks, now.block_size) != (then.blocks, then.block_size);
        let mode = (now.read_only, now.write_cache) != (then.read_only, then.write_cache);
        // All else that a medium has is shown in vital product data, and an identity nowhere else.
        let rest = |medium: &Medium| Medium {
            blocks: 1,
            block_size: 512,
            read_only: false,
            write_cache: false,
            ..medium.clone()
        };
        let inquiry = self.identity != old.identity || rest(now) != rest(then);
        [
            (capacity, Attention::CapacityChanged),
            (inquiry, Attention::InquiryChanged),
            (mode, Attention::ModeChanged),
        ]
        .into_iter()
        .filter_map(|(changed, attention)| changed.then_some(attention))
    }

    pub(crate) fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// What keeps a command from being looked at, in the order of SAM-5 5.3.3: a reset that the initiator must hear
    /// of, a reservation, any other attention.
    #[inline]
    fn in_the_way(&self, nexus: &mut Nexus, row: Option<&Row>, cdb: &[u8]) -> Option<Reply> {
        if nexus.queue().is_empty() && !nexus.is_shut_out() {
            return None;
        }
        let deaf = row.map_or(self.is_missing(), |row| row.passes_attention);
        let reset = if deaf {
            None
        } else {
            nexus.queue().take_first(Attention::outranks_reservation)
        };
        if let Some(attention) = reset {
            return Some(attention.sense().into());
        }
        if nexus.is_shut_out() && row.is_some_and(|row| row.conflicts(cdb)) {
            return Some(Status::ReservationConflict.into());
        }
        let other = if deaf { None } else { nexus.queue().pop() };
        other.map(|attention| attention.sense().into())
    }

    fn dispatch(
        &self,
        nexus: &mut Nexus,
        port: &Port,
        command: &Command<'_>,
        row: &Row,
        handler: Handler,
    ) -> Plan {
        let planned = row.fields(command.cdb).and_then(|fields| {
            if row.writes && self.medium.read_only {
                return Err(Sense::WRITE_PROTECTED);
            }
            handler(&mut self.asked(nexus, port, command, fields))
        });
        planned.unwrap_or_else(Plan::from)
    }

    fn asked<'a>(
        &'a self,
        nexus: &'a mut Nexus,
        port: &'a Port,
        command: &Command<'_>,
        fields: &'a [u8],
    ) -> Asked<'a> {
        Asked {
            unit: self,
            nexus,
            port,
            cdb: Cdb::new(fields),
            data_out: command.data_out,
        }
    }

    fn is_missing(&self) -> bool {
        std::ptr::eq(self.kind, &MISSING)
    }
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.peripheral == MISSING.peripheral {
            "Missing"
        } else {
            "Disk"
        })
    }
}
