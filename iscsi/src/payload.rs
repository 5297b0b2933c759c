//! What is data that stays with its owner until it has been sent?

/// Data of a response: a pool buffer, pages of a memory disk, a vector. Cheap to move, never copied here.
pub trait Payload {
    /// How many bytes there are.
    fn len(&self) -> usize;

    /// The bytes from `at` on that lie contiguously: at least one when `at < len()`.
    fn piece(&self, at: usize) -> &[u8];

    /// There are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Payload for bytes::Bytes {
    fn len(&self) -> usize {
        self.as_ref().len()
    }
    fn piece(&self, at: usize) -> &[u8] {
        &self.as_ref()[at..]
    }
}

impl Payload for Vec<u8> {
    fn len(&self) -> usize {
        self.as_slice().len()
    }
    fn piece(&self, at: usize) -> &[u8] {
        &self[at..]
    }
}
