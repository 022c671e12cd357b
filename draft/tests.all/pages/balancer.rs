//! A real HAProxy, acted upon by hand on its page.

use deployer::store::{Page, audit};

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
