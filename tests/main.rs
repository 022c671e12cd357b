//! Everything that needs more than one module: one binary, one module per area, and `support` with
//! the real things they run against (an sshd, git, a browser); each test starts and ends its own.
//! `tests/run` installs the programs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]
#![allow(
    clippy::large_futures,
    reason = "a test holds a whole world, and one stack is enough for it"
)]

mod acts;
mod admin;
mod audit;
mod balancer;
mod browser;
mod cli;
mod confinement;
mod demo;
mod drift;
mod engine;
mod git;
mod health;
mod history;
mod house;
mod pages;
mod pushes;
mod rollouts;
mod ssh;
mod store;
mod support;
mod sync;
mod web;
