//! All operations together, for the router and the document.

use poem_openapi::OpenApi;

use super::{
    account, audit, balancers, calendar, clusters, commits, deployments, environments, installation, locks,
    permissions, projects, servers, tokens, users,
};

/// All operations.
pub fn all() -> impl OpenApi + 'static {
    (
        (
            account::AccountApi,
            tokens::TokensApi,
            projects::ProjectsApi,
            projects::settings::ProjectSettingsApi,
            environments::EnvironmentsApi,
            environments::settings::EnvironmentSettingsApi,
            commits::CommitsApi,
            deployments::DeploymentsApi,
            deployments::requests::RequestsApi,
            deployments::acts::ActsApi,
        ),
        (
            locks::LocksApi,
            permissions::PermissionsApi,
            calendar::CalendarApi,
            servers::ServersApi,
            clusters::ClustersApi,
            balancers::BalancersApi,
            users::UsersApi,
            audit::AuditApi,
            installation::InstallationApi,
        ),
    )
}
