//! `ferrite-load`: puts a load on an iSCSI target and prints what came of it.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line program prints")]

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use ferrite_benches::load::{Access, Options, Pattern, run};

/// Puts a load on one unit of an iSCSI target and prints commands a second, megabytes a second and latencies.
///
/// Writes destroy what is on the unit.
#[derive(Parser)]
#[command(name = "ferrite-load", version)]
struct Arguments {
    /// Portal of the target.
    #[arg(long, default_value = "127.0.0.1:3260")]
    address: SocketAddr,
    /// Name of the target.
    #[arg(long)]
    target: String,
    /// Number of the logical unit.
    #[arg(long, default_value_t = 0)]
    lun: u16,
    /// What to do.
    #[arg(long, value_enum, default_value_t = Op::Randread)]
    op: Op,
    /// Bytes of one command, with k or m for KiB or MiB.
    #[arg(long, default_value = "4k", value_parser = size)]
    block: u32,
    /// Commands in flight on each connection.
    #[arg(long, default_value_t = 32)]
    depth: usize,
    /// Connections, each a session of its own.
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// Seconds to measure.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Seconds of load before that.
    #[arg(long, default_value_t = 0.5)]
    warmup: f64,
    /// CRC32C over headers and data.
    #[arg(long)]
    digests: bool,
    /// Processor to stay on.
    #[arg(long)]
    pin: Option<usize>,
    /// Never sleep: ask the sockets again and again.
    #[arg(long)]
    spin: bool,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Op {
    Read,
    Write,
    Randread,
    Randwrite,
    /// COMPARE AND WRITE anywhere on a unit that is all zeroes.
    CompareAndWrite,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (Ok(measured), Ok(warmup)) =
        (Duration::try_from_secs_f64(arguments.seconds), Duration::try_from_secs_f64(arguments.warmup))
    else {
        eprintln!("ferrite-load: --seconds and --warmup are numbers of seconds");
        return ExitCode::from(2);
    };
    let options = Options {
        address: arguments.address,
        target: arguments.target,
        lun: arguments.lun,
        pattern: Pattern {
            access: match arguments.op {
                Op::Read | Op::Randread => Access::Read,
                Op::Write | Op::Randwrite => Access::Write,
                Op::CompareAndWrite => Access::CompareAndWrite,
            },
            random: !matches!(arguments.op, Op::Read | Op::Write),
        },
        block_len: arguments.block,
        depth: arguments.depth,
        connections: arguments.connections,
        measured,
        warmup,
        digests: arguments.digests,
        pin: arguments.pin,
        spin: arguments.spin,
    };
    match run(&options) {
        Ok(report) if arguments.json => {
            println!("{}", serde_json::to_string(&report).expect("a report is plain numbers"));
            ExitCode::SUCCESS
        }
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("ferrite-load: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `4096`, `4k`, `1m`.
fn size(text: &str) -> Result<u32, String> {
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 10),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 20),
        _ => (text, 0),
    };
    let number: u32 = digits.parse().map_err(|_| format!("{text:?} is no size"))?;
    number.checked_mul(1 << shift).ok_or_else(|| format!("{text:?} is too large"))
}
