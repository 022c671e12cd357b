//! An environment in the audit log: everything but the values of secrets.

use serde_json::{Value, json};

use crate::app::admin::inventory::Inventory;
use crate::app::admin::variables;
use crate::domain::health::Probe;
use crate::domain::{ClusterId, Environment, EnvironmentOptions, HealthCheck};

/// The audit detail of an environment, without the values of secrets.
pub(super) fn told(inventory: &Inventory, environment: &Environment) -> Value {
    let name = |id: &ClusterId| {
        let cluster = inventory.cluster(*id);
        cluster.map_or_else(|| id.to_string(), |cluster| cluster.name.to_string())
    };
    let options = &environment.options;
    let secret = options.variables.iter().filter(|(_, variable)| variable.secret);
    let secret: Vec<&String> = secret.map(|(name, _)| name).collect();
    json!({
        "name": environment.name,
        "branch": environment.branch,
        "target_path": environment.target_path,
        "remote_user": environment.remote_user,
        "position": environment.position,
        "auto_deploy": environment.auto_deploy,
        "fail_on_failed_tests": environment.fail_on_failed_tests,
        "clusters": environment.clusters.iter().map(name).collect::<Vec<_>>(),
        "excluded": options.excluded,
        "shared": options.shared,
        "readers": options.readers,
        "variables": variables::plain_lines(options, false),
        "referring_variables": variables::plain_lines(options, true),
        "secret_variables": secret,
        "local_timeout": options.local_timeout,
        "remote_timeout": options.remote_timeout,
        "parallel": options.parallel,
        "keep_releases": options.keep_releases,
        "keep_days": options.keep_days,
        "rollout": options.rollout,
        "approval_hours": options.approval_hours,
        "watch_drift": options.watch_drift,
        "key": options.key,
        "auto_only_if": options.auto.only_if,
        "auto_not_if": options.auto.not_if,
        "auto_paths": options.auto.paths,
        "auto_when_refused": options.auto.when_refused,
        "health": health(options.health.as_ref()),
    })
}

/// The names of secrets that got a new value.
pub(super) fn changed_secrets(before: &EnvironmentOptions, after: &EnvironmentOptions) -> Vec<String> {
    let changed = after.variables.iter().filter(|(name, variable)| {
        let old = before.variables.get(*name);
        variable.secret && old.is_some_and(|old| old.secret && old.value != variable.value)
    });
    changed.map(|(name, _)| name.clone()).collect()
}

/// Everything about a check in one line, for the audit log.
fn health(check: Option<&HealthCheck>) -> String {
    let Some(check) = check else {
        return "none".to_owned();
    };
    let mut told = check.to_string();
    if let Probe::Http(http) = &check.probe {
        told.push_str(&format!(", wants {}", http.status));
        for (what, value) in [("host", &http.host), ("text", &http.text)] {
            if !value.is_empty() {
                told.push_str(&format!(", {what} “{value}”"));
            }
        }
        for (said, what) in [
            (http.redirects, "follows redirects"),
            (http.tls && !http.verify, "takes any certificate"),
        ] {
            if said {
                told.push_str(&format!(", {what}"));
            }
        }
    }
    let HealthCheck {
        interval,
        attempts,
        successes,
        limit,
        ..
    } = check;
    told.push_str(&format!(
        "; at most {attempts} times, {interval} s apart, each within {limit} s, {successes} good in a row"
    ));
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::health::HttpProbe;

    #[test]
    fn a_health_check_is_told_whole() {
        let check = HealthCheck {
            probe: Probe::Http(HttpProbe {
                text: "well".to_owned(),
                tls: true,
                verify: false,
                redirects: true,
                ..HttpProbe::default()
            }),
            ..HealthCheck::default()
        };
        assert_eq!(
            health(Some(&check)),
            "GET / on port 80 with TLS, asked by the deployer, wants 200-399, text “well”, follows \
             redirects, takes any certificate; at most 15 times, 2 s apart, each within 5 s, 1 good in a row"
        );
        assert_eq!(health(None), "none");
    }
}
