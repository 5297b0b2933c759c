//! Which initiator names a rule means: a glob over the normalised name.

use crate::names::quoted;
use crate::{Iqn, Refusal, codes};
use std::fmt;

/// A pattern over initiator names: `*` stands for any text, `?` for one character, all else for itself.
///
/// Anchored at both ends and blind to case, as names are. Names of initiators are matched as they come,
/// because the field has some that RFC 3722 would not allow.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NamePattern(String);

impl NamePattern {
    /// Reads a pattern of 1 to [`Iqn::BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// `F-0601` if it is empty, too long, or has white space or control characters.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let refuse = |why: &str| {
            Err(Refusal::new(codes::BAD_RULE, format!("{} is not a pattern of names: {why}", quoted(text))))
        };
        if text.is_empty() {
            return refuse("it is empty");
        }
        if text.len() > Iqn::BYTES_MAX {
            return refuse(&format!("it has {} bytes, the limit is {}", text.len(), Iqn::BYTES_MAX));
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return refuse("no name has white space or control characters");
        }
        Ok(NamePattern(text.to_ascii_lowercase()))
    }

    /// Whether `name`, already in lower case, is one of those meant.
    ///
    /// Takes at most `pattern length × name length` steps: only the last `*` is ever tried again.
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name) = (self.0.as_bytes(), name.as_bytes());
        let (mut p, mut n) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while n < name.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    star = Some((p, n));
                    p += 1;
                }
                Some(&c) if c == b'?' || c == name[n] => {
                    p += 1;
                    n += 1;
                }
                _ => match &mut star {
                    Some((at, taken)) => {
                        *taken += 1;
                        (p, n) = (*at + 1, *taken);
                    }
                    None => return false,
                },
            }
        }
        pattern[p..].iter().all(|c| *c == b'*')
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, name: &str) -> bool {
        NamePattern::parse(pattern).expect(pattern).matches(name)
    }

    #[test]
    fn a_pattern_is_anchored_at_both_ends() {
        assert!(matches("iqn.1998-01.com.vmware:esx1", "iqn.1998-01.com.vmware:esx1"));
        assert!(!matches("iqn.1998-01.com.vmware:esx1", "iqn.1998-01.com.vmware:esx10"));
        assert!(!matches("esx1", "iqn.1998-01.com.vmware:esx1"));
    }

    #[test]
    fn stars_take_any_text_and_question_marks_one_character() {
        for (pattern, name, fits) in [
            ("*", "", true),
            ("*", "iqn.x", true),
            ("**", "x", true),
            ("a*", "a", true),
            ("a*c", "abcbc", true),
            ("a*bc*d", "abxbcd", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("?", "", false),
            ("a*b", "a", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_ends_soon() {
        let pattern = NamePattern::parse(&"*a".repeat(111)).unwrap();
        assert!(!pattern.matches(&"a".repeat(110)));
        assert!(!NamePattern::parse(&format!("{}b", "a*".repeat(111))).unwrap().matches(&"a".repeat(4096)));
    }

    #[test]
    fn what_no_name_can_be_is_not_a_pattern() {
        for text in ["", "a b", "a\n", &"a".repeat(224)] {
            assert_eq!(NamePattern::parse(text).map_err(|r| r.code), Err(codes::BAD_RULE));
        }
        assert!(NamePattern::parse(&"a".repeat(223)).is_ok());
    }

    /// The definition, slow and plain.
    fn by_definition(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|n| by_definition(rest, &name[n..])),
            Some((c, rest)) => {
                name.split_first().is_some_and(|(n, tail)| (*c == b'?' || c == n) && by_definition(rest, tail))
            }
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_its_definition(pattern in "[ab*?]{1,8}", name in "[ab]{0,10}") {
            prop_assert_eq!(matches(&pattern, &name), by_definition(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
