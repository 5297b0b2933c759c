//! What the tests of all files share: a bench with one unit, one port and one initiator on it.

use crate::*;
use std::sync::Arc;

/// A unit with 2048 blocks of 512 bytes unless said otherwise, and a nexus that has nothing to hear.
pub(crate) struct Bench {
    pub(crate) unit: Arc<LogicalUnit>,
    pub(crate) nexus: Nexus,
    pub(crate) port: Port,
}

impl Bench {
    pub(crate) fn disk() -> Bench {
        Bench::with(|medium| medium)
    }

    /// A disk with all that a disk can have.
    pub(crate) fn thin_disk() -> Bench {
        Bench::thin_with(|medium| medium)
    }

    pub(crate) fn with(change: impl FnOnce(Medium) -> Medium) -> Bench {
        Bench::on(LogicalUnit::new(Identity::derive("bench"), change(plain_medium()), Arc::default()))
    }

    pub(crate) fn thin_with(change: impl FnOnce(Medium) -> Medium) -> Bench {
        let limits =
            UnmapLimits { max_blocks: u32::MAX, max_descriptors: 256, granularity: 8, alignment: 0, reads_zero: true };
        let atomic = AtomicLimits { max_blocks: 256, alignment: 0, granularity: 0, natural: false };
        let all = |medium| Medium {
            provisioning: Provisioning::Thin,
            unmap: Some(limits),
            maps: true,
            atomic: Some(atomic),
            ..medium
        };
        Bench::with(|medium| change(all(medium)))
    }

    pub(crate) fn of(identity: Identity) -> Bench {
        Bench::on(LogicalUnit::new(identity, plain_medium(), Arc::default()))
    }

    /// A disk whose lasting state somebody keeps, and was kept like this.
    pub(crate) fn keeping(lasting: Lasting) -> Bench {
        Bench::on(LogicalUnit::new(Identity::derive("bench"), plain_medium(), Arc::new(Book::keeping(lasting))))
    }

    /// A drive with a disc of `blocks` blocks of 2048 bytes in it, or an empty one.
    pub(crate) fn drive(blocks: u64) -> Bench {
        let disc = (blocks > 0).then(|| Medium::disc(blocks * 2048).expect("a disc"));
        Bench::on(LogicalUnit::drive(Identity::derive("bench"), disc, Arc::default()))
    }

    pub(crate) fn missing() -> Bench {
        Bench::on(LogicalUnit::missing())
    }

    pub(crate) fn on(unit: LogicalUnit) -> Bench {
        let device = Device::new(|| NOW_MS, |bytes| bytes.fill(0xE7));
        let port = Port::single("iqn.2026-11.com.example:bench", Arc::new(device));
        let nexus = quiet_nexus(1, &unit);
        let mut bench = Bench { unit: Arc::new(unit), nexus, port };
        bench.serve(&[0]);
        bench
    }

    /// The bench's unit is all that its target has, under each of these numbers.
    pub(crate) fn serve(&mut self, luns: &[u16]) {
        self.port.units = luns.iter().map(|&number| (number, self.unit.clone())).collect();
    }

    /// Another initiator with the same unit.
    pub(crate) fn neighbour(&self, session: u64) -> Bench {
        Bench { unit: self.unit.clone(), nexus: quiet_nexus(session, &self.unit), port: self.port.clone() }
    }

    /// What becomes of `cdb` without data-out.
    pub(crate) fn plan(&mut self, cdb: &[u8]) -> Plan {
        self.plan_with(cdb, 0)
    }

    /// The same, where a finished reply is expected; reads better beside [`good`] and [`refused`].
    pub(crate) fn ask(&mut self, cdb: &[u8]) -> Plan {
        self.plan_with(cdb, 0)
    }

    /// The command succeeds at once.
    pub(crate) fn done(&mut self, cdb: &[u8]) {
        self.data(cdb);
    }

    pub(crate) fn plan_with(&mut self, cdb: &[u8], data_out: u32) -> Plan {
        self.unit.plan(&mut self.nexus, &self.port, &command(cdb, data_out))
    }

    pub(crate) fn gathered(&mut self, cdb: &[u8], list: &[u8]) -> Plan {
        self.unit.gathered(&mut self.nexus, &self.port, &command(cdb, list.len() as u32), list)
    }

    pub(crate) fn answered(&mut self, cdb: &[u8], answer: &Answer) -> Plan {
        self.unit.answered(&mut self.nexus, &self.port, &command(cdb, 0), answer)
    }

    /// The command succeeds after its parameter list, at once.
    pub(crate) fn gives(&mut self, cdb: &[u8], list: &[u8]) {
        assert_eq!(self.plan_with(cdb, list.len() as u32), Plan::Gather { len: list.len() as u32 });
        assert_eq!(self.gathered(cdb, list), good(&[]));
    }

    /// What is next after [`Plan::Keep`], once it is kept.
    pub(crate) fn kept(&mut self, plan: Plan) -> Plan {
        match plan {
            Plan::Keep(amendment) => self.unit.book().amend(*amendment),
            other => panic!("nothing to keep: {other:?}"),
        }
    }

    /// The data of a GOOD reply.
    pub(crate) fn data(&mut self, cdb: &[u8]) -> Vec<u8> {
        match self.ask(cdb) {
            Plan::Reply(Reply { status: Status::Good, data, .. }) => data,
            other => panic!("{cdb:02x?} was answered with {other:?}"),
        }
    }

    /// A CDB of every command in the table, with nothing but operation code and service action in it.
    pub(crate) fn every_command() -> Vec<Vec<u8>> {
        let plain = |row: &command::Row| {
            let mut cdb = vec![0; row.usage.len()];
            cdb[0] = row.opcode();
            let action = row.action.unwrap_or(0).to_be_bytes();
            if row.opcode() == command::row::VARIABLE_LENGTH {
                cdb[7] = row.usage[7];
                cdb[8..10].copy_from_slice(&action);
            } else {
                cdb[1] = action[1];
            }
            cdb
        };
        dispatch::DISK.rows().iter().map(plain).collect()
    }
}

pub(crate) fn good(data: &[u8]) -> Plan {
    Plan::Reply(Reply { status: Status::Good, sense: None, data: data.to_vec() })
}

pub(crate) fn refused(sense: Sense) -> Plan {
    Plan::Reply(Reply { status: Status::CheckCondition, sense: Some(sense), data: Vec::new() })
}

pub(crate) fn attention(attention: Attention) -> Plan {
    refused(attention.sense())
}

pub(crate) fn conflict() -> Plan {
    Plan::Reply(Reply { status: Status::ReservationConflict, sense: None, data: Vec::new() })
}

/// The bench's clock stands: 2026-11-22.
pub(crate) const NOW_MS: u64 = 1_795_305_600_000;

fn plain_medium() -> Medium {
    Medium::new(512, 2048).expect("a disk")
}

fn command(cdb: &[u8], data_out: u32) -> Command<'_> {
    Command { cdb, attribute: Attribute::Simple, data_out, data_in: u32::MAX }
}

/// A nexus that has heard of POWER ON and has read the unit's book.
fn quiet_nexus(session: u64, unit: &LogicalUnit) -> Nexus {
    let name = format!("iqn.2026-11.com.example:host,i,0x{session:012x}");
    let mut nexus = Nexus::new(NexusId { session, name: name.into(), portal_group: 1 });
    nexus.meet(unit.book());
    nexus.forget_attentions();
    nexus
}
