//! The policy in force: its lines, the problems of its files, and which windows are open. Read only;
//! sysadmins edit the files.

use askama::Template;
use poem::{Response, handler};

use super::policy_versions::Version;
use super::{Part, Tabs, may_read, tabs};
use crate::access::Problem;
use crate::app::policy;
use crate::domain::{Action, Area, Calendar, Freeze, Hours, Instant, OnHolidays, Resource, Result, Window};
use crate::store::policies::PolicyUse;
use crate::web::format;
use crate::web::frame::{Frame, Section, html};
use crate::web::urls;
use crate::web::visitor::Visitor;

/// How far ahead the next change of a window is looked for, in days.
const DAYS_AHEAD: u16 = 14;
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// The contract of `templates/admin/policy.html`.
#[derive(Template)]
#[template(path = "admin/policy.html")]
struct Page {
    frame: Frame,
    tabs: Tabs,
    has_errors: bool,
    problems: Vec<Problem>,
    /// The lines of `policy.csv`.
    text: String,
    zone: String,
    windows: Vec<WindowRow>,
    freezes: Vec<FreezeRow>,
    /// The policies that were in force, newest first.
    versions: Vec<VersionRow>,
    /// Whether this visitor may have the files read.
    may_reload: bool,
    reload: &'static str,
}

struct VersionRow {
    version: Version,
    instance: String,
    since: Instant,
    /// Who had it read, or why; empty where that is not known.
    cause: String,
    /// What it changed; empty for the oldest.
    comparison: String,
}

struct WindowRow {
    name: String,
    is_open: bool,
    hours: String,
    /// When it opens or closes next, as far as it can be seen.
    changes: Option<Instant>,
}

struct FreezeRow {
    freeze: Freeze,
    /// What it applies to, in words.
    of: String,
    holds: bool,
}

/// `GET /admin/policy`
#[handler]
pub async fn show(visitor: Visitor) -> Result<Response> {
    may_read(&visitor, Area::Policy).await?;
    let (access, now) = (visitor.app().policy(), visitor.now());
    let calendar = access.calendar();
    let problems = policy::lints::problems(visitor.app());
    let uses = policy::uses(visitor.app(), visitor.actor()).await?;
    let causes = policy::causes(visitor.app(), visitor.actor(), &uses).await?;
    let versions = versions(&uses, causes);
    html(&Page {
        frame: visitor.frame("Policy · Admin", Section::Admin).await?,
        tabs: tabs(&visitor, Part::Policy),
        has_errors: problems.iter().any(Problem::is_error),
        problems,
        text: access.policy_text(),
        zone: calendar.zone.to_string(),
        windows: windows(&calendar, now),
        freezes: freezes(&calendar, now),
        versions,
        may_reload: visitor
            .app()
            .may(visitor.actor(), Action::Administer, &Resource::Everything),
        reload: urls::admin_policy_reload(),
    })
}

fn versions(uses: &[PolicyUse], causes: Vec<String>) -> Vec<VersionRow> {
    let row = |((at, one), cause): ((usize, &PolicyUse), String)| {
        let mut older = uses.iter().skip(at + 1);
        let before = older.find(|before| before.instance == one.instance || before.digest != one.digest);
        VersionRow {
            version: Version::of(&one.digest),
            instance: one.instance.clone(),
            since: one.since,
            cause,
            comparison: before
                .filter(|before| before.digest != one.digest)
                .map(|before| urls::admin_policy_comparison(&before.digest, &one.digest))
                .unwrap_or_default(),
        }
    };
    uses.iter().enumerate().zip(causes).map(row).collect()
}

fn windows(calendar: &Calendar, now: Instant) -> Vec<WindowRow> {
    let changes = calendar.changes(now, DAYS_AHEAD);
    let row = |(name, window): (&String, &Window)| {
        let is_open = calendar.is_open(name, now);
        let next = changes.iter().find(|&&at| calendar.is_open(name, at) != is_open);
        WindowRow {
            name: name.clone(),
            is_open,
            hours: words(window),
            changes: next.copied(),
        }
    };
    calendar.windows.iter().map(row).collect()
}

/// `Mon, Tue, Fri 08:00-18:30; Fri 08:00-14:00; closed on holidays`
fn words(window: &Window) -> String {
    let hours = |hours: &[Hours]| {
        let spans: Vec<String> = hours.iter().map(Hours::to_string).collect();
        if spans.is_empty() {
            "closed".to_owned()
        } else {
            spans.join(", ")
        }
    };
    let chosen = DAYS.iter().zip(window.days).filter(|(_, on)| *on);
    let days: Vec<&str> = chosen.map(|(day, _)| *day).collect();
    let zone = window.zone.map(|zone| format!(" ({zone})")).unwrap_or_default();
    let mut parts = vec![format!("{} {}{zone}", span(&days), hours(&window.hours))];
    let ends = [("from", window.from), ("until", window.until)];
    for (word, at) in ends {
        parts.extend(at.map(|at| format!("{word} {}", format::full(&at))));
    }
    for (day, other) in DAYS.iter().zip(&window.weekday_exceptions) {
        parts.extend(other.as_ref().map(|other| format!("{day} {}", hours(other))));
    }
    for (date, other) in &window.date_exceptions {
        parts.push(format!("{date} {}", hours(other)));
    }
    parts.push(
        match window.holidays {
            OnHolidays::Closed => "closed on holidays",
            OnHolidays::Open => "holidays are ordinary days",
            OnHolidays::Added => "and on holidays",
        }
        .to_owned(),
    );
    parts.join("; ")
}

/// `Mon to Fri` for days in a row.
fn span(days: &[&str]) -> String {
    let start = days
        .first()
        .and_then(|first| DAYS.iter().position(|day| day == first));
    match (start, days) {
        (Some(start), [first, .., last]) if days.len() > 2 && DAYS[start..].starts_with(days) => {
            format!("{first} to {last}")
        }
        _ => days.join(", "),
    }
}

fn freezes(calendar: &Calendar, now: Instant) -> Vec<FreezeRow> {
    let listed = |names: &[String], all: &str| {
        if names.is_empty() {
            all.to_owned()
        } else {
            names.join(", ")
        }
    };
    let row = |freeze: &Freeze| FreezeRow {
        of: format!(
            "{} of {}",
            listed(&freeze.environments, "all environments"),
            listed(&freeze.projects, "all projects")
        ),
        holds: freeze.from <= now && now < freeze.until,
        freeze: freeze.clone(),
    };
    calendar
        .freezes
        .iter()
        .filter(|freeze| now < freeze.until)
        .map(row)
        .collect()
}
