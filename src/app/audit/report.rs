//! Reports over a period: what was deployed and who had a hand in it, overridden locks, changes outside
//! business hours, changes of access.
//!
//! Deployments are told as the audit log has them. Who wrote what is read from the commits that a deployment
//! brought; an author is matched with an account by e-mail address, name or display name.

mod duties;

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant as Moment;

use self::duties::duties;
pub use self::duties::{Duties, DutyFinding};
use super::comparison::Contradiction;
use super::covered::covered;
use crate::access::Permit;
use crate::app::admin::demand_reading;
use crate::app::{App, history};
use crate::domain::{Area, AuditEvent, Deployment, Instant, Outcome, Project, Result, User};
use crate::store::audit::{AuditReading, StoredEvent};
use crate::store::{AuditFilter, Page, PastFilter, projects, users};

/// The most deployments of a report, and the most events of one of its lists.
const LISTED: usize = 500;
/// The most events that are looked through for one list.
const SEARCHED: u64 = 200_000;
/// The most commits of a deployment that are asked for their authors.
const COMMITS: usize = 200;
/// How long authors are looked for.
const AUTHORS_TIME: Duration = Duration::from_secs(5);
/// The window that changes should fall into, where the calendar has it.
const BUSINESS_HOURS: &str = "business-hours";

/// Changes that somebody decided on.
const CHANGES: [&str; 18] = [
    "token.made",
    "token.revoked",
    "project.",
    "environment.",
    "server.",
    "cluster.",
    "balancer.",
    "user.",
    "lock.",
    "policy.",
    "secrets.",
    "audit.key_changed",
    "audit.cut",
    "deployment.requested",
    "deployment.approved",
    "deployment.rejected",
    "deployment.cancel_requested",
    "deployment.answered",
];
/// What decides who may do what.
const ACCESS: [&str; 9] = [
    "user.",
    "token.made",
    "token.revoked",
    "policy.",
    "secrets.",
    "server.host_key_trusted",
    "server.host_key_forgotten",
    "audit.key_set",
    "audit.key_changed",
];
/// What was done in spite of a lock, and the locks.
const OVERRIDES: [&str; 1] = ["lock."];

/// What a report is about.
#[derive(Debug, Clone)]
pub struct ReportRequest {
    /// Only this project.
    pub project: Option<String>,
    /// Only environments of this name.
    pub environment: Option<String>,
    pub from: Instant,
    /// Before this instant.
    pub to: Instant,
    /// Of deployments only those that one person alone saw through.
    pub alone: bool,
}

/// A part of a list, and whether there is more.
#[derive(Debug, Clone)]
pub struct ReportList<T> {
    /// In the order of time.
    pub items: Vec<T>,
    /// Whether the period has more than are listed.
    pub more: bool,
}

/// What a period had in it.
#[derive(Debug, Clone)]
pub struct AuditReport {
    pub deployments: ReportList<ReportedDeployment>,
    pub overrides: ReportList<AuditEvent>,
    /// Changes outside [`Self::window`].
    pub outside: ReportList<AuditEvent>,
    /// The window of business hours; `None`: the calendar has none of that name.
    pub window: Option<&'static str>,
    pub access: ReportList<AuditEvent>,
}

/// A deployment, and who had a hand in it.
#[derive(Debug, Clone)]
pub struct ReportedDeployment {
    pub deployment: Deployment,
    /// What the database says otherwise.
    pub contradictions: Vec<Contradiction>,
    pub duties: Duties,
}

/// Makes a report of what the reader may view. Needs a permit to read the log.
///
/// # Errors
/// Of the store.
pub async fn report(app: &App, permit: &Permit, wanted: &ReportRequest) -> Result<AuditReport> {
    demand_reading(permit, Area::Audit)?;
    let calendar = app.policy().calendar();
    let window = calendar.knows(BUSINESS_HOURS).then_some(BUSINESS_HOURS);
    let is_outside =
        |event: &AuditEvent| window.is_some_and(|window| !calendar.is_open(window, event.event.at));
    let filter = |actions: &[&str], about: Option<String>| AuditFilter {
        actions: actions.iter().map(|name| (*name).to_owned()).collect(),
        about,
        from: Some(wanted.from),
        to: Some(wanted.to),
        // What was refused or failed changed nothing.
        outcome: Some(Outcome::Allowed),
        ..AuditFilter::default()
    };
    let all = |_: &AuditEvent| true;
    Ok(AuditReport {
        deployments: deployments(app, permit, wanted).await?,
        overrides: events(app, permit, filter(&OVERRIDES, place(wanted)), all).await?,
        outside: events(app, permit, filter(&CHANGES, place(wanted)), is_outside).await?,
        window,
        access: events(app, permit, filter(&ACCESS, None), all).await?,
    })
}

/// The place as resources are called.
fn place(wanted: &ReportRequest) -> Option<String> {
    match (&wanted.project, &wanted.environment) {
        (Some(project), Some(environment)) => Some(format!("{project}/{environment}")),
        (None, Some(environment)) => Some(format!("/{environment}")),
        (project, None) => project.clone(),
    }
}

async fn events(
    app: &App,
    permit: &Permit,
    filter: AuditFilter,
    fits: impl Fn(&AuditEvent) -> bool,
) -> Result<ReportList<AuditEvent>> {
    let filter = super::visible(app, permit, filter).await?;
    let mut reading = AuditReading::of(filter);
    let (mut items, mut searched) = (Vec::new(), 0);
    loop {
        let found = reading.next(&app.store).await?;
        if found.is_empty() {
            return Ok(ReportList { items, more: false });
        }
        searched += found.len() as u64;
        items.extend(
            found
                .into_iter()
                .map(StoredEvent::into_event)
                .filter(|event| fits(event))
                .map(|event| covered(app, permit.actor(), event)),
        );
        if items.len() > LISTED || searched >= SEARCHED {
            items.truncate(LISTED);
            return Ok(ReportList { items, more: true });
        }
    }
}

async fn deployments(
    app: &App,
    permit: &Permit,
    wanted: &ReportRequest,
) -> Result<ReportList<ReportedDeployment>> {
    let visible = history::viewable(app, permit.actor()).await?;
    let filter = PastFilter {
        project: wanted.project.clone(),
        environment: wanted.environment.clone(),
        from: Some(wanted.from),
        to: Some(wanted.to),
        ..PastFilter::default()
    };
    let past = history::within(app, &visible, &filter, Page::Newest, LISTED as u64).await?;
    let people = People(users::list(&app.store).await?);
    let known = projects::list(&app.store).await?;
    let end = Moment::now() + AUTHORS_TIME;
    let mut contradictions = past.contradictions;
    let mut items = Vec::new();
    for deployment in past.page.items.into_iter().rev() {
        let project = known
            .iter()
            .find(|project| Some(project.id) == deployment.project_id);
        let (authors, unknown) =
            match tokio::time::timeout_at(end, authors(app, project, &deployment, &people)).await {
                Ok(found) => found,
                Err(_) => (
                    BTreeSet::new(),
                    "not looked at, as the report took too long; choose a shorter period".to_owned(),
                ),
            };
        let duties = duties(&deployment, authors, unknown);
        if wanted.alone && !duties.finding.is_alone() {
            continue;
        }
        items.push(ReportedDeployment {
            contradictions: contradictions.remove(&deployment.id).unwrap_or_default(),
            duties,
            deployment,
        });
    }
    Ok(ReportList {
        items,
        more: past.page.older.is_some(),
    })
}

/// The accounts, to find authors among.
struct People(Vec<User>);

impl People {
    /// The account of an author; their own name where they have none.
    fn account(&self, name: &str, email: &str) -> String {
        let same = |one: &str, other: &str| !one.is_empty() && one.to_lowercase() == other.to_lowercase();
        let is_theirs = |user: &&User| {
            same(&user.email, email) || same(user.name.as_str(), name) || same(&user.display_name, name)
        };
        // An address says more than a name.
        let by_email = self.0.iter().find(|user| same(&user.email, email));
        let found = by_email.or_else(|| self.0.iter().find(is_theirs));
        found.map_or_else(|| name.to_owned(), |user| user.name.to_string())
    }
}

/// Who wrote what a deployment brought, and why that is not known.
async fn authors(
    app: &App,
    project: Option<&Project>,
    deployment: &Deployment,
    people: &People,
) -> (BTreeSet<String>, String) {
    let none = BTreeSet::new;
    let Some(project) = project else {
        return (none(), "the project was deleted".to_owned());
    };
    let Ok(mirror) = app.mirror(project) else {
        return (none(), "the repository cannot be read".to_owned());
    };
    let from = deployment.previous_commit.as_ref();
    // A rollback, and the same commit again, bring nothing new; their own commit is what counts.
    let found = match mirror.between(from, &deployment.commit, COMMITS).await {
        Ok(found) if !found.commits.is_empty() => found,
        Ok(_) => match mirror.commit(&deployment.commit).await {
            Ok(commit) => crate::git::Commits {
                commits: vec![commit],
                more: false,
            },
            Err(error) => return (none(), error.to_string()),
        },
        Err(error) => return (none(), error.to_string()),
    };
    let names = found
        .commits
        .iter()
        .map(|commit| people.account(&commit.author, &commit.email));
    let unknown = match found.more {
        true => format!("only the newest {COMMITS} commits were looked at"),
        false => String::new(),
    };
    (names.collect(), unknown)
}
