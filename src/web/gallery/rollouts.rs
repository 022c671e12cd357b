//! Made-up deployments in states that are hard to come by: two hundred servers at work, pauses,
//! failures, a deployer that stopped. `/gallery?show=NAME` shows one as its page would.

use chrono::TimeDelta;

use crate::app::watch::Watched;
use crate::domain::deployment::{ServerPart, ServerState, Service};
use crate::domain::rollout::{Candidate, Slot, Standing, plan};
use crate::domain::{
    Approval, BalancerId, Deployment, DeploymentId, DeploymentState, EnvironmentId, Instant, Kind, Pause,
    PauseReason, Phase, Plan, ProjectId, ServerId, Share, Step, StepId, StepKind, StepState, Strategy,
    Target,
};

/// Their names, in the order to look at them.
pub const NAMES: [&str; 10] = [
    "three",
    "fleet",
    "fleet-failed",
    "canary",
    "asking",
    "policy",
    "interrupted",
    "cancelled",
    "awaiting",
    "scheduled",
];

/// One of [`NAMES`]; `None` for any other.
pub fn sample(name: &str, now: Instant) -> Option<Watched> {
    let few: [usize; 2] = [2, 1];
    let many: [usize; 8] = [30, 30, 30, 30, 20, 20, 20, 20];
    let one_by_one = Strategy::Rolling {
        batch: Share::Count(1),
        keep: None,
    };
    let tenth = Strategy::Rolling {
        batch: Share::Percent(20),
        keep: Some(Share::Percent(75)),
    };
    let canary = Strategy::Canary {
        first: 1,
        wait: None,
        batch: Share::Percent(50),
        keep: None,
    };
    let (strategy, sizes, state): (Strategy, &[usize], DeploymentState) = match name {
        "three" => (one_by_one, &few, DeploymentState::Running),
        "fleet" => (tenth, &many, DeploymentState::Running),
        "fleet-failed" => (tenth, &many, DeploymentState::Failed),
        "canary" => (canary, &[4, 3], DeploymentState::Paused),
        "asking" | "policy" => (one_by_one, &[3, 3], DeploymentState::Paused),
        "interrupted" => (Strategy::ClusterByCluster, &[3, 3], DeploymentState::Interrupted),
        "cancelled" => (Strategy::AllAtOnce, &[4], DeploymentState::Cancelled),
        "awaiting" => (canary, &[4, 3], DeploymentState::Awaiting),
        "scheduled" => (canary, &[4, 3], DeploymentState::Scheduled),
        _ => return None,
    };
    let plan = plan(strategy, &candidates(sizes)).ok()?;
    let mut watched = Watched {
        deployment: deployment(state, now),
        servers: parts(&plan),
        steps: Vec::new(),
        usual: Some(TimeDelta::seconds(400)),
        place: None,
        at: now,
        plan: Some(plan),
    };
    watched.play(name);
    Some(watched)
}

fn candidates(sizes: &[usize]) -> Vec<Candidate> {
    const CLUSTERS: [&str; 8] = [
        "front-a", "front-b", "front-c", "front-d", "api-a", "api-b", "api-c", "api-d",
    ];
    let mut all: Vec<Candidate> = Vec::new();
    for (&size, cluster) in sizes.iter().zip(CLUSTERS) {
        for _ in 0..size {
            let number = i64::try_from(all.len()).unwrap_or(0) + 1;
            all.push(Candidate {
                server: ServerId(number),
                name: format!("web{number}.example.org"),
                cluster: cluster.to_owned(),
                left_alone: (number == 3).then(|| "It is not active.".to_owned()),
                meant: true,
                slots: vec![(
                    Slot {
                        balancer: BalancerId(1),
                        balancer_name: "edge".to_owned(),
                        backend: cluster.split('-').next().unwrap_or("web").to_owned(),
                        server: format!("web{number}"),
                    },
                    Standing::InService,
                )],
            });
        }
    }
    all
}

fn parts(plan: &Plan) -> Vec<ServerPart> {
    let done = plan.servers().map(|one| ServerPart {
        server_id: Some(one.server),
        server: one.name.clone(),
        cluster: one.cluster.clone(),
        position: i32::try_from(one.server.0).unwrap_or(0),
        state: ServerState::Waiting,
        batch: plan
            .batch_of(one.server)
            .and_then(|batch| i32::try_from(batch).ok()),
        left_alone: false,
        service: Service::Untouched,
        previous_commit: None,
        detail: String::new(),
    });
    let left = plan.left_alone.iter().map(|one| ServerPart {
        server_id: None,
        server: one.name.clone(),
        cluster: one.cluster.clone(),
        position: i32::MAX,
        state: ServerState::Skipped,
        batch: None,
        left_alone: true,
        service: Service::Untouched,
        previous_commit: None,
        detail: one.why.clone(),
    });
    done.chain(left).collect()
}

fn deployment(state: DeploymentState, now: Instant) -> Deployment {
    let hash = "3f2a9c1d5be07a6618a2d8fd2b9a1c7e44c0a911";
    let has_begun = !matches!(state, DeploymentState::Awaiting | DeploymentState::Scheduled);
    let phase = if has_begun { Phase::RollOut } else { Phase::Check };
    let pause = Pause {
        reason: PauseReason::Canary,
        since: now - TimeDelta::minutes(3),
        until: None,
    };
    Deployment {
        id: DeploymentId(41),
        project_id: Some(ProjectId(1)),
        environment_id: Some(EnvironmentId(1)),
        project: "shop".to_owned(),
        environment: "prod".to_owned(),
        target: Target::Environment,
        branch: "main".to_owned(),
        commit: hash.parse().expect("it is forty hexadecimal digits"),
        commit_title: "Show delivery dates in the basket".to_owned(),
        previous_commit: None,
        kind: Kind::Promotion,
        state,
        phase,
        actor: "alice".to_owned(),
        groups: Vec::new(),
        impersonator: None,
        reason: "Customers ask for it".to_owned(),
        permit: None,
        queued_at: now - TimeDelta::minutes(6),
        scheduled_at: (state == DeploymentState::Scheduled).then(|| now + TimeDelta::hours(9)),
        started_at: has_begun.then(|| now - TimeDelta::seconds(252)),
        finished_at: state.is_final().then_some(now),
        cancelled_by: (state == DeploymentState::Cancelled).then(|| "bob".to_owned()),
        outcome: String::new(),
        origin: Some(DeploymentId(40)),
        strategy: None,
        lock_override: None,
        approval: (state == DeploymentState::Awaiting).then(|| Approval {
            expires_at: now + TimeDelta::hours(24),
            given: None,
            terms: String::new(),
        }),
        pause_requested_by: None,
        pause: (state == DeploymentState::Paused).then_some(pause),
        last_line: 0,
    }
}

impl Watched {
    /// Brings the servers to where the sample's story is.
    fn play(&mut self, name: &str) {
        let fate: &[(usize, StepKind)] = match name {
            "three" => &[(1, StepKind::Health)],
            "fleet" => &[
                (66, StepKind::Restore),
                (67, StepKind::Tests),
                (68, StepKind::Deploy),
                (69, StepKind::Drain),
            ],
            "fleet-failed" | "cancelled" => &[(66, StepKind::Deploy), (2, StepKind::Deploy)],
            "canary" => &[(1, StepKind::Finish)],
            "asking" => &[(2, StepKind::Tests)],
            "policy" => &[(3, StepKind::Finish)],
            "interrupted" => &[(3, StepKind::Deploy), (4, StepKind::Drain)],
            _ => return,
        };
        let first = fate[0].0;
        for at in 0..first.min(self.servers.len()) {
            self.done(at);
        }
        for &(at, kind) in fate {
            if at < self.servers.len() && kind != StepKind::Finish {
                self.stop_at(at, kind);
            }
        }
        match name {
            "fleet" | "fleet-failed" => self.fail(17, "Its disk is full: 12 MiB are free and the release needs 80 MiB. It still runs 9b01c7e2."),
            "asking" => self.fail(2, "tests/run_tests.sh ended with code 1. The files of 3f2a9c1d are in use there. Deploy again, or roll back."),
            _ => {}
        }
        if name == "fleet-failed" {
            self.fail(66, "deploy.sh ended with code 3. The files of 3f2a9c1d are in use there. Deploy again, or roll back.");
            self.deployment.outcome = "Failed on web18.example.org and web67.example.org. Deployed to 65 servers. Left 132 untouched.".to_owned();
        }
        if name == "asking" {
            let servers = vec![self.servers[2].server.clone()];
            self.say(PauseReason::Failure { servers });
        }
        if name == "policy" {
            self.say(PauseReason::Policy {
                why: "Deploying to shop/prod is not allowed between 18:00 and 08:00; the next time is 2026-11-23 08:00:00 UTC.".to_owned(),
            });
        }
    }

    fn say(&mut self, reason: PauseReason) {
        if let Some(pause) = &mut self.deployment.pause {
            pause.reason = reason;
        }
    }

    fn step(&mut self, at: usize, kind: StepKind, state: StepState) {
        self.steps.push(Step {
            id: StepId(0),
            deployment_id: self.deployment.id,
            server_id: self.servers[at].server_id,
            server_name: self.servers[at].server.clone(),
            kind,
            position: 0,
            state,
            started_at: Some(self.at - TimeDelta::seconds(8)),
            finished_at: state.is_final().then_some(self.at),
            exit_code: None,
            detail: String::new(),
        });
    }

    fn done(&mut self, at: usize) {
        for &kind in &StepKind::ALL[5..13] {
            self.step(at, kind, StepState::Succeeded);
        }
        self.servers[at].state = ServerState::Succeeded;
        self.servers[at].service = Service::Back;
    }

    /// The server is at this step, or was when it ended.
    fn stop_at(&mut self, at: usize, kind: StepKind) {
        let (state, part, detail) = match self.deployment.state {
            DeploymentState::Running | DeploymentState::Paused => {
                (StepState::Running, ServerState::Running, "")
            }
            DeploymentState::Interrupted => (
                StepState::Interrupted,
                ServerState::Interrupted,
                "The deployer stopped while it was worked on. The files of 3f2a9c1d are in use there, and deploy.sh may not have ended.",
            ),
            _ => (
                StepState::Cancelled,
                ServerState::Cancelled,
                "Ended in deploy.sh. The files of 3f2a9c1d are in use there.",
            ),
        };
        for &before in StepKind::ALL[5..13].iter().filter(|&&before| before < kind) {
            self.step(at, before, StepState::Succeeded);
        }
        self.step(at, kind, state);
        self.servers[at].state = part;
        self.servers[at].service = match kind {
            StepKind::Drain => Service::TakingOut,
            StepKind::Restore => Service::PuttingBack,
            _ => Service::Out,
        };
        detail.clone_into(&mut self.servers[at].detail);
    }

    fn fail(&mut self, at: usize, detail: &str) {
        self.servers[at].state = ServerState::Failed;
        self.servers[at].service = Service::Out;
        detail.clone_into(&mut self.servers[at].detail);
        for step in &mut self.steps {
            if step.server_name == self.servers[at].server && step.state == StepState::Running {
                step.state = StepState::Failed;
            }
        }
    }
}
