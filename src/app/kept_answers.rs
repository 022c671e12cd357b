//! Requests that carry a key of their sender: the same request sent again is not carried out again, but gets the
//! same answer.

use chrono::TimeDelta;
use sha2::{Digest as _, Sha256};

use super::App;
use crate::domain::{Actor, Error, Result};
use crate::store::again;
use crate::store::kept_answers::{self, AnswerParts, KeptAnswer, under_way};

/// How long answers are kept: longer than any program tries again.
const KEPT_FOR: TimeDelta = TimeDelta::hours(24);

/// A request that took longer was that of a deployer that was killed: what it made knows the key, or has a name
/// that is taken.
const DEAD_AFTER: TimeDelta = TimeDelta::minutes(3);

/// The key of a request, bound to who sends it.
#[derive(Debug, Clone)]
pub struct RequestKey(String);

/// What is known of a request with a key.
#[derive(Debug)]
pub enum Repeated {
    /// Nothing: it is to be carried out.
    New,
    /// This was the answer.
    Answered(AnswerParts),
    /// The key was used for another request.
    OtherRequest,
}

impl RequestKey {
    /// The key `key` of `actor`.
    pub fn new(actor: &Actor, key: &str) -> Self {
        let token = actor.token.as_ref().map(|token| token.id.0);
        let owner = (&actor.name, &actor.impersonator, token, key);
        Self(hex::encode(Sha256::digest(format!("{owner:?}"))))
    }

    /// The same for a row that has room for half of it.
    pub fn short(&self) -> String {
        self.0.chars().take(32).collect()
    }
}

/// Begins the request `request`, a digest of all of it, under `key`.
///
/// # Errors
/// A conflict while it is under way.
pub async fn begin(app: &App, key: &RequestKey, request: &str) -> Result<Repeated> {
    let now = app.now();
    let known = again(|| async {
        let record = app.store.record().await?;
        let since = (now, now - KEPT_FOR, now - DEAD_AFTER);
        let known = kept_answers::begin(&record, &key.0, request, since).await?;
        record.commit().await?;
        Ok(known)
    });
    match known.await? {
        None => Ok(Repeated::New),
        Some(KeptAnswer { request: other, .. }) if other != request => Ok(Repeated::OtherRequest),
        Some(KeptAnswer {
            answer: Some(answer), ..
        }) => Ok(Repeated::Answered(answer)),
        Some(KeptAnswer { answer: None, .. }) => Err(under_way()),
    }
}

/// Keeps the answer to what was begun under `key`; `None`: nothing was done, and it may be sent again.
///
/// # Errors
/// Of the store.
pub async fn end(app: &App, key: &RequestKey, answer: Option<&AnswerParts>) -> Result<()> {
    again(|| async {
        let record = app.store.record().await?;
        match answer {
            Some(answer) => kept_answers::complete(&record, &key.0, answer).await?,
            None => kept_answers::forget(&record, &key.0).await?,
        }
        record.commit().await
    })
    .await
}

/// The error for a request whose answer held a secret.
pub fn not_kept() -> Error {
    Error::conflict(
        "This was done before, under this key. Its answer held a secret, which is not kept: take back what was made, and make another one under another key.",
    )
}
