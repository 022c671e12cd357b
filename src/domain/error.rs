//! Errors with two sides: a public sentence for the person, a cause for the log.
//!
//! An error knows no HTTP. `web` maps [`ErrorKind`] to a status in one place.

use std::error::Error as StdError;
use std::fmt;

use super::refusal::Refusal;

/// The result of everything whose error may reach a person.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What was looked for; `None` where it does not exist.
///
/// # Errors
/// Any other error of `found`.
pub fn if_found<T>(found: Result<T>) -> Result<Option<T>> {
    match found {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

/// The kind of error, which decides who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The thing asked for does not exist (or may not be seen).
    NotFound,
    /// The input cannot be accepted; see [`Error::field_errors`].
    Invalid,
    /// The input is fine but the present state of things forbids it.
    Conflict,
    /// Policy refused; see [`Error::refusal`].
    Forbidden,
    /// Nobody is logged in, but a login is required.
    Unauthenticated,
    /// Too many tries; wait.
    Throttled,
    /// Something outside (a server, a Git host, a disk) failed.
    Unavailable,
    /// A fault of this program.
    Internal,
}

/// A complaint about one field of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The name of the form field.
    pub field: String,
    /// A sentence that says what to do.
    pub message: String,
}

/// Complaints about fields, gathered so that all are reported at once.
#[derive(Debug, Default)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Complains about `field`.
    pub fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(FieldError {
            field: field.into(),
            message: message.into(),
        });
    }

    /// Returns the complaints as an error, if there are any.
    pub fn none(self) -> Result<()> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(Error::fields(self.0)),
        }
    }
}

/// An error with a sentence for the person who caused it.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    fields: Vec<FieldError>,
    refusal: Option<Box<Refusal>>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind` whose public sentence is `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            fields: Vec::new(),
            refusal: None,
            source: None,
        }
    }

    /// `what` ("project “shop”") does not exist.
    pub fn not_found(what: impl fmt::Display) -> Self {
        Self::new(ErrorKind::NotFound, format!("There is no {what}."))
    }

    /// A project, an environment or what belongs to one does not exist, or may not be viewed. It names
    /// nothing, so that nobody learns which of the two it is.
    pub fn no_such_place() -> Self {
        Self::new(
            ErrorKind::NotFound,
            "There is nothing here that you may view: it does not exist, or your account may not see it.",
        )
    }

    /// Input that cannot be accepted as a whole.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// Input of which one field cannot be accepted.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        let complaint = FieldError {
            field: field.into(),
            message: message.into(),
        };
        Self::fields(vec![complaint])
    }

    /// Input of which several fields cannot be accepted; `fields` must not be empty.
    pub fn fields(fields: Vec<FieldError>) -> Self {
        let message = fields
            .iter()
            .map(|f| f.message.as_str())
            .collect::<Vec<_>>()
            .join(" ");
        Self {
            fields,
            ..Self::new(ErrorKind::Invalid, message)
        }
    }

    /// The present state of things forbids it.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, message)
    }

    /// Something outside failed.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// A fault of this program; `source` goes to the log, never to the page.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(
            ErrorKind::Internal,
            "Something went wrong in the deployer. Its log has the details.",
        )
        .because(source)
    }

    /// Adds the cause, for the log.
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The kind of error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The sentence for the person.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Complaints per form field; empty unless the kind is [`ErrorKind::Invalid`].
    pub fn field_errors(&self) -> &[FieldError] {
        &self.fields
    }

    /// The refusal, where policy refused.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_deref()
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Box::new(refusal).into()
    }
}

impl From<Box<Refusal>> for Error {
    fn from(refusal: Box<Refusal>) -> Self {
        let message = refusal.answer();
        Self {
            refusal: Some(refusal),
            ..Self::new(ErrorKind::Forbidden, message)
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
