//! History: filters, pages, and what the overview asks.

use deployer::domain::{Deployment, DeploymentState as S, Environment, Kind, Project, ServerId, Target};
use deployer::store::deployments::{self, Filter};
use deployer::store::{Page, Store};

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
    let tx = crate::support::store::change(&store).await;
    for number in 0..60_u64 {
        let (project, environment) = &places[number as usize % 4];
        let mut new = deployment(project, environment, &[]);
        new.commit = commit(number / 8);
        new.actor = ["alice", "bob", "carol"][number as usize % 3].into();
        new.kind = if number % 5 == 0 {
            Kind::Rollback
        } else {
            Kind::Regular
        };
        new.queued_at = after(60 * number as i64);
        let id = deployments::insert(&tx, &new).await.unwrap().id;
        if number < 50 {
            let end = if number % 6 == 0 { S::Failed } else { S::Succeeded };
            deployments::set_state(&tx, id, S::Queued, S::Running, new.queued_at, "")
                .await
                .unwrap();
            deployments::set_state(&tx, id, S::Running, end, new.queued_at, "")
                .await
                .unwrap();
        }
    }
    crate::support::store::bring_in(tx).await;
    let all = deployments::history(&store.store, &Filter::default(), Page::Newest, 1000)
        .await
        .unwrap();
    assert_eq!(all.items.len(), 60);
    (places, all.items)
}

/// Walks down all pages, then up again; both have to see the same.
async fn walk(store: &Store, filter: &Filter, limit: u64) -> Vec<Deployment> {
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

fn filters() -> [Filter; 9] {
    let shop = Some("shop".to_owned());
    [
        Filter::default(),
        Filter {
            project: shop.clone(),
            ..Filter::default()
        },
        Filter {
            project: shop,
            environment: Some("prod".into()),
            ..Filter::default()
        },
        Filter {
            actor: Some("bob".into()),
            states: vec![S::Failed],
            ..Filter::default()
        },
        Filter {
            states: vec![S::Failed, S::Queued],
            ..Filter::default()
        },
        Filter {
            kinds: vec![Kind::Rollback],
            ..Filter::default()
        },
        Filter {
            from: Some(after(60 * 10)),
            to: Some(after(60 * 31)),
            ..Filter::default()
        },
        Filter {
            from: Some(after(60 * 1000)),
            ..Filter::default()
        },
        Filter {
            to: Some(noon()),
            ..Filter::default()
        },
    ]
}

#[tokio::test]
async fn pages_of_any_filter_are_complete_in_both_directions() {
    let store = TestStore::new().await;
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
        seen.iter().map(|places| Filter {
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

#[tokio::test]
async fn the_overview_knows_the_last_of_every_environment() {
    let store = TestStore::new().await;
    let (places, all) = busy(&store).await;
    let latest = deployments::latest(&store.store).await.unwrap();
    let succeeded = deployments::latest_succeeded(&store.store).await.unwrap();
    assert_eq!(latest.len(), 4);
    for (project, environment) in &places {
        let own = |one: &&Deployment| one.environment_id == Some(environment.id);
        assert_eq!(Some(&latest[&environment.id]), all.iter().find(own));
        let good = all.iter().filter(own).find(|one| one.state == S::Succeeded);
        assert_eq!(Some(&succeeded[&environment.id]), good);
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

#[tokio::test]
async fn it_is_known_which_commits_succeeded_where() {
    let store = TestStore::new().await;
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

#[tokio::test]
async fn the_last_deployments_of_a_server_are_found() {
    let store = TestStore::new().await;
    let shop = store.project("shop").await;
    let prod = store.environment(&shop, "prod", &[]).await;
    let hosts = store.servers("web", 2).await;
    let both = store.deployment(&deployment(&shop, &prod, &hosts)).await;
    store.deployment(&deployment(&shop, &prod, &hosts[..1])).await;
    let found = deployments::last_for_server(&store.store, hosts[1].id, 9)
        .await
        .unwrap();
    assert_eq!(found, [both]);
    assert_eq!(
        deployments::last_for_server(&store.store, hosts[0].id, 9)
            .await
            .unwrap()
            .len(),
        2
    );
    assert_eq!(
        deployments::running_for(&store.store, prod.id).await.unwrap(),
        None
    );
    let running = store.claim().await.deployment;
    assert_eq!(
        deployments::running_for(&store.store, prod.id).await.unwrap(),
        Some(running)
    );
}
