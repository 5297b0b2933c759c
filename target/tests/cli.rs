//! What `ferrited` says on the command line, word for word, and with which exit code.

mod kit;

use kit::{run, text};
use std::path::PathBuf;
use tempfile::TempDir;

/// A folder with one file in it.
fn file(content: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ferrite.toml");
    std::fs::write(&path, content).unwrap();
    (folder, path)
}

/// Exit code, standard output, standard error; the folder's name taken out.
fn checked(content: &str, more: &[&str]) -> (i32, String, String) {
    let (folder, path) = file(content);
    let mut arguments = vec!["--config", path.to_str().unwrap(), "--check"];
    arguments.extend(more);
    let output = run(&arguments);
    let here = folder.path().to_str().unwrap();
    let plain = |bytes: &[u8]| text(bytes).replace(here, "DIR");
    (output.status.code().unwrap(), plain(&output.stdout), plain(&output.stderr))
}

const VALID: &str = "schema = 1\n[targets.\"iqn.2026-11.com.example:a\"]\nallow = [\"any\"]\nluns.0 = { backend = \"memory\", size = \"1M\" }\n";

#[test]
fn a_valid_configuration_is_called_so() {
    assert_eq!(checked(VALID, &[]), (0, "DIR/ferrite.toml: valid, 1 target with 1 LUN\n".into(), String::new()));
    assert_eq!(
        checked("schema = 1", &[]),
        (0, "DIR/ferrite.toml: valid, 0 targets with 0 LUNs\n".into(), String::new())
    );
}

#[test]
fn an_invalid_configuration_ends_with_6_and_points_at_the_place() {
    let (code, out, err) = checked("schema = 1\n[global]\n  portal = [\"127.0.0.1\"]\n", &[]);
    assert_eq!((code, out.as_str()), (6, ""));
    let expected = "\
error[F-0110]: unknown key \"portal\" in [global]
  --> DIR/ferrite.toml:3:3
   |  portal = [\"127.0.0.1\"]
   |  ^^^^^^
  help: did you mean \"portals\"?
";
    assert_eq!(err, expected);
}

#[test]
fn doubts_are_said_and_do_not_make_a_configuration_invalid() {
    let content = VALID
        .replace("\"memory\", size = \"1M\"", "\"block\", path = \"/nonexistent/disk\"")
        .replace("[\"any\"]", "[]");
    let (code, out, err) = checked(&content, &[]);
    assert_eq!((code, out.as_str()), (0, "DIR/ferrite.toml: valid, 1 target with 1 LUN\n"));
    let expected = "\
warning[F-0606]: target iqn.2026-11.com.example:a lets nobody in
  --> DIR/ferrite.toml:3:9
   |  allow = []
   |          ^^
  help: list who may enter: allow = [\"iqn:GLOB\", \"addr:ADDRESS/BITS\"]
warning[F-0301]: lun 0 of iqn.2026-11.com.example:a: cannot look at /nonexistent/disk: No such file or directory (os error 2)
";
    assert_eq!(err, expected);
}

#[test]
fn machines_get_the_answer_as_json_on_standard_output() {
    let (code, out, err) = checked("schema = 1\n[globl]\n", &["-o", "json"]);
    assert_eq!((code, err.as_str()), (6, ""));
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    let expected = serde_json::json!({
        "schema": "ferrite.check/1",
        "file": "DIR/ferrite.toml",
        "valid": false,
        "targets": null,
        "luns": null,
        "diagnostics": [{
            "severity": "error",
            "code": "F-0110",
            "what": "unknown key \"globl\" in the file",
            "hint": "did you mean \"global\"?",
            "place": { "file": "DIR/ferrite.toml", "line": 2, "column": 2 },
        }],
    });
    assert_eq!(answer, expected);
    let (code, out, _) = checked(VALID, &["-o", "json"]);
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &answer["valid"], &answer["luns"]), (0, &true.into(), &1.into()));
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    let output = run(&["--config", "/nonexistent/ferrite.toml"]);
    assert_eq!(output.status.code(), Some(6));
    let expected = "\
error[F-0101]: cannot read /nonexistent/ferrite.toml: No such file or directory (os error 2)
  help: ferrited demo needs no file
";
    assert_eq!(text(&output.stderr), expected);
}

#[test]
fn a_secret_file_that_others_may_read_is_refused_before_anything_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "correct horse\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&secret, mode).unwrap();
    let content =
        format!("schema = 1\n[[global.discovery_auth]]\nuser = \"u\"\nsecret_file = \"{}\"\n", secret.display());
    let (code, _, err) = checked(&content, &[]);
    assert_eq!(code, 6);
    let err = err.replace(folder.path().to_str().unwrap(), "SECRETS");
    assert!(err.starts_with("error[F-0603]: account 1 for discovery: secret file \"SECRETS/secret\" has mode 0644: others than its owner may use it\n"), "{err}");
    assert!(err.ends_with("  help: chmod 0600 SECRETS/secret\n"), "{err}");
}

#[test]
fn wrong_usage_ends_with_2() {
    let wrong: [&[&str]; 9] = [
        &["--colour"],
        &["-o", "json"],
        &["--check", "-o", "yaml"],
        &["--grace", "soon"],
        &["demo", "--size", "513"],
        &["demo", "--port", "65536"],
        &["demo", "--config", "x"],
        &["man", "nothing"],
        &["demo", "--self-check", "--log", "a=b=c"],
    ];
    for arguments in wrong {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains("error: "), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn help_tells_the_exit_codes_and_the_version_is_the_packages() {
    let help = run(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(text(&help.stdout).contains("Exit codes: 0 done"));
    assert!(!text(&help.stdout).contains("  man "), "the manual pages are for packages");
    assert_eq!(text(&run(&["--version"]).stdout), concat!("ferrited ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn completions_know_every_flag() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        for word in ["demo", "config", "self-check", "grace"] {
            assert!(text(&output.stdout).contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn manual_pages_are_of_section_8() {
    let page = run(&["man"]);
    assert!(text(&page.stdout).contains(".TH ferrited 8"), "{}", text(&page.stdout));
    let demo = run(&["man", "demo"]);
    assert_eq!(demo.status.code(), Some(0));
    assert!(text(&demo.stdout).contains("self\\-check"));
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let mut child = kit::ferrited(&["completions", "bash"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(!text(&output.stderr).contains("panicked"), "{}", text(&output.stderr));
}
