//! What packages need and is made from the command line's own description: manual pages and completions.

use crate::cli::Cli;
use crate::output;
use clap::CommandFactory;
use ferrite::api::codes;
use std::io;

/// Prints the completion script of a shell.
pub(crate) fn completions(shell: clap_complete::Shell) -> io::Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ferrited", &mut script);
    output::print(String::from_utf8_lossy(&script))?;
    Ok(codes::EXIT_OK)
}

/// Prints the manual page of the daemon, or of one of its commands.
pub(crate) fn man(command: Option<&str>) -> io::Result<u8> {
    let mut whole = Cli::command();
    whole.build();
    let page = match command {
        None => whole,
        Some(name) => match whole.find_subcommand(name) {
            Some(found) => found.clone(),
            None => {
                output::say(format_args!("error: there is no command {name:?}\n"));
                return Ok(codes::EXIT_USAGE);
            }
        },
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page).section("8").render(&mut text)?;
    output::print(String::from_utf8_lossy(&text))?;
    Ok(codes::EXIT_OK)
}
