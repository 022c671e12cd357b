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
