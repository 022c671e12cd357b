//! The pages about projects over real HTTP, before a real repository, sshd and store.

mod balancer;
mod deployment;
mod diff;
mod environment;
mod health;
mod long_lines;
mod overview;
mod project;
mod rollout;
mod search;
pub mod support;
mod text;
mod told;
mod turned;
mod unsent;
