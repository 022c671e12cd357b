//! A real HAProxy, acted upon by hand on its page.

use deployer::store::{Page, audit};

use super::support::{Pages, location, value};
use crate::support::backend::Backend;
use crate::support::haproxy::Haproxy;

/// The acts of people in the audit log about a balancer, oldest first.
async fn audited(pages: &Pages) -> Vec<String> {
    let page = audit::list(&pages.world.app.store, &Default::default(), Page::Newest, 50).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_drained_taken_out_and_put_back_on_the_page() {
    let web1 = Backend::start("web1").await;
    let haproxy = Haproxy::builder()
        .backend("web", &[("web1", web1.port)])
        .start()
        .await;
    let seen = haproxy.balancer("runtime");
    let admin = Pages::start(&["dev"], "admin").await;
    let token = value(&admin.page("/admin/new/balancer").await, "csrf");
    let endpoint = haproxy.endpoint("runtime");
    let new = [
        ("csrf", token.as_str()),
        ("name", "edge"),
        ("kind", "runtime"),
        ("endpoints", &endpoint),
    ];
    let address = location(&admin.send("/admin/new/balancer", &new).await);
    for (act, button, state) in [
        ("drain", "Drain", "Draining"),
        ("maint", "Take out", "Out of service"),
        ("ready", "Put back", "In service"),
    ] {
        let page = admin.page(&address).await;
        assert!(
            page.contains(&format!("name=\"act\" value=\"{act}\"")),
            "{button}: {page}"
        );
        let form = [
            ("csrf", value(&page, "csrf")),
            ("backend", value(&page, "backend")),
            ("server", value(&page, "server")),
            ("act", act.to_owned()),
        ];
        let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
        let done = admin.send(&format!("{address}/act"), &form).await;
        assert_eq!(location(&done), address);
        let mut page = admin.page(&address).await;
        // Put back, it is in service when its checks have passed.
        for _ in 0..100 {
            if page.contains(state) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            page = admin.page(&address).await;
        }
        assert!(page.contains(state), "{state}: {page}");
        let state = seen.state().await.unwrap();
        let now = format!("{:?}", state.servers[0].admin).to_lowercase();
        assert_eq!(now, act);
    }
    let own = [
        "admin balancer.added allowed",
        "admin balancer.drained allowed",
        "admin balancer.taken_out allowed",
        "admin balancer.put_back allowed",
    ];
    assert_eq!(audited(&admin).await, own);

    admin.log_in("dora").await;
    let form = [
        ("csrf", value(&admin.page("/profile").await, "csrf")),
        ("backend", "web".to_owned()),
        ("server", "web1".to_owned()),
        ("act", "maint".to_owned()),
    ];
    let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
    let refused = admin.send(&format!("{address}/act"), &form).await;
    assert_eq!(refused.status(), 403);
    assert_eq!(admin.get(&address).await.0, 403);
    let state = seen.state().await.unwrap();
    assert_eq!(format!("{:?}", state.servers[0].admin), "Ready");
    assert_eq!(audited(&admin).await, own, "nothing was done");
}
