//! A deployment's live stream, over real HTTP: every line once, in order, whoever joins, leaves,
//! comes back or sleeps.

use std::sync::Arc;
use std::time::Duration;

use deployer::domain::{Chunk, DeploymentId, DeploymentState, Line, Stream};
use deployer::engine::live::Hub;
use deployer::store::{Lease, Store, deployments, log, queue};
use reqwest::{Client, Response};

use super::support::{project, queued, server, site_for, site_with};
use crate::support::store::{LEASE, deployment};
use crate::web::support::{Options, TestSite};

/// How long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(60);
/// Streams on one connection: fewer than a server admits.
const STREAMS: usize = 100;

/// A deployment that runs, and what its worker would hold.
pub(super) struct Work {
    store: Store,
    hub: Hub,
    lease: Lease,
}

impl Work {
    pub(super) async fn begin(site: &TestSite) -> Self {
        let host = server(site, "web1").await;
        let (shop, places) = project(site, "shop", &["beta"]).await;
        queued(site, &deployment(&shop, &places[0], &[host])).await;
        let now = deployer::clock::Clock::System.now();
        let claimed = queue::claim(&site.store, "tester", now, LEASE * 10)
            .await
            .unwrap();
        Self {
            store: site.store.clone(),
            hub: site.hub.clone(),
            lease: claimed.expect("it can begin").lease,
        }
    }

    pub(super) fn deployment(&self) -> DeploymentId {
        self.lease.deployment
    }

    fn path(&self) -> String {
        format!("/deployments/{}/events", self.deployment())
    }

    /// Prints lines `from..to` as a worker would: stored, then told.
    pub(super) async fn print(&self, from: usize, to: usize) {
        self.print_long(from, to, 0).await;
    }

    /// The same, with so many bytes in each line.
    async fn print_long(&self, from: usize, to: usize, bytes: usize) {
        let line = |number| Line {
            stream: Stream::Stdout,
            text: format!("line-{number};{}", "x".repeat(bytes)),
        };
        let chunk = Chunk {
            step: None,
            server: "web1".into(),
            kind: None,
            at: deployer::clock::Clock::System.now(),
            lines: (from..to).map(line).collect(),
        };
        let tx = self.store.record_leased(self.lease).await.unwrap();
        let chunks = log::append(&tx, vec![chunk]).await.unwrap();
        tx.commit_lines(chunks).await.unwrap();
    }

    async fn end(&self) {
        let id = self.lease.deployment;
        let now = deployer::clock::Clock::System.now();
        let tx = self.store.change_leased(self.lease, now).await.unwrap();
        let (from, to) = (DeploymentState::Running, DeploymentState::Succeeded);
        deployments::set_state(&tx, id, from, to, now, "Done.")
            .await
            .unwrap();
        tx.commit(crate::support::store::reached(id, to)).await.unwrap();
        self.hub.changed(id);
    }
}

/// What a viewer has read so far.
#[derive(Default)]
struct Seen {
    text: String,
}

impl Seen {
    /// Reads until `done` says so or the stream ends.
    async fn read(&mut self, stream: &mut Response, done: impl Fn(&Self) -> bool) {
        let all = async {
            while !done(self) {
                match stream.chunk().await.unwrap() {
                    Some(bytes) => self.text.push_str(&String::from_utf8_lossy(&bytes)),
                    None => return,
                }
            }
        };
        tokio::time::timeout(PATIENCE, all)
            .await
            .expect("it comes in time");
    }

    /// The numbers of the lines, as printed.
    fn lines(&self) -> Vec<usize> {
        let parts = self.text.split("line-").skip(1);
        parts
            .map(|part| part.split_once(';').unwrap().0.parse().unwrap())
            .collect()
    }

    fn last_id(&self) -> String {
        let id = self.text.lines().rev().find_map(|line| line.strip_prefix("id: "));
        id.unwrap_or("0").to_owned()
    }

    /// The most lines that came in one message.
    fn most_at_once(&self) -> usize {
        let messages = self.text.split("\n\n");
        messages.map(|one| one.matches("line-").count()).max().unwrap()
    }

    fn has_ended(&self) -> bool {
        self.text.ends_with("event: end\ndata: end\n\n")
    }
}

async fn open(browser: &Client, url: &str, cookie: &str, last_id: &str) -> Response {
    let request = browser
        .get(url)
        .header("cookie", cookie)
        .header("last-event-id", last_id);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer
}

#[tokio::test]
async fn a_viewer_who_reconnects_again_and_again_sees_every_line_once() {
    let site = site_for("alice").await;
    let work = Arc::new(Work::begin(&site).await);
    let url = format!("{}{}", site.url, work.path());
    let printer = {
        let work = Arc::clone(&work);
        tokio::spawn(async move {
            for start in (0..3000).step_by(10) {
                work.print(start, start + 10).await;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            work.end().await;
        })
    };
    let cookie = site.session_cookie();
    let (mut lines, mut last_id, mut connections) = (Vec::new(), "0".to_owned(), 0);
    loop {
        let mut seen = Seen::default();
        let mut stream = open(&site.browser, &url, &cookie, &last_id).await;
        connections += 1;
        // A connection breaks where it likes; a browser keeps whole messages only.
        seen.read(&mut stream, |seen| seen.has_ended() || seen.lines_so_far() > 400)
            .await;
        let whole = seen.text.rfind("\n\n").map_or(0, |end| end + 2);
        seen.text.truncate(whole);
        lines.extend(seen.lines());
        if seen.has_ended() {
            break;
        }
        if seen.last_id() != "0" {
            last_id = seen.last_id();
        }
    }
    printer.await.unwrap();
    assert_eq!(lines, (0..3000).collect::<Vec<_>>());
    assert!(connections > 2, "it was tried: {connections}");
}

#[tokio::test]
async fn logging_out_ends_open_streams() {
    let options = Options {
        judge_every: Some(Duration::from_millis(300)),
        ..Options::default()
    };
    let site = site_with("alice", options).await;
    let work = Work::begin(&site).await;
    let cookie = site.session_cookie();
    let mut of_one = open(
        &site.browser,
        &format!("{}{}", site.url, work.path()),
        &cookie,
        "0",
    )
    .await;
    let mut of_all = open(&site.browser, &format!("{}/live", site.url), &cookie, "0").await;
    work.print(0, 5).await;
    let mut seen = Seen::default();
    seen.read(&mut of_one, |seen| seen.lines_so_far() == 5).await;

    site.post("/logout", &[]).await;

    seen.read(&mut of_one, Seen::has_ended).await;
    assert!(seen.has_ended(), "{}", seen.text);
    let mut seen = Seen::default();
    seen.read(&mut of_all, Seen::has_ended).await;
    assert!(seen.has_ended(), "{}", seen.text);
}

#[tokio::test]
async fn a_viewer_with_an_impossible_position_sees_new_lines() {
    let site = site_for("alice").await;
    let work = Work::begin(&site).await;
    work.print(0, 5).await;
    let (url, cookie) = (format!("{}{}", site.url, work.path()), site.session_cookie());
    for claimed in ["9223372036854775807", "4711"] {
        let mut stream = open(&site.browser, &url, &cookie, claimed).await;
        let mut seen = Seen::default();
        seen.read(&mut stream, |seen| seen.text.contains("data:")).await;
        work.print(5, 6).await;
        seen.read(&mut stream, |seen| seen.lines_so_far() > 0).await;
        assert_eq!(seen.lines(), [5], "{claimed}");
    }
}

impl Seen {
    fn lines_so_far(&self) -> usize {
        self.text.matches("line-").count()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_viewers_all_see_every_line_once() {
    let site = site_for("alice").await;
    let work = Work::begin(&site).await;
    let url = format!("{}{}", site.url, work.path());
    let cookie = site.session_cookie();
    let mut viewers = Vec::new();
    for _ in 0..5 {
        let browser = Client::builder().http2_prior_knowledge().build().unwrap();
        for _ in 0..STREAMS {
            viewers.push(open(&browser, &url, &cookie, "0").await);
        }
    }
    // One who never reads must not be felt by the others.
    let asleep = open(&site.browser, &url, &cookie, "0").await;
    let readers: Vec<_> = viewers
        .into_iter()
        .map(|mut stream| {
            tokio::spawn(async move {
                let mut seen = Seen::default();
                seen.read(&mut stream, Seen::has_ended).await;
                seen.lines()
            })
        })
        .collect();
    for start in (0..200).step_by(20) {
        work.print(start, start + 20).await;
    }
    work.end().await;
    for reader in readers {
        assert_eq!(reader.await.unwrap(), (0..200).collect::<Vec<_>>());
    }
    drop(asleep);
}

/// Lines per write, bytes per line and writes: far more than the rings, the channel and the connection
/// between a worker and a viewer hold.
const WRITE: usize = 25;
const LINE: usize = 1000;
const WRITES: usize = 150;

/// A browser whose streams hold little that nobody reads.
fn narrow_browser() -> Client {
    Client::builder()
        .http2_prior_knowledge()
        .http2_initial_stream_window_size(65_535)
        .http2_initial_connection_window_size(65_535 * 4)
        .build()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_viewers_are_cut_over_to_the_store_and_hold_nobody_up() {
    let site = site_for("alice").await;
    let work = Work::begin(&site).await;
    let (url, cookie) = (format!("{}{}", site.url, work.path()), site.session_cookie());
    let browser = narrow_browser();
    let mut asleep = Vec::new();
    for _ in 0..2 {
        asleep.push(open(&browser, &url, &cookie, "0").await);
    }
    let mut awake = open(&site.browser, &url, &cookie, "0").await;
    let mut seen = Seen::default();
    seen.read(&mut awake, |seen| seen.text.contains("data:")).await;

    // Whoever is awake has each write before the next one is made.
    for write in 0..WRITES {
        let (from, to) = (write * WRITE, (write + 1) * WRITE);
        work.print_long(from, to, LINE).await;
        let mut new = Seen::default();
        new.read(&mut awake, |new| {
            new.lines_so_far() == WRITE && new.text.ends_with("\n\n")
        })
        .await;
        assert_eq!(new.lines(), (from..to).collect::<Vec<_>>());
        assert!(new.most_at_once() <= WRITE, "it was not told, but read the store");
    }
    work.end().await;

    for mut stream in asleep {
        let mut seen = Seen::default();
        seen.read(&mut stream, Seen::has_ended).await;
        assert_eq!(seen.lines(), (0..WRITES * WRITE).collect::<Vec<_>>());
        assert!(
            seen.most_at_once() > WRITE,
            "what was told was kept for a sleeper"
        );
    }
}
