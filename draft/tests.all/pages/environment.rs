//! The deploy form, and the servers with what they really run.

use deployer::domain::DeploymentState;
use reqwest::StatusCode;

use super::support::{Pages, location, value};

async fn two_commits(pages: &mut Pages) -> (String, String) {
    pages.world.repository.write("a.txt", "1\n");
    let first = pages.world.commit("First").await;
    pages.world.deploy(&first).await;
    pages.world.repository.write("b.txt", "2\n");
    (first, pages.world.commit("Second").await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_shows_what_is_deployed_and_deploys_once() {
    let mut pages = Pages::start(&["dev"], "dora").await;
    let (first, second) = two_commits(&mut pages).await;

    let page = pages.page("/projects/shop/dev").await;
    assert!(
        page.contains("Newest on main") && page.contains("b.txt"),
        "{page}"
    );
    assert!(
        page.contains(&format!("Deploy {} to 1 server", &second[..8])),
        "{page}"
    );
    let fields = ["csrf", "target", "kind", "request_key"].map(|name| (name, value(&page, name)));
    let mut form: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    form.extend([("commit", second.as_str()), ("reason", "because")]);
    let once = location(&pages.send("/projects/shop/dev", &form).await);
    let twice = location(&pages.send("/projects/shop/dev", &form).await);
    assert_eq!(once, twice);
    let id = once.rsplit('/').next().unwrap().parse().unwrap();
    let deployment = pages.world.end(id).await;
    assert_eq!(deployment.state, DeploymentState::Succeeded);
    assert_eq!(
        (deployment.commit.as_str(), deployment.reason.as_str()),
        (&*second, "because")
    );

    let back = pages
        .page(&format!("/projects/shop/dev?commit={}", &first[..8]))
        .await;
    assert!(back.contains("deploying it removes newer changes"), "{back}");
    let plan = pages.fragment("/projects/shop/dev/plan?commit=main").await;
    assert!(plan.trim_start().starts_with("<div id=\"plan\""), "{plan}");
    assert!(plan.contains("already run this commit"), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_input_is_reported_beside_its_field() {
    let mut pages = Pages::start(&["dev", "prod"], "admin").await;
    let (_, second) = two_commits(&mut pages).await;
    let token = value(&pages.page("/projects/shop/dev").await, "csrf");
    let long = "x".repeat(2001);
    let cases = [
        (
            ("dev", "--output=x", "all", ""),
            "There is no branch, tag or commit",
        ),
        (("dev", "$(id)", "all", ""), "There is no branch, tag or commit"),
        (
            ("dev", second.as_str(), "server:999", ""),
            "does not belong to this environment",
        ),
        (("dev", second.as_str(), "moon", ""), "Choose all servers"),
        (
            ("dev", second.as_str(), "all", long.as_str()),
            "Keep the reason under",
        ),
        (
            ("prod", second.as_str(), "all", ""),
            "must first succeed on all servers of dev",
        ),
    ];
    for ((environment, commit, target, reason), complaint) in cases {
        let form = [
            ("csrf", token.as_str()),
            ("commit", commit),
            ("target", target),
            ("reason", reason),
        ];
        let answer = pages.send(&format!("/projects/shop/{environment}"), &form).await;
        assert_eq!(
            answer.status(),
            StatusCode::UNPROCESSABLE_ENTITY,
            "{commit} {target}"
        );
        let page = answer.text().await.unwrap();
        assert!(
            page.contains("Nothing was deployed.") && page.contains(complaint),
            "{complaint}: {page}"
        );
    }
    let prod = pages.page(&format!("/projects/shop/prod?commit={second}")).await;
    assert!(
        prod.contains("must first succeed on all servers of dev") && !prod.contains("to 1 server</button>"),
        "{prod}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_who_may_not_deploy_sees_why_and_is_refused() {
    let mut pages = Pages::start(&["dev"], "rita").await;
    let (_, second) = two_commits(&mut pages).await;
    let page = pages.page("/projects/shop/dev").await;
    assert!(page.contains("rita may not deploy shop/dev"), "{page}");
    assert!(!page.contains("to 1 server</button>"), "{page}");
    let token = value(&page, "csrf");
    let form = [
        ("csrf", token.as_str()),
        ("commit", second.as_str()),
        ("target", "all"),
    ];
    assert_eq!(
        pages.send("/projects/shop/dev", &form).await.status(),
        StatusCode::FORBIDDEN
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_servers_release_is_read_from_the_server() {
    let mut pages = Pages::start(&["dev"], "rita").await;
    let (first, _) = two_commits(&mut pages).await;
    let live = pages.fragment("/projects/shop/dev/servers/web1").await;
    assert!(
        live.contains("Confirmed by the server") && live.contains(&first),
        "{live}"
    );
    let address = "/projects/shop/dev/servers/web1";
    let page = pages.page("/projects/shop/dev").await;
    assert!(
        page.contains(&format!("<a class=\"ask\" href=\"{address}\"")),
        "{page}"
    );
    let whole = pages.page(address).await;
    assert!(
        whole.contains("</html>") && whole.contains("Confirmed by the server") && !live.contains("</html>"),
        "{whole}"
    );

    let marker = pages.world.home(1, "dev/shop/.git_release");
    let other = std::fs::read_to_string(&marker)
        .unwrap()
        .replace(&first, &"e".repeat(40));
    std::fs::write(&marker, other).unwrap();
    let live = pages.fragment("/projects/shop/dev/servers/web1").await;
    assert!(live.contains("Differs from our record"), "{live}");
    assert_eq!(
        pages.get("/projects/shop/dev/servers/web9").await.0,
        StatusCode::NOT_FOUND
    );

    let tx = crate::support::store::change(&pages.world.store).await;
    let server = deployer::store::servers::by_name(&pages.world.store, "web1")
        .await
        .unwrap();
    deployer::store::servers::forget_host_key(&tx, server.id, pages.world.app.now())
        .await
        .unwrap();
    crate::support::store::bring_in(tx).await;
    let live = pages.fragment("/projects/shop/dev/servers/web1").await;
    assert!(
        live.contains("according to our record") && live.contains("t-bad"),
        "{live}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_two_things_on_a_page_have_one_id() {
    let mut pages = Pages::start(&["dev", "prod"], "admin").await;
    pages.world.repository.write("a", "1");
    let commit = pages.world.commit("First").await;
    let deployed = pages.world.deploy(&commit).await;
    for path in [
        "/".to_owned(),
        "/projects/shop".to_owned(),
        "/projects/shop/dev".to_owned(),
        format!("/projects/shop/prod?commit={commit}"),
        format!("/deployments/{}", deployed.id),
        "/history".to_owned(),
        "/activity".to_owned(),
        "/admin".to_owned(),
        "/admin/projects/shop".to_owned(),
    ] {
        let page = pages.page(&path).await;
        let ids = page.split(" id=\"").skip(1);
        let mut ids: Vec<&str> = ids.map(|rest| rest.split_once('"').unwrap().0).collect();
        ids.sort_unstable();
        let twice: Vec<_> = ids.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(twice.is_empty(), "{path}: {twice:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_checked_only_while_it_is_known_what_they_should_be() {
    let mut pages = Pages::start(&["dev"], "admin").await;
    pages.world.repository.write("a", "1");
    let commit = pages.world.commit("First").await;
    let done = pages.world.deploy(&commit).await;
    pages.world.assert_succeeded(&done).await;
    let server = "/projects/shop/dev/servers/web1";
    let shown = pages.fragment(server).await;
    assert!(shown.contains("Check files"), "{shown}");
    let token = value(&shown, "csrf");
    let checked = pages.send(server, &[("csrf", token.as_str())]).await;
    let checked = checked.text().await.unwrap();
    assert!(checked.contains("as deployed, byte for byte"), "{checked}");

    std::fs::remove_dir_all(pages.world.dir.path().join("work/manifests")).unwrap();
    let shown = pages.fragment(server).await;
    assert!(
        shown.contains(&commit[..8]) && !shown.contains("Check files"),
        "{shown}"
    );
}
