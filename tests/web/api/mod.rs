//! The JSON API over real HTTP, as programs meet it.

mod conditions;
mod documented;
mod faults;
mod generated;
mod installation;
mod pages;
mod rights;
pub mod support;
