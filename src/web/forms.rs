//! What goes wrong in a form, field by field, as `templates/components/forms.html` shows it.

use crate::domain::{Error, FieldError};

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
