//! What several nouns have in their requests and answers.

use poem_openapi::{Enum, Object};

use super::words::Word;
use crate::app::deployments::Choice;
use crate::app::places::{Leave, Place};
use crate::domain::{Error, FieldErrors, Instant, Refusal, Result, Share, Strategy, SyncMethod};
use crate::git::CommitInfo;

/// A commit of a repository.
#[derive(Object)]
#[oai(rename = "Commit")]
pub struct CommitDto {
    pub hash: String,
    /// The first line of its message.
    pub title: String,
    pub author: String,
    /// When it was committed.
    pub time: Instant,
}

impl From<&CommitInfo> for CommitDto {
    fn from(commit: &CommitInfo) -> Self {
        Self {
            hash: commit.id.to_string(),
            title: commit.title.clone(),
            author: commit.author.clone(),
            time: commit.time,
        }
    }
}

/// Whether policy lets the sender do something now.
#[derive(Object)]
#[oai(rename = "Permission", skip_serializing_if_is_none)]
pub struct PermissionDto {
    pub allowed: bool,
    /// Roles, users and groups of whom one has to approve it.
    pub approval_by: Vec<String>,
    /// Why not, as a sentence.
    pub reason: Option<String>,
    /// When it will be allowed next.
    pub next_allowed: Option<Instant>,
}

impl From<&Leave> for PermissionDto {
    fn from(leave: &Leave) -> Self {
        match leave {
            Leave::Given(by) => Self {
                allowed: true,
                approval_by: by.clone(),
                reason: None,
                next_allowed: None,
            },
            Leave::Refused(refusal) => Self::refused(refusal),
        }
    }
}

impl PermissionDto {
    fn refused(refusal: &Refusal) -> Self {
        Self {
            allowed: false,
            approval_by: Vec::new(),
            reason: Some(refusal.sentence()),
            next_allowed: refusal.next_allowed,
        }
    }
}

/// The kinds of strategies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "kebab-case", rename = "StrategyKind")]
pub enum StrategyWord {
    ClusterByCluster,
    Rolling,
    Canary,
    AllAtOnce,
}

/// In which order servers are deployed to, and which of them together.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Strategy", skip_serializing_if_is_none)]
pub struct StrategyDto {
    pub kind: StrategyWord,
    /// Canary: how many servers go first.
    pub first: Option<u32>,
    /// Canary: seconds to wait after them; absent: until a person continues.
    pub wait: Option<u64>,
    /// Rolling and canary: how many servers of a cluster at a time, as `2` or `25%`.
    pub batch: Option<String>,
    /// Rolling and canary: how many servers behind each balancer stay in service, as `2` or `50%`.
    pub keep: Option<String>,
}

impl From<Strategy> for StrategyDto {
    fn from(strategy: Strategy) -> Self {
        let plain = |kind| Self {
            kind,
            first: None,
            wait: None,
            batch: None,
            keep: None,
        };
        let share = |share: Share| share.to_string().replace(' ', "");
        match strategy {
            Strategy::ClusterByCluster => plain(StrategyWord::ClusterByCluster),
            Strategy::AllAtOnce => plain(StrategyWord::AllAtOnce),
            Strategy::Rolling { batch, keep } => Self {
                batch: Some(share(batch)),
                keep: keep.map(share),
                ..plain(StrategyWord::Rolling)
            },
            Strategy::Canary {
                first,
                wait,
                batch,
                keep,
            } => Self {
                first: Some(first),
                wait,
                batch: Some(share(batch)),
                keep: keep.map(share),
                ..plain(StrategyWord::Canary)
            },
        }
    }
}

impl StrategyDto {
    /// The strategy, where its fields go together.
    ///
    /// # Errors
    /// Complaints about the fields.
    pub fn read(&self) -> Result<Strategy> {
        let mut wrong = FieldErrors::default();
        let mut share = |name: &str, text: Option<&String>| {
            let read = text.map(|text| text.parse::<Share>()).transpose();
            read.map_err(|message| wrong.add(format!("strategy.{name}"), message))
                .unwrap_or_default()
        };
        let (batch, keep) = (
            share("batch", self.batch.as_ref()),
            share("keep", self.keep.as_ref()),
        );
        let takes_shares = matches!(self.kind, StrategyWord::Rolling | StrategyWord::Canary);
        let is_canary = self.kind == StrategyWord::Canary;
        for (name, is_there, is_taken) in [
            ("batch", self.batch.is_some(), takes_shares),
            ("keep", self.keep.is_some(), takes_shares),
            ("first", self.first.is_some(), is_canary),
            ("wait", self.wait.is_some(), is_canary),
        ] {
            if is_there && !is_taken {
                wrong.add(
                    format!("strategy.{name}"),
                    "This kind of strategy does not take it.",
                );
            }
        }
        wrong.none()?;
        let batch = batch.unwrap_or(Share::Count(1));
        Ok(match self.kind {
            StrategyWord::ClusterByCluster => Strategy::ClusterByCluster,
            StrategyWord::AllAtOnce => Strategy::AllAtOnce,
            StrategyWord::Rolling => Strategy::Rolling { batch, keep },
            StrategyWord::Canary => Strategy::Canary {
                first: self.first.unwrap_or(1),
                wait: self.wait,
                batch,
                keep,
            },
        })
    }
}

/// Which servers of an environment are meant: those of a cluster, or one. Neither: all of them.
#[derive(Debug, Clone, Default, Object)]
#[oai(rename = "TargetChoice", skip_serializing_if_is_none)]
pub struct TargetChoiceDto {
    /// The name of a cluster of the environment.
    pub cluster: Option<String>,
    /// The name of a server of the environment.
    pub server: Option<String>,
}

impl TargetChoiceDto {
    /// What it means in an environment.
    ///
    /// # Errors
    /// Complaints about the field `target`.
    pub fn read(chosen: Option<&Self>, place: &Place) -> Result<Choice> {
        let unknown = |what: &str, name: &str| {
            let environment = &place.environment.name;
            Error::field("target", format!("There is no {what} “{name}” in {environment}."))
        };
        let none = Self::default();
        let chosen = chosen.unwrap_or(&none);
        match (&chosen.cluster, &chosen.server) {
            (None, None) => Ok(Choice::All),
            (Some(_), Some(_)) => Err(Error::field("target", "Name a cluster or a server, not both.")),
            (Some(name), None) => {
                let mut clusters = place.servers.iter().flat_map(|one| &one.clusters);
                let found = clusters.find(|(_, own)| own.as_str() == name);
                found
                    .map(|(id, _)| Choice::Cluster(*id))
                    .ok_or_else(|| unknown("cluster", name))
            }
            (None, Some(name)) => place
                .server(name)
                .map(|one| Choice::Server(one.server.id))
                .ok_or_else(|| unknown("server", name)),
        }
    }
}

/// The way a tree is put in place, as answers have it.
pub type MethodWord = Word<SyncMethod>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strategies_come_back_as_they_went() {
        for strategy in [
            Strategy::ClusterByCluster,
            Strategy::AllAtOnce,
            Strategy::Rolling {
                batch: Share::Percent(25),
                keep: Some(Share::Count(2)),
            },
            Strategy::Canary {
                first: 2,
                wait: Some(60),
                batch: Share::Count(3),
                keep: None,
            },
        ] {
            assert_eq!(StrategyDto::from(strategy).read().unwrap(), strategy);
        }
        let odd = StrategyDto {
            first: Some(1),
            batch: Some("many".to_owned()),
            ..Strategy::AllAtOnce.into()
        };
        let error = odd.read().unwrap_err();
        let fields: Vec<&str> = error
            .field_errors()
            .iter()
            .map(|one| one.field.as_str())
            .collect();
        assert_eq!(fields, ["strategy.batch", "strategy.batch", "strategy.first"]);
    }
}
