//! Acts on a deployment: what the buttons of its page do, one use case each.

mod button;
mod queue;
mod view;

use poem::web::{Form, Path};
use poem::{Response, handler};
use serde::Deserialize;

pub use self::view::ActsView;
use crate::app::deployments::{self, Earlier};
use crate::domain::{Answer, DeploymentId, Error, Result};
use crate::web::csrf;
use crate::web::flash::Flash;
use crate::web::frame::go_to;
use crate::web::pages::follow::follow;
use crate::web::urls;
use crate::web::visitor::Visitor;

/// `POST /deployments/{id}/cancel`
#[handler]
pub async fn cancel(visitor: Visitor, Path(id): Path<DeploymentId>) -> Result<Response> {
    // The page itself shows the progress.
    deployments::cancel(visitor.app(), visitor.actor(), id).await?;
    Ok(go_to(&urls::deployment(id)))
}

/// `POST /deployments/{id}/pause`: after the current batch.
#[handler]
pub async fn pause(visitor: Visitor, Path(id): Path<DeploymentId>) -> Result<Response> {
    deployments::pause(visitor.app(), visitor.actor(), id).await?;
    Ok(go_to(&urls::deployment(id)))
}

/// `POST /deployments/{id}/unpause`: cancels a requested pause.
#[handler]
pub async fn unpause(visitor: Visitor, Path(id): Path<DeploymentId>) -> Result<Response> {
    deployments::unpause_request(visitor.app(), visitor.actor(), id).await?;
    Ok(go_to(&urls::deployment(id)))
}

/// An answer to a pause.
#[derive(Deserialize)]
pub struct AnswerForm {
    #[serde(default)]
    answer: String,
}

/// `POST /deployments/{id}/answer`
#[handler]
pub async fn answer(
    visitor: Visitor,
    Path(id): Path<DeploymentId>,
    Form(form): Form<AnswerForm>,
) -> Result<Response> {
    let answer = Answer::parse(&form.answer)
        .ok_or_else(|| Error::invalid("Choose one of the answers on the deployment's page."))?;
    deployments::answer(visitor.app(), visitor.actor(), id, answer).await?;
    let done = match answer {
        Answer::Resume => "Continued.",
        Answer::Retry => "The failed servers are tried again.",
        Answer::Skip => "Continued without the failed servers.",
        Answer::RollBack => "Rolling back.",
        Answer::Stop => "Stopped.",
    };
    visitor.flash(Flash::done(done)).await?;
    Ok(go_to(&urls::deployment(id)))
}

/// `POST /deployments/{id}/approve`
#[handler]
pub async fn approve(visitor: Visitor, Path(id): Path<DeploymentId>) -> Result<Response> {
    deployments::approve(visitor.app(), visitor.actor(), id).await?;
    visitor.flash(Flash::done("Approved as planned.")).await?;
    Ok(go_to(&urls::deployment(id)))
}

/// The reason for a rejection.
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

/// The key of a form that requests a new deployment.
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

/// Where a commit is promoted to.
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
