//! What is measured?

use std::fmt;

/// One kind of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// Writes instead of reads.
    pub writes: bool,
    /// Bytes of a command. 4 KiB goes anywhere on the unit, 256 KiB one after the other.
    pub block_len: u32,
    /// Commands in flight on each connection.
    pub depth: usize,
    /// Connections.
    pub connections: usize,
}

impl Case {
    /// Small commands go anywhere, large ones in order.
    pub fn random(&self) -> bool {
        self.block_len == SMALL
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = if self.random() { "random" } else { "sequential" };
        let direction = if self.writes { "write" } else { "read" };
        write!(f, "{order} {direction} {} KiB, {}x{}", self.block_len / 1024, self.connections, self.depth)
    }
}

const SMALL: u32 = 4 << 10;
const LARGE: u32 = 256 << 10;

/// Reads and writes, small and large, one at a time and deep, over one connection and over four.
pub const CASES: [Case; 16] = {
    let mut cases = [Case { writes: false, block_len: SMALL, depth: 1, connections: 1 }; 16];
    let mut at = 0;
    while at < cases.len() {
        cases[at].block_len = if at & 8 == 0 { SMALL } else { LARGE };
        cases[at].writes = at & 4 != 0;
        cases[at].depth = if at & 1 == 0 { 1 } else { 32 };
        cases[at].connections = if at & 2 == 0 { 1 } else { 4 };
        at += 1;
    }
    cases
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_is_there_once() {
        for (index, case) in CASES.iter().enumerate() {
            assert!(!CASES[..index].contains(case), "{case}");
        }
        assert_eq!(CASES[0].to_string(), "random read 4 KiB, 1x1");
        assert_eq!(CASES[15].to_string(), "sequential write 256 KiB, 4x32");
    }
}
