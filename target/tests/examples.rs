//! Every example starts, serves, and ends.

use std::path::PathBuf;
use std::process::Command;

/// The folder in which cargo puts examples when it builds tests.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(|deps| deps.parent()).unwrap();
    profile.join("examples").join(name)
}

#[test]
fn every_example_starts_says_where_it_listens_and_ends() {
    for name in ["ram_target", "custom_backend", "in_tokio"] {
        let output = Command::new(example(name)).arg("--once").output().unwrap_or_else(|e| panic!("{name}: {e}"));
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(printed.starts_with("iscsi://127.0.0.1:"), "{name}: {printed}");
    }
}
