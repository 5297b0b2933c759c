//! What a unit says of itself in pages: vital product data, and modes.

mod block;
mod designation;
pub(crate) mod log;
pub(crate) mod mode;
pub(crate) mod vpd;
