//! What the buttons of a deployment's page do: one use case each, and back to the page it is about.

use poem::web::{Form, Path};
use poem::{Response, handler};
use serde::Deserialize;

use crate::app::deployments::{self, Earlier, Requested};
use crate::domain::{Answer, DeploymentId, Error, Result};
use crate::web::csrf;
use crate::web::flash::Flash;
use crate::web::frame::go_to;
use crate::web::urls;
use crate::web::visitor::Visitor;

/// `POST /deployments/{id}/cancel`
#[handler]
pub async fn cancel(visitor: Visitor, Path(id): Path<DeploymentId>) -> Result<Response> {
    // The page itself tells how far the end has come.
    deployments::cancel(visitor.app(), visitor.actor(), id).await?;
    Ok(go_to(&urls::deployment(id)))
}

/// `POST /deployments/{id}/pause`: after the current batch.
#[handler]
pub async fn pause(visitor: Visitor, Path(id): Path<DeploymentId>) -> Result<Response> {
    deployments::pause(visitor.app(), visitor.actor(), id).await?;
    Ok(go_to(&urls::deployment(id)))
}

/// `POST /deployments/{id}/unpause`: takes the wish for a pause back.
#[handler]
pub async fn unpause(visitor: Visitor, Path(id): Path<DeploymentId>) -> Result<Response> {
    deployments::unpause_request(visitor.app(), visitor.actor(), id).await?;
    Ok(go_to(&urls::deployment(id)))
}

/// What is said to a pause.
#[derive(Deserialize)]
pub struct Said {
    #[serde(default)]
    answer: String,
}

/// `POST /deployments/{id}/answer`
#[handler]
pub async fn answer(
    visitor: Visitor,
    Path(id): Path<DeploymentId>,
    Form(said): Form<Said>,
) -> Result<Response> {
    let answer = Answer::parse(&said.answer)
        .ok_or_else(|| Error::invalid("Choose one of the answers on the deployment's page."))?;
    deployments::answer(visitor.app(), visitor.actor(), id, answer).await?;
    let text = format!("Told it: {}.", answer.title().to_lowercase());
    visitor.flash(Flash::done(text)).await?;
    Ok(go_to(&urls::deployment(id)))
}

/// `POST /deployments/{id}/approve`
#[handler]
pub async fn approve(visitor: Visitor, Path(id): Path<DeploymentId>) -> Result<Response> {
    deployments::approve(visitor.app(), visitor.actor(), id).await?;
    visitor
        .flash(Flash::done("Approved, exactly as planned."))
        .await?;
    Ok(go_to(&urls::deployment(id)))
}

/// Why it is rejected.
#[derive(Deserialize)]
pub struct Rejection {
    #[serde(default)]
    reason: String,
}

/// `POST /deployments/{id}/reject`
#[handler]
pub async fn reject(
    visitor: Visitor,
    Path(id): Path<DeploymentId>,
    Form(rejection): Form<Rejection>,
) -> Result<Response> {
    deployments::reject(visitor.app(), visitor.actor(), id, &rejection.reason).await?;
    visitor
        .flash(Flash::warning("Rejected: no server is touched."))
        .await?;
    Ok(go_to(&urls::deployment(id)))
}

/// What a form that asks for a new deployment sends along.
#[derive(Deserialize)]
pub struct Key {
    #[serde(default)]
    request_key: String,
}

impl Key {
    fn of(self, id: DeploymentId) -> Earlier {
        Earlier {
            id,
            request_key: csrf::is_secret(&self.request_key).then_some(self.request_key),
        }
    }
}

/// `POST /deployments/{id}/retry`
#[handler]
pub async fn retry(visitor: Visitor, Path(id): Path<DeploymentId>, Form(key): Form<Key>) -> Result<Response> {
    let requested = deployments::retry(visitor.app(), visitor.actor(), key.of(id)).await?;
    follow(&visitor, requested).await
}

/// `POST /deployments/{id}/resume`
#[handler]
pub async fn resume(
    visitor: Visitor,
    Path(id): Path<DeploymentId>,
    Form(key): Form<Key>,
) -> Result<Response> {
    let requested = deployments::resume(visitor.app(), visitor.actor(), key.of(id)).await?;
    follow(&visitor, requested).await
}

/// Where a commit goes on to.
#[derive(Deserialize)]
pub struct Next {
    #[serde(default)]
    environment: String,
    #[serde(flatten)]
    key: Key,
}

/// `POST /deployments/{id}/promote`
#[handler]
pub async fn promote(
    visitor: Visitor,
    Path(id): Path<DeploymentId>,
    Form(next): Form<Next>,
) -> Result<Response> {
    let Next { environment, key } = next;
    let requested = deployments::promote(visitor.app(), visitor.actor(), key.of(id), &environment).await?;
    follow(&visitor, requested).await
}

/// `POST /deployments/{id}/again`
#[handler]
pub async fn again(visitor: Visitor, Path(id): Path<DeploymentId>, Form(key): Form<Key>) -> Result<Response> {
    let requested = deployments::again(visitor.app(), visitor.actor(), key.of(id)).await?;
    follow(&visitor, requested).await
}

/// `POST /deployments/{id}/rollback`
#[handler]
pub async fn roll_back(
    visitor: Visitor,
    Path(id): Path<DeploymentId>,
    Form(key): Form<Key>,
) -> Result<Response> {
    let requested = deployments::roll_back(visitor.app(), visitor.actor(), key.of(id)).await?;
    follow(&visitor, requested).await
}

/// To the page of what was asked for.
///
/// # Errors
/// Of the session.
pub async fn follow(visitor: &Visitor, requested: Requested) -> Result<Response> {
    if let Requested::AlreadyQueued(id) = requested {
        let text = format!("This was asked for already: it is deployment {id}.");
        visitor.flash(Flash::warning(text)).await?;
    }
    Ok(go_to(&urls::deployment(requested.id())))
}
