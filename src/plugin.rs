//! Programs and HTTP endpoints of the sysadmin's that answer a question of ours.
//!
//! A question is one JSON document, `{"api": "deployer/v1", "call": …, "id": …, "deadline": …, "input": …}`, and so
//! is the answer: `{"output": …}` or `{"error": "a sentence"}`. A program is started for each question, with nothing
//! of our environment; it reads the question on standard input and writes the answer to standard output. An endpoint
//! gets the question by POST, signed with a shared secret. Exit code 0 without output, or status 204, means: nothing
//! to say. Fields that are not known are passed over. Time and length of an answer have limits.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;
use ring::hmac;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::domain::{Instant, PluginPlace};
use crate::http::{Client, Guard, Limits, Longer, Method, Proxies, Request, Tls};
use crate::process::{self, Command, Output, Run};

/// The version of questions and answers.
const API: &str = "deployer/v1";
/// The longest answer.
const ANSWER_LIMIT: usize = 64 * 1024;
/// How much is kept of what a program says on standard error.
const COMPLAINT_LIMIT: usize = 2 * 1024;
/// The header with the signature of a question.
const SIGNATURE: &str = "x-deployer-signature";

/// A program or an endpoint, and how it is asked.
#[derive(Clone)]
pub struct Plugin {
    pub place: PluginPlace,
    /// What signs questions to an endpoint.
    pub secret: Option<String>,
    /// How long an answer may take.
    pub timeout: Duration,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Program(#[from] process::Error),
    #[error("{0}")]
    Endpoint(#[from] crate::http::Error),
    /// A program that ended badly, with what it said.
    #[error("it ended with {0}: {1}")]
    Exit(process::Exit, String),
    #[error("it answered with status {0}")]
    Status(u16),
    #[error("its answer is longer than {ANSWER_LIMIT} bytes")]
    TooLong,
    #[error("its answer is not what a plugin answers: {0}")]
    Unreadable(String),
}

/// What a plugin says.
#[derive(Debug, Clone, PartialEq)]
pub enum PluginAnswer {
    /// Nothing: the question is somebody else's to answer.
    Nothing,
    Output(Value),
    /// A refusal, as a sentence for people.
    Refusal(String),
}

#[derive(Deserialize)]
struct Document {
    output: Option<Value>,
    error: Option<String>,
}

impl Plugin {
    /// Asks for `call` with `input`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn ask(&self, call: &str, input: Value, now: Instant) -> Result<PluginAnswer, Error> {
        let id = hex::encode(rand::random::<[u8; 8]>());
        let limit = TimeDelta::from_std(self.timeout).unwrap_or_default();
        let question = json!({
            "api": API, "call": call, "id": id, "deadline": now + limit, "input": input,
        });
        let answer = match &self.place {
            PluginPlace::Program(program) => self.run(program, &question).await?,
            PluginPlace::Endpoint(url) => self.post(url, &question).await?,
        };
        if answer.iter().all(u8::is_ascii_whitespace) {
            return Ok(PluginAnswer::Nothing);
        }
        let document: Document =
            serde_json::from_slice(&answer).map_err(|cause| Error::Unreadable(cause.to_string()))?;
        match (document.output, document.error) {
            (Some(output), None) => Ok(PluginAnswer::Output(output)),
            (None, Some(error)) => Ok(PluginAnswer::Refusal(error)),
            _ => Err(Error::Unreadable(
                "it holds not just one of output and error".to_owned(),
            )),
        }
    }

    async fn run(&self, program: &PathBuf, question: &Value) -> Result<Vec<u8>, Error> {
        let command = Command::new(program)
            .bare()
            .input(question.to_string().into_bytes());
        let mut printed = Printed::default();
        let exit = process::run(&command, Run::within(self.timeout), &mut printed).await?;
        if !exit.success() {
            let said = String::from_utf8_lossy(&printed.stderr).trim().to_owned();
            return Err(Error::Exit(exit, said));
        }
        match printed.is_too_long {
            true => Err(Error::TooLong),
            false => Ok(printed.stdout),
        }
    }

    async fn post(&self, url: &str, question: &Value) -> Result<Vec<u8>, Error> {
        let url: Url = url
            .parse()
            .map_err(|_| Error::Unreadable("its address is no URL".to_owned()))?;
        let body = question.to_string();
        let mut request = Request::new(Method::POST, "/").json(question);
        if let Some(secret) = &self.secret {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
            let signature = hex::encode(hmac::sign(&key, body.as_bytes()));
            request = request.header(SIGNATURE, &format!("sha256={signature}"));
        }
        let limits = Limits {
            connect: self.timeout,
            total: self.timeout,
            body: ANSWER_LIMIT,
            longer: Longer::Refuse,
        };
        let client = Client::new(Tls::of_system(None)?, Guard::open(), Proxies::default());
        let answer = client
            .fetch(&url, request, &limits, &CancellationToken::new())
            .await?;
        match answer.status {
            204 => Ok(Vec::new()),
            200 => Ok(answer.body.to_vec()),
            status => Err(Error::Status(status)),
        }
    }
}

/// What a program prints, within limits.
#[derive(Default)]
struct Printed {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    is_too_long: bool,
}

impl Output for Printed {
    async fn stdout(&mut self, data: Bytes) {
        if self.stdout.len() + data.len() > ANSWER_LIMIT {
            self.is_too_long = true;
            return;
        }
        self.stdout.extend_from_slice(&data);
    }

    async fn stderr(&mut self, data: Bytes) {
        let room = COMPLAINT_LIMIT.saturating_sub(self.stderr.len());
        self.stderr.extend_from_slice(&data[..data.len().min(room)]);
    }
}
