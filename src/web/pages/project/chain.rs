//! The promotion chain as cards: what each environment runs and how far behind it is.

use crate::app::App;
use crate::app::commits::{Distance, distance};
use crate::app::naming::resource;
use crate::app::places::{Leave, Place, ProjectView, leave};
use crate::domain::{Action, Actor};
use crate::web::format::count;
use crate::web::urls;

/// One environment of the chain.
pub struct ChainLink {
    pub place: Place,
    pub url: String,
    /// How far it is from the one before and from its branch, in words; some may be unknown.
    pub distances: Vec<String>,
    /// Its deploy form, if the visitor may use it.
    pub deploy: Option<String>,
    /// Why the visitor may not; empty where they may.
    pub why_not: String,
    /// The form that promotes what the environment before it runs: label and address.
    pub promote: Option<(String, String)>,
}

/// All environments of the project, in order.
pub async fn chain(app: &App, actor: &Actor, view: &ProjectView) -> Vec<ChainLink> {
    let mut links = Vec::new();
    for (number, place) in view.places.iter().enumerate() {
        let before = number.checked_sub(1).and_then(|before| view.places.get(before));
        links.push(link(app, actor, view, place, before).await);
    }
    links
}

async fn link(
    app: &App,
    actor: &Actor,
    view: &ProjectView,
    place: &Place,
    before: Option<&Place>,
) -> ChainLink {
    let (project, environment) = (view.project.name.as_str(), &place.environment);
    let deploy = leave(app, actor, Action::Deploy, &resource(&view.project, environment));
    let may = deploy.is_given();
    let mut distances = Vec::new();
    let mut promote = None;
    if let Some((before, runs)) = before.and_then(|before| Some((before, before.current()?))) {
        let name = before.environment.name.as_str();
        let apart = distance(app, &view.project, place, &runs.commit).await;
        distances.extend(apart.map(|apart| words(apart, name, &format!("Same as {name}"))));
        let same = place.current().is_some_and(|own| own.commit == runs.commit);
        if may && !same && before.environment.branch == environment.branch {
            let label = format!("Promote {}", runs.commit.short());
            let form = urls::deploy_form(
                project,
                environment.name.as_str(),
                runs.commit.as_str(),
                "",
                "promotion",
            );
            promote = Some((label, form));
        }
    }
    let branch = environment.branch.as_str();
    if let Some(head) = head_of(app, view, branch).await
        && let Some(apart) = distance(app, &view.project, place, &head).await
    {
        distances.push(words(apart, branch, &format!("At the head of {branch}")));
    }
    ChainLink {
        url: urls::environment(project, environment.name.as_str()),
        why_not: match &deploy {
            Leave::Given(_) => String::new(),
            Leave::Refused(refusal) => refusal.sentence(),
        },
        deploy: may.then(|| urls::deploy_form(project, environment.name.as_str(), "", "", "")),
        place: place.clone(),
        distances,
        promote,
    }
}

async fn head_of(app: &App, view: &ProjectView, branch: &str) -> Option<crate::domain::CommitId> {
    let mirror = app.mirror(&view.project).ok()?;
    Some(mirror.resolve(branch).await.ok()?.id)
}

/// `3 commits behind dev`, `1 commit ahead of dev`, `2 ahead, 3 behind dev`.
fn words(apart: Distance, other: &str, same: &str) -> String {
    let count = |number: usize| count(number, "commit");
    match (apart.ahead, apart.behind) {
        (0, 0) => same.to_owned(),
        (0, behind) => format!("{} behind {other}", count(behind)),
        (ahead, 0) => format!("{} ahead of {other}", count(ahead)),
        (ahead, behind) => format!("{ahead} ahead, {} behind {other}", count(behind)),
    }
}
