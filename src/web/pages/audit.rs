//! The audit log: who did what to what, why it was allowed, and whether the log was rewritten.

use askama::Template;
use poem::web::Query;
use poem::{Response, handler};
use serde_json::Value;

use super::filter::{self, Cut, FilterForm, Input};
use crate::access::Permit;
use crate::app::audit::{self, Chain};
use crate::domain::{Area, AuditEvent, AuditId, NewAuditEvent, Outcome, Result};
use crate::web::flash::Flash;
use crate::web::forms::FormData;
use crate::web::frame::{Frame, Section, go_to};
use crate::web::pages::form_page;
use crate::web::visitor::Visitor;
use crate::web::{format, urls};

/// Events on one page.
const ON_A_PAGE: u64 = 50;
/// Actions, offered while typing.
const NOUNS: &[&str] = &[
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
    filter: FilterForm,
    rows: Vec<Row>,
    newer: String,
    older: String,
}

struct Row {
    event: NewAuditEvent,
    id: AuditId,
    hash: String,
    actor_url: String,
    resource_url: String,
    tone: &'static str,
    /// Name and value, as plain text.
    detail: Vec<(String, String)>,
}

async fn may_view(visitor: &Visitor) -> Result<Permit> {
    visitor.app().permit_reading(visitor.actor(), Area::Audit).await
}

/// `GET /audit`
#[handler]
pub async fn show(visitor: Visitor, sent: Query<FormData>, cut: Query<Cut>) -> Result<Response> {
    let mut sent = sent.0;
    let permit = may_view(&visitor).await?;
    let found = match sent.accept(filter::read(&sent))? {
        Some(filter) => {
            let found = audit::browse(visitor.app(), &permit, &filter, cut.page(), ON_A_PAGE).await?;
            (found.items, found.newer, found.older)
        }
        None => (Vec::new(), None, None),
    };
    let (events, newer, older) = found;
    let filter = filter_form(sent);
    let page = Page {
        frame: visitor.frame("Audit log", Section::Audit).await?,
        rows: events.into_iter().map(|event| row(&filter, event)).collect(),
        newer: filter.page_url("after", newer),
        older: filter.page_url("before", older),
        filter,
    };
    form_page(&page, &page.filter.sent.complaints)
}

fn filter_form(sent: FormData) -> FilterForm {
    let outcomes = Outcome::ALL.iter().map(|one| (one.as_str(), one.title()));
    let action = Input::Text {
        example: "server. or server.added",
        offered: NOUNS,
    };
    let fields = vec![
        ("actor", "User", Input::text("User name")),
        ("action", "Action", action),
        ("resource", "Resource", Input::text("server web1")),
        ("outcome", "Outcome", Input::choice("Any", outcomes)),
    ];
    FilterForm::new(urls::audit(), sent, fields)
}

fn row(filter: &FilterForm, AuditEvent { id, event, hash, .. }: AuditEvent) -> Row {
    Row {
        id,
        hash,
        actor_url: filter.url_with(urls::audit(), "actor", &event.actor),
        resource_url: filter.url_with(urls::audit(), "resource", &event.resource),
        tone: match event.outcome {
            Outcome::Allowed => "t-good",
            Outcome::Refused => "t-bad",
            Outcome::Failed => "t-warn",
        },
        detail: detail(&event.detail),
        event,
    }
}

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
            "The audit log was tampered with or damaged. {reason} Keep a copy of the database and find out who could access it."
        )),
    };
    visitor.flash(flash).await?;
    Ok(go_to(urls::audit()))
}
