//! Real things to test against, started for one test and gone after it.
#![allow(dead_code, reason = "not every area uses every wish")]

pub mod backend;
pub mod cases;
pub mod databases;
pub mod disk;
pub mod haproxy;
pub mod leftovers;
pub mod oidc;
pub mod proxy;
pub mod rounds;
pub mod setup;
pub mod ssh_keys;
pub mod sshd;
pub mod store;
pub mod tls;
pub mod world;
