//! What all units and ports of one process share: a clock, a source of random bytes, ROD tokens.

use crate::copy::tokens::Tokens;
use crate::identity::{BadIdentity, printable};

/// The SCSI target device beyond its units. Clock and entropy are given, so that the crate stays pure.
pub struct Device {
    clock: Box<dyn Fn() -> u64 + Send + Sync>,
    entropy: Entropy,
    management: Option<String>,
    tokens: Tokens,
}

type Entropy = Box<dyn Fn(&mut [u8]) + Send + Sync>;

impl Device {
    /// `clock` gives milliseconds since 1970 (UTC); `entropy` fills a buffer with bytes that nobody can guess.
    pub fn new(
        clock: impl Fn() -> u64 + Send + Sync + 'static,
        entropy: impl Fn(&mut [u8]) + Send + Sync + 'static,
    ) -> Device {
        Device { clock: Box::new(clock), entropy: Box::new(entropy), management: None, tokens: Tokens::default() }
    }

    /// Characters of a management address.
    pub const ADDRESS_MAX: usize = 1024;

    /// The same device, which tells initiators the address (a URL) where its configuration is managed.
    ///
    /// # Errors
    /// [`BadIdentity`], when it is not printable ASCII of at most [`Device::ADDRESS_MAX`] characters.
    pub fn managed_at(self, url: &str) -> Result<Device, BadIdentity> {
        Ok(Device { management: Some(printable(url, Device::ADDRESS_MAX)?.to_owned()), ..self })
    }

    /// Where its configuration is managed.
    pub(crate) fn management(&self) -> Option<&str> {
        self.management.as_deref()
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

    /// The tokens by which one unit's blocks are known to others.
    pub(crate) fn tokens(&self) -> &Tokens {
        &self.tokens
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Device").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_management_address_is_printable_and_bounded() {
        let at = |url: &str| Device::new(|| 0, |_| {}).managed_at(url).map(|device| device.management().map(str::len));
        assert_eq!(at(&"x".repeat(Device::ADDRESS_MAX)), Ok(Some(Device::ADDRESS_MAX)));
        assert_eq!(at(&"x".repeat(Device::ADDRESS_MAX + 1)), Err(BadIdentity::TooLong { max: Device::ADDRESS_MAX }));
        assert_eq!(at("a\0b"), Err(BadIdentity::NotPrintable));
    }
}
