//! A server's own answer to what it runs: in a row of the environment's page, or as a page of its own
//! where there is no JavaScript.

use askama::Template;
use poem::web::Path;
use poem::{Response, handler};

use crate::app::live_release as live;
use crate::app::places;
use crate::domain::{Error, ErrorKind, Result};
use crate::web::frame::{Frame, Section, html};
use crate::web::trail::{self, Trail};
use crate::web::urls;
use crate::web::visitor::Visitor;

/// The contract of `templates/environments/_live.html`.
#[derive(Template)]
#[template(path = "environments/_live.html")]
struct LiveFragment {
    answer: Result<live::LiveRelease>,
    /// The commit in our record; empty: none.
    known: String,
    project: String,
    frame_now: crate::domain::Instant,
}

/// The contract of `templates/environments/live.html`: the same as a page.
#[derive(Template)]
#[template(path = "environments/live.html")]
struct LivePage {
    frame: Frame,
    trail: Trail,
    title: String,
    back: String,
    answer: Result<live::LiveRelease>,
    known: String,
    project: String,
    frame_now: crate::domain::Instant,
}

/// `GET /projects/{project}/{environment}/servers/{server}`
#[handler]
pub async fn live_release(
    visitor: Visitor,
    Path((project, environment, server)): Path<(String, String, String)>,
) -> Result<Response> {
    let app = visitor.app();
    let view = places::environment(app, visitor.actor(), &project, &environment).await?;
    let known = view.place.server(&server).and_then(|one| one.release.as_ref());
    let known = known.map(|release| release.commit.to_string());
    let _turn = visitor
        .site()
        .questions
        .acquire()
        .await
        .map_err(Error::internal)?;
    let answer = live::ask(app, visitor.actor(), &project, &environment, &server).await;
    if let Err(error) = &answer
        && matches!(
            error.kind(),
            ErrorKind::NotFound | ErrorKind::Forbidden | ErrorKind::Internal
        )
    {
        return answer.map(|_| Response::default());
    }
    let (known, project) = (known.unwrap_or_default(), view.project.name.to_string());
    if visitor.wants_fragment() {
        return html(&LiveFragment {
            answer,
            known,
            project,
            frame_now: visitor.now(),
        });
    }
    let back = urls::environment(&project, &environment);
    html(&LivePage {
        frame: visitor
            .frame(
                format!("Release on {server} · {project} {environment}"),
                Section::Overview,
            )
            .await?,
        trail: trail::environment(&project, &environment),
        title: format!("Release on {server}"),
        back,
        answer,
        known,
        project,
        frame_now: visitor.now(),
    })
}
