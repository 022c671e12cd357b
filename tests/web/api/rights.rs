//! No operation lets anybody do or see what policy does not: each is tried, so that a new one is as well.

use deployer::domain::DeploymentState;
use deployer::store::{clusters, environments};
use serde_json::{Value, json};

use super::support::Program;
use crate::history::support::{asked, past, project, server};
use crate::web::support::{Options, TestSite};

/// Beside the shipped lines: nobody is granted nothing.
const POLICY: &str = "g, rita, role:reader";

/// What an account without any right may still ask: about itself, and whether all is well.
const OF_EVERYBODY: [&str; 8] = [
    "GET /account",
    "GET /health",
    "GET /drift",
    "GET /locks",
    "GET /projects",
    "GET /permissions/may",
    "GET /tokens",
    "POST /tokens",
];

async fn filled() -> TestSite {
    filled_with(Options::default()).await
}

/// A site with one of everything, and people with and without rights.
pub async fn filled_with(options: Options) -> TestSite {
    let site = TestSite::start_with(Options {
        policy: Some(POLICY),
        ..options
    })
    .await;
    for account in ["admin", "rita", "nobody", "victim"] {
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

/// A value that fits `schema`.
fn sample(document: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return sample(document, document.pointer(&reference[1..]).unwrap());
    }
    if let Some(first) = schema["allOf"].get(0) {
        return sample(document, first);
    }
    if let Some(word) = schema["enum"].get(0) {
        return word.clone();
    }
    match schema["type"].as_str().unwrap_or_default() {
        "object" => {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let names = required.iter().filter_map(Value::as_str);
            let field = |name: &str| (name.to_owned(), sample(document, &schema["properties"][name]));
            Value::Object(names.map(field).collect())
        }
        "array" => json!([]),
        "integer" | "number" => json!(1),
        "boolean" => json!(true),
        _ if schema["format"] == "date-time" => json!("2026-11-23T08:30:00Z"),
        _ => json!("x"),
    }
}

/// What is asked at an address, with its parameters filled in.
fn filled_in(path: &str, operation: &Value) -> String {
    let mut path = path.to_owned();
    for (name, value) in [
        ("project", "shop"),
        ("environment", "prod"),
        ("server", "web1"),
        ("cluster", "web"),
        ("balancer", "lb"),
        ("user", "victim"),
        ("deployment", "1"),
        ("lock", "1"),
        ("token", "1"),
    ] {
        path = path.replace(&format!("{{{name}}}"), value);
    }
    let needed = operation["parameters"].as_array().unwrap();
    let query: Vec<String> = needed
        .iter()
        .filter(|one| one["in"] == "query" && one["required"] == true)
        .map(|one| match one["name"].as_str().unwrap() {
            "place" => "place=shop/prod".to_owned(),
            "action" => "action=deploy".to_owned(),
            name => format!("{name}=main"),
        })
        .collect();
    match query.is_empty() {
        true => path,
        false => format!("{path}?{}", query.join("&")),
    }
}

/// The statuses that `program` gets from every operation, as `GET /path 200`.
async fn walk(program: &Program) -> Vec<(String, u16)> {
    let document: Value = serde_json::from_str(&deployer::web::api_document()).unwrap();
    let mut answers = Vec::new();
    for (method, path) in deployer::web::api_operations() {
        let operation = &document["paths"][&path][method.to_lowercase()];
        let mut request = program.request(&method, &filled_in(&path, operation));
        if let Some(schema) = operation.pointer("/requestBody/content/application~1json/schema") {
            let body = sample(&document, schema).to_string();
            request = request.header("content-type", "application/json").body(body);
        }
        if method == "PATCH" || method == "DELETE" {
            request = request.header("if-match", "*");
        }
        let answer = program.send(request).await;
        assert!(
            answer.status < 500 || answer.status == 503,
            "{method} {path}: {}",
            answer.text
        );
        answers.push((format!("{method} {path}"), answer.status));
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_right_gets_nothing_from_any_operation() {
    let site = filled().await;
    let nobody = Program::of(&site, "nobody").await;
    let guest = Program::guest(&site);
    for (who, program) in [("nobody", &nobody), ("guest", &guest)] {
        let odd: Vec<_> = walk(program)
            .await
            .into_iter()
            .filter(|(operation, _)| !OF_EVERYBODY.contains(&operation.as_str()))
            .filter(|(_, status)| ![401, 403, 404].contains(status))
            .collect();
        assert!(odd.is_empty(), "{who}: {odd:#?}");
    }
    // What everybody may ask names nothing.
    for path in ["/projects", "/drift", "/locks", "/health"] {
        let told = nobody.get(path).await;
        assert!(!told.text.contains("shop"), "{path}: {}", told.text);
    }
    nobody.get("/projects/shop").await.problem(404, "not-found");
    nobody
        .get("/permissions/may?action=deploy&place=shop/prod")
        .await
        .problem(404, "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_look_changes_nothing() {
    let site = filled().await;
    let rita = Program::of(&site, "rita").await;
    let before = site.audited().await.len();
    let done: Vec<_> = walk(&rita)
        .await
        .into_iter()
        .filter(|(operation, status)| !operation.starts_with("GET ") && *status < 400)
        // It plans, and does nothing.
        .filter(|(operation, _)| !operation.ends_with("/plan"))
        .collect();
    assert!(done.is_empty(), "{done:#?}");
    let after = site.audited().await;
    let new = after.iter().take(after.len().saturating_sub(before));
    let odd: Vec<_> = new.filter(|line| !line.contains("refused")).collect();
    assert!(odd.is_empty(), "{odd:#?}");
    for path in [
        "/projects/shop",
        "/deployments",
        "/deployments/1",
        "/deployments/1/log",
        "/activity",
    ] {
        assert_eq!(rita.get(path).await.status, 200, "{path}");
    }
}
