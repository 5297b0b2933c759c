//! `side-by-side`: measures ferrite, a peer and the wire in turns, and writes the ratios down.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line program prints")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use ferrite_benches::side_by_side::{
    CASES, Contestant, Error, Measured, ferrite, in_place_of, machine, measure, prefill, report, tgt, wire_limit,
};

/// Measures ferrite beside tgt and beside canned answers, and writes the ratios as Markdown.
///
/// It needs two processors that do nothing else, about 3 GiB of memory, and Debian's package `tgt`.
#[derive(Parser)]
#[command(name = "side-by-side", version)]
struct Arguments {
    /// The program ferrited; without it, the one beside this program.
    #[arg(long)]
    ferrited: Option<PathBuf>,
    /// Another ferrited, from before a change: it is the only one to be compared with then.
    #[arg(long)]
    before: Option<PathBuf>,
    /// Serve files that are made in this folder, not memory; only with --before.
    #[arg(long, requires = "before")]
    folder: Option<PathBuf>,
    /// Rounds of each case.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of each round.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Size of the units in MiB.
    #[arg(long, default_value_t = 1024)]
    mebibytes: u64,
    /// Only cases whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Processor of the targets.
    #[arg(long, default_value_t = 0)]
    target_cpu: usize,
    /// Processor of the generator.
    #[arg(long, default_value_t = 1)]
    generator_cpu: usize,
    /// Where the report goes; without it, to the standard output.
    #[arg(long)]
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let Ok(seconds) = Duration::try_from_secs_f64(arguments.seconds) else {
        eprintln!("side-by-side: --seconds is a number of seconds");
        return ExitCode::from(2);
    };
    match compare(&arguments, seconds) {
        Ok(text) => match &arguments.out {
            None => {
                println!("{text}");
                ExitCode::SUCCESS
            }
            Some(path) => match write(path, text) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("side-by-side: {}: {error}", path.display());
                    ExitCode::FAILURE
                }
            },
        },
        Err(error) => {
            eprintln!("side-by-side: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(path: &Path, text: String) -> std::io::Result<()> {
    let old = std::fs::read_to_string(path).unwrap_or_default();
    std::fs::write(path, in_place_of(&old, text))
}

fn compare(arguments: &Arguments, seconds: Duration) -> Result<String, Error> {
    let own = std::env::current_exe().unwrap_or_default();
    let beside = |name: &str| own.parent().unwrap_or(Path::new(".")).join(name);
    let ferrited = arguments.ferrited.clone().unwrap_or_else(|| beside("ferrited"));
    let conditions = format!(
        "{} rounds of {} s each, units of {} MiB, filled before. {}.",
        arguments.rounds,
        arguments.seconds,
        arguments.mebibytes,
        machine()
    );
    let (cpu, folder) = (arguments.target_cpu, arguments.folder.as_deref());
    let mut contestants: Vec<Contestant> = vec![ferrite("ferrite", &ferrited, arguments.mebibytes, folder, cpu)?];
    match &arguments.before {
        Some(before) => contestants.push(ferrite("before", before, arguments.mebibytes, folder, cpu)?),
        None => {
            contestants.push(tgt(arguments.mebibytes, cpu)?);
            contestants.push(wire_limit(&beside("wire-limit"), cpu)?);
        }
    }
    for contestant in &contestants[..2] {
        prefill(contestant)?;
    }
    let mut measured: Vec<Measured> = Vec::new();
    for case in CASES.into_iter().filter(|case| case.to_string().contains(&arguments.only)) {
        eprintln!("{case}");
        measured.push(measure(&contestants, case, arguments.rounds.max(1), seconds, arguments.generator_cpu)?);
    }
    Ok(report(&contestants, &measured, &conditions))
}
