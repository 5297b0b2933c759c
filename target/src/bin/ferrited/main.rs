//! The daemon: serves a configuration file, or a disk to play with.

#![forbid(unsafe_code)]

mod check;
mod cli;
mod demo;
mod generate;
mod logging;
mod notify;
mod output;
mod selfcheck;
mod serve;
mod signals;

use clap::Parser;
use cli::{Cli, Command};
use ferrite::api::codes;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.command {
        Some(Command::Demo(demo)) => demo::run(demo, &cli),
        Some(Command::Completions { shell }) => generate::completions(*shell),
        Some(Command::Man { command }) => generate::man(command.as_deref()),
        None if cli.check => check::run(&cli),
        None => serve::run(&cli),
    };
    // What fails here is standard output or signals: there is nobody to tell.
    ExitCode::from(done.unwrap_or(codes::EXIT_FAILED))
}
