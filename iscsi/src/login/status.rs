//! How does a login end, as the initiator is told (RFC 7143 §11.13.5)?

use std::fmt;

/// Status-Class and Status-Detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LoginStatus {
    /// 00/00: login goes on.
    Success,
    /// 01/01: the target has moved for a while; see [`super::Login::redirect`].
    TargetMovedTemporarily,
    /// 01/02: the target has moved for good; see [`super::Login::redirect`].
    TargetMovedPermanently,
    /// 02/00: an error of the initiator not named below.
    InitiatorError,
    /// 02/01: authentication failed.
    AuthenticationFailure,
    /// 02/02: this initiator may not use this target.
    AuthorizationFailure,
    /// 02/03: no such target.
    NotFound,
    /// 02/04: the target has been removed.
    TargetRemoved,
    /// 02/05: no common version.
    UnsupportedVersion,
    /// 02/06: too many connections on this SSID.
    TooManyConnections,
    /// 02/07: a parameter is missing.
    MissingParameter,
    /// 02/08: this connection cannot be included in the session.
    CannotIncludeInSession,
    /// 02/09: this type of session is not supported.
    SessionTypeNotSupported,
    /// 02/0A: the session does not exist.
    SessionDoesNotExist,
    /// 02/0B: a PDU that has no place in login.
    InvalidDuringLogin,
    /// 03/00: an error of the target.
    TargetError,
    /// 03/01: not now.
    ServiceUnavailable,
    /// 03/02: out of resources.
    OutOfResources,
}

impl LoginStatus {
    /// Status-Class and Status-Detail.
    pub const fn code(self) -> (u8, u8) {
        match self {
            Self::Success => (0, 0),
            Self::TargetMovedTemporarily => (1, 1),
            Self::TargetMovedPermanently => (1, 2),
            Self::InitiatorError => (2, 0),
            Self::AuthenticationFailure => (2, 1),
            Self::AuthorizationFailure => (2, 2),
            Self::NotFound => (2, 3),
            Self::TargetRemoved => (2, 4),
            Self::UnsupportedVersion => (2, 5),
            Self::TooManyConnections => (2, 6),
            Self::MissingParameter => (2, 7),
            Self::CannotIncludeInSession => (2, 8),
            Self::SessionTypeNotSupported => (2, 9),
            Self::SessionDoesNotExist => (2, 0x0a),
            Self::InvalidDuringLogin => (2, 0x0b),
            Self::TargetError => (3, 0),
            Self::ServiceUnavailable => (3, 1),
            Self::OutOfResources => (3, 2),
        }
    }
}

impl fmt::Display for LoginStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (class, detail) = self.code();
        write!(f, "{class:02x}/{detail:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_reads_as_class_and_detail() {
        assert_eq!(LoginStatus::SessionDoesNotExist.to_string(), "02/0a");
        assert_eq!(LoginStatus::OutOfResources.code(), (3, 2));
    }
}
