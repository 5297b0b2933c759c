//! The device clock of a unit: the host's, until an initiator sets it (SPC-4, timestamps).

/// How far the clock is ahead of the host's, once it has been set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Clock {
    ahead_ms: Option<u64>,
}

/// TIMESTAMP ORIGIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Origin {
    /// A SET TIMESTAMP command.
    Initiator = 0b010,
    /// Something outside of SCSI.
    Host = 0b011,
}

impl Clock {
    /// The clock says `timestamp` when the host's says `now_ms`; both are milliseconds since 1970 (UTC).
    pub(super) fn set(&mut self, timestamp: u64, now_ms: u64) {
        self.ahead_ms = Some(timestamp.wrapping_sub(now_ms));
    }

    /// What it says when the host's says `now_ms`: 48 bits, as many as a timestamp has.
    pub(super) fn read(&self, now_ms: u64) -> (u64, Origin) {
        let origin = if self.ahead_ms.is_some() { Origin::Initiator } else { Origin::Host };
        (now_ms.wrapping_add(self.ahead_ms.unwrap_or(0)) & (u64::MAX >> 16), origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_goes_on_from_there_and_wraps_at_48_bits() {
        let mut clock = Clock::default();
        assert_eq!(clock.read(1000), (1000, Origin::Host));
        clock.set(5, 1000);
        assert_eq!([clock.read(1000), clock.read(1007)], [(5, Origin::Initiator), (12, Origin::Initiator)]);
        clock.set(u64::MAX >> 16, 2000);
        assert_eq!([clock.read(2000).0, clock.read(2001).0], [u64::MAX >> 16, 0]);
    }
}
