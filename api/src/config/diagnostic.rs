//! What is said about a configuration: a refusal or a doubt, and the place it is about.

use super::Place;
use crate::Refusal;
use serde::Serialize;

/// Whether the configuration can be served all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, and is probably not what was meant.
    Warning,
}

/// One thing that is said about a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    #[serde(flatten)]
    pub refusal: Refusal,
    /// Where it is, if it is in a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

impl Diagnostic {
    pub(crate) fn error(refusal: Refusal, place: Option<Place>) -> Self {
        Diagnostic { severity: Severity::Error, refusal, place }
    }

    pub(crate) fn warning(refusal: Refusal, place: Option<Place>) -> Self {
        Diagnostic { severity: Severity::Warning, refusal, place }
    }

    /// Orders diagnostics as the file has them.
    pub(crate) fn position(&self) -> (usize, usize) {
        self.place.as_ref().map_or((0, 0), |place| (place.line, place.column))
    }

    /// As people read it: the message, the place with a caret, the hint. Ends with a line end.
    pub fn render(&self) -> String {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let mut text = format!("{word}[{}]: {}\n", self.refusal.code, self.refusal.what);
        if let Some(place) = &self.place {
            text.push_str(&place.render());
        }
        if let Some(hint) = &self.refusal.hint {
            text.push_str(&format!("  help: {hint}\n"));
        }
        text
    }
}
