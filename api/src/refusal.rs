//! Why something was not done: a stable code, what is wrong, and what to do about it.

use serde::Serialize;
use std::fmt;

/// Something was asked that is not done. Nothing changed.
///
/// `code` is one of [`crate::codes`] and never changes its meaning; `what` and `hint` are for people and may
/// be worded better at any time. Secrets never stand in either.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[must_use]
pub struct Refusal {
    /// The stable code, `F-nnnn`.
    pub code: &'static str,
    /// What is wrong, one line, without a full stop.
    pub what: String,
    /// What to do about it, one line.
    pub hint: Option<String>,
}

/// Joins the two texts where a refusal has to travel as one line.
const HINT_MARK: &str = "; help: ";

impl Refusal {
    /// A refusal without a hint.
    pub fn new(code: &'static str, what: impl Into<String>) -> Self {
        debug_assert!(crate::codes::find(code).is_some(), "{code} is not in the table of codes");
        Refusal { code, what: what.into(), hint: None }
    }

    /// The same refusal, with what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same refusal, saying first which object it is about: `lun 4 of t: scsi_id is too long`.
    pub fn about(mut self, object: impl fmt::Display) -> Self {
        self.what = format!("{object}: {}", self.what);
        self
    }

    /// The process exit code that goes with it.
    pub fn exit_code(&self) -> u8 {
        crate::codes::find(self.code).map_or(crate::codes::EXIT_FAILED, |row| row.exit)
    }

    /// As people read it: `error[F-0110]: WHAT`, and the hint on a line of its own.
    pub fn render(&self) -> String {
        let mut text = format!("error[{}]: {}\n", self.code, self.what);
        if let Some(hint) = &self.hint {
            text.push_str("  help: ");
            text.push_str(hint);
            text.push('\n');
        }
        text
    }

    /// Reads back what `Display` wrote. Serde carries the refusal of a value only as text; this is how the
    /// reader of the file gets code and hint out of it again.
    pub(crate) fn from_text(text: &str) -> Option<Refusal> {
        let (code, rest) = text.split_once(": ")?;
        let code = crate::codes::find(code)?.code;
        let (what, hint) = match rest.rsplit_once(HINT_MARK) {
            Some((what, hint)) => (what, Some(hint.to_owned())),
            None => (rest, None),
        };
        Some(Refusal { code, what: what.to_owned(), hint })
    }
}

/// One line: `F-0110: WHAT; help: HINT`.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.what)?;
        match &self.hint {
            Some(hint) => write!(f, "{HINT_MARK}{hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes;

    #[test]
    fn a_refusal_survives_being_carried_as_text() {
        for refusal in [
            Refusal::new(codes::UNKNOWN_KEY, "unknown key \"a: b\""),
            Refusal::new(codes::BAD_NAME, "no; help: yes").hint("write it in full"),
        ] {
            assert_eq!(Refusal::from_text(&refusal.to_string()), Some(refusal));
        }
    }

    #[test]
    fn text_that_is_not_a_refusal_is_not_taken_for_one() {
        assert_eq!(Refusal::from_text("invalid type: string"), None);
        assert_eq!(Refusal::from_text("F-9999: no such code"), None);
        assert_eq!(Refusal::from_text(""), None);
    }

    #[test]
    fn people_read_the_hint_on_a_line_of_its_own() {
        let refusal = Refusal::new(codes::BAD_SIZE, "\"x\" is not a size").about("lun 0 of t: size").hint("64MiB");
        assert_eq!(refusal.render(), "error[F-0206]: lun 0 of t: size: \"x\" is not a size\n  help: 64MiB\n");
    }

    #[test]
    fn a_refusal_knows_the_exit_code_of_its_code() {
        assert_eq!(Refusal::new(codes::UNKNOWN_KEY, "x").exit_code(), codes::EXIT_CONFIG);
        assert_eq!(Refusal::new(codes::NO_SUCH_LUN, "x").exit_code(), codes::EXIT_NOT_FOUND);
    }
}
