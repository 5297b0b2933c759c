//! How one thing waits for others: whatever it waits for holds a clone, and the last to let go is heard.

use std::any::Any;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Held by whatever a waiter waits for; when the last holder lets go, the waiter learns of it. A panic lets go, too.
pub(crate) type Hold = Arc<dyn Any + Send + Sync>;

/// The end of a [`Hold`] that a plain thread waits at.
pub(crate) struct Held(Receiver<()>);

impl Held {
    /// A hold to give clones of, and who waits for the last of them.
    pub(crate) fn new() -> (Hold, Held) {
        let (last, gone) = mpsc::channel();
        (Arc::new(Last(Mutex::new(last))), Held(gone))
    }

    /// False when somebody still holds after `timeout`.
    pub(crate) fn wait(&self, timeout: Duration) -> bool {
        matches!(self.0.recv_timeout(timeout), Err(RecvTimeoutError::Disconnected))
    }
}

struct Last(#[allow(dead_code, reason = "its drop is the message")] Mutex<Sender<()>>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_to_let_go_is_heard_and_none_before() {
        let (hold, held) = Held::new();
        let other = hold.clone();
        drop(hold);
        assert!(!held.wait(Duration::ZERO));
        drop(other);
        assert!(held.wait(Duration::ZERO));
    }
}
