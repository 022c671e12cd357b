//! Two commits compared.

use reqwest::StatusCode;

use super::support::Pages;

#[tokio::test(flavor = "multi_thread")]
async fn any_two_commits_can_be_compared_and_their_text_is_escaped() {
    let mut pages = Pages::start(&["dev"], "rita").await;
    pages.world.repository.write("keep.txt", "one\ntwo\nthree\n");
    pages.world.repository.write("logo.png", [0_u8, 159, 146, 150]);
    let first = pages.world.commit("First").await;
    pages.world.repository.git(&["mv", "keep.txt", "kept.txt"]);
    pages
        .world
        .repository
        .write("<b>.html", "<script>alert(1)</script>\n");
    let long: String = (0..1000).map(|line| format!("line {line}\n")).collect();
    pages.world.repository.write("long.txt", long);
    pages.world.commit("Second").await;

    let page = pages
        .page(&format!("/projects/shop/diff?from={}&to=main", &first[..7]))
        .await;
    assert!(page.contains("renamed") && page.contains("kept.txt"), "{page}");
    assert!(
        !page.contains("<script>alert(1)") && !page.contains("<b>.html"),
        "{page}"
    );
    assert!(page.contains("Show this file alone") && !page.contains("line 999"));
    let alone = pages
        .page("/projects/shop/diff?from=&to=main&only=long.txt")
        .await;
    assert!(alone.contains("line 999") && !alone.contains("logo.png"));
    let whole = pages.page("/projects/shop/diff?to=main").await;
    assert!(whole.contains("Not text"), "{whole}");
    let back = pages
        .page(&format!("/projects/shop/diff?from=main&to={first}"))
        .await;
    assert!(back.contains("Removes 1 commit."), "{back}");
    let same = pages.page("/projects/shop/diff?from=main&to=main").await;
    assert!(same.contains("Both are the same commit"), "{same}");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_about_missing_things_appear_at_their_field() {
    let mut pages = Pages::start(&["dev"], "rita").await;
    pages.world.repository.write("a", "1");
    pages.world.commit("First").await;
    for query in [
        "from=nowhere&to=main",
        "from=main&to=--output%3Dx",
        "from=&to=..%2F..%2Fetc",
    ] {
        let (status, page) = pages.get(&format!("/projects/shop/diff?{query}")).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
        assert!(
            page.contains("There is no branch, tag or commit"),
            "{query}: {page}"
        );
    }
    assert!(
        pages
            .page("/projects/shop/diff")
            .await
            .contains("Compare any two commits")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_and_every_line_can_be_reached() {
    let mut pages = Pages::start(&["dev"], "rita").await;
    for number in 0..70 {
        pages
            .world
            .repository
            .write(&format!("file{number:02}.txt"), format!("{number}\n"));
    }
    let long: String = (0..6000).map(|line| format!("line {line}\n")).collect();
    pages.world.repository.write("a.txt", long);
    pages.world.commit("First").await;

    let page = pages.page("/projects/shop/diff?to=main").await;
    assert!(page.contains("id=\"file-60\"") && !page.contains("id=\"file-61\""));
    assert!(page.contains("only=file69.txt"), "{page}");
    let alone = pages.page("/projects/shop/diff?to=main&only=file69.txt").await;
    assert!(alone.contains("<td>69</td>"), "{alone}");

    let first = pages.page("/projects/shop/diff?to=main&only=a.txt").await;
    assert!(first.contains("<td>line 4999</td>") && !first.contains("<td>line 5000</td>"));
    let next = crate::history::support::link(&first, "next").expect("the file goes on");
    let second = pages.page(&next).await;
    assert!(second.contains("<td>line 5000</td>") && second.contains("<td>line 5999</td>"));
    assert!(!second.contains("<td>line 4999</td>") && second.contains("The first 5000 lines are skipped"));
    let back = crate::history::support::link(&second, "prev").expect("there are lines before");
    assert!(pages.page(&back).await.contains("<td>line 0</td>"));
    let far = "/projects/shop/diff?to=main&only=a.txt&offset=18446744073709551615";
    assert!(pages.page(far).await.contains("Previous lines"));
}
