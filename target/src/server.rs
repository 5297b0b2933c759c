//! What serves several targets, or a whole configuration: the engine with the words of the control plane.

use crate::lun::disc;
use crate::{Error, Lun};
use ferrite_api::{
    AccessState, Config, EngineSpec, GlobalSpec, IoChoice, Iqn, LunNumber, PortalAddress, PortalGroup, PortalSpec,
    TargetSpec,
};
use ferrite_engine::{Engine, EngineOptions, SessionReport, ShutdownReport};
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// An engine and what it serves. Dropped, it stops at once; [`Server::shutdown`] stops it politely.
pub struct Server {
    engine: Engine,
    portals: Vec<SocketAddr>,
}

impl Server {
    /// Starts an engine that serves nothing yet.
    ///
    /// # Errors
    /// [`Error::Start`] if its threads or rings cannot be made.
    pub fn start(spec: &EngineSpec) -> Result<Self, Error> {
        Server::with_state(spec, None)
    }

    /// The same; what has to survive a restart, as persistent reservations, is kept in `state_dir`.
    ///
    /// # Errors
    /// As [`Server::start`]; also if the folder cannot be used.
    pub fn with_state(spec: &EngineSpec, state_dir: Option<&Path>) -> Result<Self, Error> {
        let options = EngineOptions { state_dir: state_dir.map(Path::to_owned), ..options(spec) };
        let engine = Engine::start(&options).map_err(Error::Start)?;
        Ok(Server { engine, portals: Vec::new() })
    }

    /// Serves a whole configuration. Targets are complete before anybody can connect: an initiator that
    /// finds no target at its first login gives up for good.
    ///
    /// # Errors
    /// What the engine or the system refuses first. Nothing is served then.
    pub fn from_config(config: &Config) -> Result<Self, Error> {
        let targets = config.whole_targets()?;
        let mut server = Server::with_state(&config.engine, config.global.state_dir.as_deref())?;
        server.engine.set_discovery(&config.global.discovery_auth)?;
        for (name, spec) in targets {
            server.add_target(&name, spec)?;
        }
        server.listen(&config.global.portals)?;
        Ok(server)
    }

    /// Adds a target with its LUNs.
    ///
    /// # Errors
    /// `F-0403` if there is one of this name; `F-0301` for a disk; `F-0603` for a secret file.
    pub fn add_target(&self, name: &Iqn, spec: &TargetSpec) -> Result<(), Error> {
        Ok(self.engine.add_target(name, spec)?)
    }

    /// Takes a target away, and its sessions with it.
    ///
    /// # Errors
    /// `F-0401` if there is none of this name.
    pub fn remove_target(&self, name: &Iqn) -> Result<(), Error> {
        Ok(self.engine.remove_target(name)?)
    }

    /// Shows one more LUN. Sessions go on, and are told that there is a new one.
    ///
    /// # Errors
    /// `F-0401` for the target, `F-0404` if the number is taken.
    pub fn add_lun(&self, target: &Iqn, number: LunNumber, lun: Lun) -> Result<(), Error> {
        let Lun { disk, identity, soft_threshold, is_drive } = lun;
        let added = match soft_threshold {
            _ if is_drive => self.engine.add_drive(target, number, disk, &identity),
            Some(share) => self.engine.add_thin_disk(target, number, disk, &identity, share),
            None => self.engine.add_disk(target, number, disk, &identity),
        };
        Ok(added?)
    }

    /// Takes the disc out of a drive. Where an initiator prevents that it is asked to let go, and the disc stays
    /// unless `force` says otherwise. When this returns nothing reads the disc any more.
    ///
    /// # Errors
    /// `F-0401`, `F-0402` if there is no such target or LUN; `F-0409` if it is no drive; `F-0405` if an initiator
    /// holds the disc.
    pub fn eject(&self, target: &Iqn, number: LunNumber, force: bool) -> Result<(), Error> {
        Ok(self.engine.eject(target, number, force)?)
    }

    /// Puts the image of a disc into an empty drive; its initiators hear that there is a new medium. May block.
    ///
    /// # Errors
    /// As [`Server::eject`], `F-0405` also if there is a disc in the drive; [`Error::Disk`] for the image.
    pub fn insert(&self, target: &Iqn, number: LunNumber, image: impl AsRef<Path>) -> Result<(), Error> {
        Ok(self.engine.insert(target, number, disc(image.as_ref())?)?)
    }

    /// Takes a LUN away; nothing uses its disk any more when this returns.
    ///
    /// # Errors
    /// `F-0401`, `F-0402` if there is no such target or LUN.
    pub fn remove_lun(&self, target: &Iqn, number: LunNumber) -> Result<(), Error> {
        Ok(self.engine.remove_lun(target, number)?)
    }

    /// Looks again how large the disk of a LUN is, and tells sessions if that changed. Commands go on.
    /// Returns its size in bytes.
    ///
    /// # Errors
    /// `F-0401`, `F-0402` if there is no such target or LUN; `F-0406` if the disk became smaller, unless
    /// `shrink` says that it may: what was beyond its new end is gone.
    pub fn resize_lun(&self, target: &Iqn, number: LunNumber, shrink: bool) -> Result<u64, Error> {
        Ok(self.engine.resize_lun(target, number, shrink)?)
    }

    /// Listens at these portals; at every address if there are none.
    ///
    /// # Errors
    /// `F-0503` for the first that cannot be listened on; the ones before it stay.
    pub fn listen(&mut self, portals: &[PortalSpec]) -> Result<(), Error> {
        if portals.is_empty() {
            return self.listen_everywhere();
        }
        for portal in portals {
            let bound = self.engine.listen_in(portal.group, portal.address.socket())?;
            self.portals.push(bound);
        }
        Ok(())
    }

    /// The IPv6 wildcard takes IPv4 as well, but a system may have no IPv6.
    fn listen_everywhere(&mut self) -> Result<(), Error> {
        let v6 = GlobalSpec::default_portals();
        let v4 = PortalAddress::from(SocketAddr::from((std::net::Ipv4Addr::UNSPECIFIED, PortalAddress::DEFAULT_PORT)));
        self.listen(&v6).or_else(|first| self.listen(&[v4.into()]).map_err(|_| first))
    }

    /// Says how the LUNs of a target are reached through a portal group from now on (ALUA); multipath software
    /// hears it and changes paths.
    ///
    /// # Errors
    /// `F-0401` for the target, `F-0408` if no portal is in this group.
    pub fn set_access_state(&self, target: &Iqn, group: PortalGroup, state: AccessState) -> Result<(), Error> {
        Ok(self.engine.set_access_state(target, group, state)?)
    }

    /// Where it listens, with the ports that the system chose.
    pub fn portals(&self) -> &[SocketAddr] {
        &self.portals
    }

    /// Who is logged in, to any target.
    pub fn sessions(&self) -> Vec<SessionReport> {
        self.engine.sessions()
    }

    /// Stops: accepts nobody, asks initiators to log out, finishes what is in flight, flushes the disks.
    /// Comes back within `grace` and the little it takes to close.
    pub fn shutdown(self, grace: Duration) -> ShutdownReport {
        self.engine.shutdown(grace)
    }
}

/// Stops at once; after [`Server::shutdown`] there is nothing left to stop.
impl Drop for Server {
    fn drop(&mut self) {
        self.engine.shutdown(Duration::ZERO);
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("portals", &self.portals).finish_non_exhaustive()
    }
}

fn options(spec: &EngineSpec) -> EngineOptions {
    let mut options = EngineOptions::default();
    if let Some(shards) = spec.shards {
        options.shards = usize::from(shards);
    }
    options.io.choice = match spec.io {
        IoChoice::Auto => ferrite_engine::IoChoice::Auto,
        IoChoice::Uring => ferrite_engine::IoChoice::Uring,
        IoChoice::Threads => ferrite_engine::IoChoice::Threads,
    };
    if let Some(spin) = spec.spin {
        options.io.spin = spin;
    }
    if let Some(memory) = spec.memory {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let shards = if options.shards == 0 { cores } else { options.shards };
        options.pool_bytes = usize::try_from(memory.bytes()).unwrap_or(usize::MAX) / shards;
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferrite_api::Size;

    #[test]
    fn nothing_said_leaves_the_engine_its_defaults() {
        let (ours, default) = (options(&EngineSpec::default()), EngineOptions::default());
        assert_eq!((ours.shards, ours.io.spin, ours.pool_bytes), (default.shards, default.io.spin, default.pool_bytes));
    }

    #[test]
    fn memory_is_shared_between_the_shards() {
        let memory = Some(Size::new(64 << 20).unwrap());
        let spec = EngineSpec { shards: Some(4), memory, spin: Some(Duration::ZERO), io: IoChoice::Threads };
        let options = options(&spec);
        assert_eq!((options.shards, options.pool_bytes, options.io.spin), (4, 16 << 20, Duration::ZERO));
        assert_eq!(options.io.choice, ferrite_engine::IoChoice::Threads);
    }
}
