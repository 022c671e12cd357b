//! The store on real SQLite files.

mod audit;
mod history;
mod inventory;
mod log;
mod people;
mod queue;
mod schema;
mod states;
