//! A site with some past, and people who may see different parts of it.

use deployer::domain::deployment::ServerState;
use deployer::domain::{
    Deployment, DeploymentId, DeploymentState, Environment, Kind, Phase, Project, Server,
};
use deployer::store::deployments::{self, NewDeployment, PastDeployment};

use crate::support::store::{after, also_requested, commit, deployment};
use crate::web::support::{Options, PASSWORD, TestSite};

/// Beside the shipped lines: alice sees one project, bob one environment of all.
pub const POLICY: &str = "p, alice, shop, *, view, always, allow\np, bob, *, beta, view, always, allow";

/// A site where alice, bob and admin have accounts; `name` is logged in.
pub async fn site_for(name: &str) -> TestSite {
    site_with(name, Options::default()).await
}

/// The same, with more that is special.
pub async fn site_with(name: &str, options: Options) -> TestSite {
    let options = Options {
        policy: Some(POLICY),
        ..options
    };
    let site = TestSite::start_with(options).await;
    for account in ["admin", "alice", "bob", "eve"] {
        site.add_user(account).await;
    }
    assert_eq!(site.log_in(name, PASSWORD).await.status(), 303);
    site
}

/// A project with environments of these names.
pub async fn project(site: &TestSite, name: &str, places: &[&str]) -> (Project, Vec<Environment>) {
    let tx = crate::support::store::change(&site.store).await;
    let new = crate::support::store::project(name);
    let project = deployer::store::projects::insert(&tx, &new).await.unwrap();
    let mut environments = Vec::new();
    for place in places {
        let new = crate::support::store::environment(&project, place);
        environments.push(deployer::store::environments::insert(&tx, &new).await.unwrap());
    }
    crate::support::store::bring_in(tx).await;
    (project, environments)
}

/// A server of this name.
pub async fn server(site: &TestSite, name: &str) -> Server {
    let tx = crate::support::store::change(&site.store).await;
    let new = crate::support::store::server(name);
    let server = deployer::store::servers::insert(&tx, &new).await.unwrap();
    crate::support::store::bring_in(tx).await;
    server
}

/// What the `number`th deployment of these tests asks for.
pub fn asked(project: &Project, environment: &Environment, number: i64) -> NewDeployment {
    let mut new = deployment(project, environment, &[]);
    new.deployment = Deployment {
        commit: commit(number.unsigned_abs()),
        commit_title: format!("Change <b>{number}</b>"),
        queued_at: after(60 * number),
        actor: ["alice", "bob"][usize::from(number % 2 != 0)].into(),
        kind: if number % 5 == 0 {
            Kind::Rollback
        } else {
            Kind::Regular
        },
        ..new.deployment
    };
    new
}

/// Stores deployments that are over.
pub async fn past(site: &TestSite, all: Vec<(NewDeployment, DeploymentState)>) -> Vec<DeploymentId> {
    let mut tx = crate::support::store::change(&site.store).await;
    let mut ids = Vec::new();
    for (mut asked, state) in all {
        for part in &mut asked.servers {
            part.state = ServerState::Succeeded;
        }
        let requested = asked.deployment.queued_at;
        asked.deployment = Deployment {
            state,
            phase: Phase::Finish,
            started_at: Some(requested),
            finished_at: Some(requested + chrono::Duration::seconds(42)),
            outcome: "It ended.".into(),
            ..asked.deployment
        };
        let past = PastDeployment {
            ended: asked,
            steps: Vec::new(),
            releases: Vec::new(),
        };
        let id = deployments::insert_past(&tx, &past).await.unwrap();
        let stored = Deployment {
            id,
            ..past.ended.deployment
        };
        also_requested(&mut tx, &stored);
        ids.push(id);
    }
    crate::support::store::bring_in(tx).await;
    ids
}

/// Stores one that waits.
pub async fn queued(site: &TestSite, asked: &NewDeployment) -> Deployment {
    let mut tx = crate::support::store::change(&site.store).await;
    let deployment = deployments::insert(&tx, asked).await.unwrap();
    also_requested(&mut tx, &deployment);
    crate::support::store::bring_in(tx).await;
    deployment
}

/// The numbers of the deployments that a page lists, in order.
pub fn listed(page: &str) -> Vec<i64> {
    let (_, list) = page.split_once("<tbody>").unwrap_or_default();
    let mut numbers = Vec::new();
    for part in list.split("href=\"/deployments/").skip(1) {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        let number: i64 = digits.parse().unwrap();
        // Number and title lead to the same page.
        if numbers.last() != Some(&number) {
            numbers.push(number);
        }
    }
    numbers
}

/// Where the link with this `rel` leads; `None` where there is none.
pub fn link(page: &str, rel: &str) -> Option<String> {
    let (_, rest) = page.split_once(&format!("rel=\"{rel}\" href=\""))?;
    let (url, _) = rest.split_once('"')?;
    Some(url.replace("&amp;", "&").replace("&#38;", "&"))
}
