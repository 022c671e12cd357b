//! What every address answers every role by every kind of login, as one table to read: `matrix.snap`.
//!
//! A row is a route, a column a role. The statuses come from the shipped policy, at noon of a Monday. `log` leads to
//! the form of the login. A cell is what the session of a password gets; where another kind of login gets something
//! else, the end of the row says so, with a point where it gets the same.
//!
//! Forms are sent with their token and next to nothing else, so `400`, `409`, `422` and `503` mean that the door stood
//! open, `403` and `404` that it did not.
//!
//! A route that is added changes the table; whoever adds it decides here who may ask for it. `INSTA_UPDATE=always`
//! writes the table anew.

mod logins;
mod site;

use futures_util::{StreamExt as _, stream};

use self::logins::{LoginKind, Sender};
use self::site::{Role, Template, filled};

/// Sites at work at the same time.
const AT_ONCE: usize = 4;
/// What the table has in place of a status that leads to the login.
const TO_LOGIN: &str = "log";

/// What is sent with every form beside its token.
const FORM: &[(&str, &str)] = &[
    ("active", "no"),
    ("disabled", "no"),
    ("to", "later"),
    ("environment", "prod"),
    ("openssh", "x"),
    ("theme", "dark"),
    ("answer", "resume"),
];
/// And with those that are about one's own account.
const OF_ONESELF: &[(&str, &str)] = &[
    ("old", "a guess"),
    ("password", "one"),
    ("again", "another"),
    ("act", "off"),
    ("code", "000000"),
];

/// What each route answered to a role by a kind of login.
struct Answers {
    role: usize,
    kind: LoginKind,
    statuses: Vec<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_route_answers_every_role_and_kind_of_login_as_the_matrix_says() {
    let template = filled().await;
    let roles = site::ROLES.iter().enumerate();
    let all = roles.flat_map(|(at, role)| role.kinds().iter().map(move |kind| (at, role, *kind)));
    let asking = stream::iter(all).map(|(at, role, kind)| {
        let template = &template;
        async move {
            let statuses = answers(template, role, kind).await;
            Answers {
                role: at,
                kind,
                statuses,
            }
        }
    });
    let mut all: Vec<Answers> = asking.buffer_unordered(AT_ONCE).collect().await;
    all.sort_by_key(|answers| (answers.role, answers.kind));
    let table = table(&all);
    let faults = outgrown(&all);
    insta::with_settings!({ snapshot_path => ".", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("matrix", table);
    });
    assert!(
        faults.is_empty(),
        "these get more than the session of a password: {faults:#?}"
    );
}

/// The statuses of all routes, on a site of their own.
async fn answers(template: &Template, role: &Role, kind: LoginKind) -> Vec<String> {
    let site = template.site(role).await;
    let sender = logins::sit_down(&site, role, kind).await;
    let entries = deployer::web::entries();
    // What takes something away comes last, so that what is asked before finds it.
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by_key(|&row| rank(entries[row].0, &entries[row].1));
    let mut statuses = vec![String::new(); entries.len()];
    for row in order {
        let (method, pattern) = &entries[row];
        statuses[row] = ask(&site.site.url, &sender, role, (method, pattern)).await;
    }
    statuses
}

fn rank(method: &str, pattern: &str) -> usize {
    let late = ["/delete", "/:id/active", "/disabled", "/logout"];
    let place = late.iter().position(|end| pattern.ends_with(end));
    // A cluster that is in use cannot go: what uses it goes first.
    place.map_or(0, |place| place + 1)
        + usize::from(method == "POST")
        + usize::from(pattern.contains("/projects/:project/delete")) * 2
}

async fn ask(site: &str, sender: &Sender, role: &Role, (method, pattern): (&str, &str)) -> String {
    let belongs_to_project = ["/deployments/", "/locks/"]
        .iter()
        .any(|start| pattern.starts_with(start));
    let path = pattern
        .replace("*path", "nothing.css")
        .replace(":id", if belongs_to_project { role.number() } else { "1" })
        .replace(":project", role.project)
        .replace(":environment", "prod")
        .replace(":server", "web1")
        .replace(":cluster", "web")
        .replace(":provider", "own")
        .replace(":user", "victim");
    let url = format!("{site}{path}");
    let request = match method {
        "GET" => sender.client.get(url),
        _ => {
            let own = if pattern.starts_with("/profile") {
                OF_ONESELF
            } else {
                &[]
            };
            let form = [&[("csrf", sender.csrf.as_str())], FORM, own].concat();
            sender.client.post(url).form(&form)
        }
    };
    let answer = sender.proven(request).send().await.unwrap();
    let leads_to = super::support::header(&answer, "location");
    // A logout leads there, too.
    match leads_to.starts_with("/login?next=") {
        true => TO_LOGIN.to_owned(),
        false => answer.status().as_u16().to_string(),
    }
}

/// The answers to one role by one kind of login.
fn of(all: &[Answers], role: usize, kind: LoginKind) -> Option<&Answers> {
    all.iter().find(|one| (one.role, one.kind) == (role, kind))
}

/// The answers that a cell shows: guests have no login.
fn shown(all: &[Answers], role: usize) -> &Answers {
    of(all, role, LoginKind::Password)
        .or_else(|| of(all, role, LoginKind::Nothing))
        .expect("each role was asked for")
}

fn table(all: &[Answers]) -> String {
    let titles = site::ROLES.iter().map(|role| format!("{:<4}", role.title));
    let mut table = format!("{:<66} {}\n", "", titles.collect::<String>().trim_end());
    for (row, (method, pattern)) in deployer::web::entries().iter().enumerate() {
        let cells = (0..site::ROLES.len()).map(|role| format!("{:<4}", shown(all, role).statuses[row]));
        let route = format!("{method:<4} {pattern}");
        let line = format!("{route:<66} {} {}", cells.collect::<String>(), others(all, row));
        table.push_str(line.trim_end());
        table.push('\n');
    }
    table
}

/// The kinds of login that get something else in a row, and what; those that get the same stand together.
fn others(all: &[Answers], row: usize) -> String {
    let mut told: Vec<(String, Vec<&str>)> = Vec::new();
    for kind in logins::KINDS {
        let cell = |role: usize| {
            let status = &of(all, role, kind)?.statuses[row];
            let same = shown(all, role).statuses[row] == *status;
            Some(if same { "·".to_owned() } else { status.clone() })
        };
        let cells: Vec<String> = (0..site::ROLES.len()).filter_map(cell).collect();
        if cells.iter().all(|cell| cell == "·") {
            continue;
        }
        let cells = cells.join(" ");
        match told.iter_mut().find(|(known, _)| *known == cells) {
            Some((_, kinds)) => kinds.push(kind.word()),
            None => told.push((cells, vec![kind.word()])),
        }
    }
    let told: Vec<String> = told
        .into_iter()
        .map(|(cells, kinds)| format!("| {} {cells}", kinds.join(" ")))
        .collect();
    told.join(" ")
}

/// The doors that are shut to the session of a password, and open to another kind of login of the same role.
fn outgrown(all: &[Answers]) -> Vec<String> {
    let entries = deployer::web::entries();
    let is_shut = |status: &String| ["401", "403", "404", TO_LOGIN].contains(&status.as_str());
    let mut faults = Vec::new();
    for answers in all {
        let session = shown(all, answers.role);
        for (row, (method, pattern)) in entries.iter().enumerate() {
            let (own, other) = (&session.statuses[row], &answers.statuses[row]);
            if is_shut(own) && !is_shut(other) {
                let (role, kind) = (site::ROLES[answers.role].title, answers.kind.word());
                faults.push(format!(
                    "{method} {pattern}: {role} by {kind}: {other}, not {own}"
                ));
            }
        }
    }
    faults
}
