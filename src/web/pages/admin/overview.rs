//! The start page of the configuration: how much there is, and what needs attention.

use askama::Template;
use poem::web::Form;
use poem::{Response, handler};

use super::{Part, Tabs, may_change, may_configure, tabs, without_keys};
use crate::app::admin::first_steps::first_steps;
use crate::app::admin::overview::{self, Attention, PlaceTrouble};
use crate::domain::{Action, Area, Resource, Result};
use crate::web::forms::FormData;
use crate::web::frame::{Frame, Section, go_to, html};
use crate::web::look::Tone;
use crate::web::pages::form_page;
use crate::web::pages::locks::{self, LockForm, LockLine};
use crate::web::views::first_steps::{FirstStepView, checklist};
use crate::web::visitor::Visitor;
use crate::web::{format, urls};

/// The contract of `templates/admin/index.html`.
#[derive(Template)]
#[template(path = "admin/index.html")]
struct Page {
    frame: Frame,
    tabs: Tabs,
    cards: Vec<Card>,
    attention: Vec<Notice>,
    /// Every lock in force.
    locks: Vec<LockLine>,
    lock_form: LockForm,
    /// What leads to the first deployment; empty after it.
    first_steps: Vec<FirstStepView>,
    /// Whether the visitor may lock everything.
    may_lock: bool,
}

struct Card {
    icon: &'static str,
    title: &'static str,
    url: &'static str,
    figure: String,
    sub: String,
    add: Option<(&'static str, &'static str)>,
}

struct Notice {
    tone: Tone,
    text: String,
    url: String,
    way_out: &'static str,
}

/// `GET /admin`
#[handler]
pub async fn show(visitor: Visitor) -> Result<Response> {
    html(&page(&visitor, FormData::default()).await?)
}

/// `POST /admin/lock`: stops everything.
#[handler]
pub async fn lock(visitor: Visitor, Form(mut form): Form<FormData>) -> Result<Response> {
    let done = "Everything is locked: no deployment begins until the lock is lifted or ends.";
    if locks::lock(&visitor, Resource::Everything, &mut form, done).await? {
        return Ok(go_to(urls::admin()));
    }
    let page = page(&visitor, form).await?;
    form_page(&page, &page.lock_form.form.complaints)
}

async fn page(visitor: &Visitor, form: FormData) -> Result<Page> {
    let permit = may_configure(visitor).await?;
    let seen = overview::look(visitor.app(), &permit).await?;
    let tabs = tabs(visitor, Part::Overview);
    let sees_users = tabs.iter().any(|(_, url, _)| *url == urls::admin_users());
    let mut cards = vec![
        Card {
            icon: "git-branch",
            title: "Projects",
            url: urls::admin_projects(),
            figure: seen.projects.to_string(),
            sub: format::count(seen.environments, "environment"),
            add: Some(("Add a project", urls::admin_new_project())),
        },
        Card {
            icon: "server",
            title: "Servers",
            url: urls::admin_servers(),
            figure: seen.servers.to_string(),
            sub: format!("{} active", seen.active_servers),
            add: Some(("Add a server", urls::admin_new_server())),
        },
        Card {
            icon: "stack-2",
            title: "Clusters",
            url: urls::admin_clusters(),
            figure: seen.clusters.to_string(),
            sub: "sets of servers".to_owned(),
            add: Some(("Add a cluster", urls::admin_new_cluster())),
        },
    ];
    if sees_users {
        cards.push(Card {
            icon: "users",
            title: "Users",
            url: urls::admin_users(),
            figure: seen.users.to_string(),
            sub: format!("{} disabled", seen.disabled_users),
            add: may_change(visitor, Area::Users).then_some(("Add a user", urls::admin_new_user())),
        });
    }
    Ok(Page {
        frame: visitor.frame("Admin", Section::Admin).await?,
        tabs,
        cards,
        first_steps: first_steps(visitor.app(), visitor.actor())
            .await?
            .map(checklist)
            .unwrap_or_default(),
        attention: seen.attention.into_iter().map(notice).collect(),
        locks: locks::lines(visitor, |_| true).await?,
        lock_form: LockForm {
            form,
            ..LockForm::new("everything", urls::admin_lock().to_owned())
        },
        may_lock: visitor
            .app()
            .may(visitor.actor(), Action::Administer, &Resource::Everything),
    })
}

fn notice(attention: Attention) -> Notice {
    let new = |tone, text, url, way_out| Notice {
        tone,
        text,
        url,
        way_out,
    };
    match attention {
        Attention::Policy { problem, is_error } => {
            let tone = if is_error { Tone::Bad } else { Tone::Warn };
            new(tone, problem, urls::admin_policy().to_owned(), "See the policy")
        }
        // The sentence names what to install or to set; no page can do it.
        Attention::Scripts { sentence } => new(Tone::Warn, sentence, String::new(), ""),
        Attention::NoHostKeys { servers } => {
            let names: Vec<&str> = servers.iter().map(|(_, name)| name.as_str()).collect();
            let (url, them) = match servers.as_slice() {
                [(id, _)] => (format!("{}#host-key", urls::admin_server(*id)), "it"),
                _ => (urls::admin_trust().to_owned(), "them"),
            };
            let why = format!("{}: nothing connects to {them}.", without_keys(&names));
            new(Tone::Bad, why, url, "Fetch and compare")
        }
        Attention::NoServers {
            project,
            environment,
            has_clusters,
        } => {
            let why = if has_clusters {
                "no active server in its clusters"
            } else {
                "no cluster"
            };
            let text = format!("{project}/{environment} has {why}: nothing can be deployed there.");
            new(
                Tone::Warn,
                text,
                urls::admin_environment(&project, &environment),
                "Choose clusters",
            )
        }
        Attention::NoEnvironments { project } => {
            let text = format!("Project “{project}” has no environment yet.");
            new(Tone::Warn, text, urls::admin_new_environment(&project), "Add one")
        }
        Attention::Twice(twice) => {
            let url = urls::admin_environment(&twice.project, &twice.environment);
            new(Tone::Warn, twice.sentence(), url, "Change the environment")
        }
        Attention::InPlace(trouble) => notice_of(trouble),
        Attention::NoMembers { cluster } => {
            let text = format!("Cluster “{cluster}” has no server.");
            new(Tone::Warn, text, urls::admin_cluster(&cluster), "Choose servers")
        }
    }
}

/// What is wrong where something is deployed.
fn notice_of(trouble: PlaceTrouble) -> Notice {
    match trouble {
        PlaceTrouble::Failed {
            project,
            environment,
            deployment,
        } => Notice {
            tone: Tone::Bad,
            text: format!("The last deployment to {project}/{environment} failed."),
            url: urls::deployment(deployment),
            way_out: "Open the deployment",
        },
        PlaceTrouble::LeftOut { server, deployment } => Notice {
            tone: Tone::Bad,
            text: format!("Server “{server}” is out of service: deployment {deployment} left it out."),
            url: urls::deployment(deployment),
            way_out: "Open the deployment",
        },
        PlaceTrouble::Astray {
            project,
            environment,
            server,
            why,
        } => Notice {
            tone: Tone::Warn,
            text: format!("Server “{server}” in {project}/{environment}: {why}"),
            url: urls::environment(&project, &environment),
            way_out: "Open the environment",
        },
    }
}
