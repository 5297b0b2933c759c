//! Does the workspace keep the house rules: floors, means, files, no circles?

use ferrite_interop_tests::house::{LongFile, check, sources_of};
use ferrite_interop_tests::software::workspace;

/// Files that are longer than the limit and right as they are, each with its reason. The list only shrinks.
const LONG_FILES: &[LongFile] = &[];

#[test]
fn the_house_stands_as_it_was_planned() {
    let wrong: Vec<String> = check(workspace(), LONG_FILES).iter().map(ToString::to_string).collect();
    assert!(wrong.is_empty(), "{} faults:\n  {}", wrong.len(), wrong.join("\n  "));
}

#[test]
fn the_check_reads_every_crate_of_the_workspace() {
    let manifest: toml::Table = std::fs::read_to_string(workspace().join("Cargo.toml")).unwrap().parse().unwrap();
    let members = manifest["workspace"]["members"].as_array().unwrap();
    let sources = sources_of(workspace());
    for member in members {
        let folder = format!("{}/", member.as_str().unwrap());
        assert!(sources.iter().any(|source| source.path.starts_with(&folder)), "no source of {folder} was read");
    }
}
