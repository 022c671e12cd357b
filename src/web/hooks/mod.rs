//! The addresses at which Git hosts and programs tell of pushes.
//!
//! A hook knows no session and no form token: its sender proves itself by a signature over the bytes of the
//! body ([`signature`]), which is checked before anything in it is read ([`bodies`]). The answer is a sentence
//! in plain text, and comes before anything is fetched.

mod bodies;
#[cfg(test)]
mod hostile;
mod signature;
#[cfg(test)]
mod tests;

use std::time::Duration;

use poem::error::ReadBodyError;
use poem::http::StatusCode;
use poem::web::Path;
use poem::{Body, Request, Response, handler};

use self::signature::Unsigned;
use crate::app::pushes::{self, Told, UnsignedPush};
use crate::domain::{Hook, Result};
use crate::web::visitor::Visitor;

/// The largest body: GitHub sends no larger ones.
const BODY_LIMIT: usize = 25 * 1024 * 1024;
/// How long a sender may take to send one.
const SENDING_TIME: Duration = Duration::from_secs(20);

/// `POST /hooks/{token}`
#[handler]
pub async fn receive(
    visitor: Visitor,
    Path(token): Path<String>,
    request: &Request,
    body: Body,
) -> Result<Response> {
    let Some(hook) = pushes::hook(visitor.app(), &token).await? else {
        return Ok(answer(StatusCode::NOT_FOUND, "There is no such hook."));
    };
    let length = request
        .header("content-length")
        .and_then(|length| length.parse::<usize>().ok());
    if length.is_some_and(|length| length > BODY_LIMIT) {
        return Ok(too_large());
    }
    // Few at a time, as each may be large.
    let _turn = visitor.site().hook_turn().await?;
    match tokio::time::timeout(SENDING_TIME, body.into_bytes_limit(BODY_LIMIT)).await {
        Ok(Ok(body)) => take(&visitor, &hook, request, &body).await,
        Ok(Err(ReadBodyError::PayloadTooLarge)) => Ok(too_large()),
        Ok(Err(_)) => Ok(answer(StatusCode::BAD_REQUEST, "The body broke off.")),
        Err(_) => Ok(answer(StatusCode::REQUEST_TIMEOUT, "The body took too long.")),
    }
}

async fn take(visitor: &Visitor, hook: &Hook, request: &Request, body: &[u8]) -> Result<Response> {
    let (app, headers) = (visitor.app(), request.headers());
    let delivery = signature::delivery(headers);
    let sender = match signature::check(headers, body, &hook.secret, visitor.now()) {
        Ok(sender) => sender,
        Err(Unsigned { sender, why }) => {
            let push = UnsignedPush {
                project: hook.project,
                sender,
                delivery,
                why,
            };
            pushes::refuse(app, push).await?;
            return Ok(answer(StatusCode::UNAUTHORIZED, why));
        }
    };
    let told = match bodies::read(sender, headers, body) {
        Ok(told) => told,
        Err(why) => {
            let answer = answer(StatusCode::BAD_REQUEST, &why);
            // Whoever set the hook up looks for it there.
            pushes::receive(app, hook.project, (sender, delivery), Told::Nothing(why)).await?;
            return Ok(answer);
        }
    };
    let said = match &told {
        Told::Branches(_) => "Received.".to_owned(),
        Told::Nothing(sentence) => sentence.clone(),
    };
    pushes::receive(app, hook.project, (sender, delivery), told).await?;
    Ok(answer(StatusCode::ACCEPTED, &said))
}

fn too_large() -> Response {
    answer(
        StatusCode::PAYLOAD_TOO_LARGE,
        "The body is larger than any push. Nothing was done.",
    )
}

fn answer(status: StatusCode, sentence: &str) -> Response {
    Response::builder()
        .status(status)
        .content_type("text/plain; charset=utf-8")
        .body(format!("{sentence}\n"))
}
