//! In which one way can a peer be wrong?

use std::borrow::Cow;
use std::fmt;

/// What the peer did against the standard (or our limits), and what that costs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The clause that was broken, as `"RFC 7143 §11.7.4"`, or the limit's name.
    pub clause: &'static str,
    /// What happened, for the log.
    pub what: Cow<'static, str>,
    /// What is lost by it.
    pub cost: Cost,
}

/// How far a fault reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// One PDU: it was answered with a Reject, the connection goes on.
    Pdu,
    /// The connection.
    Connection,
    /// The session with all its connections.
    Session,
}

impl Fault {
    /// A fault that ends the connection; at error recovery level 0 and with one connection the session goes with it.
    pub fn connection(clause: &'static str, what: impl Into<Cow<'static, str>>) -> Self {
        Self { clause, what: what.into(), cost: Cost::Connection }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, self.clause)
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_what_happened_and_the_clause() {
        let fault = Fault::connection("RFC 7143 §11.7.4", format!("DataSN is {}", 3));
        assert_eq!(fault.to_string(), "DataSN is 3 (RFC 7143 §11.7.4)");
    }
}
