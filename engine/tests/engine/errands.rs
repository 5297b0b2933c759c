//! What outlives the process, and what commands do away from their shards.

use crate::common::*;
use ferrite_api::{IdentitySpec, InquiryText, codes};
use ferrite_backends::MemoryDisk;
use ferrite_engine::{Engine, EngineOptions};
use std::path::Path;
use std::sync::Arc;

fn keeping(folder: &Path) -> EngineOptions {
    EngineOptions { state_dir: Some(folder.to_owned()), ..options(Default::default(), 2) }
}

#[test]
fn a_state_directory_serves_one_engine_and_is_free_when_that_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::new(&keeping(folder.path()));
    let error = Engine::start(&keeping(folder.path())).unwrap_err();
    assert!(error.to_string().contains("another process"), "{error}");
    drop(served);
    Engine::start(&keeping(folder.path())).unwrap();
    let file = folder.path().join("lock");
    assert!(Engine::start(&keeping(&file)).is_err(), "a file is no directory");
}

#[test]
fn a_lun_whose_kept_state_is_damaged_is_refused_by_the_name_of_the_file_and_others_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::new(&keeping(folder.path())).with(0, MemoryDisk::new(1 << 20));
    let file = served.engine.catalog().luns().next().unwrap().keeper.clone().unwrap().path().to_owned();
    served.engine.remove_lun(&iqn(), lun(0)).unwrap();
    std::fs::write(&file, b"{").unwrap();
    let add = |number| {
        let disk = Arc::new(MemoryDisk::new(1 << 20));
        served.engine.add_disk(&iqn(), lun(number), disk, &IdentitySpec::default())
    };
    let refusal = add(0).unwrap_err();
    assert_eq!(refusal.code, codes::STATE_UNUSABLE);
    assert!(refusal.what.contains(file.to_str().unwrap()), "{}", refusal.what);
    add(1).unwrap();
    std::fs::remove_file(&file).unwrap();
    add(0).unwrap();
}

#[test]
fn one_disk_twice_in_one_target_is_refused_where_its_reservations_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(MemoryDisk::new(1 << 20));
    let serial = IdentitySpec { serial: Some(InquiryText::parse("1").unwrap()), ..IdentitySpec::default() };
    for (options, fits) in [(options(Default::default(), 1), true), (keeping(folder.path()), false)] {
        let served = Served::new(&options);
        served.engine.add_disk(&iqn(), lun(0), disk.clone(), &serial).unwrap();
        let second = served.engine.add_disk(&iqn(), lun(1), disk.clone(), &serial);
        assert_eq!(second.map_err(|refusal| refusal.code), if fits { Ok(()) } else { Err(codes::DISK_TWICE) });
    }
}
