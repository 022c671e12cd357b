//! The pages where an installation is configured: projects with their environments, servers with
//! their host keys, clusters, users; and the policy files, read only.
//!
//! Each handler asks for a permit, calls one command of [`crate::app::admin`] and answers with a
//! page or a redirect. All forms go one way: [`FormData`](crate::web::forms::FormData) is read into the typed command; when that
//! or the command fails, the form is shown again with status 422, the values kept and the complaints
//! beside their fields. Deleting asks first, and deleting twice says that the thing is gone.

pub mod balancers;
pub mod clusters;
pub mod environments;
pub mod host_keys;
pub mod overview;
pub mod picks;
pub mod policy;
pub mod projects;
pub mod servers;
pub mod users;

use poem::Response;

use crate::access::Permit;
use crate::domain::{Action, ErrorKind, Resource, Result};
use crate::web::flash::Flash;
use crate::web::frame::go_to;
use crate::web::table::{Table, get, post};
use crate::web::urls;
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
    let administers = visitor
        .app()
        .may(visitor.actor(), Action::Administer, &Resource::Everything);
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
        .filter(|(_, _, part)| *part != Part::Users || administers)
        .map(|(label, url, part)| (label, url, part == current))
        .collect()
}

/// The routes of these pages.
pub fn routes(routes: Table) -> Table {
    routes
        .at(urls::admin(), get(overview::show))
        .at(urls::admin_lock(), post(overview::lock))
        .at(urls::admin_policy(), get(policy::show))
        .at(urls::admin_projects(), get(projects::list))
        .at(urls::admin_new_project(), get(projects::new).post(projects::add))
        .at(
            "/admin/projects/:project",
            get(projects::show).post(projects::edit),
        )
        .at("/admin/projects/:project/delete", post(projects::delete))
        .at(
            "/admin/projects/:project/new",
            get(environments::new).post(environments::add),
        )
        .at(
            "/admin/projects/:project/environments/:environment",
            get(environments::show).post(environments::edit),
        )
        .at(
            "/admin/projects/:project/environments/:environment/move",
            post(environments::shift),
        )
        .at(
            "/admin/projects/:project/environments/:environment/delete",
            post(environments::delete),
        )
        .at(urls::admin_servers(), get(servers::list))
        .at(urls::admin_new_server(), get(servers::new).post(servers::add))
        .at("/admin/servers/:id", get(servers::show).post(servers::edit))
        .at("/admin/servers/:id/active", post(servers::set_active))
        .at("/admin/servers/:id/test", get(servers::back).post(servers::test))
        .at("/admin/servers/:id/delete", post(servers::delete))
        .at(
            "/admin/servers/:id/key",
            get(servers::back).post(host_keys::fetch),
        )
        .at("/admin/servers/:id/trust", post(host_keys::trust))
        .at("/admin/servers/:id/forget", post(host_keys::forget))
        .at(urls::admin_balancers(), get(balancers::list))
        .at(
            urls::admin_new_balancer(),
            get(balancers::new).post(balancers::add),
        )
        .at("/admin/balancers/:id", get(balancers::show).post(balancers::edit))
        .at("/admin/balancers/:id/act", post(balancers::act))
        .at("/admin/balancers/:id/delete", post(balancers::delete))
        .at(urls::admin_clusters(), get(clusters::list))
        .at(urls::admin_new_cluster(), get(clusters::new).post(clusters::add))
        .at(
            "/admin/clusters/:cluster",
            get(clusters::show).post(clusters::edit),
        )
        .at("/admin/clusters/:cluster/delete", post(clusters::delete))
        .at(urls::admin_users(), get(users::list))
        .at(urls::admin_new_user(), get(users::new).post(users::add))
        .at("/admin/users/:user", get(users::show).post(users::edit))
        .at("/admin/users/:user/disabled", post(users::set_disabled))
        .at("/admin/users/:user/password", post(users::set_password))
        .at("/admin/users/:user/delete", post(users::delete))
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

/// After a form was saved: says so and goes on to `url`.
async fn saved(visitor: &Visitor, said: String, url: &str) -> Result<Response> {
    visitor.flash(Flash::done(said)).await?;
    Ok(go_to(url))
}

/// After a command without a form: says what was done and goes to `done_at`, or says why not and
/// goes `back`.
async fn settle(visitor: &Visitor, outcome: Result<String>, done_at: &str, back: &str) -> Result<Response> {
    let (flash, to) = match outcome {
        Ok(said) => (Flash::done(said), done_at),
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
