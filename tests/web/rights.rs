//! Who gets what from every address, by every kind of login, as one table to read: `rights.golden`.
//!
//! A row is a route, a column a role. Each cell has a letter for every kind of login: session, API token, API
//! token that may only view the shop, and somebody with an API token who acts for the account.
//!
//! - `2` answered, `3` led elsewhere, `i` the input was refused, so the door stood open;
//! - `f` forbidden, `n` not found, `l` the login was refused.
//!
//! A test that fails says where the new table is; whoever copies it here reads the difference.

use deployer::app::tokens;
use deployer::domain::{Action, Actor, DeploymentState, TokenScope};
use deployer::store::{clusters, environments};
use futures_util::{StreamExt, stream};
use reqwest::{Client, RequestBuilder};

use super::support::{Options, PASSWORD, TestSite, browser};
use super::tokens::new;
use crate::history::support::{asked, past, project, server};

/// Hans sees the vault alone, which is closed to all others but administrators.
const POLICY: &str = "g, rita, role:reader
g, dora, role:developer
g, avery, role:auditor
g3, vault, projects:closed
p, hans, vault, *, configure, always, allow
p, boss, *, *, impersonate, always, allow";
/// In the order of the columns.
static ROLES: [(&str, &str); 6] = [
    ("guest", "guest"),
    ("viewer", "rita"),
    ("developer", "dora"),
    ("auditor", "avery"),
    ("stranger", "hans"),
    ("sysadmin", "admin"),
];
/// Sites at work at the same time.
const AT_ONCE: usize = 4;
/// How long all of it may take.
const TIME: std::time::Duration = std::time::Duration::from_secs(60);
/// The table as it came out last.
const NEW: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/rights.golden");
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/web/rights.golden");

#[derive(Clone, Copy, PartialEq, Eq)]
enum LoginKind {
    Session,
    Token,
    NarrowToken,
    Impersonated,
}

static KINDS: [LoginKind; 4] = [
    LoginKind::Session,
    LoginKind::Token,
    LoginKind::NarrowToken,
    LoginKind::Impersonated,
];

/// Somebody at an address, with what proves who they are.
struct Sender {
    client: Client,
    /// The token of forms; empty where none is needed.
    csrf: String,
    /// Headers beside it.
    headers: Vec<(&'static str, String)>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_route_answers_every_role_and_kind_of_login_as_the_table_says() {
    let begun = std::time::Instant::now();
    let all = ROLES.iter().enumerate().flat_map(|(role, (_, account))| {
        let kinds = if *account == "guest" {
            &KINDS[..1]
        } else {
            &KINDS[..]
        };
        kinds
            .iter()
            .enumerate()
            .map(move |(kind, login)| (role, kind, *account, *login))
    });
    let columns = stream::iter(all)
        .map(|(role, kind, account, login)| async move { (role, kind, column(account, login).await) });
    let mut columns: Vec<(usize, usize, Vec<char>)> = columns.buffer_unordered(AT_ONCE).collect().await;
    columns.sort_by_key(|(role, kind, _)| (*role, *kind));
    let head = ROLES
        .iter()
        .map(|(title, _)| format!("{title:<9}"))
        .collect::<Vec<_>>()
        .join(" ");
    let mut table = format!("{:<66} {}\n", "", head.trim_end());
    for (row, (method, pattern)) in deployer::web::entries().iter().enumerate() {
        let cell = |role: usize| -> String {
            let own = columns.iter().filter(|(of, ..)| *of == role);
            own.map(|(.., letters)| letters[row]).collect()
        };
        let cells: Vec<String> = (0..ROLES.len())
            .map(|role| format!("{:<9}", cell(role)))
            .collect();
        table.push_str(&format!(
            "{:<66} {}\n",
            format!("{method:<4} {pattern}"),
            cells.join(" ").trim_end()
        ));
    }
    let golden = std::fs::read_to_string(GOLDEN).unwrap_or_default();
    let beside = |one: &str, other: &str| -> Vec<String> {
        one.lines()
            .filter(|line| !other.lines().any(|known| known == *line))
            .map(str::to_owned)
            .collect()
    };
    let (new, gone) = (beside(&table, &golden), beside(&golden, &table));
    std::fs::write(NEW, &table).unwrap();
    assert!(
        new.is_empty() && gone.is_empty(),
        "rights.golden does not say so (if it is meant: cp {NEW} {GOLDEN}): {new:#?}\ninstead of {gone:#?}"
    );
    assert!(begun.elapsed() < TIME, "{:?}", begun.elapsed());
}

/// The letters of all routes, for an account and a kind of login, on a site of their own.
async fn column(account: &str, login: LoginKind) -> Vec<char> {
    let site = filled(account).await;
    let sender = sit_down(&site, account, login).await;
    let entries = deployer::web::entries();
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by_key(|&row| rank(entries[row].0, &entries[row].1));
    let mut letters = vec![' '; entries.len()];
    for row in order {
        letters[row] = ask(&site, &sender, entries[row].0, &entries[row].1).await;
    }
    letters
}

/// What takes something away comes last, so that what is asked before finds it.
fn rank(method: &str, pattern: &str) -> usize {
    let late = ["/delete", "/:id/active", "/disabled", "/logout"];
    let place = late.iter().position(|end| pattern.ends_with(end));
    place.map_or(0, |place| place + 1)
        + usize::from(method == "POST")
        + usize::from(pattern.contains("/projects/:project/delete")) * 2
}

/// A site with one of everything.
async fn filled(account: &str) -> TestSite {
    let site = TestSite::start_with(Options {
        policy: Some(POLICY),
        ..Options::default()
    })
    .await;
    for account in ["boss", "victim", account] {
        if account != "guest" {
            site.add_user(account).await;
        }
    }
    // The first token is somebody else's.
    let victim = Actor::user("victim", "192.0.2.7");
    tokens::make_own(&site.app, &victim, new("other", TokenScope::default()))
        .await
        .unwrap();
    let host = server(&site, "web1").await;
    let (shop, mut places) = project(&site, "shop", &["dev", "prod"]).await;
    let tx = crate::support::store::change(&site.store).await;
    let cluster = crate::support::store::cluster("web", &[host]);
    let cluster = clusters::insert(&tx, &cluster).await.unwrap();
    for (position, place) in (1..).zip(&mut places) {
        place.position = position;
        place.clusters = vec![cluster.id];
        environments::update(&tx, place).await.unwrap();
    }
    crate::support::store::bring_in(tx).await;
    past(
        &site,
        vec![(asked(&shop, &places[0], 1), DeploymentState::Succeeded)],
    )
    .await;
    site
}

async fn sit_down(site: &TestSite, account: &str, login: LoginKind) -> Sender {
    let client = browser();
    let bearer = |secret: String| ("authorization", format!("Bearer {secret}"));
    let by = |headers| Sender {
        client: browser(),
        csrf: String::new(),
        headers,
    };
    match login {
        LoginKind::Session => {
            let csrf = token_at(site, &client, "/login").await;
            let csrf = if account == "guest" {
                csrf
            } else {
                let form = [("csrf", csrf.as_str()), ("name", account), ("password", PASSWORD)];
                let request = client.post(format!("{}/login", site.url)).form(&form);
                assert_eq!(request.send().await.unwrap().status(), 303);
                token_at(site, &client, "/profile").await
            };
            Sender {
                client,
                csrf,
                headers: Vec::new(),
            }
        }
        LoginKind::Token => by(vec![bearer(secret(site, account, TokenScope::default()).await)]),
        LoginKind::NarrowToken => {
            let scope = TokenScope {
                actions: vec![Action::View],
                projects: vec!["shop".parse().unwrap()],
                ..TokenScope::default()
            };
            by(vec![bearer(secret(site, account, scope).await)])
        }
        LoginKind::Impersonated => {
            let own = secret(site, "boss", TokenScope::default()).await;
            by(vec![bearer(own), ("x-impersonate-username", account.to_owned())])
        }
    }
}

async fn secret(site: &TestSite, account: &str, scope: TokenScope) -> String {
    let own = Actor::user(account, "192.0.2.7");
    tokens::make_own(&site.app, &own, new("ci", scope))
        .await
        .unwrap()
        .secret
}

async fn token_at(site: &TestSite, client: &Client, path: &str) -> String {
    let page = client.get(format!("{}{path}", site.url)).send().await.unwrap();
    let page = page.text().await.unwrap();
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

async fn ask(site: &TestSite, sender: &Sender, method: &str, pattern: &str) -> char {
    let path = pattern
        .replace("*path", "nothing.css")
        .replace(":id", "1")
        .replace(":project", "shop")
        .replace(":environment", "prod")
        .replace(":server", "web1")
        .replace(":cluster", "web")
        .replace(":user", "victim");
    let url = format!("{}{path}", site.url);
    let request = match method {
        "GET" => sender.client.get(url),
        _ => {
            let form = [
                ("csrf", sender.csrf.as_str()),
                ("active", "no"),
                ("disabled", "no"),
                ("environment", "prod"),
                ("openssh", "x"),
                ("theme", "dark"),
                ("answer", "resume"),
            ];
            sender.client.post(url).form(&form)
        }
    };
    let headers = sender.headers.iter();
    let request = headers.fold(request, |request: RequestBuilder, (name, value)| {
        request.header(*name, value)
    });
    let status = request.send().await.unwrap().status().as_u16();
    match status {
        200..300 => '2',
        300..400 => '3',
        401 => 'l',
        403 => 'f',
        404 => 'n',
        400 | 409 | 422 | 429 | 503 => 'i',
        odd => panic!("{method} {pattern}: {odd}"),
    }
}
