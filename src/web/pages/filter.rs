//! The filter of a list: read from the address, shown as a form, and kept by the links to other
//! pages of the list, so that an address can be kept or sent to a colleague.

use chrono::{Days, NaiveDate, NaiveTime};
use serde::Deserialize;

use crate::app::audit::words;
use crate::domain::{DeploymentState, Instant, Kind, Outcome, Result};
use crate::store::{AuditFilter, Page, PastFilter};
use crate::web::forms::{FormData, FormReader};
use crate::web::urls;

/// The place in a list, as the address has it.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub struct Cut {
    before: Option<i64>,
    after: Option<i64>,
}

impl Cut {
    pub fn page(self) -> Page {
        match (self.before, self.after) {
            (Some(row), _) => Page::Before(row),
            (None, Some(row)) => Page::After(row),
            (None, None) => Page::Newest,
        }
    }
}

/// A field of a filter form.
pub struct Field {
    /// Its name in the address.
    pub name: &'static str,
    pub label: &'static str,
    pub input: Input,
    pub value: String,
    /// What is wrong with it; empty if nothing.
    pub complaint: String,
}

/// How a field is filled in.
pub enum Input {
    /// One of these values, each with its label.
    Choice(Vec<(String, String)>),
    /// A text, with an example shown while it is empty and values offered while typing.
    Text {
        example: &'static str,
        offered: &'static [&'static str],
    },
    /// A day, UTC.
    Day,
}

impl Input {
    /// A choice that may be left open.
    pub fn choice<V: Into<String>, L: Into<String>>(
        open: &str,
        choices: impl IntoIterator<Item = (V, L)>,
    ) -> Self {
        let choices = choices
            .into_iter()
            .map(|(value, label)| (value.into(), label.into()));
        Self::Choice(
            std::iter::once((String::new(), open.to_owned()))
                .chain(choices)
                .collect(),
        )
    }

    /// With `value` among the choices: a filter shows what it is by, also where that finds nothing.
    fn with(mut self, value: &str) -> Self {
        if let Self::Choice(choices) = &mut self
            && !choices.iter().any(|(known, _)| known == value)
        {
            choices.push((value.to_owned(), value.to_owned()));
        }
        self
    }

    pub fn text(example: &'static str) -> Self {
        Self::Text {
            example,
            offered: &[],
        }
    }
}

/// The form of `templates/components/_filter.html`.
pub struct FilterForm {
    /// The address of the list.
    pub url: &'static str,
    pub fields: Vec<Field>,
    /// Whether anything is filled in.
    pub is_narrowed: bool,
    /// The form as it was sent, with what is wrong with it.
    pub sent: FormData,
}

impl FilterForm {
    /// The form of the list at `url`, with the fields a list has beside the days.
    pub fn new(url: &'static str, sent: FormData, fields: Vec<(&'static str, &'static str, Input)>) -> Self {
        let days = [("from", "From (UTC)", Input::Day), ("to", "To (UTC)", Input::Day)];
        let field = |(name, label, input): (_, _, Input)| Field {
            value: sent.text(name).to_owned(),
            complaint: sent.complaints.of(name).to_owned(),
            name,
            label,
            input: input.with(sent.text(name)),
        };
        let fields: Vec<Field> = fields.into_iter().chain(days).map(field).collect();
        Self {
            url,
            is_narrowed: fields.iter().any(|field| !field.value.trim().is_empty()),
            fields,
            sent,
        }
    }

    /// The address `path` with this filter, `name` being `value`.
    pub fn url_with(&self, path: &str, name: &str, value: &str) -> String {
        let own = self.fields.iter().filter(|field| field.name != name);
        let mut pairs: Vec<(&str, &str)> = own.map(|field| (field.name, field.value.as_str())).collect();
        pairs.push((name, value));
        urls::with_query(path, &pairs)
    }

    /// The address of another page of the list; empty where there is none.
    pub fn page_url(&self, name: &str, row: Option<i64>) -> String {
        row.map(|row| self.url_with(self.url, name, &row.to_string()))
            .unwrap_or_default()
    }
}

/// Reads a filter of deployments.
///
/// # Errors
/// A complaint for each field that cannot be understood.
pub fn read(sent: &FormData) -> Result<PastFilter> {
    sent.read(filter)
}

/// Reads a filter of the audit log.
///
/// # Errors
/// As [`read`].
pub fn read_audit(sent: &FormData) -> Result<AuditFilter> {
    sent.read(audit_filter)
}

fn filter(form: &mut FormReader) -> Option<PastFilter> {
    let (from, to) = days(form);
    let state = word(form, "state", DeploymentState::parse);
    let kind = word(form, "kind", Kind::parse);
    Some(PastFilter {
        project: text(form, "project"),
        environment: text(form, "environment"),
        actor: text(form, "user"),
        states: state.into_iter().collect(),
        kinds: kind.into_iter().collect(),
        from,
        to,
        places: None,
    })
}

fn audit_filter(form: &mut FormReader) -> Option<AuditFilter> {
    let (from, to) = days(form);
    let outcome = word(form, "outcome", Outcome::parse);
    let meant = text(form, "action").map(|words| words::meant_by(&words));
    let meant = meant.unwrap_or_default();
    Some(AuditFilter {
        who: text(form, "actor"),
        actions: meant.names,
        telling: meant.telling,
        about: text(form, "resource"),
        text: text(form, "text"),
        outcome,
        hidden: Vec::new(),
        covered: Vec::new(),
        from,
        to,
    })
}

/// From the beginning of the first day to the end of the last.
fn days(form: &mut FormReader) -> (Option<Instant>, Option<Instant>) {
    let (from, to) = (day(form, "from", 0), day(form, "to", 1));
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        form.complain("to", "Choose the same day as “From” or a later one.");
    }
    (from, to)
}

fn text(form: &FormReader, name: &str) -> Option<String> {
    let text = form.form.text(name).trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The beginning of a day, or of one some days later.
fn day(form: &mut FormReader, field: &str, later: u64) -> Option<Instant> {
    let text = form.form.text(field).trim();
    if text.is_empty() {
        return None;
    }
    let date = text.parse::<NaiveDate>().ok();
    let instant = date
        .and_then(|date| date.checked_add_days(Days::new(later)))
        .map(|date| date.and_time(NaiveTime::MIN).and_utc());
    if instant.is_none() {
        form.complain(field, "Write a day as 2026-11-22.");
    }
    instant
}

fn word<T>(form: &mut FormReader, field: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
    let text = form.form.text(field);
    let found = parse(text);
    if found.is_none() && !text.is_empty() {
        form.complain(field, format!("There is no {field} of that name; choose one."));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(pairs: &[(&str, &str)]) -> FormData {
        pairs
            .iter()
            .fold(FormData::default(), |form, (name, value)| form.with(*name, value))
    }

    #[test]
    fn the_last_day_is_included() {
        let filter = read(&sent(&[("from", "2026-11-22"), ("to", "2026-11-22")])).unwrap();
        assert_eq!((filter.to.unwrap() - filter.from.unwrap()).num_hours(), 24);
    }

    #[test]
    fn every_field_that_is_not_understood_is_complained_about() {
        let odd = sent(&[
            ("from", "yesterday"),
            ("to", "+262142-12-31"),
            ("state", "odd"),
            ("kind", "odd"),
            ("outcome", "odd"),
        ]);
        assert_eq!(read(&odd).unwrap_err().field_errors().len(), 4);
        assert_eq!(read_audit(&odd).unwrap_err().field_errors().len(), 3);
    }

    #[test]
    fn links_keep_the_filter() {
        let sent = sent(&[("user", "alice"), ("to", "2026-11-22"), ("odd", "1")]);
        let fields = vec![("user", "Requested by", Input::text("User name"))];
        let form = FilterForm::new("/history", sent, fields);
        assert!(form.is_narrowed);
        assert_eq!(
            form.page_url("before", Some(7)),
            "/history?user=alice&to=2026-11-22&before=7"
        );
        assert_eq!(form.page_url("before", None), "");
        assert_eq!(
            form.url_with("/history", "user", "bob"),
            "/history?to=2026-11-22&user=bob"
        );
    }
}
