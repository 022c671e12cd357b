//! `/history`: what it lists, to whom, and how it is cut into pages.

use deployer::domain::DeploymentState as S;

use super::support::{asked, link, listed, past, project, site_for};
use crate::web::support::TestSite;

/// 130 deployments: shop and blog in turn, beta and prod in turn of two, every tenth failed.
async fn busy(site: &TestSite) {
    let shop = project(site, "shop", &["beta", "prod"]).await;
    let blog = project(site, "blog", &["beta", "prod"]).await;
    let all = (1..=130).map(|number| {
        let (project, environments) = if number % 2 == 0 { &shop } else { &blog };
        let environment = &environments[usize::from(number % 4 > 1)];
        let state = if number % 10 == 0 { S::Failed } else { S::Succeeded };
        (asked(project, environment, number), state)
    });
    past(site, all.collect()).await;
}

async fn page(site: &TestSite, path: &str) -> String {
    let answer = site.get(path).await;
    assert_eq!(answer.status(), 200, "{path}");
    answer.text().await.unwrap()
}

/// All that can be reached from `path` by “Older”, in order.
async fn walk(site: &TestSite, path: &str) -> Vec<Vec<i64>> {
    let mut pages = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let text = page(site, &path).await;
        pages.push(listed(&text));
        next = link(&text, "next");
        if let Some(before) = pages.len().checked_sub(2) {
            let back = link(&text, "prev").expect("a way back");
            assert_eq!(
                listed(&page(site, &back).await),
                pages[before],
                "{path}: the way back"
            );
        }
    }
    pages
}

fn numbers(takes: impl Fn(i64) -> bool) -> Vec<i64> {
    (1..=130).rev().filter(|&number| takes(number)).collect()
}

#[tokio::test]
async fn everything_is_listed_once_newest_first_in_full_pages() {
    let site = site_for("admin").await;
    busy(&site).await;
    let pages = walk(&site, "/history").await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [50, 50, 30]);
    assert_eq!(pages.concat(), numbers(|_| true));
}

#[tokio::test]
async fn a_reader_sees_full_pages_of_what_they_may_see_and_nothing_else() {
    let site = site_for("alice").await;
    busy(&site).await;
    let pages = walk(&site, "/history").await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [50, 15]);
    assert_eq!(pages.concat(), numbers(|number| number % 2 == 0));
    let text = page(&site, "/history").await;
    assert!(!text.contains("blog"), "not even the form names what is hidden");
    // Asking by name does not help.
    let hidden = page(&site, "/history?project=blog").await;
    assert!(listed(&hidden).is_empty());
    // Nor does it tell whether there is one.
    let none = page(&site, "/history?project=glob").await;
    for (text, name) in [(&hidden, "blog"), (&none, "glob")] {
        let sentence = format!("There is no project “{name}” that you may view.");
        assert!(text.contains(&sentence), "{text}");
        assert!(
            text.contains(&format!("<option value=\"{name}\" selected>")),
            "{text}"
        );
        assert_eq!(
            site.get(&format!("/history.csv?project={name}")).await.status(),
            422
        );
    }
    let main = |text: &str| text.split_once("<main").unwrap().1.to_owned();
    assert_eq!(main(&hidden).replace("blog", "glob"), main(&none));

    let site = site_for("bob").await;
    busy(&site).await;
    let pages = walk(&site, "/history").await;
    assert_eq!(pages.concat(), numbers(|number| number % 4 < 2));
}

#[tokio::test]
async fn a_user_who_may_see_nothing_reads_so() {
    let site = site_for("eve").await;
    busy(&site).await;
    for path in ["/history", "/history.csv", "/activity", "/live"] {
        assert_eq!(site.get(path).await.status(), 403, "{path}");
    }
}

#[tokio::test]
async fn each_filter_narrows_the_list_and_so_do_all_together() {
    let site = site_for("admin").await;
    busy(&site).await;
    type Takes = fn(i64) -> bool;
    let cases: [(&str, Takes); 8] = [
        ("project=shop", |n| n % 2 == 0),
        ("environment=prod", |n| n % 4 > 1),
        ("user=bob", |n| n % 2 != 0),
        ("state=failed", |n| n % 10 == 0),
        ("kind=rollback", |n| n % 5 == 0),
        ("project=shop&state=failed&kind=rollback&user=alice", |n| {
            n % 10 == 0
        }),
        // Number n was asked for n minutes after noon.
        ("from=2026-11-22&to=2026-11-22", |_| true),
        ("from=2026-11-23", |_| false),
    ];
    for (query, takes) in cases {
        let pages = walk(&site, &format!("/history?{query}")).await;
        assert_eq!(pages.concat(), numbers(takes), "{query}");
    }
}

#[tokio::test]
async fn an_empty_list_says_why() {
    let site = site_for("admin").await;
    assert!(
        page(&site, "/history")
            .await
            .contains("Nothing has been deployed yet")
    );
    busy(&site).await;
    let text = page(&site, "/history?project=shop&environment=nope").await;
    assert!(
        text.contains("There is no environment “nope” of shop that you may view."),
        "{text}"
    );
    let text = page(&site, "/history?user=nobody").await;
    assert!(text.contains("No deployment matches") && text.contains("value=\"nobody\""));
}

#[tokio::test]
async fn invalid_filters_are_reported_in_the_form() {
    let site = site_for("admin").await;
    busy(&site).await;
    for (query, sentence) in [
        ("from=yesterday", "Write a day as 2026-11-22."),
        (
            "state=%3Cscript%3E",
            "There is no state of that name; choose one.",
        ),
        (
            "from=2026-11-23&to=2026-11-22",
            "Choose the same day as “From” or a later one.",
        ),
    ] {
        let answer = site.get(&format!("/history?{query}")).await;
        assert_eq!(answer.status(), 422, "{query}");
        let text = answer.text().await.unwrap();
        assert!(text.contains(sentence) && !text.contains("<script>"), "{query}");
    }
    assert_eq!(site.get("/history?before=first").await.status(), 400);
}

#[tokio::test]
async fn titles_are_text_whatever_they_hold() {
    let site = site_for("admin").await;
    busy(&site).await;
    let text = page(&site, "/history").await;
    assert!(text.contains("Change &#60;b&#62;130") || text.contains("Change &lt;b&gt;130"));
    assert!(!text.contains("<b>130"));
}

#[tokio::test]
async fn a_download_contains_everything_that_matches() {
    let site = site_for("alice").await;
    busy(&site).await;
    let answer = site.get("/history.csv?state=failed").await;
    assert_eq!(
        crate::web::support::header(&answer, "content-type"),
        "text/csv; charset=utf-8"
    );
    let text = answer.text().await.unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 1 + numbers(|number| number % 10 == 0).len());
    assert!(lines[0].starts_with("deployment,project,environment,"));
    assert!(
        lines[1].starts_with("130,shop,prod,all servers,rollback,failed,"),
        "{}",
        lines[1]
    );
}

#[tokio::test]
async fn deployments_of_a_deleted_environment_stay_in_the_history_of_those_who_may_see_it() {
    let site = site_for("alice").await;
    let (shop, places) = project(&site, "shop", &["beta"]).await;
    past(&site, vec![(asked(&shop, &places[0], 2), S::Succeeded)]).await;
    let tx = crate::support::store::change(&site.store).await;
    deployer::store::projects::delete(&tx, shop.id).await.unwrap();
    crate::support::store::bring_in(tx).await;
    assert_eq!(listed(&page(&site, "/history").await), [1]);
}
