//! Whole sequences.
