//! Large histories and logs: complete to the last page, and that page opens as soon as the first.

use std::time::{Duration, Instant};

use deployer::domain::DeploymentState;
use deployer::store::log;

use super::streams::Work;
use super::support::{asked, link, listed, past, project, site_for};
use crate::support::rounds::{Dice, rounds};

/// What a page may take longer when much lies before it, on a busy machine.
const SLACK: Duration = Duration::from_secs(1);
/// Lines per write and per window.
const LINES: usize = 500;

#[tokio::test(flavor = "multi_thread")]
async fn a_large_history_is_complete_and_its_last_page_opens_as_soon_as_its_first() {
    let site = site_for("admin").await;
    let (shop, places) = project(&site, "shop", &["prod"]).await;
    let count = rounds(3_000, 100_000) as i64;
    let all = (1..=count).map(|number| (asked(&shop, &places[0], number), DeploymentState::Succeeded));
    past(&site, all.collect()).await;

    let (mut seen, mut took) = (Vec::new(), Vec::new());
    let mut next = Some("/history".to_owned());
    while let Some(path) = next {
        let start = Instant::now();
        let page = site.get(&path).await.text().await.unwrap();
        took.push(start.elapsed());
        seen.extend(listed(&page));
        next = link(&page, "next");
    }

    assert!(
        seen.iter().copied().eq((1..=count).rev()),
        "{} of {count}",
        seen.len()
    );
    let fastest = |some: &[Duration]| some.iter().min().copied().unwrap();
    let (first, last) = (fastest(&took[..3]), fastest(&took[took.len() - 3..]));
    assert!(
        last < first * 3 + SLACK,
        "the first took {first:?}, the last {last:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_window_of_a_large_log_is_right() {
    let site = site_for("admin").await;
    let work = Work::begin(&site).await;
    let writes = rounds(60, 2_000);
    for write in 0..writes {
        work.print(write * LINES, (write + 1) * LINES).await;
    }
    let (store, id) = (&site.store, work.deployment());
    let mut dice = Dice::new(1);
    let last = writes * LINES - LINES;
    let begins = [0, last]
        .into_iter()
        .chain((0..rounds(20, 2_000)).map(|_| dice.below(last)));
    for begin in begins.collect::<Vec<_>>() {
        let start = Instant::now();
        let window = log::read(store, id, begin as i64 + 1, LINES, &log::LogFilter::default()).await;
        let took = start.elapsed();
        let texts: Vec<String> = window.unwrap().into_iter().map(|line| line.text).collect();
        let printed: Vec<String> = (begin..begin + LINES).map(|n| format!("line-{n};")).collect();
        assert_eq!(texts, printed, "from line {begin}");
        assert!(took < SLACK, "from line {begin}: {took:?}");
    }
}
