//! Acts on a deployment: what the buttons of its page do, one use case each.

mod button;
mod buttons;
mod ended;
mod plan;
mod view;
mod why_not;

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

/// The fields that the buttons send; each sends some of them.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct ActForm {
    answer: String,
    reason: String,
    /// Where a commit is promoted to.
    environment: String,
    /// One per button as it was shown, where it requests a new deployment.
    request_key: String,
}

impl ActForm {
    fn earlier(self, id: DeploymentId) -> Earlier {
        Earlier {
            id,
            request_key: csrf::is_secret(&self.request_key).then_some(self.request_key),
            reason: self.reason,
        }
    }
}

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
    deployments::withdraw_pause(visitor.app(), visitor.actor(), id).await?;
    Ok(go_to(&urls::deployment(id)))
}

/// `POST /deployments/{id}/answer`
#[handler]
pub async fn answer(
    visitor: Visitor,
    Path(id): Path<DeploymentId>,
    Form(form): Form<ActForm>,
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
    visitor.flash(Flash::done("Approved.")).await?;
    Ok(go_to(&urls::deployment(id)))
}

/// `POST /deployments/{id}/reject`
#[handler]
pub async fn reject(
    visitor: Visitor,
    Path(id): Path<DeploymentId>,
    Form(form): Form<ActForm>,
) -> Result<Response> {
    deployments::reject(visitor.app(), visitor.actor(), id, &form.reason).await?;
    visitor
        .flash(Flash::warning("Rejected: no server is touched."))
        .await?;
    Ok(go_to(&urls::deployment(id)))
}

/// `POST /deployments/{id}/retry`
#[handler]
pub async fn retry(
    visitor: Visitor,
    Path(id): Path<DeploymentId>,
    Form(form): Form<ActForm>,
) -> Result<Response> {
    let requested = deployments::retry(visitor.app(), visitor.actor(), form.earlier(id)).await?;
    follow(&visitor, requested).await
}

/// `POST /deployments/{id}/resume`
#[handler]
pub async fn resume(
    visitor: Visitor,
    Path(id): Path<DeploymentId>,
    Form(form): Form<ActForm>,
) -> Result<Response> {
    let requested = deployments::resume(visitor.app(), visitor.actor(), form.earlier(id)).await?;
    follow(&visitor, requested).await
}

/// `POST /deployments/{id}/promote`
#[handler]
pub async fn promote(
    visitor: Visitor,
    Path(id): Path<DeploymentId>,
    Form(mut form): Form<ActForm>,
) -> Result<Response> {
    let environment = std::mem::take(&mut form.environment);
    let requested =
        deployments::promote(visitor.app(), visitor.actor(), form.earlier(id), &environment).await?;
    follow(&visitor, requested).await
}

/// `POST /deployments/{id}/again`
#[handler]
pub async fn again(
    visitor: Visitor,
    Path(id): Path<DeploymentId>,
    Form(form): Form<ActForm>,
) -> Result<Response> {
    let requested = deployments::again(visitor.app(), visitor.actor(), form.earlier(id)).await?;
    follow(&visitor, requested).await
}

/// `POST /deployments/{id}/rollback`
#[handler]
pub async fn roll_back(
    visitor: Visitor,
    Path(id): Path<DeploymentId>,
    Form(form): Form<ActForm>,
) -> Result<Response> {
    let requested = deployments::roll_back(visitor.app(), visitor.actor(), form.earlier(id)).await?;
    follow(&visitor, requested).await
}
