//! Real things to test against, started for one test and gone after it.
#![allow(dead_code, reason = "not every area uses every wish")]

pub mod backend;
pub mod haproxy;
pub mod sshd;
pub mod store;
pub mod world;
