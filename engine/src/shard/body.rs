//! What a response carries: data held until its last byte is sent.

use ferrite_backends::{Buffer, Pages};
use ferrite_iscsi::Payload;

/// Data on its way out: what the disk filled or shares, held until the last byte is sent.
#[derive(Debug)]
pub(crate) enum Body {
    Buffer(Buffer),
    Pages(Pages),
    Bytes(Vec<u8>),
}

impl Payload for Body {
    fn len(&self) -> usize {
        match self {
            Self::Buffer(buffer) => buffer.len(),
            Self::Pages(pages) => pages.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    fn piece(&self, at: usize) -> &[u8] {
        match self {
            Self::Buffer(buffer) => &buffer[at..],
            Self::Pages(pages) => pages.piece(at),
            Self::Bytes(bytes) => &bytes[at..],
        }
    }
}
