//! What can go wrong between this initiator and a target, and whose fault it was.

use std::borrow::Cow;
use std::io;

use super::request::ScsiResult;

/// Why an exchange with a target did not end as asked.
///
/// To [`Initiator::command`](super::Initiator::command) a CHECK CONDITION is no error but a [`ScsiResult`] with sense.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stream failed. [`io::ErrorKind::WouldBlock`] and [`io::ErrorKind::TimedOut`] leave the initiator usable:
    /// what had arrived of a PDU is kept and the call may be repeated.
    #[error("the stream failed: {0}")]
    Io(#[from] io::Error),

    /// The target ended the stream, between two PDUs or inside one.
    #[error("the target closed the connection{}", if *.inside_pdu { " in the middle of a PDU" } else { "" })]
    Closed {
        /// Bytes of an unfinished PDU had arrived.
        inside_pdu: bool,
    },

    /// The target did what the standard forbids.
    #[error("the target broke {clause}: {what}")]
    Protocol {
        /// The clause that was broken, e.g. `"RFC 7143 §11.7.5"`.
        clause: &'static str,
        /// What was seen, in one sentence.
        what: Cow<'static, str>,
    },

    /// The target refused the login (RFC 7143 §11.13.5).
    #[error("the target refused the login with status {class:02x}{detail:02x}")]
    Refused {
        /// Status-Class: 1 redirection, 2 initiator error, 3 target error.
        class: u8,
        /// Status-Detail within the class.
        detail: u8,
        /// The `TargetAddress` of a redirection.
        redirect: Option<String>,
    },

    /// The target did not prove that it knows the shared secret (RFC 7143 §12.1.3), or cannot be asked to.
    #[error("the target failed to authenticate: {0}")]
    Untrusted(&'static str),

    /// A call that needs GOOD got another end.
    #[error("the command ended with status {:02x} and sense {:02x?}", .0.status, .0.sense_code())]
    Status(Box<ScsiResult>),

    /// The target answered a request of ours with a Reject PDU (RFC 7143 §11.17).
    #[error("the target rejected a PDU with reason {reason:#04x}")]
    Rejected {
        /// Reason code of RFC 7143 §11.17.1.
        reason: u8,
        /// The header of the PDU that was rejected, as far as the target returned it.
        header: Vec<u8>,
    },
}

impl Error {
    /// A breach of `clause` by the target.
    pub(crate) fn protocol(clause: &'static str, what: impl Into<Cow<'static, str>>) -> Self {
        Error::Protocol { clause, what: what.into() }
    }

    /// Whether the stream only had nothing to give yet, and the call may be repeated.
    pub fn is_quiet(&self) -> bool {
        matches!(self, Error::Io(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_stream_is_told_from_a_broken_one() {
        assert!(Error::from(io::Error::from(io::ErrorKind::WouldBlock)).is_quiet());
        assert!(Error::from(io::Error::from(io::ErrorKind::TimedOut)).is_quiet());
        assert!(!Error::from(io::Error::from(io::ErrorKind::ConnectionReset)).is_quiet());
        assert!(!Error::Closed { inside_pdu: false }.is_quiet());
    }

    #[test]
    fn a_breach_names_its_clause() {
        let text = Error::protocol("RFC 7143 §11.7.5", "DataSN 3 came after 1").to_string();
        assert_eq!(text, "the target broke RFC 7143 §11.7.5: DataSN 3 came after 1");
    }
}
