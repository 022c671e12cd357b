//! The document: it is the committed one, it is served, and it is complete.

use std::path::Path;

use serde_json::Value;

use super::support::Program;
use crate::web::support::TestSite;

fn document() -> Value {
    serde_json::from_str(&deployer::web::api_document()).unwrap()
}

#[test]
fn the_committed_document_is_that_of_the_code() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let text = deployer::web::api_document();
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    let differs = committed
        .lines()
        .zip(text.lines())
        .find(|(one, other)| one != other);
    assert!(
        committed == text,
        "docs/openapi.json is not what the code makes (if this is meant, run this test with UPDATE_OPENAPI=1): {differs:?}"
    );
}

#[tokio::test]
async fn the_document_is_served_and_can_be_kept() {
    let site = TestSite::start().await;
    let guest = Program::guest(&site);
    let served = guest.get("/openapi.json").await;
    assert_eq!(served.text, deployer::web::api_document());
    let request = guest
        .request("GET", "/openapi.json")
        .header("if-none-match", &served.etag);
    assert_eq!(guest.send(request).await.status, 304);
}

/// Every schema that `value` refers to.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn the_document_refers_to_what_it_has_and_tells_of_each_operation() {
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 100, "{found:?}");
    for reference in found {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
    }
    let mut names = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            names.push(operation["operationId"].as_str().expect(path).to_owned());
            assert!(
                operation["summary"].as_str().is_some_and(|text| !text.is_empty()),
                "{method} {path}"
            );
            let answers = operation["responses"].as_object().unwrap();
            assert!(
                answers.keys().any(|status| status.starts_with('2')),
                "{method} {path}"
            );
            assert!(answers.contains_key("401"), "{method} {path}");
        }
    }
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all, "two operations have one name");
    assert_eq!(all, deployer::web::api_operations().len());
    assert!(all > 60, "{names:?}");
}
