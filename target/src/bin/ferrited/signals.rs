//! How the daemon hears that it shall stop.

use nix::sys::signal::{SigSet, Signal};
use std::io;

/// The signals that ask to stop, held back from every thread so that one can wait for them.
#[derive(Debug)]
pub(crate) struct Signals(SigSet);

impl Signals {
    /// Holds the signals back. Has to come before the first thread is made: threads inherit it.
    pub(crate) fn hold() -> io::Result<Self> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            set.add(signal);
        }
        set.thread_block()?;
        Ok(Signals(set))
    }

    /// Waits until somebody asks to stop.
    ///
    /// SIGHUP is what a daemon gets to read its file again, and no reason to drop every session.
    pub(crate) fn wait(&self) -> io::Result<Signal> {
        loop {
            match self.0.wait()? {
                Signal::SIGHUP => {
                    tracing::warn!("SIGHUP: the configuration is read at the start only; restart to change it")
                }
                signal => return Ok(signal),
            }
        }
    }

    /// Ends the process with `code` as soon as somebody asks once more.
    pub(crate) fn end_at_the_next(self, code: u8) {
        std::thread::spawn(move || {
            if let Ok(signal) = self.wait() {
                tracing::warn!("{signal} again: ending at once");
                std::process::exit(code.into());
            }
        });
    }
}
