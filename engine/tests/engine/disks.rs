//! What goes another way to each kind of disk: urgent jobs, prefetches, atomic writes.

use crate::common::*;
use crate::exchanging::exchange;
use crate::long::disks;
use ferrite_backends::Backend;
use ferrite_iscsi::initiator::{Request, cdb};

#[test]
fn an_exchange_a_prefetch_and_an_atomic_write_end_as_they_should_on_every_kind_of_disk() {
    both_tenants(|choice| {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let served = Served::new(&options(choice, 1));
        let disks = disks(folder.path(), 8 << 20);
        let numbers: Vec<u16> = (0..disks.len() as u16).collect();
        let atomic: Vec<_> = disks.iter().map(|disk| disk.geometry().atomic).collect();
        numbers.iter().zip(disks).for_each(|(number, disk)| served.add(*number, disk));
        let mut host = served.login(1, &numbers);
        for (number, atomic) in numbers.iter().zip(atomic) {
            let on = |request: Request| Request { lun: ferrite_iscsi::initiator::lun(*number), ..request };
            let (old, new) = (vec![0; 4096], pattern(u64::from(*number) + 1, 4096));
            assert!(host.command(&on(exchange(8, &old, &new))).unwrap().is_good(), "lun {number}");
            assert_eq!(host.command(&on(exchange(8, &old, &new))).unwrap().sense_code(), Some((0xe, 0x1d, 0)));
            assert_eq!(host.read(*number, 8, 8, BLOCK).unwrap(), new);

            let mut prefetch = cdb::read16(0, 16384);
            prefetch[0] = 0x90;
            // CONDITION MET would say that all of it fits in a cache, which nobody knows.
            assert!([0, 4].contains(&host.command(&on(Request::new(0, &prefetch))).unwrap().status), "lun {number}");

            let mut whole = cdb::write16(16, 0);
            (whole[0], whole[13]) = (0x9c, 8);
            let written = host.command(&on(Request::new(0, &whole).writing(new.clone()))).unwrap();
            let allowed = atomic.is_some_and(|limits| limits.allow(16 * 512, 4096));
            assert_eq!(written.is_good(), allowed, "lun {number}: {written:?}");
            let holds = if allowed { new } else { old };
            assert!(host.read(*number, 16, 8, BLOCK).unwrap() == holds, "lun {number}");
        }
    });
}
