//! Deployer puts Git commits onto servers over SSH, safely, and shows who did what, when and why it
//! was allowed. This page is a tour of the code.
//!
//! # The modules, in reading order
//!
//! - [`domain`]: the words and rules. Start with `domain/deployment.rs`, whose table says which
//!   state may follow which, `domain/access.rs`, the vocabulary of permission, and
//!   `domain/rollout/plan.rs`, which works out what a rollout will do. No I/O in here.
//! - [`app`]: the use cases, one file per noun. `app/deployments/request.rs` is the heart of the matter:
//!   [`app::deployments::request`] is the only way to create a deployment; `app/pushes` is what makes some by
//!   itself.
//! - [`access`]: may this actor do that, there, now? Policy files that a sysadmin owns, decided by
//!   casbin. It alone can make an [`access::Permit`], the value that every change asks for.
//! - [`engine`]: carries deployments out. A worker claims one, `engine/phases.rs` walks it through its
//!   phases, `engine/rollout.rs` walks the plan from batch to batch, `engine/rollout/rotation.rs` takes
//!   servers out of service and puts them back, `engine/pause.rs` waits for people, and `engine/closing.rs`
//!   ends it. `engine/recovery.rs` takes over what a killed deployer left, `engine/keeper.rs` keeps servers
//!   out of service that ended deployments left out, and `engine/output.rs` stores every printed line and
//!   then sends it to open pages. The module's own page has the table of its layers.
//! - [`store`]: remembers. The only place that knows SQL; one file per noun. What matters is written
//!   through a [`store::Change`], which is opened with a right (a permit, a lease, a login or
//!   refusal) and committed only together with a [`domain::Event`]; the audit row and the wake-ups
//!   of pages and workers are made from that event. What is noted along the way (log lines, steps,
//!   heartbeats) goes through a [`store::Record`].
//! - [`git`], [`ssh`], [`sync`]: one module per thing outside. Mirrors, commits, diffs, exports;
//!   pooled connections and remote commands as values; the one manifest of a tree and the
//!   difference that each server needs.
//! - [`handshake`]: how SSH connections to servers and to Git hosts are encrypted.
//! - [`http`]: a small client that speaks over any stream, for requests to servers and balancers.
//! - [`balancer`]: HAProxy, over its socket or its statistics page: who is in service, taking
//!   servers out and back in, waiting for sessions to end and for servers to come up.
//! - [`terminal`]: which parts of a line of output a terminal shows and which it obeys; masking and
//!   pages use it.
//! - [`confinement`]: runs what repositories bring on this host so that it reaches nothing but its own
//!   tree.
//! - [`health`]: asks a server whether it serves its new release, from here or from itself.
//! - [`oidc`] and [`plugin`]: ask OpenID providers, and programs and endpoints of the sysadmin's, who somebody is.
//! - [`web`]: pages, fragments and live streams over HTTP, and the JSON API in `web/api`. A handler extracts,
//!   calls `app` once and hands a finished struct to its template, or answers it as JSON.
//! - [`cli`] and [`config`], [`telemetry`], [`process`], [`clock`], `private`, `removal`, `free_room`: how the
//!   program is started, set up, watched; how it starts others; how it knows the time; how it keeps its files to
//!   itself, removes those of others, and leaves room on the disk.
//! - [`demo`]: a whole installation on one machine, for looking around.
//!
//! Dependencies point down only: `web` and `cli` use `app`; `app` uses `access`, `engine` and
//! `store`; those use the modules for things outside; everything uses `domain`, which uses none of
//! them. A test enforces this.
//!
//! # What always holds
//!
//! 1. Nothing from outside reaches a shell unquoted: a remote command is an [`ssh::Command`], whose
//!    arguments are quoted in one place.
//! 2. No connection without a verified host key, no password login, no private key in the database,
//!    the log or a page.
//! 3. No action without a permit, which is checked at the request and again when the action is
//!    carried out. Code that opens a change without a right does not compile.
//! 4. A change and its audit event are one transaction, and code that commits a change without an
//!    event does not compile; audit events are only ever appended.
//! 5. After a failure, a cancel or a crash no server with a correct release stays out of service, no
//!    server with a half-applied release goes back, and every server's row says what is on it. No
//!    rollout ever takes more servers out of a balancer than its plan allows.
//! 6. A log line that was shown is stored, and a stored one can be shown again under its number.
//! 7. An instance that lost the lease of a deployment writes nothing more about it and touches no server.
//! 8. A broken policy file never widens access: the last good policy stays in force.
//! 9. Bad input is answered with a sentence that says what to do.
//! 10. Instants are UTC, and a parameter of every function that decides by them.
//!
//! # One deployment, followed through
//!
//! Alice presses Deploy. The form's handler in `web` turns the form into an
//! [`app::deployments::DeployRequest`]. [`app::deployments::request`] asks `access` for a permit,
//! checks that the servers belong to the environment and that the commit is on its branch and was
//! proven in the environment before, and stores the deployment and its servers in a change. Its
//! commit records the event `deployment.requested` and wakes the engine.
//!
//! A worker claims the deployment: in one transaction it becomes `running` and its servers are
//! reserved, so nobody else deploys to them meanwhile. *Check* asks `access` again, looks at every
//! server over its pooled connection, asks the balancers who is in service, and makes the plan
//! ([`domain::rollout::plan`]) that Alice was shown before. *Prepare* fetches the mirror, exports
//! the commit into a directory of its own, and runs the local scripts there. *Roll out* makes the
//! manifest, packs or reuses for each server the difference to what lies there, and sends and
//! verifies it; then, batch after batch, each server is taken out of its balancers, switched, run
//! through `deploy.sh`, tests and health check, and put back once all is well. What is about to be
//! done to a server is written down before, and what came of it after. *Finish*
//! removes old releases; closing the deployment frees its servers, together with its last audit event.
//!
//! Meanwhile every printed line was masked, stored under a number and announced by
//! [`engine::live::Hub`]; Alice's browser holds an event stream that replays from the number it saw
//! last, so that nothing is lost when her train enters a tunnel.

pub mod access;
pub mod app;
pub mod balancer;
#[cfg(test)]
#[path = "../tests/support/cases.rs"]
mod cases;
pub mod cli;
pub mod clock;
pub mod config;
pub mod confinement;
pub mod demo;
pub mod domain;
pub mod engine;
mod free_room;
pub mod git;
pub mod handshake;
pub mod health;
pub mod http;
pub mod oidc;
pub mod plugin;
mod private;
pub mod process;
mod removal;
mod small_file;
pub mod ssh;
pub mod store;
pub mod sync;
pub mod telemetry;
pub mod terminal;
pub mod web;
