//! What a check looks at.

use std::collections::{BTreeMap, BTreeSet};

use super::super::calendar_file::CalendarLines;
use super::super::expectations::Expectation;
use super::super::model::PolicyModel;
use super::super::policy::Policy;
use crate::domain::Instant;

/// A policy without errors, and what it may be compared with.
pub(in crate::access) struct CheckedPolicy<'a> {
    pub model: &'a PolicyModel,
    pub policy: &'a Policy,
    /// Where windows and freezes stand.
    pub calendar: &'a CalendarLines,
    pub expected: &'a [Expectation],
    /// From when on windows are looked at.
    pub now: Instant,
    /// What there is to name, if that is known.
    pub existing: Option<&'a Existing>,
}

/// What there is to name.
#[derive(Debug, Clone, Default)]
pub struct Existing {
    /// The environments of each project.
    pub projects: BTreeMap<String, BTreeSet<String>>,
    /// The names of accounts.
    pub users: BTreeSet<String>,
}
