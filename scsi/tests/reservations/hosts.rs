//! Hosts that share one unit, and a target that does for them what plans say.

use ferrite_scsi::*;
use std::sync::Arc;

/// One unit, and stable storage for what lasts of it.
pub(crate) struct Shared {
    pub(crate) unit: Arc<LogicalUnit>,
    stored: String,
}

/// One I_T nexus. Its initiator port and its target port stay the same over all its sessions.
pub(crate) struct Host {
    number: u64,
    port: u16,
    nexus: Nexus,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    Good(Vec<u8>),
    Conflict,
    /// CHECK CONDITION: sense key, additional sense code and qualifier.
    Check(u8, u8, u8),
    /// GOOD, after the commands of these initiator ports (sorted) have ended.
    Aborted(Vec<String>),
}

pub(crate) const GOOD: End = End::Good(Vec::new());
pub(crate) const RESERVATIONS_PREEMPTED: End = End::Check(6, 0x2A, 0x03);
pub(crate) const RESERVATIONS_RELEASED: End = End::Check(6, 0x2A, 0x04);
pub(crate) const REGISTRATIONS_PREEMPTED: End = End::Check(6, 0x2A, 0x05);
pub(crate) const POWER_ON: End = End::Check(6, 0x29, 0x00);

pub(crate) const TEST_UNIT_READY: [u8; 6] = [0; 6];
pub(crate) const READ: [u8; 10] = [0x28, 0, 0, 0, 0, 0, 0, 0, 8, 0];
pub(crate) const WRITE: [u8; 10] = [0x2A, 0, 0, 0, 0, 0, 0, 0, 8, 0];

pub(crate) const REGISTER: u8 = 0;
pub(crate) const RESERVE: u8 = 1;
pub(crate) const RELEASE: u8 = 2;
pub(crate) const CLEAR: u8 = 3;
pub(crate) const PREEMPT: u8 = 4;
pub(crate) const PREEMPT_AND_ABORT: u8 = 5;
pub(crate) const REGISTER_AND_IGNORE: u8 = 6;
pub(crate) const REGISTER_AND_MOVE: u8 = 7;

pub(crate) const APTPL: u8 = 0x01;

impl Shared {
    pub(crate) fn new() -> Shared {
        Shared::from_storage("{}".to_owned())
    }

    /// The target is started again: what was stored is all there is.
    pub(crate) fn restart(&mut self) {
        *self = Shared::from_storage(std::mem::take(&mut self.stored));
    }

    fn from_storage(stored: String) -> Shared {
        let book = Book::keeping(serde_json::from_str(&stored).expect("what was stored is sound"));
        let medium = Medium::new(512, 2048).expect("a disk");
        Shared { unit: Arc::new(LogicalUnit::new(Identity::derive("shared"), medium, Arc::new(book))), stored }
    }

    /// READ KEYS through a nexus that has nothing to do with it: PRGENERATION and the keys.
    pub(crate) fn keys(&mut self) -> (u32, Vec<u64>) {
        let End::Good(data) = Host::new(0xFFFF, 1).quiet(self).send(self, &[0x5E, 0, 0, 0, 0, 0, 0, 0x40, 0, 0], &[])
        else {
            panic!("READ KEYS failed")
        };
        let wide = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().unwrap());
        let keys = data[8..].chunks_exact(8).map(wide).collect();
        assert_eq!(u32::from_be_bytes(data[4..8].try_into().unwrap()) as usize, data.len() - 8);
        (u32::from_be_bytes(data[..4].try_into().unwrap()), keys)
    }

    /// READ RESERVATION: the type and the key of the holder.
    pub(crate) fn reservation(&mut self) -> Option<(u8, u64)> {
        let End::Good(data) = Host::new(0xFFFF, 1).quiet(self).send(self, &[0x5E, 1, 0, 0, 0, 0, 0, 0, 255, 0], &[])
        else {
            panic!("READ RESERVATION failed")
        };
        match data.len() {
            8 => None,
            24 => Some((data[21], u64::from_be_bytes(data[8..16].try_into().unwrap()))),
            len => panic!("READ RESERVATION gave {len} bytes"),
        }
    }
}

impl Host {
    /// Initiator port `number` at target port `port`, logged in.
    pub(crate) fn new(number: u64, port: u16) -> Host {
        Host { number, port, nexus: nexus(number, port) }
    }

    /// The same, when it has heard of POWER ON.
    pub(crate) fn quiet(mut self, shared: &Shared) -> Host {
        shared.unit.attentions(&mut self.nexus);
        self.nexus.forget_attentions();
        self
    }

    pub(crate) fn name(&self) -> String {
        self.nexus.id().name.to_string()
    }

    pub(crate) fn id(&self) -> NexusId {
        self.nexus.id().clone()
    }

    /// The session ends, and another one begins.
    pub(crate) fn log_in_again(&mut self, shared: &Shared) {
        shared.unit.book().forget(self.nexus.id().session);
        self.nexus = nexus(self.number, self.port);
    }

    /// What stands in the way of reading, or writing.
    pub(crate) fn is_shut_out(&mut self, shared: &Shared, write: bool) -> bool {
        let refused = shared.unit.refuses(&mut self.nexus, write);
        refused.is_some_and(|reply| reply.status == Status::ReservationConflict)
    }

    /// PERSISTENT RESERVE OUT with the basic parameter list.
    pub(crate) fn out(&mut self, shared: &mut Shared, action: u8, kind: u8, own: u64, other: u64, flags: u8) -> End {
        let mut list = [own.to_be_bytes(), other.to_be_bytes(), [0; 8]].concat();
        list[20] = flags;
        self.send(shared, &[0x5F, action, kind, 0, 0, 0, 0, 0, 24, 0], &list)
    }

    /// REGISTER AND MOVE.
    pub(crate) fn hand_over(&mut self, shared: &mut Shared, own: u64, key: u64, to: &NexusId, unregister: bool) -> End {
        let mut name = to.name.as_bytes().to_vec();
        name.resize((name.len() + 1).next_multiple_of(4), 0);
        let transport_id = [&[0x45, 0][..], &(name.len() as u16).to_be_bytes(), &name].concat();
        let [high, low] = to.portal_group.to_be_bytes();
        let list = [
            &own.to_be_bytes()[..],
            &key.to_be_bytes(),
            &[0, u8::from(unregister) << 1, high, low],
            &(transport_id.len() as u32).to_be_bytes(),
            &transport_id,
        ]
        .concat();
        self.send(shared, &[0x5F, REGISTER_AND_MOVE, 0, 0, 0, 0, 0, 0, list.len() as u8, 0], &list)
    }

    /// Any command, carried out to its end.
    pub(crate) fn send(&mut self, shared: &mut Shared, cdb: &[u8], list: &[u8]) -> End {
        let data_out = if cdb[0] == 0x2A { 8 * 512 } else { list.len() as u32 };
        let command = Command { cdb, attribute: Attribute::Simple, data_out, data_in: u32::MAX };
        let mut port = Port::single("iqn.2026-11.com.example:shared", device());
        port.groups[0].ports = vec![1, 2];
        let mut plan = shared.unit.plan(&mut self.nexus, &port, &command);
        if let Plan::Gather { len } = plan {
            plan = shared.unit.gathered(&mut self.nexus, &port, &command, &list[..len as usize]);
        }
        if let Plan::Keep(amendment) = plan {
            shared.stored = serde_json::to_string(&amendment.keep).expect("it can be stored");
            plan = shared.unit.book().amend(*amendment);
        }
        match plan {
            Plan::Reply(Reply { status: Status::Good, data, .. }) => End::Good(data),
            Plan::Reply(Reply { status: Status::ReservationConflict, .. }) => End::Conflict,
            Plan::Reply(Reply { status: Status::CheckCondition, sense: Some(sense), .. }) => {
                End::Check(sense.key as u8, sense.asc, sense.ascq)
            }
            Plan::Read { .. } | Plan::Write { .. } => GOOD,
            Plan::Abort { nexuses } => {
                let mut names: Vec<String> = nexuses.into_iter().map(|(name, _)| name.into()).collect();
                names.sort_unstable();
                End::Aborted(names)
            }
            other => panic!("{cdb:02x?} became {other:?}"),
        }
    }
}

fn device() -> Arc<Device> {
    Arc::new(Device::new(|| 1_795_305_600_000, |bytes| bytes.fill(0x5A)))
}

/// A new session.
fn nexus(number: u64, port: u16) -> Nexus {
    use std::sync::atomic::{AtomicU64, Ordering};
    static SESSIONS: AtomicU64 = AtomicU64::new(1);
    let name = format!("iqn.2026-11.com.example:node{number},i,0x00023d{number:06x}");
    let session = SESSIONS.fetch_add(1, Ordering::Relaxed);
    Nexus::new(NexusId { session, name: name.into(), portal_group: port })
}
