//! How long to look for work before sleeping.
//!
//! Waking a halted processor costs tens of microseconds, more than a whole command; looking a little
//! longer doubles the rate at low queue depth. Looking in vain takes time from others, so the budget
//! halves with each failure and comes back with each success, and an idle shard does not look at all.

use std::time::Duration;

/// The adaptive budget of one shard.
#[derive(Debug)]
pub(super) struct Spin {
    most: Duration,
    now: Duration,
    sleeps: u32,
}

impl Spin {
    /// Looks for `most` at the most before each sleep.
    pub(super) fn new(most: Duration) -> Self {
        Self { most, now: most, sleeps: 0 }
    }

    /// How long to look this time.
    pub(super) fn budget(&mut self) -> Duration {
        if self.now.is_zero() && !self.most.is_zero() {
            // Traffic may have changed since the budget ran out: try again now and then.
            self.sleeps += 1;
            if self.sleeps >= RETRY_AFTER_SLEEPS {
                self.sleeps = 0;
                self.now = self.most;
            }
        }
        self.now
    }

    /// Something came while looking.
    pub(super) fn found(&mut self) {
        self.now = self.most;
        self.sleeps = 0;
    }

    /// Nothing came; the shard went to sleep.
    pub(super) fn missed(&mut self) {
        self.now /= 2;
        if self.now < SHORTEST {
            self.now = Duration::ZERO;
        }
    }
}

/// A look shorter than one empty system call and its wake-up is not worth it.
const SHORTEST: Duration = Duration::from_micros(4);

/// After this many sleeps without a look, one full look is tried again.
const RETRY_AFTER_SLEEPS: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_shrinks_to_nothing_when_nothing_comes_and_returns_when_something_does() {
        let mut spin = Spin::new(Duration::from_micros(50));
        for _ in 0..8 {
            spin.missed();
        }
        assert_eq!(spin.budget(), Duration::ZERO);
        spin.found();
        assert_eq!(spin.budget(), Duration::from_micros(50));
    }

    #[test]
    fn a_silent_shard_tries_again_after_a_named_number_of_sleeps() {
        let mut spin = Spin::new(Duration::from_micros(50));
        for _ in 0..8 {
            spin.missed();
        }
        let looks = (0..RETRY_AFTER_SLEEPS).filter(|_| !spin.budget().is_zero()).count();
        assert_eq!(looks, 1);
    }

    #[test]
    fn no_spinning_stays_no_spinning() {
        let mut spin = Spin::new(Duration::ZERO);
        spin.found();
        assert!((0..100).all(|_| spin.budget().is_zero()));
    }
}
