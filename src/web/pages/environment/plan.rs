//! What was chosen to be deployed, what it would change, and what stands in its way.

use serde::Deserialize;

use super::terms::{self, RolloutView};
use crate::app::App;
use crate::app::commits::{Change, Preview, preview, recent};
use crate::app::deployments::{Choice, was_here};
use crate::app::places::{EnvironmentView, Leave};
use crate::domain::{Actor, ClusterId, Error, ErrorKind, Instant, Kind, Refusal, Result, ServerId};
use crate::git::CommitInfo;
use crate::web::forms::Complaints;
use crate::web::pages::count;
use crate::web::strategy_form::StrategyForm;
use crate::web::{csrf, urls};

/// What the address of the page chooses.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Pick {
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
pub struct Given {
    /// A hash, its first digits, a branch or a tag.
    pub commit: String,
    /// `all`, `cluster:NUMBER` or `server:NUMBER`.
    pub target: String,
    /// `rollback`, `promotion`, or anything else for a regular deployment.
    kind: String,
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
    /// When it shall begin; empty: now.
    pub at: String,
    /// `yes` when the form is one that overrides a lock.
    pub overrides: String,
    /// Why the lock does not stop it.
    pub lock_override: String,
    /// Whether it is only looked at what it would do.
    #[serde(skip)]
    looked_at: bool,
}

impl Given {
    /// Before anything was sent.
    pub fn picked(pick: Pick) -> Self {
        Self {
            commit: pick.commit,
            target: pick.target,
            kind: pick.kind,
            strategy: pick.strategy,
            batch: pick.batch,
            keep: pick.keep,
            first: pick.first,
            wait: pick.wait,
            looked_at: true,
            ..Self::default()
        }
    }

    /// How the deployment comes about. The form chooses among few: a push or a calendar does not
    /// fill in forms.
    pub fn kind(&self) -> Kind {
        match self.kind.as_str() {
            "rollback" => Kind::Rollback,
            "promotion" => Kind::Promotion,
            _ => Kind::Regular,
        }
    }

    /// Whether the form was sent, and not only looked at.
    pub fn was_sent(&self) -> bool {
        !self.looked_at
    }

    /// The form's token, if it is one of ours.
    pub fn key(&self) -> Option<String> {
        csrf::is_secret(&self.request_key).then(|| self.request_key.clone())
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

/// The deploy form and what it would do.
pub struct PlanView {
    pub given: Given,
    /// Whether `given.commit` is what a person chose.
    pub chosen: bool,
    /// Why it was chosen for them, otherwise.
    pub why: String,
    /// Value and label of every target.
    pub targets: Vec<(String, String)>,
    /// The newest commits of the branch, each with the address that chooses it.
    pub recent: Vec<(CommitInfo, String)>,
    pub preview: Option<Preview>,
    /// Whether the commit is one that all meant servers have passed already.
    pub is_back: bool,
    /// Whether all meant servers run it.
    pub is_there: bool,
    /// How many servers would get it, in words.
    pub reach: String,
    pub request_key: String,
    pub complaints: Complaints,
    /// What the mirror has to say.
    pub trouble: String,
    /// Why nothing can be deployed now, by policy.
    pub refusal: Option<Box<Refusal>>,
    /// Whether the button rolls back.
    pub rolls_back: bool,
    /// Whether there is a button.
    pub ready: bool,
    /// The batches, and who is left alone.
    pub rollout: Option<RolloutView>,
    /// The fields of a strategy other than the environment's.
    pub strategy: StrategyForm,
    /// Whether whoever asks may choose another strategy.
    pub may_configure: bool,
    /// Whether whoever asks may lock here, and so deploy in spite of a lock.
    pub may_lock: bool,
    /// Hours within which a second person has to approve it.
    pub approval: Option<u32>,
    /// When policy lets it begin, where it does not let it now: as forms have it, and in words.
    pub later: Option<(String, String)>,
}

/// Looks at what was chosen.
///
/// # Errors
/// Of the store.
pub async fn plan(app: &App, actor: &Actor, view: &EnvironmentView, mut given: Given) -> Result<PlanView> {
    let environment = &view.place.environment;
    let mut plan = PlanView {
        chosen: !given.commit.trim().is_empty(),
        why: String::new(),
        targets: targets(view),
        recent: Vec::new(),
        preview: None,
        is_back: false,
        is_there: false,
        reach: String::new(),
        request_key: csrf::new_secret(),
        complaints: Complaints::default(),
        trouble: String::new(),
        refusal: None,
        rolls_back: false,
        ready: false,
        rollout: None,
        strategy: given.strategy_form(),
        may_configure: view.may_configure,
        may_lock: view.may_lock,
        approval: None,
        later: None,
        given: Given::default(),
    };
    match recent(app, &view.project, &environment.branch).await {
        Ok(commits) => plan.recent = commits.into_iter().map(|one| choosable(view, one)).collect(),
        Err(error) if error.kind() == ErrorKind::Internal => return Err(error),
        Err(error) => error.message().clone_into(&mut plan.trouble),
    }
    if !plan.chosen {
        plan.choose(view, &mut given);
    }
    let wanted = match choice(&given.target) {
        Ok(choice) => choice,
        Err(error) => {
            plan.complaints = Complaints::of_error(&error);
            Choice::All
        }
    };
    // Without a branch to deploy from there is nothing to look up a commit in.
    if !given.commit.is_empty() && plan.trouble.is_empty() {
        match preview(app, &view.project, &view.place, &given.commit, wanted).await {
            Ok(found) => {
                let was_here = was_here(app, environment, &found.commit.id).await?;
                plan.shows(view, found, given.kind(), was_here);
                plan.rolls_out(app, actor, view, wanted, &given).await?;
            }
            Err(error) if error.kind() == ErrorKind::Internal => return Err(error),
            Err(error) if error.kind() == ErrorKind::Invalid => {
                plan.complaints = Complaints::of_error(&error);
            }
            Err(error) => error.message().clone_into(&mut plan.trouble),
        }
    }
    plan.given = given;
    Ok(plan)
}

fn choosable(view: &EnvironmentView, commit: CommitInfo) -> (CommitInfo, String) {
    let (project, name) = (view.project.name.as_str(), view.place.environment.name.as_str());
    let url = urls::deploy_form(project, name, commit.id.as_str(), "", "");
    (commit, url)
}

impl PlanView {
    /// What nobody chose is what comes next: what the environment before runs, or else the newest.
    fn choose(&mut self, view: &EnvironmentView, given: &mut Given) {
        let proven = view
            .before
            .as_ref()
            .and_then(|before| Some((before, before.current()?)));
        if let Some((before, run)) = proven {
            given.commit = run.commit.to_string();
            given.kind = Kind::Promotion.as_str().to_owned();
            self.why = format!("Runs in {}", before.environment.name);
        } else if let Some((newest, _)) = self.recent.first() {
            given.commit = newest.id.to_string();
            self.why = format!("Newest on {}", view.place.environment.branch);
        }
    }

    /// What the rollout would do, and on which terms.
    async fn rolls_out(
        &mut self,
        app: &App,
        actor: &Actor,
        view: &EnvironmentView,
        wanted: Choice,
        given: &Given,
    ) -> Result<()> {
        let kind = if self.rolls_back {
            Kind::Rollback
        } else {
            Kind::Regular
        };
        self.approval = terms::approval_hours(view, kind);
        let strategy = match given.strategy() {
            Ok(strategy) => strategy,
            Err(error) => {
                self.complaints = Complaints::of_error(&error);
                None
            }
        };
        let rollout = terms::rollout(app, actor, view, wanted, strategy).await?;
        self.ready &= rollout.obstacle.is_empty();
        self.rollout = Some(rollout);
        Ok(())
    }

    fn shows(&mut self, view: &EnvironmentView, preview: Preview, kind: Kind, was_here: bool) {
        let commit = &preview.commit.id;
        let servers: usize = preview.changes.iter().map(|change| change.servers.len()).sum();
        self.reach = count(servers, "server");
        self.is_there = servers > 0 && preview.changes.iter().all(|change| change.is_none(commit));
        let passed = |change: &Change| {
            change.is_none(commit) || (change.going > 0 && change.coming.commits.is_empty())
        };
        self.is_back = servers > 0 && !self.is_there && preview.changes.iter().all(passed);
        self.rolls_back = was_here && (self.is_back || kind == Kind::Rollback);
        let leave = if self.rolls_back {
            &view.roll_back
        } else {
            &view.deploy
        };
        if let Leave::Refused(refusal) = leave {
            self.refusal = Some(refusal.clone());
        }
        let obstructed = !self.rolls_back && preview.obstacle.is_some();
        let could = servers > 0 && !obstructed && self.trouble.is_empty();
        if let Leave::Refused(refusal) = leave
            && could
        {
            let lock = view.place.lock.as_ref();
            let is_free = |at: &Instant| lock.is_none_or(|lock| lock.ends_at.is_some_and(|end| end <= *at));
            let next = refusal.next_allowed.filter(is_free).map(terms::time_value);
            self.later = next.map(|value| (value.clone(), value.replace('T', " ")));
        }
        let unlocked = view.place.lock.is_none() || self.may_lock;
        self.ready = could && leave.is_given() && unlocked;
        self.preview = Some(preview);
    }

    /// What the button says for the commit `short`.
    pub fn button(&self, short: &str) -> String {
        let reach = &self.reach;
        match (self.rolls_back, self.given.kind()) {
            (true, _) => format!("Roll {reach} back to {short}"),
            (false, Kind::Promotion) => format!("Promote {short} to {reach}"),
            (false, _) => format!("Deploy {short} to {reach}"),
        }
    }

    /// As the form sends it on.
    pub fn kind_word(&self) -> &'static str {
        let kind = match (self.rolls_back, self.given.kind()) {
            (true, _) => Kind::Rollback,
            (false, Kind::Rollback) => Kind::Regular,
            (false, kind) => kind,
        };
        kind.as_str()
    }
}

fn targets(view: &EnvironmentView) -> Vec<(String, String)> {
    let active = view.place.active();
    let all = count(active, "active server");
    let mut targets = vec![("all".to_owned(), format!("All servers ({all})"))];
    let mut clusters: Vec<(ClusterId, &str)> = Vec::new();
    for one in &view.place.servers {
        if !clusters.iter().any(|(id, _)| *id == one.cluster_id) {
            clusters.push((one.cluster_id, one.cluster.as_str()));
        }
    }
    for (id, name) in &clusters {
        targets.push((format!("cluster:{id}"), format!("Cluster {name}")));
    }
    for one in view.place.servers.iter().filter(|one| one.server.active) {
        targets.push((
            format!("server:{}", one.server.id),
            format!("Server {}", one.server.name),
        ));
    }
    targets
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
