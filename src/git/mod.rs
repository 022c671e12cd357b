//! The git module.
