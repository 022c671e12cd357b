//! Typed events. The audit row and all wake-ups are made from them, and from nothing else.
//!
//! An [`Event`] says what happened and to what. The right that opened the change knows who did it and
//! what allowed it: [`Author`].

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::words::words;
use super::{
    Action, Actor, CommitId, Deployment, DeploymentId, DeploymentState, Instant, NewAuditEvent, Outcome,
    PolicyLine, Refusal,
};

words! {
    /// What can happen. The word is noun and verb, as the audit log and its filters write it.
    EventKind {
        DeploymentRequested = "deployment.requested", "Deployment requested";
        DeploymentApproved = "deployment.approved", "Deployment approved";
        /// Somebody without the right to approve it tried to.
        ApprovalRefused = "deployment.approve_refused", "Approval refused";
        DeploymentRejected = "deployment.rejected", "Deployment rejected";
        /// A newer automatic deployment made it pointless.
        DeploymentSuperseded = "deployment.superseded", "Deployment superseded";
        CancelRequested = "deployment.cancel_requested", "Cancel requested";
        PauseRequested = "deployment.pause_requested", "Pause requested";
        PauseWithdrawn = "deployment.pause_withdrawn", "Pause request withdrawn";
        DeploymentAnswered = "deployment.answered", "Paused deployment answered";
        /// Its time came, and it waits in the queue.
        DeploymentQueued = "deployment.queued", "Deployment queued";
        DeploymentStarted = "deployment.started", "Deployment started";
        DeploymentPaused = "deployment.paused", "Deployment paused";
        DeploymentResumed = "deployment.resumed", "Deployment resumed";
        /// A pause was answered with an end to it.
        DeploymentStopped = "deployment.stopped", "Deployment stopped";
        /// Policy no longer allows it.
        DeploymentRefused = "deployment.refused", "Deployment refused";
        /// It ended well.
        DeploymentSucceeded = "deployment.succeeded", "Deployment succeeded";
        /// It ended badly.
        DeploymentFailed = "deployment.failed", "Deployment failed";
        DeploymentCancelled = "deployment.cancelled", "Deployment cancelled";
        /// The deployer stopped while it ran.
        DeploymentInterrupted = "deployment.interrupted", "Deployment interrupted";
        /// A server that was left out of service came back, and was taken out again.
        ServerKeptOut = "deployment.kept_out", "Server kept out of service";
        /// A server that a deployment could not put back is in service again.
        ServerPutBack = "deployment.put_back", "Server put back into service";
        /// Somebody put a server back that was left out of service.
        ServerPutBackByHand = "deployment.put_back_by_hand", "Server put back by hand";
        /// Somebody took a server out of service that was being put back.
        ServerTakenOutByHand = "deployment.taken_out_by_hand", "Server taken out by hand";
        /// A deployment was requested in spite of a lock.
        LockOverridden = "lock.overridden", "Lock overridden";
        /// A place was locked.
        LockCreated = "lock.created", "Lock created";
        LockLifted = "lock.lifted", "Lock lifted";
        /// A repository was fetched on request.
        CommitsFetched = "commits.fetched", "Commits fetched";
        /// A project got an address to tell it of pushes.
        HookMade = "hook.made", "Hook made";
        /// Its address and its secret were exchanged.
        HookRenewed = "hook.renewed", "Hook renewed";
        HookRemoved = "hook.removed", "Hook removed";
        /// How often a repository is asked for news was changed.
        PollingChanged = "polling.changed", "Polling changed";
        /// A push was not deployed, though the environment deploys pushes.
        AutomaticDropped = "automatic.dropped", "Automatic deployment dropped";
        ProjectAdded = "project.added", "Project added";
        ProjectChanged = "project.changed", "Project changed";
        ProjectDeleted = "project.deleted", "Project deleted";
        EnvironmentAdded = "environment.added", "Environment added";
        EnvironmentChanged = "environment.changed", "Environment changed";
        /// An environment got another place in the promotion chain.
        EnvironmentMoved = "environment.moved", "Environment moved";
        EnvironmentDeleted = "environment.deleted", "Environment deleted";
        ServerAdded = "server.added", "Server added";
        ServerChanged = "server.changed", "Server changed";
        /// A server takes part in deployments again.
        ServerActivated = "server.activated", "Server activated";
        /// A server takes no part in deployments any more.
        ServerDeactivated = "server.deactivated", "Server deactivated";
        ServerDeleted = "server.deleted", "Server deleted";
        HostKeyTrusted = "server.host_key_trusted", "Host key trusted";
        HostKeyForgotten = "server.host_key_forgotten", "Host key trust revoked";
        ClusterAdded = "cluster.added", "Cluster added";
        ClusterChanged = "cluster.changed", "Cluster changed";
        ClusterDeleted = "cluster.deleted", "Cluster deleted";
        BalancerAdded = "balancer.added", "Balancer added";
        BalancerChanged = "balancer.changed", "Balancer changed";
        BalancerDeleted = "balancer.deleted", "Balancer deleted";
        BalancerDrained = "balancer.drained", "Server drained by hand";
        BalancerTakenOut = "balancer.taken_out", "Server taken out by hand";
        BalancerPutBack = "balancer.put_back", "Server put back by hand";
        /// The balancer did not carry out what a person requested.
        BalancerActFailed = "balancer.act_failed", "Balancer change failed";
        UserAdded = "user.added", "User added";
        /// An account's display name or e-mail address was changed.
        UserChanged = "user.changed", "User changed";
        UserDisabled = "user.disabled", "User disabled";
        UserEnabled = "user.enabled", "User enabled";
        UserDeleted = "user.deleted", "User deleted";
        TokenMade = "token.made", "API token made";
        TokenRevoked = "token.revoked", "API token revoked";
        /// A request came with a token that is unknown or can no longer be used.
        TokenRefused = "token.refused", "API token refused";
        /// An administrator set somebody's password.
        PasswordSet = "user.password_set", "Password set";
        /// Somebody changed their own password.
        PasswordChanged = "user.password_changed", "Password changed";
        /// Somebody entered a wrong present password.
        PasswordChangeFailed = "user.password_change_failed", "Password change failed";
        /// Somebody tried to change a password too often.
        PasswordChangeThrottled = "user.password_change_throttled", "Password change throttled";
        /// An administrator linked an account to a login from outside.
        IdentityLinked = "user.linked", "Login linked";
        IdentityUnlinked = "user.unlinked", "Login unlinked";
        /// Somebody began to set up a second factor.
        SecondFactorBegun = "user.second_factor_begun", "Second factor begun";
        SecondFactorOn = "user.second_factor_on", "Second factor set up";
        SecondFactorOff = "user.second_factor_off", "Second factor turned off";
        /// An administrator took somebody's second factor away.
        SecondFactorReset = "user.second_factor_reset", "Second factor reset";
        RecoveryCodesMade = "user.recovery_codes_made", "Recovery codes made";
        /// Somebody entered a wrong code of a second factor, or a used one.
        CodeFailed = "user.code_failed", "Second factor failed";
        LoginSucceeded = "login.succeeded", "Logged in";
        /// Somebody failed to log in.
        LoginFailed = "login.failed", "Login failed";
        /// A provider let somebody in, and no account here is theirs.
        OutsideLoginRefused = "login.refused", "Login from outside refused";
        /// Somebody tried to log in too often.
        LoginThrottled = "login.throttled", "Login throttled";
        Logout = "logout", "Logged out";
        /// Sessions of an account were ended other than by logging out.
        SessionsEnded = "session.ended", "Sessions ended";
        /// The policy files were read again and are in force.
        PolicyReloaded = "policy.reloaded", "Policy reloaded";
        /// The policy files have errors, so the previous policy stays in force.
        PolicyRejected = "policy.rejected", "Policy rejected";
        /// Secrets that were in clear in the database were sealed, or a key was noted for later ones.
        SecretsSealed = "secrets.sealed", "Secrets sealed";
        /// Secrets were sealed with another key.
        SealingKeyChanged = "secrets.key_changed", "Sealing key changed";
        /// Secrets whose key is lost were deleted.
        SecretsForgotten = "secrets.forgotten", "Secrets forgotten";
        /// The deployer began to serve, with scripts of repositories unconfined on its host.
        ScriptsUnconfined = "scripts.unconfined", "Scripts run unconfined";
        /// The key that signs the audit log's heads was noted.
        AuditKeySet = "audit.key_set", "Audit key set";
        /// Another key signs the audit log's heads.
        AuditKeyChanged = "audit.key_changed", "Audit key changed";
        /// The oldest events were archived and removed.
        AuditCut = "audit.cut", "Audit log cut";
        /// Events of the audit log were exported.
        AuditExported = "audit.exported", "Audit log exported";
        DeployerStarted = "deployer.started", "Deployer started";
        DeployerStopped = "deployer.stopped", "Deployer stopped";
        /// Past deployments were imported.
        HistoryBroughtIn = "history.brought_in", "History imported";
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

/// Who made a change, and what allowed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The account in whose name it was done.
    pub actor: String,
    /// The account that acted as the actor, if any.
    pub impersonator: Option<String>,
    /// The name of the API token that the actor used, if any.
    pub token: Option<String>,
    /// The IP address it came from, `cli`, or `engine`.
    pub address: String,
    /// The policy line that allowed it; may be empty.
    pub ground: String,
}

impl Author {
    /// The engine's name, as an address and as an actor.
    pub const ENGINE: &'static str = "engine";

    /// A person or program, allowed by `ground`.
    pub fn new(actor: &Actor, ground: impl Into<String>) -> Self {
        Self {
            actor: actor.name.clone(),
            impersonator: actor.impersonator.clone(),
            token: actor.token.as_ref().map(|token| token.name.clone()),
            address: actor.address.clone(),
            ground: ground.into(),
        }
    }

    /// The engine, in the name of the deployment's requester.
    pub fn of(deployment: &Deployment) -> Self {
        let permit = deployment.permit.as_ref();
        Self {
            actor: deployment.actor.clone(),
            impersonator: deployment.impersonator.clone(),
            token: None,
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
    /// The resource; `None`: that of the right.
    about: Option<String>,
    outcome: Outcome,
    /// The sentence that refused it.
    refused_because: Option<String>,
    detail: Value,
}

impl Event {
    /// An event that was allowed and done. `detail` is an object with what else is worth knowing,
    /// without secrets.
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

    /// An event of a deployment.
    pub fn deployment(kind: EventKind, id: DeploymentId, mut detail: Value) -> Self {
        detail["deployment"] = json!(id);
        Self {
            deployment: Some(id),
            ..Self::new(kind, detail)
        }
    }

    /// A deployment was requested. The detail has all that its page shows of the request, so that the two
    /// can be compared.
    pub fn requested(deployment: &Deployment) -> Self {
        let given = deployment.approval.as_ref().and_then(|one| one.given.as_ref());
        let detail = json!({
            "commit": deployment.commit.as_str(), "target": deployment.target.to_string(),
            "kind": deployment.kind.as_str(), "reason": deployment.reason,
            "state": deployment.state.as_str(), "at": deployment.scheduled_at,
            "strategy": deployment.strategy, "origin": deployment.origin,
            "undoes": deployment.undoes,
            "title": deployment.commit_title, "branch": deployment.branch,
            "previous_commit": deployment.previous_commit.as_ref().map(CommitId::as_str),
            "approved_by": given.map(|(who, _)| who), "approved_at": given.map(|(_, at)| at),
            "approved_through": deployment.approval.as_ref().and_then(|one| one.impersonator.as_ref()),
        });
        Self::deployment(EventKind::DeploymentRequested, deployment.id, detail).about(place(deployment))
    }

    /// An event that the engine caused, with a sentence about it.
    pub fn by_engine(kind: EventKind, deployment: &Deployment, sentence: &str) -> Self {
        let detail = json!({ "commit": deployment.commit.as_str(), "outcome": sentence });
        Self::deployment(kind, deployment.id, detail).about(place(deployment))
    }

    /// The same of a deployment that `heir` carries on in place of its requester, as `line` allows.
    pub fn taken_over(
        kind: EventKind,
        deployment: &Deployment,
        sentence: &str,
        (heir, line): (&Actor, &PolicyLine),
    ) -> Self {
        let mut event = Self::by_engine(kind, deployment, sentence);
        event.detail["carried_on_by"] = json!(heir.name);
        event.detail["carried_on_through"] = json!(heir.impersonator);
        event.detail["carried_on_allowed_by"] = json!(line.to_string());
        event
    }

    /// A refusal at `now`, possibly of something at another time.
    pub fn refused(refusal: &Refusal, now: Instant) -> Self {
        // A refusal for now is decided moments before it is recorded.
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

    /// The same, repeated `times` from `since` to `last`.
    #[must_use]
    pub fn repeated(self, times: u64, since: Instant, last: Instant) -> Self {
        Self {
            detail: json!({ "repeated": times, "since": since, "last": last }),
            ..self
        }
    }

    /// The same, about another resource than the right's: `server web1`.
    #[must_use]
    pub fn about(mut self, what: impl Into<String>) -> Self {
        self.about = Some(what.into());
        self
    }

    /// The same, refused by policy or a rule, with the sentence for people.
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

    /// The audit row. `place` is the right's resource.
    pub fn recorded(&self, author: &Author, place: &str, at: Instant) -> NewAuditEvent {
        let mut detail = self.detail.clone();
        if let Some(token) = &author.token {
            detail["by_token"] = json!(token);
        }
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
            detail,
        }
    }
}

fn place(deployment: &Deployment) -> String {
    format!("{}/{}", deployment.project, deployment.environment)
}
