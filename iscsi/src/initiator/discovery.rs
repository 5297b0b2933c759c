//! Which targets a portal knows (RFC 7143 Appendix C, SendTargets), and text exchanges of any kind.

use std::io::{Read, Write};

use super::error::Error;
use super::frames::{pairs, to_text};
use super::request::Answer;
use super::session::Initiator;

/// Bytes of one whole answer, over all of its PDUs: what a portal with thousands of targets may need.
pub const ANSWER_MAX: usize = 4 << 20;

/// One target of a discovery answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovered {
    /// `TargetName`.
    pub name: String,
    /// `TargetAlias`.
    pub alias: Option<String>,
    /// `TargetAddress`es: address with port as it was told, and the portal group tag.
    pub portals: Vec<(String, u16)>,
}

impl<S: Read + Write> Initiator<S> {
    /// Asks which targets there are: `"All"`, a name, or `""` for the target of this session.
    ///
    /// # Errors
    /// As for [`command`](Self::command), and [`Error::Protocol`] for an answer that is no list of targets.
    pub fn send_targets(&mut self, which: &str) -> Result<Vec<Discovered>, Error> {
        let answer = self.text(&[("SendTargets", which)])?;
        targets(&answer)
    }

    /// Carries one text exchange through, with as many PDUs as the answer takes (RFC 7143 §11.10, §11.11).
    ///
    /// # Errors
    /// As for [`command`](Self::command), and [`Error::Protocol`] for an answer that is no text or has no end.
    pub fn text(&mut self, request: &[(&str, &str)]) -> Result<Vec<(String, String)>, Error> {
        let mut whole = Vec::new();
        let itt = self.submit_text(&to_text(request), true, None)?;
        loop {
            let answer = self.ended(itt)?;
            let Answer::Text { data, fin, ttt } = answer else { unreachable!("a text was answered by {answer:?}") };
            // An empty step that is not the last could be repeated for ever.
            if whole.len() + data.len() > ANSWER_MAX || (data.is_empty() && !fin) {
                return Err(Error::protocol("RFC 7143 §11.11", "the target's text has no end"));
            }
            whole.extend(data);
            if fin {
                return text_pairs(&whole);
            }
            self.submit_text(&[], true, Some((itt, ttt)))?;
        }
    }
}

/// The pairs of an answer that may hold more of them than one negotiation text: it is read target by target.
fn text_pairs(text: &[u8]) -> Result<Vec<(String, String)>, Error> {
    let mut all = Vec::new();
    for pair in text.split_inclusive(|byte| *byte == 0) {
        all.extend(pairs(pair)?);
    }
    Ok(all)
}

fn targets(answer: &[(String, String)]) -> Result<Vec<Discovered>, Error> {
    let wrong = |what: String| Err(Error::protocol("RFC 7143 Appendix C", what));
    let mut found: Vec<Discovered> = Vec::new();
    for (key, value) in answer {
        if key == "TargetName" {
            found.push(Discovered { name: value.clone(), alias: None, portals: Vec::new() });
            continue;
        }
        let Some(target) = found.last_mut() else {
            return wrong(format!("{key} comes before any TargetName"));
        };
        match key.as_str() {
            "TargetAlias" => target.alias = Some(value.clone()),
            "TargetAddress" => match value.rsplit_once(',').map(|(address, group)| (address, group.parse())) {
                Some((address, Ok(group))) => target.portals.push((address.to_owned(), group)),
                _ => return wrong(format!("TargetAddress={value} has no portal group tag")),
            },
            _ => return wrong(format!("{key} is no key of a target record")),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_target_by_target() {
        let text = b"TargetName=iqn.2026-11.com.example:a\0TargetAddress=10.0.0.1:3260,1\0\
            TargetAddress=[2001:db8::1]:3260,2\0TargetName=iqn.2026-11.com.example:b\0TargetAlias=disk b\0";
        let found = targets(&text_pairs(text).unwrap()).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].portals, [("10.0.0.1:3260".to_owned(), 1), ("[2001:db8::1]:3260".to_owned(), 2)]);
        assert_eq!((found[1].alias.as_deref(), found[1].portals.len()), (Some("disk b"), 0));
    }

    #[test]
    fn what_is_no_record_is_a_breach() {
        for text in ["TargetAddress=10.0.0.1,1\0", "TargetName=a\0TargetAddress=10.0.0.1\0", "TargetName=a\0Other=1\0"]
        {
            assert!(targets(&text_pairs(text.as_bytes()).unwrap()).is_err(), "{text}");
        }
    }

    #[test]
    fn more_targets_than_one_negotiation_text_may_hold_are_read() {
        let text = "TargetName=iqn.2026-11.com.example:many\0".repeat(1000);
        assert_eq!(targets(&text_pairs(text.as_bytes()).unwrap()).unwrap().len(), 1000);
    }
}
