//! How a project learns of pushes: its hook, polling, and the last pushes.

use askama::Template;
use poem::web::{Form, Path};
use poem::{Response, handler};

use super::saved;
use crate::access::Permit;
use crate::app::admin::projects;
use crate::app::pushes::{self, PollMinutes, PushSettings};
use crate::domain::{
    DeploymentId, Error, HookSender, Instant, Polling, Project, PushState, ReceivedPush, Result,
};
use crate::web::forms::FormData;
use crate::web::frame::{Frame, Section, html};
use crate::web::pages::form_page;
use crate::web::trail::{self, Trail};
use crate::web::visitor::Visitor;
use crate::web::{hook_address, urls};

/// The contract of `templates/admin/pushes.html`.
#[derive(Template)]
#[template(path = "admin/pushes.html")]
struct PushesPage {
    frame: Frame,
    trail: Trail,
    /// Where its forms are sent.
    action: String,
    form: FormData,
    /// The address of the hook; empty where there is none.
    hook: String,
    hook_since: Option<Instant>,
    /// A secret that was just made, shown this once; else empty.
    secret: String,
    polling: Option<Polling>,
    rows: Vec<PushRow>,
}

struct PushRow {
    at: Instant,
    sender: &'static str,
    /// What the sender calls it.
    delivery: String,
    branches: String,
    tone: &'static str,
    state: &'static str,
    outcome: String,
    deployments: Vec<(DeploymentId, String)>,
}

impl PushRow {
    fn of(push: ReceivedPush) -> Self {
        let named = push.branches.iter().map(|branch| match &branch.commit {
            Some(commit) => format!("{} {}", branch.name, commit.short()),
            None => branch.name.to_string(),
        });
        Self {
            at: push.at,
            sender: match push.sender {
                HookSender::Program => "Program",
                HookSender::Polling => "Polling",
                HookSender::Unknown => "Unknown",
                sender => sender.title(),
            },
            branches: named.collect::<Vec<_>>().join(", "),
            tone: match push.state {
                PushState::Received => "t-info",
                PushState::Handled => "t-quiet",
                PushState::Refused => "t-bad",
            },
            state: push.state.title(),
            deployments: push
                .deployments
                .iter()
                .map(|id| (*id, urls::deployment(*id)))
                .collect(),
            delivery: push.delivery,
            outcome: push.outcome,
        }
    }
}

/// The address of this page.
fn address(project: &str) -> String {
    urls::admin_act(&urls::admin_project(project), "pushes")
}

/// `GET /admin/projects/{project}/pushes`
#[handler]
pub async fn show(visitor: Visitor, Path(name): Path<String>) -> Result<Response> {
    let (project, permit) = projects::open(visitor.app(), visitor.actor(), &name).await?;
    html(&page(&visitor, &permit, &project, FormData::default()).await?)
}

/// `POST /admin/projects/{project}/pushes`
#[handler]
pub async fn change(
    visitor: Visitor,
    Path(name): Path<String>,
    Form(mut form): Form<FormData>,
) -> Result<Response> {
    let (app, url) = (visitor.app(), address(&name));
    let (project, permit) = projects::open(app, visitor.actor(), &name).await?;
    let done = match form.text("act") {
        "make" => return make(&visitor, &permit, &project, form).await,
        "remove" => {
            pushes::remove(app, &permit, project.id).await?;
            Some("The hook was removed. Its address is gone for good.".to_owned())
        }
        "poll" => {
            let polled = form.submit(
                |form| form.parse::<PollMinutes>("minutes"),
                |minutes| pushes::poll_every(app, &permit, project.id, minutes),
            );
            polled.await?.map(|()| "Polling was saved.".to_owned())
        }
        _ => form.accept(Err(Error::invalid("Choose what to do: make, remove or poll.")))?,
    };
    if let Some(done) = done {
        return saved(&visitor, done, &url).await;
    }
    let page = page(&visitor, &permit, &project, form).await?;
    form_page(&page, &page.form.complaints)
}

/// Makes a hook, and shows its secret in answer to the form: never again.
async fn make(visitor: &Visitor, permit: &Permit, project: &Project, mut form: FormData) -> Result<Response> {
    let made = form.submit(
        |form| form.parse_opt("secret"),
        |secret| pushes::make(visitor.app(), permit, project.id, secret),
    );
    let made = made.await?;
    form.forget("secret");
    let page = page(visitor, permit, project, form).await?;
    match made {
        Some(hook) => html(&PushesPage {
            secret: hook.secret,
            ..page
        }),
        None => form_page(&page, &page.form.complaints),
    }
}

async fn page(visitor: &Visitor, permit: &Permit, project: &Project, form: FormData) -> Result<PushesPage> {
    let PushSettings {
        hook,
        polling,
        pushes,
    } = pushes::settings(visitor.app(), permit, project).await?;
    let name = project.name.as_str();
    let mut trail = trail::admin("Projects", urls::admin_projects());
    trail.push((name.to_owned(), urls::admin_project(name)));
    let minutes = polling.as_ref().map_or(0, |polling| polling.minutes);
    let mut form = form;
    form.keep(&["minutes"], &FormData::default().with("minutes", minutes));
    let public = visitor.app().config().public_url();
    Ok(PushesPage {
        frame: visitor.frame(format!("Pushes to {name}"), Section::Admin).await?,
        trail,
        action: address(name),
        hook: hook
            .as_ref()
            .map(|hook| {
                format!(
                    "{}{}",
                    public.trim_end_matches('/'),
                    hook_address::of(&hook.token)
                )
            })
            .unwrap_or_default(),
        hook_since: hook.map(|hook| hook.created_at),
        secret: String::new(),
        polling,
        rows: pushes.into_iter().map(PushRow::of).collect(),
        form,
    })
}
