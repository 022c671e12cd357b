//! The pages over real HTTP: a server on a free port, asked by a client with a cookie jar.

mod abuse;
pub mod api;
mod areas;
mod away;
mod calendar;
mod connections;
mod doors;
mod floods;
mod forms;
mod kept;
mod logins;
mod lost_rights;
mod matrix;
pub mod outside;
mod questions;
mod second_factor;
mod sessions;
mod shell;
pub mod support;
mod token_pages;
mod token_reach;
mod tokens;
mod unseen;
