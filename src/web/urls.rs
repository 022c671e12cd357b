//! The address of every page. Templates and redirects use these, so that a page can move by
//! changing one line, and so that a name with odd characters is encoded in one place.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::domain::log::HERE;
use crate::domain::{BalancerId, DeploymentId, LockId, PolicyLine, ServerId};

/// What a path segment or a query value may hold as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// `text` as one path segment or query value.
pub fn encode(text: &str) -> String {
    // A segment of only dots would be resolved away by browsers.
    if !text.is_empty() && text.bytes().all(|byte| byte == b'.') {
        return text.replace('.', "%2E");
    }
    utf8_percent_encode(text, PLAIN).to_string()
}

/// `path` with the pairs whose value is not empty as its query.
pub fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    let query: Vec<String> = pairs
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    if query.is_empty() {
        return path.to_owned();
    }
    format!("{path}?{}", query.join("&"))
}

/// Where a login at the OpenID provider `name` begins; it leads on to `next`.
pub fn login_with(name: &str, next: &str) -> String {
    with_query(&format!("/login/with/{}", encode(name)), &[("next", next)])
}

/// Ends the session at the OpenID provider `name`.
pub fn leave_with(name: &str) -> String {
    format!("/login/with/{}/leave", encode(name))
}

macro_rules! fixed {
    ($($(#[$doc:meta])* $name:ident = $path:literal;)*) => {$(
        $(#[$doc])*
        pub fn $name() -> &'static str {
            $path
        }
    )*};
}

fixed! {
    /// What runs where.
    overview = "/";
    /// Deployments that run, wait or failed.
    activity = "/activity";
    /// All deployments.
    history = "/history";
    /// The same as a table for spreadsheets.
    history_csv = "/history.csv";
    /// Search over everything.
    search = "/search";
    /// The audit log.
    audit = "/audit";
    /// The same as a table for spreadsheets.
    audit_csv = "/audit.csv";
    /// The same for programs.
    audit_jsonl = "/audit.jsonl";
    /// Where configuration begins.
    admin = "/admin";
    /// Projects and their environments, to change.
    admin_projects = "/admin/projects";
    /// Servers, to change.
    admin_servers = "/admin/servers";
    /// Clusters, to change.
    admin_clusters = "/admin/clusters";
    /// Users, to change.
    admin_users = "/admin/users";
    /// The policy files as they are in force.
    admin_policy = "/admin/policy";
    /// May somebody do something somewhere?
    policy_may = "/policy/may";
    /// Who may do what at a place.
    policy_who = "/policy/who";
    /// Windows, holidays, freezes, locks and scheduled deployments, week by week.
    calendar = "/calendar";
    /// The same for calendar programs.
    calendar_feed = "/calendar.ics";
    /// Reads the policy files again (POST).
    admin_policy_reload = "/admin/policy/reload";
    /// Locks everything (POST).
    admin_lock = "/admin/lock";
    /// Balancers, to change.
    admin_balancers = "/admin/balancers";
    /// A balancer to be added.
    admin_new_balancer = "/admin/new/balancer";
    /// A project to be added.
    admin_new_project = "/admin/new/project";
    /// A server to be added.
    admin_new_server = "/admin/new/server";
    /// Many servers to be added.
    admin_new_servers = "/admin/new/servers";
    /// Servers without a trusted host key.
    admin_trust = "/admin/trust";
    /// Asks those for their keys (POST).
    admin_trust_scan = "/admin/trust/scan";
    /// A cluster to be added.
    admin_new_cluster = "/admin/new/cluster";
    /// A user to be added.
    admin_new_user = "/admin/new/user";
    /// A report over a period.
    audit_report = "/audit/report";
    /// The same as a table for spreadsheets.
    audit_report_csv = "/audit/report.csv";
    /// Proves the audit log (POST), and shows its head.
    audit_verify = "/audit/verify";
    /// The login form.
    login = "/login";
    /// Ends the session (POST).
    logout = "/logout";
    /// The person's own page.
    profile = "/profile";
    /// The person's own sessions.
    sessions = "/profile/sessions";
    /// Ends some of them (POST).
    end_sessions = "/profile/sessions/end";
    /// The person's own second factor.
    second_factor = "/profile/second-factor";
    /// Does something to it, with a code (POST).
    second_factor_act = "/profile/second-factor/act";
    /// Takes the code of a login (POST).
    login_code = "/login/code";
    /// The person's own API tokens.
    tokens = "/profile/tokens";
    /// Keeps the choice of light or dark (POST).
    theme = "/theme";
    /// The stream of everything that changes.
    live = "/live";
    /// The health of the installation, for monitoring.
    health = "/health";
}

/// The login form, returning to the local address `next`.
pub fn login_then(next: &str) -> String {
    with_query(login(), &[("next", if next == overview() { "" } else { next })])
}

/// A project: its environments, commits and last deployments.
pub fn project(project: &str) -> String {
    format!("/projects/{}", encode(project))
}

/// An environment of a project.
pub fn environment(project: &str, environment: &str) -> String {
    format!("/projects/{}/{}", encode(project), encode(environment))
}

/// An environment with a deploy form that is filled in already.
pub fn deploy_form(project: &str, env: &str, commit: &str, target: &str, kind: &str) -> String {
    let path = environment(project, env);
    let query = with_query(&path, &[("commit", commit), ("target", target), ("kind", kind)]);
    format!("{query}#deploy")
}

/// What deploying a commit to an environment would change.
pub fn deploy_plan(project: &str, env: &str) -> String {
    format!("{}/plan", environment(project, env))
}

/// What goes on in an environment, as a fragment.
pub fn environment_now(project: &str, env: &str) -> String {
    format!("{}/now", environment(project, env))
}

/// What a server of an environment really runs.
pub fn live_release(project: &str, env: &str, server: &str) -> String {
    format!("{}/servers/{}", environment(project, env), encode(server))
}

/// The commits of a project's branch, with the marks of one of its environments.
pub fn commits(project_name: &str, env: &str, branch: &str, search: &str, from: &str) -> String {
    let pairs = [("env", env), ("branch", branch), ("q", search), ("from", from)];
    with_query(&project(project_name), &pairs)
}

/// One file of the difference between two commits, at length, without its first `offset` lines.
pub fn diff_file(project: &str, from: &str, to: &str, path: &str, offset: usize) -> String {
    let offset = if offset > 0 {
        offset.to_string()
    } else {
        String::new()
    };
    with_query(
        &diff(project, "", ""),
        &[("from", from), ("to", to), ("only", path), ("offset", &offset)],
    )
}

/// The difference between two commits of a project.
pub fn diff(project: &str, from: &str, to: &str) -> String {
    with_query(
        &format!("/projects/{}/diff", encode(project)),
        &[("from", from), ("to", to)],
    )
}

/// A deployment, its progress and its log.
pub fn deployment(id: DeploymentId) -> String {
    format!("/deployments/{id}")
}

/// A deployment's log, page by page or as text.
pub fn deployment_log(id: DeploymentId) -> String {
    format!("/deployments/{id}/log")
}

/// One whole line of a deployment's log, as text.
pub fn deployment_log_line(id: DeploymentId, line: i64) -> String {
    with_query(&deployment_log(id), &[("line", &line.to_string())])
}

/// A deployment's stream of changes and log lines.
pub fn deployment_events(id: DeploymentId) -> String {
    format!("/deployments/{id}/events")
}

/// A deployment's state for a page in the background.
pub fn deployment_state(id: DeploymentId) -> String {
    format!("/deployments/{id}/state")
}

/// An act on a deployment (POST): `cancel`, `pause`, `answer` …
pub fn deployment_act(id: DeploymentId, act: &str) -> String {
    format!("/deployments/{id}/{act}")
}

/// Locks an environment (POST).
pub fn lock_environment(project: &str, env: &str) -> String {
    format!("{}/lock", environment(project, env))
}

/// Locks all of a project (POST).
pub fn lock_project(project: &str) -> String {
    format!("/locks/projects/{}", encode(project))
}

/// Lifts a lock (POST).
pub fn lift_lock(id: LockId) -> String {
    format!("/locks/{id}/lift")
}

/// What may be done with a deployment, as a fragment.
pub fn deployment_acts(id: DeploymentId) -> String {
    format!("/deployments/{id}/acts")
}

/// A deployment's page, showing the log of one server (`here` is the deployer's host) and step.
pub fn deployment_log_of(id: DeploymentId, server: &str, step: &str) -> String {
    let server = if server.is_empty() { HERE } else { server };
    format!(
        "{}#log",
        with_query(&deployment(id), &[("server", server), ("step", step)])
    )
}

/// The stream of everything that changes, for a page that knows of the changes up to `count`.
pub fn live_after(count: u64) -> String {
    format!("{}?after={count}", live())
}

/// Only the deployments of one project.
pub fn project_history(project: &str) -> String {
    with_query(history(), &[("project", project)])
}

/// Who may do what at `place`: `project/environment` or a project.
pub fn policy_who_at(place: &str) -> String {
    with_query(policy_who(), &[("place", place)])
}

/// Who may do what in an environment.
pub fn policy_who_in(project: &str, environment: &str) -> String {
    policy_who_at(&format!("{project}/{environment}"))
}

/// A policy as it was in force, by its digest.
pub fn admin_policy_version(digest: &str) -> String {
    format!("/admin/policy/versions/{}", encode(digest))
}

/// A line of the policy that it was cited from; `None` where that is not known.
pub fn admin_policy_line(line: &PolicyLine) -> Option<String> {
    let policy = admin_policy_version(line.policy.as_ref()?);
    Some(format!("{policy}#{}-{}", encode(&line.file), line.line))
}

/// What differs between two policies.
pub fn admin_policy_comparison(old: &str, new: &str) -> String {
    format!("/admin/policy/versions/{}/to/{}", encode(old), encode(new))
}

/// A project, to change.
pub fn admin_project(project: &str) -> String {
    format!("/admin/projects/{}", encode(project))
}

/// An environment of a project to be added.
pub fn admin_new_environment(project: &str) -> String {
    format!("/admin/projects/{}/new", encode(project))
}

/// An environment, to change.
pub fn admin_environment(project: &str, environment: &str) -> String {
    format!(
        "/admin/projects/{}/environments/{}",
        encode(project),
        encode(environment)
    )
}

/// An act on the thing whose page for changing is `page` (POST).
pub fn admin_act(page: &str, act: &str) -> String {
    format!("{page}/{act}")
}

/// A server, to change.
pub fn admin_server(id: ServerId) -> String {
    format!("/admin/servers/{id}")
}

/// A cluster, to change.
pub fn admin_cluster(cluster: &str) -> String {
    format!("/admin/clusters/{}", encode(cluster))
}

/// A balancer: its state, and to change.
pub fn admin_balancer(id: BalancerId) -> String {
    format!("/admin/balancers/{id}")
}

/// A user, to change.
pub fn admin_user(user: &str) -> String {
    format!("/admin/users/{}", encode(user))
}

/// The sessions of a user.
pub fn admin_sessions(user: &str) -> String {
    format!("{}/sessions", admin_user(user))
}

/// The API tokens of a user.
pub fn admin_tokens(user: &str) -> String {
    format!("{}/tokens", admin_user(user))
}

/// `wanted` if it is an address on this site, else the overview: the address that a login form
/// returns to may come from anywhere.
pub fn local_or_overview(wanted: &str) -> &str {
    let mut chars = wanted.chars();
    let local = chars.next() == Some('/')
        && !matches!(chars.next(), Some('/' | '\\'))
        && !wanted
            .chars()
            .any(|c| c.is_control() || c == '\\' || !c.is_ascii());
    if local { wanted } else { overview() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_segment() {
        assert_eq!(project("a/../b?c#d"), "/projects/a%2F..%2Fb%3Fc%23d");
        assert_eq!(environment("shop", ".."), "/projects/shop/%2E%2E");
        assert_eq!(diff("shop", "a b", ""), "/projects/shop/diff?from=a%20b");
    }

    #[test]
    fn only_local_addresses_are_returned_to() {
        assert_eq!(local_or_overview("/history?page=2"), "/history?page=2");
        for elsewhere in [
            "https://evil.example/",
            "//evil.example",
            "/\\evil.example",
            "javascript:alert(1)",
            "",
            "/\n/evil.example",
            "/a\\b",
        ] {
            assert_eq!(local_or_overview(elsewhere), "/", "{elsewhere}");
        }
    }
}
