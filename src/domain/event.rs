//! What happened, typed: the audit row and the wake-ups of whoever watches are made from it, and
//! from nothing else.
//!
//! An [`Event`] says what happened and to what. Who did it, and what allowed it, is known by the
//! right with which the change was made: [`Author`].

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::step::words;
use super::{
    Action, Actor, Deployment, DeploymentId, DeploymentState, Instant, NewAuditEvent, Outcome, Refusal,
};

words! {
    /// What can happen. The word is noun and verb, as the audit log and its filters write it.
    EventKind {
        /// Somebody asked for it.
        DeploymentRequested = "deployment.requested", "Deployment requested";
        /// The second person said yes.
        DeploymentApproved = "deployment.approved", "Deployment approved";
        /// Somebody who may not approve it tried to.
        ApprovalRefused = "deployment.approve_refused", "Approval refused";
        /// The second person said no.
        DeploymentRejected = "deployment.rejected", "Deployment rejected";
        /// A newer automatic deployment made it pointless.
        DeploymentSuperseded = "deployment.superseded", "Deployment superseded";
        /// Somebody wants it ended.
        CancelRequested = "deployment.cancel_requested", "Cancel requested";
        /// Somebody wants it to pause after the current batch.
        PauseRequested = "deployment.pause_requested", "Pause requested";
        /// That wish was taken back.
        PauseWithdrawn = "deployment.pause_withdrawn", "Pause request withdrawn";
        /// Somebody told a paused deployment what to do.
        DeploymentAnswered = "deployment.answered", "Paused deployment answered";
        /// Its time came, and it waits for its turn.
        DeploymentQueued = "deployment.queued", "Deployment queued";
        /// A worker took it.
        DeploymentStarted = "deployment.started", "Deployment started";
        /// It waits for a person or a time.
        DeploymentPaused = "deployment.paused", "Deployment paused";
        /// It goes on after a pause.
        DeploymentResumed = "deployment.resumed", "Deployment resumed";
        /// It may not be done any more.
        DeploymentRefused = "deployment.refused", "Deployment refused";
        /// It ended well.
        DeploymentSucceeded = "deployment.succeeded", "Deployment succeeded";
        /// It ended badly.
        DeploymentFailed = "deployment.failed", "Deployment failed";
        /// Somebody ended it.
        DeploymentCancelled = "deployment.cancelled", "Deployment cancelled";
        /// The deployer went away while it ran.
        DeploymentInterrupted = "deployment.interrupted", "Deployment interrupted";
        /// A server that was left out of service came back, and was taken out again.
        ServerKeptOut = "deployment.kept_out", "Server kept out of service";
        /// Somebody put a server back that was left out of service.
        ServerPutBackByHand = "deployment.put_back_by_hand", "Server put back by hand";
        /// A deployment goes through in spite of a lock.
        LockOverridden = "lock.overridden", "Lock overridden";
        /// A place was locked.
        LockCreated = "lock.created", "Lock created";
        /// A lock was lifted.
        LockLifted = "lock.lifted", "Lock lifted";
        /// A repository was fetched on request.
        CommitsFetched = "commits.fetched", "Commits fetched";
        /// A project was added.
        ProjectAdded = "project.added", "Project added";
        /// A project was changed.
        ProjectChanged = "project.changed", "Project changed";
        /// A project was deleted.
        ProjectDeleted = "project.deleted", "Project deleted";
        /// An environment was added.
        EnvironmentAdded = "environment.added", "Environment added";
        /// An environment was changed.
        EnvironmentChanged = "environment.changed", "Environment changed";
        /// An environment got another place in the promotion chain.
        EnvironmentMoved = "environment.moved", "Environment moved";
        /// An environment was deleted.
        EnvironmentDeleted = "environment.deleted", "Environment deleted";
        /// A server was added.
        ServerAdded = "server.added", "Server added";
        /// A server was changed.
        ServerChanged = "server.changed", "Server changed";
        /// A server takes part in deployments again.
        ServerActivated = "server.activated", "Server activated";
        /// A server takes no part in deployments any more.
        ServerDeactivated = "server.deactivated", "Server deactivated";
        /// A server was deleted.
        ServerDeleted = "server.deleted", "Server deleted";
        /// A server's host key was trusted.
        HostKeyTrusted = "server.host_key_trusted", "Host key trusted";
        /// The trust in a server's host key was revoked.
        HostKeyForgotten = "server.host_key_forgotten", "Host key trust revoked";
        /// A cluster was added.
        ClusterAdded = "cluster.added", "Cluster added";
        /// A cluster was changed.
        ClusterChanged = "cluster.changed", "Cluster changed";
        /// A cluster was deleted.
        ClusterDeleted = "cluster.deleted", "Cluster deleted";
        /// A balancer was added.
        BalancerAdded = "balancer.added", "Balancer added";
        /// A balancer was changed.
        BalancerChanged = "balancer.changed", "Balancer changed";
        /// A balancer was deleted.
        BalancerDeleted = "balancer.deleted", "Balancer deleted";
        /// A person drained a server at its balancer.
        BalancerDrained = "balancer.drained", "Server drained by hand";
        /// A person took a server out of service at its balancer.
        BalancerTakenOut = "balancer.taken_out", "Server taken out by hand";
        /// A person put a server back into service at its balancer.
        BalancerPutBack = "balancer.put_back", "Server put back by hand";
        /// The balancer did not do what a person wanted.
        BalancerActFailed = "balancer.act_failed", "Balancer did not follow";
        /// An account was added.
        UserAdded = "user.added", "User added";
        /// An account's name for people or mail address was changed.
        UserChanged = "user.changed", "User changed";
        /// An account was disabled.
        UserDisabled = "user.disabled", "User disabled";
        /// An account was enabled.
        UserEnabled = "user.enabled", "User enabled";
        /// An account was deleted.
        UserDeleted = "user.deleted", "User deleted";
        /// An administrator set somebody's password.
        PasswordSet = "user.password_set", "Password set";
        /// Somebody changed their own password.
        PasswordChanged = "user.password_changed", "Password changed";
        /// Somebody gave a wrong present password.
        PasswordChangeFailed = "user.password_change_failed", "Password change failed";
        /// Somebody tried to change a password too often.
        PasswordChangeThrottled = "user.password_change_throttled", "Password change throttled";
        /// Somebody logged in.
        LoginSucceeded = "login.succeeded", "Logged in";
        /// Somebody failed to log in.
        LoginFailed = "login.failed", "Login failed";
        /// Somebody tried to log in too often.
        LoginThrottled = "login.throttled", "Login throttled";
        /// Somebody logged out.
        Logout = "logout", "Logged out";
        /// Past deployments and what belongs to them were brought in from outside.
        HistoryBroughtIn = "history.brought_in", "History brought in";
        /// Policy refused something; the word names what.
        Refused = "refused", "Refused by policy";
    }
}

impl EventKind {
    /// What is recorded when a deployment reaches `state`.
    pub fn of_state(state: DeploymentState) -> Self {
        match state {
            DeploymentState::Awaiting | DeploymentState::Scheduled => Self::DeploymentRequested,
            DeploymentState::Queued => Self::DeploymentQueued,
            DeploymentState::Running => Self::DeploymentStarted,
            DeploymentState::Paused => Self::DeploymentPaused,
            DeploymentState::Succeeded => Self::DeploymentSucceeded,
            DeploymentState::Failed => Self::DeploymentFailed,
            DeploymentState::Cancelled => Self::DeploymentCancelled,
            DeploymentState::Interrupted => Self::DeploymentInterrupted,
        }
    }
}

/// Who did something, and what allowed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// In whose name.
    pub actor: String,
    /// Who really sat there, if that is somebody else.
    pub impersonator: Option<String>,
    /// The IP address it came from, `cli`, or `engine`.
    pub address: String,
    /// The policy line that allowed it; may be empty.
    pub ground: String,
}

impl Author {
    /// How the engine names itself, as an address and where it acts in nobody's name.
    pub const ENGINE: &'static str = "engine";

    /// A person or program, allowed by `ground`.
    pub fn new(actor: &Actor, ground: impl Into<String>) -> Self {
        Self {
            actor: actor.name.clone(),
            impersonator: actor.impersonator.clone(),
            address: actor.address.clone(),
            ground: ground.into(),
        }
    }

    /// The engine, in the name of whoever asked for the deployment.
    pub fn of(deployment: &Deployment) -> Self {
        let permit = deployment.permit.as_ref();
        Self {
            actor: deployment.actor.clone(),
            impersonator: deployment.impersonator.clone(),
            address: Self::ENGINE.to_owned(),
            ground: permit.map(ToString::to_string).unwrap_or_default(),
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// The deployment it happened to, if it did to one.
    pub deployment: Option<DeploymentId>,
    /// What was refused, for [`EventKind::Refused`].
    action: Option<Action>,
    /// To what; `None`: to what the right is about.
    about: Option<String>,
    outcome: Outcome,
    /// The sentence that refused it.
    refused_because: Option<String>,
    detail: Value,
}

impl Event {
    /// Something that was allowed and done. `detail` is an object: what else is worth knowing, by
    /// name, without secrets.
    pub fn new(kind: EventKind, detail: Value) -> Self {
        Self {
            kind,
            deployment: None,
            action: None,
            about: None,
            outcome: Outcome::Allowed,
            refused_because: None,
            detail,
        }
    }

    /// Something that happened to a deployment, with what else is worth knowing.
    pub fn deployment(kind: EventKind, id: DeploymentId, mut detail: Value) -> Self {
        detail["deployment"] = json!(id);
        Self {
            deployment: Some(id),
            ..Self::new(kind, detail)
        }
    }

    /// A deployment was asked for.
    pub fn requested(deployment: &Deployment) -> Self {
        let detail = json!({
            "commit": deployment.commit.as_str(), "target": deployment.target.to_string(),
            "kind": deployment.kind.as_str(), "reason": deployment.reason,
            "state": deployment.state.as_str(), "at": deployment.scheduled_at,
            "strategy": deployment.strategy, "origin": deployment.origin,
        });
        Self::deployment(EventKind::DeploymentRequested, deployment.id, detail).about(place(deployment))
    }

    /// Something that the engine did with a deployment, and a sentence about it.
    pub fn by_engine(kind: EventKind, deployment: &Deployment, sentence: &str) -> Self {
        let detail = json!({ "commit": deployment.commit.as_str(), "outcome": sentence });
        Self::deployment(kind, deployment.id, detail).about(place(deployment))
    }

    /// Policy refused something `now`; it may have been asked for another time.
    pub fn refused(refusal: &Refusal, now: Instant) -> Self {
        // Asking and deciding are moments apart when it was asked for now.
        let detail = if refusal.at <= now {
            json!({})
        } else {
            json!({ "for": refusal.at })
        };
        Self {
            action: Some(refusal.action),
            ..Self::new(EventKind::Refused, detail)
                .about(refusal.resource.to_string())
                .forbidden(refusal.sentence())
        }
    }

    /// The same, about something other than what the right is about: `server web1`.
    #[must_use]
    pub fn about(mut self, what: impl Into<String>) -> Self {
        self.about = Some(what.into());
        self
    }

    /// The same, refused by policy or by a rule, with the sentence that people read.
    #[must_use]
    pub fn forbidden(mut self, why: impl Into<String>) -> Self {
        self.outcome = Outcome::Refused;
        self.refused_because = Some(why.into());
        self
    }

    /// The same, with one more thing worth knowing.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.detail[name] = value;
        self
    }

    /// The same, with another outcome.
    #[must_use]
    pub fn ended(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// As the audit log writes it: noun and verb.
    pub fn name(&self) -> String {
        match self.action {
            Some(action) => format!("{action}.{}", self.kind),
            None => self.kind.to_string(),
        }
    }

    /// The record of it. `place` is what the right is about.
    pub fn recorded(&self, author: &Author, place: &str, at: Instant) -> NewAuditEvent {
        NewAuditEvent {
            at,
            actor: author.actor.clone(),
            impersonator: author.impersonator.clone(),
            address: author.address.clone(),
            action: self.name(),
            resource: self.about.clone().unwrap_or_else(|| place.to_owned()),
            outcome: self.outcome,
            permit: self
                .refused_because
                .clone()
                .unwrap_or_else(|| author.ground.clone()),
            detail: self.detail.clone(),
        }
    }
}

fn place(deployment: &Deployment) -> String {
    format!("{}/{}", deployment.project, deployment.environment)
}
