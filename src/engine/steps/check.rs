//! Looks for everything that can go wrong before anything is touched: permission now, the plan, and on
//! each server reachability, host key, tools and room for the tree.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};

use super::neighbours::{self, Neighbour};
use super::{health, one_place, reuse, room, transfer};
use crate::domain::deployment::ServerState;
use crate::domain::{Event, EventKind, Kind, OnServer, Outcome, Plan, ServerId, StepKind, short_hash};
use crate::engine::ending::{Done, Failure, StepResult};
use crate::engine::found::{Checked, Reached};
use crate::engine::journal::{Active, Note};
use crate::engine::output::StepLog;
use crate::engine::permission::{self, Permission};
use crate::engine::planning::{self, Asking, Prospect};
use crate::engine::reach;
use crate::engine::run::{Run, TargetServer};
use crate::engine::shared::EngineParts;
use crate::engine::words;
use crate::store::{deployments, sealing};
use crate::sync::{self, Inspection, Layout};

/// Checks permission again, makes the plan, and looks at all servers at the same time. Any failure ends
/// the deployment here, where nothing has changed yet.
pub async fn check(run: &Run) -> StepResult<Checked> {
    let mut step = run.begin(StepKind::Check, None).await?;
    let action = run.deployment.kind.action();
    match permission::ask(run.parts(), &run.deployment, action).await {
        Ok(Permission::Granted(line)) => {
            let who = &run.deployment.actor;
            step.log.say(format!("{who} may {action} by {line}")).await;
        }
        Ok(Permission::Refused(why)) => {
            // `end` returns the same failure; the one below says more.
            let _ = run.end(step, Err(Failure::new(&why))).await;
            return Err(refused(run, &why).await?);
        }
        Err(error) => {
            let failure = Failure::from(error);
            run.end(step, Err(failure.clone())).await?;
            return Err(failure);
        }
    }
    let planned = match health::check_here(run).await {
        Ok(()) => make_plan(run, &mut step.log).await,
        Err(failure) => Err(failure),
    };
    let prospect = match planned {
        Ok(prospect) => prospect,
        Err(failure) => {
            run.end(step, Err(failure.clone())).await?;
            return Err(failure);
        }
    };
    let (result, servers) = match look_at_all(run, &mut step.log).await {
        Ok(found) => (
            Ok(Done::well(format!("Ready: {}.", words::servers(found.len())))),
            found,
        ),
        Err(failure) => (Err(failure), HashMap::new()),
    };
    run.end(step, result).await?;
    Ok(Checked { prospect, servers })
}

/// Makes the plan, stores it, and logs its summary.
async fn make_plan(run: &Run, log: &mut StepLog) -> StepResult<Prospect> {
    let EngineParts { store, balancers, .. } = run.parts();
    let strategy = run.deployment.strategy_in(&run.environment);
    let asking = Asking::Rollout;
    let prospect = planning::prospect(store, balancers, &run.roster, strategy, &run.meant, asking).await?;
    let plan = &prospect.plan;
    let strangers = planning::strangers(plan, run.members.iter().map(|member| &member.server));
    if !strangers.is_empty() {
        return Err(Failure::new(format!(
            "No longer in a cluster of this environment: {}. Request the deployment again.",
            strangers.join(", ")
        )));
    }
    let approval = run.deployment.approval.as_ref();
    if let Some(approval) = approval.filter(|approval| approval.given.is_some()) {
        let approved = deployments::plan(store, run.deployment.id).await?;
        let same_plan = approved.is_none_or(|approved| approved.does_the_same_as(plan));
        let terms = run.environment.terms(&run.project);
        let same_terms = approval.terms.is_empty() || sealing::is_digest(store, &approval.terms, &terms);
        if !same_plan || !same_terms {
            return Err(planning::changed_since_approval().into());
        }
    }
    let record = run.record().await?;
    deployments::set_plan(&record, plan).await?;
    record.commit().await?;
    log.say(format!("Strategy: {}. {}.", strategy.title(), batches(plan)))
        .await;
    for one in &plan.left_alone {
        log.say(planning::left_alone_line(one)).await;
    }
    for note in &plan.notes {
        log.say(note).await;
    }
    Ok(prospect)
}

fn batches(plan: &Plan) -> String {
    let titles: Vec<String> = plan
        .batches
        .iter()
        .map(|batch| {
            let names: Vec<&str> = batch.servers.iter().map(|one| one.name.as_str()).collect();
            format!("{} ({})", batch.title, names.join(", "))
        })
        .collect();
    titles.join(", then ")
}

async fn look_at_all(run: &Run, log: &mut StepLog) -> StepResult<HashMap<ServerId, Arc<Reached>>> {
    let neighbours = neighbours::all(run).await?;
    let mut taken = neighbours::taken_places(run, &neighbours)?;
    taken.extend(twins(run).await);
    // Boxed, as the compiler cannot see that the bare futures may move between threads.
    let mut looks: Vec<BoxFuture<'_, (&TargetServer, StepResult<Reached>)>> = Vec::new();
    for member in &run.members {
        let id = &member.server.id;
        let others = neighbours.get(id).map_or(&[][..], Vec::as_slice);
        looks.push(Box::pin(look(run, member, (taken.get(id), others))));
    }
    let parallel = run.parallel();
    let looked: Vec<(&TargetServer, StepResult<Reached>)> =
        stream::iter(looks).buffer_unordered(parallel).collect().await;
    let (mut reached, mut missing) = (HashMap::new(), Vec::new());
    for (member, result) in looked {
        match result {
            Ok(found) => drop(reached.insert(member.server.id, Arc::new(found))),
            Err(failure) => {
                missing.push(member.server.name.as_str());
                log.say(format!("{}: {}", member.server.name, failure.message))
                    .await;
            }
        }
    }
    let mut lacking = Vec::new();
    if missing.is_empty() {
        lacking = one_place::shared(run, &reached).await;
    }
    if missing.is_empty() && lacking.is_empty() {
        lacking = room::lacking(run, &reached, log).await;
    }
    for (member, failure) in &lacking {
        missing.push(member.server.name.as_str());
        fail(run, member, failure).await;
        log.say(format!("{}: {}", member.server.name, failure.message))
            .await;
    }
    missing.sort_unstable();
    match missing.as_slice() {
        [] => Ok(reached),
        names => Err(Failure::new(format!(
            "Not ready: {}. Nothing was touched on any server.",
            names.join(", ")
        ))),
    }
}

/// Records the refusal; returns what the whole deployment fails with.
async fn refused(run: &Run, why: &str) -> StepResult<Failure> {
    let sentence = format!("No longer allowed: {why}");
    let event = Event::by_engine(EventKind::DeploymentRefused, &run.deployment, &sentence);
    run.change().await?.commit(event.ended(Outcome::Refused)).await?;
    Ok(Failure::new(format!("{sentence} No server was touched.")))
}

/// Servers of the deployment that are one machine under two names, with a complaint for each: the same
/// files would be changed twice at the same time.
async fn twins(run: &Run) -> HashMap<ServerId, String> {
    let mut twins = HashMap::new();
    for (number, one) in run.members.iter().enumerate() {
        for other in run.members.iter().skip(number + 1) {
            if !neighbours::is_one_machine(&one.server, &other.server).await {
                continue;
            }
            for (own, twin) in [(one, other), (other, one)] {
                let complaint = format!(
                    "It has the address {}:{}, as does {}, so both are one machine. Remove one of them.",
                    own.server.address, own.server.port, twin.server.name
                );
                twins.insert(own.server.id, complaint);
            }
        }
    }
    twins
}

async fn look<'a>(
    run: &Run,
    member: &'a TargetServer,
    place: (Option<&String>, &[Arc<Neighbour>]),
) -> (&'a TargetServer, StepResult<Reached>) {
    let result = look_at(run, member, place).await;
    if let Err(failure) = &result {
        fail(run, member, failure).await;
    }
    (member, result)
}

/// Notes on its row why a server is not ready.
async fn fail(run: &Run, member: &TargetServer, failure: &Failure) {
    run.set_part(member, ServerState::Failed, OnServer::Untouched, &failure.message)
        .await;
}

/// `taken`: why its place is another environment's; `others`: those that are on it as well.
async fn look_at(
    run: &Run,
    member: &TargetServer,
    (taken, others): (Option<&String>, &[Arc<Neighbour>]),
) -> StepResult<Reached> {
    let step = run.begin(StepKind::Inspect, Some(member)).await?;
    let looked = match taken {
        Some(complaint) => Err(Failure::new(complaint)),
        None => look_beside(run, member, others).await,
    };
    end_look(run, step, looked, true).await
}

async fn look_beside(run: &Run, member: &TargetServer, others: &[Arc<Neighbour>]) -> StepResult<Reached> {
    let reached = look_again(run, member).await?;
    if !others.is_empty() {
        neighbours::demand_apart(run, &reached, others).await?;
    }
    Ok(reached)
}

/// Looks at a server before another attempt. The record of what was on it before the first one stays.
pub async fn look_once_more(run: &Run, member: &TargetServer) -> StepResult<Reached> {
    let step = run.begin(StepKind::Inspect, Some(member)).await?;
    let looked = look_again(run, member).await;
    end_look(run, step, looked, false).await
}

async fn end_look(
    run: &Run,
    mut step: Active,
    looked: StepResult<Reached>,
    is_first: bool,
) -> StepResult<Reached> {
    let reached = match looked {
        Ok(reached) => reached,
        Err(failure) => {
            run.end(step, Err(failure.clone())).await?;
            return Err(failure);
        }
    };
    let what = describe(&reached.found);
    step.log.say(&what).await;
    let before = reached.found.release.iter().filter(|_| is_first);
    let mut before: Vec<Note<'_>> = before.map(|one| Note::Previous(&one.commit)).collect();
    if is_first {
        before.push(Note::LeftMixed(reached.is_half_changed()));
    }
    run.end_noting(step, Ok(Done::well(what)), &before).await?;
    Ok(reached)
}

fn describe(found: &Inspection) -> String {
    match &found.release {
        Some(release) if release.in_progress => {
            format!(
                "A deployment of {} was not finished there, so its files are of two releases.",
                short_hash(&release.commit)
            )
        }
        Some(release) => format!(
            "It runs {} of branch {}.",
            short_hash(&release.commit),
            release.branch
        ),
        None => "Nothing was deployed to it before.".to_owned(),
    }
}

/// Looks at a server now.
pub async fn look_again(run: &Run, member: &TargetServer) -> StepResult<Reached> {
    let server = &member.server;
    let endpoint = reach::endpoint(&run.parts().store, server, &run.environment).await?;
    let session = tokio::select! {
        session = run.parts().ssh.session(&endpoint) => session?,
        () = run.stop.token().cancelled() => return Err(Failure::new("Ended before it was reached.")),
    };
    let layout = Layout::new(&run.project, &run.environment)?;
    let limits = transfer::limits(run);
    let (found, releases) = match reuse::may_be_kept(run) {
        true => {
            let (found, releases) = sync::survey(&session, &layout, &limits).await?;
            (found, Some(releases))
        }
        false => (sync::inspect(&session, &layout, &limits).await?, None),
    };
    found.check(layout.method)?;
    if run.deployment.kind != Kind::Rollback {
        found.check_stores()?;
    }
    Ok(Reached {
        session,
        layout,
        found,
        releases,
        at: tokio::time::Instant::now(),
    })
}
