//! `deployer status`, `who` and `open`: what is, and where to see it.

use serde_json::Value;

use super::connection::DeployerClient;
use super::settings::ServerArgs;
use super::targets::{PlaceName, Which, segment};
use super::watching::sentence;
use crate::cli::outcome::{CommandFailure, say};
use crate::domain::Action;

/// Show what runs in an environment, how a deployment stands, or what is happening everywhere.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A deployment's number, or PROJECT/ENVIRONMENT [default: everything that runs or waits].
    target: Option<Which>,
    #[command(flatten)]
    server: ServerArgs,
}

/// Name those who may do something somewhere.
#[derive(Debug, clap::Args)]
pub(crate) struct WhoArgs {
    /// PROJECT/ENVIRONMENT, PROJECT, “everything”, or audit, users, policy, servers.
    place: String,
    /// What they may do [default: each action].
    action: Option<Action>,
    #[command(flatten)]
    server: ServerArgs,
}

/// Print the address of the page of a deployment or an environment.
#[derive(Debug, clap::Args)]
pub(crate) struct OpenArgs {
    /// A deployment's number, or PROJECT/ENVIRONMENT.
    target: Which,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(args: &Args) -> Result<(), CommandFailure> {
    let connection = DeployerClient::open(&args.server)?;
    let path = match &args.target {
        None => "/activity".to_owned(),
        Some(Which::Number(id)) => format!("/deployments/{id}"),
        Some(Which::Of(place)) => place.path(),
    };
    let view = connection.get(&path).await?;
    match &args.target {
        _ if args.server.json => say(&view),
        None => show_activity(&view),
        Some(Which::Number(_)) => {
            say(sentence(&view));
            for server in items(&view, "servers") {
                say(format_args!(
                    "  {} {}: {}",
                    word(server, "server"),
                    word(server, "state"),
                    word(server, "standing")
                ));
            }
        }
        Some(Which::Of(place)) => show_environment(place, &view),
    }
    Ok(())
}

fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn short(commit: &str) -> String {
    commit.chars().take(8).collect()
}

fn show_activity(view: &Value) {
    let mut any = false;
    for list in ["running", "waiting"] {
        for one in items(view, list) {
            let id = one.get("id").and_then(Value::as_i64).unwrap_or_default();
            let place = format!("{}/{}", word(one, "project"), word(one, "environment"));
            let state = word(one, "state").replace('_', " ");
            say(format_args!(
                "{id} {place} {} {state}, requested by {}",
                short(word(one, "commit")),
                word(one, "requested_by")
            ));
            any = true;
        }
    }
    if !any {
        say("Nothing is running.");
    }
}

fn show_environment(place: &PlaceName, view: &Value) {
    say(format_args!(
        "{}/{} deploys {}",
        place.project,
        place.environment,
        word(view, "branch")
    ));
    for run in items(view, "runs") {
        let servers = run.get("servers").and_then(Value::as_u64).unwrap_or_default();
        say(format_args!(
            "  {} on {servers} servers: {}",
            short(word(run, "commit")),
            word(run, "title")
        ));
    }
    for server in items(view, "servers") {
        let runs = match word(server, "runs") {
            "" => "nothing yet".to_owned(),
            commit => short(commit),
        };
        let trouble = [word(server, "trouble"), word(server, "differs")].join(" ");
        say(format_args!(
            "  {}: {runs} {}",
            word(server, "name"),
            trouble.trim()
        ));
    }
    if let Some(lock) = view.get("lock") {
        say(format_args!(
            "  Locked by {}: {}",
            word(lock, "author"),
            word(lock, "reason")
        ));
    }
    if let Some(reason) = view.pointer("/deploy/reason").and_then(Value::as_str) {
        say(format_args!("  {reason}"));
    }
}

pub(super) async fn who(args: &WhoArgs) -> Result<(), CommandFailure> {
    let connection = DeployerClient::open(&args.server)?;
    let found = connection
        .get(&format!("/permissions/who?place={}", segment(&args.place)))
        .await?;
    if args.server.json {
        say(&found);
        return Ok(());
    }
    let wanted = args.action.map(Action::as_str);
    for row in items(&found, "items").flat_map(|table| items(table, "rows")) {
        let people: Vec<&str> = items(row, "people").filter_map(Value::as_str).collect();
        let names = match (word(row, "subject"), people.join(", ")) {
            ("default", _) => "everybody".to_owned(),
            ("", people) => people,
            (role, people) => format!("{role} ({people})"),
        };
        for right in
            items(row, "rights").filter(|right| wanted.is_none_or(|action| word(right, "action") == action))
        {
            let with: Vec<&str> = items(right, "approval_by").filter_map(Value::as_str).collect();
            let with = match with.as_slice() {
                [] => String::new(),
                with => format!(" with {}", with.join(" or ")),
            };
            say(format_args!(
                "{names} may {}{with}: {}",
                word(right, "action"),
                word(right, "when")
            ));
        }
    }
    Ok(())
}

pub(super) async fn open(args: &OpenArgs) -> Result<(), CommandFailure> {
    let connection = DeployerClient::open(&args.server)?;
    let path = match &args.target {
        Which::Number(id) => format!("/deployments/{id}"),
        Which::Of(place) => format!(
            "/projects/{}/{}",
            segment(&place.project),
            segment(&place.environment)
        ),
    };
    say(connection.page(&path));
    Ok(())
}
