//! The history: all deployments, newest first, filtered by a form; and the same as CSV.

use askama::Template;
use bytes::Bytes;
use poem::web::Query;
use poem::{Body, Response, handler};

use super::filter::{self, Cut, FilterForm, Input};
use crate::app::App;
use crate::app::audit::comparison::Contradiction;
use crate::app::history::{self, CorrectedPage, PastDeployments, Visible};
use crate::domain::{
    Answered, Approval, Deployment, DeploymentState, Error, Instant, Kind, PolicyLine, Result,
};
use crate::store::Page;
use crate::web::forms::FormData;
use crate::web::frame::{Frame, Section};
use crate::web::pages::form_page;
use crate::web::urls;
use crate::web::views::row::DeploymentRow;
use crate::web::views::words::strategy_words;
use crate::web::visitor::Visitor;

/// Deployments on one page: about two screens.
const PAGE: u64 = 50;
/// Deployments read at once for a download.
const CSV_PAGE: u64 = 500;

/// The contract of `templates/history/index.html`.
#[derive(Template)]
#[template(path = "history/index.html", blocks = ["list"])]
struct HistoryPage {
    frame: Frame,
    filter: FilterForm,
    rows: Vec<DeploymentRow>,
    newer: String,
    older: String,
    csv: String,
    /// That there is no project or environment of the names in the filter; empty where there is.
    unknown: String,
}

/// The filter form, with what the reader may choose from.
fn filter_form(visible: &Visible, sent: FormData) -> FilterForm {
    let project = visible
        .projects()
        .into_iter()
        .find(|&name| name == sent.text("project"));
    let projects = visible.projects().into_iter().map(|name| (name, name));
    let environments = visible.environments(project).into_iter().map(|name| (name, name));
    let states = DeploymentState::ALL.iter().map(|one| (one.as_str(), one.title()));
    let kinds = Kind::ALL.iter().map(|one| (one.as_str(), one.title()));
    let fields = vec![
        ("project", "Project", Input::choice("All projects", projects)),
        (
            "environment",
            "Environment",
            Input::choice("All environments", environments),
        ),
        ("state", "State", Input::choice("Any state", states)),
        ("kind", "Kind", Input::choice("Any kind", kinds)),
        ("user", "Requested by", Input::text("User name")),
    ];
    FilterForm::new(urls::history(), sent, fields)
}

/// `GET /history`
#[handler]
pub async fn show(visitor: Visitor, sent: Query<FormData>, cut: Query<Cut>) -> Result<Response> {
    let mut sent = sent.0;
    let (app, actor) = (visitor.app(), visitor.actor());
    let found = match sent.accept(filter::read(&sent))? {
        Some(filter) => history::find(app, actor, &filter, cut.page(), PAGE).await?,
        None => nothing(app, actor).await?,
    };
    let unknown = unknown(&visitor, &found.visible, &sent).await?;
    let filter = filter_form(&found.visible, sent);
    let page = HistoryPage {
        frame: visitor.frame("History", Section::History).await?,
        newer: filter.page_url("after", found.past.page.newer),
        older: filter.page_url("before", found.past.page.older),
        csv: filter.url_with(urls::history_csv(), "", ""),
        rows: rows(found.past),
        unknown: unknown.unwrap_or_default(),
        filter,
    };
    if visitor.wants_fragment() {
        return form_page(&page.as_list(), &page.filter.sent.complaints);
    }
    form_page(&page, &page.filter.sent.complaints)
}

/// Why nothing is found at the place that was asked for.
async fn unknown(visitor: &Visitor, visible: &Visible, sent: &FormData) -> Result<Option<String>> {
    let name = |field| Some(sent.text(field).trim()).filter(|name| !name.is_empty());
    let place = (name("project"), name("environment"));
    history::unknown_place(visitor.app(), visitor.actor(), visible, place).await
}

/// The rows of the list, each marked where the database contradicts the audit log.
fn rows(mut past: CorrectedPage) -> Vec<DeploymentRow> {
    let contradictions = &mut past.contradictions;
    let row = |deployment: Deployment| DeploymentRow {
        contradictions: contradictions.remove(&deployment.id).unwrap_or_default(),
        ..DeploymentRow::new(deployment)
    };
    past.page.items.into_iter().map(row).collect()
}

async fn nothing(app: &App, actor: &crate::domain::Actor) -> Result<PastDeployments> {
    Ok(PastDeployments {
        past: CorrectedPage::default(),
        visible: history::visible(app, actor).await?,
    })
}

const CSV_HEAD: &str = "deployment,project,environment,target,kind,state,commit,title,branch,requested by,through,\
                        requested at,started at,finished at,outcome,reason,approved by,approved at,allowed by,\
                        carried on by,carried on as allowed by,lock override,scheduled for,strategy,changed in the database\r\n";

/// `GET /history.csv`: the whole list, read from the store as it is sent.
#[handler]
pub async fn csv(visitor: Visitor, sent: Query<FormData>) -> Result<Response> {
    let app = visitor.app().clone();
    let filter = filter::read(&sent)?;
    let visible = history::visible(&app, visitor.actor()).await?;
    if let Some(unknown) = unknown(&visitor, &visible, &sent).await? {
        return Err(Error::field("project", unknown));
    }
    let rows = futures_util::stream::unfold(Some(Page::Newest), move |page| {
        let (app, filter, visible) = (app.clone(), filter.clone(), visible.clone());
        async move {
            let page = page?;
            let head = if page == Page::Newest { CSV_HEAD } else { "" };
            match history::within(&app, &visible, &filter, page, CSV_PAGE).await {
                Ok(found) => {
                    let lines = found.page.items.iter().map(|one| {
                        let contradictions = found.contradictions.get(&one.id);
                        csv_line(one, contradictions.map(Vec::as_slice).unwrap_or_default())
                    });
                    let lines: String = lines.collect();
                    let bytes = Bytes::from(format!("{head}{lines}"));
                    Some((Ok(bytes), found.page.older.map(Page::Before)))
                }
                Err(error) => Some((Err(std::io::Error::other(error)), None)),
            }
        }
    });
    Ok(Response::builder()
        .content_type("text/csv; charset=utf-8")
        .header("content-disposition", "attachment; filename=\"deployments.csv\"")
        .body(Body::from_bytes_stream(rows)))
}

fn csv_line(one: &Deployment, contradictions: &[Contradiction]) -> String {
    let changed: Vec<String> = contradictions.iter().map(Contradiction::sentence).collect();
    let time = |at: Option<Instant>| at.map(|at| crate::web::format::iso(&at)).unwrap_or_default();
    let approval = one.approval.as_ref();
    let approved_at = approval
        .and_then(|approval| approval.given.as_ref())
        .map(|(_, at)| *at);
    let line = |line: Option<&PolicyLine>| line.map(ToString::to_string).unwrap_or_default();
    let taken = one.taken_over();
    let cells = [
        one.id.to_string(),
        one.project.clone(),
        one.environment.clone(),
        one.target.to_string(),
        one.kind.as_str().to_owned(),
        one.state.as_str().to_owned(),
        one.commit.to_string(),
        one.commit_title.clone(),
        one.branch.clone(),
        one.actor.clone(),
        one.impersonator.clone().unwrap_or_default(),
        time(Some(one.queued_at)),
        time(one.started_at),
        time(one.finished_at),
        one.outcome.clone(),
        one.reason.clone(),
        approval.and_then(Approval::who).unwrap_or_default(),
        time(approved_at),
        line(one.permit.as_ref()),
        taken.map(Answered::who).unwrap_or_default(),
        line(taken.and_then(|taken| taken.permit.as_ref())),
        one.lock_override.clone().unwrap_or_default(),
        time(one.scheduled_at),
        one.strategy.map(strategy_words).unwrap_or_default(),
        changed.join("; "),
    ];
    crate::app::csv::line(&cells)
}
