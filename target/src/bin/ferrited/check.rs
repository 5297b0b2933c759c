//! What `--check` says: everything that would keep the configuration from being served, without serving it.

use crate::cli::{Cli, Output};
use crate::{output, serve};
use ferrite::api::config::{self, Diagnostic, Severity};
use ferrite::api::{BackendSpec, codes};
use ferrite::{Config, Refusal};
use serde_json::json;
use std::io;

/// Looks at the file, its secret files and the disks it names.
pub(crate) fn run(cli: &Cli) -> io::Result<u8> {
    let (config, diagnostics) = match config::load(&cli.config) {
        Ok(loaded) => {
            let mut all = loaded.warnings;
            all.extend(absent_disks(&loaded.config));
            (Some(loaded.config), all)
        }
        Err(rejected) => (None, rejected.diagnostics().to_vec()),
    };
    match cli.output {
        Output::Text => text(cli, config.as_ref(), &diagnostics)?,
        Output::Json => {
            let answer = json!({
                "schema": "ferrite.check/1",
                "file": cli.config,
                "valid": config.is_some(),
                "targets": config.as_ref().map(|config| config.targets.len()),
                "luns": config.as_ref().map(|config| config.targets.values().map(|t| t.luns.len()).sum::<usize>()),
                "diagnostics": diagnostics,
            });
            output::print(format_args!("{answer:#}\n"))?;
        }
    }
    Ok(if config.is_some() { codes::EXIT_OK } else { codes::EXIT_CONFIG })
}

fn text(cli: &Cli, config: Option<&Config>, diagnostics: &[Diagnostic]) -> io::Result<()> {
    for diagnostic in diagnostics {
        output::say(diagnostic.render());
    }
    match config {
        Some(config) => output::print(format_args!("{}: valid, {}\n", cli.config.display(), serve::summary(config))),
        None => Ok(()),
    }
}

/// A disk that is not there is a doubt and no error: on the passive node of a pair it is as it should be.
fn absent_disks(config: &Config) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (name, target) in &config.targets {
        for (number, lun) in &target.luns {
            let made = matches!(lun.backend, BackendSpec::File { create: true, .. });
            let Some(path) = lun.backend.path().filter(|_| !made) else { continue };
            if let Err(error) = std::fs::metadata(path) {
                let what = format!("lun {number} of {name}: cannot look at {}: {error}", path.display());
                let refusal = Refusal::new(codes::DISK_UNAVAILABLE, what);
                found.push(Diagnostic { severity: Severity::Warning, refusal, place: None });
            }
        }
    }
    found
}
