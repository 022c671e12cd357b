//! Pushes: what a Git host tells, and what environments make of it by themselves.

use serde::{Deserialize, Serialize};

use super::words::words;
use super::{BranchName, CommitId, DeploymentId, EnvironmentId, Instant, ProjectId};

words! {
    /// What sent a push, as its headers show.
    HookSender {
        GitHub = "github", "GitHub";
        GitLab = "gitlab", "GitLab";
        /// Gitea, Forgejo or Gogs.
        Gitea = "gitea", "Gitea";
        Bitbucket = "bitbucket", "Bitbucket";
        /// A program that knows the secret.
        Program = "program", "a program";
        /// A project's repository was asked for news.
        Polling = "polling", "polling";
        /// Nothing shows which one it is.
        Unknown = "unknown", "unknown";
    }
}

words! {
    /// How far a push has come.
    PushState {
        /// The repository is fetched for it soon.
        Received = "received", "Received";
        /// It is known what came of it.
        Handled = "handled", "Handled";
        /// Its signature did not fit.
        Refused = "refused", "Refused";
    }
}

/// The address at which a project is told of pushes, and what they are signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    pub project: ProjectId,
    /// The part of the address that nobody can guess.
    pub token: String,
    /// Shared with the Git host.
    pub secret: String,
    pub created_at: Instant,
}

/// How often a repository is asked for news without being told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Polling {
    pub project: ProjectId,
    /// Between two looks; 0: it is not asked.
    pub minutes: u32,
    pub next_at: Instant,
    /// Looks in a row that failed.
    pub failures: u32,
    /// Why the last look failed; may be empty.
    pub trouble: String,
}

/// A branch that a push moved, and where to, as its sender says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushedBranch {
    pub name: BranchName,
    /// `None`: the sender names none, so the repository is only fetched.
    pub commit: Option<CommitId>,
}

/// A push that somebody told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedPush {
    /// The number of its row.
    pub id: i64,
    pub project: ProjectId,
    pub at: Instant,
    pub sender: HookSender,
    /// What the sender calls the delivery; may be empty.
    pub delivery: String,
    pub branches: Vec<PushedBranch>,
    pub state: PushState,
    /// What came of it, as a sentence.
    pub outcome: String,
    pub deployments: Vec<DeploymentId>,
}

words! {
    /// What becomes of an automatic deployment that is not allowed at its time.
    WhenRefused {
        Wait = "wait", "Wait until it is allowed";
        Drop = "drop", "Drop it";
    }
}

/// Which pushes an environment deploys by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AutoOptions {
    /// One of the new commits has one of these texts in its message; empty: any may come.
    pub only_if: Vec<String>,
    /// None of the new commits has one of these texts.
    pub not_if: Vec<String>,
    /// One of the changed files fits one of these patterns; empty: any may have changed.
    pub paths: Vec<String>,
    pub when_refused: WhenRefused,
}

impl Default for AutoOptions {
    fn default() -> Self {
        Self {
            only_if: Vec::new(),
            not_if: Vec::new(),
            paths: Vec::new(),
            when_refused: WhenRefused::Wait,
        }
    }
}

impl AutoOptions {
    /// Whether nobody changed them.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Why new commits with these messages are left alone, as a sentence; `None`: they are not.
    pub fn left_out_by_words<'a>(&self, messages: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
        let said = |text: &&String| messages.clone().any(|message| message.contains(text.as_str()));
        if let Some(text) = self.not_if.iter().find(said) {
            return Some(format!("A commit message says “{text}”."));
        }
        let is_missing = !self.only_if.is_empty() && !self.only_if.iter().any(|text| said(&text));
        is_missing.then(|| match self.only_if.as_slice() {
            [only] => format!("No commit message says “{only}”."),
            _ => "No commit message says one of the words that are asked for.".to_owned(),
        })
    }
}

/// How far the automatic deployments of an environment have come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoProgress {
    pub environment: EnvironmentId,
    /// The newest commit of the branch that was looked at; `None`: there was no such branch.
    pub seen: Option<CommitId>,
    /// The commit that waits to be deployed.
    pub pending: Option<CommitId>,
    /// Since when it waits.
    pub since: Option<Instant>,
    /// Why it waits, as a sentence.
    pub why: String,
    pub next_at: Option<Instant>,
}

impl AutoProgress {
    /// Everything up to `seen` is done with.
    pub fn begins_at(environment: EnvironmentId, seen: Option<CommitId>) -> Self {
        Self {
            environment,
            seen,
            pending: None,
            since: None,
            why: String::new(),
            next_at: None,
        }
    }

    /// Nothing waits any more.
    pub fn settle(&mut self) {
        *self = Self::begins_at(self.environment, self.seen.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(only_if: &[&str], not_if: &[&str]) -> AutoOptions {
        let all = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        AutoOptions {
            only_if: all(only_if),
            not_if: all(not_if),
            ..AutoOptions::default()
        }
    }

    #[test]
    fn words_of_messages_decide() {
        let left_out = |options: AutoOptions, messages: &[&str]| {
            options
                .left_out_by_words(messages.iter().copied())
                .unwrap_or_default()
        };
        assert_eq!(left_out(options(&[], &[]), &["a"]), "");
        assert_eq!(left_out(options(&["[deploy]"], &[]), &["a", "b [deploy] c"]), "");
        assert_eq!(
            left_out(options(&["[deploy]"], &[]), &["deploy"]),
            "No commit message says “[deploy]”."
        );
        assert_eq!(
            left_out(options(&["x", "y"], &[]), &["z"]),
            "No commit message says one of the words that are asked for."
        );
        assert_eq!(left_out(options(&["x", "y"], &[]), &["y"]), "");
        assert_eq!(
            left_out(options(&["x"], &["[skip]"]), &["x", "y [skip]"]),
            "A commit message says “[skip]”."
        );
    }

    #[test]
    fn options_of_before_are_read_and_default_ones_are_not_written() {
        assert!(serde_json::from_str::<AutoOptions>("{}").unwrap().is_default());
        assert!(!options(&["x"], &[]).is_default());
    }
}
