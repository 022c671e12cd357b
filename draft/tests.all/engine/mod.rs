//! Deployments carried out for real: git, sshd, files, scripts, the store.

mod balanced;
mod balanced_again;
mod balanced_minimum;
mod balanced_pair;
mod balanced_trouble;
mod crashing;
mod deploying;
mod endings;
pub mod fleet;
mod going_back;
mod half_changed;
pub mod hardship;
mod instances;
pub mod killed;
mod odd_scripts;
mod permission;
mod queueing;
mod recovering;
mod refusals;
mod rollouts;
mod scripts;
pub mod taken_up;
