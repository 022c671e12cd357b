//! The words and rules of deploying, free of I/O: no clock, no HTTP, no SQL.
//!
//! Everything else in the crate speaks in these types. A rule that decides something (which state
//! may follow which, whether a name is acceptable, whether an instant lies in a window) is a plain
//! function here, so that it can be read and tested by itself.

pub mod access;
pub mod audit;
pub mod calendar;
pub mod database;
pub mod deployment;
mod directions;
pub mod endpoints;
pub mod error;
pub mod event;
pub mod health;
#[cfg(test)]
mod hostile;
pub mod identity;
pub mod ids;
pub mod kind;
pub mod lock;
pub mod log;
pub mod names;
pub mod network;
pub mod part;
pub mod pause;
pub mod project;
pub mod push;
mod refusal;
pub mod release;
pub mod rollout;
pub mod second_factor;
pub mod server;
pub mod session;
pub mod standing;
pub mod step;
pub mod token;
pub mod user;
pub mod variables;
mod words;

pub use access::{Action, Actor, Area, PolicyLine, Resource, TokenScope, UsedToken};
pub use audit::{AuditEvent, ExportFormat, NewAuditEvent, Outcome, ReadCause};
pub use calendar::{Calendar, Freeze, Holidays, Hours, OnHolidays, Window};
pub use database::DatabaseUrl;
pub use deployment::{Deployment, DeploymentState, Phase, ServerPart, ServerState, Service, Target};
pub use directions::{turns_text, with_turns_escaped, with_turns_named};
pub use endpoints::{AtEndpoint, Split};
pub use error::{Error, ErrorKind, FieldError, FieldErrors, Result, if_found};
pub use event::{Author, Event, EventKind};
pub use health::HealthCheck;
pub use identity::{Identity, LoginProvider, OutsideLogin, PluginPlace};
pub use ids::*;
pub use kind::Kind;
pub use lock::Lock;
pub use log::{Chunk, Line, LogLine, NumberedChunk, Stream};
pub use names::{BranchName, CommitId, KeyName, Name, TargetPath, short_hash};
pub use network::{Network, OtherHost, ProxyException};
pub use pause::{Answer, Answered, Answerer, Approval, Chosen, PastPause, Pause, PauseReason};
pub use project::{Environment, EnvironmentOptions, Extras, Project, SyncMethod, Variable};
pub use push::{
    AutoOptions, AutoProgress, Hook, HookSender, Polling, PushState, PushedBranch, ReceivedPush, WhenRefused,
};
pub use refusal::Refusal;
pub use release::{HeldData, Observation, Release, ServerRelease, TreeSize};
pub use rollout::{OnFailure, Plan, RolloutOptions, Share, Strategy};
pub use second_factor::SecondFactor;
pub use server::{Balancer, Cluster, Hop, HostKey, Jump, Member, Server};
pub use session::{HalfIn, SignedIn, UserSession, WhichSessions};
pub use standing::{OnServer, ServerStanding, ServiceBefore};
pub use step::{Step, StepKind, StepState};
pub use token::{ApiToken, TokenState};
pub use user::User;
pub use variables::ScriptVariables;

/// An instant, always in UTC; a page turns it into the viewer's zone.
pub type Instant = chrono::DateTime<chrono::Utc>;
