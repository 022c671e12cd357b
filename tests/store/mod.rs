//! The store on real databases: each test runs on SQLite, PostgreSQL and MariaDB.

mod audit;
mod away;
mod history;
mod inventory;
mod jobs;
mod kept_answers;
mod log;
mod people;
mod pushes;
mod queue;
mod schema;
mod sealing;
mod states;
