//! The integration tests: one binary, one module per area; `support` holds the real things they
//! run against.

mod git;
mod ssh;
mod support;
mod web;
