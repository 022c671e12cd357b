//! `deployer lock` and `deployer unlock`.

use serde_json::{Value, json};

use super::connection::DeployerClient;
use super::settings::ServerArgs;
use crate::cli::outcome::{CommandFailure, say};
use crate::domain::Error;

/// Lock an environment, a project or everything: nothing is deployed there.
#[derive(Debug, clap::Args)]
pub(crate) struct LockArgs {
    /// PROJECT/ENVIRONMENT, PROJECT, or “everything”.
    over: String,
    /// Why, for those who want to deploy.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// When it ends, such as 2026-11-23T08:30:00Z [default: when it is lifted].
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

/// Lift a lock.
#[derive(Debug, clap::Args)]
pub(crate) struct UnlockArgs {
    /// The lock's number, or what it locks: PROJECT/ENVIRONMENT, PROJECT, or “everything”.
    lock: String,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn lock(args: &LockArgs) -> Result<(), CommandFailure> {
    let connection = DeployerClient::open(&args.server)?;
    let mut body = json!({ "reason": args.reason });
    if let Some(until) = &args.until {
        body["ends_at"] = json!(until);
    }
    match args.over.split_once('/') {
        Some((project, environment)) => {
            body["project"] = json!(project);
            body["environment"] = json!(environment);
        }
        None if args.over == "everything" => {}
        None => body["project"] = json!(args.over),
    }
    let made = connection.post("/locks", &body, None).await?;
    let number = made.get("id").and_then(Value::as_i64).unwrap_or_default();
    match args.server.json {
        true => say(&made),
        false => say(format_args!(
            "{} is locked. The lock has the number {number}.",
            args.over
        )),
    }
    Ok(())
}

pub(super) async fn unlock(args: &UnlockArgs) -> Result<(), CommandFailure> {
    let connection = DeployerClient::open(&args.server)?;
    let numbers = match args.lock.parse::<i64>() {
        Ok(number) => vec![number],
        Err(_) => over(&connection, &args.lock).await?,
    };
    if numbers.is_empty() {
        let message = format!("No lock is over {}.", args.lock.escape_debug());
        return Err(CommandFailure::Failed(Error::conflict(message)));
    }
    for number in numbers {
        connection.delete(&format!("/locks/{number}")).await?;
        if !args.server.json {
            say(format_args!("Lock {number} is lifted."));
        }
    }
    Ok(())
}

/// The locks over exactly this.
async fn over(connection: &DeployerClient, what: &str) -> Result<Vec<i64>, CommandFailure> {
    let all = connection.get("/locks").await?;
    let items = all
        .get("items")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let of = |lock: &Value| lock.get("over").and_then(Value::as_str) == Some(what);
    let number = |lock: &Value| lock.get("id").and_then(Value::as_i64);
    Ok(items.iter().filter(|lock| of(lock)).filter_map(number).collect())
}
