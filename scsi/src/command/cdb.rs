//! Fields of a command descriptor block, big-endian, whose length the table has checked.

/// The bytes of one command, exactly as many as its row has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cdb<'a>(&'a [u8]);

impl<'a> Cdb<'a> {
    /// # Panics
    /// By the accessors, when they reach beyond `bytes`: the table vouches for its rows' handlers.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Cdb(bytes)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn u8(&self, at: usize) -> u8 {
        self.0[at]
    }

    pub(crate) fn flag(&self, at: usize, mask: u8) -> bool {
        self.0[at] & mask != 0
    }

    pub(crate) fn u16(&self, at: usize) -> u16 {
        u16::from_be_bytes(self.array(at))
    }

    pub(crate) fn u24(&self, at: usize) -> u32 {
        let [high, middle, low] = self.array(at);
        u32::from_be_bytes([0, high, middle, low])
    }

    pub(crate) fn u32(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.array(at))
    }

    pub(crate) fn u64(&self, at: usize) -> u64 {
        u64::from_be_bytes(self.array(at))
    }

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0[at..at + N].try_into().expect("a slice of N bytes")
    }
}
