//! Does every input that a fuzzer once found interesting still come through its door?

use std::fs;
use std::path::{Path, PathBuf};

use ferrite_fuzz_doors::DOORS;

/// Bytes that one folder of inputs may have: the corpora are kept small, for they are put through with every test run.
const CORPUS_MAX: u64 = 200 * 1024;

fn corpus(door: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(door)
}

/// The inputs of a door, in the order of their names.
fn inputs(door: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = fs::read_dir(corpus(door)).unwrap_or_else(|error| panic!("fuzz/corpus/{door}: {error}"));
    let mut inputs: Vec<_> =
        folder.map(|entry| entry.unwrap().path()).map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    inputs.sort();
    inputs
}

#[test]
fn every_kept_input_comes_through_its_door() {
    for (name, door) in DOORS {
        let inputs = inputs(name);
        assert!(!inputs.is_empty(), "fuzz/corpus/{name} is empty");
        for (path, bytes) in inputs {
            if std::panic::catch_unwind(|| door(&bytes)).is_err() {
                panic!("{} does not come through", path.display());
            }
        }
    }
}

#[test]
fn nothing_and_almost_nothing_come_through_every_door() {
    for (name, door) in DOORS {
        door(&[]);
        for byte in 0..=255 {
            assert!(std::panic::catch_unwind(|| door(&[byte])).is_ok(), "{name}: {byte:#04x}");
        }
    }
}

#[test]
fn every_folder_of_inputs_has_a_door_and_is_small() {
    let mut folders: Vec<String> =
        fs::read_dir(corpus("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    folders.sort();
    let mut doors = DOORS.map(|(name, _)| name);
    doors.sort_unstable();
    assert_eq!(folders, doors);
    for door in doors {
        let bytes: u64 = inputs(door).iter().map(|(_, bytes)| bytes.len() as u64).sum();
        assert!(bytes <= CORPUS_MAX, "fuzz/corpus/{door} has {bytes} bytes: minimise it");
    }
}

#[test]
fn every_door_has_a_fuzz_target() {
    for (name, _) in DOORS {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz_targets").join(format!("{name}.rs"));
        let text = fs::read_to_string(&target).unwrap_or_else(|error| panic!("{}: {error}", target.display()));
        assert!(text.contains(&format!("ferrite_fuzz_doors::{name}(")), "{}", target.display());
    }
}
