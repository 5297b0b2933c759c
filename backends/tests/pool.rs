//! The buffer pool: its limits, its reserve, and threads that return what others took.

use std::collections::HashSet;
use std::sync::mpsc::sync_channel;

use ferrite_backends::{Buffer, Pool};

const SLAB: usize = 4 << 20;

fn all(mut take: impl FnMut() -> Option<Buffer>) -> Vec<Buffer> {
    std::iter::from_fn(&mut take).collect()
}

#[test]
fn a_buffer_has_the_length_asked_for_and_is_aligned_and_its_own() {
    let pool = Pool::new(128 << 20);
    assert_eq!(Pool::BUFFER_MAX, 32 << 20);
    let lens =
        [0, 1, 512, 8 << 10, (8 << 10) + 1, 64 << 10, 200_000, 1 << 20, 4 << 20, (4 << 20) + 1, Pool::BUFFER_MAX];
    let mut buffers: Vec<Buffer> = lens.iter().map(|len| pool.take(*len).unwrap()).collect();
    for (tag, (buffer, len)) in (1..).zip(buffers.iter_mut().zip(lens)) {
        assert_eq!((buffer.len(), buffer.as_ptr().addr() % Buffer::ALIGNMENT), (len, 0));
        buffer.fill(tag);
    }
    for (tag, buffer) in (1..).zip(&buffers) {
        assert!(buffer.iter().all(|byte| *byte == tag), "buffers do not share bytes");
    }
    assert!(pool.take(Pool::BUFFER_MAX + 1).is_none());
    assert!(pool.take_urgent(Pool::BUFFER_MAX + 1).is_none());
}

#[test]
fn the_budget_ends_common_buffers_and_the_reserve_ends_urgent_ones() {
    let pool = Pool::new(Pool::BUDGET_MIN);
    let common = all(|| pool.take(8 << 10));
    assert_eq!(common.len(), SLAB / (8 << 10));
    let urgent = all(|| pool.take_urgent(64 << 10));
    assert_eq!(urgent.len(), SLAB / (64 << 10));
    assert_eq!((pool.usage().lent, pool.usage().mapped), (Pool::BUDGET_MIN, Pool::BUDGET_MIN));
    drop(urgent);
    assert!(pool.take(8 << 10).is_none(), "the reserve is not for everyone");
    assert!(pool.take_urgent(Pool::SHORT_MAX).is_some());
    drop(common);
    assert!(pool.take(8 << 10).is_some());
}

#[test]
fn a_budget_out_of_range_is_the_nearest_that_is_allowed() {
    assert_eq!(Pool::new(0).usage().budget, Pool::BUDGET_MIN);
    assert_eq!(Pool::new(usize::MAX).usage().budget, Pool::BUDGET_MAX);
    assert_eq!(Pool::new(Pool::BUDGET_MIN + SLAB).usage().budget, Pool::BUDGET_MIN + SLAB);
}

#[test]
fn a_budget_spent_on_small_buffers_serves_large_ones_once_they_are_home() {
    let pool = Pool::new(4 * SLAB);
    let mut small = all(|| pool.take(4096));
    assert!(pool.take(1 << 20).is_none());
    let keep = small.pop().unwrap();
    drop(small);
    let large = all(|| pool.take(1 << 20));
    assert_eq!(large.len(), 2 * SLAB / (1 << 20), "all slabs but the one that still lends a small buffer");
    drop((keep, large));
    assert_eq!(pool.usage().lent, 0);
}

#[test]
fn only_slabs_without_a_lent_buffer_are_trimmed_and_a_number_keeps_its_address_until_then() {
    let pool = Pool::new(64 << 20);
    assert_eq!((pool.slabs(), pool.changes()), (vec![], 0));
    let mut kept = pool.take(64 << 10).unwrap();
    let (slab, others) = (kept.slab().unwrap(), all(|| pool.take(1 << 20)));
    let (address, len) = pool.slab(slab).unwrap();
    assert!((address.addr()..address.addr() + len).contains(&kept.as_mut_ptr().addr()));
    let mapped = pool.slabs();
    assert_eq!(mapped.len() * SLAB, pool.usage().mapped);
    assert_eq!(pool.changes(), mapped.len() as u64);
    kept.fill(7);
    drop(others);
    assert_eq!(pool.slabs(), mapped, "nothing is unmapped before it is asked for");
    assert_eq!(pool.trim(), (mapped.len() - 1) * SLAB);
    assert_eq!(pool.slabs(), [mapped[usize::from(slab)]]);
    assert_eq!(pool.changes(), mapped.len() as u64 + 1);
    assert!(kept.iter().all(|byte| *byte == 7));
    drop(kept);
    assert_eq!((pool.trim(), pool.trim(), pool.usage().mapped), (SLAB, 0, 0));
    assert_eq!(pool.slab(slab), None);
    assert_eq!(pool.take(512).unwrap().slab(), Some(0), "numbers stay small");
}

/// 32 slabs: 7 for short buffers only, 21 for all, 4 in reserve.
const LARGE: usize = 128 << 20;

#[test]
fn the_longest_buffer_is_what_three_quarters_of_the_common_slabs_hold() {
    let longest = |budget| Pool::new(budget).longest() / SLAB;
    assert_eq!(longest(LARGE), Pool::BUFFER_MAX / SLAB);
    assert_eq!(longest(Pool::BUDGET_MAX), Pool::BUFFER_MAX / SLAB);
    assert_eq!([longest(0), longest(3 * SLAB), longest(4 * SLAB), longest(16 * SLAB)], [1, 1, 2, 8]);
    for budget in [0, 4 * SLAB, 9 * SLAB, 12 * SLAB, LARGE] {
        let pool = Pool::new(budget);
        let long = pool.take(pool.longest()).unwrap();
        assert_eq!(long.len(), pool.longest());
        assert!(pool.take(pool.longest() + 1).is_none());
        drop(long);
        let all: Vec<Buffer> = all(|| pool.take(SLAB));
        assert_eq!(pool.take(pool.longest() + 1).map(drop), None, "too long is not waited for");
        drop(all);
        assert!(pool.take(pool.longest()).is_some());
    }
}

#[test]
fn long_buffers_are_lent_within_the_budget_and_leave_room_for_short_ones() {
    let pool = Pool::new(LARGE);
    let long = all(|| pool.take(Pool::BUFFER_MAX));
    assert_eq!(long.len(), 2);
    assert!(long.iter().all(|buffer| buffer.slab().is_none()));
    assert_eq!(pool.usage().lent, 2 * Pool::BUFFER_MAX);
    pool.forgo_long();
    let shorts = all(|| pool.take(SLAB));
    assert_eq!(shorts.len(), 28 - 16, "what long ones left over is for short ones");
    assert!(pool.take_urgent(Pool::BUFFER_MAX).is_none() && pool.take_urgent(SLAB).is_some());
    drop((long, shorts));
    assert!(pool.usage().mapped <= LARGE && pool.usage().lent == 0);
    let pages: HashSet<usize> = all(|| pool.take(9 << 20))
        .iter()
        .flat_map(|buffer| (0..buffer.len()).step_by(4096).map(|at| buffer[at..].as_ptr().addr()))
        .collect();
    assert_eq!(pages.len(), 7 * (9 << 20) / 4096, "rows of three slabs do not overlap");
}

#[test]
fn a_long_buffer_that_is_waited_for_comes_although_short_ones_are_taken_all_the_time() {
    let pool = Pool::new(LARGE);
    let mut shorts: std::collections::VecDeque<Buffer> = all(|| pool.take(SLAB)).into();
    assert_eq!(shorts.len(), 28);
    let mut turns = 0;
    let long = loop {
        if let Some(long) = pool.take(Pool::BUFFER_MAX) {
            break long;
        }
        // One comes home, and somebody wants another.
        shorts.pop_front();
        shorts.extend(pool.take(SLAB));
        turns += 1;
        assert!(turns <= 28, "every short one that was out has come home since");
    };
    assert!(shorts.len() >= 7, "short ones came all the while");
    drop(shorts);
    assert_eq!(all(|| pool.take(SLAB)).len(), 20, "and nothing is kept when it has come");
    drop(long);
}

#[test]
fn nothing_is_kept_for_a_long_buffer_that_nobody_waits_for_any_more() {
    let pool = Pool::new(LARGE);
    let mut shorts = all(|| pool.take(SLAB));
    assert!(pool.take(Pool::BUFFER_MAX).is_none());
    shorts.truncate(22);
    assert!(pool.take(SLAB).is_none(), "it would be part of the long one");
    assert!(pool.take_urgent(Pool::BUFFER_MAX).is_none(), "nobody passes who waits");
    assert!(pool.take(SLAB).is_none());
    pool.forgo_long();
    assert!(pool.take(SLAB).is_some());
    assert!(pool.take_urgent(Pool::BUFFER_MAX).is_none());
    assert!(pool.take(SLAB).is_some(), "urgent work waits for nothing");
}

#[test]
fn long_buffers_keep_their_bytes_while_idle_slabs_are_trimmed_around_them() {
    let pool = Pool::new(LARGE);
    let mut long = pool.take(Pool::BUFFER_MAX).unwrap();
    let shorts = all(|| pool.take(1 << 20));
    long.fill(7);
    drop(shorts);
    assert!(pool.trim() > 0);
    assert_eq!(pool.usage().mapped, Pool::BUFFER_MAX);
    assert!(long.iter().all(|byte| *byte == 7));
    drop(long);
    assert_eq!((pool.trim(), pool.usage().mapped), (Pool::BUFFER_MAX, 0));
    let again = pool.take(Pool::BUFFER_MAX).unwrap();
    assert!(again.iter().all(|byte| *byte == 0), "memory from the system");
}

#[test]
fn a_buffer_outlives_the_last_handle_of_its_pool() {
    let mut buffer = Pool::new(0).take(4096).unwrap();
    buffer.fill(7);
    assert!(buffer.iter().all(|byte| *byte == 7));
}

#[test]
fn buffers_taken_here_and_returned_there_are_never_lent_twice() {
    const TURNS: usize = 20_000;
    let pool = Pool::new(6 * SLAB);
    std::thread::scope(|scope| {
        for seed in 1..=2u64 {
            let pool = &pool;
            let (give, get) = sync_channel::<(Buffer, u8)>(64);
            // The one who returns checks that nobody wrote into the buffer meanwhile.
            scope.spawn(move || {
                for (buffer, tag) in get {
                    assert!(ends(&buffer).all(|byte| *byte == tag), "somebody else wrote here");
                }
            });
            scope.spawn(move || {
                let lens = [512, 8 << 10, 60_000, 256 << 10, 1 << 20];
                let mut state = seed;
                for turn in 0..TURNS {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let len = lens[(state >> 33) as usize % lens.len()];
                    let urgent = turn % 7 == 0;
                    let taken = if urgent { pool.take_urgent(len) } else { pool.take(len) };
                    let Some(mut buffer) = taken else {
                        std::thread::yield_now();
                        continue;
                    };
                    let tag = (turn as u8) ^ (seed as u8) << 7;
                    let last = buffer.len() - 1;
                    (buffer[0], buffer[last]) = (tag, tag);
                    give.send((buffer, tag)).expect("the other thread lives");
                    if turn % 1000 == 0 {
                        pool.trim();
                    }
                }
            });
        }
    });
    assert_eq!(pool.usage().lent, 0, "every buffer came home");
    pool.trim();
    assert_eq!(pool.usage().mapped, 0);
}

#[test]
fn no_two_lent_buffers_overlap_whatever_their_classes() {
    let pool = Pool::new(8 * SLAB);
    let mut held = Vec::new();
    for turn in 0..2000usize {
        let len = [4096, 8 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20][turn * 7 % 6];
        held.extend(pool.take(len));
        if turn % 3 == 0 && !held.is_empty() {
            held.swap_remove(turn * 31 % held.len());
        }
        let pages: Vec<usize> = held
            .iter()
            .flat_map(|buffer| (0..buffer.len()).step_by(4096).map(|at| buffer[at..].as_ptr().addr()))
            .collect();
        assert_eq!(pages.iter().collect::<HashSet<_>>().len(), pages.len());
    }
}

fn ends(buffer: &Buffer) -> impl Iterator<Item = &u8> {
    [&buffer[0], &buffer[buffer.len() - 1]].into_iter()
}
