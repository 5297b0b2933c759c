//! Does the house stand as it was planned: who may lean on whom, where `unsafe` lives, what a file is?
//!
//! The checkers read manifests and sources as text. Each takes strings, so that its own tests can show it a house
//! with the fault in it; [`check`] walks the real one.

pub mod circles;
pub mod code;
pub mod manifests;
pub mod sources;

use std::fmt;
use std::path::{Path, PathBuf};

/// A rule that is broken, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The file or folder, from the root of the workspace.
    pub place: String,
    /// What is wrong with it.
    pub what: String,
}

impl Violation {
    pub(crate) fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Violation { place: place.into(), what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// A source file of the workspace.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its path from the root of the workspace, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// A file longer than [`sources::LINES_MAX`] that is right as it is, and why.
pub type LongFile = (&'static str, &'static str);

/// Everything that is wrong with the workspace at this root, in order of place.
///
/// # Panics
/// When it cannot be read.
pub fn check(root: &Path, long_files: &[LongFile]) -> Vec<Violation> {
    let mut wrong = output_folder(root);
    let sources = sources_of(root);
    for manifest in files_of(root, &|path| path.ends_with("Cargo.toml")) {
        wrong.extend(manifests::check(&manifest.path, &manifest.text));
    }
    for source in &sources {
        wrong.extend(sources::check(source, long_files));
    }
    wrong.extend(sources::stale_long_files(&sources, long_files));
    wrong.extend(circles::check(&sources));
    wrong.sort();
    wrong
}

/// All `.rs` files of the workspace.
///
/// # Panics
/// When they cannot be read.
pub fn sources_of(root: &Path) -> Vec<Source> {
    files_of(root, &|path| path.ends_with(".rs"))
}

/// The face of the project is a folder named as Cargo's own output folder: a build without our setting would write
/// into the sources, and a clean delete them.
fn output_folder(root: &Path) -> Vec<Violation> {
    let config = std::fs::read_to_string(root.join(".cargo/config.toml")).unwrap_or_default();
    let mut wrong: Vec<Violation> = sets_output_folder(&config).err().into_iter().collect();
    for profile in ["target/debug", "target/release"] {
        if root.join(profile).exists() {
            wrong.push(Violation::new(
                profile,
                "build output among the sources: a build ran with its own idea of the output folder",
            ));
        }
    }
    wrong
}

fn sets_output_folder(config: &str) -> Result<(), Violation> {
    let table: toml::Table = config.parse().unwrap_or_default();
    let folder = table.get("build").and_then(|build| build.get("target-dir")).and_then(toml::Value::as_str);
    match folder {
        Some(".build") => Ok(()),
        other => Err(Violation::new(
            ".cargo/config.toml",
            format!("[build] target-dir has to be \".build\", and is {other:?}"),
        )),
    }
}

fn files_of(root: &Path, wanted: &dyn Fn(&str) -> bool) -> Vec<Source> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let entries =
            std::fs::read_dir(root.join(&folder)).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let entry = entry.expect("a folder can be read to its end");
            let name = entry.file_name().into_string().expect("our names are UTF-8");
            let path = folder.join(&name);
            // Hidden folders hold git's, cargo's and CI's own things, and nothing that is compiled into ours.
            if entry.file_type().expect("an entry has a type").is_dir() {
                if !name.starts_with('.') {
                    folders.push(path);
                }
            } else if wanted(&name) {
                let text =
                    std::fs::read_to_string(entry.path()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                files.push(Source { path: path.to_str().expect("our names are UTF-8").to_owned(), text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_that_keeps_build_output_away_is_asked_for_by_its_value() {
        assert!(sets_output_folder("[build]\ntarget-dir = \".build\"\n").is_ok());
        for wrong in ["", "[build]\n", "[build]\ntarget-dir = \"target\"\n", "[build]\n# target-dir = \".build\"\n"] {
            assert!(sets_output_folder(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn build_output_among_the_sources_is_seen() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join(".cargo")).unwrap();
        std::fs::write(root.path().join(".cargo/config.toml"), "[build]\ntarget-dir = \".build\"\n").unwrap();
        std::fs::create_dir_all(root.path().join("target/src")).unwrap();
        assert_eq!(output_folder(root.path()), []);
        std::fs::create_dir_all(root.path().join("target/debug")).unwrap();
        assert_eq!(output_folder(root.path()).len(), 1);
    }

    #[test]
    fn the_walk_finds_files_in_folders_and_leaves_hidden_ones_alone() {
        let root = tempfile::tempdir().unwrap();
        for file in ["a/src/lib.rs", "a/src/deep/er.rs", ".build/x.rs", "a/notes.md"] {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "//! x\n").unwrap();
        }
        let found: Vec<String> = sources_of(root.path()).into_iter().map(|source| source.path).collect();
        assert_eq!(found, ["a/src/deep/er.rs", "a/src/lib.rs"]);
    }
}
