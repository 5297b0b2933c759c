//! The control plane of the engine: the registry that changes the catalog, the acceptor, and the handle
//! through which all of it is asked.

mod acceptor;
mod engine;
mod registry;
mod space;

pub use engine::{Engine, EngineOptions, ShutdownReport};
