//! A block that hosts count in by COMPARE AND WRITE, and what it must say in the end.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::common::BLOCK;
use ferrite_iscsi::initiator::ScsiResult;

/// What the hosts know of the commands that counted up one block.
#[derive(Default)]
pub(crate) struct Tally {
    /// Answered with GOOD.
    sure: AtomicU64,
    /// Ended without an answer, or with an error of the disk.
    unsure: AtomicU64,
}

impl Tally {
    /// A command that was to count has ended. Returns whether it has.
    pub(crate) fn ended(&self, result: Option<&ScsiResult>) -> bool {
        match result {
            Some(result) if result.is_good() => {
                self.sure.fetch_add(1, Ordering::Relaxed);
                return true;
            }
            Some(result) if result.status == RESERVATION_CONFLICT => {}
            Some(result) if result.sense_code().is_some_and(|(key, ..)| key == MISCOMPARE || key == ATTENTION) => {}
            _ => drop(self.unsure.fetch_add(1, Ordering::Relaxed)),
        }
        false
    }

    /// When all is over, the block says as many as counted, and not one more or less.
    pub(crate) fn check(&self, block: &[u8]) {
        let (sure, unsure) = (self.sure.load(Ordering::Relaxed), self.unsure.load(Ordering::Relaxed));
        let count = count(block);
        assert!((sure..=sure + unsure).contains(&count), "{count} counted, {sure} for sure and {unsure} perhaps");
    }
}

/// How many have counted.
pub(crate) fn count(block: &[u8]) -> u64 {
    u64::from_le_bytes(*block.first_chunk().unwrap())
}

/// The block with one more, which no other block is like: `nonce` is used once.
pub(crate) fn one_more(block: &[u8], nonce: u64) -> Vec<u8> {
    let mut next = nonce.to_le_bytes().repeat(BLOCK as usize / 8);
    next[..8].copy_from_slice(&(count(block) + 1).to_le_bytes());
    next
}

const RESERVATION_CONFLICT: u8 = 0x18;
const MISCOMPARE: u8 = 0xe;
const ATTENTION: u8 = 6;
