//! What is remembered: the database behind plain functions, one module per noun.
//!
//! A caller sees domain types and a [`Store`] to read from; SQL and sea-orm stay inside. Reading
//! functions take `&impl Reader`, which is the store itself or an open write. There are two ways to
//! write (`change`): what matters is changed through a [`Change`], which demands a right to be
//! opened and an event to be committed, and from the event the audit row and the wake-ups are made;
//! what is noted along the way goes through a [`Record`]. So a change without its audit event does
//! not compile, and nobody writes outside a transaction by accident.
//!
//! SQLite admits one writer at a time. `database` lets writers queue for their turn and
//! then opens the transaction as a writing one (`BEGIN IMMEDIATE`): a transaction that starts
//! reading and wants to write later can find itself too late, and SQLite then fails it at once
//! however long it was told to wait. Readers go on beside the writer (WAL).
//!
//! Reading order: [`projects`], [`environments`], [`servers`], [`clusters`], [`balancers`] are
//! the inventory; [`deployments`], [`steps`], [`log`], [`releases`] what happened; [`queue`] is
//! how workers share the work, [`jobs`] how instances share theirs; [`observations`] and [`leftovers`]
//! what was seen on servers; [`users`], [`identities`], [`second_factors`], [`tokens`] and [`sessions`] the people;
//! [`hooks`], [`pushes`], [`polling`] and [`auto_progress`] what makes deployments by itself; [`audit`] and
//! [`locks`] the rest.
//! Secrets are sealed (`seal`) with a key that is kept elsewhere; [`sealing`] knows which. `backend` is
//! the one file that knows which database it talks to.

mod backend;
mod bell;
mod change;
mod columns;
mod database;
mod entities;
mod error;
mod filter;
mod page;
mod seal;
mod serve_lock;
mod tx;

pub mod audit;
pub mod auto_progress;
pub mod balancers;
pub mod clusters;
pub mod deployments;
pub mod environments;
pub mod hooks;
pub mod hops;
pub mod identities;
pub mod jobs;
pub mod kept_answers;
pub mod leftovers;
pub mod locks;
pub mod log;
pub mod observations;
pub mod policies;
pub mod polling;
pub mod projects;
pub mod pushes;
pub mod queue;
pub mod releases;
pub mod sealing;
pub mod second_factors;
pub mod servers;
pub mod sessions;
pub mod steps;
pub mod tokens;
pub mod users;
pub mod ways;

pub use backend::StoreOptions;
pub use bell::Ring;
use change::insert_all;
pub use change::{Change, Journal, Leased, Record, Right, Write};
pub use database::Store;
pub use error::{Collided, again};
pub use filter::{AuditFilter, PastFilter, PlaceNames};
pub use page::{Page, Paged};
pub use seal::{Seal, SealingKey};
pub use serve_lock::ServeLock;
pub use tx::{Fenced, Lease, Reader};
