//! Who gets what from every address there is, as one table to read: `matrix.txt`.
//!
//! The statuses come from the shipped policy. A route that is added changes the table; whoever adds
//! it decides here who may ask for it. Forms are sent with their token and next to nothing else, so
//! `400` and `422` mean that the door stood open, and `403` that it did not.

use deployer::domain::DeploymentState;
use deployer::store::{clusters, environments};
use reqwest::Client;

use super::support::{Options, PASSWORD, TestSite, browser};
use crate::history::support::{asked, past, project, server};

/// Beside the shipped lines.
const POLICY: &str = "g, rita, role:reader\ng, dora, role:developer";
/// In the order of the table's columns; the last may everything, and so comes when all are done.
const ROLES: [&str; 4] = ["guest", "rita", "dora", "admin"];

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_every_role_as_the_matrix_says() {
    let site = filled().await;
    let mut rows: Vec<(String, Vec<String>)> = deployer::web::entries()
        .into_iter()
        .map(|(method, pattern)| (format!("{method:<4} {pattern}"), Vec::new()))
        .collect();
    // What takes something away comes last, so that what is asked before finds it.
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&row| rank(&rows[row].0));
    for role in ROLES {
        let (client, token) = sit_down(&site, role).await;
        for &row in &order {
            let status = ask(&site, &client, &token, &rows[row].0).await;
            rows[row].1.push(status);
        }
    }
    let line = |(route, answers): &(String, Vec<String>)| format!("{route:<66} {}", answers.join(" "));
    let head = format!("{:<66} {}", "", "gst rit dor adm");
    let table: Vec<String> = std::iter::once(head).chain(rows.iter().map(line)).collect();
    let written: Vec<&str> = include_str!("matrix.txt").lines().collect();
    let new: Vec<&String> = table
        .iter()
        .filter(|line| !written.contains(&line.as_str()))
        .collect();
    let gone: Vec<&&str> = written
        .iter()
        .filter(|line| !table.iter().any(|one| one == *line))
        .collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "matrix.txt does not say so (if this is meant, write it there): {new:#?}\ninstead of {gone:#?}"
    );
}

fn rank(route: &str) -> usize {
    let late = ["/delete", "/:id/active", "/disabled", "/logout"];
    let place = late.iter().position(|end| route.ends_with(end));
    // A cluster that is in use cannot go: what uses it goes first.
    place.map_or(0, |place| place + 1)
        + usize::from(route.starts_with("POST"))
        + usize::from(route.contains("/projects/:project/delete")) * 2
}

/// A site with one of everything.
async fn filled() -> TestSite {
    let site = TestSite::start_with(Options {
        policy: Some(POLICY),
        ..Options::default()
    })
    .await;
    for account in ["admin", "rita", "dora", "victim"] {
        site.add_user(account).await;
    }
    let host = server(&site, "web1").await;
    let (shop, mut places) = project(&site, "shop", &["dev", "prod"]).await;
    let tx = crate::support::store::change(&site.store).await;
    let cluster = crate::support::store::cluster("web", &[host]);
    let cluster = clusters::insert(&tx, &cluster).await.unwrap();
    for place in &mut places {
        place.clusters = vec![cluster.id];
        environments::update(&tx, place).await.unwrap();
    }
    crate::support::store::bring_in(tx).await;
    past(
        &site,
        vec![(asked(&shop, &places[1], 1), DeploymentState::Succeeded)],
    )
    .await;
    site
}

/// Somebody of this role at their browser, with the token of their forms.
async fn sit_down(site: &TestSite, role: &str) -> (Client, String) {
    let client = browser();
    let token = token(site, &client).await;
    if role == "guest" {
        return (client, token);
    }
    let form = [("csrf", token.as_str()), ("name", role), ("password", PASSWORD)];
    let request = client.post(format!("{}/login", site.url)).form(&form);
    assert_eq!(request.send().await.unwrap().status(), 303);
    let token = token_at(site, &client, "/profile").await;
    (client, token)
}

async fn token(site: &TestSite, client: &Client) -> String {
    token_at(site, client, "/login").await
}

async fn token_at(site: &TestSite, client: &Client, path: &str) -> String {
    let page = client.get(format!("{}{path}", site.url)).send().await.unwrap();
    let page = page.text().await.unwrap();
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

async fn ask(site: &TestSite, client: &Client, token: &str, route: &str) -> String {
    let (method, pattern) = route.split_once(' ').unwrap();
    let path = pattern
        .trim()
        .replace("*path", "nothing.css")
        .replace(":id", "1")
        .replace(":project", "shop")
        .replace(":environment", "prod")
        .replace(":server", "web1")
        .replace(":cluster", "web")
        .replace(":user", "victim");
    let url = format!("{}{path}", site.url);
    let request = if method == "GET" {
        client.get(url)
    } else {
        let choices = [
            ("active", "no"),
            ("disabled", "no"),
            ("to", "later"),
            ("openssh", "x"),
            ("theme", "dark"),
            ("answer", "resume"),
        ];
        let form: Vec<(&str, &str)> = [("csrf", token)].into_iter().chain(choices).collect();
        client.post(url).form(&form)
    };
    request.send().await.unwrap().status().as_u16().to_string()
}
