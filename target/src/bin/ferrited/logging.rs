//! Where log lines go and which of them: one compact line each, on standard error.

use crate::output;
use ferrite::api::codes;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Starts logging by `--log`, else by RUST_LOG, else by `default`.
///
/// # Errors
/// The exit code, where the filter of `--log` cannot be read.
pub(crate) fn start(filter: Option<&str>, default: LevelFilter) -> Result<(), u8> {
    let from_environment = || EnvFilter::builder().with_default_directive(default.into()).from_env_lossy();
    let filter = match filter.map(EnvFilter::try_new) {
        None => from_environment(),
        Some(Ok(filter)) => filter,
        Some(Err(error)) => {
            output::say(format_args!("error: --log: {error}\n"));
            return Err(codes::EXIT_USAGE);
        }
    };
    let terminal = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt()
        .compact()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(terminal && std::env::var_os("NO_COLOR").is_none());
    // The journal has its own clock.
    if std::env::var_os("JOURNAL_STREAM").is_some() && !terminal {
        lines.without_time().init();
    } else {
        lines.init();
    }
    Ok(())
}
