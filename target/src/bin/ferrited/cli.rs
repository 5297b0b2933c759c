//! What the command line takes.

use clap::{Args, Parser, Subcommand, ValueEnum};
use ferrite::Size;
use std::path::PathBuf;
use std::time::Duration;

/// Serves disks over iSCSI.
///
/// Without a command it serves the targets of a configuration file until SIGTERM or SIGINT. It stays in the
/// foreground and logs to standard error.
#[derive(Debug, Parser)]
#[command(name = "ferrited", version, max_term_width = 100, after_help = EXIT_CODES, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    /// The configuration file.
    #[arg(long, short, value_name = "FILE", default_value = "/etc/ferrite/ferrite.toml")]
    pub(crate) config: PathBuf,

    /// Only look at the configuration: say what is wrong in it, serve nothing.
    #[arg(long)]
    pub(crate) check: bool,

    /// How --check answers.
    #[arg(long, short, value_name = "FORMAT", default_value = "text", requires = "check")]
    pub(crate) output: Output,

    /// How long initiators have to log out when the daemon is asked to stop: 20, 20s, 500ms.
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = duration)]
    pub(crate) grace: Duration,

    /// What is logged: error, warn, info, debug, trace, or a filter such as ferrite_engine=debug. Without it,
    /// RUST_LOG decides.
    #[arg(long, value_name = "FILTER", global = true)]
    pub(crate) log: Option<String>,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 failed; 2 wrong usage; 5 refused for safety; 6 the configuration is invalid;
9 stopped before every session had ended.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve one disk on the loopback address: no configuration, no root.
    Demo(Demo),

    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },

    /// Print a manual page.
    #[command(hide = true)]
    Man {
        /// The command it is about; without it the daemon's own.
        command: Option<String>,
    },
}

/// What `ferrited demo` takes.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// How large the disk is: 64M, 1GiB.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) size: Option<Size>,

    /// Keep the disk in this file, which is made if it is not there. Without it, the disk is memory.
    #[arg(long, value_name = "PATH")]
    pub(crate) file: Option<PathBuf>,

    /// The TCP port on 127.0.0.1; 0 for any.
    #[arg(long, value_name = "PORT", default_value_t = 13260)]
    pub(crate) port: u16,

    /// Do not wait for initiators: be one, use those that are installed, print how it went, and end.
    #[arg(long)]
    pub(crate) self_check: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Text,
    Json,
}

fn size(text: &str) -> Result<Size, String> {
    let size = Size::parse(text).map_err(|refusal| refusal.what)?;
    let blocks = size.bytes() != 0 && size.bytes() % 512 == 0;
    blocks.then_some(size).ok_or_else(|| "it is not a multiple of the 512 bytes of a block".to_owned())
}

/// The longest time that is taken: what is longer was meant otherwise.
const SECONDS_MAX: u64 = 24 * 3600;

/// A number with `ms`, `s`, `m`, or nothing for seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| "write a number and ms, s or m: 20s".to_owned())?;
    let time = match unit {
        "ms" => Duration::from_millis(number),
        "" | "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.saturating_mul(60)),
        _ => return Err("the unit is ms, s or m".to_owned()),
    };
    if time > Duration::from_secs(SECONDS_MAX) {
        return Err("it is longer than a day".to_owned());
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_have_a_unit_or_are_seconds() {
        for (text, ms) in
            [("20", 20_000), ("20s", 20_000), ("500ms", 500), ("2m", 120_000), ("0", 0), ("86400", 86_400_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "s", "-1", "1h", "1.5s", "86401", "99999999999999999999"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_disk_of_the_demo_has_whole_blocks() {
        assert!(size("64M").is_ok() && size("512").is_ok());
        assert!(size("0").is_err() && size("513").is_err() && size("x").is_err());
    }
}
