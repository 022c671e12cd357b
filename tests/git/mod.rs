//! The mirrors, against repositories made by the real `git` and served by a real sshd or over
//! HTTPS.
#![allow(clippy::disallowed_methods, reason = "the tests run git and sshd")]
#![allow(
    clippy::too_many_lines,
    clippy::type_complexity,
    reason = "a table of cases reads best whole"
)]

mod certificates;
mod deep;
mod deploy_keys;
mod diffs;
mod elsewhere;
mod exports;
mod fetches;
mod histories;
pub mod hostile;
mod hosts;
pub mod https;
mod lfs;
mod lfs_detours;
mod lfs_server;
mod limits;
mod odd_trees;
mod owners;
mod previews;
mod proxies;
mod room;
mod submodules;
pub mod support;
mod sweeping;
