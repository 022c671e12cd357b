//! A deployer to try out, made of nothing but this program.

mod moments;
mod pictures;
pub mod repositories;
pub mod stories;
