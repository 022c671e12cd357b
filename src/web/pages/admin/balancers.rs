//! Balancers: the list, one to change, and its servers as it says they are, to be taken out and put
//! back by hand.
//!
//! What a balancer says is asked for anew every two seconds where scripts run; without them the page
//! is loaded again. The answer is the same page's block, asked for at its own address.

use askama::Template;
use poem::web::{Form, Path};
use poem::{Response, handler};
use serde::Deserialize;

use super::{Part, Tabs, may_configure, refused, settle, tabs};
use crate::app::balancers::{self, BalancerForm, BalancerView, ByHand};
use crate::domain::{Balancer, BalancerId, Error, ErrorKind, Result};
use crate::web::flash::Flash;
use crate::web::forms::Complaints;
use crate::web::frame::{Frame, Section, go_to, html};
use crate::web::urls;
use crate::web::visitor::Visitor;

/// The kinds, with what a person reads.
const KINDS: &[(&str, &str)] = &[
    ("runtime", "Its runtime socket"),
    ("stats", "Its statistics page"),
];

/// The contract of `templates/admin/balancers.html`.
#[derive(Template)]
#[template(path = "admin/balancers.html")]
struct ListPage {
    frame: Frame,
    tabs: Tabs,
    rows: Vec<(Balancer, String)>,
}

/// The contract of `templates/admin/balancer.html`.
#[derive(Template)]
#[template(path = "admin/balancer.html", blocks = ["servers"])]
struct BalancerPage {
    frame: Frame,
    trail: Vec<(&'static str, String)>,
    title: String,
    exists: bool,
    action: String,
    servers_url: String,
    act_url: String,
    delete: String,
    form: BalancerForm,
    complaints: Complaints,
    kinds: &'static [(&'static str, &'static str)],
    view: Option<BalancerView>,
}

/// `GET /admin/balancers`
#[handler]
pub async fn list(visitor: Visitor) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let all = balancers::list(visitor.app(), &permit).await?.into_iter();
    html(&ListPage {
        frame: visitor.frame("Balancers · Admin", Section::Admin).await?,
        tabs: tabs(&visitor, Part::Balancers),
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
    let form = BalancerForm {
        kind: "runtime".to_owned(),
        ..BalancerForm::default()
    };
    html(&page(&visitor, None, form, Complaints::default(), None).await?)
}

/// `POST /admin/new/balancer`
#[handler]
pub async fn add(visitor: Visitor, Form(sent): Form<Sent>) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let form = BalancerForm::from(sent);
    match balancers::add(visitor.app(), &permit, &form).await {
        Ok(balancer) => saved(&visitor, &balancer, "added").await,
        Err(error) => shown_again(&visitor, None, form, error).await,
    }
}

/// `GET /admin/balancers/{id}`
#[handler]
pub async fn show(visitor: Visitor, Path(id): Path<BalancerId>) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let view = balancers::look(visitor.app(), &permit, id).await?;
    let form = BalancerForm::of(&view.balancer);
    let page = page(&visitor, Some(id), form, Complaints::default(), Some(view)).await?;
    if visitor.wants_fragment() {
        return html(&page.as_servers());
    }
    html(&page)
}

/// `POST /admin/balancers/{id}`
#[handler]
pub async fn edit(visitor: Visitor, Path(id): Path<BalancerId>, Form(sent): Form<Sent>) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let form = BalancerForm::from(sent);
    match balancers::edit(visitor.app(), &permit, id, &form).await {
        Ok(balancer) => saved(&visitor, &balancer, "saved").await,
        Err(error) => shown_again(&visitor, Some(id), form, error).await,
    }
}

/// `POST /admin/balancers/{id}/delete`
#[handler]
pub async fn delete(visitor: Visitor, Path(id): Path<BalancerId>) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let outcome = balancers::delete(visitor.app(), &permit, id).await;
    let outcome = outcome.map(|one| format!("Balancer “{}” is deleted.", one.name));
    settle(
        &visitor,
        outcome,
        urls::admin_balancers(),
        &urls::admin_balancer(id),
    )
    .await
}

/// A server, and what is to be done to it.
#[derive(Deserialize)]
pub struct Wanted {
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
    Form(wanted): Form<Wanted>,
) -> Result<Response> {
    let permit = may_configure(&visitor).await?;
    let act = ByHand::parse(&wanted.act)
        .ok_or_else(|| Error::invalid("Choose drain, maint or ready on the balancer's page."))?;
    let slot = (wanted.backend.as_str(), wanted.server.as_str());
    let outcome = balancers::act(visitor.app(), &permit, id, slot, act).await;
    let outcome = outcome.map(|()| {
        let done = match act {
            ByHand::Drain => "gets no new sessions; those it has may end",
            ByHand::Maint => "is out of service",
            ByHand::Ready => "is back, as soon as its checks pass",
        };
        format!("{}/{} {done}.", wanted.backend, wanted.server)
    });
    let back = urls::admin_balancer(id);
    settle(&visitor, outcome, &back, &back).await
}

/// What the form of a balancer sends.
#[derive(Deserialize)]
pub struct Sent {
    #[serde(default)]
    name: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    endpoints: String,
}

impl From<Sent> for BalancerForm {
    fn from(sent: Sent) -> Self {
        Self {
            name: sent.name,
            kind: sent.kind,
            endpoints: sent.endpoints,
        }
    }
}

async fn saved(visitor: &Visitor, balancer: &Balancer, what: &str) -> Result<Response> {
    let said = format!("Balancer “{}” is {what}.", balancer.name);
    visitor.flash(Flash::done(said)).await?;
    Ok(go_to(&urls::admin_balancer(balancer.id)))
}

async fn shown_again(
    visitor: &Visitor,
    existing: Option<BalancerId>,
    form: BalancerForm,
    error: Error,
) -> Result<Response> {
    if error.kind() != ErrorKind::Invalid {
        return Err(error);
    }
    refused(&page(visitor, existing, form, Complaints::of_error(&error), None).await?)
}

async fn page(
    visitor: &Visitor,
    existing: Option<BalancerId>,
    form: BalancerForm,
    complaints: Complaints,
    view: Option<BalancerView>,
) -> Result<BalancerPage> {
    let (title, action) = match existing {
        Some(id) => (format!("Balancer {}", form.name), urls::admin_balancer(id)),
        None => ("Add a balancer".to_owned(), urls::admin_new_balancer().to_owned()),
    };
    Ok(BalancerPage {
        frame: visitor.frame(title.clone(), Section::Admin).await?,
        trail: vec![
            ("Admin", urls::admin().to_owned()),
            ("Balancers", urls::admin_balancers().to_owned()),
        ],
        title,
        exists: existing.is_some(),
        servers_url: action.clone(),
        act_url: urls::admin_act(&action, "act"),
        delete: urls::admin_act(&action, "delete"),
        action,
        form,
        complaints,
        kinds: KINDS,
        view,
    })
}
