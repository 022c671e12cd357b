//! What runs where: a matrix of projects and environments or, where environments have too many
//! names for columns, their cells one after the other.
//!
//! The matrix loads itself again when something has changed, together with what stands above it.
//! Until the first successful deployment, the steps that lead there stand above it too.

use std::sync::Arc;

use askama::Template;
use poem::web::Data;
use poem::{Response, handler};

use super::locks::{self, LockLine};
use crate::app::accounts::{FirstAccount, first_account};
use crate::app::admin::first_steps::first_steps;
use crate::app::overview::{Overview, Row, overview};
use crate::app::places::Place;
use crate::domain::{Deployment, DeploymentState, Lock, Resource, Result};
use crate::web::format::count;
use crate::web::frame::{Frame, Section, both, html};
use crate::web::live::Live;
use crate::web::look::TabSign;
use crate::web::urls;
use crate::web::views::first_steps::{FirstStepView, checklist};
use crate::web::visitor::Visitor;

/// With more names of environments than this a matrix would be wider than a screen.
const COLUMNS: usize = 4;

/// The contract of `templates/overview/index.html`.
#[derive(Template)]
#[template(path = "overview/index.html", blocks = ["matrix", "above"])]
struct Page {
    frame: Frame,
    /// Names of environments; empty when there are too many for a matrix.
    columns: Vec<String>,
    rows: Vec<RowView>,
    may_configure: bool,
    summary: String,
    here: String,
    /// The stream of changes; empty where there is nothing to see.
    live: String,
    /// The locks on everything.
    locks: Vec<LockLine>,
    /// How to make the first account, for a guest while there is none.
    first_account: Option<FirstAccount>,
    /// What leads to the first deployment, for whoever configures, until there was one.
    first_steps: Vec<FirstStepView>,
}

struct RowView {
    name: String,
    description: String,
    url: String,
    /// One per column; without columns, one per environment.
    cells: Vec<Option<CellView>>,
}

/// One environment of one project.
pub struct CellView {
    url: String,
    place: Place,
}

impl CellView {
    /// The lock of this environment or its project; a lock on everything is shown above the matrix.
    fn lock(&self) -> Option<&Lock> {
        self.place.lock.as_ref().filter(|lock| lock.project.is_some())
    }

    /// The last deployment, where none is open.
    fn last(&self) -> Option<&Deployment> {
        self.place.last.as_ref().filter(|_| self.place.open.is_empty())
    }

    fn is_of_current(&self, last: &Deployment) -> bool {
        self.place.current().is_none_or(|run| run.commit == last.commit)
    }

    /// The last deployment, if it was of the commit that the cell shows.
    fn last_here(&self) -> Option<&Deployment> {
        self.last().filter(|last| self.is_of_current(last))
    }

    /// The last deployment, if it was of another commit than the cell shows.
    fn last_elsewhere(&self) -> Option<&Deployment> {
        self.last().filter(|last| !self.is_of_current(last))
    }
}

/// `GET /`
#[handler]
pub async fn index(visitor: Visitor, live: Data<&Arc<Live>>) -> Result<Response> {
    let live = live.page_url();
    let (app, actor) = (visitor.app(), visitor.actor());
    let found = overview(app, actor).await?;
    let locks = locks::lines(&visitor, |one| one.over == Resource::Everything).await?;
    let steps = first_steps(app, actor).await?;
    let mut frame = visitor.frame("Overview", Section::Overview).await?;
    let open = found
        .rows
        .iter()
        .flat_map(|row| &row.places)
        .flat_map(|place| &place.open);
    frame.tab = TabSign::of_all(open.map(|one| one.deployment.state));
    let columns = columns(&found.rows);
    let sees_something = found.rows.iter().any(|row| !row.places.is_empty()) || steps.is_some();
    let page = Page {
        frame,
        locks,
        here: urls::overview().to_owned(),
        summary: summary(&found),
        live: if sees_something { live } else { String::new() },
        may_configure: found.may_configure,
        first_account: match visitor.user() {
            Some(_) => None,
            None => first_account(app).await?,
        },
        first_steps: steps.map(checklist).unwrap_or_default(),
        rows: found
            .rows
            .into_iter()
            .map(|row| row_view(row, &columns))
            .collect(),
        columns,
    };
    if visitor.wants_fragment() {
        return both(&page.as_matrix(), &page.as_above());
    }
    html(&page)
}

/// The names of all environments, those first in their chains first.
fn columns(rows: &[Row]) -> Vec<String> {
    let mut names: Vec<(i32, String)> = Vec::new();
    for place in rows.iter().flat_map(|row| &row.places) {
        let (name, position) = (place.environment.name.as_str(), place.environment.position);
        match names.iter_mut().find(|(_, known)| known == name) {
            Some((first, _)) => *first = (*first).max(position),
            None => names.push((position, name.to_owned())),
        }
    }
    names.sort();
    if names.len() > COLUMNS {
        return Vec::new();
    }
    names.into_iter().map(|(_, name)| name).collect()
}

fn row_view(row: Row, columns: &[String]) -> RowView {
    let name = row.project.name.to_string();
    let cell = |place: Place| CellView {
        url: urls::environment(&name, place.environment.name.as_str()),
        place,
    };
    let mut cells: Vec<Option<CellView>> = row.places.into_iter().map(|place| Some(cell(place))).collect();
    if !columns.is_empty() {
        let of = |column: &String| {
            let is_it = |one: &mut Option<CellView>| {
                one.as_ref()
                    .is_some_and(|one| one.place.environment.name.as_str() == column)
            };
            cells
                .iter_mut()
                .find_map(|one| if is_it(one) { one.take() } else { None })
        };
        cells = columns.iter().map(of).collect();
    }
    RowView {
        url: urls::project(&name),
        description: row.project.description,
        cells,
        name,
    }
}

/// `12 projects · 2 running · 1 scheduled · last deployment failed in 1 · drift in 1`.
fn summary(found: &Overview) -> String {
    let places = || found.rows.iter().flat_map(|row| &row.places);
    let open = |state| {
        let all = places().flat_map(|place| &place.open);
        all.filter(|one| one.deployment.state == state).count()
    };
    let failed = places().filter(|place| failed(place)).count();
    let drifting = places().filter(|place| place.drifts()).count();
    let left_out: usize = places().map(|place| place.left_out().len()).sum();
    let locked = places().filter(|place| place.lock.is_some()).count();
    let [running, paused, queued, awaiting, scheduled] = [
        DeploymentState::Running,
        DeploymentState::Paused,
        DeploymentState::Queued,
        DeploymentState::Awaiting,
        DeploymentState::Scheduled,
    ]
    .map(open);
    let parts = [
        (running, format!("{running} running")),
        (paused, format!("{paused} paused")),
        (queued, format!("{queued} queued")),
        (awaiting, format!("{awaiting} waiting for approval")),
        (scheduled, format!("{scheduled} scheduled")),
        (failed, format!("last deployment failed in {failed}")),
        (drifting, format!("drift in {drifting}")),
        (left_out, format!("{} out of service", count(left_out, "server"))),
        (locked, format!("{locked} locked")),
    ];
    let parts = parts.into_iter().filter(|(amount, _)| *amount > 0);
    let mut words = vec![count(found.rows.len(), "project")];
    words.extend(parts.map(|(_, part)| part));
    words.join(" · ")
}

fn failed(place: &Place) -> bool {
    place
        .last
        .as_ref()
        .is_some_and(|last| matches!(last.state, DeploymentState::Failed | DeploymentState::Interrupted))
}
