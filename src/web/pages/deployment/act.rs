//! A button on a deployment's page: what it says, what it sends, and what it asks before.

use crate::web::csrf;

/// A button.
pub struct Act {
    pub label: String,
    pub icon: &'static str,
    pub url: String,
    /// Sent along: names and values.
    pub fields: Vec<(&'static str, String)>,
    /// Asked for together with the question: name and label.
    pub wants: Option<(&'static str, &'static str)>,
    /// A class: `btn-primary` for the recommended one.
    pub class: &'static str,
    /// Asked before it is done; empty: done at once.
    pub question: String,
    /// What the button that does it says.
    pub yes: &'static str,
}

impl Act {
    /// One that is done at once.
    pub fn new(label: impl Into<String>, icon: &'static str, url: String) -> Self {
        Self {
            label: label.into(),
            icon,
            url,
            fields: Vec::new(),
            wants: None,
            class: "",
            question: String::new(),
            yes: "",
        }
    }

    /// With something that is sent along.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// One that asks for a new deployment: sent twice, it is one request.
    pub fn once(self) -> Self {
        self.with("request_key", csrf::new_secret())
    }

    /// One that asks before it is done.
    pub fn asks(mut self, question: impl Into<String>, yes: &'static str) -> Self {
        self.question = question.into();
        self.yes = yes;
        self.class = "btn-outline-danger";
        self
    }
}
