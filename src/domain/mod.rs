//! The words and rules of deploying, free of I/O: no clock, no HTTP, no SQL.
//!
//! Everything else in the crate speaks in these types. A rule that decides something (which
//! state may follow which, whether a name is acceptable, whether an instant lies in a window)
//! stands here as a plain function, so that it can be read and tested by itself.

pub mod access;
pub mod calendar;
pub mod deployment;
pub mod error;
pub mod ids;
pub mod names;
pub mod project;
pub mod release;
pub mod server;
pub mod step;

pub use access::{Action, Actor, PolicyLine, Refusal, Resource};
pub use calendar::{Calendar, Freeze, Holidays, Hours, OnHolidays, Window};
pub use deployment::{Deployment, DeploymentState, Kind, Phase, Target};
pub use error::{Error, ErrorKind, FieldError, Result};
pub use ids::*;
pub use names::{BranchName, CommitId, Name, TargetPath};
pub use project::{Environment, EnvironmentOptions, Project, SyncMethod, Variable};
pub use release::Release;
pub use server::{Cluster, HostKey, Server};
pub use step::{Step, StepKind, StepState};

/// An instant, always in UTC; a page turns it into the viewer's zone.
pub type Instant = chrono::DateTime<chrono::Utc>;
