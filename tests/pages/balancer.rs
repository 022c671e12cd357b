//! A real HAProxy, acted upon by hand on its page.

use deployer::balancer::BackendSlot;
use deployer::domain::endpoints::AtEndpoint;
use deployer::domain::rollout::EndpointPlace;
use deployer::store::{Page, audit, deployments, servers};

use super::support::{Pages, location, value};
use crate::support::backend::Backend;
use crate::support::haproxy::Haproxy;

/// The acts of people in the audit log about a balancer, oldest first.
async fn audited(pages: &Pages) -> Vec<String> {
    let page = audit::list(&pages.world.store, &Default::default(), Page::Newest, 50).await;
    let mut told: Vec<String> = page
        .unwrap()
        .items
        .into_iter()
        .filter(|one| one.event.resource == "balancer edge")
        .map(|one| format!("{} {} {}", one.event.actor, one.event.action, one.event.outcome))
        .collect();
    told.reverse();
    told
}

/// A HAProxy with one server, and the page of the balancer that stands for it.
async fn one_server(pages: &Pages, backend: &Backend) -> (Haproxy, String) {
    let haproxy = Haproxy::builder()
        .backend("web", &[("web1", backend.port)])
        .start()
        .await;
    let token = value(&pages.page("/admin/new/balancer").await, "csrf");
    let endpoint = haproxy.endpoint("runtime");
    let form = [
        ("csrf", token.as_str()),
        ("name", "edge"),
        ("kind", "runtime"),
        ("endpoints", &endpoint),
    ];
    let address = location(&pages.send("/admin/new/balancer", &form).await);
    (haproxy, address)
}

/// Presses a button beside the server; the token is that of `page`.
async fn press(pages: &Pages, address: &str, page: &str, act: &str) -> reqwest::Response {
    let token = value(page, "csrf");
    let form = [
        ("csrf", token.as_str()),
        ("backend", "web"),
        ("server", "web1"),
        ("act", act),
    ];
    pages.send(&format!("{address}/act"), &form).await
}

/// What the HAProxy itself says was decided about the server.
async fn decided(haproxy: &Haproxy) -> String {
    let state = haproxy.balancer("runtime").state().await.unwrap();
    format!("{:?}", state.servers[0].admin).to_lowercase()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_drained_disabled_and_enabled_on_the_page() {
    let web1 = Backend::start("web1").await;
    let pages = Pages::start(&["dev"], "admin").await;
    let (haproxy, address) = one_server(&pages, &web1).await;
    for (act, state) in [
        ("drain", "Draining"),
        ("maint", "Out of service"),
        ("ready", "In service"),
    ] {
        let mut page = pages.page(&address).await;
        let button = format!("name=\"act\" value=\"{act}\"");
        assert!(page.contains(&button), "{act}: {page}");
        let fields = [value(&page, "backend"), value(&page, "server")];
        assert_eq!(fields, ["web", "web1"]);
        let done = press(&pages, &address, &page, act).await;
        assert_eq!(location(&done), address);
        assert_eq!(decided(&haproxy).await, act);
        // Put back, it is in service when its checks have passed.
        for _ in 0..200 {
            page = pages.page(&address).await;
            if page.contains(state) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert!(page.contains(state), "{state}: {page}");
    }
    let own = [
        "admin balancer.added allowed",
        "admin balancer.drained allowed",
        "admin balancer.taken_out allowed",
        "admin balancer.put_back allowed",
    ];
    assert_eq!(audited(&pages).await, own);

    let token = value(&pages.page("/profile").await, "csrf");
    pages.send("/logout", &[("csrf", &token)]).await;
    pages.log_in("dora").await;
    let page = pages.page("/profile").await;
    assert_eq!(press(&pages, &address, &page, "maint").await.status(), 403);
    assert_eq!(pages.get(&address).await.0, 403);
    assert_eq!(decided(&haproxy).await, "ready");
    assert_eq!(audited(&pages).await, own, "nothing was done");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_away_is_named_once() {
    let pages = Pages::start(&["dev"], "admin").await;
    let backend = Backend::start("web1").await;
    let (mut haproxy, address) = one_server(&pages, &backend).await;
    haproxy.stop();
    let endpoint = haproxy.endpoint("runtime");
    let page = pages.page(&address).await;
    let (_, said) = page.split_once("role=\"alert\"").expect("a failure is shown");
    let (said, _) = said.split_once("</p>").expect("its end");
    assert!(said.contains("cannot be reached"), "{said}");
    assert_eq!(said.matches(&endpoint).count(), 1, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_that_differ_are_shown_and_settled_at_all_of_them() {
    let web1 = Backend::start("web1").await;
    let mut pages = Pages::start(&["dev"], "admin").await;
    let (first, address) = one_server(&pages, &web1).await;
    let second = Haproxy::builder()
        .backend("web", &[("web1", web1.port)])
        .start()
        .await;
    let [one, two] = [&first, &second].map(|haproxy| haproxy.endpoint("runtime"));
    save(&pages, &address, &format!("{one}\n{two}")).await;
    pages.world.script("deploy.sh", "exit 0");
    let commit = pages.world.commit("First").await;
    let deployment = pages.world.deploy(&commit).await.id;
    let place = EndpointPlace {
        endpoint: two.clone(),
        backend: "web".into(),
        server: "web1".into(),
    };
    let server = servers::by_name(&pages.world.store, "web1").await.unwrap().id;
    let record = pages.world.store.record().await.unwrap();
    let whose = (server, deployment);
    deployments::hold_out(&record, whose, &[place], AtEndpoint::SeenOut)
        .await
        .unwrap();
    record.commit().await.unwrap();
    second.balancer("runtime").maint(&[slot()]).await.unwrap();

    let page = pages.page(&address).await;

    for expected in [
        "Endpoints differ",
        "Put back at all endpoints",
        "Take out at all endpoints",
        &format!("{one}: UP"),
        &format!("{two}: MAINT"),
        &format!("left out by deployment {deployment}"),
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    save(&pages, &address, &one).await;
    let warned = pages.page(&address).await;
    let expected = format!("Still out of service at {two}: web1 (deployment {deployment}).");
    assert!(warned.contains(&expected), "{warned}");
    save(&pages, &address, &format!("{one}\n{two}")).await;
    let page = pages.page(&address).await;
    assert!(!page.contains("Still out of service at"), "{page}");

    for (act, state) in [("maint", "maint"), ("ready", "ready")] {
        press(&pages, &address, &page, act).await;
        for haproxy in [&first, &second] {
            assert_eq!(decided(haproxy).await, state);
        }
    }
    assert_eq!(deployments::held_out(&pages.world.store).await.unwrap(), []);
}

/// The part of the balancer's page about one backend.
fn about<'a>(page: &'a str, backend: &str) -> &'a str {
    let (_, rest) = page
        .split_once(&format!("<h2 class=\"card-title\">{backend}</h2>"))
        .expect("the backend is shown");
    rest.split_once("</section>").expect("its end").0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_follows_another_is_not_put_back_by_itself() {
    const FOLLOWS: &str = "api/web1 follows web/web1 (“track” in HAProxy's configuration), which is out of service: put that one back.";
    const PUT_BACK: &str = "value=\"ready\"";
    let web1 = Backend::start("web1").await;
    let pages = Pages::start(&["dev"], "admin").await;
    let haproxy = Haproxy::builder()
        .backend("web", &[("web1", web1.port)])
        .backend("api", &[("web1", web1.port)])
        .server_options_of("api", "track web/web1")
        .start()
        .await;
    let token = value(&pages.page("/admin/new/balancer").await, "csrf");
    let endpoint = haproxy.endpoint("runtime");
    let form = [
        ("csrf", token.as_str()),
        ("name", "edge"),
        ("kind", "runtime"),
        ("endpoints", &endpoint),
    ];
    let address = location(&pages.send("/admin/new/balancer", &form).await);
    let balancer = haproxy.balancer("runtime");
    balancer.maint(&[slot()]).await.unwrap();

    let page = pages.page(&address).await;
    let (web, api) = (about(&page, "web"), about(&page, "api"));
    assert!(web.contains(PUT_BACK) && !web.contains("follows"), "{web}");
    assert!(
        api.contains(&FOLLOWS.replace('\'', "&#39;")) && !api.contains(PUT_BACK),
        "{api}"
    );

    let press = async |act: &str| {
        let page = pages.page(&address).await;
        let token = value(&page, "csrf");
        let form = [
            ("csrf", token.as_str()),
            ("backend", "api"),
            ("server", "web1"),
            ("act", act),
        ];
        pages.send(&format!("{address}/act"), &form).await;
        pages.page(&address).await.replace("&#39;", "'")
    };
    assert!(press("ready").await.contains(FOLLOWS));
    // Taken out by itself as well, half of what keeps it out can be ended.
    assert!(press("maint").await.contains("api/web1 is out of service."));
    let page = pages.page(&address).await;
    assert!(about(&page, "api").contains(PUT_BACK), "{page}");
    let told = press("ready").await;
    assert!(
        told.contains(&format!("api/web1 was put back, but is still out. {FOLLOWS}")),
        "{told}"
    );
    assert_eq!(
        audited(&pages).await[1..],
        [
            "admin balancer.taken_out allowed",
            "admin balancer.put_back allowed"
        ]
    );
}

fn slot() -> BackendSlot {
    BackendSlot::new("web", "web1").unwrap()
}

/// Saves the balancer with these endpoints.
async fn save(pages: &Pages, address: &str, endpoints: &str) {
    let token = value(&pages.page(address).await, "csrf");
    let form = [
        ("csrf", token.as_str()),
        ("name", "edge"),
        ("kind", "runtime"),
        ("endpoints", endpoints),
    ];
    assert_eq!(location(&pages.send(address, &form).await), address);
}
