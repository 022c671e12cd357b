//! The promotion chain as cards: what each environment runs and how far behind it is.

use crate::app::App;
use crate::app::deployments::proven;
use crate::app::distance::{Distance, distance, goes_back_everywhere};
use crate::app::naming::resource;
use crate::app::places::{Leave, Place, ProjectView, Runs, leave};
use crate::domain::{Action, Actor, Result};
use crate::web::format::{self, count};
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
    /// From when on they may: in words, and the form that schedules it.
    pub later: Option<(String, String)>,
    /// The form that promotes what the environment before it runs: label and address.
    pub promote: Option<(String, String)>,
    /// Why that is not offered, though it runs something else; empty where there is nothing to say.
    pub no_promotion: String,
}

/// All environments of the project, in order.
///
/// # Errors
/// Of the store.
pub async fn chain(app: &App, actor: &Actor, view: &ProjectView) -> Result<Vec<ChainLink>> {
    let mut links = Vec::new();
    for (number, place) in view.places.iter().enumerate() {
        let before = number.checked_sub(1).and_then(|before| view.places.get(before));
        links.push(link(app, actor, view, place, before).await?);
    }
    Ok(links)
}

async fn link(
    app: &App,
    actor: &Actor,
    view: &ProjectView,
    place: &Place,
    before: Option<&Place>,
) -> Result<ChainLink> {
    let (project, environment) = (view.project.name.as_str(), &place.environment);
    let deploy = leave(app, actor, Action::Deploy, &resource(&view.project, environment));
    let may = deploy.is_given();
    let mut distances = Vec::new();
    let (mut promote, mut no_promotion) = (None, String::new());
    if let Some((before, runs)) = before.and_then(|before| Some((before, before.current()?))) {
        let name = before.environment.name.as_str();
        let apart = distance(app, &view.project, place, &runs.commit).await;
        distances.extend(apart.map(|apart| words(apart, name, &format!("Same as {name}"))));
        let same = place.runs.len() == 1 && place.empty == 0 && place.current_is(&runs.commit);
        if may && !same && before.environment.branch == environment.branch {
            match promotion(app, view, place, before, runs).await? {
                Ok(found) => promote = Some(found),
                Err(why) => no_promotion = why,
            }
        }
    }
    let branch = environment.branch.as_str();
    if let Some(head) = head_of(app, view, branch).await
        && let Some(apart) = distance(app, &view.project, place, &head).await
    {
        distances.push(words(apart, branch, &format!("At the head of {branch}")));
    }
    let form = urls::deploy_form(project, environment.name.as_str(), "", "", "");
    let (why_not, later) = match &deploy {
        Leave::Given(_) => (String::new(), None),
        Leave::Refused(refusal) => (refusal.sentence(), refusal.next_allowed),
    };
    Ok(ChainLink {
        url: urls::environment(project, environment.name.as_str()),
        why_not,
        later: later.map(|at| (format::day_and_time(&at), form.clone())),
        deploy: may.then_some(form),
        place: place.clone(),
        distances,
        promote,
        no_promotion,
    })
}

/// The form that brings to `place` what `before` runs: label and address; or why that would be refused, or go
/// backwards.
async fn promotion(
    app: &App,
    view: &ProjectView,
    place: &Place,
    before: &Place,
    runs: &Runs,
) -> Result<std::result::Result<(String, String), String>> {
    let (commit, name) = (&runs.commit, before.environment.name.as_str());
    if goes_back_everywhere(app, &view.project, place, commit).await {
        // The distance says so already.
        return Ok(Err(String::new()));
    }
    let proven = proven(app, &before.environment, std::slice::from_ref(commit)).await?;
    if !proven.contains(commit) {
        let short = commit.short();
        return Ok(Err(format!(
            "{short} must first succeed on all servers of {name}."
        )));
    }
    let form = urls::deploy_form(
        view.project.name.as_str(),
        place.environment.name.as_str(),
        commit.as_str(),
        "",
        "promotion",
    );
    Ok(Ok((format!("Promote {}", commit.short()), form)))
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
