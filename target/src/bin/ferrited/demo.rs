//! What `ferrited demo` serves: one disk on the loopback, and the lines to paste into another terminal.

use crate::cli::{Cli, Demo};
use crate::signals::Signals;
use crate::{logging, output, selfcheck, serve};
use ferrite::api::codes;
use ferrite::{
    Create, DiskOptions, EngineSpec, Error, FileDisk, Iqn, Lun, LunNumber, MemoryDisk, PortalAddress, Refusal, Server,
    Size, TargetSpec,
};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use tracing_subscriber::filter::LevelFilter;

/// The name of the demo's target.
const NAME: &str = "iqn.2026-11.com.example:ferrite-demo";
/// How large its disk is unless said otherwise.
const BYTES: u64 = 64 << 20;
/// Initiators of a demo get little time to leave.
const GRACE: Duration = Duration::from_secs(3);

/// Serves until a signal, or until the self check has ended.
pub(crate) fn run(demo: &Demo, cli: &Cli) -> io::Result<u8> {
    let signals = Signals::hold()?;
    // The check has logins refused on purpose; what the log would say of them is in its table.
    let default = if demo.self_check { LevelFilter::ERROR } else { LevelFilter::INFO };
    if let Err(code) = logging::start(cli.log.as_deref(), default) {
        return Ok(code);
    }
    let served = match start(demo) {
        Ok(served) => served,
        Err(error) => return Ok(output::refuse(&error)),
    };
    if demo.self_check {
        let code = selfcheck::run(served.portal, NAME)?;
        let stopped = serve::stop(served.server, GRACE);
        return Ok(if code == codes::EXIT_OK { stopped } else { code });
    }
    output::print(instructions(&served))?;
    signals.wait()?;
    signals.end_at_the_next(codes::EXIT_PARTIAL);
    Ok(serve::stop(served.server, GRACE))
}

struct Served {
    server: Server,
    portal: SocketAddr,
    disk: String,
    bytes: u64,
}

fn start(demo: &Demo) -> Result<Served, Error> {
    let size = demo.size.map_or(BYTES, Size::bytes);
    let lun = match &demo.file {
        None => memory(size)?,
        Some(path) => file(path, demo)?,
    };
    let geometry = lun.geometry();
    let disk = lun.describe();
    let mut server = Server::start(&EngineSpec::default())?;
    let name = Iqn::parse(NAME)?;
    server.add_target(&name, &TargetSpec { allow: vec!["any".parse()?], ..TargetSpec::default() })?;
    server.add_lun(&name, LunNumber::new(0)?, lun)?;
    server.listen(&[PortalAddress::from(SocketAddr::from((Ipv4Addr::LOCALHOST, demo.port))).into()])?;
    let portal = server.portals()[0];
    Ok(Served { server, portal, disk, bytes: geometry.bytes })
}

fn memory(bytes: u64) -> Result<Lun, Error> {
    if bytes > MemoryDisk::BYTES_MAX {
        let what = format!("a disk in memory has at most {} bytes", MemoryDisk::BYTES_MAX);
        return Err(Refusal::new(codes::BAD_SIZE, what).hint("take a smaller --size, or a --file").into());
    }
    Ok(Lun::memory(bytes))
}

/// The disk in a file. The self check writes, and does so only to a file that it made itself.
fn file(path: &Path, demo: &Demo) -> Result<Lun, Error> {
    let exists = path.try_exists().unwrap_or(true);
    if exists && demo.self_check {
        let what = format!("refused: --self-check writes, and {} exists", path.display());
        return Err(Refusal::new(codes::IN_USE, what)
            .hint("name a file that is not there, or leave --file out")
            .into());
    }
    if exists && demo.size.is_some() {
        let what = format!("{} exists and has its own size", path.display());
        return Err(Refusal::new(codes::UNFIT_KEY, what).hint("leave --size out").into());
    }
    let create = Create { bytes: demo.size.map_or(BYTES, Size::bytes), allocate: false };
    let options = DiskOptions { create: Some(create), ..DiskOptions::default() };
    let disk = FileDisk::open(path, &options);
    disk.map(Lun::new).map_err(|source| Error::Disk { path: path.to_owned(), source })
}

/// What is served, and three lines to paste.
fn instructions(served: &Served) -> String {
    let Served { portal, disk, bytes, .. } = served;
    let size = Size::new(*bytes).map_or_else(|_| bytes.to_string(), |size| size.to_string());
    format!(
        "Serving one disk of {size}: {disk}
  portal  {portal}
  target  {NAME}
  lun     0

Paste one of these into another terminal:
  iscsi-ls -s iscsi://{portal}
  qemu-io -f raw -c 'write -P 90 0 64k' -c 'read -P 90 0 64k' iscsi://{portal}/{NAME}/0
  sudo iscsiadm -m discovery -t sendtargets -p {portal} --login

Ctrl-C ends it.
"
    )
}
