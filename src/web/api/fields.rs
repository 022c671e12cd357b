//! Reads typed values out of requests, and gathers what is wrong with them.

use std::str::FromStr;

use poem_openapi::types::ToJSON;

use super::reply::etag;
use crate::domain::{Error, FieldErrors, Result};
use crate::web::problem::{ApiFault, ProblemKind};

/// The fields of a request, and complaints about them.
#[derive(Debug, Default)]
pub struct Fields(FieldErrors);

impl Fields {
    pub fn complain(&mut self, field: &str, message: impl Into<String>) {
        self.0.add(field, message);
    }

    /// A value; a complaint is kept.
    pub fn take<T>(&mut self, field: &str, outcome: Result<T, String>) -> Option<T> {
        outcome.map_err(|message| self.0.add(field, message)).ok()
    }

    /// A text as a value; `kept` is what it was before.
    pub fn text<T>(&mut self, field: &str, sent: Option<&str>, kept: impl FnOnce() -> String) -> Option<T>
    where
        T: FromStr<Err = String>,
    {
        let text = sent.map_or_else(kept, |text| text.trim().to_owned());
        self.take(field, text.parse())
    }

    /// A text that may be empty, which stands for none.
    pub fn optional<T>(
        &mut self,
        field: &str,
        sent: Option<&str>,
        kept: impl FnOnce() -> Option<T>,
    ) -> Option<Option<T>>
    where
        T: FromStr<Err = String>,
    {
        match sent.map(str::trim) {
            None => Some(kept()),
            Some("") => Some(None),
            Some(text) => self.take(field, text.parse()).map(Some),
        }
    }

    /// A number as a value of a range; `kept` is what it was before.
    pub fn number<T: TryFrom<u32, Error = String>>(
        &mut self,
        field: &str,
        sent: Option<u32>,
        kept: u64,
    ) -> Option<T> {
        let number = sent.unwrap_or_else(|| u32::try_from(kept).unwrap_or(u32::MAX));
        self.take(field, T::try_from(number))
    }

    /// What the fields make together.
    ///
    /// # Errors
    /// All complaints at once.
    pub fn done<T>(self, made: impl FnOnce() -> Option<T>) -> Result<T> {
        self.0.none()?;
        made().ok_or_else(|| Error::internal("a field is missing without a complaint"))
    }
}

/// Refuses a change of something that somebody else changed since its sender read it. `now` is what it is now.
///
/// # Errors
/// Faults: the header is missing, or of an earlier version.
pub fn demand_version(version: Option<&str>, now: &impl ToJSON) -> Result<(), ApiFault> {
    let Some(version) = version else {
        return Err(ApiFault::new(
            ProblemKind::PreconditionRequired,
            "Send the ETag of what you change in the header If-Match. Nothing was done.",
        ));
    };
    let present = etag(now);
    let mut known = version.split(',').map(|one| one.trim().trim_start_matches("W/"));
    if known.any(|known| known == present || known == "*") {
        return Ok(());
    }
    Err(ApiFault::new(
        ProblemKind::Stale,
        "It was changed since you read it. Nothing was done. Read it again, and send its new ETag.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_present_version_is_changed() {
        let now = "a text".to_owned();
        let present = etag(&now);
        assert!(demand_version(Some(&present), &now).is_ok());
        assert!(demand_version(Some(&format!("\"x\", W/{present}")), &now).is_ok());
        assert!(demand_version(Some("*"), &now).is_ok());
        let kind = |version| demand_version(version, &now).unwrap_err().kind;
        assert_eq!(kind(None), ProblemKind::PreconditionRequired);
        assert_eq!(kind(Some("\"x\"")), ProblemKind::Stale);
    }
}
