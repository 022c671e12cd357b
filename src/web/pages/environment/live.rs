//! A server's own answer to what it runs: in a row of the environment's page, or as a page of its own
//! where there is no JavaScript.

use askama::Template;
use poem::web::Path;
use poem::{Response, handler};

use crate::app::live_release as live;
use crate::app::places;
use crate::domain::{ErrorKind, Instant, Result};
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
    now: Instant,
    /// How the server's files are checked, where that may be done and there is something to compare
    /// them with.
    check: Option<CheckForm>,
}

/// The form that checks the files of a server.
struct CheckForm {
    server: String,
    url: String,
    csrf: String,
}

/// The contract of `templates/environments/live.html`: the same as a page.
#[derive(Template)]
#[template(path = "environments/live.html")]
struct LivePage {
    frame: Frame,
    trail: Trail,
    title: String,
    back: String,
    live: LiveFragment,
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
    let _permit = visitor.site().question().await?;
    let answer = live::ask(app, visitor.actor(), &project, &environment, &server).await;
    if let Err(error) = &answer
        && matches!(
            error.kind(),
            ErrorKind::NotFound | ErrorKind::Forbidden | ErrorKind::Internal
        )
    {
        return answer.map(|_| Response::default());
    }
    let has_manifest = answer.as_ref().is_ok_and(|found| found.has_manifest);
    let check = (has_manifest && view.deploy.is_given()).then(|| CheckForm {
        url: urls::live_release(&project, &environment, &server),
        csrf: visitor.form_token(),
        server: server.clone(),
    });
    let live = LiveFragment {
        answer,
        check,
        known: known.unwrap_or_default(),
        project: view.project.name.to_string(),
        now: visitor.now(),
    };
    if visitor.wants_fragment() {
        return html(&live);
    }
    let title = format!("Release on {server} · {project} {environment}");
    html(&LivePage {
        frame: visitor.frame(title, Section::Overview).await?,
        trail: trail::environment(&project, &environment),
        title: format!("Release on {server}"),
        back: urls::environment(&project, &environment),
        live,
    })
}
