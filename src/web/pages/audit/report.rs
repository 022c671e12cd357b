//! A report for a period, for the screen, for print and for spreadsheets.

pub mod table;

use askama::Template;
use chrono::{Days, NaiveTime};
use poem::web::Query;
use poem::{Response, handler};

use super::may_view;
use crate::app::audit::comparison::Contradiction;
use crate::app::audit::report::{
    AuditReport, DutyFinding, ReportList, ReportRequest, ReportedDeployment, report,
};
use crate::app::audit::{self, words};
use crate::app::history::{self, Visible};
use crate::domain::{AuditEvent, Deployment, Error, Instant, PolicyLine, Result};
use crate::web::format;
use crate::web::forms::FormData;
use crate::web::frame::{Frame, Section};
use crate::web::pages::filter::{self, FilterForm, Input};
use crate::web::pages::form_page;
use crate::web::trail::Trail;
use crate::web::urls;
use crate::web::visitor::Visitor;

/// The filter's word for deployments that one person alone saw through.
const ALONE: &str = "alone";
/// The days of a report without any.
const USUAL_DAYS: u64 = 30;
/// Characters of a commit's title in a table.
const TITLE_CHARS: usize = 80;

/// The contract of `templates/audit/report.html`.
#[derive(Template)]
#[template(path = "audit/report.html")]
struct ReportPage {
    frame: Frame,
    trail: Trail,
    filter: FilterForm,
    /// The period in words.
    period: String,
    /// Why it may be empty; see [`unknown`].
    unknown: String,
    head: String,
    by: String,
    /// The window of business hours; empty where the calendar has none.
    window: &'static str,
    deployments: ReportList<DeploymentLine>,
    /// How many of them one person alone saw through, in words; empty where none is, and where only those are
    /// shown.
    alone: String,
    /// The report of only those.
    only_alone: String,
    lists: Vec<EventList>,
    csv: String,
    /// Who could do what, on the last day of the period.
    who: String,
}

struct DeploymentLine {
    deployment: Deployment,
    contradictions: Vec<Contradiction>,
    url: String,
    /// From the commit before to its own.
    range: String,
    title: String,
    approver: String,
    permit: String,
    /// Who took it over from its requester, if anybody.
    taken: Option<TakeOver>,
    authors: String,
    /// Why authors are not known; empty where they are.
    unknown: String,
    duty: &'static str,
    tone: &'static str,
}

/// How a deployment was taken over from its requester.
struct TakeOver {
    who: String,
    /// The policy line that allows it; empty where that was not kept.
    permit: String,
}

impl DeploymentLine {
    fn new(reported: ReportedDeployment) -> Self {
        let ReportedDeployment {
            deployment: one,
            contradictions,
            duties,
        } = reported;
        let before = one.previous_commit.as_ref();
        let before = before.map_or("nothing", |commit| format::short(commit.as_str()));
        let given = one.approval.as_ref().and_then(|approval| {
            let (_, at) = approval.given.as_ref()?;
            Some((approval.who()?, *at))
        });
        let line = |line: Option<&PolicyLine>| line.map(ToString::to_string).unwrap_or_default();
        let taken = one.taken_over().map(|taken| TakeOver {
            who: taken.who(),
            permit: line(taken.permit.as_ref()),
        });
        Self {
            url: urls::deployment(one.id),
            range: format!("{before}..{}", format::short(one.commit.as_str())),
            title: one.commit_title.chars().take(TITLE_CHARS).collect(),
            approver: given.map_or(String::new(), |(who, at)| format!("{who}, {}", format::full(&at))),
            permit: line(one.permit.as_ref()),
            taken,
            authors: duties.authors.into_iter().collect::<Vec<_>>().join(", "),
            unknown: duties.unknown,
            duty: duties.finding.title(),
            tone: match duties.finding {
                DutyFinding::Separate => "t-good",
                DutyFinding::Unknown => "t-quiet",
                alone if alone.is_alone() => "t-bad",
                _ => "t-warn",
            },
            contradictions,
            deployment: one,
        }
    }
}

/// A list of events with its title.
struct EventList {
    id: &'static str,
    title: String,
    /// What it says when there are none.
    none: String,
    rows: Vec<EventLine>,
    more: bool,
}

struct EventLine {
    at: Instant,
    number: String,
    sentence: String,
    permit: String,
}

fn list(id: &'static str, title: impl Into<String>, none: &str, events: ReportList<AuditEvent>) -> EventList {
    let line = |one: AuditEvent| EventLine {
        at: one.event.at,
        number: one.id.to_string(),
        sentence: words::sentence(&one.event),
        permit: one.event.permit,
    };
    EventList {
        id,
        title: title.into(),
        none: none.to_owned(),
        rows: events.items.into_iter().map(line).collect(),
        more: events.more,
    }
}

/// What was asked for; without days, the last thirty.
fn wanted(sent: &FormData, now: Instant) -> Result<ReportRequest> {
    let filter = filter::read(sent)?;
    let alone = match sent.text("duty") {
        "" => false,
        ALONE => true,
        _ => return Err(Error::field("duty", "Choose the deployments from the list.")),
    };
    let tomorrow = now.date_naive() + Days::new(1);
    let to = filter.to.unwrap_or(tomorrow.and_time(NaiveTime::MIN).and_utc());
    Ok(ReportRequest {
        project: filter.project,
        environment: filter.environment,
        from: filter
            .from
            .or(to.checked_sub_days(Days::new(USUAL_DAYS)))
            .unwrap_or(to),
        to,
        alone,
    })
}

fn lists(found: &mut AuditReport) -> Vec<EventList> {
    let take = |list: &mut ReportList<AuditEvent>| ReportList {
        items: std::mem::take(&mut list.items),
        more: list.more,
    };
    let outside = match found.window {
        Some(window) => format!("Changes outside {window}"),
        None => "Changes outside business hours".to_owned(),
    };
    let none = match found.window {
        Some(_) => "No change was made outside it.",
        None => "The calendar has no window called business-hours, so this is not known.",
    };
    vec![
        list(
            "overrides",
            "Locks and overrides",
            "No lock was made, lifted or overridden.",
            take(&mut found.overrides),
        ),
        list("outside", outside, none, take(&mut found.outside)),
        list(
            "access",
            "Changes of access",
            "No account, policy, key or host key was changed.",
            take(&mut found.access),
        ),
    ]
}

fn alone(asked: &ReportRequest, lines: &[DeploymentLine]) -> String {
    match lines.iter().filter(|line| line.tone == "t-bad").count() {
        _ if asked.alone => String::new(),
        0 => String::new(),
        count => format!("{} by one person alone", format::count(count, "deployment")),
    }
}

/// What a report is about: the days, and what it is narrowed to.
fn period(asked: &ReportRequest) -> String {
    let days = format!("{} to {}", format::full(&asked.from), format::full(&asked.to));
    let place = match (&asked.project, &asked.environment) {
        (None, None) => String::new(),
        (project, environment) => {
            let name = |name: &Option<String>| name.clone().unwrap_or("*".to_owned());
            format!(", {}/{} only", name(project), name(environment))
        }
    };
    let alone = match asked.alone {
        true => "; of deployments only those by one person alone",
        false => "",
    };
    format!("{days}{place}{alone}")
}

/// Why a report is empty, where it is about a place that is not known here; empty otherwise.
async fn unknown(visitor: &Visitor, asked: &ReportRequest, visible: &Visible) -> Result<String> {
    let place = (asked.project.as_deref(), asked.environment.as_deref());
    let unknown = history::unknown_place(visitor.app(), visitor.actor(), visible, place);
    Ok(unknown.await?.unwrap_or_default())
}

/// Who could do what at the place of a report, on its last day.
fn who(asked: &ReportRequest) -> String {
    let project = asked.project.as_deref().unwrap_or_default();
    let place = match &asked.environment {
        Some(environment) if !project.is_empty() => format!("{project}/{environment}"),
        _ => project.to_owned(),
    };
    let day = (asked.to - chrono::TimeDelta::seconds(1))
        .date_naive()
        .to_string();
    urls::with_query(
        urls::policy_who(),
        &[("place", &place), ("day", &day), ("zone", "UTC")],
    )
}

/// The filter form, with what the reader may choose from.
fn filter_form(visible: &Visible, sent: FormData) -> FilterForm {
    let projects = visible.projects().into_iter().map(|name| (name, name));
    let environments = visible.environments(None).into_iter().map(|name| (name, name));
    let fields = vec![
        ("project", "Project", Input::choice("All projects", projects)),
        (
            "environment",
            "Environment",
            Input::choice("All environments", environments),
        ),
        (
            "duty",
            "Deployments",
            Input::choice("All", [(ALONE, "By one person alone")]),
        ),
    ];
    FilterForm::new(urls::audit_report(), sent, fields)
}

/// `GET /audit/report`
#[handler]
pub async fn show(visitor: Visitor, sent: Query<FormData>) -> Result<Response> {
    let mut sent = sent.0;
    let permit = may_view(&visitor).await?;
    let app = visitor.app();
    let asked = sent.accept(wanted(&sent, visitor.now()))?;
    let is_asked = asked.is_some();
    let asked = match asked {
        Some(asked) => asked,
        None => wanted(&FormData::default(), visitor.now())?,
    };
    let mut found = report(app, &permit, &asked).await?;
    let visible = history::viewable(app, visitor.actor()).await?;
    let filter = filter_form(&visible, sent);
    let head = audit::head(app, &permit).await?;
    let lines = found.deployments.items.into_iter().map(DeploymentLine::new);
    let lines: Vec<DeploymentLine> = lines.collect();
    found.deployments.items = Vec::new();
    let page = ReportPage {
        frame: visitor.frame("Audit report", Section::Audit).await?,
        trail: vec![("Audit log".to_owned(), urls::audit().to_owned())],
        period: period(&asked),
        unknown: unknown(&visitor, &asked, &visible).await?,
        head: head.map_or_else(|why| why, |head| head.to_string()),
        by: visitor.actor().name.clone(),
        window: found.window.unwrap_or_default(),
        alone: alone(&asked, &lines),
        only_alone: filter.url_with(urls::audit_report(), "duty", ALONE),
        csv: filter.url_with(urls::audit_report_csv(), "", ""),
        who: who(&asked),
        lists: lists(&mut found),
        deployments: ReportList {
            items: lines,
            more: found.deployments.more,
        },
        filter,
    };
    match is_asked {
        true => form_page(&page, &Default::default()),
        false => form_page(&page, &page.filter.sent.complaints),
    }
}
