//! The ssh module.
