//! An installation in which a deployment is put into any state by the functions that the engine writes
//! with. No server is reached; balancers are real.

use chrono::TimeDelta;
use deployer::app::locks::{self, NewLock};
use deployer::app::watch::{self, Acts};
use deployer::balancer::{BackendSlot, BalancerClient};
use deployer::domain::{
    Actor, Approval, CommitId, Deployment, DeploymentId, DeploymentState, Environment, Kind, Pause, Phase,
    Resource, Server, ServerState, Target,
};
use deployer::store::deployments::{NewDeployment, NewPart, PastDeployment};
use deployer::store::{balancers, deployments as rows, environments, queue, sealing, users};

use super::cases::{Case, Edge, Reach, way};
use super::ground::{Place, place, release};
use super::progress::{self, STOPPED};
use crate::support::backend::Backend;
use crate::support::haproxy::{Haproxy, row};
use crate::support::store::LEASE;
use crate::support::world::{World, admin, bring_in, change};

/// The installation.
pub struct Stage {
    pub places: Vec<Place>,
    balancer: BalancerClient,
    haproxy: Haproxy,
    _backends: Vec<Backend>,
    /// The commit that everything ran before, and the one that is deployed.
    commits: [CommitId; 2],
}

impl Stage {
    pub async fn new(world: &mut World) -> Self {
        world.account("admin").await;
        world.account("dora").await;
        world.repository.write("a", "1");
        let before = world.commit("Before").await.parse().unwrap();
        world.repository.write("a", "2");
        let after = world.commit("After").await.parse().unwrap();
        let (mut backends, mut down) = (Vec::new(), Vec::new());
        for name in ["down-1", "down-2"] {
            let backend = Backend::start(name).await;
            down.push((name, backend.port));
            backends.push(backend);
        }
        down.push(("down-3", crate::support::haproxy::free_ports(1)[0]));
        let healed = [("healed-1", 1), ("healed-2", 1), ("healed-3", 1)];
        let out = [("out-1", 1), ("out-2", 1), ("out-3", 1)];
        let haproxy = Haproxy::builder()
            .unchecked()
            .backend("healed", &healed)
            .backend("out", &out)
            .backend("down", &down)
            .server_options_of(
                "down",
                "check inter 100ms fastinter 100ms downinter 100ms rise 1 fall 1",
            )
            .start()
            .await;
        let mut stage = Self {
            places: Vec::new(),
            balancer: haproxy.balancer("runtime"),
            haproxy,
            _backends: backends,
            commits: [before, after],
        };
        let tx = change(&world.store).await;
        let edge = row("runtime", &[stage.haproxy.endpoint("runtime")]);
        let edge = balancers::insert(&tx, &edge).await.unwrap();
        let mut away = row("runtime", &["unix:/nonexistent/admin.sock".to_owned()]);
        away.name = "gone".parse().unwrap();
        let away = balancers::insert(&tx, &away).await.unwrap();
        bring_in(tx).await;
        for one in Edge::ALL {
            let balancer = match one {
                Edge::None => None,
                Edge::Healed | Edge::Out | Edge::Down => Some(edge.id),
                Edge::Away => Some(away.id),
            };
            let place = place(world, one, balancer).await;
            let mirror = world.app.mirror(&place.project).unwrap();
            let calm = tokio_util::sync::CancellationToken::new();
            mirror.fetch(&calm).await.unwrap();
            stage.places.push(place);
        }
        stage
    }

    pub fn place(&self, edge: Edge) -> &Place {
        self.places.iter().find(|place| place.edge == edge).unwrap()
    }

    /// Puts a deployment into the state of `case`; what was there before is over.
    pub async fn set(&self, world: &World, case: &Case) -> DeploymentId {
        self.clear(world).await;
        let place = self.place(case.edge);
        self.options(world, place, case).await;
        self.requester(world, case.is_disabled).await;
        self.past(world, place, case).await;
        let members = place.members(case.reach);
        let new = self.request(world, place, case, &members).await;
        let tx = change(&world.store).await;
        let deployment = rows::insert(&tx, &new).await.unwrap();
        bring_in(tx).await;
        let id = deployment.id;
        self.walk(world, &deployment, case, &members).await;
        let is_out = matches!(case.edge, Edge::Out | Edge::Down) && progress::is_left_out(case);
        self.turn(place, is_out).await;
        if case.continued {
            let next = Deployment {
                origin: Some(id),
                ..deployment.made_anew(world.clock.now())
            };
            let tx = change(&world.store).await;
            rows::insert(&tx, &NewDeployment::new(next, new.servers.clone()))
                .await
                .unwrap();
            bring_in(tx).await;
        }
        if case.locked {
            let lock = NewLock {
                over: Resource::Environment(place.project.name.to_string(), "dev".into()),
                reason: "the database is being moved".into(),
                ends_at: None,
            };
            locks::create(&world.app, &admin(), lock).await.unwrap();
        }
        id
    }

    /// The commit that everything ran before.
    pub fn before(&self) -> &CommitId {
        &self.commits[0]
    }

    /// Ends what is open and lifts every lock.
    pub async fn clear(&self, world: &World) {
        for one in locks::list(&world.app, &admin()).await.unwrap() {
            locks::lift(&world.app, &admin(), one.lock.id).await.unwrap();
        }
        for one in rows::active(&world.store).await.unwrap() {
            let tx = change(&world.store).await;
            let to = DeploymentState::Cancelled;
            rows::set_state(&tx, one.id, one.state, to, world.clock.now(), "Over.")
                .await
                .unwrap();
            bring_in(tx).await;
        }
    }

    /// What the page of a deployment offers.
    pub async fn offers(&self, world: &World, id: DeploymentId) -> Acts {
        watch::see(&world.app, &admin(), id).await.unwrap().1
    }

    /// The environment does as the case says.
    async fn options(&self, world: &World, place: &Place, case: &Case) {
        let tx = change(&world.store).await;
        let mut environment = environments::by_id(&tx, place.dev.id).await.unwrap();
        environment.options.rollout.strategy = case.strategy;
        environment.options.rollout.on_failure = case.on_failure;
        environments::update(&tx, &environment).await.unwrap();
        bring_in(tx).await;
    }

    /// The account of whoever requests everything is disabled, or enabled.
    async fn requester(&self, world: &World, is_disabled: bool) {
        let mut dora = users::by_name(&world.store, "dora").await.unwrap();
        if dora.disabled == is_disabled {
            return;
        }
        dora.disabled = is_disabled;
        let tx = change(&world.store).await;
        users::update(&tx, &dora).await.unwrap();
        bring_in(tx).await;
    }

    /// Every server runs the commit before, from deployments that succeeded.
    async fn past(&self, world: &World, place: &Place, case: &Case) {
        let [before, after] = &self.commits;
        let earlier = (case.kind == Kind::Rollback).then_some(after);
        for commit in earlier.into_iter().chain([before]) {
            let now = world.clock.now();
            let deployment = Deployment {
                state: DeploymentState::Succeeded,
                phase: Phase::Finish,
                started_at: Some(now),
                finished_at: Some(now),
                ..Deployment::new(&place.project, &place.dev, commit.clone(), &dora(), now)
            };
            let parts = place.servers.iter().map(|server| NewPart {
                state: ServerState::Succeeded,
                ..NewPart::new(server.id, server.name.as_str(), "web")
            });
            let release = |server: &Server| release(place, server, commit, now);
            let past = PastDeployment {
                ended: NewDeployment::new(deployment, parts.collect()),
                steps: Vec::new(),
                releases: place.servers.iter().map(release).collect(),
            };
            let tx = change(&world.store).await;
            rows::insert_past(&tx, &past).await.unwrap();
            bring_in(tx).await;
        }
    }

    async fn request(&self, world: &World, place: &Place, case: &Case, members: &[&Server]) -> NewDeployment {
        let now = world.clock.now();
        let target = match case.reach {
            Reach::Environment => Target::Environment,
            Reach::Cluster => Target::Cluster {
                id: place.cluster.id,
                name: place.cluster.name.to_string(),
            },
            Reach::Server => Target::Server {
                id: members[0].id,
                name: members[0].name.to_string(),
            },
            Reach::Servers => Target::Servers {
                ids: members.iter().map(|one| one.id).collect(),
                names: members.iter().map(|one| one.name.to_string()).collect(),
            },
        };
        let environment = environments::by_id(&world.store, place.dev.id).await.unwrap();
        let approval = (case.state == DeploymentState::Awaiting).then(|| Approval {
            expires_at: now + TimeDelta::hours(1),
            given: None,
            impersonator: None,
            groups: None,
            token: None,
            password_given_at: None,
            by: Vec::new(),
            terms: sealing::digest(&world.store, &environment.terms(&place.project)),
        });
        let later = case.state == DeploymentState::Scheduled || case.kind == Kind::Scheduled;
        let deployment = Deployment {
            target,
            kind: case.kind,
            approval,
            scheduled_at: later.then(|| now + TimeDelta::hours(1)),
            ..Deployment::new(&place.project, &place.dev, self.commits[1].clone(), &dora(), now)
        };
        let part = |server: &&Server| NewPart::new(server.id, server.name.as_str(), "web");
        let to_do = members.iter().map(|one| one.id).collect();
        NewDeployment {
            plan: world.app_preview(&environment, &to_do).await,
            ..NewDeployment::new(deployment, members.iter().map(part).collect())
        }
    }

    /// Walks through the table to the state, and writes on the way what the engine would.
    async fn walk(&self, world: &World, deployment: &Deployment, case: &Case, members: &[&Server]) {
        use DeploymentState::{Awaiting, Queued, Running, Scheduled};
        let first = deployment_state(world, deployment.id).await;
        let begun = case.stopped.is_some() || matches!(case.state, DeploymentState::Paused);
        let mut path = match case.state {
            Awaiting | Scheduled | Queued => way(first, case.state),
            state if begun || way(Queued, state).contains(&Running) => {
                [way(first, Running), way(Running, state)].concat()
            }
            state => way(first, state),
        };
        let mut lease = None;
        let mut from = first;
        for to in path.drain(..) {
            let now = world.clock.now();
            if (from, to) == (Queued, Running) {
                let claimed = queue::claim(&world.store, "tester", now, LEASE).await.unwrap();
                let claimed = claimed.expect("nothing else is open");
                assert_eq!(claimed.deployment.id, deployment.id);
                lease = Some(claimed.lease);
                let place = self.place(case.edge);
                progress::write(world, claimed.lease, case, (place, members), &self.commits).await;
            } else if let Some(lease) = lease {
                let tx = world.store.change_leased(lease, now).await.unwrap();
                if to == DeploymentState::Paused {
                    let pause = Pause::new(case.pause.clone(), now, None);
                    rows::set_pause(&tx, Some(&pause)).await.unwrap();
                }
                rows::set_state(&tx, deployment.id, from, to, now, "Over.")
                    .await
                    .unwrap();
                tx.commit(crate::support::store::reached(deployment.id, to))
                    .await
                    .unwrap();
            } else {
                let tx = change(&world.store).await;
                rows::set_state(&tx, deployment.id, from, to, now, "Over.")
                    .await
                    .unwrap();
                bring_in(tx).await;
            }
            from = to;
        }
        assert_eq!(from, case.state, "{case:?}");
    }

    /// Takes the second server out at HAProxy, or puts it back.
    async fn turn(&self, place: &Place, out: bool) {
        if matches!(place.edge, Edge::None | Edge::Away) {
            return;
        }
        let name = place.servers[STOPPED].name.as_str();
        let slot = [BackendSlot::new(place.edge.name(), name).unwrap()];
        match out {
            true => self.balancer.maint(&slot).await.unwrap(),
            false => self.balancer.ready(&slot).await.unwrap(),
        }
    }
}

fn dora() -> Actor {
    Actor::user("dora", "192.0.2.7")
}

async fn deployment_state(world: &World, id: DeploymentId) -> DeploymentState {
    rows::by_id(&world.store, id).await.unwrap().state
}

impl World {
    /// What would be done to these servers; `None` where that is refused.
    async fn app_preview(
        &self,
        environment: &Environment,
        to_do: &std::collections::HashSet<deployer::domain::ServerId>,
    ) -> Option<deployer::domain::Plan> {
        self.parts.engine.preview(environment, None, to_do).await.ok()
    }
}
