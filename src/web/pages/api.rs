//! The reference of the JSON API, drawn from its document: what there is, what it takes, and what it answers.

use std::sync::LazyLock;

use askama::Template;
use poem::web::Path;
use poem::{Response, handler};
use serde_json::Value;

use crate::domain::Result;
use crate::web::api::document;
use crate::web::api_address::ROOT;
use crate::web::errors::no_page;
use crate::web::frame::{Frame, Section, go_to, html};
use crate::web::problem::ProblemKind;
use crate::web::visitor::Visitor;

/// The contract of `templates/api/index.html`.
#[derive(Template)]
#[template(path = "api/index.html")]
struct ReferencePage {
    frame: Frame,
    root: &'static str,
    reference: &'static Reference,
    problems: &'static [ProblemKind],
}

/// A text of the document in pieces, each with whether it is code: what stands between backticks.
pub fn pieces(text: &str) -> Vec<(bool, &str)> {
    let pieces = text.split('`').enumerate();
    pieces.map(|(at, piece)| (at % 2 == 1, piece)).collect()
}

/// The document, in the form that the page draws.
struct Reference {
    about: Vec<String>,
    parts: Vec<ReferencePart>,
    shapes: Vec<Shape>,
}

/// The operations of one noun.
struct ReferencePart {
    name: String,
    about: String,
    operations: Vec<DrawnOperation>,
}

struct DrawnOperation {
    name: String,
    method: String,
    path: String,
    summary: String,
    about: String,
    parameters: Vec<DrawnField>,
    /// What it takes and answers, each with the name of its shape.
    takes: Vec<String>,
    answers: Vec<(String, String)>,
}

/// An object that requests or answers hold.
struct Shape {
    name: String,
    about: String,
    fields: Vec<DrawnField>,
}

struct DrawnField {
    name: String,
    kind: String,
    /// The shape that it holds; empty where that is none.
    shape: String,
    needed: bool,
    about: String,
}

static REFERENCE: LazyLock<Reference> = LazyLock::new(read);

fn read() -> Reference {
    // The document is our own, and is JSON.
    let document: Value = serde_json::from_str(&document()).unwrap_or_default();
    let tags = document
        .get("tags")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let about = text(document.get("info").unwrap_or(&Value::Null), "description");
    Reference {
        about: about.split("\n\n").map(str::to_owned).collect(),
        parts: tags.map(|tag| part(&document, tag)).collect(),
        shapes: entries(document.pointer("/components/schemas"))
            .map(|(name, schema)| shape(name, schema))
            .collect(),
    }
}

fn text(value: &Value, key: &str) -> String {
    value
        .get(key)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn entries(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}

fn part(document: &Value, tag: &Value) -> ReferencePart {
    let name = text(tag, "name");
    let mut operations = Vec::new();
    for (path, methods) in entries(document.get("paths")) {
        for (method, operation) in entries(Some(methods)) {
            let tags = operation.get("tags").and_then(Value::as_array);
            if tags
                .into_iter()
                .flatten()
                .any(|one| one.as_str() == Some(name.as_str()))
            {
                operations.push(drawn(path, method, operation));
            }
        }
    }
    ReferencePart {
        about: text(tag, "description"),
        name,
        operations,
    }
}

fn drawn(path: &str, method: &str, operation: &Value) -> DrawnOperation {
    let parameters = operation.get("parameters").and_then(Value::as_array);
    let body = operation.pointer("/requestBody/content/application~1json/schema");
    let answers = entries(operation.get("responses")).filter(|(status, _)| status.starts_with('2'));
    let answer = |(status, answer): (&String, &Value)| {
        let schema = answer.pointer("/content/application~1json/schema");
        (
            status.clone(),
            schema.map(|schema| kind_of(schema).1).unwrap_or_default(),
        )
    };
    DrawnOperation {
        name: text(operation, "operationId"),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: text(operation, "summary"),
        about: text(operation, "description"),
        parameters: parameters.into_iter().flatten().map(parameter).collect(),
        takes: body.map(|schema| kind_of(schema).1).into_iter().collect(),
        answers: answers.map(answer).collect(),
    }
}

fn parameter(parameter: &Value) -> DrawnField {
    let (kind, shape) = kind_of(parameter.get("schema").unwrap_or(&Value::Null));
    DrawnField {
        name: text(parameter, "name"),
        kind: format!("{kind}, {}", text(parameter, "in")),
        shape,
        needed: parameter.get("required").and_then(Value::as_bool) == Some(true),
        about: text(parameter, "description"),
    }
}

fn shape(name: &str, schema: &Value) -> Shape {
    let required = schema.get("required").and_then(Value::as_array);
    let required: Vec<&str> = required.into_iter().flatten().filter_map(Value::as_str).collect();
    let fields = entries(schema.get("properties")).map(|(field, schema)| {
        let (kind, shape) = kind_of(schema);
        let own = schema.get("allOf").and_then(|all| all.get(1)).unwrap_or(schema);
        DrawnField {
            needed: required.contains(&field.as_str()),
            name: field.clone(),
            about: text(own, "description"),
            kind,
            shape,
        }
    });
    Shape {
        name: name.to_owned(),
        about: text(schema, "description"),
        fields: fields.collect(),
    }
}

/// What a schema is, in words, and the shape that it holds.
fn kind_of(schema: &Value) -> (String, String) {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let name = reference.rsplit('/').next().unwrap_or_default().to_owned();
        return ("object".to_owned(), name);
    }
    if let Some(first) = schema.get("allOf").and_then(|all| all.get(0)) {
        return kind_of(first);
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        return (words.join(" | "), String::new());
    }
    let inside = |key: &str| schema.get(key).filter(|inner| inner.is_object()).map(kind_of);
    match (
        text(schema, "type").as_str(),
        inside("items"),
        inside("additionalProperties"),
    ) {
        ("array", Some((kind, shape)), _) => (format!("list of {kind}"), shape),
        ("object", _, Some((kind, shape))) => (format!("{kind} by name"), shape),
        ("string", ..) if text(schema, "format") == "date-time" => ("instant".to_owned(), String::new()),
        ("string", ..) => ("text".to_owned(), String::new()),
        ("integer" | "number", ..) => ("number".to_owned(), String::new()),
        ("boolean", ..) => ("true or false".to_owned(), String::new()),
        _ => ("any".to_owned(), String::new()),
    }
}

/// `GET /api`
#[handler]
pub async fn show(visitor: Visitor) -> Result<Response> {
    html(&ReferencePage {
        frame: visitor.frame("API", Section::Elsewhere).await?,
        root: ROOT,
        reference: &REFERENCE,
        problems: ProblemKind::ALL,
    })
}

/// `GET /api/problems/{kind}`: what errors name as their kind leads to its place on the page.
#[handler]
pub async fn problem(visitor: Visitor, Path(kind): Path<String>) -> Result<Response> {
    let known = ProblemKind::ALL.iter().find(|one| one.slug() == kind);
    let known = known.ok_or_else(|| no_page(visitor.path()))?;
    Ok(go_to(&format!("/api#problem-{}", known.slug())))
}
