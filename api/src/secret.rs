//! How secrets are kept: wiped when dropped, never shown, and read from files that only their owner may read.

use crate::names::quoted;
use crate::{Refusal, codes};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// What is written in place of a secret. It is refused when it is read, so that a dump with its secrets
/// taken out cannot be loaded as if this were one.
const REDACTED: &str = "(redacted)";

/// A CHAP secret. Wiped when dropped; `Debug` and `Serialize` show that there is one and nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Box<str>>);

impl Secret {
    /// The longest secret, in bytes: what open-iscsi can send.
    pub const BYTES_MAX: usize = 255;
    /// 96 bits: a shorter secret can be guessed from one recorded login (RFC 7143 9.2.1).
    pub const STRONG_BYTES_MIN: usize = 12;

    /// Takes a secret of 1 to [`Secret::BYTES_MAX`] bytes without control characters.
    ///
    /// # Errors
    /// `F-0602`; the secret does not stand in it.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let refuse = |why: String| Err(Refusal::new(codes::BAD_SECRET, format!("the secret {why}")));
        if text.is_empty() {
            return refuse("is empty".to_owned());
        }
        if text == REDACTED {
            return refuse("was taken out when this was written".to_owned());
        }
        if text.len() > Self::BYTES_MAX {
            return refuse(format!("has {} bytes, the limit is {}", text.len(), Self::BYTES_MAX));
        }
        if text.chars().any(char::is_control) {
            return refuse("has control characters".to_owned());
        }
        Ok(Secret(Zeroizing::new(text.into())))
    }

    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether it has the 96 bits that RFC 7143 9.2.1 asks for.
    pub fn is_strong(&self) -> bool {
        self.0.len() >= Self::STRONG_BYTES_MIN
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

/// Not derived: the derived one would quote a value of the wrong type in its error.
impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)
            .map_err(|_| de::Error::custom(Refusal::new(codes::WRONG_TYPE, "the secret is not a string")))?;
        let text = Zeroizing::new(text);
        Secret::parse(&text).map_err(de::Error::custom)
    }
}

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// It stands right here.
    Inline(Secret),
    /// It is the first line of this file, mode 0600 or stricter.
    File(PathBuf),
}

/// A secret file holds one line; what is longer is no secret file.
const SECRET_FILE_BYTES_MAX: u64 = 4096;

impl SecretSource {
    /// The secret, read from its file now if it has one.
    ///
    /// # Errors
    /// `F-0603` if the file cannot be read, is not a regular file, belongs to another user than the reader
    /// or root, or if group or others may access it; `F-0602` for what stands in it.
    pub fn resolve(&self) -> Result<Secret, Refusal> {
        match self {
            SecretSource::Inline(secret) => Ok(secret.clone()),
            SecretSource::File(path) => read_secret_file(path),
        }
    }
}

fn read_secret_file(path: &Path) -> Result<Secret, Refusal> {
    let name = quoted(&path.to_string_lossy());
    let refuse = |why: String| Refusal::new(codes::SECRET_FILE, format!("secret file {name} {why}"));
    // Without O_NONBLOCK a FIFO in the place of the file would hang the daemon.
    const O_NONBLOCK: i32 = 0o4000;
    let file = std::fs::OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path);
    let file = file.map_err(|e| refuse(format!("cannot be opened: {e}")))?;
    // The open file is looked at, not the path: nobody can exchange it in between.
    let meta = file.metadata().map_err(|e| refuse(format!("cannot be looked at: {e}")))?;
    if !meta.is_file() {
        return Err(refuse("is not a regular file".to_owned()));
    }
    if meta.mode() & 0o077 != 0 {
        let why = format!("has mode {:04o}: others than its owner may use it", meta.mode() & 0o7777);
        return Err(refuse(why).hint(format!("chmod 0600 {}", path.display())));
    }
    if meta.len() > SECRET_FILE_BYTES_MAX {
        return Err(refuse(format!("is larger than {SECRET_FILE_BYTES_MAX} bytes")));
    }
    let mut text = Zeroizing::new(String::with_capacity(SECRET_FILE_BYTES_MAX as usize + 1));
    let read = file.take(SECRET_FILE_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|e| refuse(format!("cannot be read as text: {e}")))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.contains('\n') {
        return Err(refuse("has more than one line".to_owned()));
    }
    Secret::parse(line).map_err(|r| r.about(format_args!("secret file {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A file of its own for each call, gone when dropped.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(text: &[u8], mode: u32) -> Scratch {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("ferrite-secret-{}-{number}", std::process::id()));
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            Scratch(path)
        }

        fn resolve(&self) -> Result<Secret, Refusal> {
            SecretSource::File(self.0.clone()).resolve()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::parse("correct horse").unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(redacted)");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"(redacted)\"");
        assert_eq!(secret.reveal(), "correct horse");
    }

    #[test]
    fn a_redacted_secret_cannot_be_loaded() {
        assert_eq!(Secret::parse(REDACTED).map_err(|r| r.code), Err(codes::BAD_SECRET));
    }

    #[test]
    fn a_secret_of_the_wrong_type_is_not_quoted_in_the_error() {
        let error = serde_json::from_str::<Secret>("1234567890123").unwrap_err().to_string();
        assert!(error.contains("not a string") && !error.contains("1234567890123"), "{error}");
    }

    #[test]
    fn twelve_bytes_are_strong_and_eleven_are_not() {
        assert!(Secret::parse("123456789012").unwrap().is_strong());
        assert!(!Secret::parse("12345678901").unwrap().is_strong());
    }

    #[test]
    fn a_secret_may_have_255_bytes_and_not_one_more() {
        assert!(Secret::parse(&"s".repeat(255)).is_ok());
        let refusal = Secret::parse(&"s".repeat(256)).unwrap_err();
        assert!(!refusal.to_string().contains("ss"), "{refusal}");
        assert!(Secret::parse("").is_err() && Secret::parse("a\tb").is_err());
    }

    #[test]
    fn a_secret_file_gives_its_line_without_the_line_end() {
        for text in ["correct horse\n", "correct horse", "correct horse\r\n"] {
            assert_eq!(Scratch::new(text.as_bytes(), 0o600).resolve().unwrap().reveal(), "correct horse");
        }
        assert!(Scratch::new(b"read only is fine", 0o400).resolve().is_ok());
    }

    #[test]
    fn a_secret_file_that_others_may_read_is_refused_with_the_command_that_helps() {
        for mode in [0o640, 0o604, 0o660, 0o602, 0o610] {
            let refusal = Scratch::new(b"correct horse", mode).resolve().unwrap_err();
            assert_eq!(refusal.code, codes::SECRET_FILE);
            assert!(refusal.what.contains(&format!("{mode:04o}")), "{refusal}");
            assert!(refusal.hint.unwrap().starts_with("chmod 0600 "));
        }
    }

    #[test]
    fn what_is_not_a_secret_file_is_refused() {
        assert!(Scratch::new(b"two\nlines\n", 0o600).resolve().is_err());
        assert!(Scratch::new(b"", 0o600).resolve().is_err());
        assert!(Scratch::new(b"\xff\xfe", 0o600).resolve().is_err());
        assert!(Scratch::new(&[b'x'; 5000], 0o600).resolve().is_err());
        assert!(SecretSource::File("/nonexistent/secret".into()).resolve().is_err());
        assert!(SecretSource::File("/dev/null".into()).resolve().is_err());
        assert!(SecretSource::File(std::env::temp_dir()).resolve().is_err());
    }
}
