//! The configuration file, as anybody may write it.

use ferrite_api::config::{FILE_BYTES_MAX, REPORTED_MAX, parse};

/// Reads bytes as a configuration. What is refused comes with diagnostics that can be shown; what is taken can be
/// written and is read again as the same.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    assert!(text.len() <= FILE_BYTES_MAX, "the fuzzer's inputs are smaller than that");
    match parse(text, "ferrite.toml") {
        Err(rejected) => {
            let found = rejected.diagnostics();
            assert!((1..=REPORTED_MAX).contains(&found.len()));
            assert!(!rejected.to_string().is_empty());
        }
        Ok(loaded) => {
            let written = toml::to_string(&loaded.config).expect("what was read can be written");
            let again = parse(&written, "ferrite.toml").unwrap_or_else(|error| panic!("{written}\n{error}"));
            assert_eq!(again.config, loaded.config, "{written}");
        }
    }
}
