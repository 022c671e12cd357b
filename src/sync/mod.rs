//! The sync module.
