//! What all units and ports of one process share: a clock, a source of random bytes.

/// The SCSI target device beyond its units. Clock and entropy are given, so that the crate stays pure.
pub struct Device {
    clock: Box<dyn Fn() -> u64 + Send + Sync>,
    entropy: Box<dyn Fn(&mut [u8]) + Send + Sync>,
}

impl Device {
    /// `clock` gives milliseconds since 1970 (UTC); `entropy` fills a buffer with bytes that nobody can guess.
    pub fn new(
        clock: impl Fn() -> u64 + Send + Sync + 'static,
        entropy: impl Fn(&mut [u8]) + Send + Sync + 'static,
    ) -> Device {
        Device { clock: Box::new(clock), entropy: Box::new(entropy) }
    }

    /// Milliseconds since 1970 (UTC).
    pub fn now_ms(&self) -> u64 {
        (self.clock)()
    }

    /// Bytes that nobody can guess.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.entropy)(&mut bytes);
        bytes
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Device").finish_non_exhaustive()
    }
}
