//! What an embedding program holds of a target while it is served.

use crate::{Error, Lun, Server};
use ferrite_api::{AccessState, Iqn, LunNumber, PortalGroup};
use ferrite_engine::{SessionReport, ShutdownReport};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// A target that is served. Dropped, it stops at once; [`Running::shutdown`] stops it politely.
#[derive(Debug)]
#[must_use = "dropped, the target stops"]
pub struct Running {
    server: Server,
    name: Iqn,
}

impl Running {
    pub(crate) fn new(server: Server, name: Iqn) -> Self {
        Running { server, name }
    }

    /// The target's name, normalised.
    pub fn name(&self) -> &Iqn {
        &self.name
    }

    /// Where it listens, with the ports that the system chose.
    pub fn portals(&self) -> &[SocketAddr] {
        self.server.portals()
    }

    /// Shows one more LUN. Sessions go on, and are told that there is a new one.
    ///
    /// # Errors
    /// `F-0404` if the number is taken, `F-0202` if it is above 16383.
    pub fn add_lun(&self, number: u16, lun: Lun) -> Result<(), Error> {
        self.server.add_lun(&self.name, LunNumber::new(number)?, lun)
    }

    /// Takes a LUN away. Its commands in flight are finished or aborted when this returns, and its disk is
    /// closed unless the program holds it too.
    ///
    /// # Errors
    /// `F-0402` if there is none of this number.
    pub fn remove_lun(&self, number: u16) -> Result<(), Error> {
        self.server.remove_lun(&self.name, LunNumber::new(number)?)
    }

    /// Looks again how large the disk of a LUN is, and tells sessions if that changed. Commands go on.
    /// Returns its size in bytes.
    ///
    /// # Errors
    /// `F-0402` if there is none of this number; `F-0406` if the disk became smaller, unless `shrink` says
    /// that it may: what was beyond its new end is gone.
    pub fn resize_lun(&self, number: u16, shrink: bool) -> Result<u64, Error> {
        self.server.resize_lun(&self.name, LunNumber::new(number)?, shrink)
    }

    /// Takes the disc out of a drive. Where an initiator prevents that it is asked to let go, and the disc stays
    /// unless `force` says otherwise.
    ///
    /// # Errors
    /// `F-0402` if there is no such LUN, `F-0409` if it is no drive, `F-0405` if an initiator holds the disc.
    pub fn eject(&self, number: u16, force: bool) -> Result<(), Error> {
        self.server.eject(&self.name, LunNumber::new(number)?, force)
    }

    /// Puts the image of a disc into an empty drive. May block.
    ///
    /// # Errors
    /// As [`Running::eject`], `F-0405` also if there is a disc in the drive; [`Error::Disk`] for the image.
    pub fn insert(&self, number: u16, image: impl AsRef<Path>) -> Result<(), Error> {
        self.server.insert(&self.name, LunNumber::new(number)?, image)
    }

    /// Says how the LUNs are reached through a portal group from now on (ALUA); multipath software hears it and
    /// changes paths.
    ///
    /// # Errors
    /// `F-0408` if no portal is in this group.
    pub fn set_access_state(&self, group: u16, state: AccessState) -> Result<(), Error> {
        self.server.set_access_state(&self.name, PortalGroup::new(group)?, state)
    }

    /// Who is logged in.
    pub fn sessions(&self) -> Vec<SessionReport> {
        self.server.sessions()
    }

    /// Stops: accepts nobody, asks initiators to log out, finishes what is in flight, flushes the disks.
    /// Comes back within `grace` and the little it takes to close.
    pub fn shutdown(self, grace: Duration) -> ShutdownReport {
        self.server.shutdown(grace)
    }
}
