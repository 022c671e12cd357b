//! `deployer deploy`: requests a deployment.

use serde_json::{Value, json};

use super::connection::DeployerClient;
use super::settings::ServerArgs;
use super::targets::PlaceName;
use super::watching::WaitArgs;
use crate::cli::outcome::{CommandFailure, say};
use crate::domain::Error;

/// Deploy a commit to an environment.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// PROJECT/ENVIRONMENT
    place: PlaceName,
    /// A hash, its first digits, a branch or a tag [default: the newest commit of the environment's branch].
    commit: Option<String>,
    /// Why, for the history.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// When to begin, such as 2026-11-23T08:30:00Z [default: as soon as possible].
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Only to the servers of this cluster.
    #[arg(long, value_name = "NAME", conflicts_with = "server")]
    cluster: Option<String>,
    /// Only to this server.
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// Why the lock in force does not stop this.
    #[arg(long, value_name = "TEXT")]
    override_lock: Option<String>,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    plan: bool,
    /// A text of your own: sent again with it, the same request makes no second deployment. In a CI the number of
    /// the job.
    #[arg(long, value_name = "TEXT")]
    key: Option<String>,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    server_args: ServerArgs,
}

impl Args {
    fn target(&self) -> Value {
        match (&self.cluster, &self.server) {
            (Some(cluster), _) => json!({ "cluster": cluster }),
            (None, Some(server)) => json!({ "server": server }),
            (None, None) => json!({}),
        }
    }

    fn body(&self) -> Value {
        let mut body = json!({ "target": self.target() });
        let fields = [
            ("commit", &self.commit),
            ("reason", &self.reason),
            ("at", &self.at),
            ("lock_override", &self.override_lock),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                body[name] = json!(value);
            }
        }
        body
    }
}

pub(super) async fn run(args: &Args) -> Result<(), CommandFailure> {
    let connection = DeployerClient::open(&args.server_args)?;
    let place = args.place.path();
    if args.plan {
        let body = json!({ "target": args.target() });
        let plan = connection.post(&format!("{place}/plan"), &body, None).await?;
        return show_plan(&plan, args.server_args.json);
    }
    let path = format!("{place}/deployments");
    let requested = connection.post(&path, &args.body(), args.key.as_deref()).await?;
    requested_one(&connection, &args.wait, args.server_args.json, requested).await
}

/// Goes on with what a request for a deployment was answered.
pub(super) async fn requested_one(
    connection: &DeployerClient,
    wait: &WaitArgs,
    json: bool,
    mut requested: Value,
) -> Result<(), CommandFailure> {
    let id = requested.get("id").and_then(Value::as_i64).unwrap_or_default();
    let view = requested.get_mut("view").map(Value::take).unwrap_or_default();
    wait.after(connection, json, (id, view)).await
}

fn show_plan(plan: &Value, json: bool) -> Result<(), CommandFailure> {
    if json {
        say(plan);
    }
    if let Some(obstacle) = plan.get("obstacle").and_then(Value::as_str) {
        return Err(CommandFailure::Failed(Error::conflict(obstacle)));
    }
    if json {
        return Ok(());
    }
    let list = |value: &Value, key: &str| {
        value
            .get(key)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    for (number, batch) in (1..).zip(list(plan, "batches")) {
        let servers = list(&batch, "servers");
        let servers: Vec<&str> = servers.iter().filter_map(Value::as_str).collect();
        let text = |key: &str| batch.get(key).and_then(Value::as_str);
        let title = text("title").unwrap_or_default();
        let waits = text("waits_for")
            .map(|what| format!(", after {what}"))
            .unwrap_or_default();
        say(format_args!(
            "Batch {number} ({title}{waits}): {}",
            servers.join(", ")
        ));
    }
    for one in list(plan, "left_alone") {
        let text = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default();
        say(format_args!("Left alone: {}. {}", text("server"), text("reason")));
    }
    Ok(())
}
