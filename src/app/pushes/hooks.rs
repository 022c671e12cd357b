//! Hooks and polling as whoever may configure a project sets them up.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use chrono::TimeDelta;
use serde_json::json;

use crate::access::Permit;
use crate::app::admin::demand;
use crate::app::admin::values::Within;
use crate::app::{App, passwords};
use crate::domain::names::checked_text;
use crate::domain::{
    Action, Event, EventKind, Hook, Polling, Project, ProjectId, ReceivedPush, Resource, Result,
};
use crate::store::{hooks, polling, projects, pushes};

/// Random letters of an address: 200 bits.
pub(super) const TOKEN_LETTERS: usize = 40;
/// Random bytes of a secret.
const SECRET_BYTES: usize = 32;
/// What secrets begin with whose rest is Base64.
const PREFIX: &str = "whsec_";
/// The fewest characters of a secret.
const SHORTEST_SECRET: usize = 16;
/// The most characters of a secret.
const LONGEST_SECRET: usize = 200;

/// Minutes between two looks at a repository, up to a day; 0: none.
pub type PollMinutes = Within<0, 1440>;

checked_text! {
    /// A secret that a project shares with its Git host.
    HookSecret, check_secret
}

fn check_secret(text: &str) -> Result<(), String> {
    let fits = (SHORTEST_SECRET..=LONGEST_SECRET).contains(&text.len());
    if !fits || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!(
            "Use {SHORTEST_SECRET} to {LONGEST_SECRET} letters, digits and signs, without blanks."
        ));
    }
    let rest = text.strip_prefix(PREFIX);
    if rest.is_some_and(|rest| BASE64.decode(rest).is_err()) {
        return Err(format!("What follows {PREFIX} has to be Base64."));
    }
    Ok(())
}

/// How a project learns of pushes, and the last ones.
#[derive(Debug, Clone)]
pub struct PushSettings {
    pub hook: Option<Hook>,
    pub polling: Option<Polling>,
    /// Newest first.
    pub pushes: Vec<ReceivedPush>,
}

/// How `project` learns of pushes, for somebody who may change it.
pub async fn settings(app: &App, permit: &Permit, project: &Project) -> Result<PushSettings> {
    demand_configure(permit, project)?;
    Ok(PushSettings {
        hook: hooks::of_project(&app.store, project.id).await?,
        polling: polling::of_project(&app.store, project.id).await?,
        pushes: pushes::last(&app.store, project.id).await?,
    })
}

/// Makes the hook of a project, or another one in its place, with this secret or a fresh one.
pub async fn make(app: &App, permit: &Permit, id: ProjectId, secret: Option<HookSecret>) -> Result<Hook> {
    let change = app.store.change(permit, app.now()).await?;
    let project = projects::by_id(&change, id).await?;
    demand_configure(permit, &project)?;
    let kind = match hooks::of_project(&change, id).await? {
        Some(_) => EventKind::HookRenewed,
        None => EventKind::HookMade,
    };
    let fresh = || format!("{PREFIX}{}", BASE64.encode(rand::random::<[u8; SECRET_BYTES]>()));
    let hook = Hook {
        project: id,
        token: passwords::random_letters(TOKEN_LETTERS),
        secret: secret.map_or_else(fresh, Into::into),
        created_at: change.now(),
    };
    hooks::put(&change, &hook).await?;
    change
        .commit(Event::new(kind, json!({})).about(about(&project)))
        .await?;
    Ok(hook)
}

/// Removes the hook of a project: whoever sends to its address hears that there is none.
pub async fn remove(app: &App, permit: &Permit, id: ProjectId) -> Result<()> {
    let change = app.store.change(permit, app.now()).await?;
    let project = projects::by_id(&change, id).await?;
    demand_configure(permit, &project)?;
    hooks::delete(&change, id).await?;
    let event = Event::new(EventKind::HookRemoved, json!({})).about(about(&project));
    change.commit(event).await
}

/// Lets the repository of a project be asked for news every so many minutes.
pub async fn poll_every(app: &App, permit: &Permit, id: ProjectId, minutes: PollMinutes) -> Result<()> {
    let change = app.store.change(permit, app.now()).await?;
    let project = projects::by_id(&change, id).await?;
    demand_configure(permit, &project)?;
    let before = polling::of_project(&change, id)
        .await?
        .map_or(0, |one| one.minutes);
    let minutes: u32 = minutes.get();
    if before == minutes {
        return Ok(());
    }
    // Many projects that are set up together are not asked together.
    let first = rand::random_range(0..=i64::from(minutes) * 60);
    let polling = Polling {
        project: id,
        minutes,
        next_at: change.now() + TimeDelta::seconds(first),
        failures: 0,
        trouble: String::new(),
    };
    polling::put(&change, &polling).await?;
    let detail = json!({ "minutes": { "from": before, "to": minutes } });
    let event = Event::new(EventKind::PollingChanged, detail).about(about(&project));
    change.commit(event).await
}

fn about(project: &Project) -> String {
    format!("project {}", project.name)
}

fn demand_configure(permit: &Permit, project: &Project) -> Result<()> {
    demand(
        permit,
        Action::Configure,
        &Resource::Project(project.name.to_string()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_long_and_plain() {
        for good in ["0123456789abcdef", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            assert!(good.parse::<HookSecret>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "short",
            "0123456789 abcdef",
            "0123456789abcdéf",
            "whsec_not/base64!",
            &"x".repeat(201),
        ] {
            assert!(bad.parse::<HookSecret>().is_err(), "{bad}");
        }
    }
}
