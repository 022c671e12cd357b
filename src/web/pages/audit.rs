//! The audit log: who did what to what, why they were allowed, and whether anybody rewrote it.

use askama::Template;
use chrono::{NaiveDate, TimeDelta};
use poem::web::Query;
use poem::{Response, handler};
use serde::Deserialize;
use serde_json::Value;

use crate::access::Permit;
use crate::app::audit::{self, Chain};
use crate::domain::{Action, AuditEvent, Instant, Outcome, Resource, Result};
use crate::store::Page as Cut;
use crate::store::audit::Filter;
use crate::web::flash::Flash;
use crate::web::frame::{Frame, Section, go_to, html};
use crate::web::visitor::Visitor;
use crate::web::{format, urls};

/// Events on one page.
const ON_A_PAGE: u64 = 50;
/// What acts are about, offered while typing.
const NOUNS: [&str; 9] = [
    "deployment.",
    "login.",
    "logout",
    "project.",
    "environment.",
    "server.",
    "cluster.",
    "user.",
    "view.refused",
];

/// The contract of `templates/audit/index.html`.
#[derive(Template)]
#[template(path = "audit/index.html")]
struct Page {
    frame: Frame,
    query: AuditQuery,
    /// What of the filter could not be understood.
    complaints: Vec<String>,
    nouns: [&'static str; 9],
    outcomes: [(&'static str, &'static str); 4],
    rows: Vec<Row>,
    newer: String,
    older: String,
    is_filtered: bool,
}

struct Row {
    id: String,
    at: Instant,
    actor: String,
    actor_url: String,
    impersonator: String,
    address: String,
    action: String,
    resource: String,
    resource_url: String,
    tone: &'static str,
    outcome: &'static str,
    permit: String,
    detail: Vec<(String, String)>,
    hash: String,
}

/// The filter form, and the place in the log.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct AuditQuery {
    /// A user's name.
    actor: String,
    /// `server.added`, or a noun (`server.`) for all of its acts.
    action: String,
    /// `server web1`, `webshop/prod`.
    resource: String,
    /// [`Outcome::as_str`].
    outcome: String,
    /// A date: events of this day or later.
    from: String,
    /// A date: events of this day or earlier.
    to: String,
    /// Older than this event.
    before: Option<i64>,
    /// Newer than this event.
    after: Option<i64>,
}

impl AuditQuery {
    fn filter(&self) -> (Filter, Vec<String>) {
        let mut complaints = Vec::new();
        let text = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let mut date = |text: &str| {
            let text = text.trim();
            let date = text.parse::<NaiveDate>();
            if date.is_err() && !text.is_empty() {
                complaints.push(format!(
                    "“{}” is not a date; write it like 2026-11-22.",
                    text.escape_debug()
                ));
            }
            date.ok()
        };
        let start = |date: NaiveDate| date.and_time(chrono::NaiveTime::MIN).and_utc();
        let (from, to) = (date(&self.from), date(&self.to));
        let next_day = |date: NaiveDate| date.checked_add_signed(TimeDelta::days(1));
        let filter = Filter {
            actor: text(&self.actor),
            action: text(&self.action).map(whole_noun),
            resource: text(&self.resource),
            outcome: Outcome::parse(&self.outcome),
            from: from.map(start),
            to: to.and_then(next_day).map(start),
        };
        (filter, complaints)
    }

    fn cut(&self) -> Cut {
        match (self.before, self.after) {
            (Some(event), _) => Cut::Before(event),
            (None, Some(event)) => Cut::After(event),
            (None, None) => Cut::Newest,
        }
    }

    fn url(&self, further: &[(&str, &str)]) -> String {
        let mut pairs = vec![
            ("actor", self.actor.as_str()),
            ("action", &self.action),
            ("resource", &self.resource),
            ("outcome", &self.outcome),
            ("from", &self.from),
            ("to", &self.to),
        ];
        pairs.retain(|(name, _)| !further.iter().any(|(other, _)| other == name));
        pairs.extend_from_slice(further);
        urls::with_query(urls::audit(), &pairs)
    }
}

/// `server` means all acts on servers; `logout` is an act of its own.
fn whole_noun(action: String) -> String {
    if action.contains('.') || action == "logout" {
        action
    } else {
        format!("{action}.")
    }
}

async fn may_view(visitor: &Visitor) -> Result<Permit> {
    let app = visitor.app();
    app.permit(visitor.actor(), Action::Audit, &Resource::Everything)
        .await
}

/// `GET /audit`
#[handler]
pub async fn show(visitor: Visitor, Query(query): Query<AuditQuery>) -> Result<Response> {
    let permit = may_view(&visitor).await?;
    let (filter, complaints) = query.filter();
    let found = audit::browse(visitor.app(), &permit, &filter, query.cut(), ON_A_PAGE).await?;
    let link = |name, event: Option<i64>| {
        event
            .map(|event| query.url(&[(name, &event.to_string())]))
            .unwrap_or_default()
    };
    html(&Page {
        frame: visitor.frame("Audit log", Section::Audit).await?,
        complaints,
        nouns: NOUNS,
        outcomes: [
            ("", "Any"),
            (Outcome::Allowed.as_str(), Outcome::Allowed.title()),
            (Outcome::Refused.as_str(), Outcome::Refused.title()),
            (Outcome::Failed.as_str(), Outcome::Failed.title()),
        ],
        rows: found.items.into_iter().map(|event| row(&query, event)).collect(),
        newer: link("after", found.newer),
        older: link("before", found.older),
        is_filtered: filter != Filter::default(),
        query,
    })
}

fn row(query: &AuditQuery, AuditEvent { id, event, hash, .. }: AuditEvent) -> Row {
    Row {
        id: id.to_string(),
        at: event.at,
        actor_url: query.url(&[("actor", &event.actor)]),
        actor: event.actor,
        impersonator: event.impersonator.unwrap_or_default(),
        address: event.address,
        action: event.action,
        resource_url: query.url(&[("resource", &event.resource)]),
        resource: event.resource,
        tone: match event.outcome {
            Outcome::Allowed => "t-good",
            Outcome::Refused => "t-bad",
            Outcome::Failed => "t-warn",
        },
        outcome: event.outcome.title(),
        permit: event.permit,
        detail: detail(&event.detail),
        hash,
    }
}

/// Name and value, as plain text.
fn detail(detail: &Value) -> Vec<(String, String)> {
    let Some(parts) = detail.as_object() else {
        return Vec::new();
    };
    let say = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "–".to_owned(),
        other => other.to_string(),
    };
    let change = |value: &Value| match (value.get("from"), value.get("to")) {
        (Some(from), Some(to)) => format!("{} → {}", say(from), say(to)),
        _ => say(value),
    };
    let parts = parts
        .iter()
        .filter(|(_, value)| !matches!(value, Value::String(text) if text.is_empty()));
    parts
        .map(|(name, value)| (name.replace('_', " "), change(value)))
        .collect()
}

/// `POST /audit/verify`
#[handler]
pub async fn verify(visitor: Visitor) -> Result<Response> {
    let permit = may_view(&visitor).await?;
    let flash = match audit::verify(visitor.app(), &permit).await? {
        Chain::Whole { last: 0, .. } => Flash::done("The audit log is empty."),
        Chain::Whole { last, hash } => Flash::done(format!(
            "The audit log is intact: every event up to number {} is as it was recorded. Keep its hash elsewhere to prove that later: {hash}",
            format::number(last)
        )),
        Chain::Broken(reason) => Flash::failed(format!(
            "The audit log was tampered with or damaged. {reason} Keep a copy of the database and find out who had access to it."
        )),
    };
    visitor.flash(flash).await?;
    Ok(go_to(urls::audit()))
}
