//! A server's part in a deployment: how far it is, and how it stands in the end.

use serde::{Deserialize, Serialize};

use super::ServerId;
use super::endpoints::Split;
use super::names::CommitId;
use super::standing::{OnServer, ServerStanding, Service, ServiceBefore};
use super::words::words;

words! {
    /// How far one server of a deployment is.
    ServerState {
        /// Not touched yet: it runs what it ran before.
        Waiting = "waiting", "Waiting";
        /// Being worked on.
        Running = "running", "Running";
        /// It runs the new release.
        Succeeded = "succeeded", "Deployed";
        /// Something failed.
        Failed = "failed", "Failed";
        /// Left alone, or not reached.
        Skipped = "skipped", "Left alone";
        /// A person ended it.
        Cancelled = "cancelled", "Cancelled";
        /// The deployer stopped in the middle.
        Interrupted = "interrupted", "Interrupted";
    }
}

/// A server's part in a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerPart {
    /// `None` once the server is deleted.
    pub server_id: Option<ServerId>,
    /// Its name at the time.
    pub server: String,
    /// The cluster it was reached through.
    pub cluster: String,
    /// Order, from 0.
    pub position: i32,
    pub state: ServerState,
    /// Its batch, from 0; `None` until there is a plan.
    pub batch: Option<i32>,
    /// Whether the plan leaves it alone. Only [`crate::app::watch`], which has the plan, sets it.
    pub left_alone: bool,
    pub service: Service,
    /// Where it is in service all the same, if it was left out and someone put it back at some endpoints only.
    pub split: Option<Split>,
    /// How it stood at its balancers before; `None` until there is a plan.
    pub service_before: Option<ServiceBefore>,
    /// What was on it before, where known.
    pub previous_commit: Option<CommitId>,
    /// What is on it; `None` until the deployment is done with it, and in rows of earlier versions.
    pub on_server: Option<OnServer>,
    /// The cause, in the words of the step that failed; may be empty.
    pub cause: String,
    /// What the deployment left there and still has to clear away; an empty list: nobody could look yet.
    pub remains: Option<Vec<String>>,
    /// What earlier versions stored instead: all of it as one text; may be empty.
    pub detail: String,
}

impl ServerPart {
    /// Whether the plan left it alone, for instance as inactive. For a planned server that was never
    /// reached see [`Self::is_untouched`].
    pub fn is_left_alone(&self) -> bool {
        self.state == ServerState::Skipped && self.left_alone
    }

    /// How it stands; `None` while it is worked on, and for a row of an earlier version.
    pub fn standing(&self) -> Option<ServerStanding> {
        let on = match self.state {
            ServerState::Running => None,
            // What an earlier deployment left half changed is known before its turn.
            ServerState::Waiting => {
                let left = self.on_server.filter(|on| *on == OnServer::LeftMixed);
                Some(left.unwrap_or(OnServer::Untouched))
            }
            ServerState::Succeeded => Some(self.on_server.unwrap_or(OnServer::New)),
            _ => self.on_server,
        };
        let is_told = self.on_server.is_none() && !self.detail.is_empty();
        let on = on.filter(|_| !is_told)?;
        let standing = ServerStanding::new(on, self.service, self.service_before, &self.cause);
        Some(standing.split_over(self.split.clone()))
    }

    /// How it stands, as a sentence; `new` is the deployment's commit. Empty while it is worked on.
    pub fn told(&self, new: &CommitId) -> String {
        match self.standing() {
            Some(standing) => standing.sentence(new, self.previous_commit.as_ref()),
            None => self.detail.clone(),
        }
    }

    /// What the deployment has left there, as a sentence; empty where that is nothing.
    pub fn remains_told(&self) -> String {
        match self.remains.as_deref() {
            None => String::new(),
            Some([]) => {
                "What it may have left there, such as deploy.sh, is cleared away once the server answers."
                    .to_owned()
            }
            Some(left) => format!(
                "Left there: {}. It is cleared away as soon as possible.",
                left.join(", ")
            ),
        }
    }

    /// Whether it is part of the plan and nothing was done to it so far.
    pub fn is_untouched(&self) -> bool {
        match self.state {
            ServerState::Waiting => true,
            ServerState::Skipped => !self.left_alone,
            _ => false,
        }
    }

    /// Whether something was done to it, or is.
    pub fn is_begun(&self) -> bool {
        !matches!(self.state, ServerState::Waiting | ServerState::Skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(state: ServerState, detail: &str) -> ServerPart {
        ServerPart {
            server_id: None,
            server: "web1".to_owned(),
            cluster: "web".to_owned(),
            position: 0,
            state,
            batch: None,
            left_alone: false,
            service: Service::Back,
            split: None,
            service_before: None,
            previous_commit: None,
            on_server: None,
            cause: String::new(),
            remains: None,
            detail: detail.to_owned(),
        }
    }

    #[test]
    fn a_row_of_an_earlier_version_is_shown_by_its_own_words() {
        let commit: CommitId = "2222222222222222222222222222222222222222".parse().unwrap();
        let old = part(ServerState::Failed, "As it was told then.");
        assert_eq!(
            (old.standing(), old.told(&commit).as_str()),
            (None, "As it was told then.")
        );
        let well = part(ServerState::Succeeded, "");
        assert_eq!(well.told(&commit), "It runs 22222222 and is back in service.");
        assert_eq!(part(ServerState::Running, "").told(&commit), "");
    }
}
