//! Audit: decisions computed again.

pub mod replay;
