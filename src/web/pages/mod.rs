//! The pages, one file per noun: a handler extracts, calls `app`, and hands its struct to the
//! template that the struct is the contract of.

pub mod activity;
pub mod admin;
pub mod audit;
pub mod deployment;
pub mod diff;
pub mod environment;
pub mod history;
pub mod overview;
pub mod project;

use std::borrow::Borrow;

use crate::web::format;

/// `1 commit`, `1,204 commits`: for templates, which hold counts as `usize`.
pub fn count(amount: impl Borrow<usize>, noun: &str) -> String {
    format::count(i64::try_from(*amount.borrow()).unwrap_or(i64::MAX), noun)
}
