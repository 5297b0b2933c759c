//! Where in a file something stands, and how it is shown there: line, column, and a caret, but no secret.

use serde::Serialize;
use std::ops::Range;

/// A position in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The name of the file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The line itself, trimmed, and what to underline. None where a secret could stand in it.
    #[serde(skip)]
    pub(crate) shown: Option<Shown>,
}

/// A line as it is shown: its text, and which characters are underlined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    text: String,
    skip: usize,
    width: usize,
}

/// The longest part of a line that is shown, in characters.
const SHOWN_CHARS_MAX: usize = 120;

/// A text with the name of its file, able to find places in it.
pub(crate) struct Source<'t> {
    origin: &'t str,
    text: &'t str,
    /// Where each line begins.
    lines: Vec<usize>,
    /// Whether the text has strings over several lines: then any line may be part of a secret.
    has_long_strings: bool,
}

impl<'t> Source<'t> {
    pub(crate) fn new(origin: &'t str, text: &'t str) -> Self {
        let after_line_ends = text.match_indices('\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(after_line_ends).collect();
        let has_long_strings = text.contains("\"\"\"") || text.contains("'''");
        Source { origin, text, lines, has_long_strings }
    }

    /// Bytes of text.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// The place where `span` (bytes of the text) begins.
    pub(crate) fn place(&self, span: &Range<usize>) -> Place {
        let start = self.char_start(span.start);
        let line = self.lines.partition_point(|begin| *begin <= start) - 1;
        let begin = self.lines[line];
        let end = self.text[begin..].find('\n').map_or(self.text.len(), |at| begin + at);
        let column = self.text[begin..start].chars().count();
        let shown = self.shown(begin, end, start, self.char_start(span.end).clamp(start, end.max(start)));
        Place { file: self.origin.to_owned(), line: line + 1, column: column + 1, shown }
    }

    /// `at`, or where the character begins that it is in the middle of, or the end.
    fn char_start(&self, at: usize) -> usize {
        let at = at.min(self.text.len());
        (0..=at).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or(0)
    }

    fn shown(&self, begin: usize, end: usize, from: usize, to: usize) -> Option<Shown> {
        let line = &self.text[begin..end];
        if self.has_long_strings || may_hold_secret(line) {
            return None;
        }
        let indent = line.len() - line.trim_start().len();
        let skip = self.text[begin..from].chars().count().saturating_sub(line[..indent].chars().count());
        let width = self.text[from..to].chars().count().max(1);
        // Of a very long line, the part where it matters.
        let cut = skip.saturating_sub(SHOWN_CHARS_MAX / 2);
        let printable = |c: char| if c.is_control() { ' ' } else { c };
        let text: String = line.trim().chars().skip(cut).take(SHOWN_CHARS_MAX).map(printable).collect();
        Some(Shown { text, skip: skip - cut, width: width.min(SHOWN_CHARS_MAX) })
    }
}

/// Whether a secret may stand in `line`: it has a key that begins with `secret` other than `secret_file`.
fn may_hold_secret(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    lower.match_indices("secret").any(|(at, word)| !lower[at + word.len()..].starts_with("_file"))
        || lower.contains("password")
}

impl Place {
    /// Two lines under a message: `--> FILE:LINE:COLUMN`, and the line with a caret where it can be shown.
    pub(crate) fn render(&self) -> String {
        let mut text = format!("  --> {}:{}:{}\n", self.file, self.line, self.column);
        if let Some(shown) = &self.shown {
            let (skip, caret) = (" ".repeat(shown.skip), "^".repeat(shown.width));
            text.push_str(&format!("   |  {}\n   |  {skip}{caret}\n", shown.text));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(text: &str, span: Range<usize>) -> String {
        Source::new("f.toml", text).place(&span).render()
    }

    #[test]
    fn a_caret_stands_under_what_is_meant() {
        assert_eq!(render("a = 1\n  bc = 22\n", 13..15), "  --> f.toml:2:8\n   |  bc = 22\n   |       ^^\n");
    }

    #[test]
    fn columns_are_characters_and_not_bytes() {
        assert_eq!(render("ä = 1", 5..6), "  --> f.toml:1:5\n   |  ä = 1\n   |      ^\n");
    }

    #[test]
    fn any_span_has_a_place_even_one_that_is_not_in_the_text() {
        for (text, span) in [("", 0..0), ("", 5..9), ("ä", 1..1), ("a\n", 2..2), ("a\nb", 0..3), ("\n\n", 1..9)] {
            let place = Source::new("f", text).place(&span);
            assert!(place.line >= 1 && place.column >= 1, "{text:?} {span:?}");
        }
    }

    #[test]
    fn a_line_that_may_hold_a_secret_is_not_shown() {
        for text in [
            "secret = \"hunter2\"",
            "x = { user = 1, secret = \"hunter2\" }",
            "Secrets = 'hunter2'",
            "password = 'hunter2'",
            "a = '''\nhunter2",
        ] {
            assert!(!render(text, 0..3).contains("hunter2"), "{text}");
        }
        assert!(render("secret_file = \"/x\"", 0..3).contains("/x"));
    }

    #[test]
    fn of_a_very_long_line_the_part_that_matters_is_shown() {
        let text = format!("a = [{}\"bad\"]", "1, ".repeat(10_000));
        let at = text.find("\"bad\"").unwrap();
        let shown = render(&text, at..at + 5);
        assert!(shown.contains("\"bad\"]") && shown.len() < 500, "{shown}");
    }
}
