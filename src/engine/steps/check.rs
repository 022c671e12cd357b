//! Everything that can be known to go wrong is looked at before anything is touched: policy at this
//! instant, each server's reachability and host key, the tools and the room it has.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};

use super::{Done, Failure, StepResult, reuse, transfer};
use crate::domain::deployment::ServerState;
use crate::domain::rollout::Slot;
use crate::domain::{
    Action, Error, ErrorKind, Event, EventKind, Kind, Lock, Outcome, Plan, Resource, Server, ServerId,
    StepKind,
};
use crate::engine::journal::Note;
use crate::engine::output::StepLog;
use crate::engine::planning::{self, Asking, Balancers, Prospect, Roster};
use crate::engine::run::{Member, Run};
use crate::engine::{Parts, rollout};
use crate::ssh::{Endpoint, Session};
use crate::store::{clusters, deployments, environments, locks, projects, users};
use crate::sync::{self, Ground, Inspection, Layout};

/// A server that was reached, and what was found on it.
pub struct Reached {
    pub session: Session,
    pub layout: Layout,
    pub found: Inspection,
    /// The releases that lie there, where one of them may be gone back to.
    pub releases: Option<sync::Looked>,
    /// When it was looked at.
    pub at: tokio::time::Instant,
}

/// What the check found out.
pub struct Checked {
    /// What will be done.
    pub plan: Plan,
    /// The balancers it needs.
    pub balancers: Balancers,
    /// Where servers stand behind them.
    pub places: HashMap<ServerId, Vec<Slot>>,
    /// What was found on each server.
    pub inspections: HashMap<ServerId, Arc<Reached>>,
}

/// Asks policy again, makes the plan, then looks at all servers at once. Whatever is wrong ends the
/// deployment here, where nothing has changed yet.
pub async fn check(run: &Run) -> StepResult<Checked> {
    let mut step = run.begin(StepKind::Check, None).await?;
    match permitted(run).await {
        Ok(line) => {
            let (who, action) = (&run.deployment.actor, action(run));
            step.log.say(format!("{who} may {action} by {line}")).await;
        }
        Err(failure) => {
            // It gives the failure back, which is told more fully.
            let _ = run.end(step, Err(failure.clone())).await;
            return Err(refused(run, &failure).await?);
        }
    }
    let prospect = match make_plan(run, &mut step.log).await {
        Ok(prospect) => prospect,
        Err(failure) => {
            run.end(step, Err(failure.clone())).await?;
            return Err(failure);
        }
    };
    let (result, inspections) = match look_at_all(run, &mut step.log).await {
        Ok(found) => (
            Ok(Done::well(format!("{} servers are ready.", found.len()))),
            found,
        ),
        Err(failure) => (Err(failure), HashMap::new()),
    };
    run.end(step, result).await?;
    let Prospect {
        plan,
        balancers,
        places,
    } = prospect;
    Ok(Checked {
        plan,
        balancers,
        places,
        inspections,
    })
}

/// Makes the plan, keeps it, and says what a person should know of it.
async fn make_plan(run: &Run, log: &mut StepLog) -> StepResult<Prospect> {
    let Parts { store, balancers, .. } = run.parts();
    let strategy = Roster::strategy(run.deployment.strategy, &run.environment);
    let asking = Asking::Deed;
    let how = (strategy, run.deployment.kind);
    let prospect = planning::prospect(store, balancers, &run.roster, how, &run.meant, asking).await?;
    let plan = &prospect.plan;
    let strangers = planning::strangers(plan, run.members.iter().map(|member| &member.server));
    if !strangers.is_empty() {
        return Err(Failure::new(format!(
            "No longer in a cluster of this environment: {}. Ask for the deployment again.",
            strangers.join(", ")
        )));
    }
    let approval = run.deployment.approval.as_ref();
    if let Some(approval) = approval.filter(|approval| approval.given.is_some()) {
        let approved = deployments::plan(store, run.deployment.id).await?;
        let same_deed = approved.is_none_or(|approved| approved.is_same_deed(plan));
        let same_terms = approval.terms.is_empty() || approval.terms == run.environment.terms();
        if !same_deed || !same_terms {
            return Err(planning::changed_since_approval().into());
        }
    }
    let record = run.record().await?;
    deployments::set_plan(&record, plan).await?;
    record.commit().await?;
    log.say(format!("{}, {}.", strategy.title(), batches(plan))).await;
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
    let mut taken = taken_places(run).await?;
    taken.extend(twins(run).await);
    // Boxed, as the compiler cannot see that the bare futures may move between threads.
    let mut looks: Vec<BoxFuture<'_, (&Member, StepResult<Reached>)>> = Vec::new();
    for member in &run.members {
        looks.push(Box::pin(look(run, member, taken.get(&member.server.id))));
    }
    let parallel = rollout::parallel(run);
    let looked: Vec<(&Member, StepResult<Reached>)> =
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
    missing.sort_unstable();
    match missing.as_slice() {
        [] => Ok(reached),
        names => Err(Failure::new(format!(
            "Not ready: {}. Nothing was touched on any server.",
            names.join(", ")
        ))),
    }
}

fn action(run: &Run) -> Action {
    match run.deployment.kind {
        Kind::Rollback => Action::Rollback,
        _ => Action::Deploy,
    }
}

/// Records that it may not be done any more, and says so of the whole deployment.
async fn refused(run: &Run, failure: &Failure) -> StepResult<Failure> {
    let sentence = format!("It may not be done any more: {}", failure.message);
    let event = Event::by_engine(EventKind::DeploymentRefused, &run.deployment, &sentence);
    run.change().await?.commit(event.ended(Outcome::Refused)).await?;
    Ok(Failure::new(format!("{sentence} No server was touched.")))
}

/// Whether the account of who asked was disabled meanwhile. Who asked may have none: `auto` and the
/// guest have none.
async fn demand_account(run: &Run) -> StepResult<()> {
    let name = &run.deployment.actor;
    match users::by_name(&run.parts().store, name).await {
        Ok(user) if user.disabled => Err(Failure::new(format!("The account of {name} is disabled."))),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Asks policy at this instant whether who asked for the deployment still may; the line that says
/// so, or why not.
pub async fn permitted(run: &Run) -> StepResult<String> {
    demand_account(run).await?;
    let deployment = &run.deployment;
    let actor = deployment.requester("engine");
    let resource = Resource::Environment(deployment.project.clone(), deployment.environment.clone());
    let permit = run
        .parts()
        .access
        .permit(&actor, action(run), &resource, run.now())
        .map_err(Error::from)?;
    let locks = locks::stopping(&run.parts().store, run.project.id, run.environment.id, run.now()).await?;
    // A reason given for one lock says nothing about those that came later.
    let stops = |lock: &&Lock| deployment.lock_override.is_none() || lock.created_at > deployment.queued_at;
    if let Some(lock) = locks.iter().find(stops) {
        return Err(Failure::new(format!(
            "{} has locked this: {}",
            lock.author, lock.reason
        )));
    }
    Ok(permit.line().to_string())
}

/// The servers where another environment changes the same directories, with a complaint each: the
/// two would delete each other's files. Refused, whichever comes second.
async fn taken_places(run: &Run) -> StepResult<HashMap<ServerId, String>> {
    let (store, mine) = (&run.parts().store, &run.environment);
    let ground = Ground::of(&run.project, mine)?;
    let projects = projects::list(store).await?;
    let mut taken = HashMap::new();
    for other in environments::all(store).await? {
        let Some(project) = projects.iter().find(|one| one.id == other.project_id) else {
            continue;
        };
        // One whose options make no sense any more is deployed nowhere.
        let theirs = Ground::of(project, &other).ok().filter(|_| other.id != mine.id);
        let Some(overlap) = theirs.and_then(|theirs| ground.overlap(&theirs)) else {
            continue;
        };
        for id in &other.clusters {
            for member in clusters::by_id(store, *id).await?.members {
                let complaint = format!("{}/{} on it {}", project.name, other.name, overlap.sentence());
                taken.insert(member.server, complaint);
            }
        }
    }
    Ok(taken)
}

/// Servers of the deployment that are one machine under two names, with a complaint each: both
/// would change the same files at once.
async fn twins(run: &Run) -> HashMap<ServerId, String> {
    let mut twins = HashMap::new();
    for (number, one) in run.members.iter().enumerate() {
        for other in run.members.iter().skip(number + 1) {
            if !is_one_machine(&one.server, &other.server).await {
                continue;
            }
            for (own, twin) in [(one, other), (other, one)] {
                let complaint = format!(
                    "It has the address {}:{}, which is that of {} as well, so both are one machine. Take one of them out.",
                    own.server.address, own.server.port, twin.server.name
                );
                twins.insert(own.server.id, complaint);
            }
        }
    }
    twins
}

/// Whether two servers are the same sshd. Names are looked up only where the host keys are the same:
/// machines made from one image may share those, one machine has no two on a port.
async fn is_one_machine(one: &Server, other: &Server) -> bool {
    if one.shares_address(other) {
        return true;
    }
    let same_key = match (&one.host_key, &other.host_key) {
        (Some(mine), Some(theirs)) => mine.openssh == theirs.openssh,
        _ => false,
    };
    if one.port != other.port || !same_key {
        return false;
    }
    let addresses = async |server: &Server| -> Vec<IpAddr> {
        match tokio::net::lookup_host((server.address.as_str(), server.port)).await {
            Ok(found) => found.map(|address| address.ip().to_canonical()).collect(),
            Err(_) => Vec::new(),
        }
    };
    let (mine, theirs) = (addresses(one).await, addresses(other).await);
    mine.iter().any(|address| theirs.contains(address))
}

async fn look<'a>(
    run: &Run,
    member: &'a Member,
    taken: Option<&String>,
) -> (&'a Member, StepResult<Reached>) {
    let result = look_at(run, member, taken).await;
    if let Err(failure) = &result {
        let detail = format!("Not touched. {}", failure.message);
        run.set_part(member, ServerState::Failed, &detail).await;
    }
    (member, result)
}

async fn look_at(run: &Run, member: &Member, taken: Option<&String>) -> StepResult<Reached> {
    let mut step = run.begin(StepKind::Inspect, Some(member)).await?;
    let result = match taken {
        Some(complaint) => Err(Failure::new(complaint)),
        None => look_again(run, member).await,
    };
    match result {
        Ok(reached) => {
            let what = describe(&reached.found);
            step.log.say(&what).await;
            let before = reached.found.release.as_ref();
            let before: Vec<Note<'_>> = before.iter().map(|one| Note::Previous(&one.commit)).collect();
            run.end_noting(step, Ok(Done::well(what)), &before).await?;
            Ok(reached)
        }
        Err(failure) => {
            run.end(step, Err(failure.clone())).await?;
            Err(failure)
        }
    }
}

/// Looks at a server anew before another attempt; what was on it before the first is kept.
pub async fn look_once_more(run: &Run, member: &Member) -> StepResult<Reached> {
    let mut step = run.begin(StepKind::Inspect, Some(member)).await?;
    match look_again(run, member).await {
        Ok(reached) => {
            let what = describe(&reached.found);
            step.log.say(&what).await;
            run.end(step, Ok(Done::well(what))).await?;
            Ok(reached)
        }
        Err(failure) => {
            run.end(step, Err(failure.clone())).await?;
            Err(failure)
        }
    }
}

fn describe(found: &Inspection) -> String {
    match &found.release {
        Some(release) if release.in_progress => {
            format!("An unfinished deployment of {} is on it.", short(&release.commit))
        }
        Some(release) => format!("It runs {} of branch {}.", short(&release.commit), release.branch),
        None => "Nothing was deployed to it before.".to_owned(),
    }
}

fn short(commit: &str) -> &str {
    commit.get(..8).unwrap_or(commit)
}

/// Looks at what is on a server now.
pub async fn look_again(run: &Run, member: &Member) -> StepResult<Reached> {
    let server = &member.server;
    let endpoint = Endpoint::of(server, &run.environment.remote_user);
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
    Ok(Reached {
        session,
        layout,
        found,
        releases,
        at: tokio::time::Instant::now(),
    })
}
