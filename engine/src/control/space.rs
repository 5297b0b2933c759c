//! Who looks whether thin units run out of space, and tells their initiators in time (SBC-3, thresholds).
//!
//! A thread that sleeps nearly always sends errands to ask the disks: a disk that does not answer keeps neither it nor
//! the others.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use ferrite_api::Percent;
use ferrite_backends::Usage;
use ferrite_scsi::{Attention, Plan, Reply, Status};

use crate::catalog::{Catalog, Lun};
use crate::errand::{Errands, look};

/// Looks at the units that have a soft threshold, every so often.
pub(crate) struct SpaceWatch {
    shared: Arc<Shared>,
    every: Duration,
}

struct Shared {
    watched: Mutex<Watched>,
    /// The engine stops.
    stop: Condvar,
    errands: Arc<Errands>,
}

#[derive(Default)]
struct Watched {
    /// By [`Lun::id`].
    units: BTreeMap<u64, Unit>,
    is_running: bool,
    stopped: bool,
}

/// The LUN is not kept: when it is removed, its disk is let go of.
struct Unit {
    lun: Weak<Lun>,
    level: Arc<Level>,
}

/// How a unit stood when it was last looked at.
#[derive(Debug, Default)]
struct Level {
    /// Its threshold was reached.
    reached: AtomicBool,
    /// It is being looked at.
    busy: AtomicBool,
}

impl SpaceWatch {
    pub(crate) fn new(errands: Arc<Errands>, every: Duration) -> Self {
        let shared = Shared { watched: Mutex::default(), stop: Condvar::new(), errands };
        Self { shared: Arc::new(shared), every }
    }

    /// The units of `catalog` are watched from now on, and no others. Comes before anybody waits for a unit that is
    /// gone to be let go of.
    pub(crate) fn look_after(&self, catalog: &Catalog) {
        let mut watched = self.shared.lock();
        let mut before = std::mem::take(&mut watched.units);
        for lun in catalog.luns().filter(|lun| lun.soft_threshold.is_some()) {
            let level = before.remove(&lun.id).map_or_else(Arc::default, |unit| unit.level);
            watched.units.insert(lun.id, Unit { lun: Arc::downgrade(lun), level });
        }
        if watched.is_running || watched.stopped || watched.units.is_empty() {
            return;
        }
        let (shared, every) = (self.shared.clone(), self.every);
        match thread::Builder::new().name("ferrite-space".to_owned()).spawn(move || shared.watch(every)) {
            Ok(_) => watched.is_running = true,
            Err(error) => tracing::error!(%error, "no thread to watch the space of thin units"),
        }
    }

    /// Nothing is looked at any more.
    pub(crate) fn stop(&self) {
        self.shared.lock().stopped = true;
        self.shared.stop.notify_all();
    }
}

impl Drop for SpaceWatch {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn watch(&self, every: Duration) {
        let mut watched = self.lock();
        while !watched.stopped {
            // Under the lock: what is gone from the list is given up after this, not before.
            for Unit { lun, level } in watched.units.values() {
                if let Some(lun) = lun.upgrade()
                    && !level.busy.swap(true, Ordering::AcqRel)
                {
                    self.send(lun, level.clone());
                }
            }
            watched = self.stop.wait_timeout(watched, every).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn send(&self, lun: Arc<Lun>, level: Arc<Level>) {
        let unit = lun.id;
        let at_last = level.clone();
        let work = move || {
            level.look_at(&lun);
            Plan::Reply(Reply::from(Status::Good))
        };
        // Where there is no place in the line it is looked at another time.
        if self.errands.send(look(unit, work), move |_| at_last.busy.store(false, Ordering::Release)).is_err() {
            tracing::debug!(unit, "its space is looked at later");
        }
    }

    // Each change is complete before anything in it could panic.
    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Level {
    /// Every initiator hears once that the threshold is reached, and again only after it was not.
    fn look_at(&self, lun: &Lun) {
        let Some(threshold) = lun.soft_threshold else { return };
        let usage = match lun.disk.usage() {
            Ok(Some(usage)) => usage,
            Ok(None) => return,
            Err(error) => return tracing::warn!(disk = lun.disk.describe(), %error, "its space cannot be looked at"),
        };
        let reached = is_reached(usage, lun.unit.medium().bytes(), threshold);
        if reached && !self.reached.swap(true, Ordering::Relaxed) {
            let Usage { used, available } = usage;
            tracing::warn!(disk = lun.disk.describe(), used, available, %threshold, "a thin unit runs out of space");
            lun.unit.book().post(None, Attention::ThinThreshold);
        } else if !reached {
            self.reached.store(false, Ordering::Relaxed);
        }
    }
}

/// Whether a unit of `bytes` bytes uses at least this share of all the space that it can have. One that could have all
/// of its bytes is short of nothing, however much of them it uses.
fn is_reached(Usage { used, available }: Usage, bytes: u64, threshold: Percent) -> bool {
    let most = used.saturating_add(available);
    most < bytes && u128::from(used) * 100 >= u128::from(most) * u128::from(threshold.value())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{House, Target};
    use ferrite_api::{IdentitySpec, Iqn, TargetSpec};
    use ferrite_backends::{Backend, DiskError, FileRing, Geometry, Job};
    use ferrite_scsi::{Device, Nexus, NexusId};
    use std::io;
    use std::sync::atomic::AtomicU64;
    use std::time::Instant;

    fn reached(used: u64, available: u64, bytes: u64) -> bool {
        is_reached(Usage { used, available }, bytes, Percent::parse("80%").unwrap())
    }

    #[test]
    fn a_threshold_is_a_share_of_what_the_unit_can_have() {
        assert!(!reached(799, 201, 10_000));
        assert!(reached(800, 200, 10_000));
        assert!(reached(1000, 0, 10_000));
        assert!(reached(0, 0, 10_000), "nothing is left and nothing was got");
        assert!(reached(u64::MAX / 2, 1, u64::MAX));
    }

    #[test]
    fn a_unit_that_can_have_all_of_its_bytes_is_short_of_nothing() {
        assert!(!reached(999, 1, 1000));
        assert!(reached(999, 0, 1000));
        assert!(!reached(1000, u64::MAX, 1000));
    }

    /// A disk whose space others take.
    struct Thin {
        available: AtomicU64,
    }

    impl Backend for Thin {
        fn geometry(&self) -> Geometry {
            Geometry::plain(512, 1 << 20)
        }

        fn submit(&self, job: Job, _ring: &mut dyn FileRing) {
            job.finish(Err(DiskError::Unsupported));
        }

        fn refresh(&self) -> io::Result<Geometry> {
            Ok(self.geometry())
        }

        fn usage(&self) -> io::Result<Option<Usage>> {
            Ok(Some(Usage { used: 800, available: self.available.load(Ordering::Relaxed) }))
        }

        fn describe(&self) -> String {
            "thin".to_owned()
        }
    }

    #[test]
    fn each_crossing_of_a_threshold_is_told_once_and_a_removed_unit_is_let_go_of() {
        let name = Iqn::parse("iqn.2026-11.com.example:disk").unwrap();
        let disk = Arc::new(Thin { available: AtomicU64::new(1000) });
        let house = House { state_dir: None, transfer_max: 1 << 20 };
        let lun = Lun::new(7, &name, 0, disk.clone(), &IdentitySpec::default(), false, &house).unwrap();
        let lun = lun.with_soft_threshold(Some(Percent::parse("80%").unwrap())).unwrap();
        let device = Arc::new(Device::new(|| 0, |bytes| bytes.fill(4)));
        let target = Target::new(1, name, &TargetSpec::default(), &[1], device).unwrap().with(lun);
        let unit = target.luns[&0].unit.clone();
        let catalog = Catalog::empty().with(target);
        let id = NexusId { session: 1, name: "iqn.2026-11.com.example:host,i,0x1".into(), portal_group: 1 };
        let mut nexus = Nexus::new(id);
        let mut heard = |expected: &[Attention]| {
            let until = Instant::now() + Duration::from_secs(20);
            while unit.attentions(&mut nexus) != expected && Instant::now() < until {
                thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(unit.attentions(&mut nexus), expected);
            nexus.forget_attentions();
            // Some looks later nothing is said again.
            thread::sleep(Duration::from_millis(30));
            assert_eq!(unit.attentions(&mut nexus), []);
        };
        heard(&[Attention::PowerOn]);
        let watch = SpaceWatch::new(Arc::new(Errands::new()), Duration::from_millis(1));
        watch.look_after(&catalog);
        heard(&[]);
        for _ in 0..2 {
            disk.available.store(200, Ordering::Relaxed);
            heard(&[Attention::ThinThreshold]);
            disk.available.store(201, Ordering::Relaxed);
            heard(&[]);
        }
        watch.look_after(&Catalog::empty());
        drop(catalog);
        let until = Instant::now() + Duration::from_secs(20);
        while Arc::strong_count(&disk) > 1 && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(Arc::strong_count(&disk), 1);
    }
}
