//! Locks stop deployments to an environment, a project or everything, for a stated reason. Who may `lock`
//! there may lift their own locks, who may `unlock` there those of others.

use serde_json::json;

use super::App;
use super::naming::{check_reason, place};
use crate::domain::{
    Action, Actor, Environment, Error, Event, EventKind, FieldErrors, Instant, Lock, LockId, Project,
    Resource, Result,
};
use crate::store::{Reader, environments, locks, projects};

/// The command to create a lock.
#[derive(Debug, Clone)]
pub struct NewLock {
    /// What is locked.
    pub over: Resource,
    /// Why; needed.
    pub reason: String,
    /// When it expires; `None`: it has to be lifted.
    pub ends_at: Option<Instant>,
}

/// A lock in force, as a reader sees it.
#[derive(Debug, Clone)]
pub struct LockView {
    pub lock: Lock,
    /// What it locks.
    pub over: Resource,
    /// Whether the reader may lift it.
    pub may_lift: bool,
}

/// The action that a lock needs: locking everything takes an administrator.
fn action_over(over: &Resource) -> Action {
    match over {
        Resource::Everything | Resource::Area(_) => Action::Administer,
        Resource::Project(_) | Resource::Environment(..) => Action::Lock,
    }
}

/// Creates a lock.
///
/// # Errors
/// Forbidden; unknown project or environment; complaints about the fields `reason` and `ends_at`.
pub async fn create(app: &App, actor: &Actor, wanted: NewLock) -> Result<LockId> {
    let (project, environment) = match &wanted.over {
        Resource::Everything => (None, None),
        Resource::Area(area) => return Err(Error::invalid(format!("{} cannot be locked.", area.title()))),
        Resource::Project(project) => (Some(projects::by_name(&app.store, project).await?.id), None),
        Resource::Environment(project, environment) => {
            let (project, environment) = place(app, project, environment).await?;
            (Some(project.id), Some(environment.id))
        }
    };
    let permit = app.permit(actor, action_over(&wanted.over), &wanted.over).await?;
    let now = app.now();
    check(&wanted, now)?;
    let change = app.store.change(&permit, now).await?;
    let lock = Lock {
        id: LockId(0),
        project,
        environment,
        reason: wanted.reason.trim().to_owned(),
        author: permit.actor().name.clone(),
        created_at: now,
        ends_at: wanted.ends_at,
    };
    let lock = locks::insert(&change, &lock).await?;
    change.commit(event(EventKind::LockCreated, &lock)).await?;
    Ok(lock.id)
}

fn check(wanted: &NewLock, now: Instant) -> Result<()> {
    let mut wrong = FieldErrors::default();
    if wanted.reason.trim().is_empty() {
        wrong.add("reason", "Give a reason for those who want to deploy.");
    }
    if let Err(error) = check_reason("reason", &wanted.reason) {
        wrong.add("reason", error.message());
    }
    if wanted.ends_at.is_some_and(|end| end <= now) {
        let message = "That time has passed. Choose a later one, or leave it empty.";
        wrong.add("ends_at", message);
    }
    wrong.none()
}

/// Lifts a lock.
///
/// # Errors
/// Forbidden; not found, when it was lifted already.
pub async fn lift(app: &App, actor: &Actor, id: LockId) -> Result<()> {
    let lock = locks::by_id(&app.store, id).await?;
    let over = over(app, &lock).await?;
    let permit = app.permit(actor, lock.action_to_lift(actor), &over).await?;
    let change = app.store.change(&permit, app.now()).await?;
    locks::delete(&change, id).await?;
    change.commit(event(EventKind::LockLifted, &lock)).await
}

/// The locks in force that `actor` may see, oldest first.
pub async fn list(app: &App, actor: &Actor) -> Result<Vec<LockView>> {
    let mut seen = Vec::new();
    for lock in locks::in_force(&app.store, app.now()).await? {
        let over = over(app, &lock).await?;
        // A lock of everything concerns every user.
        let shown = match &over {
            Resource::Everything => !actor.is_guest() || app.may(actor, Action::View, &over),
            place => app.may(actor, Action::View, place),
        };
        if shown {
            seen.push(LockView {
                may_lift: app.may(actor, lock.action_to_lift(actor), &over),
                lock,
                over,
            });
        }
    }
    Ok(seen)
}

/// The locks that stop deployments to an environment at `at`, each with its resource.
pub(super) async fn over_place(app: &App, place: &Resource, at: Instant) -> Result<Vec<(Lock, Resource)>> {
    let mut found = Vec::new();
    for lock in locks::in_force(&app.store, at).await? {
        let over = over(app, &lock).await?;
        let covers = match (&over, place) {
            (Resource::Everything, _) => true,
            (Resource::Project(project), Resource::Environment(of, _)) => project == of,
            (over, place) => over == place,
        };
        if covers {
            found.push((lock, over));
        }
    }
    Ok(found)
}

/// Whether `actor` may lift each of these locks, which stop deployments to `place`, and so override them;
/// where there is none, whether they may lock it.
pub(super) fn may_override(app: &App, actor: &Actor, place: &Resource, stopping: &[Lock]) -> bool {
    let may = |lock: &Lock| app.may(actor, lock.action_to_lift(actor), lock.lifted_over(place));
    match stopping {
        [] => app.may(actor, Action::Lock, place),
        locks => locks.iter().all(may),
    }
}

/// Refuses with the first lock in force at `at` over one of these environments of `project`, or over
/// the project itself.
pub(super) async fn demand_none(
    on: &impl Reader,
    project: &Project,
    over: &[Environment],
    at: Instant,
) -> Result<()> {
    for lock in locks::in_force(on, at).await? {
        let place = match over.iter().find(|one| lock.covers(project.id, one.id)) {
            Some(environment) => format!("{}/{}", project.name, environment.name),
            None if lock.environment.is_none() && lock.project == Some(project.id) => {
                project.name.to_string()
            }
            None => continue,
        };
        let sentence = lock.sentence(&place);
        return Err(Error::conflict(format!("{sentence} Lift the lock first.")));
    }
    Ok(())
}

/// What a lock locks, by its names.
async fn over(app: &App, lock: &Lock) -> Result<Resource> {
    let Some(project) = lock.project else {
        return Ok(Resource::Everything);
    };
    let project = projects::by_id(&app.store, project).await?.name.to_string();
    let Some(environment) = lock.environment else {
        return Ok(Resource::Project(project));
    };
    let environment = environments::by_id(&app.store, environment).await?;
    Ok(Resource::Environment(project, environment.name.to_string()))
}

fn event(kind: EventKind, lock: &Lock) -> Event {
    let detail = json!({
        "lock": lock.id, "reason": lock.reason, "author": lock.author, "ends_at": lock.ends_at,
    });
    Event::new(kind, detail)
}
