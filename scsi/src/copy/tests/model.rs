//! Any copies, in any order, against the simplest thing that could be right: vectors that are copied by hand.

use super::*;
use proptest::prelude::*;

/// From unit, to unit, blocks, from and to address: small enough to be inside most of the time.
type Run = (u16, u16, u16, u64, u64);

fn run() -> impl Strategy<Value = Run> {
    (0u16..3, 0u16..3, 0u16..40, 0u64..80, 0u64..80)
}

proptest! {
    #[test]
    fn disks_are_what_copying_by_hand_makes_of_them(lists in prop::collection::vec(prop::collection::vec(run(), 1..6), 1..8)) {
        const SIZES: [usize; 3] = [512, 512, 4096];
        let mut target = Target::new();
        let mut model = target.disks.clone();
        let cscds = [cscd(0, 512), cscd(1, 512), cscd(2, 4096)];
        for runs in lists {
            let segments: Vec<Vec<u8>> =
                runs.iter().map(|&(from, to, blocks, at, to_at)| segment(from, to, blocks, at, to_at)).collect();
            let list = lid1(1, &cscds, &segments);
            let reply = target.send(1, 0, &out(0x00, 0, list.len()), &list);
            let mut good = true;
            for (from, to, blocks, at, to_at) in runs {
                let (from, to) = (usize::from(from), usize::from(to));
                let len = usize::from(blocks) * SIZES[from];
                let (at, to_at) = (at as usize * SIZES[from], to_at as usize * SIZES[to]);
                if len == 0 {
                    continue;
                }
                let fits = len.is_multiple_of(SIZES[to]) && at + len <= model[from].len() && to_at + len <= model[to].len();
                if !fits || from == to && at != to_at && at.abs_diff(to_at) < len {
                    good = false;
                    break;
                }
                let data = model[from][at..at + len].to_vec();
                model[to][to_at..to_at + len].copy_from_slice(&data);
            }
            prop_assert_eq!(reply.status == Status::Good, good);
            prop_assert!(target.disks == model);
        }
    }
}
