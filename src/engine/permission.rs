//! Whether a deployment may go on now.
//!
//! It is asked when a scheduled time has come, before servers are touched, after every pause and before
//! an automatic rollback. What was true at the request does not count: the accounts have to exist and
//! be enabled, that of the approver too, and API tokens must not be revoked; groups must still be theirs;
//! policy decides by the present names of project and environment, within the scope of the token, and takes
//! the second person that it takes now; and a lock stops the deployment unless its override is newer and
//! whoever requested it may still lift the lock.

use super::groups::{self, Grouped};
use super::shared::EngineParts;
use crate::access::Access;
use crate::domain::access::{AUTO, GUEST};
use crate::domain::event::Author;
use crate::domain::{
    Action, Actor, Deployment, Environment, Error, Instant, Lock, PolicyLine, Project, Refusal, Resource,
    Result, UsedToken, if_found,
};
use crate::store::{Store, environments, locks, projects, tokens, users};

/// The answer.
pub(super) enum Permission {
    /// By this line of policy.
    Granted(PolicyLine),
    /// Why not, as a sentence.
    Refused(String),
}

/// In whose name a deployment may be carried on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Succession {
    /// In its requester's name, as before.
    Requester,
    /// In the name of whoever answers its pause; why not in the requester's, as a sentence.
    Answerer { why: String },
    /// In neither name; why not in the requester's, as a sentence.
    Nobody { why: String },
}

/// Asks in whose name `deployment` would do `action` if `actor` answered its pause now.
///
/// # Errors
/// Of the store.
pub(super) async fn succession(
    parts: &EngineParts,
    deployment: &Deployment,
    (actor, action): (&Actor, Action),
) -> Result<Succession> {
    let Permission::Refused(why) = ask(parts, deployment, action).await? else {
        return Ok(Succession::Requester);
    };
    if actor.name == deployment.actor {
        return Ok(Succession::Nobody { why });
    }
    Ok(match ask_as(parts, deployment, actor, action).await? {
        Permission::Granted(_) => Succession::Answerer { why },
        Permission::Refused(_) => Succession::Nobody { why },
    })
}

/// Asks whether the people behind `deployment` may do `action` in its environment now.
///
/// # Errors
/// Of the store.
pub(super) async fn ask(parts: &EngineParts, deployment: &Deployment, action: Action) -> Result<Permission> {
    ask_as(parts, deployment, &deployment.requester(Author::ENGINE), action).await
}

/// The same for a deployment that was paused: where its requester may not carry it on any more, whoever last
/// continued it or rolled it back may. Returns that person, if it is theirs now.
///
/// # Errors
/// As [`ask`].
pub(super) async fn ask_on(
    parts: &EngineParts,
    deployment: &Deployment,
    action: Action,
) -> Result<(Permission, Option<Actor>)> {
    let own = ask(parts, deployment, action).await?;
    if let Permission::Refused(_) = own
        && let Some(heir) = deployment.successor(Author::ENGINE)
        && let granted @ Permission::Granted(_) = ask_as(parts, deployment, &heir, action).await?
    {
        return Ok((granted, Some(heir)));
    }
    Ok((own, None))
}

/// Asks whether `actor` may do `action` with `deployment`, which they requested or carry on.
///
/// # Errors
/// As [`ask`].
pub(super) async fn ask_as(
    parts: &EngineParts,
    deployment: &Deployment,
    actor: &Actor,
    action: Action,
) -> Result<Permission> {
    parts
        .access
        .steadily(decide(parts, deployment, actor, action))
        .await
}

async fn decide(
    parts: &EngineParts,
    deployment: &Deployment,
    actor: &Actor,
    action: Action,
) -> Result<Permission> {
    let EngineParts {
        store, access, clock, ..
    } = parts;
    let now = clock.now();
    if let Some(why) = means_refusal(parts, deployment, actor).await? {
        return Ok(Permission::Refused(why));
    }
    let Some((project, environment)) = place(store, deployment).await? else {
        let why = "Its project or environment was deleted meanwhile.";
        return Ok(Permission::Refused(why.to_owned()));
    };
    let resource = Resource::Environment(project.name.to_string(), environment.name.to_string());
    let Grouped { actor, lacks } = &groups::grouped(parts, actor, now).await?;
    let because = |refusal: Box<Refusal>| Permission::Refused([refusal.sentence(), lacks.clone()].concat());
    let permit = match access.permit(actor, action, &resource, now) {
        Ok(permit) => permit,
        Err(refusal) => return Ok(because(refusal)),
    };
    // An automatic rollback is allowed with its deployment, and is not what the strategy and the
    // approval were for.
    if action == deployment.kind.action() && !deployment.undoes {
        if deployment.strategy.is_some()
            && let Err(refusal) = access.permit(actor, Action::Configure, &resource, now)
        {
            return Ok(because(refusal));
        }
        if let Some(why) = approval_refusal(parts, deployment, &resource).await? {
            return Ok(Permission::Refused(why));
        }
        let approval = deployment.approval.as_ref();
        let mut behind = [Some(&actor.name), actor.impersonator.as_ref()]
            .into_iter()
            .flatten();
        if let Some(approver) = behind.find(|one| approval.is_some_and(|approval| approval.is_by(one))) {
            return Ok(Permission::Refused(format!(
                "{approver} has approved it, so somebody else has to carry it on."
            )));
        }
        if let Some(why) = second_refusal(access, deployment, permit.second()) {
            return Ok(Permission::Refused(why));
        }
    }
    // The reason given for overriding one lock says nothing about a lock made later.
    let may_lift = |lock: &Lock| {
        let over = lock.lifted_over(&resource);
        access.may(actor, lock.action_to_lift(actor), over, now)
    };
    let stops = |lock: &Lock| {
        deployment.lock_override.is_none() || lock.created_at > deployment.queued_at || !may_lift(lock)
    };
    let locks = locks::stopping(store, project.id, environment.id, now).await?;
    Ok(match locks.into_iter().find(stops) {
        Some(lock) => Permission::Refused(lock.sentence("this")),
        None => Permission::Granted(permit.line().clone()),
    })
}

/// Why the approval of `deployment` does not count any more. A window that closed since does not
/// matter: the approval came in time.
pub(super) async fn approval_refusal(
    parts: &EngineParts,
    deployment: &Deployment,
    resource: &Resource,
) -> Result<Option<String>> {
    let Some(approval) = &deployment.approval else {
        return Ok(None);
    };
    let Some((name, given_at)) = &approval.given else {
        return Ok(None);
    };
    let lapsed = |why: String| Some(format!("The approval by {name} no longer counts: {why}"));
    for account in [name].into_iter().chain(&approval.impersonator) {
        if let Some(why) = account_refusal(&parts.store, account, *given_at).await? {
            return Ok(lapsed(why));
        }
    }
    if let Some(account) = &approval.impersonator
        && let Err(refusal) = may_impersonate(&parts.access, account, *given_at)
    {
        return Ok(lapsed(refusal.sentence()));
    }
    if let Some(used) = &approval.token
        && is_revoked(&parts.store, used).await?
    {
        let why = format!("The API token “{}” that gave it was revoked.", used.name);
        return Ok(lapsed(why));
    }
    let (Some(_), Some(approver)) = (&approval.groups, approval.approver(Author::ENGINE)) else {
        return Ok(None);
    };
    let asked = parts
        .access
        .permit(&approver, Action::Approve, resource, *given_at);
    Ok(asked.err().and_then(|refusal| lapsed(refusal.sentence())))
}

/// Why the approval of `deployment` is not by one of `second`, whom policy takes as a second person now.
fn second_refusal(access: &Access, deployment: &Deployment, second: &[String]) -> Option<String> {
    let approval = deployment.approval.as_ref();
    let is_awaited = approval.is_some_and(|approval| approval.given.is_none());
    if second.is_empty() || is_awaited {
        return None;
    }
    let approver = approval.and_then(|approval| approval.approver(Author::ENGINE));
    let by_one = approver.is_some_and(|approver| access.is_one_of(&approver, second));
    (!by_one).then(|| {
        format!(
            "Policy now takes the approval of a second person of {}: request it again.",
            second.join(" or ")
        )
    })
}

/// Why `actor`, who requested `deployment` or carries it on, does not count any more: an account is gone, the
/// impersonator lost the right to act for others, or the API token was revoked. One that expired since was good
/// when it counted.
async fn means_refusal(
    parts: &EngineParts,
    deployment: &Deployment,
    actor: &Actor,
) -> Result<Option<String>> {
    // Whoever carries it on came later.
    let since = match actor.name == deployment.actor {
        true => deployment.queued_at,
        false => parts.clock.now(),
    };
    let names = [Some(&actor.name), actor.impersonator.as_ref()];
    for name in names.into_iter().flatten() {
        if let Some(why) = account_refusal(&parts.store, name, since).await? {
            return Ok(Some(why));
        }
    }
    if let Some(name) = &actor.impersonator
        && let Err(refusal) = may_impersonate(&parts.access, name, parts.clock.now())
    {
        return Ok(Some(refusal.sentence()));
    }
    match &actor.token {
        Some(used) if is_revoked(&parts.store, used).await? => Ok(Some(format!(
            "The API token “{}” that requested it was revoked.",
            used.name
        ))),
        _ => Ok(None),
    }
}

/// Whether the account `name` may act for others at an instant.
fn may_impersonate(access: &Access, name: &str, at: Instant) -> Result<(), Box<Refusal>> {
    let account = Actor::user(name, Author::ENGINE);
    let asked = access.permit(&account, Action::Impersonate, &Resource::Everything, at);
    asked.map(drop)
}

async fn is_revoked(store: &Store, used: &UsedToken) -> Result<bool> {
    let token = if_found(tokens::by_id(store, used.id).await)?;
    Ok(token.is_none_or(|token| token.revoked_at.is_some()))
}

/// Why the account `name`, which did its part `at` some instant, may not act any more.
async fn account_refusal(store: &Store, name: &str, at: Instant) -> Result<Option<String>> {
    // These two have no account.
    if name == GUEST || name == AUTO {
        return Ok(None);
    }
    Ok(match if_found(users::by_name(store, name).await)? {
        None => Some(format!("The account of {name} no longer exists.")),
        Some(user) if user.disabled => Some(format!("The account of {name} is disabled.")),
        Some(user) if user.created_at > at => Some(format!(
            "The account of {name} no longer exists: the present one of that name was added later."
        )),
        Some(_) => None,
    })
}

/// Project and environment as they are now; `None` when one was deleted.
async fn place(store: &Store, deployment: &Deployment) -> Result<Option<(Project, Environment)>> {
    let (Some(project), Some(environment)) = (deployment.project_id, deployment.environment_id) else {
        return Ok(None);
    };
    let found = async {
        let project = projects::by_id(store, project).await?;
        Ok::<_, Error>((project, environments::by_id(store, environment).await?))
    };
    if_found(found.await)
}
