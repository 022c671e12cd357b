//! Whether a request has the form that the document says.
//!
//! The document is what clients are made from, so it is also what requests are held against: what it does not
//! name is refused by name, instead of being passed over.

use chrono::DateTime;
use serde_json::{Map, Value};

use crate::domain::FieldErrors;

/// A part of the document, with the whole of it for what the part refers to.
#[derive(Clone, Copy)]
pub struct Schema<'a> {
    document: &'a Value,
    own: &'a Value,
}

impl<'a> Schema<'a> {
    pub fn new(document: &'a Value, own: &'a Value) -> Self {
        Self { document, own }.resolved()
    }

    /// What it refers to; a description beside the reference changes nothing.
    fn resolved(self) -> Self {
        let mut own = self.own;
        loop {
            let reference = own.get("$ref").and_then(Value::as_str);
            let target = reference.and_then(|path| self.document.pointer(path.trim_start_matches('#')));
            let first = || own.get("allOf").and_then(|all| all.get(0));
            own = match target.or_else(first) {
                Some(next) => next,
                None => return Self { own, ..self },
            };
        }
    }

    fn at(self, own: &'a Value) -> Self {
        Self { own, ..self }.resolved()
    }

    fn text(self, key: &str) -> &'a str {
        self.own.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    fn number(self, key: &str) -> Option<f64> {
        self.own.get(key).and_then(Value::as_f64)
    }

    fn size(self, key: &str) -> Option<usize> {
        let size = self.own.get(key).and_then(Value::as_u64)?;
        usize::try_from(size).ok()
    }

    /// The value that a text in an address stands for.
    pub fn of_text(self, text: &str) -> Value {
        match self.text("type") {
            "integer" => text.parse::<i64>().map_or_else(|_| text.into(), Value::from),
            "boolean" => text.parse::<bool>().map_or_else(|_| text.into(), Value::from),
            _ => text.into(),
        }
    }

    /// Whether it takes several values.
    pub fn items(self) -> Option<Self> {
        self.own.get("items").map(|items| self.at(items))
    }

    /// Whether some field must be there.
    pub fn needs_fields(self) -> bool {
        self.own
            .get("required")
            .and_then(Value::as_array)
            .is_some_and(|names| !names.is_empty())
    }

    /// Complains about all of `value` that does not fit; `place` is its name.
    pub fn check(self, place: &str, value: &Value, wrong: &mut FieldErrors) {
        let complaint = match (self.text("type"), value) {
            ("object", Value::Object(fields)) => return self.check_object(place, fields, wrong),
            ("array", Value::Array(items)) => return self.check_items(place, items, wrong),
            ("string", Value::String(text)) => self.check_text(text),
            ("integer", Value::Number(number)) if number.is_i64() || number.is_u64() => {
                self.check_number(number.as_f64().unwrap_or_default())
            }
            ("number", Value::Number(number)) => self.check_number(number.as_f64().unwrap_or_default()),
            ("boolean", Value::Bool(_)) | ("", _) => None,
            (_, Value::Null) => Some("Leave it out instead of sending null.".to_owned()),
            (kind, _) => Some(expected(kind).to_owned()),
        };
        if let Some(complaint) = complaint {
            wrong.add(place, complaint);
        }
    }

    fn check_object(self, place: &str, fields: &Map<String, Value>, wrong: &mut FieldErrors) {
        let none = Map::new();
        let known = self
            .own
            .get("properties")
            .and_then(Value::as_object)
            .unwrap_or(&none);
        let inside = |name: &str| match place {
            "" => name.to_owned(),
            place => format!("{place}.{name}"),
        };
        let others = self
            .own
            .get("additionalProperties")
            .filter(|others| others.is_object());
        for (name, value) in fields {
            match known.get(name).or(others) {
                Some(schema) => self.at(schema).check(&inside(name), value, wrong),
                None => wrong.add(inside(&shown(name)), unknown_field(known)),
            }
        }
        let required = self.own.get("required").and_then(Value::as_array);
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                wrong.add(inside(name), "It is missing.");
            }
        }
    }

    fn check_items(self, place: &str, items: &[Value], wrong: &mut FieldErrors) {
        if self.size("maxItems").is_some_and(|most| items.len() > most) {
            let most = self.size("maxItems").unwrap_or_default();
            wrong.add(place, format!("Send at most {most}."));
            return;
        }
        let Some(schema) = self.items() else { return };
        for (at, item) in items.iter().enumerate() {
            schema.check(&format!("{place}[{at}]"), item, wrong);
        }
    }

    fn check_text(self, text: &str) -> Option<String> {
        if text.contains('\0') {
            return Some("It holds a NUL character, which cannot be stored.".to_owned());
        }
        if let Some(words) = self.own.get("enum").and_then(Value::as_array) {
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            return (!words.contains(&text)).then(|| format!("It has to be one of {}.", words.join(", ")));
        }
        let length = text.chars().count();
        if let Some(most) = self.size("maxLength").filter(|most| length > *most) {
            return Some(format!("Keep it under {most} characters."));
        }
        if self.size("minLength").is_some_and(|least| length < least) {
            return Some("It must not be empty.".to_owned());
        }
        let is_time = self.text("format") != "date-time" || DateTime::parse_from_rfc3339(text).is_ok();
        (!is_time).then(|| "Write an instant such as 2026-11-23T08:30:00Z.".to_owned())
    }

    fn check_number(self, number: f64) -> Option<String> {
        let (least, most) = (self.number("minimum"), self.number("maximum"));
        let is_within = least.is_none_or(|least| number >= least) && most.is_none_or(|most| number <= most);
        match (is_within, least, most) {
            (true, ..) => None,
            (false, Some(least), Some(most)) => Some(format!("Write a number from {least} to {most}.")),
            (false, Some(least), None) => Some(format!("Write a number from {least} on.")),
            (false, _, most) => Some(format!("Write a number up to {}.", most.unwrap_or_default())),
        }
    }
}

fn expected(kind: &str) -> &'static str {
    match kind {
        "object" => "It has to be an object: {…}.",
        "array" => "It has to be a list: […].",
        "integer" => "It has to be a whole number.",
        "number" => "It has to be a number.",
        "boolean" => "It has to be true or false.",
        _ => "It has to be a text.",
    }
}

fn unknown_field(known: &Map<String, Value>) -> String {
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    match names.as_slice() {
        [] => "There is no such field; none is taken here.".to_owned(),
        names => format!("There is no such field; there are {}.", names.join(", ")),
    }
}

/// A name from outside, in a form that fits a sentence.
pub fn shown(name: &str) -> String {
    name.chars()
        .take(60)
        .collect::<String>()
        .escape_debug()
        .to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn complaints(value: &Value) -> Vec<String> {
        let document = json!({ "components": { "schemas": { "Way": {
            "type": "object", "required": ["kind"], "properties": { "kind": { "type": "string", "enum": ["a", "b"] } }
        } } } });
        let own = json!({ "type": "object", "required": ["commit"], "properties": {
            "commit": { "type": "string", "minLength": 1 },
            "at": { "type": "string", "format": "date-time" },
            "count": { "type": "integer", "minimum": 1, "maximum": 3 },
            "way": { "allOf": [{ "$ref": "#/components/schemas/Way" }, { "description": "How." }] },
            "names": { "type": "array", "items": { "type": "string" }, "maxItems": 2 },
            "free": { "type": "object", "additionalProperties": { "type": "string" } },
        } });
        let mut wrong = FieldErrors::default();
        Schema::new(&document, &own).check("", value, &mut wrong);
        let Err(error) = wrong.none() else {
            return Vec::new();
        };
        let told = error.field_errors().iter();
        told.map(|one| format!("{}: {}", one.field, one.message))
            .collect()
    }

    #[test]
    fn what_fits_passes() {
        let fine = json!({ "commit": "x", "at": "2026-11-23T08:30:00+01:00", "count": 3,
            "way": { "kind": "b" }, "names": ["a", "b"], "free": { "any": "thing" } });
        assert_eq!(complaints(&fine), Vec::<String>::new());
    }

    #[test]
    fn each_fault_is_named_with_its_place() {
        for (value, told) in [
            (json!({}), "commit: It is missing."),
            (json!({ "commit": 1 }), "commit: It has to be a text."),
            (json!({ "commit": "" }), "commit: It must not be empty."),
            (
                json!({ "commit": "a\0" }),
                "commit: It holds a NUL character, which cannot be stored.",
            ),
            (
                json!({ "commit": null }),
                "commit: Leave it out instead of sending null.",
            ),
            (
                json!({ "commit": "x", "at": "soon" }),
                "at: Write an instant such as 2026-11-23T08:30:00Z.",
            ),
            (
                json!({ "commit": "x", "count": 4 }),
                "count: Write a number from 1 to 3.",
            ),
            (
                json!({ "commit": "x", "count": 1.5 }),
                "count: It has to be a whole number.",
            ),
            (
                json!({ "commit": "x", "way": { "kind": "c" } }),
                "way.kind: It has to be one of a, b.",
            ),
            (
                json!({ "commit": "x", "names": ["a", 1] }),
                "names[1]: It has to be a text.",
            ),
            (
                json!({ "commit": "x", "names": ["a", "b", "c"] }),
                "names: Send at most 2.",
            ),
            (
                json!({ "commit": "x", "free": { "a": 1 } }),
                "free.a: It has to be a text.",
            ),
            (json!("x"), ": It has to be an object: {…}."),
        ] {
            assert_eq!(complaints(&value), [told], "{value}");
        }
        let unknown = complaints(&json!({ "commit": "x", "comit": "x" }));
        assert!(
            unknown[0].starts_with("comit: There is no such field; there are"),
            "{unknown:?}"
        );
    }
}
