//! What auditors are told of what people did: reports, and tables that say what the log says.

use chrono::TimeDelta;
use deployer::access::Permit;
use deployer::app::accounts;
use deployer::app::audit::report::{AuditReport, DutyFinding, ReportRequest, report};
use deployer::app::audit::verification::{Evidence, prove};
use deployer::app::audit::words;
use deployer::app::deployments::{self, DeployRequest};
use deployer::app::locks::{self, NewLock};
use deployer::domain::{Action, Actor, AuditEvent, EnvironmentOptions, Kind, Resource, ServerState, User};
use deployer::store::users;

use super::{ask, begin, carry_out, commit, done, person, still, wanted};
use crate::support::store::noon;
use crate::support::world::World;
use crate::web::support::{PASSWORD, TestSite};

/// The author of every commit of these tests has this account.
async fn author(world: &World, name: &str) {
    world.account(name).await;
    let user = User {
        email: "Ada@Example.com".into(),
        ..users::by_name(&world.store, name).await.unwrap()
    };
    let change = crate::support::store::change(&world.store).await;
    users::update(&change, &user).await.unwrap();
    crate::support::store::bring_in(change).await;
}

async fn permit(world: &World) -> Permit {
    let everything = Resource::Everything;
    let permit = world
        .app
        .permit(&person("admin"), Action::Audit, &everything)
        .await;
    permit.unwrap()
}

async fn reported(world: &World, environment: &str) -> AuditReport {
    let wanted = ReportRequest {
        project: None,
        environment: Some(environment.into()),
        from: noon() - TimeDelta::days(1),
        to: noon() + TimeDelta::days(1),
        alone: false,
    };
    report(&world.app, &permit(world).await, &wanted).await.unwrap()
}

/// The report of what one person alone saw through, anywhere.
async fn alone(world: &World) -> AuditReport {
    let wanted = ReportRequest {
        project: None,
        environment: None,
        from: noon() - TimeDelta::days(1),
        to: noon() + TimeDelta::days(1),
        alone: true,
    };
    report(&world.app, &permit(world).await, &wanted).await.unwrap()
}

fn sentences(events: &[AuditEvent]) -> Vec<String> {
    events.iter().map(|one| words::sentence(&one.event)).collect()
}

async fn lock_and_override(world: &World, commit: &str) {
    let lock = NewLock {
        over: Resource::Environment("shop".into(), "dev".into()),
        reason: "moving house".into(),
        ends_at: None,
    };
    locks::create(&world.app, &person("admin"), lock).await.unwrap();
    let past = DeployRequest {
        lock_override: Some("it burns".into()),
        ..wanted(commit)
    };
    ask(world, "admin", past).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_tells_who_had_a_hand_in_what_and_what_was_out_of_hours() {
    let mut world = still(EnvironmentOptions::default()).await;
    author(&world, "admin").await;
    let first = commit(&mut world, "1").await;
    done(&world, &first).await;
    let second = commit(&mut world, "2").await;
    lock_and_override(&world, &second).await;
    let found = reported(&world, "dev").await;
    let duties = found.deployments.items.iter().map(|one| &one.duties);
    let duties: Vec<_> = duties
        .map(|one| (one.finding, one.authors.iter().next().unwrap().as_str()))
        .collect();
    // Dora asked for what the other wrote, who then asked alone.
    assert_eq!(
        duties,
        [
            (DutyFinding::Separate, "admin"),
            (DutyFinding::OnePerson, "admin")
        ]
    );
    let only = alone(&world).await.deployments.items;
    assert_eq!(only.len(), 1);
    assert_eq!(only[0].duties.finding, DutyFinding::OnePerson);
    // What was refused is no lock.
    let lock = NewLock {
        over: Resource::Environment("shop".into(), "dev".into()),
        reason: "mine".into(),
        ends_at: None,
    };
    locks::create(&world.app, &person("lena"), lock)
        .await
        .unwrap_err();
    let found = reported(&world, "dev").await;
    let last = &found.deployments.items[1].deployment;
    assert_eq!(last.lock_override.as_deref(), Some("it burns"));
    assert_eq!(last.previous_commit.as_ref().unwrap().as_str(), first);
    assert_eq!(
        sentences(&found.overrides.items),
        [
            "admin locked shop/dev: moving house.",
            "admin overrode a lock for deployment 2: it burns."
        ]
    );
    // It is a Sunday.
    assert_eq!(found.window, Some("business-hours"));
    let outside = sentences(&found.outside.items);
    assert!(
        outside[0].starts_with("dora requested a deployment (1) of "),
        "{outside:?}"
    );
    assert_eq!(outside.len(), 4, "{outside:?}");
    let other = reported(&world, "prod").await;
    assert!(other.deployments.items.is_empty() && other.outside.items.is_empty());

    world.clock.move_to(noon() + TimeDelta::hours(21));
    ask(&world, "dora", wanted(&first)).await.unwrap_err();
    let monday = reported(&world, "dev").await;
    assert_eq!(monday.outside.items.len(), 4, "a change in business hours");
}

/// The page and the table of what one person alone saw through.
async fn narrows_to_one_person(site: &TestSite, query: &str) {
    // Ada wrote it, who has no account: it was not one person alone.
    let alone = format!("/audit/report?{query}&duty=alone");
    let shown = site.get(&alone).await.text().await.unwrap();
    for said in [
        "of deployments only those by one person alone",
        "No deployment was seen through by one person alone.",
    ] {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    let table = site
        .get(&alone.replace("report?", "report.csv?"))
        .await
        .text()
        .await
        .unwrap();
    assert_eq!(
        table.matches("\r\ndeployments,").count(),
        1,
        "only the titles: {table}"
    );
    assert_eq!(site.get("/audit/report?duty=odd").await.status(), 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_is_a_page_and_a_table() {
    let mut world = still(EnvironmentOptions::default()).await;
    let first = commit(&mut world, "1").await;
    done(&world, &first).await;
    let site = TestSite::over(world.app.clone(), world.store.clone()).await;
    site.add_user("admin").await;
    let operator = deployer::access::Access::local_operator("root", noon());
    accounts::set_disabled(&world.store, &operator, "dora", true)
        .await
        .unwrap();
    site.log_in("admin", PASSWORD).await;
    let query = "environment=dev&from=2026-11-01&to=2026-11-30";
    let page = site
        .get(&format!("/audit/report?{query}"))
        .await
        .text()
        .await
        .unwrap();
    for said in [
        "2026-11-01 00:00:00 UTC to 2026-12-01 00:00:00 UTC",
        "nothing..",
        "Ada",
        "Changes outside business-hours",
        "root (on the deployer&#39;s host) disabled the account dora.",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    let table = site
        .get(&format!("/audit/report.csv?{query}"))
        .await
        .text()
        .await
        .unwrap();
    let lines: Vec<&str> = table
        .lines()
        .filter(|line| line.starts_with("deployments,"))
        .collect();
    assert_eq!(lines.len(), 2, "{table}");
    assert!(
        lines[1].contains(",shop/dev,all servers,regular,") && lines[1].contains(",dora,"),
        "{table}"
    );
    assert!(table.contains("\r\naccess,2026-11-22 12:00:00 UTC,"), "{table}");
    narrows_to_one_person(&site, query).await;
    let wrong = site.get("/audit/report?from=soon").await;
    assert_eq!(wrong.status(), 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_in_the_database_is_shown_as_it_was_recorded_and_marked() {
    use sea_orm::ConnectionTrait;
    let mut world = still(EnvironmentOptions::default()).await;
    let first = commit(&mut world, "1").await;
    done(&world, &first).await;
    let url = format!("sqlite://{}", world.dir.path().join("deployer.db").display());
    let raw = sea_orm::Database::connect(url).await.unwrap();
    let forged = "UPDATE deployments SET actor = 'mallory', reason = 'Hotfix'";
    raw.execute_unprepared(forged).await.unwrap();
    let site = TestSite::over(world.app.clone(), world.store.clone()).await;
    site.add_user("admin").await;
    site.log_in("admin", PASSWORD).await;
    let told = "the requester is dora in the audit log, and mallory in the database";
    let period = "from=2026-11-01&to=2026-11-30";
    for path in [
        "/deployments/1".to_owned(),
        "/history".to_owned(),
        "/history.csv".to_owned(),
        format!("/audit/report?{period}"),
        format!("/audit/report.csv?{period}"),
    ] {
        let page = site.get(&path).await.text().await.unwrap();
        assert!(page.contains(told), "{path}: {page}");
        let plain = page.replace(told, "").replace("Hotfix in the database", "");
        assert!(
            !plain.contains("mallory") && !plain.contains("Hotfix"),
            "{path}: {page}"
        );
    }
}

/// Everything that people can do to a deployment that waits or has ended.
async fn do_everything(world: &mut World) {
    use deployer::domain::DeploymentState::{Failed, Succeeded};
    let first = commit(world, "1").await;
    let approved = ask(world, "dora", wanted(&first)).await.unwrap().id();
    deployments::approve(&world.app, &person("rita"), approved)
        .await
        .unwrap();
    let half = [ServerState::Succeeded, ServerState::Failed];
    carry_out(world, approved, &half, Failed).await;
    // The approval goes along.
    let retried = deployments::retry(&world.app, &person("dora"), approved)
        .await
        .unwrap()
        .id();
    carry_out(world, retried, &[ServerState::Succeeded], Succeeded).await;
    let second = commit(world, "2").await;
    let rejected = ask(world, "dora", wanted(&second)).await.unwrap().id();
    deployments::reject(&world.app, &person("rita"), rejected, "no")
        .await
        .unwrap();
    let cancelled = ask(world, "dora", wanted(&second)).await.unwrap().id();
    for who in ["dora", "admin"] {
        _ = deployments::cancel(&world.app, &person(who), cancelled).await;
    }
    let acting = Actor {
        impersonator: Some("admin".into()),
        ..person("dora")
    };
    let at = DeployRequest {
        at: Some(noon() + TimeDelta::hours(1)),
        reason: "Later.".into(),
        ..wanted(&second)
    };
    deployments::request(&world.app, &acting, at).await.unwrap();
    for commit in [&first, &second] {
        let automatic = DeployRequest {
            kind: Kind::Automatic,
            ..wanted(commit)
        };
        ask(world, "auto", automatic).await.unwrap();
    }
    lock_and_override(world, &second).await;
    let running = ask(world, "admin", DeployRequest::new("shop", "beta", &first)).await;
    if let Ok(running) = running
        && begin(world, noon()).await.is_some()
    {
        _ = deployments::cancel(&world.app, &person("admin"), running.id()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_was_done_the_tables_say_what_the_log_says() {
    let options = EnvironmentOptions {
        approval_hours: Some(2),
        ..EnvironmentOptions::default()
    };
    let mut world = still(options).await;
    do_everything(&mut world).await;
    let found = prove((world.app.config(), &world.store), Evidence::default())
        .await
        .unwrap();
    assert_eq!(found.faults, []);
    assert_eq!(found.differences, [""; 0]);
    let all = ReportRequest {
        project: None,
        environment: None,
        from: noon() - TimeDelta::days(1),
        to: noon() + TimeDelta::days(1),
        alone: false,
    };
    let all = report(&world.app, &permit(&world).await, &all).await.unwrap();
    assert!(
        all.deployments.items.len() >= 8,
        "{:?}",
        all.deployments.items.len()
    );
    let contradicted = all
        .deployments
        .items
        .iter()
        .filter(|one| !one.contradictions.is_empty());
    assert_eq!(contradicted.count(), 0);
}
