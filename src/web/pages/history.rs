//! The history: all deployments, newest first, filtered by a form whose answer is an address that
//! can be bookmarked or shared; and the same as CSV.

use askama::Template;
use bytes::Bytes;
use chrono::{Days, NaiveDate, NaiveTime};
use poem::web::Query;
use poem::{Body, Response, handler};
use serde::Deserialize;

use crate::app::App;
use crate::app::history::{self, Filter, Found, Visible};
use crate::domain::{Deployment, DeploymentState, Error, FieldError, Instant, Kind, Result};
use crate::store::{Page, Paged};
use crate::web::forms::Complaints;
use crate::web::frame::{Frame, Section, html};
use crate::web::urls;
use crate::web::views::row::DeploymentRow;
use crate::web::visitor::Visitor;

/// Deployments on one page: two screens of a desk, and no more to lay out than is felt.
const PAGE: u64 = 50;
/// Deployments read at once for a download.
const CSV_PAGE: u64 = 500;

/// The contract of `templates/history/index.html`.
#[derive(Template)]
#[template(path = "history/index.html", blocks = ["list"])]
struct HistoryPage {
    frame: Frame,
    asked: Asked,
    choices: Choices,
    complaints: Complaints,
    rows: Vec<DeploymentRow>,
    newer: String,
    older: String,
    csv: String,
}

/// What the form offers.
struct Choices {
    projects: Vec<String>,
    environments: Vec<String>,
    states: Vec<(&'static str, &'static str)>,
    kinds: Vec<(&'static str, &'static str)>,
}

impl Choices {
    fn new(visible: &Visible, asked: &Asked) -> Self {
        let project = visible.projects().into_iter().find(|&name| name == asked.project);
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        Self {
            projects: owned(visible.projects()),
            environments: owned(visible.environments(project)),
            states: DeploymentState::ALL
                .iter()
                .map(|one| (one.as_str(), one.title()))
                .collect(),
            kinds: Kind::ALL.iter().map(|one| (one.as_str(), one.title())).collect(),
        }
    }
}

/// What is asked for, as the address says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Asked {
    project: String,
    environment: String,
    user: String,
    state: String,
    kind: String,
    /// A day, UTC.
    from: String,
    /// The last day, UTC.
    to: String,
    before: Option<i64>,
    after: Option<i64>,
}

impl Asked {
    fn is_narrowed(&self) -> bool {
        let bare = Self {
            before: self.before,
            after: self.after,
            ..Self::default()
        };
        *self != bare
    }

    /// # Errors
    /// A complaint for each field that cannot be understood.
    fn filter(&self) -> Result<Filter> {
        let mut wrong = Vec::new();
        let from = day(&self.from, "from", 0, &mut wrong);
        let to = day(&self.to, "to", 1, &mut wrong);
        let state = word(&self.state, "state", DeploymentState::parse, &mut wrong);
        let kind = word(&self.kind, "kind", Kind::parse, &mut wrong);
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            wrong.push(complaint(
                "to",
                "The last day has to be the first or a later one.",
            ));
        }
        if !wrong.is_empty() {
            return Err(Error::fields(wrong));
        }
        let some = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
        Ok(Filter {
            project: some(&self.project),
            environment: some(&self.environment),
            actor: some(&self.user),
            states: state.into_iter().collect(),
            kinds: kind.into_iter().collect(),
            from,
            to,
            places: None,
        })
    }

    fn page(&self) -> Page {
        match (self.before, self.after) {
            (Some(row), _) => Page::Before(row),
            (None, Some(row)) => Page::After(row),
            (None, None) => Page::Newest,
        }
    }

    fn url(&self, path: &str, more: (&str, &str)) -> String {
        let pairs = [
            ("project", self.project.as_str()),
            ("environment", &self.environment),
            ("user", &self.user),
            ("state", &self.state),
            ("kind", &self.kind),
            ("from", &self.from),
            ("to", &self.to),
            more,
        ];
        urls::with_query(path, &pairs)
    }

    fn page_url(&self, key: &str, row: Option<i64>) -> String {
        row.map(|row| self.url(urls::history(), (key, &row.to_string())))
            .unwrap_or_default()
    }
}

fn complaint(field: &str, message: impl Into<String>) -> FieldError {
    FieldError {
        field: field.to_owned(),
        message: message.into(),
    }
}

/// The beginning of a day, or of one some days later.
fn day(text: &str, field: &str, later: u64, wrong: &mut Vec<FieldError>) -> Option<Instant> {
    if text.trim().is_empty() {
        return None;
    }
    let date = text.trim().parse::<NaiveDate>().ok();
    let instant = date
        .and_then(|date| date.checked_add_days(Days::new(later)))
        .map(|date| date.and_time(NaiveTime::MIN).and_utc());
    if instant.is_none() {
        wrong.push(complaint(field, "Write a day as 2026-11-22."));
    }
    instant
}

fn word<T>(
    text: &str,
    field: &str,
    parse: impl Fn(&str) -> Option<T>,
    wrong: &mut Vec<FieldError>,
) -> Option<T> {
    let found = parse(text);
    if found.is_none() && !text.is_empty() {
        wrong.push(complaint(
            field,
            format!("There is no {field} of that name; pick one."),
        ));
    }
    found
}

/// `GET /history`
#[handler]
pub async fn show(visitor: Visitor, asked: Query<Asked>) -> Result<Response> {
    let asked = asked.0;
    let (app, actor) = (visitor.app(), visitor.actor());
    let (found, complaints) = match asked.filter() {
        Ok(filter) => {
            let found = history::find(app, actor, &filter, asked.page(), PAGE).await?;
            (found, Complaints::default())
        }
        Err(error) => (nothing(app, actor).await?, Complaints::of_error(&error)),
    };
    let understood = complaints.is_empty();
    let page = HistoryPage {
        frame: visitor.frame("History", Section::History).await?,
        choices: Choices::new(&found.visible, &asked),
        complaints,
        newer: asked.page_url("after", found.page.newer),
        older: asked.page_url("before", found.page.older),
        csv: asked.url(urls::history_csv(), ("", "")),
        rows: found.page.items.into_iter().map(DeploymentRow::new).collect(),
        asked,
    };
    let mut response = if visitor.wants_fragment() {
        html(&page.as_list())?
    } else {
        html(&page)?
    };
    if !understood {
        response.set_status(poem::http::StatusCode::UNPROCESSABLE_ENTITY);
    }
    Ok(response)
}

async fn nothing(app: &App, actor: &crate::domain::Actor) -> Result<Found> {
    let page = Paged {
        items: Vec::new(),
        older: None,
        newer: None,
    };
    Ok(Found {
        page,
        visible: history::visible(app, actor).await?,
        at: app.now(),
    })
}

const CSV_HEAD: &str = "deployment,project,environment,target,kind,state,commit,title,branch,asked by,through,\
                        asked at,started at,finished at,outcome\r\n";

/// `GET /history.csv`: the whole of it, read from the store as it is sent.
#[handler]
pub async fn csv(visitor: Visitor, asked: Query<Asked>) -> Result<Response> {
    let app = visitor.app().clone();
    let filter = asked.filter()?;
    let visible = history::visible(&app, visitor.actor()).await?;
    let rows = futures_util::stream::unfold(Some(Page::Newest), move |page| {
        let (app, filter, visible) = (app.clone(), filter.clone(), visible.clone());
        async move {
            let page = page?;
            let head = if page == Page::Newest { CSV_HEAD } else { "" };
            match history::within(&app, &visible, &filter, page, CSV_PAGE).await {
                Ok(found) => {
                    let lines: String = found.items.iter().map(csv_line).collect();
                    let bytes = Bytes::from(format!("{head}{lines}"));
                    Some((Ok(bytes), found.older.map(Page::Before)))
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

fn csv_line(one: &Deployment) -> String {
    let time = |at: Option<Instant>| at.map(|at| crate::web::format::iso(&at)).unwrap_or_default();
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
    ];
    let cells: Vec<String> = cells.iter().map(|text| csv_cell(text)).collect();
    format!("{}\r\n", cells.join(","))
}

/// One cell. A text that a spreadsheet would take for a formula is led by an apostrophe: commit
/// messages come from strangers.
fn csv_cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_cannot_become_a_formula_or_leave_its_cell() {
        assert_eq!(csv_cell("plain"), "plain");
        assert_eq!(csv_cell("=1+1"), "'=1+1");
        assert_eq!(csv_cell("a,\"b\""), "\"a,\"\"b\"\"\"");
    }

    #[test]
    fn the_last_day_is_meant_whole() {
        let asked = Asked {
            from: "2026-11-22".into(),
            to: "2026-11-22".into(),
            ..Asked::default()
        };
        let filter = asked.filter().unwrap();
        assert_eq!((filter.to.unwrap() - filter.from.unwrap()).num_hours(), 24);
    }

    #[test]
    fn every_field_that_is_not_understood_is_told() {
        let asked = Asked {
            from: "yesterday".into(),
            to: "+262142-12-31".into(),
            state: "odd".into(),
            kind: "odd".into(),
            ..Asked::default()
        };
        assert_eq!(asked.filter().unwrap_err().field_errors().len(), 4);
    }
}
