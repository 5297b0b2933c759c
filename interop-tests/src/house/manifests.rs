//! Which crate of the workspace may depend on which, and which on tokio and io-uring?

use super::Violation;
use toml::{Table, Value};

/// May a crate have something?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum May {
    /// Yes.
    Yes,
    /// No, not even in its tests.
    No,
    /// Only as an optional dependency, behind a feature, and in its tests.
    Optionally,
}

/// A crate's place in the house.
struct Floor {
    folder: &'static str,
    /// The crates of ours it may depend on, by folder.
    ours: &'static [&'static str],
    /// And in its tests besides.
    ours_in_tests: &'static [&'static str],
    tokio: May,
    ring: May,
}

const ANY: &[&str] = &["*"];

const fn floor(
    folder: &'static str,
    ours: &'static [&'static str],
    tests: &'static [&'static str],
    tokio: May,
    ring: May,
) -> Floor {
    Floor { folder, ours, ours_in_tests: tests, tokio, ring }
}

/// The floors, from the ground up.
#[rustfmt::skip]
const FLOORS: &[Floor] = &[
    //    folder           may lean on                                       and in tests        tokio            io-uring
    floor("scsi",          &[],                                              &[],                May::No,         May::No),
    floor("iscsi",         &[],                                              &[],                May::No,         May::No),
    floor("backends",      &[],                                              &[],                May::No,         May::No),
    floor("api",           &[],                                              &[],                May::Optionally, May::No),
    floor("engine",        &["scsi", "iscsi", "backends", "api"],            &[],                May::Yes,        May::Yes),
    floor("target",        &["scsi", "iscsi", "backends", "api", "engine"],  &["interop-tests"], May::Yes,        May::No),
    floor("cluster",       &["api", "tools"],                                &["interop-tests"], May::Yes,        May::No),
    floor("tools",         &["api", "cluster"],                              &["interop-tests"], May::Yes,        May::No),
    floor("benches",       ANY,                                              ANY,                May::No,         May::No),
    floor("interop-tests", ANY,                                              ANY,                May::Yes,        May::No),
    floor("fuzz",          &["fuzz/doors"],                                  &[],                May::No,         May::No),
    floor("fuzz/doors",    &["scsi", "iscsi", "backends", "api", "engine"],  &[],                May::No,         May::No),
];

/// What is wrong with this manifest; `path` is from the root of the workspace.
pub fn check(path: &str, text: &str) -> Vec<Violation> {
    let Some(folder) = path.strip_suffix("/Cargo.toml") else {
        return Vec::new();
    };
    let Some(floor) = FLOORS.iter().find(|floor| floor.folder == folder) else {
        return vec![Violation::new(path, "a crate without a floor: give it a row in the table of floors")];
    };
    let table: Table = match text.parse() {
        Ok(table) => table,
        Err(error) => return vec![Violation::new(path, format!("is no TOML: {error}"))],
    };
    let wrong = dependencies(&table).into_iter().filter_map(|dependency| floor.objection(&dependency));
    wrong.map(|what| Violation::new(path, what)).collect()
}

/// A dependency, by the name of the package.
struct Dependency {
    package: String,
    in_tests: bool,
    optional: bool,
}

impl Floor {
    fn objection(&self, dependency: &Dependency) -> Option<String> {
        let package = &dependency.package;
        if let Some(ours) = folder_of(package) {
            let leans = |on: &[&str]| on == ANY || on.contains(&ours);
            let may = leans(self.ours) || dependency.in_tests && leans(self.ours_in_tests);
            // A crate may be its own dev-dependency, to switch on a feature in its tests.
            let itself = ours == self.folder && dependency.in_tests;
            return (!may && !itself).then(|| format!("must not depend on {package}: that is not below it"));
        }
        let may = match package.as_str() {
            "tokio" => self.tokio,
            "io-uring" | "tokio-uring" => self.ring,
            _ => return None,
        };
        match may {
            May::Yes => None,
            May::Optionally if dependency.optional || dependency.in_tests => None,
            May::Optionally => Some(format!("may depend on {package} only behind a feature")),
            May::No => Some(format!("must not depend on {package}")),
        }
    }
}

/// The folder of one of our packages.
fn folder_of(package: &str) -> Option<&str> {
    match package {
        "ferrite" => Some("target"),
        "ferrite-fuzz-doors" => Some("fuzz/doors"),
        _ => package.strip_prefix("ferrite-"),
    }
}

/// All dependencies: of the crate, its tests and its build, for every platform.
fn dependencies(manifest: &Table) -> Vec<Dependency> {
    const KINDS: [(&str, bool); 3] =
        [("dependencies", false), ("dev-dependencies", true), ("build-dependencies", false)];
    let platforms = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let tables = std::iter::once(manifest).chain(platforms.filter_map(Value::as_table));
    let mut found = Vec::new();
    for table in tables {
        for (kind, in_tests) in KINDS {
            let entries = table.get(kind).and_then(Value::as_table).into_iter().flatten();
            found.extend(entries.map(|(name, value)| {
                Dependency {
                    // A dependency under another name says which package it is.
                    package: value.get("package").and_then(Value::as_str).unwrap_or(name).to_owned(),
                    in_tests,
                    optional: value.get("optional").and_then(Value::as_bool).unwrap_or(false),
                }
            }));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(folder: &str, manifest: &str) -> usize {
        check(&format!("{folder}/Cargo.toml"), manifest).len()
    }

    #[test]
    fn the_ground_floor_depends_on_nothing_of_ours() {
        for ground in ["scsi", "iscsi", "backends", "api"] {
            assert_eq!(wrong(ground, "[dependencies]\nbytes.workspace = true\n"), 0);
            for table in ["dependencies", "dev-dependencies", "build-dependencies", "target.'cfg(unix)'.dependencies"] {
                assert_eq!(
                    wrong(ground, &format!("[{table}]\nferrite-engine.workspace = true\n")),
                    1,
                    "{ground} {table}"
                );
            }
        }
        assert_eq!(wrong("scsi", "[dependencies]\nferrite-iscsi.workspace = true\n"), 1);
    }

    #[test]
    fn a_dependency_under_another_name_is_still_seen() {
        assert_eq!(
            wrong("scsi", "[dependencies]\nharmless = { package = \"ferrite-engine\", path = \"../engine\" }\n"),
            1
        );
    }

    #[test]
    fn tools_and_cluster_reach_the_api_and_each_other_and_never_the_data_path() {
        for (folder, other) in [("tools", "cluster"), ("cluster", "tools")] {
            assert_eq!(wrong(folder, &format!("[dependencies]\nferrite-api = {{}}\nferrite-{other} = {{}}\n")), 0);
            for data_path in ["ferrite", "ferrite-engine", "ferrite-scsi", "ferrite-iscsi", "ferrite-backends"] {
                assert_eq!(wrong(folder, &format!("[dependencies]\n{data_path} = {{}}\n")), 1, "{folder} {data_path}");
            }
        }
    }

    #[test]
    fn the_middle_leans_on_the_ground_and_not_on_the_top() {
        assert_eq!(wrong("engine", "[dependencies]\nferrite-scsi = {}\nferrite-api = {}\n"), 0);
        assert_eq!(wrong("engine", "[dependencies]\nferrite = {}\n"), 1);
        assert_eq!(wrong("engine", "[dependencies]\nferrite-interop-tests = {}\n"), 1);
    }

    #[test]
    fn the_kit_may_be_used_in_tests_of_the_top_only() {
        assert_eq!(wrong("target", "[dev-dependencies]\nferrite-interop-tests = {}\n"), 0);
        assert_eq!(wrong("target", "[dependencies]\nferrite-interop-tests = {}\n"), 1);
    }

    #[test]
    fn tokio_and_io_uring_stay_in_their_crates() {
        assert_eq!(wrong("engine", "[dependencies]\ntokio = {}\nio-uring = {}\n"), 0);
        assert_eq!(wrong("backends", "[dependencies]\nio-uring = {}\n"), 1);
        assert_eq!(wrong("iscsi", "[dev-dependencies]\ntokio = {}\n"), 1);
        assert_eq!(wrong("api", "[dependencies]\ntokio = { optional = true }\n"), 0);
        assert_eq!(wrong("api", "[dependencies]\ntokio = {}\n"), 1);
        assert_eq!(wrong("benches", "[dev-dependencies]\ntokio = {}\n"), 1);
    }

    #[test]
    fn a_crate_without_a_floor_is_seen() {
        assert_eq!(wrong("attic", "[package]\nname = \"ferrite-attic\"\n"), 1);
    }
}
