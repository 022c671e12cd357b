//! One deployment from claim to close: check, prepare, roll out, finish.
//!
//! [`Run`] holds what every step needs and is the only writer of the deployment's rows while it
//! runs. A step is begun in the store before it acts and ended there afterwards, so what the store
//! says is never ahead of the truth.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::mask::Mask;
use super::output::{Log, Sink};
use super::planning::Roster;
use super::rollout;
use super::rollout::undo::Undo;
use super::steps::checkout::Tree;
use super::steps::{Done, StepResult, check, checkout, health, reuse, script};
use super::stop::{Stop, StopReason};
use super::turn::Turn;
use super::{Inner, Parts};
use crate::domain::deployment::{ServerPart, ServerState};
use crate::domain::{
    Deployment, DeploymentState, Environment, Error, Instant, Phase, Project, Result, Server, ServerId,
    StepId, StepKind,
};
use crate::git::{self, Mirror};
use crate::store::queue::Claimed;
use crate::store::steps::NewStep;
use crate::store::{Lease, deployments, environments, projects, steps};

/// A server with its place in the deployment.
pub(super) struct Member {
    pub server: Server,
    /// Its row's place in the deployment.
    pub position: i32,
    /// Whether it stands behind a balancer.
    pub balanced: bool,
}

/// A deployment that is being carried out.
pub(super) struct Run {
    pub engine: Arc<Inner>,
    pub deployment: Deployment,
    pub project: Project,
    pub environment: Environment,
    /// In the order of the rollout.
    pub members: Vec<Member>,
    pub lease: Lease,
    pub log: Log,
    pub stop: Stop,
    pub turn: Turn,
    /// What stands behind the environment.
    pub roster: Roster,
    /// Every server that is meant, inactive ones included, as those are told of.
    pub meant: HashSet<ServerId>,
    pub(super) steps: HashMap<(Option<ServerId>, StepKind), StepId>,
}

/// How the whole ended.
pub(super) enum Ending {
    Succeeded(String),
    Failed(String),
    /// As the rollout decided.
    Ended(Box<End>),
    /// The reason is in [`Run::stop`].
    Stopped,
}

/// An end that is no success.
pub(super) struct End {
    /// Failed, or cancelled where a person chose it.
    pub state: DeploymentState,
    pub sentence: String,
    /// What was done is to be undone, by deployments of their own.
    pub undo: Option<Undo>,
}

/// Carries out what was claimed. How it ended is for the caller to write down.
pub(super) async fn run(engine: Arc<Inner>, claimed: Claimed, stop: Stop, turn: Turn) -> Ending {
    let id = claimed.deployment.id;
    match Run::open(engine, claimed, stop, turn).await {
        Ok(run) => {
            tracing::info!(
                deployment = id.0,
                project = run.deployment.project,
                "deployment begins"
            );
            // Boxed: the future of a whole deployment is large.
            let ending = Box::pin(run.carry_out()).await;
            if let Err(error) = run.log.flush().await {
                tracing::warn!(deployment = id.0, "{error}");
            }
            ending
        }
        Err(error) => Ending::Failed(error.message().to_owned()),
    }
}

impl Run {
    async fn open(engine: Arc<Inner>, claimed: Claimed, stop: Stop, turn: Turn) -> Result<Self> {
        let Claimed { deployment, lease } = claimed;
        let store = &engine.parts.store;
        let gone =
            |what: &str| Error::conflict(format!("The {what} was deleted while the deployment waited."));
        let project_id = deployment.project_id.ok_or_else(|| gone("project"))?;
        let environment_id = deployment.environment_id.ok_or_else(|| gone("environment"))?;
        let project = projects::by_id(store, project_id).await?;
        let environment = environments::by_id(store, environment_id).await?;
        let roster = Roster::load(store, &environment).await?;
        let parts = deployments::servers(store, deployment.id).await?;
        let members = members(&roster, &parts)?;
        let meant = meant(&roster, &parts);
        let secrets = environment
            .options
            .variables
            .values()
            .filter(|v| v.secret)
            .map(|v| v.value.as_str());
        let mask = Mask::new(secrets.chain(engine.parts.settings.secrets.iter().map(String::as_str)));
        let sink = Sink {
            store: store.clone(),
            clock: engine.parts.clock.clone(),
            lease,
        };
        let log = Log::open(sink, mask, stop.token().clone());
        let mut run = Self {
            engine,
            deployment,
            project,
            environment,
            members,
            lease,
            log,
            stop,
            turn,
            roster,
            meant,
            steps: HashMap::new(),
        };
        run.plan().await?;
        Ok(run)
    }

    /// Writes every step there will be, so that the page shows what is to come.
    async fn plan(&mut self) -> Result<()> {
        let mut plan: Vec<(Option<&Member>, StepKind)> =
            checkout::STEPS.iter().map(|&kind| (None, kind)).collect();
        for member in &self.members {
            let own = rollout::steps(self.project.method, member.balanced, health::is_wanted(self));
            plan.extend(own.into_iter().map(|kind| (Some(member), kind)));
        }
        plan.push((None, StepKind::Finish));
        let new = plan.iter().map(|(member, kind)| NewStep {
            server_id: member.map(|m| m.server.id),
            server_name: member.map(|m| m.server.name.to_string()).unwrap_or_default(),
            kind: *kind,
        });
        let new: Vec<NewStep> = new.collect();
        let record = self.record().await?;
        let rows = steps::insert(&record, &new).await?;
        record.commit().await?;
        self.steps = rows
            .into_iter()
            .map(|row| ((row.server_id, row.kind), row.id))
            .collect();
        Ok(())
    }

    async fn carry_out(&self) -> Ending {
        match self.phases().await {
            Ok(ending) => ending,
            Err(_) if self.stop.reason().is_some() => Ending::Stopped,
            Err(failure) => Ending::Failed(self.log.masked(&failure.message)),
        }
    }

    async fn phases(&self) -> StepResult<Ending> {
        self.set_phase(Phase::Check).await?;
        let checked = check::check(self).await?;
        self.set_phase(Phase::Prepare).await?;
        let kept = reuse::kept(self, &checked);
        let tree = match kept {
            Some(_) => reuse::prepare(self).await?,
            None => self.prepare().await?,
        };
        self.set_phase(Phase::RollOut).await?;
        let rolled = rollout::roll_out(self, &tree, checked, kept).await?;
        if self.stop.reason().is_some() {
            return Ok(Ending::Stopped);
        }
        self.set_phase(Phase::Finish).await?;
        rollout::finish(self, &rolled).await?;
        Ok(rolled.ending)
    }

    /// The tree, ready to be sent.
    async fn prepare(&self) -> StepResult<Tree> {
        let tree = checkout::fetch_and_export(self).await?;
        script::predeploy(self, &tree).await?;
        script::local_tests(self, &tree).await?;
        Ok(tree)
    }

    async fn set_phase(&self, phase: Phase) -> Result<()> {
        let record = self.record().await?;
        deployments::set_phase(&record, phase).await?;
        record.commit().await?;
        Ok(())
    }

    /// The project's mirror.
    pub fn mirror(&self) -> Result<Mirror> {
        let url = git::check_url(&self.project.git_url).map_err(Error::invalid)?;
        Ok(self.engine.parts.mirrors.mirror(self.project.id, &url))
    }

    pub fn parts(&self) -> &Parts {
        &self.engine.parts
    }

    pub fn now(&self) -> Instant {
        self.engine.parts.clock.now()
    }

    /// What scripts see beside their arguments. Names of ours win over the environment's own.
    pub fn variables(&self, server: &str, previous: Option<&str>) -> BTreeMap<String, String> {
        let deployment = &self.deployment;
        let own = self.environment.options.variables.iter();
        let mut variables: BTreeMap<String, String> = own
            .map(|(name, variable)| (name.clone(), variable.value.clone()))
            .collect();
        let ours = [
            ("PROJECT", deployment.project.as_str()),
            ("ENVIRONMENT", deployment.environment.as_str()),
            ("SERVER", server),
            ("COMMIT", deployment.commit.as_str()),
            ("BRANCH", deployment.branch.as_str()),
            ("PREVIOUS_COMMIT", previous.unwrap_or_default()),
        ];
        for (name, value) in ours {
            variables.insert(format!("DEPLOYER_{name}"), value.to_owned());
        }
        variables.insert("DEPLOYER_DEPLOYMENT_ID".to_owned(), deployment.id.to_string());
        variables
    }
}

/// The servers of the deployment that still exist and are active, in the order stored with it.
fn members(roster: &Roster, parts: &[ServerPart]) -> Result<Vec<Member>> {
    let mut members: Vec<Member> = Vec::with_capacity(parts.len());
    for part in parts.iter().filter(|part| part.state == ServerState::Waiting) {
        let server = part.server_id.and_then(|id| roster.server(id));
        if let Some(server) = server.filter(|server| server.active) {
            members.push(Member {
                server: server.clone(),
                position: part.position,
                balanced: roster.is_balanced(server.id),
            });
        }
    }
    if members.is_empty() {
        return Err(Error::conflict(
            "None of its servers is active any more, so there is nothing to deploy to.",
        ));
    }
    Ok(members)
}

/// What the plan is about: the servers that wait, and the inactive ones, which it names as left
/// alone. Not those that an earlier deployment was through with.
fn meant(roster: &Roster, parts: &[ServerPart]) -> HashSet<ServerId> {
    let is_away = |id| roster.server(id).is_some_and(|server| !server.active);
    let is_meant = |part: &ServerPart| {
        let id = part.server_id?;
        let meant = match part.state {
            ServerState::Waiting => true,
            ServerState::Skipped => is_away(id),
            _ => false,
        };
        meant.then_some(id)
    };
    parts.iter().filter_map(is_meant).collect()
}

impl Ending {
    /// The state to close in, and the sentence.
    pub fn close(&self, stop: &Stop, who: Option<&str>) -> (DeploymentState, String) {
        match (self, stop.reason()) {
            (Self::Succeeded(sentence), _) => (DeploymentState::Succeeded, sentence.clone()),
            (Self::Stopped, Some(StopReason::Cancelled)) => (
                DeploymentState::Cancelled,
                format!("Cancelled by {}.", who.unwrap_or("somebody")),
            ),
            (Self::Stopped, Some(StopReason::LogBroken)) => (
                DeploymentState::Failed,
                "Stopped, because its log could not be stored.".to_owned(),
            ),
            (Self::Stopped, Some(StopReason::LeaseLost)) => (
                DeploymentState::Interrupted,
                "Interrupted: the database could not be reached for too long.".to_owned(),
            ),
            (Self::Stopped, _) => (
                DeploymentState::Interrupted,
                "Interrupted: the deployer stopped while it ran. Each server says what is on it.".to_owned(),
            ),
            (Self::Failed(sentence), _) => (DeploymentState::Failed, sentence.clone()),
            (Self::Ended(end), _) => (end.state, end.sentence.clone()),
        }
    }

    /// What is to be undone.
    pub fn undo(&self) -> Option<&Undo> {
        match self {
            Self::Ended(end) => end.undo.as_ref(),
            _ => None,
        }
    }
}

impl Done {
    /// A script that exited with `code`.
    pub fn exited(code: i32) -> Self {
        Self {
            exit_code: Some(code),
            ..Self::well("")
        }
    }
}
