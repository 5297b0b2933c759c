//! `third-party-copy`: copies one unit to another by EXTENDED COPY and through itself, and says how fast each was.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line program prints")]

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use ferrite_benches::third_party_copy::{Job, measure};

/// Copies one unit to another by EXTENDED COPY, and by reading and writing, in turns.
///
/// Both units are overwritten. What is told are medians.
#[derive(Parser)]
#[command(name = "third-party-copy", version)]
struct Arguments {
    /// Portal of the target.
    #[arg(long, default_value = "127.0.0.1:3260")]
    address: SocketAddr,
    /// Name of the target.
    #[arg(long)]
    target: String,
    /// Number of the unit that is read.
    #[arg(long, default_value_t = 0)]
    from: u16,
    /// Number of the unit that is written.
    #[arg(long, default_value_t = 1)]
    to: u16,
    /// How much, in MiB: a multiple of 64.
    #[arg(long, default_value_t = 1024)]
    mebibytes: u64,
    /// Copies of each kind.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

fn main() -> ExitCode {
    let Arguments { address, target, from, to, mebibytes, rounds } = Arguments::parse();
    let job = Job { address, target, units: [from, to], bytes: mebibytes << 20 };
    match measure(&job, rounds.max(1)) {
        Ok(found) => {
            let speed = |took: Vec<Duration>| mebibytes as f64 / median(took).as_secs_f64();
            let (inside, through) = (speed(found.inside), speed(found.through));
            println!("EXTENDED COPY      {inside:8.0} MiB/s");
            println!("READ and WRITE     {through:8.0} MiB/s");
            println!("ratio              {:8.1}", inside / through);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("third-party-copy: {error}");
            ExitCode::FAILURE
        }
    }
}

fn median(mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    took[took.len() / 2]
}
