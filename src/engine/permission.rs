//! Whether a deployment may go on now.
//!
//! It is asked when a scheduled time has come, before servers are touched, after every pause and before
//! an automatic rollback. What was true at the request does not count: the accounts have to exist and
//! be enabled, that of the approver too, policy decides by the present names of project and
//! environment and takes the second person that it takes now, and a lock stops the deployment unless its
//! override is newer and whoever requested it may still lift the lock.

use super::shared::EngineParts;
use crate::access::Access;
use crate::domain::access::{AUTO, GUEST};
use crate::domain::event::Author;
use crate::domain::{
    Action, Deployment, Environment, Error, ErrorKind, Lock, PolicyLine, Project, Resource, Result,
};
use crate::store::{Store, environments, locks, projects, users};

/// The answer.
pub(super) enum Permission {
    /// By this line of policy.
    Granted(PolicyLine),
    /// Why not, as a sentence.
    Refused(String),
}

/// Asks whether the people behind `deployment` may do `action` in its environment now.
///
/// # Errors
/// Of the store.
pub(super) async fn ask(parts: &EngineParts, deployment: &Deployment, action: Action) -> Result<Permission> {
    let EngineParts {
        store, access, clock, ..
    } = parts;
    let now = clock.now();
    for name in [Some(&deployment.actor), deployment.impersonator.as_ref()]
        .into_iter()
        .flatten()
    {
        if let Some(why) = account_refusal(store, name).await? {
            return Ok(Permission::Refused(why));
        }
    }
    let Some((project, environment)) = place(store, deployment).await? else {
        let why = "Its project or environment was deleted meanwhile.";
        return Ok(Permission::Refused(why.to_owned()));
    };
    let resource = Resource::Environment(project.name.to_string(), environment.name.to_string());
    let requester = deployment.requester(Author::ENGINE);
    let permit = match access.permit(&requester, action, &resource, now) {
        Ok(permit) => permit,
        Err(refusal) => return Ok(Permission::Refused(refusal.sentence())),
    };
    // An automatic rollback is allowed with its deployment, and is not what the strategy and the
    // approval were for.
    if action == deployment.kind.action() {
        if deployment.strategy.is_some()
            && let Err(refusal) = access.permit(&requester, Action::Configure, &resource, now)
        {
            return Ok(Permission::Refused(refusal.sentence()));
        }
        if let Some(why) = approval_refusal(parts, deployment, &resource).await? {
            return Ok(Permission::Refused(why));
        }
        if let Some(why) = second_refusal(access, deployment, permit.second()) {
            return Ok(Permission::Refused(why));
        }
    }
    // The reason given for overriding one lock says nothing about a lock made later.
    let may_lift = |lock: &Lock| {
        let over = lock.lifted_over(&resource);
        access.may(&requester, lock.action_to_lift(&requester), over, now)
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
async fn approval_refusal(
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
    if let Some(why) = account_refusal(&parts.store, name).await? {
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

/// Why the account `name` may not act any more.
async fn account_refusal(store: &Store, name: &str) -> Result<Option<String>> {
    // These two have no account.
    if name == GUEST || name == AUTO {
        return Ok(None);
    }
    match users::by_name(store, name).await {
        Ok(user) if user.disabled => Ok(Some(format!("The account of {name} is disabled."))),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Ok(Some(format!("The account of {name} no longer exists.")))
        }
        Err(error) => Err(error),
    }
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
    match found.await {
        Ok(place) => Ok(Some(place)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
