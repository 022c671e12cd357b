//! One round for one project: a fetch, a look at the branches that were named, and what waits there.

use std::collections::{BTreeMap, BTreeSet};

use tokio_util::sync::CancellationToken;

use super::automatic::{self, AutoOutcome, AutoPlace};
use super::polling;
use super::receive::note;
use crate::app::App;
use crate::domain::{
    BranchName, Environment, EnvironmentId, Error, HookSender, Polling, Project, ProjectId, PushState,
    PushedBranch, ReceivedPush, Result, if_found,
};
use crate::git::Mirror;
use crate::store::{again, auto_progress, environments, projects, pushes};

/// What there is to do for a project.
#[derive(Debug, Clone, Default)]
pub(super) struct ToDo {
    /// Pushes that nobody has handled.
    pub pushes: Vec<ReceivedPush>,
    /// It is time to ask its repository for news.
    pub polling: Option<Polling>,
    /// Environments with a commit that is tried again.
    pub waiting: Vec<EnvironmentId>,
}

/// What came of a push, by environment.
type Outcomes = BTreeMap<EnvironmentId, AutoOutcome>;

/// A round for a project; `Err` where its repository could not be fetched for its pushes.
pub(super) async fn handle(app: &App, project: ProjectId, to_do: &ToDo) -> Result<()> {
    let Some(project) = if_found(projects::by_id(&app.store, project).await)? else {
        return Ok(());
    };
    let mut places = environments::list(&app.store, project.id).await?;
    places.retain(|environment| environment.auto_deploy);
    for environment in places.iter().filter(|one| to_do.waiting.contains(&one.id)) {
        try_again(app, &project, environment).await;
    }
    if let Some(polling) = &to_do.polling {
        poll(app, &project, &places, polling).await?;
    }
    if to_do.pushes.is_empty() {
        return Ok(());
    }
    let mirror = app.mirror(&project)?;
    fetch(app, &mirror).await?;
    let named: BTreeSet<&BranchName> = to_do.pushes.iter().flat_map(deployable).collect();
    let meant = places.iter().filter(|one| named.contains(&one.branch));
    let outcomes = look(app, &project, meant, &mirror).await;
    finish(app, &to_do.pushes, |push| told(push, &places, &outcomes)).await
}

/// The branches of a push that come with a commit.
fn deployable(push: &ReceivedPush) -> impl Iterator<Item = &BranchName> {
    let branches = push.branches.iter().filter(|branch| branch.commit.is_some());
    branches.map(|branch| &branch.name)
}

async fn fetch(app: &App, mirror: &Mirror) -> Result<()> {
    app.arrivals.count_fetch();
    mirror.fetch(&CancellationToken::new()).await?;
    Ok(())
}

/// What one environment may not do keeps nothing from the others.
async fn try_again(app: &App, project: &Project, environment: &Environment) {
    let attempt = async {
        let Some(progress) = auto_progress::of_environment(&app.store, environment.id).await? else {
            return Ok(());
        };
        let place = AutoPlace { project, environment };
        Box::pin(automatic::attempt(app, place, progress)).await.map(drop)
    };
    if let Err(error) = attempt.await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "an automatic deployment could not be tried again"
        );
    }
}

/// Looks at the branches of environments.
async fn look<'a>(
    app: &App,
    project: &Project,
    environments: impl Iterator<Item = &'a Environment>,
    mirror: &Mirror,
) -> Outcomes {
    let mut outcomes = Outcomes::new();
    for environment in environments {
        let place = AutoPlace { project, environment };
        let outcome = Box::pin(automatic::consider(app, place, mirror)).await;
        let outcome = outcome.unwrap_or_else(|error: Error| AutoOutcome {
            sentence: error.message().to_owned(),
            deployment: None,
        });
        outcomes.insert(environment.id, outcome);
    }
    outcomes
}

/// A push with what came of it.
fn told(push: &ReceivedPush, places: &[Environment], outcomes: &Outcomes) -> ReceivedPush {
    let named: Vec<&BranchName> = deployable(push).collect();
    let (mut sentences, mut deployments) = (Vec::new(), Vec::new());
    for environment in places.iter().filter(|one| named.contains(&&one.branch)) {
        if let Some(outcome) = outcomes.get(&environment.id) {
            sentences.push(format!("{}: {}", environment.name, outcome.sentence));
            deployments.extend(outcome.deployment);
        }
    }
    let outcome = match (named.is_empty(), sentences.is_empty()) {
        (true, _) => "Fetched.".to_owned(),
        (false, true) => "Fetched. No environment deploys pushes to this branch.".to_owned(),
        (false, false) => sentences.join(" "),
    };
    ReceivedPush {
        state: PushState::Handled,
        outcome,
        deployments,
        ..push.clone()
    }
}

/// Stores pushes as `made` makes them.
pub(super) async fn finish(
    app: &App,
    pushes: &[ReceivedPush],
    made: impl Fn(&ReceivedPush) -> ReceivedPush,
) -> Result<()> {
    let made: Vec<ReceivedPush> = pushes.iter().map(made).collect();
    again(|| async {
        let record = app.store.record().await?;
        for push in &made {
            pushes::update(&record, push).await?;
        }
        if let Some(push) = made.first() {
            pushes::trim(&record, push.project).await?;
        }
        record.commit().await
    })
    .await
}

/// Asks the repository for news. All its branches count as pushed then, as somebody may have fetched them since
/// the last time.
async fn poll(app: &App, project: &Project, places: &[Environment], polling: &Polling) -> Result<()> {
    let asked = async {
        let mirror = app.mirror(project)?;
        let moved = polling::moved(&mirror).await?;
        if !moved.is_empty() || !mirror.is_fetched() {
            fetch(app, &mirror).await?;
        }
        Ok((mirror, moved))
    };
    let asked: Result<(Mirror, Vec<PushedBranch>)> = asked.await;
    polling::note(app, polling, asked.as_ref().err()).await?;
    let Ok((mirror, moved)) = asked else {
        return Ok(());
    };
    let outcomes = look(app, project, places.iter(), &mirror).await;
    if moved.is_empty() && outcomes.values().all(|one| one.deployment.is_none()) {
        return Ok(());
    }
    let seen = ReceivedPush {
        id: 0,
        project: project.id,
        at: app.now(),
        sender: HookSender::Polling,
        delivery: String::new(),
        branches: moved,
        state: PushState::Handled,
        outcome: String::new(),
        deployments: Vec::new(),
    };
    note(app, &told(&seen, places, &outcomes)).await
}
