//! History: filters, pages, and what the overview asks.

use deployer::domain::{
    Deployment, DeploymentId, DeploymentState as S, Environment, Kind, Project, Server, ServerId, Target,
};
use deployer::store::{Page, Store, servers};
use deployer::store::{PastFilter, deployments};

use crate::support::databases::{Database, on_every_database};
use crate::support::store::{TestStore, after, commit, deployment, noon};

/// 60 deployments of two projects by three people, a minute apart.
async fn busy(store: &TestStore) -> (Vec<(Project, Environment)>, Vec<Deployment>) {
    let mut places = Vec::new();
    for name in ["shop", "blog"] {
        let project = store.project(name).await;
        for environment in ["beta", "prod"] {
            let environment = store.environment(&project, environment, &[]).await;
            places.push((project.clone(), environment));
        }
    }
    let tx = crate::support::store::change(store).await;
    for number in 0..60_u64 {
        let (project, environment) = &places[number as usize % 4];
        let mut new = deployment(project, environment, &[]);
        new.deployment.commit = commit(number / 8);
        new.deployment.actor = ["alice", "bob", "carol"][number as usize % 3].into();
        new.deployment.kind = if number % 5 == 0 {
            Kind::Rollback
        } else {
            Kind::Regular
        };
        new.deployment.queued_at = after(60 * number as i64);
        let id = deployments::insert(&tx, &new).await.unwrap().id;
        if number < 50 {
            let end = if number % 6 == 0 { S::Failed } else { S::Succeeded };
            deployments::set_state(&tx, id, S::Queued, S::Running, new.deployment.queued_at, "")
                .await
                .unwrap();
            deployments::set_state(&tx, id, S::Running, end, new.deployment.queued_at, "")
                .await
                .unwrap();
        }
    }
    crate::support::store::bring_in(tx).await;
    let all = deployments::history(&store.store, &PastFilter::default(), Page::Newest, 1000)
        .await
        .unwrap();
    assert_eq!(all.items.len(), 60);
    (places, all.items)
}

/// Walks down all pages, then up again; both have to see the same.
async fn walk(store: &Store, filter: &PastFilter, limit: u64) -> Vec<Deployment> {
    let mut seen = Vec::new();
    let mut pages = Vec::new();
    let mut page = Page::Newest;
    loop {
        let paged = deployments::history(store, filter, page, limit).await.unwrap();
        assert!(paged.items.len() as u64 <= limit);
        assert_eq!(
            paged.newer.is_none(),
            page == Page::Newest || paged.items.is_empty()
        );
        seen.extend(paged.items.clone());
        pages.push(paged.clone());
        let Some(older) = paged.older else { break };
        page = Page::Before(older);
    }
    let mut below = pages.pop().unwrap();
    while let Some(expected) = pages.pop() {
        let newer = below.newer.expect("there is a newer page");
        let above = deployments::history(store, filter, Page::After(newer), limit)
            .await
            .unwrap();
        assert_eq!(above.items, expected.items);
        assert_eq!(above.older, expected.older);
        below = above;
    }
    seen
}

fn filters() -> [PastFilter; 9] {
    let shop = Some("shop".to_owned());
    [
        PastFilter::default(),
        PastFilter {
            project: shop.clone(),
            ..PastFilter::default()
        },
        PastFilter {
            project: shop,
            environment: Some("prod".into()),
            ..PastFilter::default()
        },
        PastFilter {
            actor: Some("bob".into()),
            states: vec![S::Failed],
            ..PastFilter::default()
        },
        PastFilter {
            states: vec![S::Failed, S::Queued],
            ..PastFilter::default()
        },
        PastFilter {
            kinds: vec![Kind::Rollback],
            ..PastFilter::default()
        },
        PastFilter {
            from: Some(after(60 * 10)),
            to: Some(after(60 * 31)),
            ..PastFilter::default()
        },
        PastFilter {
            from: Some(after(60 * 1000)),
            ..PastFilter::default()
        },
        PastFilter {
            to: Some(noon()),
            ..PastFilter::default()
        },
    ]
}

async fn pages_of_any_filter_are_complete_in_both_directions(on: Database) {
    let store = TestStore::on(on).await;
    let (_, all) = busy(&store).await;
    let place = |project: &str, environment: &str| (project.to_owned(), environment.to_owned());
    let seen = [
        None,
        Some(Vec::new()),
        Some(vec![place("shop", "prod")]),
        Some(vec![
            place("blog", "beta"),
            place("gone", "prod"),
            place("shop", "prod"),
        ]),
    ];
    let filters = filters();
    let filters = filters.iter().flat_map(|filter| {
        seen.iter().map(|places| PastFilter {
            places: places.clone(),
            ..filter.clone()
        })
    });
    for filter in filters {
        let passes = |one: &&Deployment| {
            filter.project.as_ref().is_none_or(|name| one.project == *name)
                && filter
                    .environment
                    .as_ref()
                    .is_none_or(|name| one.environment == *name)
                && filter.actor.as_ref().is_none_or(|name| one.actor == *name)
                && (filter.states.is_empty() || filter.states.contains(&one.state))
                && (filter.kinds.is_empty() || filter.kinds.contains(&one.kind))
                && filter.from.is_none_or(|from| one.queued_at >= from)
                && filter.to.is_none_or(|to| one.queued_at < to)
                && filter
                    .places
                    .as_ref()
                    .is_none_or(|places| places.contains(&place(&one.project, &one.environment)))
        };
        let expected: Vec<Deployment> = all.iter().filter(passes).cloned().collect();
        for limit in [1, 7, 60] {
            assert_eq!(walk(&store.store, &filter, limit).await, expected, "{filter:?}");
        }
    }
}

async fn the_overview_knows_the_last_of_every_environment(on: Database) {
    let store = TestStore::on(on).await;
    let (places, all) = busy(&store).await;
    let latest = deployments::latest(&store.store).await.unwrap();
    assert_eq!(latest.len(), 4);
    for (project, environment) in &places {
        let own = |one: &&Deployment| one.environment_id == Some(environment.id);
        assert_eq!(Some(&latest[&environment.id]), all.iter().find(own));
        let last = deployments::last_for_project(&store.store, project.id, 5)
            .await
            .unwrap();
        let expected = all
            .iter()
            .filter(|one| one.project_id == Some(project.id))
            .take(5);
        assert_eq!(last, expected.cloned().collect::<Vec<_>>());
    }
    assert_eq!(deployments::active(&store.store).await.unwrap().len(), 10);
}

async fn it_is_known_which_commits_succeeded_where(on: Database) {
    let store = TestStore::on(on).await;
    let (places, all) = busy(&store).await;
    let beta = &places[0].1;
    let asked: Vec<_> = (0..2000).map(commit).collect();
    let found = deployments::succeeded_commits(
        &store.store,
        beta.id,
        Some("main"),
        &asked,
        &[Target::Environment],
    )
    .await
    .unwrap();
    let good = all
        .iter()
        .filter(|one| one.environment_id == Some(beta.id) && one.state == S::Succeeded);
    assert_eq!(found, good.clone().map(|one| one.commit.clone()).collect());
    assert!(!found.is_empty());
    let none = deployments::succeeded_commits(
        &store.store,
        beta.id,
        Some("other"),
        &asked,
        &[Target::Environment],
    )
    .await
    .unwrap();
    assert!(none.is_empty());
    let one = [Target::Server {
        id: ServerId(1),
        name: "web1".into(),
    }];
    let none = deployments::succeeded_commits(&store.store, beta.id, None, &asked, &one)
        .await
        .unwrap();
    assert!(none.is_empty(), "what ran on one server proves nothing for all");
    let newest = good.clone().next().unwrap();
    let back = deployments::previous_succeeded(&store.store, newest.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(Some(&back), good.clone().find(|one| one.commit != newest.commit));
}

/// Deploys a commit to one server, with success.
async fn deploy_to(
    store: &TestStore,
    place: &(Project, Environment),
    server: &Server,
    number: u64,
) -> Deployment {
    let mut new = deployment(&place.0, &place.1, std::slice::from_ref(server));
    new.deployment.commit = commit(number);
    new.deployment.target = target(server);
    let made = store.deployment(&new).await;
    let claimed = store.claim().await;
    assert_eq!(claimed.deployment.id, made.id);
    store.end(claimed.lease, S::Succeeded).await;
    made
}

fn target(server: &Server) -> Target {
    Target::Server {
        id: server.id,
        name: server.name.to_string(),
    }
}

async fn what_succeeded_on_a_server_stays_so_when_it_is_renamed(on: Database) {
    let store = TestStore::on(on).await;
    let project = store.project("shop").await;
    let place = (project.clone(), store.environment(&project, "prod", &[]).await);
    let [mut server, mut other] = <[Server; 2]>::try_from(store.servers("web", 2).await).unwrap();
    let first = deploy_to(&store, &place, &server, 1).await;
    deploy_to(&store, &place, &other, 2).await;
    let tx = crate::support::store::change(&store).await;
    server.name = "shop-front".parse().unwrap();
    servers::update(&tx, &server).await.unwrap();
    // The other one gets the name that the first one had.
    other.name = "web1".parse().unwrap();
    servers::update(&tx, &other).await.unwrap();
    crate::support::store::bring_in(tx).await;
    let second = deploy_to(&store, &place, &server, 3).await;

    let before = deployments::previous_succeeded(&store.store, second.id)
        .await
        .unwrap();
    assert_eq!(before.map(|one| one.id), Some(first.id));
    let commits: Vec<_> = (1..=3).map(commit).collect();
    let on = async |server: &Server| {
        let reaching = [target(server)];
        let environment = place.1.id;
        let found = deployments::succeeded_commits(&store.store, environment, None, &commits, &reaching);
        found.await.unwrap()
    };
    assert_eq!(on(&server).await, [commit(1), commit(3)].into());
    assert_eq!(on(&other).await, [commit(2)].into());
    let took = deployments::durations(&store.store, place.1.id, &target(&server), false, 9).await;
    assert_eq!(took.unwrap().len(), 2);
}

async fn a_target_written_by_the_version_before_is_read_and_compared(on: Database) {
    let store = TestStore::on(on).await;
    let project = store.project("shop").await;
    let place = (project.clone(), store.environment(&project, "prod", &[]).await);
    let hosts = store.servers("web", 3).await;
    let mut new = deployment(&place.0, &place.1, &hosts);
    new.deployment.target = Target::Servers {
        ids: hosts.iter().rev().map(|host| host.id).collect(),
        names: hosts.iter().rev().map(|host| host.name.to_string()).collect(),
    };
    let several = store.deployment(&new).await;
    assert!(several.target.is_same(&new.deployment.target));
    assert_eq!(several.target.to_string(), "servers web1, web2, web3");
    store.claim().await;
    let first = deploy_as_before(&store, &place, &hosts[0]).await;
    let found = deployments::by_id(&store.store, first).await.unwrap();
    assert_eq!(found.target, target(&hosts[0]));
    let (commits, reaching) = ([commit(1)], [target(&hosts[0])]);
    let found = deployments::succeeded_commits(&store.store, place.1.id, None, &commits, &reaching);
    assert_eq!(found.await.unwrap().len(), 1);
}

/// A successful deployment whose row has only the columns that the version before knows.
async fn deploy_as_before(
    store: &TestStore,
    place: &(Project, Environment),
    server: &Server,
) -> DeploymentId {
    let mut new = deployment(&place.0, &place.1, &[]);
    new.deployment.target = target(server);
    let id = store.deployment(&new).await.id;
    store
        .tamper(&format!(
            "UPDATE deployments SET target_kind = NULL, target_server_id = NULL, target_name = NULL, \
             state = 'succeeded' WHERE id = {id}"
        ))
        .await;
    id
}

on_every_database! {
    pages_of_any_filter_are_complete_in_both_directions,
    the_overview_knows_the_last_of_every_environment,
    it_is_known_which_commits_succeeded_where,
    what_succeeded_on_a_server_stays_so_when_it_is_renamed,
    a_target_written_by_the_version_before_is_read_and_compared,
}
