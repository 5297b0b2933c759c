//! What do an initiator and a target have with each other while a session lives (RFC 7143 §4.3)?
//!
//! Plain data: names, parameters, the command window, tasks. The wire belongs to [`crate::connection`].

mod index;
mod manages;
pub(crate) mod tasks;
pub(crate) mod window;
mod zombies;

use std::fmt;
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

pub use manages::ManageTag;
pub use tasks::{Task, TaskTag};

use crate::params::Params;
use crate::serial::Serial;
use manages::Manages;
use tasks::Tasks;
use window::Window;
use zombies::Zombies;

/// Who logs in, and to what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// InitiatorName.
    pub initiator: String,
    /// InitiatorAlias.
    pub initiator_alias: Option<String>,
    /// TargetName; `None` in a discovery session that names none.
    pub target: Option<String>,
    /// ISID.
    pub isid: Isid,
    /// TSIH as the initiator sent it: zero for a new session, else the session this connection wants to join.
    pub tsih: u16,
    /// CID of the connection.
    pub cid: u16,
    /// CHAP_N, once the initiator has proved it.
    pub user: Option<String>,
    /// SessionType=Discovery.
    pub discovery: bool,
}

/// Initiator Session ID (RFC 7143 §11.12.5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Isid(pub [u8; 6]);

impl fmt::Display for Isid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Isid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Isid({self})")
    }
}

/// Target Session Identifying Handle (RFC 7143 §11.12.6): never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tsih(NonZeroU16);

impl Tsih {
    /// `None` for zero, which means "no session yet".
    pub fn new(handle: u16) -> Option<Self> {
        NonZeroU16::new(handle).map(Self)
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0.get()
    }
}

/// A session in full feature phase.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    candidate: Candidate,
    tsih: Tsih,
    portal_group: u16,
    pub(crate) params: Params,
    /// Commands that may be in flight at once.
    commands: u32,
    pub(crate) window: Window,
    pub(crate) tasks: Tasks,
    pub(crate) zombies: Zombies,
    pub(crate) manages: Manages,
}

impl Session {
    /// The widest command window.
    pub const COMMANDS_MAX: u32 = Window::MAX;

    /// Tasks that a session can have at once: [`TaskTag::index`] is below it.
    pub const TASKS_MAX: usize = tasks::TASKS_MAX;

    pub(crate) fn new(
        candidate: Candidate,
        tsih: Tsih,
        portal_group: u16,
        params: Params,
        commands: u32,
        cmd_sn: Serial,
    ) -> Self {
        Self {
            candidate,
            tsih,
            portal_group,
            params,
            commands: commands.clamp(1, Self::COMMANDS_MAX),
            window: Window::new(cmd_sn),
            tasks: Tasks::new(),
            zombies: Zombies::new(),
            manages: Manages::new(),
        }
    }

    /// Who logged in, and to what.
    pub fn candidate(&self) -> &Candidate {
        &self.candidate
    }

    /// InitiatorName.
    pub fn initiator(&self) -> &str {
        &self.candidate.initiator
    }

    /// TargetName.
    pub fn target(&self) -> Option<&str> {
        self.candidate.target.as_deref()
    }

    /// ISID.
    pub fn isid(&self) -> Isid {
        self.candidate.isid
    }

    /// TSIH.
    pub fn tsih(&self) -> Tsih {
        self.tsih
    }

    /// TargetPortalGroupTag.
    pub fn portal_group(&self) -> u16 {
        self.portal_group
    }

    /// It is a discovery session: only Text, Logout and NOP-Out are taken.
    pub fn is_discovery(&self) -> bool {
        self.candidate.discovery
    }

    /// What was negotiated.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// A task that is alive.
    pub fn task(&self, tag: TaskTag) -> Option<&Task> {
        self.tasks.get(tag)
    }

    /// All tasks that are alive.
    pub fn tasks(&self) -> impl Iterator<Item = (TaskTag, &Task)> {
        self.tasks.iter()
    }

    /// How many tasks are alive.
    pub fn in_flight(&self) -> usize {
        self.tasks.len()
    }

    /// ExpCmdSN and MaxCmdSN for the next PDU that is sent.
    #[inline]
    pub(crate) fn command_numbers(&mut self) -> (u32, u32) {
        let max = self.window.promise(self.commands - self.tasks.ordered());
        (self.window.expected().0, max.0)
    }

    /// Ends a task; data that may still come for it is remembered as harmless.
    pub(crate) fn end(&mut self, tag: TaskTag) -> Option<Task> {
        let task = self.tasks.remove(tag)?;
        if task.incoming.unsolicited {
            self.zombies.add(task.itt);
        }
        Some(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_isid_reads_as_in_port_names() {
        assert_eq!(Isid([0x00, 0x02, 0x3d, 0, 0, 0xa]).to_string(), "0x00023d00000a");
    }

    #[test]
    fn zero_is_no_handle() {
        assert_eq!(Tsih::new(0), None);
        assert_eq!(Tsih::new(7).unwrap().get(), 7);
    }
}
