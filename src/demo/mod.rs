//! A deployer to try out, made of nothing but this program.

pub mod fleet;
mod moments;
pub mod past;
pub mod people;
mod pictures;
pub mod repositories;
pub mod ssh_server;
pub mod stories;
