//! What is shipped beside the binary holds what it says.

mod kit;

use ferrite::api::config;

const CONFIG: &str = include_str!("../dist/ferrite.toml");
const README: &str = include_str!("../../README.md");
const UNIT: &str = include_str!("../dist/ferrited.service");

#[test]
fn the_example_configuration_is_valid_without_a_warning() {
    let loaded = config::parse(CONFIG, "ferrite.toml").unwrap_or_else(|rejected| panic!("{rejected}"));
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.config.targets.len(), 2);
}

#[test]
fn every_line_that_is_commented_out_in_the_example_is_valid_too() {
    let is_key = |line: &str| line.starts_with("# [") || line.split(" = ").count() == 2 && line.starts_with("# ");
    let whole: String =
        CONFIG.lines().map(|line| format!("{}\n", if is_key(line) { &line[2..] } else { line })).collect();
    assert!(whole.lines().filter(|line| line.starts_with("secret_file")).count() >= 3, "the accounts are there");
    let loaded = config::parse(&whole, "ferrite.toml").unwrap_or_else(|rejected| panic!("{rejected}"));
    assert_eq!(loaded.warnings, []);
    assert!(loaded.config.engine.memory.is_some());
}

#[test]
fn each_configuration_in_the_readme_is_valid_without_a_warning() {
    let blocks = README.split("```toml\n").skip(1).map(|after| after.split_once("```").expect("a block ends").0);
    let luns: Vec<usize> = blocks
        .map(|text| {
            let loaded = config::parse(text, "README.md").unwrap_or_else(|rejected| panic!("{rejected}"));
            assert_eq!(loaded.warnings, []);
            loaded.config.targets.values().map(|target| target.luns.len()).sum()
        })
        .collect();
    assert_eq!(luns, [1, 3]);
}

#[test]
fn the_unit_starts_the_daemon_with_arguments_that_it_has() {
    let commands: Vec<&str> = UNIT
        .lines()
        .filter_map(|line| line.strip_prefix("ExecStart").and_then(|l| l.split_once('=')))
        .map(|(_, c)| c)
        .collect();
    assert_eq!(commands.len(), 2);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ferrite.toml");
    std::fs::write(&path, "schema = 1").unwrap();
    for command in commands {
        let arguments = command
            .split_whitespace()
            .skip(1)
            .map(|word| word.replace("/etc/ferrite/ferrite.toml", path.to_str().unwrap()));
        let output = kit::ferrited(&["--check"]).args(arguments.filter(|word| word != "--check")).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{command}: {}", kit::text(&output.stderr));
    }
}
