//! How a configuration is served: from start to a clean end.

use crate::cli::Cli;
use crate::notify::Notify;
use crate::signals::Signals;
use crate::{logging, output};
use ferrite::api::{codes, config};
use ferrite::{Config, Server};
use std::io;
use std::time::Duration;
use tracing_subscriber::filter::LevelFilter;

/// Serves the file until a signal.
pub(crate) fn run(cli: &Cli) -> io::Result<u8> {
    let signals = Signals::hold()?;
    if let Err(code) = logging::start(cli.log.as_deref(), LevelFilter::INFO) {
        return Ok(code);
    }
    let loaded = match config::load(&cli.config) {
        Ok(loaded) => loaded,
        Err(rejected) => {
            output::say(&rejected);
            return Ok(codes::EXIT_CONFIG);
        }
    };
    for warning in &loaded.warnings {
        output::say(warning.render());
    }
    let server = match Server::from_config(&loaded.config) {
        Ok(server) => server,
        Err(error) => return Ok(output::refuse(&error)),
    };
    let served = summary(&loaded.config);
    for portal in server.portals() {
        tracing::info!("listening on {portal}");
    }
    tracing::info!("serving {served}");
    let notify = Notify::from_environment();
    notify.ready(&format!("serving {served}"));
    let signal = signals.wait()?;
    tracing::info!("{signal}: stopping, initiators have {:?} to log out", cli.grace);
    notify.stopping("waiting for initiators to log out");
    signals.end_at_the_next(codes::EXIT_PARTIAL);
    Ok(stop(server, cli.grace))
}

/// Stops politely and says how it went.
pub(crate) fn stop(server: Server, grace: Duration) -> u8 {
    let report = server.shutdown(grace);
    if report.flushes_failed > 0 {
        tracing::error!("{} disks could not be flushed", report.flushes_failed);
    }
    if report.sessions_closed > 0 {
        tracing::warn!("{} sessions had not logged out and were closed", report.sessions_closed);
    }
    if report.is_clean() {
        tracing::info!("stopped; everything is on stable storage");
        return codes::EXIT_OK;
    }
    codes::EXIT_PARTIAL
}

/// `2 targets with 5 LUNs`.
pub(crate) fn summary(config: &Config) -> String {
    let luns: usize = config.targets.values().map(|target| target.luns.len()).sum();
    let many = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    format!("{} with {}", many(config.targets.len(), "target"), many(luns, "LUN"))
}
