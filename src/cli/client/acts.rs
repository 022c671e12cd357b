//! Acts on deployments that exist.

use serde_json::{Value, json};

use super::connection::DeployerClient;
use super::deploy::requested_one;
use super::settings::ServerArgs;
use super::targets::Which;
use super::watching::{WaitArgs, sentence};
use crate::cli::outcome::{CommandFailure, say};
use crate::domain::Error;

/// Which deployment an act is done on.
#[derive(Debug, clap::Args)]
pub(crate) struct ActArgs {
    /// Its number, or PROJECT/ENVIRONMENT for the present one there.
    deployment: Which,
    #[command(flatten)]
    server: ServerArgs,
}

/// An act that makes another deployment.
#[derive(Debug, clap::Args)]
pub(crate) struct FollowUpArgs {
    /// Its number, or PROJECT/ENVIRONMENT for the last one there.
    deployment: Which,
    /// Why, for the history.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// A promotion.
#[derive(Debug, clap::Args)]
pub(crate) struct PromoteArgs {
    #[command(flatten)]
    follow_up: FollowUpArgs,
    /// The environment to promote to [default: the next one, where there is only one].
    #[arg(long, value_name = "ENVIRONMENT")]
    to: Option<String>,
}

pub(super) async fn act(args: &ActArgs, act: &str) -> Result<(), CommandFailure> {
    send(args, act, json!({})).await
}

pub(super) async fn go_on(args: &ActArgs) -> Result<(), CommandFailure> {
    send(args, "answer", json!({ "answer": "resume" })).await
}

async fn send(args: &ActArgs, act: &str, body: Value) -> Result<(), CommandFailure> {
    let connection = DeployerClient::open(&args.server)?;
    let id = args.deployment.number(&connection).await?;
    let view = connection
        .post(&format!("/deployments/{id}/{act}"), &body, None)
        .await?;
    match args.server.json {
        true => say(&view),
        false => say(sentence(&view)),
    }
    Ok(())
}

pub(super) async fn roll_back(args: &FollowUpArgs) -> Result<(), CommandFailure> {
    let connection = DeployerClient::open(&args.server)?;
    let id = args.deployment.number(&connection).await?;
    let body = reason(args);
    let requested = connection
        .post(&format!("/deployments/{id}/rollback"), &body, None)
        .await?;
    requested_one(&connection, &args.wait, args.server.json, requested).await
}

pub(super) async fn promote(args: &PromoteArgs) -> Result<(), CommandFailure> {
    let own = &args.follow_up;
    let connection = DeployerClient::open(&own.server)?;
    let id = own.deployment.number(&connection).await?;
    let mut body = reason(own);
    body["environment"] = match &args.to {
        Some(environment) => json!(environment),
        None => json!(next(&connection, id).await?),
    };
    let requested = connection
        .post(&format!("/deployments/{id}/promote"), &body, None)
        .await?;
    requested_one(&connection, &own.wait, own.server.json, requested).await
}

/// The only environment that a deployment may be promoted to.
async fn next(connection: &DeployerClient, id: i64) -> Result<String, CommandFailure> {
    let view = connection.get(&format!("/deployments/{id}")).await?;
    let offered = view
        .pointer("/offers/promote_to")
        .and_then(Value::as_array)
        .cloned();
    let offered = offered.unwrap_or_default();
    let names: Vec<&str> = offered.iter().filter_map(Value::as_str).collect();
    match names.as_slice() {
        [only] => Ok((*only).to_owned()),
        [] => {
            let message = format!("Deployment {id} cannot be promoted now; see its page.");
            Err(CommandFailure::Failed(Error::conflict(message)))
        }
        several => {
            let message = format!("Say where to, by --to: {}.", several.join(", "));
            Err(CommandFailure::Usage(Error::invalid(message)))
        }
    }
}

fn reason(args: &FollowUpArgs) -> Value {
    match &args.reason {
        Some(reason) => json!({ "reason": reason }),
        None => json!({}),
    }
}
