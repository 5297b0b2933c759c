//! Who a peer claims to be and how it proves it: a CHAP user and where its secret comes from.

use super::check_text;
use crate::{Refusal, Secret, SecretSource, codes};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One CHAP account (RFC 7143 12.1.3, RFC 1994): a user, and exactly one of `secret` and `secret_file`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Words", into = "Words")]
pub struct ChapSpec {
    user: String,
    secret: SecretSource,
}

impl ChapSpec {
    /// The longest user name, in bytes: the longest CHAP_N (RFC 7143 12.1.3).
    pub const USER_BYTES_MAX: usize = 255;

    /// An account.
    ///
    /// # Errors
    /// `F-0210` if the user is empty, too long or has control characters.
    pub fn new(user: impl Into<String>, secret: SecretSource) -> Result<Self, Refusal> {
        let user = user.into();
        check_text("user", &user, Self::USER_BYTES_MAX)?;
        Ok(ChapSpec { user, secret })
    }

    /// The name, as CHAP_N carries it; case matters.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Where the secret comes from; [`SecretSource::resolve`] gets it.
    pub fn secret(&self) -> &SecretSource {
        &self.secret
    }
}

/// The same as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    user: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret_file: Option<PathBuf>,
}

impl TryFrom<Words> for ChapSpec {
    type Error = Refusal;
    fn try_from(words: Words) -> Result<Self, Refusal> {
        let secret = match (words.secret, words.secret_file) {
            (Some(secret), None) => SecretSource::Inline(secret),
            (None, Some(file)) => SecretSource::File(file),
            (None, None) => {
                return Err(Refusal::new(codes::MISSING_KEY, "the account has no secret")
                    .hint("set secret_file, a file of mode 0600 with one line"));
            }
            (Some(_), Some(_)) => {
                return Err(
                    Refusal::new(codes::UNFIT_KEY, "`secret_file` stands beside a secret").hint("keep one of the two")
                );
            }
        };
        ChapSpec::new(words.user, secret)
    }
}

impl From<ChapSpec> for Words {
    fn from(spec: ChapSpec) -> Words {
        let (secret, secret_file) = match spec.secret {
            SecretSource::Inline(secret) => (Some(secret), None),
            SecretSource::File(file) => (None, Some(file)),
        };
        Words { user: spec.user, secret, secret_file }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_exactly_one_secret() {
        let read = |text: &str| serde_json::from_str::<ChapSpec>(text).map_err(|e| e.to_string());
        assert!(read(r#"{"user":"u","secret":"123456789012"}"#).is_ok());
        assert!(read(r#"{"user":"u","secret_file":"/x"}"#).is_ok());
        assert!(read(r#"{"user":"u"}"#).unwrap_err().starts_with(codes::MISSING_KEY));
        assert!(read(r#"{"user":"u","secret":"s","secret_file":"/x"}"#).unwrap_err().starts_with(codes::UNFIT_KEY));
        assert!(read(r#"{"user":"u","secret":"s","colour":1}"#).unwrap_err().contains("colour"));
    }

    #[test]
    fn a_secret_file_is_written_back_and_a_secret_is_not() {
        let spec = |source| serde_json::to_string(&ChapSpec::new("u", source).unwrap()).unwrap();
        assert_eq!(spec(SecretSource::File("/x".into())), r#"{"user":"u","secret_file":"/x"}"#);
        assert_eq!(
            spec(SecretSource::Inline(Secret::parse("hunter2").unwrap())),
            r#"{"user":"u","secret":"(redacted)"}"#
        );
    }

    #[test]
    fn a_user_has_1_to_255_bytes() {
        let new = |user: &str| ChapSpec::new(user, SecretSource::File("/x".into()));
        assert!(new(&"u".repeat(255)).is_ok());
        for user in ["", "a\nb", &"u".repeat(256)] {
            assert_eq!(new(user).map_err(|r| r.code), Err(codes::BAD_TEXT));
        }
    }
}
