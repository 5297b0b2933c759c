//! What keeps a unit from being ready for a while.

/// Long work on the whole medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// FORMAT UNIT.
    Format,
    /// SANITIZE.
    Sanitize,
}
