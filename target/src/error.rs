//! Why a target could not be served, or changed, as the embedding program sees it.

use ferrite_api::Refusal;
use std::io;
use std::path::PathBuf;

/// Something was not done. What ran before goes on as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What was asked for is refused; the code says why for good.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// A disk cannot be opened.
    #[error("cannot open {}: {source}", path.display())]
    Disk {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The engine's threads or rings could not be made.
    #[error("cannot start: {0}")]
    Start(#[source] io::Error),
}

impl Error {
    /// The same as a refusal, with the stable code that operators know it by.
    pub fn refusal(&self) -> Refusal {
        use ferrite_api::codes;
        match self {
            Error::Refused(refusal) => refusal.clone(),
            Error::Disk { .. } => Refusal::new(codes::DISK_UNAVAILABLE, self.to_string()),
            Error::Start(_) => Refusal::new(codes::CANNOT_START, self.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_a_stable_code() {
        let not_found = || io::Error::from(io::ErrorKind::NotFound);
        let disk = Error::Disk { path: "/dev/vg/lv".into(), source: not_found() };
        assert_eq!(disk.refusal().code, "F-0301");
        assert!(disk.to_string().starts_with("cannot open /dev/vg/lv: "));
        assert_eq!(Error::Start(not_found()).refusal().code, "F-0504");
        let refusal = Refusal::new("F-0402", "gone");
        assert_eq!(Error::from(refusal.clone()).refusal(), refusal);
    }
}
