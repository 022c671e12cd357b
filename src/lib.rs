//! Deployer puts Git commits onto servers over SSH.

pub mod access;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod domain;
pub mod engine;
pub mod git;
pub mod process;
pub mod ssh;
pub mod store;
pub mod sync;
pub mod telemetry;
pub mod web;
