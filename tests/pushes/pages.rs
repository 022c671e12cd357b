//! The page of a project's pushes, and the form of an environment.

use deployer::domain::WhenRefused;
use deployer::store::{auto_progress, environments, hooks};

use super::{Pushed, still};
use crate::web::support::PASSWORD;

const PAGE: &str = "/admin/projects/shop/pushes";

#[tokio::test(flavor = "multi_thread")]
async fn whoever_configures_makes_renews_and_removes_a_hook() {
    let pushed = Pushed::to_dev(still("g, rita, role:reader").await, |_| {}).await;
    let (site, store, project) = (&pushed.site, &pushed.world.store, pushed.project.id);
    for name in ["admin", "rita"] {
        site.add_user(name).await;
    }
    site.log_in("rita", PASSWORD).await;
    assert_eq!(site.get(PAGE).await.status(), 403);
    site.post_at("/profile", "/logout").await;
    site.log_in("admin", PASSWORD).await;
    let shown = site.get(PAGE).await.text().await.unwrap();
    assert!(shown.contains(&pushed.hook.token) && !shown.contains(&pushed.hook.secret));
    let made = site.post(PAGE, &[("act", "make")]).await;
    assert_eq!(made.status(), 200);
    let made = made.text().await.unwrap();
    let now = hooks::of_project(store, project).await.unwrap().unwrap();
    assert_ne!(
        (&now.token, &now.secret),
        (&pushed.hook.token, &pushed.hook.secret)
    );
    // Templates write some characters as entities.
    let secret = now.secret.replace('+', "&#43;").replace('/', "&#47;");
    let is_shown = |page: &str| page.contains(&now.secret) || page.contains(&secret);
    assert!(is_shown(&made) && made.contains(&now.token), "{made}");
    assert!(!is_shown(&site.get(PAGE).await.text().await.unwrap()));
    let short = site.post(PAGE, &[("act", "make"), ("secret", "short")]).await;
    assert_eq!(short.status(), 422);
    let own = site
        .post(
            PAGE,
            &[
                ("act", "make"),
                ("secret", "a secret of the host".replace(' ', "-").as_str()),
            ],
        )
        .await;
    assert_eq!(own.status(), 200);
    let now = hooks::of_project(store, project).await.unwrap().unwrap();
    assert_eq!(now.secret, "a-secret-of-the-host");
    for (fields, status) in [
        ([("act", "poll"), ("minutes", "1441")], 422),
        ([("act", "poll"), ("minutes", "15")], 303),
        ([("act", "remove"), ("minutes", "")], 303),
        ([("act", ""), ("minutes", "")], 422),
    ] {
        assert_eq!(site.post(PAGE, &fields).await.status(), status, "{fields:?}");
    }
    assert_eq!(hooks::of_project(store, project).await.unwrap(), None);
    let told = site.audited().await;
    for event in ["hook.made", "hook.renewed", "hook.removed", "polling.changed"] {
        assert!(
            told.contains(&format!("{event} project shop")),
            "{event}: {told:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_of_an_environment_says_which_pushes_are_deployed() {
    let pushed = Pushed::to_dev(still("").await, |_| {}).await;
    let (site, store) = (&pushed.site, &pushed.world.store);
    site.add_user("admin").await;
    site.log_in("admin", PASSWORD).await;
    let page = "/admin/projects/shop/environments/dev";
    let dev = || environments::by_name(store, pushed.project.id, "dev");
    let before = dev().await.unwrap();
    // What every form of an environment sends.
    let path = before.target_path.to_string();
    let cluster = before.clusters[0].to_string();
    let plain = [
        ("name", "dev"),
        ("branch", "main"),
        ("target_path", path.as_str()),
        ("remote_user", before.remote_user.as_str()),
        ("position", "1"),
        ("clusters", cluster.as_str()),
        ("local_timeout", "600"),
        ("remote_timeout", "900"),
        ("parallel", "20"),
        ("keep_releases", "5"),
    ];
    // A program that knows nothing of pushes leaves them as they are.
    assert_eq!(site.post(page, &plain).await.status(), 303);
    assert!(dev().await.unwrap().auto_deploy);
    let with = |more: &[(&'static str, &'static str)]| {
        let mut all = plain.to_vec();
        all.extend_from_slice(more);
        all
    };
    let off = with(&[("auto_refused", "wait")]);
    assert_eq!(site.post(page, &off).await.status(), 303);
    let now = dev().await.unwrap();
    assert!(!now.auto_deploy);
    assert_eq!(auto_progress::of_environment(store, now.id).await.unwrap(), None);
    let on = with(&[
        ("auto_deploy", "yes"),
        ("auto_refused", "drop"),
        ("auto_only_if", "[deploy]\nrelease"),
        ("auto_paths", "web"),
    ]);
    assert_eq!(site.post(page, &on).await.status(), 303);
    let now = dev().await.unwrap();
    assert!(now.auto_deploy);
    assert_eq!(now.options.auto.only_if, ["[deploy]", "release"]);
    assert_eq!(now.options.auto.when_refused, WhenRefused::Drop);
    let head = pushed.world.repository.git(&["rev-parse", "HEAD"]);
    let progress = auto_progress::of_environment(store, now.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(progress.seen.map(|seen| seen.to_string()), Some(head));
    let wrong = with(&[("auto_refused", "wait"), ("auto_paths", "../x")]);
    assert_eq!(site.post(page, &wrong).await.status(), 422);
}
