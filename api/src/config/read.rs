//! How the tree becomes a [`Config`], and how what serde says about it becomes what an operator can use.

use super::nearest::nearest;
use super::place::Source;
use super::tree::{Path, Tree};
use super::{Diagnostic, REPORTED_MAX};
use crate::names::quoted;
use crate::{Config, Refusal, Schema, codes};
use serde::Deserialize;

/// How much text is gone through again and again after errors, at most, in all turns together.
const REREAD_BYTES_MAX: usize = 64 << 20;

/// The text is not TOML.
pub(crate) fn syntax_error(error: &toml::de::Error, source: &Source<'_>) -> Diagnostic {
    let what = error.message().lines().next().unwrap_or("this is not TOML").to_owned();
    Diagnostic::error(Refusal::new(codes::BAD_SYNTAX, what), error.span().map(|span| source.place(&span)))
}

/// Reads the tree. After an error, what is wrong is taken out of a copy and reading starts again, so that
/// independent errors are all shown; only a tree without any becomes a config.
pub(crate) fn config(tree: &Tree<'_>, source: &Source<'_>) -> Result<Config, Vec<Diagnostic>> {
    check_schema(tree, source)?;
    let mut rest = tree.copy();
    let mut found: Vec<Diagnostic> = Vec::new();
    let mut removed: Vec<Path> = Vec::new();
    // Each turn removes a value or ends, and a turn that says nothing follows one that did. Of a huge file
    // fewer errors are looked for, so that no file keeps the reader busy for minutes.
    let turns = (REREAD_BYTES_MAX / source.len().max(1)).clamp(2, 2 * REPORTED_MAX);
    for _ in 0..turns {
        let error = match Config::deserialize(rest.deserializer()) {
            Ok(config) if found.is_empty() => return Ok(config),
            Ok(_) => break,
            Err(error) => error,
        };
        let path = error.span().and_then(|span| rest.locate(&span)).unwrap_or_default();
        let (refusal, at) = explain(error.message(), &path, tree);
        // What is missing only because it was taken out is not missing.
        let follows = refusal.code == codes::MISSING_KEY && removed.iter().any(|r| r.starts_with(&path));
        if !follows {
            // Of an unknown key the key is wrong, of everything else the value.
            let span = if refusal.code == codes::UNKNOWN_KEY { tree.key_span(&at) } else { tree.span(&at) };
            let span = span.or_else(|| error.span());
            found.push(Diagnostic::error(refusal, span.map(|span| source.place(&span))));
        }
        let culprit = if rest.has(&at) { at } else { path };
        if found.len() == REPORTED_MAX || !rest.remove(&culprit) {
            break;
        }
        removed.push(culprit);
    }
    found.sort_by_key(Diagnostic::position);
    Err(found)
}

/// Which words are known depends on the schema, so that nothing else is looked at before it.
fn check_schema(tree: &Tree<'_>, source: &Source<'_>) -> Result<(), Vec<Diagnostic>> {
    let path = Path::of(&["schema"]);
    let version = Schema::VERSION.to_string();
    let (what, hint) = match tree.integer(&path) {
        Some(found) if found == version => return Ok(()),
        Some(found) => {
            (format!("schema {} is not known", one_line(found)), format!("this version reads schema = {version}"))
        }
        None if tree.has(&path) => ("schema is not a number".to_owned(), format!("write schema = {version}")),
        None => ("the file does not say its schema".to_owned(), format!("write schema = {version} in its first line")),
    };
    let span = tree.value_span(&path).unwrap_or(0..0);
    Err(vec![Diagnostic::error(Refusal::new(codes::BAD_SCHEMA, what).hint(hint), Some(source.place(&span)))])
}

/// What `message`, said by serde about the value at `path`, means, and the path of what is to blame.
fn explain(message: &str, path: &Path, tree: &Tree<'_>) -> (Refusal, Path) {
    if let Some(refusal) = Refusal::from_text(message) {
        return ours(refusal, path, tree);
    }
    type Explain = fn(&str, &Path) -> Refusal;
    let rows: [(&str, Explain); 4] = [
        ("unknown field ", unknown_field),
        ("unknown variant ", unknown_variant),
        ("missing field ", missing_field),
        ("invalid ", invalid),
    ];
    let row = rows.iter().find_map(|(start, explain)| message.strip_prefix(start).map(|rest| explain(rest, path)));
    let other = || Refusal::new(codes::WRONG_TYPE, message.lines().next().unwrap_or("wrong")).about(path);
    (row.unwrap_or_else(other), path.clone())
}

/// A refusal of our own types: says which object it is about, without saying anything twice.
///
/// Serde gives the place of a table or a list for what does not fit in it. In a table the first word in
/// backticks names the key, and in a list the element is looked for.
fn ours(refusal: Refusal, path: &Path, tree: &Tree<'_>) -> (Refusal, Path) {
    let (parent, last) = path.split_key();
    if let Some(index) = tree.wrong_element(path, &refusal.what) {
        let element = path.index(index);
        return (of_value(refusal, &element), element);
    }
    let key = ticked(&refusal.what).first().map(|key| path.key(key)).filter(|at| tree.has(at));
    let says_key = |last: &str| {
        let starts = [quoted(last), format!("`{last}`"), format!("the {last} ")];
        starts.iter().any(|start| refusal.what.starts_with(start))
    };
    let about = match last {
        Some(last) if says_key(last) => refusal.about(parent),
        _ => of_value(refusal, path),
    };
    (about, key.unwrap_or_else(|| path.clone()))
}

/// `scsi_id "X" is 18 bytes` reads better than `scsi_id: "X" is 18 bytes`.
fn of_value(refusal: Refusal, path: &Path) -> Refusal {
    if refusal.what.starts_with('"') {
        return Refusal { what: format!("{path} {}", refusal.what), ..refusal };
    }
    refusal.about(path)
}

/// `` `x`, expected one of `a`, `b` ``
fn unknown_field(rest: &str, path: &Path) -> Refusal {
    let words = ticked(rest);
    let (table, _) = path.split_key();
    let known = words.get(1..).unwrap_or_default();
    let word = words.first().copied().unwrap_or("");
    let refusal = Refusal::new(codes::UNKNOWN_KEY, format!("unknown key {} in {}", quoted(word), table.heading()));
    match nearest(word, known) {
        Some(meant) => refusal.hint(format!("did you mean \"{meant}\"?")),
        None if known.is_empty() => refusal,
        None => refusal.hint(format!("known here: {}", known.join(", "))),
    }
}

/// `` `x`, expected one of `a`, `b` ``
fn unknown_variant(rest: &str, path: &Path) -> Refusal {
    let words = ticked(rest);
    let known = words.get(1..).unwrap_or_default();
    let word = words.first().copied().unwrap_or("");
    let what = format!("{path} {} is not one of {}", quoted(word), known.join(", "));
    let refusal = Refusal::new(codes::UNKNOWN_WORD, what);
    match nearest(word, known) {
        Some(meant) => refusal.hint(format!("did you mean \"{meant}\"?")),
        None => refusal,
    }
}

/// `` `x` ``
fn missing_field(rest: &str, path: &Path) -> Refusal {
    let word = ticked(rest).first().copied().unwrap_or("").to_owned();
    Refusal::new(codes::MISSING_KEY, format!("`{word}` is missing")).about(path)
}

/// What serde calls the types it expects, and what people call them.
const EXPECTED: [(&str, &str); 9] = [
    ("struct ", "a table"),
    ("a map", "a table"),
    ("a sequence", "a list"),
    ("a string", "a string"),
    ("string or map", "a word"),
    ("path string", "a path"),
    ("a boolean", "true or false"),
    ("u", "a whole number"),
    ("i", "a whole number"),
];

/// `type: integer ...5..., expected a string`; also `value: ` and `length `.
fn invalid(rest: &str, path: &Path) -> Refusal {
    if path.ends_in("secret") {
        return Refusal::new(codes::WRONG_TYPE, format!("{path} is not a string"));
    }
    let (found, expected) = rest.rsplit_once(", expected ").unwrap_or((rest, "something else"));
    let expected = EXPECTED.iter().find(|(serde, _)| expected.starts_with(serde)).map_or(expected, |(_, here)| here);
    if let Some(value) = found.strip_prefix("value: ") {
        return Refusal::new(codes::OUT_OF_RANGE, format!("{path} is out of range: {}", one_line(value)));
    }
    let found = one_line(found.strip_prefix("type: ").unwrap_or(found));
    Refusal::new(codes::WRONG_TYPE, format!("{path} has to be {expected}, and is the {found}"))
}

/// Serde quotes values as they are; a message is one line, and not a long one.
fn one_line(text: &str) -> String {
    const CHARS_MAX: usize = 100;
    text.chars().take(CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The words in backticks.
fn ticked(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}
