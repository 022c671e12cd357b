//! The pages where an installation is configured: projects with their environments, servers with
//! their host keys, clusters, users; and the policy files, read only.
//!
//! Each handler asks for a permit, calls one command of [`crate::app::admin`] and answers with a
//! page or a redirect. All forms go one way: [`FormData`](crate::web::forms::FormData) is read into
//! the typed command; when that or the command fails, the form is shown again with status 422, the
//! values kept and the complaints beside their fields. Deleting asks first, and deleting twice says
//! that the thing is gone.

pub mod balancers;
pub mod clusters;
pub mod environments;
pub mod host_keys;
pub mod many;
pub mod overview;
pub mod picks;
pub mod policy;
pub mod policy_versions;
pub mod projects;
pub mod pushes;
pub mod routes;
pub mod servers;
pub mod sessions;
pub mod tokens;
pub mod user_links;
pub mod users;

use poem::Response;

use crate::access::Permit;
use crate::app::admin::first_steps::first_steps;
use crate::domain::{Action, Area, Environment, ErrorKind, Project, Resource, Result, Server};
use crate::web::flash::Flash;
use crate::web::format::count;
use crate::web::frame::go_to;
use crate::web::urls;
use crate::web::views::first_steps::next as next_step;
use crate::web::visitor::Visitor;

/// The part of the configuration a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Overview,
    Projects,
    Servers,
    Clusters,
    Balancers,
    Users,
    Policy,
}

/// Label, address, whether it is the present one.
type Tabs = Vec<(&'static str, &'static str, bool)>;

/// All parts this visitor may go to.
fn tabs(visitor: &Visitor, current: Part) -> Tabs {
    let all = [
        ("Overview", urls::admin(), Part::Overview),
        ("Projects", urls::admin_projects(), Part::Projects),
        ("Servers", urls::admin_servers(), Part::Servers),
        ("Clusters", urls::admin_clusters(), Part::Clusters),
        ("Balancers", urls::admin_balancers(), Part::Balancers),
        ("Users", urls::admin_users(), Part::Users),
        ("Policy", urls::admin_policy(), Part::Policy),
    ];
    all.into_iter()
        .filter(|(_, _, part)| may_open(visitor, *part))
        .map(|(label, url, part)| (label, url, part == current))
        .collect()
}

fn may_open(visitor: &Visitor, part: Part) -> bool {
    let (app, actor) = (visitor.app(), visitor.actor());
    match part {
        Part::Overview | Part::Projects => app.may(actor, Action::Configure, &Resource::Everything),
        Part::Servers | Part::Clusters | Part::Balancers => app.may_read(actor, Area::Servers),
        Part::Users => app.may_read(actor, Area::Users),
        Part::Policy => app.may_read(actor, Area::Policy),
    }
}

/// The permit to read the pages of `area`.
async fn may_read(visitor: &Visitor, area: Area) -> Result<Permit> {
    visitor.app().permit_reading(visitor.actor(), area).await
}

/// Whether the visitor may also change what the pages of `area` show.
fn may_change(visitor: &Visitor, area: Area) -> bool {
    let action = area.right_to_all();
    visitor.app().may(visitor.actor(), action, &Resource::Everything)
}

/// The permit to change servers and clusters, and to add projects.
async fn may_configure(visitor: &Visitor) -> Result<Permit> {
    let app = visitor.app();
    app.permit(visitor.actor(), Action::Configure, &Resource::Everything)
        .await
}

/// The permit to change users.
async fn may_administer(visitor: &Visitor) -> Result<Permit> {
    let app = visitor.app();
    app.permit(visitor.actor(), Action::Administer, &Resource::Everything)
        .await
}

/// That these servers have no trusted host key, in words without a full stop.
fn without_keys(names: &[&str]) -> String {
    match names {
        [only] => format!("Server “{only}” has no trusted host key"),
        _ => format!("{} have no trusted host key", count(names.len(), "server")),
    }
}

/// The name and the address of an environment, for a list of links.
fn place_link(project: &Project, environment: &Environment) -> (String, String) {
    let (project, environment) = (project.name.as_str(), environment.name.as_str());
    (
        format!("{project}/{environment}"),
        urls::admin_environment(project, environment),
    )
}

/// After a form was saved: leaves the message `done` and what comes next, and goes to `url`.
async fn saved(visitor: &Visitor, done: String, url: &str) -> Result<Response> {
    visitor.flash(Flash::done(done)).await?;
    tell_next(visitor).await?;
    Ok(go_to(url))
}

/// Leaves a message for each server that was added because a jump host named it: nothing gets through before
/// its host key is trusted.
async fn tell_of_jump_hosts(visitor: &Visitor, added: &[Server]) -> Result<()> {
    for server in added {
        let told = format!(
            "Jump host “{}” was added as a server. Nothing is reached through it before its host key is trusted:",
            server.name
        );
        let url = format!("{}#host-key", urls::admin_server(server.id));
        visitor
            .flash(Flash::next(told, "Trust its host key", url))
            .await?;
    }
    Ok(())
}

/// Before the first successful deployment: leaves a message with the next of the first steps.
async fn tell_next(visitor: &Visitor) -> Result<()> {
    let steps = first_steps(visitor.app(), visitor.actor()).await?;
    if let Some(step) = steps.and_then(next_step) {
        let flash = Flash::next("Next:", step.title, step.url);
        visitor.flash(flash).await?;
    }
    Ok(())
}

/// As [`settle`], for what belongs to `project`. Nobody without the right to change the project learns by the
/// answer whether it exists.
async fn settle_in(
    visitor: &Visitor,
    project: &str,
    outcome: Result<String>,
    done_at: &str,
    back: &str,
) -> Result<Response> {
    let own = Resource::Project(project.to_owned());
    match outcome {
        Err(error) if !visitor.app().may(visitor.actor(), Action::Configure, &own) => Err(error),
        outcome => settle(visitor, outcome, done_at, back).await,
    }
}

/// After a command without a form: leaves its message and goes to `done_at`, or says why nothing
/// was done and goes `back`.
async fn settle(visitor: &Visitor, outcome: Result<String>, done_at: &str, back: &str) -> Result<Response> {
    let (flash, to) = match outcome {
        Ok(done) => return saved(visitor, done, done_at).await,
        Err(error) => match error.kind() {
            ErrorKind::NotFound => (
                Flash::warning(format!("{} Nothing was done.", error.message())),
                done_at,
            ),
            ErrorKind::Conflict | ErrorKind::Invalid | ErrorKind::Unavailable => {
                (Flash::failed(error.message()), back)
            }
            _ => return Err(error),
        },
    };
    visitor.flash(flash).await?;
    Ok(go_to(to))
}
