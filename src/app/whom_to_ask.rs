//! Whom somebody can ask who was refused something: a few of those who may do it.
//!
//! Nobody learns from it of a place that they may not view, and a guest learns nothing. Named are accounts of
//! people that policy names and that are enabled, never groups or service accounts. For what belongs to no
//! project only whoever may read about users is told names.

use std::collections::HashSet;
use std::sync::Arc;

use super::App;
use crate::domain::{Action, Area, Error, Refusal, Resource, Result};
use crate::store::users;

/// The names of some who may do what was refused, at the time it was asked for; none where the one who was
/// refused may not know any.
///
/// # Errors
/// Of the store.
pub async fn whom_to_ask(app: &App, refusal: &Refusal) -> Result<Vec<String>> {
    let actor = &refusal.actor;
    let knows = match &refusal.resource {
        place @ (Resource::Project(_) | Resource::Environment(..)) => app.may(actor, Action::View, place),
        Resource::Everything | Resource::Area(_) => app.may_read(actor, Area::Users),
    };
    // Nobody else can widen a token: its holder makes another one.
    if actor.is_guest() || !knows || refusal.too_narrow().is_some() {
        return Ok(Vec::new());
    }
    let all = users::list(&app.store).await?.into_iter();
    let others = all.filter(|user| user.has_password && !user.disabled && !actor.is_by(user.name.as_str()));
    let others: HashSet<String> = others.map(|user| user.name.to_string()).collect();
    let (access, action, at) = (Arc::clone(&app.access), refusal.action, refusal.at);
    let resource = refusal.resource.clone();
    // A large policy takes some time to answer for many people.
    let asking = tokio::task::spawn_blocking(move || {
        access.some_who_may((action, &resource), at, |name| others.contains(name))
    });
    asking.await.map_err(Error::internal)
}

/// `Ask dora or rita.`; empty where nobody is named.
pub fn in_words(names: &[String]) -> String {
    match names {
        [] => String::new(),
        names => format!("Ask {}.", names.join(" or ")),
    }
}
