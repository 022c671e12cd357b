//! Automatic deployments of one environment: which commit is new, and whether it is deployed now, later or
//! not at all.

use chrono::TimeDelta;
use serde_json::json;

use super::filters;
use crate::app::App;
use crate::app::deployments::{self, DeployRequest};
use crate::app::naming::resource;
use crate::domain::access::AUTO;
use crate::domain::{
    Action, Actor, Author, AutoProgress, CommitId, DeploymentId, Environment, ErrorKind, Event, EventKind,
    Instant, Kind, Project, Resource, Result, WhenRefused,
};
use crate::git::{CommitInfo, Error as Git, Mirror};
use crate::store::{Right, again, auto_progress, locks};

/// What is refused for now is tried again after this time at the latest: a lock may be lifted, the policy
/// changed.
const TRY_AGAIN: TimeDelta = TimeDelta::minutes(1);

/// What came of a push in one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AutoOutcome {
    /// In words, with a full stop.
    pub sentence: String,
    pub deployment: Option<DeploymentId>,
}

impl AutoOutcome {
    fn none(sentence: impl Into<String>) -> Self {
        Self {
            sentence: sentence.into(),
            deployment: None,
        }
    }
}

/// An environment with the project it belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) struct AutoPlace<'a> {
    pub project: &'a Project,
    pub environment: &'a Environment,
}

impl AutoPlace<'_> {
    fn resource(self) -> Resource {
        resource(self.project, self.environment)
    }
}

/// How far an environment has come that begins to deploy pushes now: what its branch has now counts as seen.
/// `None`: that is not known yet, and noted once the repository was fetched.
pub async fn beginning(app: &App, project: &Project, environment: &Environment) -> Option<AutoProgress> {
    let mirror = app.mirror(project).ok()?;
    match tip(&mirror, environment).await {
        Ok(tip) => Some(AutoProgress::begins_at(environment.id, tip.map(|tip| tip.id))),
        Err(_) => None,
    }
}

/// The newest commit of an environment's branch; `None`: there is no such branch.
async fn tip(mirror: &Mirror, environment: &Environment) -> Result<Option<CommitInfo>, Git> {
    match mirror
        .resolve(&format!("refs/heads/{}", environment.branch))
        .await
    {
        Ok(tip) => Ok(Some(tip)),
        Err(Git::NotFound(_) | Git::NoBranch(_) | Git::Empty) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Looks at the branch of an environment, and deploys what is new there, if it may.
pub(super) async fn consider(app: &App, place: AutoPlace<'_>, mirror: &Mirror) -> Result<AutoOutcome> {
    let environment = place.environment;
    let Some(tip) = tip(mirror, environment).await? else {
        return Ok(AutoOutcome::none("Its branch does not exist."));
    };
    let Some(mut progress) = auto_progress::of_environment(&app.store, environment.id).await? else {
        put(app, &AutoProgress::begins_at(environment.id, Some(tip.id))).await?;
        return Ok(AutoOutcome::none("It deploys pushes from now on."));
    };
    if progress.seen.as_ref() == Some(&tip.id) {
        return Ok(match &progress.pending {
            Some(commit) => AutoOutcome::none(waits(commit, &progress.why)),
            None => AutoOutcome::none("Its branch has nothing new."),
        });
    }
    let seen = progress.seen.replace(tip.id.clone());
    if let Some(seen) = &seen
        && is_older(mirror, &tip.id, seen).await?
    {
        drop_pending(app, place, &mut progress, "Its branch was moved back.").await?;
        put(app, &progress).await?;
        return Ok(AutoOutcome::none(
            "Its branch was moved back; automatic deployments never go back.",
        ));
    }
    if let Some(why) = filters::left_out(mirror, &environment.options.auto, seen.as_ref(), &tip).await? {
        put(app, &progress).await?;
        return Ok(AutoOutcome::none(format!("Left out. {why}")));
    }
    let newer = format!("Commit {} came after it.", tip.id.short());
    drop_pending(app, place, &mut progress, &newer).await?;
    progress.pending = Some(tip.id);
    progress.since = Some(app.now());
    progress.next_at = Some(app.now());
    // Whatever happens from here on, it is not forgotten.
    put(app, &progress).await?;
    attempt(app, place, progress).await
}

/// Whether `tip` is one of the commits that led to `seen`.
async fn is_older(mirror: &Mirror, tip: &CommitId, seen: &CommitId) -> Result<bool> {
    match mirror.ahead_behind(tip, seen).await {
        Ok((ahead, _)) => Ok(ahead == 0),
        Err(Git::Vanished(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Why a commit cannot be deployed at this time.
struct NotNow {
    why: String,
    /// When it may be allowed, as far as is known.
    next: Option<Instant>,
}

/// Tries to deploy the commit that waits.
pub(super) async fn attempt(
    app: &App,
    place: AutoPlace<'_>,
    mut progress: AutoProgress,
) -> Result<AutoOutcome> {
    let Some(commit) = progress.pending.clone() else {
        return Ok(AutoOutcome::none("Nothing waits."));
    };
    if let Err((not_now, is_for_good)) = not_now(app, place).await? {
        let drops = place.environment.options.auto.when_refused == WhenRefused::Drop;
        return match is_for_good || drops {
            true => dropped(app, place, progress, &not_now.why).await,
            false => wait(app, progress, &commit, not_now).await,
        };
    }
    let branch = &place.environment.branch;
    let wanted = DeployRequest {
        kind: Kind::Automatic,
        reason: format!("A push to {branch}."),
        ..DeployRequest::new(
            place.project.name.as_str(),
            place.environment.name.as_str(),
            commit.as_str(),
        )
    };
    match Box::pin(deployments::request(app, &actor(), wanted)).await {
        Ok(requested) => {
            progress.settle();
            put(app, &progress).await?;
            let id = requested.id();
            Ok(AutoOutcome {
                sentence: format!("Deployment {id} of {}.", commit.short()),
                deployment: Some(id),
            })
        }
        Err(error) if is_trouble(error.kind()) => {
            let not_now = NotNow {
                why: error.message().to_owned(),
                next: None,
            };
            wait(app, progress, &commit, not_now).await
        }
        Err(error) => dropped(app, place, progress, error.message()).await,
    }
}

fn actor() -> Actor {
    Actor::user(AUTO, Author::ENGINE)
}

/// Whether an error says nothing about what was asked.
fn is_trouble(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Unavailable | ErrorKind::Internal | ErrorKind::Throttled
    )
}

/// Whether policy or a lock forbids it, and whether policy does so for good.
async fn not_now(app: &App, place: AutoPlace<'_>) -> Result<Result<(), (NotNow, bool)>> {
    let now = app.now();
    let asked = app
        .access
        .permit(&actor(), Action::Deploy, &place.resource(), now);
    if let Err(refusal) = asked {
        let is_for_good = refusal.next_allowed.is_none() && refusal.outside_window.is_empty();
        let not_now = NotNow {
            why: refusal.sentence(),
            next: refusal.next_allowed,
        };
        return Ok(Err((not_now, is_for_good)));
    }
    let stopping = locks::stopping(&app.store, place.project.id, place.environment.id, now).await?;
    Ok(match stopping.first() {
        None => Ok(()),
        Some(lock) => {
            let not_now = NotNow {
                why: lock.sentence(&place.resource().to_string()),
                next: lock.ends_at,
            };
            Err((not_now, false))
        }
    })
}

async fn wait(
    app: &App,
    mut progress: AutoProgress,
    commit: &CommitId,
    not_now: NotNow,
) -> Result<AutoOutcome> {
    let latest = app.now() + TRY_AGAIN;
    progress.next_at = Some(not_now.next.map_or(latest, |next| next.min(latest)));
    progress.why = not_now.why;
    put(app, &progress).await?;
    Ok(AutoOutcome::none(waits(commit, &progress.why)))
}

fn waits(commit: &CommitId, why: &str) -> String {
    match why {
        "" => format!("{} waits.", commit.short()),
        why => format!("{} waits: {why}", commit.short()),
    }
}

/// Drops the commit that waits, for good.
async fn dropped(
    app: &App,
    place: AutoPlace<'_>,
    mut progress: AutoProgress,
    why: &str,
) -> Result<AutoOutcome> {
    drop_pending(app, place, &mut progress, why).await?;
    put(app, &progress).await?;
    Ok(AutoOutcome::none(format!("Dropped. {why}")))
}

/// Records that the commit which waits is not deployed; does nothing where none waits.
async fn drop_pending(app: &App, place: AutoPlace<'_>, progress: &mut AutoProgress, why: &str) -> Result<()> {
    let Some(commit) = progress.pending.clone() else {
        return Ok(());
    };
    progress.settle();
    let right = Right::at_the_gate(&actor(), place.resource().to_string());
    let change = app.store.change(right, app.now()).await?;
    auto_progress::put(&change, progress).await?;
    let detail = json!({ "commit": commit.as_str(), "branch": place.environment.branch });
    change
        .commit(Event::new(EventKind::AutomaticDropped, detail).forbidden(why))
        .await
}

async fn put(app: &App, progress: &AutoProgress) -> Result<()> {
    again(|| async {
        let record = app.store.record().await?;
        auto_progress::put(&record, progress).await?;
        record.commit().await
    })
    .await
}
