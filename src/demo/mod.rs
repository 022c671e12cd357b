//! The demo module.
