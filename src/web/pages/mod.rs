//! The pages, one file per noun: a handler extracts, calls `app`, and hands its struct to the
//! template that the struct is the contract of.

pub mod activity;
pub mod admin;
pub mod audit;
pub mod deployment;
pub mod diff;
pub mod environment;
mod follow;
pub mod health;
pub mod history;
pub mod locks;
pub mod login;
pub mod overview;
pub mod preferences;
pub mod profile;
pub mod project;
