//! When something would be allowed that is not allowed now.

use std::collections::BTreeSet;

use super::policy::Policy;
use super::rule::window_key;
use crate::domain::calendar::{FREEZE, ONE_FREEZE};
use crate::domain::{Action, Instant, PolicyLine, Resource};

/// How many days ahead to look for the next instant at which an action would be allowed.
const DAYS_AHEAD: u16 = 60;

impl Policy {
    /// The lines that would allow the action at another time, in the order of the file.
    pub fn outside_window(
        &self,
        names: &[String],
        action: Action,
        resource: &Resource,
        at: Instant,
    ) -> Vec<PolicyLine> {
        let now = self.open_windows(at);
        let windows: BTreeSet<&str> = self.rules().iter().map(|rule| rule.window.as_str()).collect();
        let is_closed = |window: &&str| {
            self.may_freeze(window, resource, at) && now.split(' ').all(|open| open != *window)
        };
        let closed: Vec<&str> = windows.into_iter().filter(is_closed).collect();
        let mut places = vec![resource.clone()];
        if let (Resource::Project(project), Action::View) = (resource, action) {
            places.extend(self.parts(project));
        }
        let mut found = BTreeSet::new();
        for (place, name) in places
            .iter()
            .flat_map(|place| names.iter().map(move |name| (place, name)))
        {
            for window in &closed {
                let open = window_key(window);
                found.extend(self.rules_for(name, action, place, &open).unwrap_or_default());
            }
        }
        let allows = found
            .into_iter()
            .filter_map(|index| self.rules().get(index))
            .filter(|rule| !rule.deny);
        allows.map(|rule| rule.line.clone()).collect()
    }

    /// Whether `window` is none of a freeze, or of one that is yet to end and concerns `resource`.
    fn may_freeze(&self, window: &str, resource: &Resource, at: Instant) -> bool {
        let name = window.strip_prefix(ONE_FREEZE);
        if window != FREEZE && name.is_none() {
            return true;
        }
        let named = |freeze: &str| name.is_none_or(|name| name == freeze);
        let mut freezes = self.calendar.freezes.iter().filter(|freeze| at < freeze.until);
        freezes.any(|freeze| named(&freeze.name) && freeze.concerns(resource))
    }

    /// The first instant after `at` at which the action would be allowed, within [`DAYS_AHEAD`].
    pub fn next_allowed(
        &self,
        names: &[String],
        action: Action,
        resource: &Resource,
        at: Instant,
    ) -> Option<Instant> {
        let changes = self.calendar.changes(at, DAYS_AHEAD);
        changes
            .into_iter()
            .find(|&change| self.decide(names, action, resource, change).is_allowed())
    }
}
