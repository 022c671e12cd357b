//! How a server of a deployment stands: what is on it, whether it serves, why, and what helps.
//!
//! The engine stores the parts of the value (what is on the server, how far it was moved at its balancers,
//! the cause) and never a sentence. Every page reads the value, and its sentence is made only here, so that
//! no two parts of it contradict or repeat each other.

use serde::{Deserialize, Serialize};

mod on_server;

pub use self::on_server::{OnServer, Trial};
use super::CommitId;
use super::endpoints::Split;
use super::words::words;

/// What is said of a server whose files are of two releases, wherever no deployment's own row says more.
pub const HALF_CHANGED: &str = "A deployment was not finished there, so its files are of two releases.";

words! {
    /// Whether a server of a deployment gets traffic, as far as the deployment changed that.
    Service {
        /// It stands behind no balancer, or was not touched there.
        Untouched = "", "";
        /// It is being taken out.
        TakingOut = "taking_out", "Being taken out";
        /// We took it out.
        Out = "out", "Out of service";
        /// It is being put back.
        PuttingBack = "putting_back", "Being put back";
        /// We put it back, and the balancers report it up.
        Back = "back", "In service";
        /// Somebody had taken it out by hand before; it stays out.
        ByHand = "by_hand", "Out by hand";
    }
}

words! {
    /// How a server stood at its balancers when the deployment was planned.
    ServiceBefore {
        /// It is behind no balancer.
        Unbalanced = "unbalanced", "Behind no balancer";
        /// Nobody had taken it out of service.
        Serving = "serving", "In service";
        /// A person had taken it out at some of its places.
        PartlyByHand = "partly_by_hand", "Out by hand in part";
        /// A person had taken it out everywhere.
        ByHand = "by_hand", "Out by hand";
        /// An earlier deployment had left it out.
        LeftOut = "left_out", "Left out of service";
    }
}

/// Whether a server gets traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Traffic {
    /// It is behind no balancer, or nothing is known of any.
    Unbalanced,
    /// The deployment has not taken it out.
    Unmoved,
    Back,
    /// Back, except where a person took it out.
    PartlyBack,
    Out,
    /// Out, as an earlier deployment left it.
    LeftOut,
    /// Out, as a person decided.
    ByHand,
    TakingOut,
    PuttingBack,
    /// It was changed, and nobody noted that it was taken out before.
    Unknown,
}

/// What helps a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Help {
    Nothing,
    DeployAgain,
    /// There is a release to go back to as well.
    DeployAgainOrRollBack,
    /// The release is whole; only the balancer has it out.
    DeployAgainOrPutBack,
    /// The endpoints of its balancer disagree about it.
    DeployAgainOrDecide,
    /// The deployer keeps working on it; a balancer may prevent it.
    WatchBalancer,
    LookAtBalancer,
    LookAtServer,
}

impl Help {
    /// A sentence; empty for [`Self::Nothing`].
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::DeployAgain => "Deploy again.",
            Self::DeployAgainOrRollBack => "Deploy again, or roll back.",
            Self::DeployAgainOrPutBack => "Deploy again, or put it back by hand.",
            Self::DeployAgainOrDecide => {
                "Deploy again, or put it back or take it out at all endpoints, on the balancer's page."
            }
            Self::WatchBalancer => {
                "That happens by itself once every endpoint of the balancer answers; remove one that is gone for good."
            }
            Self::LookAtBalancer => "Look at the balancer, then deploy again.",
            Self::LookAtServer => "Look at the server, then deploy again.",
        }
    }
}

/// How a server stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerStanding {
    on: OnServer,
    traffic: Traffic,
    cause: String,
    split: Option<Split>,
}

impl ServerStanding {
    /// Builds the value from what is stored, without contradictions: a server whose release changed does not
    /// count as serving just because nobody noted that it was taken out, and only a server with its previous
    /// release stays out because an earlier deployment left it out.
    pub fn new(on: OnServer, service: Service, before: Option<ServiceBefore>, cause: &str) -> Self {
        Self {
            on,
            traffic: traffic(on, service, before),
            cause: cause.trim().to_owned(),
            split: None,
        }
    }

    /// The same, with the endpoints that differ about a server that was left out.
    #[must_use]
    pub fn split_over(mut self, split: Option<Split>) -> Self {
        self.split = split.filter(|_| matches!(self.traffic, Traffic::Out | Traffic::LeftOut));
        self
    }

    pub fn on(&self) -> OnServer {
        self.on
    }

    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// The cause, in the words of the step that failed; may be empty.
    pub fn cause(&self) -> &str {
        &self.cause
    }

    /// What helps. `has_before`: whether there is a release to go back to.
    pub fn help(&self, has_before: bool) -> Help {
        use OnServer as On;
        if self.split.is_some() {
            return Help::DeployAgainOrDecide;
        }
        let is_moving = matches!(self.traffic, Traffic::TakingOut | Traffic::PuttingBack);
        match self.on {
            On::LeftAlone => Help::Nothing,
            On::Unknown => Help::LookAtServer,
            On::Untouched | On::Old | On::New if is_moving => Help::WatchBalancer,
            On::Untouched | On::Old => match self.traffic {
                Traffic::LeftOut => Help::DeployAgain,
                Traffic::Out => Help::DeployAgainOrPutBack,
                _ => Help::Nothing,
            },
            On::New => match self.traffic {
                Traffic::Out => Help::DeployAgainOrPutBack,
                Traffic::Unknown => Help::LookAtBalancer,
                _ => Help::Nothing,
            },
            _ if self.traffic == Traffic::Unknown => Help::LookAtBalancer,
            On::Failed(_) | On::Returned | On::Gone if has_before => Help::DeployAgainOrRollBack,
            _ => Help::DeployAgain,
        }
    }

    /// The full sentence for people: the cause, what is on the server and whether it serves, what helps.
    /// `new` is the deployment's commit, `before` the one that the server had.
    pub fn sentence(&self, new: &CommitId, before: Option<&CommitId>) -> String {
        let (there, joint) = self.there(new.short(), before.map(CommitId::short));
        let it = match self.on {
            OnServer::LeftAlone => String::new(),
            _ => self.serves(),
        };
        let there = match it.as_str() {
            "" => there,
            it => format!("{there}{joint}{it}"),
        };
        let stop = if there.is_empty() { "" } else { "." };
        let there = format!("{there}{stop}");
        let help = self.help(before.is_some()).sentence();
        let parts = [self.cause.as_str(), &there, help];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(" ")
    }

    /// What is on the server, and what joins it to the words about traffic.
    fn there(&self, new: &str, before: Option<&str>) -> (String, &'static str) {
        const AND: &str = " and ";
        const IT: &str = "; it ";
        let old = before.unwrap_or("what it ran before");
        match self.on {
            OnServer::LeftAlone if self.cause.is_empty() => ("Left alone".to_owned(), AND),
            OnServer::LeftAlone => (String::new(), AND),
            OnServer::Untouched => match before {
                Some(old) => (format!("Not touched: it runs {old} as before"), AND),
                None => ("Not touched: it runs what it ran before".to_owned(), AND),
            },
            OnServer::Old => (format!("It still runs {old}"), AND),
            OnServer::Returned => (
                match before {
                    Some(old) => format!("It runs {old} again after an attempt that put {new} in use"),
                    None => format!("It runs what it ran before an attempt that put {new} in use"),
                },
                IT,
            ),
            OnServer::Withdrawn => (
                format!("It runs no release, as an attempt that put {new} in use was undone"),
                IT,
            ),
            OnServer::Gone => ("It runs nothing, as the release in use was deleted".to_owned(), IT),
            OnServer::Mixed => (
                match before {
                    Some(old) => format!("Some of its files may be of {new} and some of {old}"),
                    None => format!("Some of its files may be of {new}, others not"),
                },
                IT,
            ),
            OnServer::LeftMixed => (
                match before {
                    Some(old) => format!(
                        "Not changed: an earlier deployment was not finished there, so only some of its files are of {old}"
                    ),
                    None => {
                        "Not changed: an earlier deployment was not finished there, so its files are of two releases".to_owned()
                    }
                },
                IT,
            ),
            OnServer::Switching => (
                format!("The switch to {new} was not seen to end, so it runs either that or {old}"),
                IT,
            ),
            OnServer::NotRun => (
                format!("It runs {new}, but deploy.sh and the tests were not run"),
                IT,
            ),
            OnServer::Failed(trial) if self.cause.is_empty() => {
                (format!("It runs {new}, but {} failed", trial.title()), IT)
            }
            // The cause says what failed.
            OnServer::Failed(_) | OnServer::New => (format!("It runs {new}"), AND),
            OnServer::NotEnded(trial) => (format!("It runs {new}, but {} not seen to end", trial.was()), IT),
            OnServer::Unknown => ("What it runs is not known".to_owned(), IT),
        }
    }

    /// Whether it serves, after `it`; empty where there is nothing to say.
    fn serves(&self) -> String {
        if let Some(split) = &self.split {
            return split.to_string();
        }
        let words = match self.traffic {
            Traffic::Unbalanced => "",
            Traffic::Unmoved => "was not taken out of service",
            Traffic::Back => "is back in service",
            Traffic::PartlyBack => "is back in service, except where someone took it out by hand",
            Traffic::Out => "is out of service",
            Traffic::LeftOut => "stays out of service, as an earlier deployment left it",
            Traffic::ByHand => "stays out of service, as someone took it out by hand",
            Traffic::TakingOut => "is being taken out of service",
            Traffic::PuttingBack => "is being put back into service",
            Traffic::Unknown => "may be in service",
        };
        words.to_owned()
    }
}

fn traffic(on: OnServer, service: Service, before: Option<ServiceBefore>) -> Traffic {
    use ServiceBefore as Before;
    match (service, before) {
        (Service::Untouched, None | Some(Before::Unbalanced)) => Traffic::Unbalanced,
        (Service::Untouched, Some(Before::Serving | Before::PartlyByHand)) if on.is_unchanged() => {
            Traffic::Unmoved
        }
        (Service::Untouched, Some(Before::Serving | Before::PartlyByHand)) => Traffic::Unknown,
        (Service::Untouched | Service::ByHand, Some(Before::ByHand)) | (Service::ByHand, _) => {
            Traffic::ByHand
        }
        (Service::Untouched | Service::Out, Some(Before::LeftOut)) if on.is_old() => Traffic::LeftOut,
        (Service::Untouched, Some(Before::LeftOut)) | (Service::Out, _) => Traffic::Out,
        (Service::Back, Some(Before::PartlyByHand)) => Traffic::PartlyBack,
        (Service::Back, _) => Traffic::Back,
        (Service::TakingOut, _) => Traffic::TakingOut,
        (Service::PuttingBack, _) => Traffic::PuttingBack,
    }
}

#[cfg(test)]
mod tests;
