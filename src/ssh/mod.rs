//! Commands on other hosts, over SSH.
//!
//! A [`Connections`] keeps one connection per server, user and pinned host key, and hands out
//! [`Session`]s; a session runs [`Command`]s, each on a channel of its own, and streams what they
//! print into an [`Output`]. Building a command ([`command`]) and running one ([`run`]) are
//! different places, so that “what would we run” is a comparison of strings.
//!
//! Why one kept connection: the handshake is the dearest part of a short command, for both ends.
//! Why known keys only: an unknown or changed host key ends the attempt before anything about us
//! is told to the other side; [`Connections::fetch_host_key`] is the only way in which a person learns a
//! key in order to trust it.
//!
//! Reading order: [`command`], [`endpoint`], `connect` (handshake and host key), `auth` (our
//! keys), `handler` (what russh asks us), `connection`, [`pool`], `channel`, [`run`], `guard` (how a command is started
//! and its process group ended), `mark` (where its output begins), [`forward`]
//! (connections that a server makes for us), [`error`].

mod auth;
mod channel;
pub mod command;
mod connect;
mod connection;
pub mod endpoint;
pub mod error;
pub mod forward;
mod guard;
mod handler;
mod mark;
pub mod pool;
pub mod run;

pub use command::Command;
pub use connect::FetchedKey;
pub use endpoint::{Endpoint, Options};
pub use error::Error;
pub use forward::Forward;
pub use pool::{Connections, Session};
pub use run::{Captured, Run, Stdin};

pub use crate::process::{Exit, Output};

#[cfg(test)]
mod tests;
