//! Logs: numbered without gaps, read in windows from anywhere.

use deployer::domain::{Chunk, DeploymentId, Line, LogLine, StepKind, Stream};
use deployer::store::Lease;
use deployer::store::log::{self, LogWindow};
use proptest::prelude::*;

use crate::support::databases::{Database, on_every_database};
use crate::support::store::{TestStore, deployment, noon};

fn chunk(server: &str, kind: StepKind, lines: impl IntoIterator<Item = String>) -> Chunk {
    let lines = lines.into_iter().map(|text| Line {
        stream: Stream::Stdout,
        text,
    });
    Chunk {
        step: None,
        server: server.into(),
        kind: Some(kind),
        at: noon(),
        lines: lines.collect(),
    }
}

async fn running(store: &TestStore) -> Lease {
    let shop = store.project("shop").await;
    let prod = store.environment(&shop, "prod", &[]).await;
    store.deployment(&deployment(&shop, &prod, &[])).await;
    store.claim().await.lease
}

fn numbers(lines: &[LogLine]) -> Vec<i64> {
    lines.iter().map(|line| line.number).collect()
}

async fn append(store: &TestStore, lease: Lease, chunks: Vec<Chunk>) {
    let tx = store.record_leased(lease).await.unwrap();
    log::append(&tx, chunks).await.unwrap();
    tx.commit().await.unwrap();
}

/// 3 servers in turn, 40 batches of 1 to 7 lines each, some lines with “needle”.
async fn mixed(store: &TestStore) -> (DeploymentId, Vec<LogLine>) {
    let lease = running(store).await;
    for batch in 0..40 {
        let lines = (0..=batch % 7).map(|line| match (batch + line) % 9 {
            0 => format!("Needle in {batch}.{line}"),
            _ => format!("hay {batch}.{line}"),
        });
        let kind = if batch % 2 == 0 {
            StepKind::Sync
        } else {
            StepKind::Deploy
        };
        append(
            store,
            lease,
            vec![chunk(&format!("web{}", batch % 3), kind, lines)],
        )
        .await;
    }
    (lease.deployment, whole(store, lease).await)
}

/// Every line of the deployment's log.
async fn whole(store: &TestStore, lease: Lease) -> Vec<LogLine> {
    let all = log::LogFilter::default();
    log::read(&store.store, lease.deployment, 1, 10_000, &all)
        .await
        .unwrap()
}

async fn lines_of_steps_that_print_at_once_are_numbered_without_gaps(on: Database) {
    let store = TestStore::on(on).await;
    let lease = running(&store).await;
    let mut steps = tokio::task::JoinSet::new();
    for step in 0..10 {
        let store = store.store.clone();
        steps.spawn(async move {
            for batch in 0..20 {
                let tx = store.record_leased(lease).await.unwrap();
                let lines = (0..7).map(|line| format!("{step}.{batch}.{line}"));
                let stored =
                    log::append(&tx, vec![chunk(&format!("web{step}"), StepKind::Sync, lines)]).await;
                tx.commit().await.unwrap();
                assert_eq!(stored.unwrap()[0].chunk.lines.len(), 7);
            }
        });
    }
    while let Some(step) = steps.join_next().await {
        step.unwrap();
    }
    let all = whole(&store, lease).await;
    assert_eq!(numbers(&all), (1..=1400).collect::<Vec<_>>());
    let found = deployer::store::deployments::by_id(&store.store, lease.deployment)
        .await
        .unwrap();
    assert_eq!(found.last_line, 1400);
    // Each server's lines are in the order in which it printed them.
    let web3: Vec<&str> = all
        .iter()
        .filter(|l| l.server == "web3")
        .map(|l| l.text.as_str())
        .collect();
    let said = (0..20).flat_map(|batch| (0..7).map(move |line| format!("3.{batch}.{line}")));
    assert_eq!(web3, said.collect::<Vec<_>>());
}

async fn every_window_is_what_filtering_the_whole_would_give(on: Database) {
    let store = TestStore::on(on).await;
    let (id, all) = mixed(&store).await;
    let filters = [
        (None, None, None),
        (Some("web1"), None, None),
        (None, Some(StepKind::Deploy), None),
        (Some("web2"), Some(StepKind::Sync), None),
        (None, None, Some("nEEdle")),
        (Some("web0"), None, Some("needle")),
        (Some("nobody"), None, None),
    ];
    for (server, kind, text) in filters {
        let filter = log::LogFilter {
            server: server.map(Into::into),
            kind,
            text: text.map(Into::into),
        };
        let passes = |line: &&LogLine| {
            server.is_none_or(|server| line.server == server)
                && (kind.is_none() || line.kind == kind)
                && text.is_none_or(|_| line.text.starts_with("Needle"))
        };
        for at in [1, 2, 17, 80, all.len() as i64, 100_000] {
            for limit in [1, 5, 50, 10_000] {
                let forward: Vec<LogLine> = all
                    .iter()
                    .filter(passes)
                    .filter(|l| l.number >= at)
                    .take(limit)
                    .cloned()
                    .collect();
                assert_eq!(
                    log::read(&store.store, id, at, limit, &filter).await.unwrap(),
                    forward
                );
                let mut back: Vec<LogLine> = all
                    .iter()
                    .rev()
                    .filter(passes)
                    .filter(|l| l.number < at)
                    .take(limit)
                    .cloned()
                    .collect();
                back.reverse();
                let window = LogWindow::Before(at);
                let found = log::search(&store.store, id, window, limit, &filter, usize::MAX);
                assert_eq!(found.await.unwrap().lines, back);
            }
        }
    }
}

async fn the_end_is_found(on: Database) {
    let store = TestStore::on(on).await;
    let (id, all) = mixed(&store).await;
    let filter = log::LogFilter::default();
    let end = log::search(&store.store, id, LogWindow::Last, 3, &filter, usize::MAX).await;
    assert_eq!(end.unwrap().lines, all[all.len() - 3..]);
}

async fn a_big_batch_is_cut_and_an_odd_line_stays_one_line(on: Database) {
    let store = TestStore::on(on).await;
    let lease = running(&store).await;
    let odd = ["", "a\nb", "é😀\r", "\0", "\u{1b}[31mred\u{1b}[0m"].map(String::from);
    let long = (0..1200).map(|line| format!("line {line}"));
    let huge = std::iter::once("x".repeat(200_000));
    append(
        &store,
        lease,
        vec![
            chunk("", StepKind::Check, odd),
            chunk("", StepKind::Fetch, []),
            chunk("", StepKind::Export, long.chain(huge)),
        ],
    )
    .await;
    let all = whole(&store, lease).await;
    assert_eq!(numbers(&all), (1..=1206).collect::<Vec<_>>());
    let texts: Vec<&str> = all[..5].iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts, ["", "a b", "é😀\r", "\u{fffd}", "\u{1b}[31mred\u{1b}[0m"]);
    assert_eq!(all[1205].text.len(), 200_000);
    assert_eq!(store.rows("log_chunks").await, 5);
}

async fn a_search_gives_up_after_its_budget_and_says_where_it_goes_on(on: Database) {
    let store = TestStore::on(on).await;
    let (id, _) = mixed(&store).await;
    let filter = log::LogFilter {
        text: Some("needle".into()),
        ..log::LogFilter::default()
    };
    let all = log::read(&store.store, id, 1, 10_000, &filter).await.unwrap();
    let (mut forward, mut looks, mut next) = (Vec::new(), 0, Some(1));
    while let Some(from) = next {
        let found = log::search(&store.store, id, LogWindow::From(from), 10_000, &filter, 10)
            .await
            .unwrap();
        forward.extend(found.lines);
        next = found.stopped;
        looks += 1;
    }
    assert_eq!((forward, looks > 2), (all.clone(), true), "{looks} looks");
    let (mut back, mut looks, mut next) = (Vec::new(), 0, Some(i64::MAX));
    while let Some(before) = next {
        let found = log::search(&store.store, id, LogWindow::Before(before), 10_000, &filter, 10)
            .await
            .unwrap();
        back.splice(0..0, found.lines);
        next = found.stopped;
        looks += 1;
    }
    assert_eq!((back, looks > 2), (all, true), "{looks} looks");
    // Without a text to look for there is nothing to give up.
    let plain = log::search(
        &store.store,
        id,
        LogWindow::From(1),
        10_000,
        &log::LogFilter::default(),
        10,
    )
    .await;
    assert_eq!(plain.unwrap().stopped, None);
}

proptest! {
    #![proptest_config(crate::support::cases::cases(12))]
    #[test]
    fn whatever_is_printed_comes_back(texts in prop::collection::vec("[^\n\0]{0,40}", 1..60)) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let back = runtime.block_on(async {
            let store = TestStore::new().await;
            let lease = running(&store).await;
            append(&store, lease, vec![chunk("web1", StepKind::Deploy, texts.clone())]).await;
            log::read(&store.store, lease.deployment, 1, 1000, &log::LogFilter::default()).await.unwrap()
        });
        let back: Vec<String> = back.into_iter().map(|line| line.text).collect();
        prop_assert_eq!(back, texts);
    }
}

on_every_database! {
    lines_of_steps_that_print_at_once_are_numbered_without_gaps,
    every_window_is_what_filtering_the_whole_would_give,
    the_end_is_found,
    a_big_batch_is_cut_and_an_odd_line_stays_one_line,
    a_search_gives_up_after_its_budget_and_says_where_it_goes_on,
}
