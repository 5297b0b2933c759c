//! Bytes that were read, against bytes that were sent.

use ferrite_iscsi::Payload;
use ferrite_scsi::Sense;

use crate::shard::body::Body;

/// How a piece of work failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure(pub(crate) Sense);

/// Whether `read` equals the beginning of `expected`, which lies `before` bytes into data-out.
pub(super) fn difference(read: &Body, expected: &[u8], before: u64) -> Result<(), Failure> {
    let mut at = 0;
    while at < read.len() {
        let piece = read.piece(at);
        let against = &expected[at..at + piece.len()];
        if piece != against {
            let inside = piece.iter().zip(against).take_while(|(a, b)| a == b).count();
            return Err(miscompare(before + (at + inside) as u64));
        }
        at += piece.len();
    }
    Ok(())
}

/// `sent` gets the bits of `read`.
pub(super) fn or(sent: &mut [u8], read: &Body) {
    let mut at = 0;
    while at < sent.len() {
        let piece = read.piece(at);
        sent[at..].iter_mut().zip(piece).for_each(|(bits, more)| *bits |= more);
        at += piece.len();
    }
}

/// Compares each block of `read` with `block`; the error is the offset of the first difference.
pub(super) fn compare_blocks(read: &Body, block: &[u8]) -> Result<(), u64> {
    let mut at = 0;
    while at < read.len() {
        let piece = read.piece(at);
        let phase = at % block.len();
        let len = piece.len().min(block.len() - phase);
        if piece[..len] != block[phase..phase + len] {
            let same = piece[..len].iter().zip(&block[phase..]).take_while(|(a, b)| a == b).count();
            return Err((at + same) as u64);
        }
        at += len;
    }
    Ok(())
}

pub(super) fn miscompare(offset: u64) -> Failure {
    Failure(Sense::miscompare(offset))
}
