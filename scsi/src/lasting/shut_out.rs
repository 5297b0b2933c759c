//! Which commands does somebody else's reservation stop?

/// Which commands meet somebody else's reservation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum ShutOut {
    /// None.
    #[default]
    No,
    /// Those of the tables of SPC-2: somebody holds it by RESERVE.
    Held,
    /// Those that write: a persistent reservation of a write exclusive type.
    FromWriting,
    /// Those that read or write: a persistent reservation of an exclusive access type.
    FromAccess,
}
