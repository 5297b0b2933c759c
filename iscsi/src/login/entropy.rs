//! Where do challenges come from when the protocol may not ask the system for randomness?

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// A stream of unpredictable bytes from a seed of the owner: SHA-256 of the seed and a counter.
///
/// The same seed gives the same bytes, which is what a simulation wants; a server takes each seed fresh from the
/// system's generator.
#[derive(Clone)]
pub struct Entropy {
    seed: Zeroizing<[u8; 32]>,
    counter: u64,
}

impl Entropy {
    /// From 32 bytes nobody else knows, used for nothing else.
    pub fn new(seed: [u8; 32]) -> Self {
        Self { seed: Zeroizing::new(seed), counter: 0 }
    }

    /// The next 32 bytes.
    pub(super) fn block(&mut self) -> [u8; 32] {
        let block =
            Sha256::new().chain_update(self.seed.as_slice()).chain_update(self.counter.to_be_bytes()).finalize();
        self.counter += 1;
        block.into()
    }
}

impl std::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entropy(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_differ_from_each_other_and_between_seeds() {
        let (mut a, mut b) = (Entropy::new([1; 32]), Entropy::new([2; 32]));
        let blocks = [a.block(), a.block(), b.block(), b.block()];
        for (at, block) in blocks.iter().enumerate() {
            assert!(blocks[at + 1..].iter().all(|other| other != block));
        }
        assert_eq!(Entropy::new([1; 32]).block(), blocks[0]);
    }
}
