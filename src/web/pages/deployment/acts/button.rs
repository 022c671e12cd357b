//! The button of an act: its label, what it sends, and the question it asks first.

use crate::web::csrf;

/// What a page shows of one act.
pub struct Button {
    /// Its id on the page, by which it stays what it is, open or filled in, while others come and go: one per
    /// act and what the act does.
    pub id: String,
    pub label: String,
    pub icon: &'static str,
    pub url: String,
    /// Sent along: names and values.
    pub fields: Vec<(&'static str, String)>,
    /// Asked for together with the question: name and label.
    pub wants: Option<(&'static str, &'static str)>,
    /// A class: `btn-primary` for the recommended one.
    pub class: &'static str,
    /// Asked first; empty: it acts at once.
    pub question: String,
    /// The label of the button that answers the question.
    pub yes: &'static str,
    /// The address of the plan that is shown below the question; may be empty.
    pub plan: String,
    /// Whether it only leads to `url`, where the act is prepared.
    pub is_link: bool,
}

impl Button {
    /// A button that acts at once.
    pub fn new(label: impl Into<String>, icon: &'static str, url: String) -> Self {
        let act = url.rsplit('/').next().unwrap_or_default();
        Self {
            id: format!("act-{act}"),
            label: label.into(),
            icon,
            url,
            fields: Vec::new(),
            wants: None,
            class: "",
            question: String::new(),
            yes: "",
            plan: String::new(),
            is_link: false,
        }
    }

    /// A link to the page where the act `id` is prepared.
    pub fn link(id: &str, label: impl Into<String>, icon: &'static str, url: String) -> Self {
        Self {
            id: format!("act-{id}"),
            is_link: true,
            ..Self::new(label, icon, url)
        }
    }

    /// Tells it apart from others of its act.
    pub fn for_only(mut self, what: &str) -> Self {
        self.id = format!("{}-{what}", self.id);
        self
    }

    /// With a value that is sent along.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// Makes it request a new deployment: if it is sent twice, it is one request.
    pub fn once(self) -> Self {
        self.with("request_key", csrf::new_secret())
    }

    /// With the plan below its question, and a field for a reason.
    pub fn shows(mut self, plan: String) -> Self {
        self.plan = plan;
        self.wants = Some(("reason", "Reason (optional)"));
        self
    }

    /// Makes it ask a question first.
    pub fn asks(mut self, question: impl Into<String>, yes: &'static str) -> Self {
        self.question = question.into();
        self.yes = yes;
        self.class = "btn-outline-danger";
        self
    }
}
