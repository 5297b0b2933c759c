//! How a file becomes a [`Config`], or diagnostics that point at file, line and column.
//!
//! Three steps, each with a file of its own: the text is parsed into a tree with positions (`tree`), the tree
//! is read into the types of this crate (`read`), and what only shows when objects are seen together is
//! checked over both (`rules`). Reading goes on after an error, so that one run shows more than one.

mod diagnostic;
mod nearest;
mod place;
mod read;
mod rules;
mod secrets;
mod tree;

pub use diagnostic::{Diagnostic, Severity};
pub use place::Place;

use crate::{Config, Refusal, codes};
use std::fmt;
use std::io::Read;
use std::path::Path;

/// The largest configuration file, in bytes: room for every target and LUN there can be.
pub const FILE_BYTES_MAX: usize = 8 << 20;

/// The most diagnostics one reading gives.
pub const REPORTED_MAX: usize = 32;

/// A configuration that can be served, and what is doubtful about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What the file says.
    pub config: Config,
    /// What its author should look at; all of it has [`Severity::Warning`].
    pub warnings: Vec<Diagnostic>,
}

/// Why a configuration cannot be served: at least one error, and the warnings found with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected(Vec<Diagnostic>);

impl Rejected {
    /// The diagnostics, in the order of the file.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.0
    }
}

/// Every diagnostic as people read it.
impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|diagnostic| f.write_str(&diagnostic.render()))
    }
}

impl std::error::Error for Rejected {}

/// Reads a configuration from text. `origin` is the name of the file, for the diagnostics.
///
/// Pure: neither secret files nor disks are looked at. Never panics, whatever `text` is.
///
/// # Errors
/// At least one diagnostic of [`Severity::Error`], and at most [`REPORTED_MAX`] in all.
pub fn parse(text: &str, origin: &str) -> Result<Loaded, Rejected> {
    examine(text, origin, false)
}

/// Reads a configuration file, and the secret files it names.
///
/// # Errors
/// As [`parse`]; also `F-0101` for a file that cannot be read, and `F-0603` for a secret file.
pub fn load(path: &Path) -> Result<Loaded, Rejected> {
    let origin = path.display().to_string();
    let text = read_text(path).map_err(|refusal| Rejected(vec![Diagnostic::error(refusal, None)]))?;
    examine(&text, &origin, true)
}

fn examine(text: &str, origin: &str, with_secret_files: bool) -> Result<Loaded, Rejected> {
    if text.len() > FILE_BYTES_MAX {
        return Err(Rejected(vec![Diagnostic::error(too_large(origin), None)]));
    }
    let source = place::Source::new(origin, text);
    let tree = match tree::Tree::parse(text) {
        Ok(tree) => tree,
        Err(syntax) => return Err(Rejected(vec![read::syntax_error(&syntax, &source)])),
    };
    let config = read::config(&tree, &source).map_err(Rejected)?;
    let mut found = rules::check(&config, &tree, &source);
    if found.iter().all(|d| d.severity == Severity::Warning) {
        found.extend(secrets::check(&config, &tree, &source, with_secret_files));
    }
    found.sort_by_key(Diagnostic::position);
    found.truncate(REPORTED_MAX);
    if found.iter().any(|d| d.severity == Severity::Error) {
        return Err(Rejected(found));
    }
    Ok(Loaded { config, warnings: found })
}

fn read_text(path: &Path) -> Result<String, Refusal> {
    let unreadable =
        |why: &dyn fmt::Display| Refusal::new(codes::FILE_UNREADABLE, format!("cannot read {}: {why}", path.display()));
    let file = std::fs::File::open(path).map_err(|e| unreadable(&e).hint("ferrited demo needs no file"))?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(|e| unreadable(&e))?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(too_large(&path.display().to_string()));
    }
    String::from_utf8(bytes)
        .map_err(|e| unreadable(&format_args!("byte {} is not UTF-8", e.utf8_error().valid_up_to())))
}

fn too_large(origin: &str) -> Refusal {
    Refusal::new(codes::FILE_TOO_LARGE, format!("{origin} is larger than {FILE_BYTES_MAX} bytes"))
}

#[cfg(test)]
mod messages;
#[cfg(test)]
mod tests;
