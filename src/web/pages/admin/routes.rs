//! The addresses of the pages where an installation is configured.

use super::{
    balancers, clusters, environments, host_keys, many, overview, policy, policy_versions, projects, pushes,
    servers, sessions, tokens, user_links, users,
};
use crate::web::table::{Table, get, post};
use crate::web::urls;

/// The routes of these pages.
pub fn routes(routes: Table) -> Table {
    let routes = routes
        .at(urls::admin(), get(overview::show))
        .at(urls::admin_lock(), post(overview::lock))
        .at(urls::admin_policy(), get(policy::show))
        .at(urls::admin_policy_reload(), post(policy_versions::reload))
        .at("/admin/policy/versions/:digest", get(policy_versions::show))
        .at(
            "/admin/policy/versions/:old/to/:new",
            get(policy_versions::compare),
        )
        .at(urls::admin_projects(), get(projects::list))
        .at(urls::admin_new_project(), get(projects::new).post(projects::add))
        .at(
            "/admin/projects/:project",
            get(projects::show).post(projects::edit),
        )
        .at("/admin/projects/:project/delete", post(projects::delete))
        .at(
            "/admin/projects/:project/pushes",
            get(pushes::show).post(pushes::change),
        )
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
        );
    let routes = servers_and_keys(routes)
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
        .at("/admin/clusters/:cluster/delete", post(clusters::delete));
    people(routes)
}

fn people(routes: Table) -> Table {
    routes
        .at(urls::admin_users(), get(users::list))
        .at(urls::admin_new_user(), get(users::new).post(users::add))
        .at("/admin/users/:user", get(users::show).post(users::edit))
        .at("/admin/users/:user/disabled", post(users::set_disabled))
        .at("/admin/users/:user/password", post(users::set_password))
        .at("/admin/users/:user/delete", post(users::delete))
        .at("/admin/users/:user/link", post(user_links::link))
        .at("/admin/users/:user/unlink", post(user_links::unlink))
        .at(
            "/admin/users/:user/second-factor",
            post(users::reset_second_factor),
        )
        .at("/admin/users/:user/sessions", get(sessions::show))
        .at("/admin/users/:user/sessions/end", post(sessions::end))
        .at("/admin/users/:user/tokens", get(tokens::show).post(tokens::add))
        .at("/admin/users/:user/tokens/:id/revoke", post(tokens::revoke))
}

fn servers_and_keys(routes: Table) -> Table {
    routes
        .at(urls::admin_servers(), get(servers::list))
        .at(urls::admin_new_server(), get(servers::new).post(servers::add))
        .at(urls::admin_new_servers(), get(many::new).post(many::add))
        .at(urls::admin_trust(), get(many::keys).post(many::trust))
        .at(urls::admin_trust_scan(), get(many::back).post(many::scan))
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
}
