//! Which blocks a load asks for next.

use std::sync::Arc;

/// The stream of extents that one connection works on.
pub(crate) struct Workload {
    /// Bytes of the unit that one command is about.
    block_len: u32,
    /// What is done with them.
    access: Access,
    /// Bytes of one logical block.
    logical_block: u32,
    /// The first command-sized unit of this connection's region.
    first: u64,
    /// Command-sized units in the region.
    units: u64,
    order: Order,
    pattern: Arc<[u8]>,
}

/// What a command does with its blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// READ.
    Read,
    /// WRITE.
    Write,
    /// COMPARE AND WRITE of zeroes where there are zeroes: it changes nothing and costs the target all that a change
    /// does. The unit holds zeroes, as a new one does.
    CompareAndWrite,
}

impl Access {
    /// Whether data goes out, and not in.
    pub(crate) fn sends(self) -> bool {
        self != Self::Read
    }

    /// Bytes that a command about `block_len` bytes moves.
    pub(crate) fn moves(self, block_len: u32) -> u32 {
        if self == Self::CompareAndWrite { 2 * block_len } else { block_len }
    }

    /// What is sent for a command about `block_len` bytes.
    pub(crate) fn pattern(self, block_len: u32) -> Arc<[u8]> {
        let byte = |at: u32| if self == Self::CompareAndWrite { 0 } else { (at / 512 + at) as u8 | 1 };
        (0..self.moves(block_len)).map(byte).collect()
    }
}

/// In which order.
enum Order {
    Sequential { next: u64 },
    Random { state: u64 },
}

/// One command's blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Logical block address.
    pub(crate) lba: u64,
    /// Logical blocks.
    pub(crate) blocks: u32,
}

impl Extent {
    /// READ or WRITE: the 10-byte form while it can name the blocks, else the 16-byte one (SBC-4 5.15, 5.18). COMPARE
    /// AND WRITE has one form (SBC-4 5.3), for at most [`EXCHANGE_MAX`] blocks.
    pub(crate) fn cdb(self, access: Access) -> [u8; 16] {
        let mut cdb = [0; 16];
        if access == Access::CompareAndWrite {
            cdb[0] = 0x89;
            cdb[2..10].copy_from_slice(&self.lba.to_be_bytes());
            cdb[13] = u8::try_from(self.blocks).expect("a load of more is refused");
            return cdb;
        }
        let write = access.sends();
        match (u32::try_from(self.lba), u16::try_from(self.blocks)) {
            (Ok(lba), Ok(blocks)) => {
                cdb[0] = if write { 0x2a } else { 0x28 };
                cdb[2..6].copy_from_slice(&lba.to_be_bytes());
                cdb[7..9].copy_from_slice(&blocks.to_be_bytes());
            }
            _ => {
                cdb[0] = if write { 0x8a } else { 0x88 };
                cdb[2..10].copy_from_slice(&self.lba.to_be_bytes());
                cdb[10..14].copy_from_slice(&self.blocks.to_be_bytes());
            }
        }
        cdb
    }
}

/// What a load does, for all its connections together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) block_len: u32,
    pub(crate) logical_block: u32,
    /// Logical blocks of the unit.
    pub(crate) capacity: u64,
    pub(crate) access: Access,
    pub(crate) random: bool,
}

/// The blocks of a COMPARE AND WRITE, at most: their number has one byte.
pub(crate) const EXCHANGE_MAX: u32 = u8::MAX as u32;

impl Plan {
    /// The part of connection `index` of `connections`: random commands go anywhere, sequential ones through a region
    /// of the connection's own. `None` where the unit is too small for that.
    pub(crate) fn part(&self, index: usize, connections: usize, pattern: &Arc<[u8]>) -> Option<Workload> {
        let moves = self.access.moves(self.block_len);
        assert_eq!(pattern.len(), moves as usize, "the pattern is one command's data");
        let all = self.capacity * u64::from(self.logical_block) / u64::from(self.block_len);
        let own = if self.random { all } else { all / connections as u64 };
        let order = match self.random {
            // Any odd seed will do; distinct ones keep the connections apart.
            true => Order::Random { state: 0x9e37_79b9_7f4a_7c15 ^ ((index as u64 + 1) << 32 | 1) },
            false => Order::Sequential { next: 0 },
        };
        (own > 0).then(|| Workload {
            block_len: self.block_len,
            access: self.access,
            logical_block: self.logical_block,
            first: if self.random { 0 } else { own * index as u64 },
            units: own,
            order,
            pattern: Arc::clone(pattern),
        })
    }
}

impl Workload {
    pub(crate) fn next(&mut self) -> Extent {
        let unit = match &mut self.order {
            Order::Sequential { next } => {
                let unit = *next;
                *next = (unit + 1) % self.units;
                unit
            }
            Order::Random { state } => {
                // xorshift64: uniform enough to defeat read-ahead, and free beside a system call.
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                ((u128::from(*state) * u128::from(self.units)) >> 64) as u64
            }
        };
        let blocks = self.block_len / self.logical_block;
        Extent { lba: (self.first + unit) * u64::from(blocks), blocks }
    }

    pub(crate) fn access(&self) -> Access {
        self.access
    }

    /// Bytes that one command moves.
    pub(crate) fn moves(&self) -> u32 {
        self.access.moves(self.block_len)
    }

    /// One command's worth of data to send.
    pub(crate) fn pattern(&self) -> &Arc<[u8]> {
        &self.pattern
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(random: bool) -> Plan {
        Plan { block_len: 4096, logical_block: 512, capacity: 1000, access: Access::Read, random }
    }

    fn pattern() -> Arc<[u8]> {
        vec![7; 4096].into()
    }

    #[test]
    fn sequential_connections_walk_their_own_regions_and_wrap() {
        let mut second = plan(false).part(1, 2, &pattern()).unwrap();
        let lbas: Vec<u64> = (0..63).map(|_| second.next().lba).collect();
        // 1000 blocks hold 125 commands; half of them is 62, and the second region starts there.
        assert_eq!((lbas[0], lbas[1], lbas[61], lbas[62]), (496, 504, 984, 496));
    }

    #[test]
    fn random_commands_stay_inside_the_unit_and_spread() {
        let mut workload = plan(true).part(0, 1, &pattern()).unwrap();
        let lbas: std::collections::HashSet<u64> = (0..5000).map(|_| workload.next().lba).collect();
        assert!(lbas.iter().all(|lba| lba % 8 == 0 && lba + 8 <= 1000));
        assert_eq!(lbas.len(), 125, "every command-sized unit is met");
    }

    #[test]
    fn a_unit_smaller_than_one_command_has_no_part() {
        let tiny = Plan { capacity: 7, ..plan(true) };
        assert!(tiny.part(0, 1, &pattern()).is_none());
        assert!(Plan { capacity: 8, ..plan(false) }.part(0, 2, &pattern()).is_none());
    }

    #[test]
    fn the_short_form_is_used_up_to_its_last_address() {
        let short = Extent { lba: u64::from(u32::MAX), blocks: 8 }.cdb(Access::Read);
        assert_eq!(short[..10], [0x28, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 8, 0]);
        let long = Extent { lba: 1 << 32, blocks: 8 }.cdb(Access::Write);
        assert_eq!(long, [0x8a, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0]);
    }

    #[test]
    fn an_exchange_sends_its_blocks_twice_and_names_them_once() {
        let exchange = Access::CompareAndWrite;
        let cdb = Extent { lba: 7, blocks: EXCHANGE_MAX }.cdb(exchange);
        assert_eq!(cdb, [0x89, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 255, 0, 0]);
        assert_eq!((exchange.moves(512), exchange.pattern(512)), (1024, vec![0; 1024].into()));
        let part = Plan { access: exchange, ..plan(true) }.part(0, 1, &exchange.pattern(4096)).unwrap();
        assert_eq!((part.moves(), part.access().sends()), (8192, true));
    }
}
