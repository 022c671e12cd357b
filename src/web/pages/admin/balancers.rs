//! Balancers: the list, and one with its form and the state of its servers, which can be taken out
//! and put back by hand.
//!
//! With scripts the state is fetched every two seconds, as a block of the same page at the same
//! address; without them, reload the page.

use askama::Template;
use poem::web::{Form, Path};
use poem::{Response, handler};
use serde::Deserialize;

use super::{Part, Tabs, may_change, may_configure, may_read, saved, settle, tabs};
use crate::app::balancers::{self, BalancerSpec, BalancerView, ByHand};
use crate::domain::{Area, Balancer, BalancerId, Error, Result};
use crate::web::flash::Flash;
use crate::web::forms::{FormData, FormReader, VERSION, version};
use crate::web::frame::{Frame, Section, html};
use crate::web::pages::form_page;
use crate::web::trail::{self, Trail};
use crate::web::urls;
use crate::web::visitor::Visitor;

/// The kinds of connection, as the form names them.
const KINDS: &[(&str, &str)] = &[("runtime", "Runtime socket"), ("stats", "Statistics page")];

/// The contract of `templates/admin/balancers.html`.
#[derive(Template)]
#[template(path = "admin/balancers.html")]
struct ListPage {
    frame: Frame,
    tabs: Tabs,
    /// Whether the visitor may also change what is listed.
    may_change: bool,
    rows: Vec<(Balancer, String)>,
}

/// The contract of `templates/admin/balancer.html`.
#[derive(Template)]
#[template(path = "admin/balancer.html", blocks = ["servers"])]
struct BalancerPage {
    frame: Frame,
    trail: Trail,
    exists: bool,
    action: String,
    form: FormData,
    kinds: &'static [(&'static str, &'static str)],
    view: Option<BalancerView>,
}

/// `GET /admin/balancers`
#[handler]
pub async fn list(visitor: Visitor) -> Result<Response> {
    let permit = may_read(&visitor, Area::Servers).await?;
    let all = balancers::list(visitor.app(), &permit).await?.into_iter();
    html(&ListPage {
        frame: visitor.frame("Balancers · Admin", Section::Admin).await?,
        tabs: tabs(&visitor, Part::Balancers),
        may_change: may_change(&visitor, Area::Servers),
        rows: all
            .map(|one| {
                let url = urls::admin_balancer(one.id);
                (one, url)
            })
            .collect(),
    })
}

/// `GET /admin/new/balancer`
#[handler]
pub async fn new(visitor: Visitor) -> Result<Response> {
    may_configure(&visitor).await?;
    let form = FormData::default().with("kind", "runtime");
    html(&page(&visitor, None, form, None).await?)
}

/// `POST /admin/new/balancer`
#[handler]
pub async fn add(visitor: Visitor, Form(mut form): Form<FormData>) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let added = form.submit(spec, |spec| balancers::add(visitor.app(), &permit, spec));
    let Some(balancer) = added.await? else {
        let page = page(&visitor, None, form, None).await?;
        return form_page(&page, &page.form.complaints);
    };
    let done = format!("Balancer “{}” was added.", balancer.name);
    saved(&visitor, done, &urls::admin_balancer(balancer.id)).await
}

/// `GET /admin/balancers/{id}`
#[handler]
pub async fn show(visitor: Visitor, Path(id): Path<BalancerId>) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let view = balancers::look(visitor.app(), &permit, id).await?;
    let form = FormData::default()
        .with("name", &view.balancer.name)
        .with("kind", &view.balancer.kind)
        .with("endpoints", view.balancer.endpoints.join("\n"))
        .with(VERSION, version(&view.balancer));
    let page = page(&visitor, Some(id), form, Some(view)).await?;
    if visitor.wants_fragment() {
        return html(&page.as_servers());
    }
    html(&page)
}

/// `POST /admin/balancers/{id}`
#[handler]
pub async fn edit(
    visitor: Visitor,
    Path(id): Path<BalancerId>,
    Form(mut form): Form<FormData>,
) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let now = version(&balancers::by_id(visitor.app(), &permit, id).await?);
    let changed = form.submit_over(&now, spec, |spec| {
        balancers::edit(visitor.app(), &permit, id, spec)
    });
    let Some(changed) = changed.await? else {
        let page = page(&visitor, Some(id), form, None).await?;
        return form_page(&page, &page.form.complaints);
    };
    for warning in changed.warnings {
        visitor.flash(Flash::warning(warning)).await?;
    }
    let done = format!("Balancer “{}” was saved.", changed.balancer.name);
    saved(&visitor, done, &urls::admin_balancer(id)).await
}

fn spec(form: &mut FormReader) -> Option<BalancerSpec> {
    Some(BalancerSpec {
        name: form.parse("name")?,
        kind: form.form.text("kind").to_owned(),
        endpoints: form.form.lines("endpoints"),
    })
}

/// `POST /admin/balancers/{id}/delete`
#[handler]
pub async fn delete(visitor: Visitor, Path(id): Path<BalancerId>) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let outcome = balancers::delete(visitor.app(), &permit, id).await;
    let outcome = outcome.map(|one| format!("Balancer “{}” was deleted.", one.name));
    settle(
        &visitor,
        outcome,
        urls::admin_balancers(),
        &urls::admin_balancer(id),
    )
    .await
}

/// A server, and the act on it.
#[derive(Deserialize)]
pub struct ServerAct {
    #[serde(default)]
    backend: String,
    #[serde(default)]
    server: String,
    #[serde(default)]
    act: String,
}

/// `POST /admin/balancers/{id}/act`
#[handler]
pub async fn act(
    visitor: Visitor,
    Path(id): Path<BalancerId>,
    Form(form): Form<ServerAct>,
) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let act = ByHand::parse(&form.act)
        .ok_or_else(|| Error::invalid("Choose drain, maint or ready on the balancer's page."))?;
    let slot = (form.backend.as_str(), form.server.as_str());
    let outcome = balancers::act(visitor.app(), &permit, id, slot, act).await;
    let outcome = outcome.map(|kept_by| {
        let done = match (act, kept_by) {
            (ByHand::Drain, _) => "gets no new sessions; present ones may end.".to_owned(),
            (ByHand::Maint, _) => "is out of service.".to_owned(),
            (ByHand::Ready, None) => "is back in service once its checks pass.".to_owned(),
            (ByHand::Ready, Some(why)) => format!("was put back, but is still out. {why}"),
        };
        format!("{}/{} {done}", form.backend, form.server)
    });
    let back = urls::admin_balancer(id);
    settle(&visitor, outcome, &back, &back).await
}

async fn page(
    visitor: &Visitor,
    existing: Option<BalancerId>,
    form: FormData,
    view: Option<BalancerView>,
) -> Result<BalancerPage> {
    let (title, action) = match existing {
        Some(id) => (
            format!("Balancer {}", form.text("name")),
            urls::admin_balancer(id),
        ),
        None => ("Add a balancer".to_owned(), urls::admin_new_balancer().to_owned()),
    };
    Ok(BalancerPage {
        frame: visitor.frame(title, Section::Admin).await?,
        trail: trail::admin("Balancers", urls::admin_balancers()),
        exists: existing.is_some(),
        action,
        form,
        kinds: KINDS,
        view,
    })
}
