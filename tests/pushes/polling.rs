//! Repositories whose hosts tell nothing.

use chrono::TimeDelta;
use deployer::app::pushes;
use deployer::domain::{Action, HookSender, Resource};
use deployer::store::polling;

use super::{Pushed, still, until};
use crate::support::world::admin;

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_asked_and_fetched_only_where_something_moved() {
    let world = still("p, auto, shop, dev, deploy, always, allow").await;
    let mut pushed = Pushed::to_dev(world, |_| {}).await;
    let (app, project) = (pushed.world.app.clone(), pushed.project.id);
    let whole = Resource::Project("shop".to_owned());
    let permit = app.permit(&admin(), Action::Configure, &whole).await.unwrap();
    let every = "5".parse().unwrap();
    pushes::poll_every(&app, &permit, project, every).await.unwrap();
    pushed = pushed.watched().await;
    let clock = pushed.world.clock.clone();
    let asked = async |store: &deployer::store::Store| {
        let before = polling::of_project(store, project).await.unwrap().unwrap();
        clock.move_to(before.next_at.max(clock.now()));
        until("it is asked", async || {
            let now = polling::of_project(store, project).await.unwrap().unwrap();
            (now.next_at > before.next_at && now.next_at > clock.now()).then_some(now)
        })
        .await
    };
    let store = pushed.world.store.clone();
    let next = asked(&store).await;
    assert_eq!(next.next_at - clock.now(), TimeDelta::minutes(5));
    assert_eq!(pushes::fetched_so_far(&app), 0);
    let commit = pushed.commit("index.html", "Unsaid");
    asked(&store).await;
    let deployment = until("it is deployed", async || pushed.deployments().await.pop()).await;
    assert_eq!(deployment.commit.as_str(), commit);
    assert_eq!(pushes::fetched_so_far(&app), 1);
    let told = pushed.handled().await;
    assert_eq!((told.sender, told.deployments.len()), (HookSender::Polling, 1));
    // Away: asked less and less often.
    let (here, away) = (
        pushed.world.repository.path(),
        pushed.world.dir.path().join("away"),
    );
    std::fs::rename(&here, &away).unwrap();
    for minutes in [10, 20, 40, 60, 60] {
        let next = asked(&store).await;
        assert_eq!(next.next_at - clock.now(), TimeDelta::minutes(minutes));
        assert!(!next.trouble.is_empty());
    }
    std::fs::rename(&away, &here).unwrap();
    assert_eq!(asked(&store).await.failures, 0);
    assert_eq!(pushed.deployments().await.len(), 1);
}
