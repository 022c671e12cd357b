//! A line of the log that is longer than a page can hold.

use super::support::Pages;

#[tokio::test(flavor = "multi_thread")]
async fn is_cut_on_the_page_and_whole_as_a_download() {
    let mut pages = Pages::start(&["dev"], "rita").await;
    let print = "head -c 3000000 /dev/zero | tr '\\0' x; echo end; echo 'a complaint' >&2; echo 'after it'";
    pages.world.script("deploy.sh", print);
    let commit = pages.world.commit("Print much").await;
    let id = pages.world.deploy(&commit).await.id;
    let page = pages.page(&format!("/deployments/{id}")).await;
    assert!(page.len() < 500_000, "the page has {} bytes", page.len());
    assert!(page.contains("after it"));
    let wanted = format!("{}end\n", "x".repeat(3_000_000));
    // Whichever part of it is asked for, the whole line comes.
    let links: Vec<&str> = page.split("class=\"ln-whole\" href=\"").skip(1).collect();
    assert!(links.len() > 300, "{}", links.len());
    for link in [links[0], links[links.len() / 2], links[links.len() - 1]] {
        let link = link.split_once('"').unwrap().0;
        let (_, whole) = pages.get(link).await;
        assert!(whole == wanted, "{link}: {} bytes", whole.len());
    }
    let (status, _) = pages.get(&format!("/deployments/{id}/log?line=999999")).await;
    assert_eq!(status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn buttons_of_a_page_that_is_out_of_date_lead_back_to_that_deployment() {
    let mut pages = Pages::start(&["dev"], "admin").await;
    pages.world.repository.write("a", "1");
    let commit = pages.world.commit("Say hello").await;
    let id = pages.world.deploy(&commit).await.id;
    let token = super::support::value(&pages.page(&format!("/deployments/{id}")).await, "csrf");
    let answer = pages
        .send(&format!("/deployments/{id}/pause"), &[("csrf", token.as_str())])
        .await;
    assert_eq!(answer.status(), 409);
    let page = answer.text().await.unwrap();
    assert!(page.contains(&format!("href=\"/deployments/{id}\"")), "{page}");
    assert!(page.contains(&format!("Back to deployment {id}")), "{page}");
}
