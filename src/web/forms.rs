//! Forms: what was typed, how it becomes a typed command, what is wrong with it field by field.
//!
//! A [`FormData`] is filled from a thing that exists or from a request. [`FormData::read`] turns it
//! into a command and gathers the complaints of all fields; [`FormData::accept`] takes the answer of
//! `app` and keeps its complaints, so that the same form can be shown again. Templates get values by
//! [`FormData::text`] and complaints through `complaints`, as `templates/components/forms.html`
//! shows them.

use std::fmt::{self, Display};
use std::str::FromStr;

use chrono::NaiveDateTime;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::labels::label;
use crate::domain::{Error, ErrorKind, FieldError, Instant, Result};

/// The complaints about a form; empty when it is shown for the first time.
#[derive(Debug, Clone, Default)]
pub struct Complaints {
    kind: Option<ErrorKind>,
    about: Vec<FieldError>,
}

impl Complaints {
    /// The complaints of `error`; one about no field in particular is kept under none.
    pub fn of_error(error: &Error) -> Self {
        let whole = || FieldError {
            field: String::new(),
            message: error.message().to_owned(),
        };
        let about = match error.field_errors() {
            [] => vec![whole()],
            fields => fields.to_vec(),
        };
        Self {
            kind: Some(error.kind()),
            about,
        }
    }

    /// The kind of the error, where there is one.
    pub fn kind(&self) -> Option<ErrorKind> {
        self.kind
    }

    /// What is wrong with `field`; empty if nothing.
    pub fn of(&self, field: &str) -> &str {
        self.about
            .iter()
            .find(|complaint| complaint.field == field)
            .map_or("", |complaint| complaint.message.as_str())
    }

    pub fn is_empty(&self) -> bool {
        self.about.is_empty()
    }

    pub fn messages(&self) -> impl Iterator<Item = &str> {
        self.about.iter().map(|complaint| complaint.message.as_str())
    }

    /// All of them, each with its field and what the form calls that; both are empty for one about the whole.
    pub fn listed(&self) -> impl Iterator<Item = (&str, &'static str, &str)> {
        self.about
            .iter()
            .map(|one| (one.field.as_str(), label(&one.field), one.message.as_str()))
    }
}

/// The field that says what was stored when the form was opened.
pub const VERSION: &str = "version";

/// A digest of something that a form changes, as it is stored.
pub fn version(thing: &impl fmt::Debug) -> String {
    let digest = Sha256::digest(format!("{thing:?}"));
    hex::encode(&digest[..12])
}

/// The fields of a form in the order of the page, with the complaints about them. A name may come
/// several times.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(from = "Vec<(String, String)>")]
pub struct FormData {
    fields: Vec<(String, String)>,
    pub complaints: Complaints,
}

impl From<Vec<(String, String)>> for FormData {
    fn from(fields: Vec<(String, String)>) -> Self {
        Self {
            fields,
            complaints: Complaints::default(),
        }
    }
}

impl FormData {
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Display) -> Self {
        self.fields.push((name.into(), value.to_string()));
        self
    }

    /// Adds a box that is ticked, or nothing: browsers do not send an empty one.
    #[must_use]
    pub fn with_tick(self, name: &str, is_ticked: bool) -> Self {
        if is_ticked { self.with(name, "yes") } else { self }
    }

    /// Takes the fields `names` from `kept` where they were not sent.
    pub fn keep(&mut self, names: &[&str], kept: &Self) {
        for name in names.iter().filter(|name| !self.has(name)).collect::<Vec<_>>() {
            let values = kept
                .all(name)
                .map(|value| ((*name).to_string(), value.to_owned()));
            self.fields.extend(values.collect::<Vec<_>>());
        }
    }

    /// Gives the field `name` another value.
    pub fn set(&mut self, name: &str, value: impl Display) {
        self.forget(name);
        self.fields.push((name.to_owned(), value.to_string()));
    }

    /// Forgets the values of the fields called `name`: they are not shown again.
    pub fn forget(&mut self, name: &str) {
        self.fields.retain(|(field, _)| field != name);
    }

    /// The value of the first field called `name`; empty when there is none.
    pub fn text(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    /// Whether a field called `name` was sent; a box that is not ticked is not.
    pub fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// The values of all fields called `name`.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let own = self.fields.iter().filter(move |(field, _)| field == name);
        own.map(|(_, value)| value.as_str())
    }

    /// The lines of a text area that are not blank.
    pub fn lines(&self, name: &str) -> Vec<String> {
        let lines = self.text(name).lines().map(str::trim);
        lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// What was ticked under `name`, in the order of the numbers beside the boxes; those without a
    /// number come last.
    pub fn chosen<T: FromStr>(&self, name: &str) -> Vec<T> {
        let mut chosen: Vec<(u32, T)> = self
            .all(name)
            .filter_map(|value| {
                let place = self.text(&format!("{name}-place-{value}")).trim().parse();
                Some((place.unwrap_or(u32::MAX), value.parse().ok()?))
            })
            .collect();
        chosen.sort_by_key(|(place, _)| *place);
        chosen.into_iter().map(|(_, id)| id).collect()
    }

    /// The command that `read` makes of the fields.
    ///
    /// # Errors
    /// The complaints of all fields that cannot be read.
    pub fn read<T>(&self, read: impl FnOnce(&mut FormReader<'_>) -> Option<T>) -> Result<T> {
        let mut reader = FormReader {
            form: self,
            wrong: Vec::new(),
        };
        let command = read(&mut reader);
        match command.filter(|_| reader.wrong.is_empty()) {
            Some(command) => Ok(command),
            None if reader.wrong.is_empty() => Err(Error::internal("a form was refused without a complaint")),
            None => Err(Error::fields(reader.wrong)),
        }
    }

    /// Reads a command from the fields and carries it out: its value, or nothing when the form has
    /// to be shown again with complaints.
    ///
    /// # Errors
    /// Every error but complaints about the input.
    pub async fn submit<C, T, F>(
        &mut self,
        read: impl FnOnce(&mut FormReader<'_>) -> Option<C>,
        carry_out: impl FnOnce(C) -> F,
    ) -> Result<Option<T>>
    where
        F: Future<Output = Result<T>>,
    {
        let outcome = match self.read(read) {
            Ok(command) => carry_out(command).await,
            Err(error) => Err(error),
        };
        self.accept(outcome)
    }

    /// As [`Self::submit`], for a change of something whose [`version`] is `now`: a form that was opened before
    /// somebody else changed it would undo that, and is shown again first.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub async fn submit_over<C, T, F>(
        &mut self,
        now: &str,
        read: impl FnOnce(&mut FormReader<'_>) -> Option<C>,
        carry_out: impl FnOnce(C) -> F,
    ) -> Result<Option<T>>
    where
        F: Future<Output = Result<T>>,
    {
        let is_stale = !["", now].contains(&self.text(VERSION));
        self.set(VERSION, now);
        if is_stale {
            return self.accept(Err(Error::invalid(
                "This was changed after you had opened the page, so nothing was saved. Below is what you typed; the audit log has the other change. Saving again replaces it.",
            )));
        }
        self.submit(read, carry_out).await
    }

    /// The value of a command, or nothing when it had complaints about the input: then they are
    /// kept, and the form has to be shown again.
    ///
    /// # Errors
    /// Every other error of the command.
    pub fn accept<T>(&mut self, outcome: Result<T>) -> Result<Option<T>> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind() == ErrorKind::Invalid => {
                self.complaints = Complaints::of_error(&error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Reads the fields of a form and gathers complaints.
#[derive(Debug)]
pub struct FormReader<'a> {
    pub form: &'a FormData,
    wrong: Vec<FieldError>,
}

impl FormReader<'_> {
    pub fn complain(&mut self, field: &str, message: impl Into<String>) {
        self.wrong.push(FieldError {
            field: field.to_owned(),
            message: message.into(),
        });
    }

    /// The value; a complaint is kept.
    pub fn take<T>(&mut self, field: &str, outcome: Result<T, String>) -> Option<T> {
        outcome.map_err(|message| self.complain(field, message)).ok()
    }

    /// The value of a check of `app`; its complaints are kept.
    pub fn check<T>(&mut self, outcome: Result<T>) -> Option<T> {
        outcome
            .map_err(|error| self.wrong.extend(error.field_errors().iter().cloned()))
            .ok()
    }

    /// A field as a value; spaces around it do not count.
    pub fn parse<T: FromStr<Err = String>>(&mut self, field: &str) -> Option<T> {
        self.take(field, self.form.text(field).trim().parse())
    }

    /// A field that may be empty.
    pub fn parse_opt<T: FromStr<Err = String>>(&mut self, field: &str) -> Option<Option<T>> {
        if self.form.text(field).trim().is_empty() {
            return Some(None);
        }
        self.parse(field).map(Some)
    }

    /// The lines of a text area as a value.
    pub fn lines<T: TryFrom<Vec<String>, Error = String>>(&mut self, field: &str) -> Option<T> {
        self.take(field, self.form.lines(field).try_into())
    }

    /// How many complaints there are so far.
    pub fn complaints(&self) -> usize {
        self.wrong.len()
    }
}

/// Whether two texts are the same; templates hold them in different types.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn form(pairs: &[(&str, &str)]) -> FormData {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        pairs.collect::<Vec<_>>().into()
    }

    #[test]
    fn ticked_boxes_come_in_the_order_of_their_numbers() {
        let form = form(&[
            ("c", "7"),
            ("c-place-7", "2"),
            ("c-place-8", "1"),
            ("c", "9"),
            ("c-place-9", ""),
            ("c", "5"),
            ("c-place-5", "1"),
            ("c", "odd"),
        ]);
        assert_eq!(form.chosen::<i64>("c"), [5, 7, 9]);
    }

    #[test]
    fn fields_that_were_not_sent_are_kept() {
        let mut sent = form(&[("a", "1")]);
        sent.keep(&["a", "b", "c"], &form(&[("a", "2"), ("b", "3")]));
        assert_eq!((sent.text("a"), sent.text("b"), sent.has("c")), ("1", "3", false));
    }

    #[test]
    fn all_fields_are_complained_about_at_once() {
        let form = form(&[("name", "a/b"), ("branch", "-x")]);
        let wrong = form.read(|reader| {
            let name = reader.parse::<crate::domain::Name>("name");
            let branch = reader.parse::<crate::domain::BranchName>("branch");
            name.zip(branch)
        });
        let fields = wrong.unwrap_err();
        let fields: Vec<&str> = fields
            .field_errors()
            .iter()
            .map(|one| one.field.as_str())
            .collect();
        assert_eq!(fields, ["name", "branch"]);
    }
}
