//! The mirrors, against repositories made by the real `git` and served by a real sshd.
#![allow(clippy::disallowed_methods, reason = "the tests run git and sshd")]

mod diffs;
mod exports;
mod fetches;
mod histories;
pub mod support;
