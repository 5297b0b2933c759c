//! What happens when a test's tool is not on the machine?
//!
//! Under CI the test fails: a proof that did not run is not one. Elsewhere it is skipped, with a line past the test
//! runner's capture that says why and how to get the tool.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Something a test cannot do without, and how to get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    what: String,
    how: String,
}

impl Missing {
    /// `what` is not here; `how` tells a person what to do about it.
    pub fn new(what: impl Into<String>, how: impl Into<String>) -> Self {
        Missing { what: what.into(), how: how.into() }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not here; get it: {}", self.what, self.how)
    }
}

/// What was found, or None after a loud line; the test then returns.
///
/// # Panics
/// Under CI (the variable `CI` set and not empty), when it was not found.
pub fn require<T>(found: Result<T, Missing>) -> Option<T> {
    let strict = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    decide(found, strict, &mut std::io::stderr())
}

/// The path of a tool on `PATH` or in the folders of administrators.
///
/// # Errors
/// [`Missing`], with the script that installs it.
pub fn tool(name: &str) -> Result<PathBuf, Missing> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|candidate| is_executable(candidate))
        .ok_or_else(|| Missing::new(name, "interop-tests/install-tools"))
}

/// Nothing, for tests that need the rights of root.
///
/// # Errors
/// [`Missing`] for everybody else.
pub fn root(what_for: &str) -> Result<(), Missing> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    Err(Missing::new(format!("root ({what_for})"), "run the tests as root"))
}

fn decide<T>(found: Result<T, Missing>, strict: bool, out: &mut dyn Write) -> Option<T> {
    match found {
        Ok(found) => Some(found),
        Err(missing) => {
            assert!(!strict, "under CI nothing is skipped: {missing}");
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            // Not `eprintln!`: the runner would swallow it together with the output of the test that "passed".
            let _ = writeln!(out, "SKIPPED: {test}: {missing}");
            None
        }
    }
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn absent() -> Result<PathBuf, Missing> {
        tool("a-tool-that-nobody-has")
    }

    #[test]
    fn a_missing_tool_skips_loudly_and_says_how_to_get_it() {
        let mut said = Vec::new();
        assert_eq!(decide(absent(), false, &mut said), None);
        let said = String::from_utf8(said).unwrap();
        assert!(said.starts_with("SKIPPED: "), "{said}");
        assert!(said.contains("a-tool-that-nobody-has is not here"), "{said}");
        assert!(said.contains("interop-tests/install-tools"), "{said}");
    }

    #[test]
    #[should_panic(expected = "under CI nothing is skipped")]
    fn a_missing_tool_fails_under_ci() {
        decide(absent(), true, &mut std::io::sink());
    }

    #[test]
    fn a_tool_that_is_there_is_found_by_name() {
        assert!(tool("sh").unwrap().ends_with("sh"));
    }
}
