//! What the audit log is told of an environment: everything but the values of secrets.

use serde_json::{Value, json};

use super::health;
use crate::app::admin::inventory::Inventory;
use crate::app::admin::variables;
use crate::domain::{ClusterId, Environment, EnvironmentOptions};

/// Everything but the values of secrets.
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
        "variables": variables::plain_lines(options),
        "secret_variables": secret,
        "local_timeout": options.local_timeout,
        "remote_timeout": options.remote_timeout,
        "parallel": options.parallel,
        "keep_releases": options.keep_releases,
        "keep_days": options.keep_days,
        "rollout": options.rollout,
        "approval_hours": options.approval_hours,
        "watch_drift": options.watch_drift,
        "health": health::told(options.health.as_ref()),
    })
}

/// The names of secrets that got another value.
pub(super) fn changed_secrets(before: &EnvironmentOptions, after: &EnvironmentOptions) -> Vec<String> {
    let changed = after.variables.iter().filter(|(name, variable)| {
        let old = before.variables.get(*name);
        variable.secret && old.is_some_and(|old| old.secret && old.value != variable.value)
    });
    changed.map(|(name, _)| name.clone()).collect()
}
