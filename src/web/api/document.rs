//! The OpenAPI document: generated from the handlers and their types, then repaired.
//!
//! The generator says too little in places: nothing of errors, of headers that all answers have, or of unknown
//! fields being refused. The repair adds that, so that what is served is what is done; requests are held against it
//! (`contract`), and a test compares it with `docs/openapi.json`.

use std::fmt;
use std::sync::LazyLock;

use poem_openapi::OpenApiService;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use super::check::Schema;
use super::nouns;
use crate::web::api_address::ROOT;
use crate::web::problem::{PROBLEM_JSON, ProblemKind};

/// The generator's media type of JSON, which names the characters as well.
const GENERATED_JSON: &str = "application/json; charset=utf-8";
/// The methods that an address can have in the document.
pub const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// What the API is, in the words of the document.
const DESCRIPTION: &str = "Everything that a person can do on a page, a program can do here, under the same \
    policy and with the same entries in the audit log.\n\nSend an API token as `Authorization: Bearer …`. Errors are \
    `application/problem+json` (RFC 9457). Fields that are not named here are refused.";

static DOCUMENT: LazyLock<Value> = LazyLock::new(make);

/// The document, made once.
pub fn document() -> &'static Value {
    &DOCUMENT
}

/// The document as a file has it.
pub fn text() -> String {
    let text = serde_json::to_string_pretty(document()).unwrap_or_default();
    format!("{text}\n")
}

fn make() -> Value {
    let service = OpenApiService::new(nouns::all::all(), "Deployer", "1")
        .description(DESCRIPTION)
        .server(ROOT);
    // The generator writes JSON.
    let generated: Generated = serde_json::from_str(&service.spec()).unwrap_or_default();
    let mut document = Value::Object(generated.rest);
    document["paths"] = Value::Object(generated.paths.0);
    rename_media_type(&mut document);
    close_requests(&mut document);
    bound_numbers(&mut document);
    add_components(&mut document);
    let whole = document.clone();
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for (path, methods) in paths.into_iter().flatten() {
        for method in METHODS {
            if let Some(operation) = methods.get_mut(method) {
                let needs_body = needs_body(&whole, operation);
                complete(path, method, (operation, needs_body));
            }
        }
    }
    document
}

/// Whether a request without a body would lack a field.
fn needs_body(document: &Value, operation: &Value) -> bool {
    let schema = operation.pointer("/requestBody/content/application~1json/schema");
    schema.is_some_and(|schema| Schema::new(document, schema).needs_fields())
}

/// What the generator writes. It writes an address once for each part of the code that has operations there, and
/// readers of JSON take the last one only.
#[derive(Default, Deserialize)]
struct Generated {
    paths: MergedPaths,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// Addresses, each once, with the operations of all its places.
#[derive(Default)]
struct MergedPaths(Map<String, Value>);

impl<'de> Deserialize<'de> for MergedPaths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Merging;

        impl<'de> Visitor<'de> for Merging {
            type Value = MergedPaths;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("addresses")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<MergedPaths, A::Error> {
                let mut paths = Map::new();
                while let Some((path, operations)) = map.next_entry::<String, Map<String, Value>>()? {
                    let known = paths.entry(path).or_insert_with(|| json!({}));
                    if let Some(known) = known.as_object_mut() {
                        known.extend(operations);
                    }
                }
                Ok(MergedPaths(paths))
            }
        }

        deserializer.deserialize_map(Merging)
    }
}

fn rename_media_type(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(content) = fields.remove(GENERATED_JSON) {
                fields.insert("application/json".to_owned(), content);
            }
            fields.values_mut().for_each(rename_media_type);
        }
        Value::Array(items) => items.iter_mut().for_each(rename_media_type),
        _ => {}
    }
}

/// Says which numbers fit where the code has room for some only.
fn bound_numbers(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let most = match fields.get("format").and_then(Value::as_str) {
                Some("uint16") => Some(u32::from(u16::MAX)),
                Some("uint32") => Some(u32::MAX),
                Some("uint64") => None,
                _ => return fields.values_mut().for_each(bound_numbers),
            };
            fields.entry("minimum").or_insert_with(|| 0.into());
            if let Some(most) = most {
                fields.entry("maximum").or_insert_with(|| most.into());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(bound_numbers),
        _ => {}
    }
}

/// Says of each object in a request that it takes no other fields.
fn close_requests(document: &mut Value) {
    let mut names = Vec::new();
    let paths = document.get("paths").and_then(Value::as_object);
    for operation in paths
        .into_iter()
        .flatten()
        .flat_map(|(_, methods)| operations(methods))
    {
        if let Some(body) = operation.get("requestBody") {
            referred(body, &mut names);
        }
    }
    let mut at = 0;
    while let Some(name) = names.get(at).cloned() {
        let path = format!("/components/schemas/{name}");
        if let Some(schema) = document.pointer(&path) {
            referred(schema, &mut names);
        }
        if let Some(Value::Object(schema)) = document.pointer_mut(&path)
            && schema.contains_key("properties")
        {
            schema.insert("additionalProperties".to_owned(), false.into());
        }
        at += 1;
    }
}

fn operations(methods: &Value) -> impl Iterator<Item = &Value> {
    METHODS.iter().filter_map(|method| methods.get(*method))
}

/// Gathers the names of the schemas that `value` refers to, each once.
fn referred(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let reference = fields.get("$ref").and_then(Value::as_str);
            let name = reference.and_then(|path| path.strip_prefix("#/components/schemas/"));
            if let Some(name) = name.filter(|name| !names.iter().any(|known| known == name)) {
                names.push(name.to_owned());
            }
            fields.values().for_each(|value| referred(value, names));
        }
        Value::Array(items) => items.iter().for_each(|value| referred(value, names)),
        _ => {}
    }
}

fn add_components(document: &mut Value) {
    let Some(components) = document.get_mut("components").and_then(Value::as_object_mut) else {
        return;
    };
    let text = json!({ "type": "string" });
    let kinds: Vec<&str> = ProblemKind::ALL.iter().map(|kind| kind.slug()).collect();
    let problem = json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "request_id"],
        "properties": {
            "type": { "type": "string", "description": format!("`/api/problems/` and one of {}.", kinds.join(", ")) },
            "title": text,
            "status": { "type": "integer" },
            "detail": { "type": "string", "description": "The sentence that a page would show." },
            "request_id": { "type": "string", "description": "What the log calls this request." },
            "errors": { "type": "array", "items": { "type": "object", "required": ["field", "message"],
                "properties": { "field": text, "message": text } } },
            "action": { "type": "string", "description": "What was refused." },
            "policy_line": { "type": "string", "description": "File and line that decided." },
            "policy_text": text,
            "next_allowed": { "type": "string", "format": "date-time" },
            "ask": { "type": "array", "items": text, "description": "Some who may do it." },
        },
    });
    let schemas = components.entry("schemas").or_insert_with(|| json!({}));
    schemas["Problem"] = problem;
    let content = json!({ PROBLEM_JSON: { "schema": { "$ref": "#/components/schemas/Problem" } } });
    components.insert(
        "responses".to_owned(),
        json!({ "Problem": { "description": "Not done; the answer says why.", "content": content } }),
    );
    components.insert(
        "securitySchemes".to_owned(),
        json!({
            "token": { "type": "http", "scheme": "bearer", "description": "An API token." },
            "session": { "type": "apiKey", "in": "header", "name": "X-CSRF-Token",
                "description": "A browser that is logged in, with the token of one of its pages." },
        }),
    );
    document["security"] = json!([{ "token": [] }, { "session": [] }, {}]);
}

/// Adds to an operation what all of its kind have in common.
fn complete(path: &str, method: &str, (operation, needs_body): (&mut Value, bool)) {
    let is_stream = path.ends_with("/log");
    if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
        for response in responses.values_mut() {
            if response.get("description").and_then(Value::as_str) == Some("") {
                response["description"] = "Done.".into();
            }
            if is_stream {
                response["content"] = streams();
            }
        }
        if method == "get" && !is_stream {
            responses.insert(
                "304".to_owned(),
                json!({ "description": "As it was at the ETag in If-None-Match." }),
            );
        }
        for status in refusals(method) {
            responses.insert(
                (*status).to_owned(),
                json!({ "$ref": "#/components/responses/Problem" }),
            );
        }
    }
    if !needs_body && let Some(body) = operation.get_mut("requestBody") {
        body["required"] = false.into();
    }
    let mut parameters = match operation.get_mut("parameters").map(Value::take) {
        Some(Value::Array(parameters)) => parameters,
        _ => Vec::new(),
    };
    for parameter in parameters.iter_mut().filter_map(Value::as_object_mut) {
        tidy(parameter);
    }
    if method == "post" {
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "schema": { "type": "string", "minLength": 1, "maxLength": 200 },
            "description": "A text of your own: the same request with it gets the same answer again for 24 hours.",
        }));
    }
    operation["parameters"] = parameters.into();
}

fn tidy(parameter: &mut Map<String, Value>) {
    parameter.remove("deprecated");
    parameter.remove("explode");
    if parameter.get("name").and_then(Value::as_str) == Some("cursor")
        && let Some(schema) = parameter.get_mut("schema")
    {
        schema["pattern"] = "^[A-Za-z0-9_-]+$".into();
    }
}

fn refusals(method: &str) -> &'static [&'static str] {
    match method {
        "get" => &["400", "401", "403", "404", "409", "422", "429", "503"],
        _ => &[
            "400", "401", "403", "404", "409", "412", "413", "415", "422", "428", "429", "503",
        ],
    }
}

/// The forms of a log.
fn streams() -> Value {
    let text = json!({ "schema": { "type": "string" } });
    json!({
        "text/plain": text,
        "application/x-ndjson": text,
        "text/event-stream": text,
    })
}
