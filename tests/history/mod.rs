//! Looking back and looking at what goes on, over real HTTP: the history with its filters, pages
//! and rights, the activity page, and the live streams.

mod activity;
mod large;
mod lost_rights;
mod pages;
mod streams;
pub mod support;
