//! The operations of the document, found by method and address, each with the form of its requests.

use std::sync::LazyLock;

use serde_json::Value;

use super::check::{Schema, shown};
use super::document::{METHODS, document};
use crate::domain::FieldErrors;
use crate::web::problem::{ApiFault, ProblemKind};

/// One operation, as requests are held against it.
pub struct Operation {
    /// In capital letters.
    pub method: String,
    /// `/projects/{project}`
    pub path: String,
    parameters: Vec<Parameter>,
    body: Option<&'static Value>,
    needs_body: bool,
}

struct Parameter {
    name: String,
    is_query: bool,
    is_required: bool,
    schema: &'static Value,
}

static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(read);

/// Every operation, in the order of the document.
pub fn operations() -> &'static [Operation] {
    &OPERATIONS
}

fn read() -> Vec<Operation> {
    let paths = document().get("paths").and_then(Value::as_object);
    let mut operations = Vec::new();
    for (path, methods) in paths.into_iter().flatten() {
        for method in METHODS {
            if let Some(operation) = methods.get(method) {
                operations.push(Operation::read(method, path, operation));
            }
        }
    }
    operations
}

/// The operation at `path` below the root of the API.
///
/// # Errors
/// A fault: there is no such address, or it takes other methods.
pub fn find(method: &str, path: &str) -> Result<&'static Operation, ApiFault> {
    let here = operations().iter().filter(|operation| operation.is_at(path));
    let mut here: Vec<&Operation> = here.collect();
    // What is written out goes before what stands for anything.
    let most = here.iter().map(|operation| operation.literals()).max();
    here.retain(|operation| Some(operation.literals()) == most);
    if here.is_empty() {
        let detail = format!(
            "There is nothing at “{}” in the API. /api lists what there is.",
            shown(path)
        );
        return Err(ApiFault::new(ProblemKind::NotFound, detail));
    }
    let method = if method == "HEAD" { "GET" } else { method };
    if let Some(found) = here.iter().find(|operation| operation.method == method) {
        return Ok(found);
    }
    let mut methods: Vec<&str> = here.iter().map(|operation| operation.method.as_str()).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    let methods = methods.join(", ");
    Err(ApiFault {
        allow: Some(methods.clone()),
        ..ApiFault::new(
            ProblemKind::MethodNotAllowed,
            format!("This address takes {methods}."),
        )
    })
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.trim_matches('/').split('/')
}

fn is_placeholder(segment: &str) -> bool {
    segment.starts_with('{')
}

impl Operation {
    fn read(method: &str, path: &str, operation: &'static Value) -> Self {
        let parameters = operation.get("parameters").and_then(Value::as_array);
        let body = operation.get("requestBody");
        Self {
            method: method.to_uppercase(),
            path: path.to_owned(),
            parameters: parameters
                .into_iter()
                .flatten()
                .filter_map(Parameter::read)
                .collect(),
            body: body.and_then(|body| body.pointer("/content/application~1json/schema")),
            needs_body: body.is_some(),
        }
    }

    fn is_at(&self, path: &str) -> bool {
        let (own, asked): (Vec<_>, Vec<_>) = (segments(&self.path).collect(), segments(path).collect());
        let fits = |(own, asked): (&&str, &&str)| is_placeholder(own) && !asked.is_empty() || own == asked;
        own.len() == asked.len() && own.iter().zip(&asked).all(fits)
    }

    fn literals(&self) -> usize {
        segments(&self.path).filter(|one| !is_placeholder(one)).count()
    }

    /// Whether it takes a body.
    pub fn takes_body(&self) -> bool {
        self.needs_body
    }

    /// Whether all of its body may be left out.
    pub fn takes_nothing(&self) -> bool {
        self.body
            .is_some_and(|schema| !Schema::new(document(), schema).needs_fields())
    }

    /// Complains about what of the address at `path`, with `query`, does not fit.
    pub fn check_address(&self, path: &str, query: &str, wrong: &mut FieldErrors) {
        for (own, asked) in segments(&self.path).zip(segments(path)) {
            let name = own.trim_matches(['{', '}']);
            let of_name = |one: &&Parameter| !one.is_query && one.name == name;
            if let Some(parameter) = self
                .parameters
                .iter()
                .find(of_name)
                .filter(|_| is_placeholder(own))
            {
                parameter.check(
                    &[percent_encoding::percent_decode_str(asked)
                        .decode_utf8_lossy()
                        .as_ref()],
                    wrong,
                );
            }
        }
        let sent: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let known: Vec<&Parameter> = self.parameters.iter().filter(|one| one.is_query).collect();
        for (name, _) in &sent {
            if !known.iter().any(|one| one.name == *name) {
                let names: Vec<&str> = known.iter().map(|one| one.name.as_str()).collect();
                let told = match names.as_slice() {
                    [] => "There is no such parameter; none is taken here.".to_owned(),
                    names => format!("There is no such parameter; there are {}.", names.join(", ")),
                };
                wrong.add(shown(name), told);
            }
        }
        for parameter in known {
            let own = sent.iter().filter(|(name, _)| *name == parameter.name);
            let values: Vec<&str> = own.map(|(_, value)| value.as_str()).collect();
            parameter.check(&values, wrong);
        }
    }

    /// Complains about what of a body does not fit.
    pub fn check_body(&self, body: &Value, wrong: &mut FieldErrors) {
        if let Some(schema) = self.body {
            Schema::new(document(), schema).check("", body, wrong);
        }
    }
}

impl Parameter {
    fn read(parameter: &'static Value) -> Option<Self> {
        let text = |key: &str| parameter.get(key).and_then(Value::as_str);
        let place = text("in")?;
        ["path", "query"].contains(&place).then_some(())?;
        Some(Self {
            name: text("name")?.to_owned(),
            is_query: place == "query",
            is_required: parameter.get("required").and_then(Value::as_bool) == Some(true),
            schema: parameter.get("schema")?,
        })
    }

    fn check(&self, values: &[&str], wrong: &mut FieldErrors) {
        let schema = Schema::new(document(), self.schema);
        let items = schema.items();
        if values.is_empty() && self.is_required {
            wrong.add(&self.name, "It is missing.");
        }
        if values.len() > 1 && items.is_none() {
            wrong.add(&self.name, "Send it once.");
            return;
        }
        let of_one = items.unwrap_or(schema);
        for value in values {
            of_one.check(&self.name, &of_one.of_text(value), wrong);
        }
    }
}
