//! Every address, and what answers there.

use std::sync::Arc;
use std::time::Duration;

use poem::listener::TcpAcceptor;
use poem::{Endpoint, EndpointExt, Response, Server};

use super::api_address::ROOT;
use super::connections::Guarded;
use super::gate::Gated;
use super::hooks;
use super::live::Live;
use super::pages::{
    self, activity, deployment, diff, environment, health, history, login, login_with, overview, preferences,
    profile, project, search, second_factor, sessions, tokens,
};
use super::site::Site;
use super::table::{RouteEntry, Table, get, post};
use super::{api, assets, urls};

/// How long open streams may last once the server shuts down; browsers reconnect by themselves.
const GRACE: Duration = Duration::from_secs(3);

fn table() -> Table {
    let routes = own_account(Table::default())
        .at("/static/*path", get(assets::serve))
        .at(urls::login(), get(login::show).post(login::log_in))
        .at(urls::login_code(), get(login::show_code).post(login::enter_code))
        .at("/login/with/:provider", get(login_with::begin))
        .at("/login/with/:provider/back", get(login_with::back))
        .at("/login/with/:provider/leave", get(login_with::leave))
        .at(urls::logout(), post(login::log_out))
        .at(urls::theme(), post(preferences::theme))
        .at(urls::health(), get(health::show))
        .at("/hooks/:token", post(hooks::receive))
        .at("/api", get(pages::api::show))
        .at("/api/problems/:kind", get(pages::api::problem))
        .at(urls::activity(), get(activity::show))
        .at(urls::live(), get(activity::events))
        .at(urls::history(), get(history::show))
        .at(urls::history_csv(), get(history::csv));
    let routes = deployment_routes(routes)
        .at(urls::overview(), get(overview::index))
        .at(urls::search(), get(search::show))
        .at(urls::policy_may(), get(pages::policy::may::show))
        .at(urls::policy_who(), get(pages::policy::who::show))
        .at(urls::calendar(), get(pages::calendar::show))
        .at(urls::calendar_feed(), get(pages::calendar::feed))
        .at("/projects/:project", get(project::show).post(project::fetch))
        .at("/projects/:project/diff", get(diff::show))
        .at(
            "/projects/:project/:environment",
            get(environment::show).post(environment::deploy),
        )
        .at(
            "/projects/:project/:environment/lock",
            post(environment::lock_here),
        )
        .at("/locks/projects/:project", post(project::lock_all))
        .at("/locks/:id/lift", post(pages::locks::lift))
        .at("/projects/:project/:environment/now", get(environment::show_now))
        .at(
            "/projects/:project/:environment/plan",
            get(environment::show_plan),
        )
        .at(
            "/projects/:project/:environment/servers/:server",
            get(environment::live_release).post(environment::read_files),
        );
    audit_routes(pages::admin::routes::routes(routes)).nest(ROOT, api::endpoint())
}

fn deployment_routes(routes: Table) -> Table {
    routes
        .at("/deployments/:id", get(deployment::show))
        .at("/deployments/:id/acts", get(deployment::show_acts))
        .at("/deployments/:id/state", get(deployment::show_state))
        .at("/deployments/:id/events", get(deployment::events))
        .at("/deployments/:id/log", get(deployment::download))
        .at("/deployments/:id/cancel", post(deployment::acts::cancel))
        .at("/deployments/:id/pause", post(deployment::acts::pause))
        .at("/deployments/:id/unpause", post(deployment::acts::unpause))
        .at("/deployments/:id/answer", post(deployment::acts::answer))
        .at("/deployments/:id/approve", post(deployment::acts::approve))
        .at("/deployments/:id/reject", post(deployment::acts::reject))
        .at("/deployments/:id/retry", post(deployment::acts::retry))
        .at("/deployments/:id/resume", post(deployment::acts::resume))
        .at("/deployments/:id/promote", post(deployment::acts::promote))
        .at("/deployments/:id/again", post(deployment::acts::again))
        .at("/deployments/:id/rollback", post(deployment::acts::roll_back))
}

fn audit_routes(routes: Table) -> Table {
    routes
        .at(urls::audit(), get(pages::audit::show))
        .at(urls::audit_csv(), get(pages::audit::export::as_csv))
        .at(urls::audit_jsonl(), get(pages::audit::export::as_jsonl))
        .at(urls::audit_report(), get(pages::audit::report::show))
        .at(urls::audit_report_csv(), get(pages::audit::report::table::as_csv))
        .at(
            urls::audit_verify(),
            get(pages::audit::proof::show).post(pages::audit::proof::verify),
        )
}

/// The pages about a person's own account.
fn own_account(routes: Table) -> Table {
    routes
        .at(urls::profile(), get(profile::show).post(profile::change_password))
        .at(
            urls::second_factor(),
            get(second_factor::show).post(second_factor::begin),
        )
        .at(
            urls::second_factor_act(),
            get(second_factor::act_again).post(second_factor::act),
        )
        .at(urls::sessions(), get(sessions::show))
        .at(urls::end_sessions(), post(sessions::end))
        .at(urls::tokens(), get(tokens::show).post(tokens::add))
        .at("/profile/tokens/:id/revoke", post(tokens::revoke))
}

/// Method and pattern of every route, for those who check that none is forgotten.
pub fn entries() -> Vec<RouteEntry> {
    table().into_entries()
}

/// All routes, behind the gate.
pub fn routes(site: Arc<Site>) -> impl Endpoint<Output = Response> {
    let live = Arc::new(Live::new(site.app.clone()));
    Gated::new(site, table().into_endpoint().data(live))
}

/// Serves the pages on `listener` until `shutdown` comes true.
///
/// # Errors
/// When the listener cannot be used.
pub async fn serve(
    site: Arc<Site>,
    listener: tokio::net::TcpListener,
    shutdown: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let acceptor = Guarded::new(TcpAcceptor::from_tokio(listener)?, site.settings.connections);
    Server::new_with_acceptor(acceptor)
        .run_with_graceful_shutdown(routes(site), shutdown, Some(GRACE))
        .await
}
