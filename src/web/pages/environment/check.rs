//! What a server really runs: every file there is read and compared with what was deployed.

use askama::Template;
use poem::web::Path;
use poem::{Response, handler};

use crate::app::live_release::{Really, really};
use crate::domain::{ErrorKind, Result};
use crate::web::frame::{Frame, Section, html};
use crate::web::trail::{self, Trail};
use crate::web::urls;
use crate::web::visitor::Visitor;

/// How many paths of a kind are listed; with more of them, deploying again helps more than a list.
const LISTED: usize = 200;

/// The contract of `templates/environments/check.html`.
#[derive(Template)]
#[template(path = "environments/check.html")]
struct CheckPage {
    frame: Frame,
    trail: Trail,
    title: String,
    back: String,
    really: Result<Really>,
    kinds: Vec<Kind>,
}

/// Paths that differ in one way.
struct Kind {
    title: &'static str,
    total: usize,
    paths: Vec<String>,
}

/// `POST /projects/{project}/{environment}/servers/{server}`
#[handler]
pub async fn read_files(
    visitor: Visitor,
    Path((project, environment, server)): Path<(String, String, String)>,
) -> Result<Response> {
    let _permit = visitor.site().question().await?;
    let really = really(visitor.app(), visitor.actor(), &project, &environment, &server).await;
    if let Err(error) = &really
        && !matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Conflict)
    {
        return really.map(|_| Response::default());
    }
    let title = format!("Files on {server} · {project} {environment}");
    html(&CheckPage {
        frame: visitor.frame(title, Section::Overview).await?,
        trail: trail::environment(&project, &environment),
        title: format!("Files on {server}"),
        kinds: really.as_ref().map(kinds).unwrap_or_default(),
        back: urls::environment(&project, &environment),
        really,
    })
}

fn kinds(really: &Really) -> Vec<Kind> {
    let Some(findings) = &really.findings else {
        return Vec::new();
    };
    let kind = |title, paths: &[String]| Kind {
        title,
        total: paths.len(),
        paths: paths.iter().take(LISTED).cloned().collect(),
    };
    [
        kind("Changed", &findings.modified),
        kind("Missing", &findings.missing),
        kind("Extra", &findings.extra),
    ]
    .into_iter()
    .filter(|kind| kind.total > 0)
    .collect()
}
