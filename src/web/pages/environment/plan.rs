//! The chosen commit and servers, what deploying it would change, and what prevents it.

use super::form;
use super::rollout::{self, RolloutView};
use crate::app::commits::{CommitEffect, Preview, preview, recent};
use crate::app::deployments::{Choice, approval_hours, proven, was_here};
use crate::app::distance::goes_back_everywhere;
use crate::app::places::{EnvironmentView, Leave, Runs};
use crate::app::{App, activity, whom_to_ask};
use crate::domain::{
    Actor, ClusterId, CommitId, DeploymentId, DeploymentState, Environment, ErrorKind, Instant, Kind,
    Refusal, Result, Strategy,
};
use crate::git::CommitInfo;
use crate::web::format::count;
use crate::web::forms::{self, Complaints, FormData};
use crate::web::views::queue::ObstacleView;
use crate::web::{csrf, strategy_form, urls};

/// The deploy form and what it would do.
#[derive(Default)]
pub struct PlanView {
    pub form: FormData,
    /// Whether the form was sent, and not only previewed.
    pub was_sent: bool,
    /// Why the commit was chosen; empty where a person did.
    pub why: String,
    /// Value and label of every target.
    pub targets: Vec<(String, String)>,
    /// The newest commits of the branch, each with the address that chooses it.
    pub recent: Vec<(CommitInfo, String)>,
    pub preview: Option<Preview>,
    /// Whether all chosen servers run a newer commit.
    pub is_back: bool,
    /// That some of the chosen servers, but not all of them, run a newer commit; a sentence, or empty.
    pub goes_back: String,
    /// Whether all chosen servers run it.
    pub is_there: bool,
    /// How many servers would get it, in words.
    pub reach: String,
    pub request_key: String,
    /// A problem with the mirror.
    pub trouble: String,
    /// Why policy does not allow it now.
    pub refusal: Option<Box<Refusal>>,
    /// Whom to ask then, as a sentence; empty where the visitor may not know anybody.
    pub ask: String,
    /// Whether the button rolls back.
    pub rolls_back: bool,
    /// Whether there is a button.
    pub ready: bool,
    /// The batches, and the servers that are left alone.
    pub rollout: Option<RolloutView>,
    /// Whether the visitor may choose another strategy.
    pub may_configure: bool,
    /// Whether the visitor may lock here.
    pub may_lock: bool,
    /// Whether they may override the lock in force.
    pub may_override: bool,
    /// The deployments that it has to wait for, each with its state in words.
    pub ahead: Vec<(ObstacleView, String)>,
    /// Who has to approve it, and within which time, in words.
    pub approval: Option<String>,
    /// When policy next allows it, where it does not now: as a form value, and in words.
    pub later: Option<(String, String)>,
}

/// Previews what was chosen.
///
/// # Errors
/// Of the store.
pub async fn plan(app: &App, actor: &Actor, view: &EnvironmentView, mut form: FormData) -> Result<PlanView> {
    let environment = &view.place.environment;
    let defaults = strategy_form::fill(FormData::default(), Strategy::default());
    form.keep(strategy_form::FIELDS, &defaults);
    let mut plan = PlanView {
        targets: targets(view),
        request_key: csrf::new_secret(),
        may_configure: view.may_configure,
        may_lock: view.may_lock,
        may_override: view.may_override,
        ..PlanView::default()
    };
    match recent(app, &view.project, &environment.branch).await {
        Ok(commits) => plan.recent = commits.into_iter().map(|one| choosable(view, one)).collect(),
        Err(error) if error.kind() == ErrorKind::Internal => return Err(error),
        Err(error) => error.message().clone_into(&mut plan.trouble),
    }
    if form.text("commit").trim().is_empty() {
        plan.choose(app, view, &mut form).await?;
    }
    let choice = form::choice(&form).unwrap_or_else(|error| {
        form.complaints = Complaints::of_error(&error);
        Choice::All
    });
    // Without a mirror there is nothing to look a commit up in.
    let commit = form.text("commit");
    if !commit.is_empty() && plan.trouble.is_empty() {
        match preview(app, &view.project, &view.place, commit, choice).await {
            Ok(found) => {
                let was_here = was_here(app, environment, &found.commit.id).await?;
                plan.shows(view, found, form::kind(&form), was_here);
                plan.rolls_out(app, actor, view, choice, &mut form).await?;
            }
            Err(error) if error.kind() == ErrorKind::Internal => return Err(error),
            Err(error) if error.kind() == ErrorKind::Invalid => {
                form.complaints = Complaints::of_error(&error);
            }
            Err(error) => error.message().clone_into(&mut plan.trouble),
        }
    }
    if let Some(refusal) = &plan.refusal {
        plan.ask = whom_to_ask::in_words(&whom_to_ask::whom_to_ask(app, refusal).await?);
    }
    plan.form = form;
    Ok(plan)
}

fn choosable(view: &EnvironmentView, commit: CommitInfo) -> (CommitInfo, String) {
    let (project, name) = (view.project.name.as_str(), view.place.environment.name.as_str());
    let url = urls::deploy_form(project, name, commit.id.as_str(), "", "");
    (commit, url)
}

impl PlanView {
    /// Chooses for a visitor who has not: what the environment before runs and has proven, unless that would
    /// go backwards here, or else the newest.
    async fn choose(&mut self, app: &App, view: &EnvironmentView, form: &mut FormData) -> Result<()> {
        let Some(before) = view.before.as_ref().filter(|before| !before.runs.is_empty()) else {
            if let Some((newest, _)) = self.recent.first() {
                form.set("commit", &newest.id);
                self.why = format!("Newest on {}", view.place.environment.branch);
            }
            return Ok(());
        };
        let name = &before.environment.name;
        let commits: Vec<CommitId> = before.runs.iter().map(|run| run.commit.clone()).collect();
        let proven = proven(app, &before.environment, &commits).await?;
        let is_proven = |run: &&Runs| proven.contains(&run.commit);
        let Some(run) = before.runs.iter().find(is_proven).or(before.current()) else {
            return Ok(());
        };
        if let Some(own) = view.place.current()
            && goes_back_everywhere(app, &view.project, &view.place, &run.commit).await
        {
            form.set("commit", &own.commit);
            self.why = format!("Runs here; {name} runs an older commit");
            return Ok(());
        }
        form.set("commit", &run.commit);
        form.set("kind", Kind::Promotion.as_str());
        self.why = match before.active() {
            all if run.servers < all => {
                format!("Runs on {} of {} in {name}", run.servers, count(all, "server"))
            }
            _ => format!("Runs in {name}"),
        };
        Ok(())
    }

    /// Adds what the rollout would do.
    async fn rolls_out(
        &mut self,
        app: &App,
        actor: &Actor,
        view: &EnvironmentView,
        choice: Choice,
        form: &mut FormData,
    ) -> Result<()> {
        if self
            .preview
            .as_ref()
            .is_some_and(|found| found.changes.is_empty())
        {
            return Ok(());
        }
        let kind = if self.rolls_back {
            Kind::Rollback
        } else {
            Kind::Regular
        };
        let leave = if self.rolls_back {
            &view.roll_back
        } else {
            &view.deploy
        };
        self.approval = approval(&view.place.environment, kind, leave);
        let chosen = view.place.servers.iter().filter(|one| one.is_meant(choice));
        let servers = chosen.map(|one| one.server.id).collect();
        let ahead = activity::ahead(app, actor, &servers, self.rolls_back).await?;
        self.ahead = ahead
            .iter()
            .map(|(one, state)| (ObstacleView::new(one), state.title().to_lowercase()))
            .collect();
        let strategy = form::strategy(form).unwrap_or_else(|error| {
            form.complaints = Complaints::of_error(&error);
            None
        });
        let rollout = rollout::rollout(app, actor, view, choice, strategy).await?;
        self.ready &= rollout.obstacle.is_empty();
        self.rollout = Some(rollout);
        Ok(())
    }

    fn shows(&mut self, view: &EnvironmentView, preview: Preview, kind: Kind, was_here: bool) {
        let commit = &preview.commit.id;
        let servers: usize = preview.changes.iter().map(|change| change.servers.len()).sum();
        self.reach = count(servers, "server");
        self.is_there = servers > 0 && preview.changes.iter().all(|change| change.is_none(commit));
        let passed = |change: &CommitEffect| {
            change.is_none(commit) || (change.going > 0 && change.coming.commits.is_empty())
        };
        self.is_back = servers > 0 && !self.is_there && preview.changes.iter().all(passed);
        let is_back = |change: &&CommitEffect| change.going > 0 && change.coming.commits.is_empty();
        let back: usize = preview
            .changes
            .iter()
            .filter(is_back)
            .map(|one| one.servers.len())
            .sum();
        if back > 0 && !self.is_back {
            let run = if back == 1 { "runs" } else { "run" };
            self.goes_back = format!(
                "{back} of {} {run} a newer commit than this; deploying it there removes newer changes.",
                self.reach
            );
        }
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
            let next = refusal.next_allowed.filter(is_free).map(forms::instant_value);
            self.later = next.map(|value| (value.clone(), value.replace('T', " ")));
        }
        let unlocked = view.place.lock.is_none() || self.may_override;
        self.ready = could && leave.is_given() && unlocked;
        self.preview = Some(preview);
    }

    /// The button's label for the commit `short`.
    pub fn button(&self, short: &str) -> String {
        let reach = &self.reach;
        match (self.rolls_back, form::kind(&self.form)) {
            (true, _) => format!("Roll {reach} back to {short}"),
            (false, Kind::Promotion) => format!("Promote {short} to {reach}"),
            (false, _) => format!("Deploy {short} to {reach}"),
        }
    }

    /// See [`failed_here`].
    pub fn failed_before(&self, view: &EnvironmentView) -> Option<DeploymentId> {
        failed_here(view, &self.preview.as_ref()?.commit.id)
    }

    /// As the form sends it on.
    pub fn kind_word(&self) -> &'static str {
        let kind = match (self.rolls_back, form::kind(&self.form)) {
            (true, _) => Kind::Rollback,
            (false, Kind::Rollback) => Kind::Regular,
            (false, kind) => kind,
        };
        kind.as_str()
    }
}

/// Who has to approve, in words; `None`: nobody.
fn approval(environment: &Environment, kind: Kind, leave: &Leave) -> Option<String> {
    let by = match leave {
        Leave::Given(by) => by.as_slice(),
        Leave::Refused(_) => &[],
    };
    let hours = approval_hours(environment, kind, by)?;
    let who = match by {
        [] => "Someone else".to_owned(),
        by => format!("A second person of {}", by.join(" or ")),
    };
    Some(format!(
        "{who} must approve exactly this within {hours} h; until then it waits."
    ))
}

/// Why there is no server to deploy to among the chosen ones.
pub fn no_servers(view: &EnvironmentView) -> &'static str {
    match (view.place.servers.is_empty(), view.place.active()) {
        (true, _) => "This environment has no servers yet.",
        (false, 0) => "None of the servers here is active.",
        (false, _) => "None of the chosen servers is active.",
    }
}

/// The last finished deployment of `commit` to the environment, if it failed.
pub fn failed_here(view: &EnvironmentView, commit: &CommitId) -> Option<DeploymentId> {
    let ended = view.deployments.iter().filter(|one| one.state.is_final());
    let last = ended
        .filter(|one| one.commit == *commit)
        .max_by_key(|one| one.id.0)?;
    (last.state == DeploymentState::Failed).then_some(last.id)
}

fn targets(view: &EnvironmentView) -> Vec<(String, String)> {
    let active = view.place.active();
    let all = count(active, "active server");
    let mut targets = vec![(form::target(Choice::All), format!("All servers ({all})"))];
    let mut clusters: Vec<(ClusterId, &str)> = Vec::new();
    for (id, name) in view.place.servers.iter().flat_map(|one| &one.clusters) {
        if !clusters.iter().any(|(known, _)| known == id) {
            clusters.push((*id, name.as_str()));
        }
    }
    for (id, name) in &clusters {
        targets.push((form::target(Choice::Cluster(*id)), format!("Cluster {name}")));
    }
    for one in view.place.servers.iter().filter(|one| one.server.active) {
        targets.push((
            form::target(Choice::Server(one.server.id)),
            format!("Server {}", one.server.name),
        ));
    }
    targets
}
