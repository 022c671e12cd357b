//! No page is wider than a phone, whatever names are in it.

use super::support::Browser;
use crate::history::support as past;
use crate::support::store::{bring_in, change, cluster, environment, server};
use crate::web::support::TestSite;

/// The elements that reach beyond the window, outside of what scrolls by itself.
const WIDER: &str = "[...document.querySelectorAll('body *')].filter((one) => { \
    const box = one.getBoundingClientRect(); \
    return box.width > 0 && box.right > innerWidth + 1 && \
        !one.closest('thead, .scroll, .tabset, .lines, .visually-hidden, .found, pre'); }) \
    .slice(0, 3).map((one) => one.tagName + '.' + one.className + ' ' + one.textContent.trim().slice(0, 40))";

/// The `number`th name of 64 characters.
fn longest(number: usize) -> String {
    format!("{number:02}{}", "-preview-of-a-branch".repeat(4))[..64].to_owned()
}

/// An installation with names as long as they may be, and its administrator.
async fn long_names() -> TestSite {
    let site = past::site_for("admin").await;
    let long = |word: &str| format!("{word}-of-the-eastern-data-centre");
    let (shop, _) = past::project(&site, &long("webshop"), &["prod"]).await;
    // Names of 64 characters, and more environments than anybody has in one line.
    let places: Vec<String> = (0..40).map(longest).collect();
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    past::project(&site, &longest(99), &places).await;
    let tx = change(&site.store).await;
    let mut hosts = Vec::new();
    for number in 1..=3 {
        let mut host = server(&format!("{}{number}.internal.example.org", long("frontend")));
        host.address = format!("{}{number}.internal.example.org", long("host"));
        hosts.push(deployer::store::servers::insert(&tx, &host).await.unwrap());
    }
    let group = cluster(&long("cluster"), &hosts);
    let group = deployer::store::clusters::insert(&tx, &group).await.unwrap();
    let mut staging = environment(&shop, &long("staging"));
    staging.clusters = vec![group.id];
    deployer::store::environments::insert(&tx, &staging)
        .await
        .unwrap();
    bring_in(tx).await;
    site.add_user("somebody-with-a-name-as-long-as-it-may-be-in-a-directory")
        .await;
    site
}

/// The addresses that links of the present page lead to, below `start`.
async fn links(browser: &Browser, start: &str) -> Vec<String> {
    let script = format!(
        "[...new Set([...document.querySelectorAll('main a[href^=\"{start}\"]')].map((one) => one.getAttribute('href')))]"
    );
    serde_json::from_value(browser.ask(&script).await).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn browser_shows_no_page_wider_than_a_phone() {
    let browser = Browser::start(long_names().await, true).await;
    let mut pages: Vec<String> = [
        "/",
        "/activity",
        "/history",
        "/audit",
        "/profile",
        "/search?q=frontend",
        "/admin",
        "/admin/policy",
        "/policy/may",
        "/calendar",
        "/admin/new/project",
        "/admin/new/server",
        "/admin/new/servers",
        "/admin/new/cluster",
        "/admin/new/balancer",
        "/admin/new/user",
        "/admin/trust",
    ]
    .map(str::to_owned)
    .to_vec();
    for list in [
        "/admin/projects",
        "/admin/servers",
        "/admin/clusters",
        "/admin/users",
        "/admin/balancers",
    ] {
        browser.open(list).await;
        pages.push(list.to_owned());
        pages.extend(links(&browser, &format!("{list}/")).await);
    }
    browser.open("/").await;
    let places = links(&browser, "/projects/").await;
    for place in &places {
        let place = place.trim_start_matches("/projects/").replace('/', "%2F");
        pages.push(format!("/policy/who?place={place}"));
        pages.push(format!("/policy/may?action=deploy&place={place}"));
    }
    pages.extend(places);
    // Of forty pages of one kind, one is looked at.
    pages.retain(|page| (1..40).all(|number| !page.contains(&longest(number))));
    assert!(pages.len() > 20, "{pages:?}");
    let mut wide = Vec::new();
    for (number, page) in pages.iter().enumerate() {
        for width in [390, 1280] {
            browser.page.set_window_size(width, 844).await.unwrap();
            browser.open(page).await;
            let wider = browser.ask(WIDER).await;
            let scrolls = browser
                .ask("document.documentElement.scrollWidth > innerWidth")
                .await;
            if wider != serde_json::json!([]) || scrolls == true {
                wide.push(format!("{page} at {width}: {wider}"));
            }
        }
        browser.picture(&format!("wide-{number}")).await;
    }
    assert!(wide.is_empty(), "{wide:#?}");
    browser.close().await;
}
