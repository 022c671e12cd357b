//! Deployments carried out for real: git, sshd, files, scripts, the store.

mod deploying;
mod endings;
mod hardship;
mod killed;
mod queueing;
mod recovering;
mod scripts;
