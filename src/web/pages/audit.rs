//! The audit log: who did what to what, why it was allowed, and whether the log was rewritten.

pub mod export;
pub mod proof;
pub mod report;

use askama::Template;
use poem::web::Query;
use poem::{Response, handler};

use super::filter::{self, Cut, FilterForm, Input};
use crate::access::Permit;
use crate::app::audit::{self, words};
use crate::domain::{
    Area, AuditEvent, AuditId, Author, DeploymentId, EventKind, NewAuditEvent, Outcome, Result,
};
use crate::store::Paged;
use crate::web::forms::FormData;
use crate::web::frame::{Frame, Section};
use crate::web::pages::form_page;
use crate::web::urls;
use crate::web::visitor::Visitor;

/// Events on one page.
const ON_A_PAGE: u64 = 50;

/// What auditors ask most: a label, a field and its value.
const QUESTIONS: [(&str, &str, &str); 9] = [
    ("Overridden locks", "action", "override"),
    ("Approvals", "action", "approv"),
    ("Refusals", "outcome", "refused"),
    ("Failed logins", "action", "login failed"),
    ("Access", "action", "access"),
    ("Settings", "action", "changed"),
    ("Host keys", "action", "host key"),
    ("Policy", "action", "policy"),
    ("Starts and stops", "action", "deployer."),
];

/// The contract of `templates/audit/index.html`.
#[derive(Template)]
#[template(path = "audit/index.html")]
struct Page {
    frame: Frame,
    filter: FilterForm,
    /// Label, address, and whether it is what is shown.
    questions: Vec<(&'static str, String, bool)>,
    rows: Vec<Row>,
    newer: String,
    older: String,
    csv: String,
    jsonl: String,
}

struct Row {
    event: NewAuditEvent,
    id: AuditId,
    hash: String,
    /// Whether the hash fits.
    is_whole: bool,
    sentence: String,
    actor_url: String,
    action_url: String,
    resource_url: String,
    /// The deployment that it is about; empty where there is none.
    deployment_url: String,
    /// Who did it, in words.
    actor: String,
    /// Where it came from; empty for what the deployer did by itself.
    address: String,
    /// What a policy changed; empty where it is about none, or where the reader may not read policies.
    comparison_url: String,
    tone: &'static str,
    detail: Vec<words::Detail>,
}

async fn may_view(visitor: &Visitor) -> Result<Permit> {
    visitor.app().permit_reading(visitor.actor(), Area::Audit).await
}

/// `GET /audit`
#[handler]
pub async fn show(visitor: Visitor, sent: Query<FormData>, cut: Query<Cut>) -> Result<Response> {
    let mut sent = sent.0;
    let permit = may_view(&visitor).await?;
    let found = match sent.accept(filter::read_audit(&sent))? {
        Some(filter) => audit::browse(visitor.app(), &permit, &filter, cut.page(), ON_A_PAGE).await?,
        None => Paged::default(),
    };
    let filter = filter_form(sent);
    let reads_policy = visitor.app().may_read(visitor.actor(), Area::Policy);
    let page = Page {
        frame: visitor.frame("Audit log", Section::Audit).await?,
        questions: questions(&filter),
        rows: found
            .items
            .into_iter()
            .map(|event| row(&filter, event, reads_policy))
            .collect(),
        newer: filter.page_url("after", found.newer),
        older: filter.page_url("before", found.older),
        csv: filter.url_with(urls::audit_csv(), "", ""),
        jsonl: filter.url_with(urls::audit_jsonl(), "", ""),
        filter,
    };
    form_page(&page, &page.filter.sent.complaints)
}

fn filter_form(sent: FormData) -> FilterForm {
    let outcomes = Outcome::ALL.iter().map(|one| (one.as_str(), one.title()));
    let action = Input::Text {
        example: "override",
        offered: TITLES,
    };
    let fields = vec![
        ("actor", "Who", Input::text("alice")),
        ("action", "What", action),
        ("resource", "About", Input::text("prod")),
        ("text", "Contains", Input::text("any word")),
        ("outcome", "Outcome", Input::choice("Any", outcomes)),
    ];
    FilterForm::new(urls::audit(), sent, fields)
}

/// The titles of all kinds of events, offered while typing.
const TITLES: &[&str] = &{
    let mut titles = [""; EventKind::ALL.len()];
    let mut at = 0;
    while at < titles.len() {
        titles[at] = EventKind::ALL[at].title();
        at += 1;
    }
    titles
};

fn questions(filter: &FilterForm) -> Vec<(&'static str, String, bool)> {
    let asked = |(label, field, value): &(&'static str, &str, &str)| {
        let is_asked = filter.sent.text(field) == *value;
        (
            *label,
            urls::with_query(urls::audit(), &[(field, value)]),
            is_asked,
        )
    };
    QUESTIONS.iter().map(asked).collect()
}

/// The comparison of the policy that an event is about with the one before.
fn comparison(event: &NewAuditEvent) -> Option<String> {
    let digest = |name: &str| {
        let digest = event.detail[name].as_str()?;
        let is_digest = !digest.is_empty() && digest.chars().all(|c| c.is_ascii_hexdigit());
        is_digest.then_some(digest)
    };
    Some(urls::admin_policy_comparison(
        digest("before")?,
        digest("policy")?,
    ))
}

fn row(filter: &FilterForm, audited: AuditEvent, reads_policy: bool) -> Row {
    let AuditEvent {
        id,
        event,
        hash,
        is_whole,
        ..
    } = audited;
    let deployment = event.detail["deployment"].as_i64();
    Row {
        id,
        hash,
        is_whole,
        sentence: words::sentence(&event),
        actor_url: filter.url_with(urls::audit(), "actor", &event.actor),
        action_url: filter.url_with(urls::audit(), "action", &event.action),
        resource_url: filter.url_with(urls::audit(), "resource", &event.resource),
        deployment_url: deployment
            .map(|id| urls::deployment(DeploymentId(id)))
            .unwrap_or_default(),
        tone: match event.outcome {
            Outcome::Allowed => "t-good",
            Outcome::Refused => "t-bad",
            Outcome::Failed => "t-warn",
        },
        detail: words::details(&event),
        comparison_url: comparison(&event).filter(|_| reads_policy).unwrap_or_default(),
        actor: match event.actor.as_str() {
            Author::ENGINE => "the deployer".to_owned(),
            name => name.to_owned(),
        },
        address: match event.address.as_str() {
            Author::ENGINE => String::new(),
            address => format!("from {address}"),
        },
        event,
    }
}
