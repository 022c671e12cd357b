//! Deployments carried out for real: git, sshd, files, scripts, the store.

mod balanced;
mod deploying;
mod endings;
mod hardship;
mod killed;
mod queueing;
mod recovering;
mod rollouts;
mod scripts;
