//! The access module.
