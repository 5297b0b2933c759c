//! How the daemon talks: data to standard output, everything else to standard error.

use ferrite::Error;
use std::fmt;
use std::io::{self, Write};

/// Prints to standard output; an error where nobody reads it any more.
pub(crate) fn print(text: impl fmt::Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    write!(out, "{text}")?;
    out.flush()
}

/// Says something on standard error. Where nobody listens there is nothing left to do.
pub(crate) fn say(text: impl fmt::Display) {
    let _ = write!(io::stderr().lock(), "{text}");
}

/// Says why something was not done, and gives the exit code that goes with it.
pub(crate) fn refuse(error: &Error) -> u8 {
    let refusal = error.refusal();
    say(refusal.render());
    refusal.exit_code()
}
