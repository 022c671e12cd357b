//! Many servers at once: added from a list of lines, and their host keys fetched, compared and
//! trusted together.

use askama::Template;
use poem::web::Form;
use poem::{Response, handler};

use super::{Part, Tabs, may_configure, saved, tabs};
use crate::access::Permit;
use crate::app::admin::host_keys::{self, SCANNED_AT_ONCE, Scanned};
use crate::app::admin::many_servers::{self, PastedServer};
use crate::domain::{Error, ErrorKind, Result, ServerId};
use crate::web::flash::Flash;
use crate::web::format::count;
use crate::web::forms::{Complaints, FormData};
use crate::web::frame::{Frame, Section, go_to, html};
use crate::web::pages::form_page;
use crate::web::trail::{self, Trail};
use crate::web::urls;
use crate::web::visitor::Visitor;

/// The contract of `templates/admin/many_servers.html`.
#[derive(Template)]
#[template(path = "admin/many_servers.html")]
struct ListPage {
    frame: Frame,
    trail: Trail,
    form: FormData,
    /// What was read of it.
    lines: Vec<PastedServer>,
    /// How many of them can be added, and how many have to be corrected.
    good: usize,
    bad: usize,
}

/// The contract of `templates/admin/many_keys.html`.
#[derive(Template)]
#[template(path = "admin/many_keys.html")]
struct KeysPage {
    frame: Frame,
    tabs: Tabs,
    /// How many servers have no trusted key.
    waiting: usize,
    /// What servers showed; empty until they were asked.
    scanned: Vec<Scanned>,
    /// How many keys can be trusted now.
    shown: usize,
    /// Keys that were not trusted, each with its server's name and why.
    refused: Vec<(String, String)>,
}

/// `GET /admin/new/servers`
#[handler]
pub async fn new(visitor: Visitor) -> Result<Response> {
    may_configure(&visitor).await?;
    html(&list_page(&visitor, FormData::default(), Vec::new()).await?)
}

/// `POST /admin/new/servers`: shows what would be added, or adds it.
#[handler]
pub async fn add(visitor: Visitor, Form(mut form): Form<FormData>) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let text = form.text("lines").to_owned();
    let lines = match many_servers::read(visitor.app(), &permit, &text).await {
        Ok(lines) => lines,
        Err(error) => return wrong(&visitor, form, Vec::new(), &error).await,
    };
    if form.text("act") != "add" {
        let page = list_page(&visitor, form, lines).await?;
        return html(&page);
    }
    match many_servers::add(visitor.app(), &permit, &text).await {
        Ok(servers) => {
            form.forget("lines");
            let done = format!(
                "{} added. Fetch and compare the host keys now: nothing connects before.",
                count(servers.len(), "server")
            );
            visitor.flash(Flash::done(done)).await?;
            Ok(go_to(urls::admin_trust()))
        }
        Err(error) => wrong(&visitor, form, lines, &error).await,
    }
}

/// The list again, with what is wrong with it.
async fn wrong(
    visitor: &Visitor,
    mut form: FormData,
    lines: Vec<PastedServer>,
    error: &Error,
) -> Result<Response> {
    form.complaints = Complaints::of_error(error);
    let page = list_page(visitor, form, lines).await?;
    form_page(&page, &page.form.complaints)
}

async fn list_page(visitor: &Visitor, form: FormData, lines: Vec<PastedServer>) -> Result<ListPage> {
    let good = lines.iter().filter(|line| line.outcome.is_ok()).count();
    Ok(ListPage {
        bad: lines.len() - good,
        good,
        frame: visitor.frame("Add servers", Section::Admin).await?,
        trail: trail::admin("Servers", urls::admin_servers()),
        form,
        lines,
    })
}

/// `GET /admin/trust`: the servers without a trusted host key.
#[handler]
pub async fn keys(visitor: Visitor) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    html(&keys_page(&visitor, &permit, Vec::new(), Vec::new()).await?)
}

/// `GET /admin/trust/scan`: the answer to that form, reloaded without it.
#[handler]
pub fn back() -> Response {
    go_to(urls::admin_trust())
}

/// `POST /admin/trust/scan`: asks them for their keys and shows those. Nothing is trusted.
#[handler]
pub async fn scan(visitor: Visitor) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let scanned = host_keys::scan(visitor.app(), &permit).await?;
    html(&keys_page(&visitor, &permit, scanned, Vec::new()).await?)
}

/// `POST /admin/trust`: trusts the keys that were shown and are ticked, each if its server still shows
/// it.
#[handler]
pub async fn trust(visitor: Visitor, Form(form): Form<FormData>) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let chosen: Vec<(ServerId, String)> = form.all("key").filter_map(chosen).collect();
    if chosen.is_empty() {
        visitor
            .flash(Flash::warning("No key was ticked. Nothing was done."))
            .await?;
        return Ok(go_to(urls::admin_trust()));
    }
    let mut refused = Vec::new();
    let mut trusted = 0_usize;
    for (name, outcome) in host_keys::trust_all(visitor.app(), &permit, chosen).await? {
        match outcome {
            Ok(()) => trusted += 1,
            Err(error) if error.kind() == ErrorKind::Internal => return Err(error),
            Err(error) => refused.push((name, error.message().to_owned())),
        }
    }
    let done = format!("{} trusted now.", count(trusted, "host key"));
    if refused.is_empty() {
        return saved(&visitor, done, urls::admin_trust()).await;
    }
    if trusted > 0 {
        visitor.flash(Flash::done(done)).await?;
    }
    let page = keys_page(&visitor, &permit, Vec::new(), refused).await?;
    let mut response = html(&page)?;
    response.set_status(poem::http::StatusCode::CONFLICT);
    Ok(response)
}

/// `SERVER KEY`, as the page's boxes have it.
fn chosen(value: &str) -> Option<(ServerId, String)> {
    let (id, key) = value.split_once(' ')?;
    Some((id.parse().ok()?, key.to_owned()))
}

async fn keys_page(
    visitor: &Visitor,
    permit: &Permit,
    scanned: Vec<Scanned>,
    refused: Vec<(String, String)>,
) -> Result<KeysPage> {
    Ok(KeysPage {
        waiting: host_keys::waiting(visitor.app(), permit).await?.len(),
        frame: visitor.frame("Host keys", Section::Admin).await?,
        tabs: tabs(visitor, Part::Servers),
        shown: scanned.iter().filter(|one| one.outcome.is_ok()).count(),
        scanned,
        refused,
    })
}
