//! The calendar as somebody may see it: windows, holidays and freezes of the policy in force, locks, and
//! deployments that are scheduled.
//!
//! Whoever may read the policy sees all windows and freezes; everybody else those that matter to a place
//! that they may see, and of freezes only the projects that they may see.

use std::collections::BTreeSet;

use super::App;
use super::history::{self, Visible};
use super::locks::{self, LockView};
use crate::domain::{Actor, Area, Calendar, Deployment, DeploymentState, Freeze, Instant, Resource, Result};
use crate::store::deployments;

/// The calendar as somebody may see it.
#[derive(Debug, Clone)]
pub struct SeenCalendar {
    /// With the windows and freezes that may be seen, and no others.
    pub calendar: Calendar,
    /// In force now.
    pub locks: Vec<LockView>,
    /// Deployments that wait for their time, the next one first.
    pub scheduled: Vec<Deployment>,
}

/// A scheduled time that lies between two instants.
pub fn scheduled_within(
    scheduled: &[Deployment],
    (from, until): (Instant, Instant),
) -> impl Iterator<Item = &Deployment> {
    let is_within = move |one: &&Deployment| one.scheduled_at.is_some_and(|at| from <= at && at < until);
    scheduled.iter().filter(is_within)
}

/// What `actor` may see of the calendar.
///
/// # Errors
/// Forbidden, when `actor` may see no place at all.
pub async fn seen(app: &App, actor: &Actor) -> Result<SeenCalendar> {
    let visible = history::visible(app, actor).await?;
    let mut calendar = app.policy().calendar();
    if !app.may_read(actor, Area::Policy) {
        narrow(app, &visible, &mut calendar);
    }
    let open = deployments::active(&app.store).await?;
    let waits = |one: &Deployment| one.state == DeploymentState::Scheduled && visible.shows(one);
    let mut scheduled: Vec<Deployment> = open.into_iter().filter(waits).collect();
    scheduled.sort_by_key(|one| one.scheduled_at);
    Ok(SeenCalendar {
        calendar,
        locks: locks::list(app, actor).await?,
        scheduled,
    })
}

/// Leaves the windows and freezes that matter to visible places.
fn narrow(app: &App, visible: &Visible, calendar: &mut Calendar) {
    let places = visible.places.iter();
    let places: Vec<Resource> = places
        .map(|(project, environment)| Resource::Environment(project.clone(), environment.clone()))
        .collect();
    let windows = app.policy().answers().windows_at(&places);
    calendar.windows.retain(|name, _| windows.contains(name));
    calendar
        .freezes
        .retain(|freeze| places.iter().any(|place| freeze.concerns(place)));
    let projects: BTreeSet<&str> = visible.projects().into_iter().collect();
    for freeze in &mut calendar.freezes {
        let of_all = freeze.projects.is_empty();
        let mut named: Vec<String> = freeze
            .projects
            .drain(..)
            .chain(freeze.members.drain(..))
            .collect();
        named.retain(|name| projects.contains(name.as_str()));
        named.sort_unstable();
        named.dedup();
        freeze.projects = if of_all { Vec::new() } else { named };
    }
}

/// What a freeze is for, in words: `prod of shop, blog`.
pub fn freeze_words(freeze: &Freeze) -> String {
    let listed = |names: &[String], all: &str| match names {
        [] => all.to_owned(),
        names => names.join(", "),
    };
    format!(
        "{} of {}",
        listed(&freeze.environments, "all environments"),
        listed(&freeze.projects, "all projects")
    )
}
