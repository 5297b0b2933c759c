//! The memory disk against a plain model, and under readers and writers at once.

use std::sync::atomic::{AtomicBool, Ordering};

use ferrite_backends::testing::Driver;
use ferrite_backends::{Backend, Data, DiskError, MemoryDisk, Op, Pages, RUNS_MAX};
use proptest::collection::vec;
use proptest::prelude::*;

/// Two groups of pages and a part of a third, so that extents cross every kind of border.
const BYTES: u64 = (2 << 24) + (5 << 12);
const BLOCK: u64 = 512;

#[derive(Debug, Clone)]
enum Step {
    Write(u64, u64, u8),
    Read(u64, u64),
    ReadIntoBuffer(u64, u64),
    Discard(u64, u64),
    Zero(u64, u64),
}

/// Extents that are mostly short, near the borders of pages and groups and the end.
fn extent() -> impl Strategy<Value = (u64, u64)> {
    let near = prop_oneof![Just(0), Just(16 << 10), Just(1 << 24), Just(2 << 24), Just(BYTES - (64 << 10))];
    let len = prop_oneof![4 => 1..70u64, 1 => Just((1 << 24) / BLOCK + 3)];
    (near, 0..100u64, len).prop_map(|(near, blocks, len)| {
        let at = (near + blocks * BLOCK).min(BYTES - BLOCK);
        (at, (len * BLOCK).min(BYTES - at))
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (extent(), 1..=255u8).prop_map(|((at, len), fill)| Step::Write(at, len, fill)),
        3 => extent().prop_map(|(at, len)| Step::Read(at, len)),
        1 => extent().prop_map(|(at, len)| Step::ReadIntoBuffer(at, len)),
        1 => extent().prop_map(|(at, len)| Step::Discard(at, len)),
        1 => extent().prop_map(|(at, len)| Step::Zero(at, len)),
    ]
}

fn pages(data: Data) -> Pages {
    match data {
        Data::Pages(pages) => pages,
        other => panic!("a memory disk shares its pages, it does not bring {other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_memory_disk_is_what_a_flat_vector_is_and_what_was_read_stays_as_it_was(steps in vec(step(), 1..40)) {
        let disk = Driver::new(MemoryDisk::new(BYTES));
        let mut model = vec![0u8; BYTES as usize];
        let mut held: Vec<(Pages, Vec<u8>)> = Vec::new();
        for step in steps {
            match step {
                Step::Write(at, len, fill) => {
                    // Bytes that differ from place to place, so that a misplaced one is seen.
                    let bytes: Vec<u8> = (0..len).map(|i| fill ^ (i / 7) as u8).collect();
                    disk.write(at, &bytes).unwrap();
                    model[at as usize..][..len as usize].copy_from_slice(&bytes);
                }
                Step::Read(at, len) => {
                    let read = pages(disk.read_data(at, len as usize).unwrap());
                    let expected = &model[at as usize..][..len as usize];
                    prop_assert!(read.to_vec() == expected, "{len} bytes at {at}");
                    held.push((read, expected.to_vec()));
                }
                Step::ReadIntoBuffer(at, len) => {
                    let read = disk.read_into_buffer(at, len as usize).unwrap();
                    prop_assert!(read == model[at as usize..][..len as usize], "{len} bytes at {at}");
                }
                Step::Discard(at, len) => {
                    disk.run(Op::Discard { at, len }).unwrap();
                    model[at as usize..][..len as usize].fill(0);
                }
                Step::Zero(at, len) => {
                    disk.run(Op::Zero { at, len, may_unmap: false }).unwrap();
                    model[at as usize..][..len as usize].fill(0);
                }
            }
        }
        for (read, expected) in held {
            prop_assert!(read.to_vec() == expected, "a later write changed what had been read");
        }
        prop_assert!(disk.read(0, BYTES as usize).unwrap() == model);
        prop_assert!(disk.disk().resident() <= BYTES.next_multiple_of(16 << 10));
    }
}

#[test]
fn no_reader_sees_half_of_a_write_to_a_block() {
    const BLOCKS: u64 = 64;
    const WRITES: u64 = 20_000;
    let disk = Driver::new(MemoryDisk::with_block_size(BLOCKS * 4096, 4096));
    let stop = AtomicBool::new(false);
    let (disk, stop) = (&disk, &stop);
    let reads = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..2u64)
            .map(|writer| {
                scope.spawn(move || {
                    for turn in 0..WRITES {
                        let block = (turn * 7 + writer * 13) % BLOCKS;
                        let fill = (turn * 2 + writer) as u8;
                        // Now and then a whole page of blocks, now and then none at all.
                        let blocks = if turn % 5 == 0 { (BLOCKS - block).min(4) } else { 1 };
                        match turn % 11 {
                            0 => disk.run(Op::Discard { at: block * 4096, len: blocks * 4096 }).unwrap(),
                            _ => disk.write(block * 4096, &vec![fill; (blocks * 4096) as usize]).unwrap(),
                        }
                    }
                })
            })
            .collect();
        let readers: Vec<_> = (0..2)
            .map(|reader| {
                scope.spawn(move || {
                    let mut reads = 0u64;
                    while !stop.load(Ordering::Relaxed) {
                        let at = (reads * 3 + reader) % (BLOCKS - 8) * 4096;
                        let read = pages(disk.read_data(at, 8 * 4096).unwrap());
                        // Looked at twice: it must be whole, and stay what it is.
                        let (once, again) = (read.to_vec(), read.to_vec());
                        assert!(once == again, "what was read changed under its reader");
                        for block in once.chunks(4096) {
                            assert!(block.iter().all(|byte| *byte == block[0]), "half a write was seen");
                        }
                        reads += 1;
                    }
                    reads
                })
            })
            .collect();
        let written: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        // The readers are let go whatever became of the writers, or a failure would hang.
        stop.store(true, Ordering::Relaxed);
        assert!(written.iter().all(Result::is_ok), "a writer failed");
        readers.into_iter().map(|reader| reader.join().unwrap()).sum::<u64>()
    });
    assert!(reads > 100, "the readers ran beside the writers: {reads}");
}

#[test]
fn memory_is_taken_as_it_is_written_and_given_back_by_whole_pages() {
    let disk = Driver::new(MemoryDisk::new(1 << 40));
    assert_eq!(disk.disk().resident(), 0);
    disk.write(1 << 39, &[7; 512]).unwrap();
    disk.write((1 << 39) + (16 << 10) - 512, &[7; 1024]).unwrap();
    assert_eq!(disk.disk().resident(), 32 << 10);
    disk.run(Op::Discard { at: 1 << 39, len: (16 << 10) + 512 }).unwrap();
    assert_eq!(disk.disk().resident(), 16 << 10, "the second page was discarded in part");
    assert_eq!(disk.read(1 << 39, 32 << 10).unwrap(), vec![0; 32 << 10]);
    disk.run(Op::Zero { at: 0, len: 1 << 40, may_unmap: true }).unwrap();
    assert_eq!(disk.disk().resident(), 0);
}

#[test]
fn a_page_that_a_reader_holds_is_replaced_and_another_is_changed_in_place() {
    let disk = Driver::new(MemoryDisk::new(1 << 20));
    disk.write(0, &[1; 16 << 10]).unwrap();
    let address = || pages(disk.read_data(0, 512).unwrap()).piece(0).as_ptr().addr();
    let before = address();
    disk.write(512, &[2; 512]).unwrap();
    assert_eq!(address(), before, "nobody held the page");
    let held = pages(disk.read_data(0, 1024).unwrap());
    disk.write(0, &[3; 512]).unwrap();
    assert_ne!(address(), before, "a reader held the page");
    assert_eq!(held.to_vec(), [[1; 512], [2; 512]].concat());
    assert_eq!(disk.read(0, 1024).unwrap(), [[3; 512], [2; 512]].concat());
}

#[test]
fn a_disk_ends_where_it_says_and_grows_as_far_as_it_has_room() {
    let disk = Driver::new(MemoryDisk::new(4096).with_room_to(1 << 20));
    assert_eq!(disk.read(4096, 512), Err(DiskError::OutOfRange));
    disk.disk().grow(8192 + 511).unwrap();
    assert_eq!(disk.disk().refresh().unwrap().bytes, 8192);
    assert_eq!(disk.read(4096, 4096).unwrap(), [0; 4096]);
    assert_eq!(disk.disk().grow(4096), Err(DiskError::OutOfRange), "it does not shrink");
    disk.disk().grow(1 << 20).unwrap();
    assert_eq!(disk.disk().grow((1 << 20) + 512), Err(DiskError::OutOfRange));
    assert_eq!(disk.write((1 << 20) - 512, &[7; 1024]), Err(DiskError::OutOfRange));
}

#[test]
#[should_panic(expected = "at most")]
fn a_disk_larger_than_its_limit_is_refused() {
    let _ = MemoryDisk::new(MemoryDisk::BYTES_MAX + 1);
}

#[test]
fn a_disk_of_the_largest_size_is_served_to_its_end() {
    let disk = Driver::new(MemoryDisk::new(MemoryDisk::BYTES_MAX));
    disk.write(MemoryDisk::BYTES_MAX - 512, &[7; 512]).unwrap();
    assert_eq!(disk.read(MemoryDisk::BYTES_MAX - 512, 512).unwrap(), [7; 512]);
}

#[test]
fn a_map_shows_the_pages_that_take_memory() {
    const PAGE: u64 = 16 << 10;
    let disk = Driver::new(MemoryDisk::new(64 << 20));
    for at in [PAGE, 2 * PAGE, 3000 * PAGE] {
        disk.write(at, &[7; 512]).unwrap();
    }
    let map = |at, len| {
        let runs = disk.disk().map(at, len).unwrap().unwrap();
        runs.iter().map(|run| (run.len, run.mapped)).collect::<Vec<_>>()
    };
    let tail = (64 << 20) - 3001 * PAGE;
    assert_eq!(map(0, u64::MAX), [(PAGE, false), (2 * PAGE, true), (2997 * PAGE, false), (PAGE, true), (tail, false)]);
    assert_eq!(map(PAGE + 512, 1024), [(1024, true)]);
    assert_eq!(map(3 * PAGE - 512, 1024), [(512, true), (512, false)]);
    assert_eq!(map((64 << 20) - 512, 1 << 20), [(512, false)]);
    for (at, len) in [(64 << 20, 512), (0, 0), (u64::MAX, 1)] {
        assert_eq!(disk.disk().map(at, len).unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    }
    let usage = disk.disk().usage().unwrap().unwrap();
    assert_eq!((usage.used, usage.available), (3 * PAGE, (64 << 20) - 3 * PAGE));
    disk.run(Op::Discard { at: PAGE, len: PAGE }).unwrap();
    assert_eq!(map(0, 3 * PAGE), [(2 * PAGE, false), (PAGE, true)]);
}

#[test]
fn a_map_of_very_many_pages_ends_early() {
    const PAGE: u64 = 16 << 10;
    let disk = Driver::new(MemoryDisk::new(200 << 20));
    let pairs = RUNS_MAX as u64 / 2 + 1;
    (0..pairs).for_each(|pair| disk.write(pair * 2 * PAGE, &[7; 512]).unwrap());
    let runs = disk.disk().map(0, u64::MAX).unwrap().unwrap();
    assert_eq!(runs.len(), RUNS_MAX);
    assert_eq!(runs.iter().map(|run| run.len).sum::<u64>(), RUNS_MAX as u64 * PAGE);
}

#[test]
fn a_write_within_one_page_is_atomic_and_another_is_refused() {
    let disk = MemoryDisk::new(1 << 20);
    let limits = disk.geometry().atomic.unwrap();
    assert_eq!((limits.max_bytes, limits.alignment), (16 << 10, 16 << 10));
    assert_eq!((limits.granularity, limits.natural), (512, false));
    let disk = Driver::new(disk);
    assert_eq!(disk.write_atomic(16 << 10, &[7; 16 << 10]), Ok(()));
    assert_eq!(disk.write_atomic(0, &[8; 1536]), Ok(()));
    assert_eq!(disk.read(512, 512).unwrap(), [8; 512]);
    assert_eq!(disk.write_atomic(512, &[9; 512]), Err(DiskError::Unsupported));
    assert_eq!(disk.write_atomic(0, &[9; 32 << 10]), Err(DiskError::Unsupported));
    assert_eq!(disk.write_atomic(1 << 20, &[9; 512]), Err(DiskError::OutOfRange));
    assert_eq!(disk.read(16 << 10, 16 << 10).unwrap(), [7; 16 << 10]);
    assert_eq!(disk.run(Op::Prefetch { at: 0, len: 1 << 20 }), Ok(()));
    assert_eq!(disk.run(Op::Prefetch { at: 512, len: 1 << 20 }), Err(DiskError::OutOfRange));
}
