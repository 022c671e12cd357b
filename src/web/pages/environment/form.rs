//! The deploy form: what a person chooses and sends.

use serde::Deserialize;

use crate::app::deployments::Choice;
use crate::domain::{ClusterId, Error, Instant, Kind, Result, ServerId, Strategy};
use crate::web::strategy_form::StrategyForm;
use crate::web::{csrf, forms};

/// The choice in the page's address.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct DeployQuery {
    commit: String,
    target: String,
    kind: String,
    strategy: String,
    batch: String,
    keep: String,
    first: String,
    wait: String,
}

/// What the deploy form sends.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct DeployForm {
    /// A hash, its first digits, a branch or a tag.
    pub commit: String,
    /// `all`, `cluster:NUMBER` or `server:NUMBER`.
    pub target: String,
    /// `rollback`, `promotion`, or anything else for a regular deployment.
    pub kind: String,
    /// Why.
    pub reason: String,
    /// One per form as it was shown.
    request_key: String,
    /// A strategy other than the environment's; empty: its own.
    pub strategy: String,
    /// See [`crate::web::strategy_form::StrategyForm`].
    pub batch: String,
    /// See there.
    pub keep: String,
    /// See there.
    pub first: String,
    /// See there.
    pub wait: String,
    /// When it shall start; empty: now.
    pub at: String,
    /// `yes` when the form is one that overrides a lock.
    pub overrides: String,
    /// The reason for overriding a lock.
    pub lock_override: String,
    /// Whether it is only a preview.
    #[serde(skip)]
    is_preview: bool,
}

impl DeployForm {
    /// The form as the page's address fills it, before anything was sent.
    pub fn of_query(query: DeployQuery) -> Self {
        Self {
            commit: query.commit,
            target: query.target,
            kind: query.kind,
            strategy: query.strategy,
            batch: query.batch,
            keep: query.keep,
            first: query.first,
            wait: query.wait,
            is_preview: true,
            ..Self::default()
        }
    }

    /// The kind of deployment. The form offers few: a push or a calendar does not fill in forms.
    pub fn kind(&self) -> Kind {
        match self.kind.as_str() {
            "rollback" => Kind::Rollback,
            "promotion" => Kind::Promotion,
            _ => Kind::Regular,
        }
    }

    /// Whether the form was sent, and not only previewed.
    pub fn was_sent(&self) -> bool {
        !self.is_preview
    }

    /// The form's key, if it is one of ours.
    pub fn key(&self) -> Option<String> {
        csrf::is_secret(&self.request_key).then(|| self.request_key.clone())
    }

    /// The fields of a strategy other than the environment's; sensible values where none is chosen.
    pub fn strategy_form(&self) -> StrategyForm {
        if self.strategy.is_empty() {
            return StrategyForm {
                kind: String::new(),
                ..StrategyForm::default()
            };
        }
        StrategyForm {
            kind: self.strategy.clone(),
            batch: self.batch.clone(),
            keep: self.keep.clone(),
            first: self.first.clone(),
            wait: self.wait.clone(),
        }
    }

    /// The strategy other than the environment's.
    ///
    /// # Errors
    /// Complaints about its fields.
    pub fn strategy(&self) -> Result<Option<Strategy>> {
        if self.strategy.is_empty() {
            return Ok(None);
        }
        self.strategy_form().read().map(Some).map_err(Error::fields)
    }

    /// When it shall start; the form is in UTC.
    ///
    /// # Errors
    /// A complaint about the field `at`.
    pub fn begins_at(&self) -> Result<Option<Instant>> {
        forms::instant("at", &self.at)
    }

    /// The reason for overriding a lock.
    pub fn override_reason(&self) -> Option<String> {
        (self.overrides == "yes").then(|| self.lock_override.clone())
    }
}

/// Reads a target as the form writes it.
///
/// # Errors
/// A complaint about the field `target`.
pub fn choice(text: &str) -> Result<Choice> {
    let unknown = || {
        Error::field(
            "target",
            "Choose all servers, a cluster or a server from the list.",
        )
    };
    match text.split_once(':') {
        None if matches!(text, "" | "all") => Ok(Choice::All),
        Some(("cluster", id)) => Ok(Choice::Cluster(id.parse::<ClusterId>().map_err(|_| unknown())?)),
        Some(("server", id)) => Ok(Choice::Server(id.parse::<ServerId>().map_err(|_| unknown())?)),
        _ => Err(unknown()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_targets_from_the_list_are_read() {
        assert_eq!(choice("").unwrap(), Choice::All);
        assert_eq!(choice("all").unwrap(), Choice::All);
        assert_eq!(choice("server:7").unwrap(), Choice::Server(ServerId(7)));
        assert_eq!(choice("cluster:3").unwrap(), Choice::Cluster(ClusterId(3)));
        for wrong in ["server:", "server:x", "everything", "cluster:1:2", ":"] {
            assert_eq!(
                choice(wrong).unwrap_err().field_errors()[0].field,
                "target",
                "{wrong}"
            );
        }
    }
}
