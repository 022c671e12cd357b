//! Decides for an actor: by the names that policy knows them under, within the scope of their API token.

use super::columns;
use super::policy::Policy;
use super::verdict::Verdict;
use crate::domain::access::GUEST;
use crate::domain::{Action, Actor, Instant, Name, Resource};

/// Decides for `actor`: what policy says to their names, within the scope of the API token that they act by. All
/// permits come through here.
pub(super) fn decide(
    policy: &Policy,
    actor: &Actor,
    action: Action,
    resource: &Resource,
    at: Instant,
) -> Verdict {
    let names = names_of(actor);
    let whole = policy.decide(&names, action, resource, at);
    let Some(parts) = narrowing(actor, action, resource) else {
        return whole;
    };
    // A denial stays one: it may override what another line allows.
    if let Verdict::Denied(_) = whole {
        return whole;
    }
    let mut verdicts = parts.iter().map(|part| policy.decide(&names, action, part, at));
    verdicts.find(Verdict::is_allowed).unwrap_or(Verdict::Silent)
}

/// The parts of `resource` of which the scope of the actor's token leaves only these, of which one is enough;
/// `None`: it leaves all of `resource`.
pub(super) fn narrowing(actor: &Actor, action: Action, resource: &Resource) -> Option<Vec<Resource>> {
    let scope = &actor.token.as_ref()?.scope;
    if !scope.includes(action, resource) {
        return Some(Vec::new());
    }
    // A project as a whole is seen by whoever sees one of its environments.
    match resource {
        Resource::Project(project) if !scope.environments.is_empty() => {
            let environments = scope.environments.iter();
            let part = |name: &Name| Resource::Environment(project.clone(), name.to_string());
            Some(environments.map(part).collect())
        }
        _ => None,
    }
}

/// The names under which policy knows `actor`. Leaves out a name that policy would misread (a user
/// named like a role). Everybody is `default` too.
pub(super) fn names_of(actor: &Actor) -> Vec<String> {
    let own = Some(&actor.name)
        .filter(|name| columns::is_user(name) && *name != GUEST)
        .cloned();
    let groups = actor
        .groups
        .iter()
        .filter(|group| columns::is_group(group))
        .map(|group| format!("group:{group}"));
    own.into_iter().chain(groups).chain([GUEST.to_owned()]).collect()
}
