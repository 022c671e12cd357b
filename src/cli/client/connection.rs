//! Requests to the JSON API of a deployer, and what their errors mean to a command.

use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::settings::{AskedDeployer, ServerArgs};
use crate::cli::outcome::CommandFailure;
use crate::domain::Error;
use crate::http::{Client, Guard, Limits, Longer, Method, Proxies, Request, Response, Tls};

/// Seconds that one request waits for the end of a deployment: less than proxies wait.
pub(super) const WAIT_AT_ONCE: u64 = 25;
/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(90);
/// How much of an answer is taken; a longer log comes in pieces.
const MOST_OF_AN_ANSWER: usize = 32 * 1024 * 1024;

/// The deployer that is asked.
pub(super) struct DeployerClient {
    server: AskedDeployer,
    client: Client,
    limits: Limits,
}

impl DeployerClient {
    /// Ready to ask; connects to nothing yet.
    pub(super) fn open(args: &ServerArgs) -> Result<Self, CommandFailure> {
        let tls = Tls::of_system(None).map_err(|error| unreachable(&error))?;
        Ok(Self {
            server: args.server()?,
            client: Client::new(tls, Guard::open(), Proxies::default()),
            limits: Limits {
                total: PATIENCE,
                body: MOST_OF_AN_ANSWER,
                longer: Longer::Cut,
                ..Limits::default()
            },
        })
    }

    /// The address of a page, for people.
    pub(super) fn page(&self, path: &str) -> String {
        let base = self.server.url.as_str().trim_end_matches('/');
        format!("{base}{path}")
    }

    fn url(&self, path: &str) -> Result<Url, CommandFailure> {
        let wrong = |cause| {
            CommandFailure::Usage(Error::invalid("The address of the deployer is none.").because(cause))
        };
        self.page(&format!("/api/v1{path}"))
            .parse()
            .map_err(|cause: url::ParseError| wrong(cause))
    }

    /// Asks for what is at `path`, below the root of the API.
    pub(super) async fn get(&self, path: &str) -> Result<Value, CommandFailure> {
        self.json(path, Request::get("/")).await
    }

    /// Sends `body` to `path`; `key` lets the same request be sent again.
    pub(super) async fn post(
        &self,
        path: &str,
        body: &Value,
        key: Option<&str>,
    ) -> Result<Value, CommandFailure> {
        let request = Request::new(Method::POST, "/").json(body);
        let request = match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        };
        self.json(path, request).await
    }

    /// Deletes what is at `path`.
    pub(super) async fn delete(&self, path: &str) -> Result<(), CommandFailure> {
        let request = Request::new(Method::DELETE, "/");
        self.send(path, request, "application/json").await.map(drop)
    }

    /// The lines of a log as JSON objects; the last one may be cut.
    pub(super) async fn lines(&self, path: &str) -> Result<String, CommandFailure> {
        let answer = self.send(path, Request::get("/"), "application/x-ndjson").await?;
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }

    async fn json(&self, path: &str, request: Request) -> Result<Value, CommandFailure> {
        let answer = self.send(path, request, "application/json").await?;
        let odd = |cause| {
            let message = "The answer is not one of a deployer. Is the address right?";
            failed(5, Error::unavailable(message).because(cause))
        };
        match answer.body.as_ref() {
            b"" => Ok(Value::Null),
            body => serde_json::from_slice(body).map_err(|cause: serde_json::Error| odd(cause)),
        }
    }

    async fn send(&self, path: &str, request: Request, accept: &str) -> Result<Response, CommandFailure> {
        let bearer = format!("Bearer {}", self.server.token);
        let mut request = request.header("authorization", &bearer).header("accept", accept);
        if let Some(account) = &self.server.impersonate {
            request = request.header("x-impersonate-username", account);
        }
        let never = CancellationToken::new();
        let url = self.url(path)?;
        let sent = self.client.fetch(&url, request, &self.limits, &never);
        let answer = sent.await.map_err(|error| unreachable(&error))?;
        match answer.status {
            200..=299 => Ok(answer),
            _ => Err(refusal(&answer)),
        }
    }
}

fn unreachable(error: &crate::http::Error) -> CommandFailure {
    failed(5, Error::unavailable(error.to_string()))
}

fn failed(code: u8, error: Error) -> CommandFailure {
    CommandFailure::Told { code, error }
}

/// What an error of the API means to a command.
fn refusal(answer: &Response) -> CommandFailure {
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = |key: &str| problem.get(key).and_then(Value::as_str);
    let mut message = match text("detail") {
        Some(detail) => detail.to_owned(),
        None => format!("The deployer answered with status {}.", answer.status),
    };
    if let Some(next) = text("next_allowed") {
        message.push_str(&format!(" It will be allowed at {next}."));
    }
    let code = match answer.status {
        401 | 403 => 3,
        400 | 404 | 405 | 413 | 415 | 422 => 2,
        502..=504 => 5,
        _ => 1,
    };
    failed(code, Error::invalid(message))
}
