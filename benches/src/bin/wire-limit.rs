//! `wire-limit`: serves canned answers, so that a load generator meets the limit of the wire and nothing else.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line program prints")]

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use ferrite_benches::wire_limit::{Server, TARGET};

/// Serves canned answers over iSCSI until it is ended. Prints its target name and address.
#[derive(Parser)]
#[command(name = "wire-limit", version)]
struct Arguments {
    /// Where to listen; port 0 takes any.
    #[arg(long, default_value = "127.0.0.1:0")]
    address: SocketAddr,
}

fn main() -> ExitCode {
    let served = Server::bind(Arguments::parse().address).and_then(|server| {
        println!("{TARGET} {}", server.address()?);
        server.run(|| false)
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wire-limit: {error}");
            ExitCode::FAILURE
        }
    }
}
