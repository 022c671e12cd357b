//! What forms have in common: complaints about their fields, as `templates/components/forms.html`
//! shows them, and dates.

use chrono::NaiveDateTime;

use crate::domain::{Error, FieldError, Instant, Result};

/// The complaints about a form; empty when it is shown for the first time.
#[derive(Debug, Clone, Default)]
pub struct Complaints(Vec<FieldError>);

impl Complaints {
    /// The complaints of `error`; an error about no field in particular is kept under none.
    pub fn of_error(error: &Error) -> Self {
        if error.field_errors().is_empty() {
            return Self(vec![FieldError {
                field: String::new(),
                message: error.message().to_owned(),
            }]);
        }
        Self(error.field_errors().to_vec())
    }

    /// What is wrong with `field`; empty if nothing.
    pub fn of(&self, field: &str) -> &str {
        self.0
            .iter()
            .find(|complaint| complaint.field == field)
            .map_or("", |complaint| complaint.message.as_str())
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All the sentences.
    pub fn messages(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|complaint| complaint.message.as_str())
    }
}

/// Whether a choice is the chosen one, however the two are held.
pub fn same(value: impl AsRef<str>, chosen: impl AsRef<str>) -> bool {
    value.as_ref() == chosen.as_ref()
}

/// Reads a date and time of a form, in UTC; empty is none.
///
/// # Errors
/// A complaint about `field`.
pub fn instant(field: &str, text: &str) -> Result<Option<Instant>> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .map(|time| Some(time.and_utc()))
        .ok_or_else(|| Error::field(field, "Write date and time as 2026-11-23 08:30, in UTC."))
}

/// An instant as such a form has it, rounded up to the minute.
pub fn instant_value(at: Instant) -> String {
    let rounded = at + chrono::TimeDelta::seconds(59);
    rounded.format("%Y-%m-%dT%H:%M").to_string()
}
