//! What does an initiator say? A small one over the same [`crate::wire`], for tests, benches and tools.
