//! What a rollout keeps beside its state: the plan, pauses and answers, and whether each server gets
//! traffic.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::super::columns::{from_json, micros, to_json};
use super::super::entities::deployment_servers as parts;
use super::super::entities::deployments::{Column, Entity};
use super::super::{Change, Journal, Reader};
use super::{batch_of, by_id, from_row, opt_json};
use crate::domain::rollout::Slot;
use crate::domain::{
    Answered, Answerer, Approval, Deployment, DeploymentId, DeploymentState, EnvironmentId, Error, Instant,
    Kind, PastPause, Pause, Plan, PolicyLine, Result, ServerId, Service, ServiceBefore,
};

/// What will be done, or was: `None` before there is a plan.
pub async fn plan(on: &impl Reader, id: DeploymentId) -> Result<Option<Plan>> {
    let text: Option<Option<String>> = Entity::find_by_id(id.0)
        .select_only()
        .column(Column::Plan)
        .into_tuple()
        .one(on.db())
        .await?;
    opt_json("a plan", text.flatten().as_deref())
}

/// Keeps what will be done, each server's batch, and how it stands at its balancers.
pub async fn set_plan(tx: &impl Journal, plan: &Plan) -> Result<()> {
    let id = tx.deployment().0;
    Entity::update_many()
        .col_expr(Column::Plan, Expr::value(to_json(plan)?))
        .filter(Column::Id.eq(id))
        .exec(tx.db())
        .await?;
    for planned in plan.servers() {
        parts::Entity::update_many()
            .col_expr(parts::Column::Batch, Expr::value(batch_of(plan, planned.server)))
            .col_expr(
                parts::Column::ServiceBefore,
                Expr::value(planned.service_before().as_str()),
            )
            .filter(parts::Column::DeploymentId.eq(id))
            .filter(parts::Column::ServerId.eq(planned.server.0))
            .exec(tx.db())
            .await?;
    }
    Ok(())
}

/// What a deployment stands on: a later start carries it on only where both are still the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Footing {
    /// The digest of the settings that it began with; see
    /// [`Environment::footing`](crate::domain::Environment::footing).
    pub settings: Option<String>,
    /// The digest of what is in the tree that its servers get; `None` while there is none, or where nothing
    /// is sent.
    pub contents: Option<String>,
}

/// What it stands on.
pub async fn footing(on: &impl Reader, id: DeploymentId) -> Result<Footing> {
    let row: Option<(Option<String>, Option<String>)> = Entity::find_by_id(id.0)
        .select_only()
        .column(Column::SettingsDigest)
        .column(Column::ContentsDigest)
        .into_tuple()
        .one(on.db())
        .await?;
    let (settings, contents) = row.unwrap_or_default();
    Ok(Footing { settings, contents })
}

/// Keeps what it stands on, as far as that is known by now.
pub async fn set_footing(tx: &impl Journal, footing: &Footing) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::SettingsDigest, Expr::value(footing.settings.clone()))
        .col_expr(Column::ContentsDigest, Expr::value(footing.contents.clone()))
        .filter(Column::Id.eq(tx.deployment().0))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Keeps the digest of the tree that the deployment puts onto its servers.
pub async fn set_tree_digest(tx: &impl Journal, digest: &str) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::TreeDigest, Expr::value(digest))
        .filter(Column::Id.eq(tx.deployment().0))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// The digest of the tree that a deployment puts onto its servers, once that is known.
pub async fn tree_digest(on: &impl Reader, id: DeploymentId) -> Result<Option<String>> {
    let digest: Option<Option<String>> = Entity::find_by_id(id.0)
        .select_only()
        .column(Column::TreeDigest)
        .into_tuple()
        .one(on.db())
        .await?;
    Ok(digest.flatten())
}

/// Notes in the plan that somebody took a server out by hand at `places`, so the rollout leaves it out.
pub async fn leave_by_hand(tx: &impl Journal, server: ServerId, places: &[Slot]) -> Result<()> {
    let Some(mut plan) = plan(tx, tx.deployment()).await? else {
        return Ok(());
    };
    let batches = plan.batches.iter_mut();
    for planned in batches
        .flat_map(|batch| &mut batch.servers)
        .filter(|one| one.server == server)
    {
        let (left, own) = std::mem::take(&mut planned.slots)
            .into_iter()
            .partition(|slot| places.contains(slot));
        planned.slots = own;
        planned.by_hand.extend::<Vec<Slot>>(left);
    }
    set_plan(tx, &plan).await
}

/// Notes whether the server at `position` gets traffic: before we change that, and after.
pub async fn set_service(tx: &impl Journal, position: i32, service: Service) -> Result<()> {
    parts::Entity::update_many()
        .col_expr(parts::Column::Service, Expr::value(service.as_str()))
        .filter(parts::Column::DeploymentId.eq(tx.deployment().0))
        .filter(parts::Column::Position.eq(position))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Notes how the server at `position` stood at its balancers before the deployment.
pub async fn set_service_before(tx: &impl Journal, position: i32, before: ServiceBefore) -> Result<()> {
    parts::Entity::update_many()
        .col_expr(parts::Column::ServiceBefore, Expr::value(before.as_str()))
        .filter(parts::Column::DeploymentId.eq(tx.deployment().0))
        .filter(parts::Column::Position.eq(position))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Notes that `by` wants it to pause after the current batch; `None`: no longer.
pub async fn request_pause(change: &Change, id: DeploymentId, by: Option<&str>) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::PauseRequestedBy, Expr::value(by.map(str::to_owned)))
        .filter(Column::Id.eq(id.0))
        .exec(change.connection())
        .await?;
    Ok(())
}

/// Notes what the deployment waits for; an answer to an earlier pause is forgotten. `None`: it
/// goes on.
pub async fn set_pause(tx: &impl Journal, pause: Option<&Pause>) -> Result<()> {
    let text = pause.map(to_json).transpose()?;
    Entity::update_many()
        .col_expr(Column::Pause, Expr::value(text))
        .col_expr(Column::Answer, Expr::value(None::<String>))
        .col_expr(Column::PauseRequestedBy, Expr::value(None::<String>))
        .filter(Column::Id.eq(tx.deployment().0))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Notes what the deployment waits for by now in the same pause: an answer that was given meanwhile stays.
pub async fn change_pause(tx: &impl Journal, pause: &Pause) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::Pause, Expr::value(to_json(pause)?))
        .filter(Column::Id.eq(tx.deployment().0))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Notes that the present pause has ended with `answered`. Both stay stored until a server is begun, so that
/// the answer is still followed if the deployer ends before that.
pub async fn end_pause(tx: &impl Journal, answered: &Answered) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::Answer, Expr::value(to_json(answered)?))
        .col_expr(Column::PauseRequestedBy, Expr::value(None::<String>))
        .filter(Column::Id.eq(tx.deployment().0))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Forgets a pause that has ended, because something came of its answer.
pub async fn forget_ended_pause(tx: &impl Journal) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::Pause, Expr::value(None::<String>))
        .col_expr(Column::Answer, Expr::value(None::<String>))
        .filter(Column::Id.eq(tx.deployment().0))
        .filter(Column::State.eq(DeploymentState::Running.as_str()))
        .filter(Column::Pause.is_not_null())
        .exec(tx.db())
        .await?;
    Ok(())
}

/// What was answered to a pause that has ended without anything having come of it yet.
pub async fn unfollowed_answer(on: &impl Reader, id: DeploymentId) -> Result<Option<Answered>> {
    let row: Option<(Option<String>, Option<String>)> = Entity::find_by_id(id.0)
        .select_only()
        .column(Column::Pause)
        .column(Column::Answer)
        .filter(Column::State.eq(DeploymentState::Running.as_str()))
        .into_tuple()
        .one(on.db())
        .await?;
    match row {
        Some((Some(_), Some(answer))) => from_json("an answer", &answer).map(Some),
        _ => Ok(None),
    }
}

/// Answers a paused deployment; its worker sees the answer.
///
/// # Errors
/// A conflict when it is not paused, does not take this answer, or has one already.
pub async fn answer(change: &Change, id: DeploymentId, answered: &Answered) -> Result<()> {
    let deployment = by_id(change, id).await?;
    let paused = deployment.state == DeploymentState::Paused;
    let Some(pause) = deployment.pause.as_ref().filter(|_| paused) else {
        return Err(Error::conflict(format!(
            "Deployment {id} is not paused. Check its present state."
        )));
    };
    if !pause.answers().contains(&answered.answer) {
        return Err(Error::conflict(format!(
            "“{}” is not an answer that deployment {id} waits for. Check its present state.",
            answered.answer.title()
        )));
    }
    let done = Entity::update_many()
        .col_expr(Column::Answer, Expr::value(to_json(answered)?))
        .filter(Column::Id.eq(id.0))
        .filter(Column::Answer.is_null())
        .exec(change.connection())
        .await?;
    if done.rows_affected == 0 {
        return Err(Error::conflict("Somebody has answered already."));
    }
    remember_answer(change, &deployment, answered).await
}

/// Adds the present pause to those that were answered.
pub async fn remember_answer(change: &Change, deployment: &Deployment, answered: &Answered) -> Result<()> {
    let Some(pause) = &deployment.pause else {
        return Ok(());
    };
    let past = PastPause {
        reason: pause.reason.clone(),
        since: pause.since,
        answered: answered.clone(),
    };
    let mut pauses = deployment.pauses.clone();
    pauses.push(past);
    set_pauses(change, deployment.id, &pauses).await
}

async fn set_pauses(change: &Change, id: DeploymentId, pauses: &[PastPause]) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::Pauses, Expr::value(to_json(&pauses)?))
        .filter(Column::Id.eq(id.0))
        .exec(change.connection())
        .await?;
    Ok(())
}

/// Notes that whoever last answered a pause of `deployment` carries it on, as `line` allows.
pub async fn note_take_over(change: &Change, deployment: &Deployment, line: &PolicyLine) -> Result<()> {
    let mut pauses = deployment.pauses.clone();
    let by_people = pauses.iter_mut().rev().map(|past| &mut past.answered);
    let mut by_people = by_people.filter(|answered| answered.by != Answerer::Time);
    let Some(answered) = by_people.next() else {
        return Ok(());
    };
    answered.takes_over = true;
    answered.permit = Some(line.clone());
    set_pauses(change, deployment.id, &pauses).await
}

/// What was answered to the present pause, if anything.
pub async fn answer_given(on: &impl Reader, id: DeploymentId) -> Result<Option<Answered>> {
    let text: Option<Option<String>> = Entity::find_by_id(id.0)
        .select_only()
        .column(Column::Answer)
        .into_tuple()
        .one(on.db())
        .await?;
    text.flatten()
        .map(|text| from_json("an answer", &text))
        .transpose()
}

/// Keeps a second person's approval. The caller changes the state.
pub async fn approve(change: &Change, id: DeploymentId, approval: &Approval) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::Approval, Expr::value(to_json(approval)?))
        .filter(Column::Id.eq(id.0))
        .exec(change.connection())
        .await?;
    Ok(())
}

/// Deployments that await an approval, or whose scheduled time has come at `now`. The caller checks
/// whether an approval has expired.
pub async fn due(on: &impl Reader, now: Instant) -> Result<Vec<Deployment>> {
    let rows = Entity::find()
        .filter(
            Condition::any()
                .add(Column::State.eq(DeploymentState::Awaiting.as_str()))
                .add(
                    Condition::all()
                        .add(Column::State.eq(DeploymentState::Scheduled.as_str()))
                        .add(Column::ScheduledAt.lte(micros(now))),
                ),
        )
        .order_by_asc(Column::Id)
        .all(on.db())
        .await?;
    rows.into_iter().map(from_row).collect()
}

/// Automatic deployments to an environment that are in one of `states`, and that a newer one makes
/// pointless.
pub async fn superseded(
    change: &Change,
    environment: EnvironmentId,
    newer: DeploymentId,
    states: &[DeploymentState],
) -> Result<Vec<Deployment>> {
    let rows = Entity::find()
        .filter(Column::EnvironmentId.eq(environment.0))
        .filter(Column::State.is_in(states.iter().map(|state| state.as_str())))
        .filter(Column::Kind.eq(Kind::Automatic.as_str()))
        .filter(Column::Id.lt(newer.0))
        .order_by_asc(Column::Id)
        .all(change.connection())
        .await?;
    rows.into_iter().map(from_row).collect()
}
