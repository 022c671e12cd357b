//! States of time in words: the windows in which something is so.

use super::states::{StateSet, States};
use crate::domain::calendar::FREEZE;
use crate::domain::{Calendar, Freeze};

/// Windows that are put together in one description.
const WINDOWS: usize = 4;

/// The windows and freezes of a calendar at one place, each with its states.
pub(super) struct Windows {
    named: Vec<(String, StateSet)>,
}

impl Windows {
    /// Those of the `number`th calendar of `states`, where the freezes that `concerns` accepts count.
    pub fn of(
        states: &States,
        number: usize,
        calendar: &Calendar,
        concerns: impl Fn(&Freeze) -> bool,
    ) -> Self {
        let windows = calendar.windows.keys().cloned();
        // One freeze is named before all of them together: that is something else at another place.
        let freezes = calendar.freezes.iter().map(Freeze::window);
        let names = windows.chain(freezes).chain([FREEZE.to_owned()]);
        let named = names.map(|name| {
            let open = states.open(number, calendar, &name, &concerns);
            (name, open)
        });
        Self {
            named: named
                .filter(|(_, open)| !open.is_empty() && open != states.all())
                .collect(),
        }
    }

    /// `always`, `business-hours`, `always except freeze`, `business-hours except freeze:sale`, `weekend, night`; or
    /// an instant of it where no window says it.
    pub fn describe(&self, target: &StateSet, states: &States) -> String {
        if target == states.all() {
            return "always".to_owned();
        }
        if target.is_empty() {
            return "never".to_owned();
        }
        if let Some((name, _)) = self.named.iter().find(|(_, open)| open == target) {
            return name.clone();
        }
        self.union(target)
            .or_else(|| {
                self.except(states.all(), target)
                    .map(|names| format!("always except {names}"))
            })
            .or_else(|| self.within(target))
            .unwrap_or_else(|| match target.first().and_then(|state| states.at(state)) {
                Some(at) => format!("at some times, such as {}", at.format("%Y-%m-%d %H:%M UTC")),
                None => "at some times".to_owned(),
            })
    }

    /// Several windows that make up `target` together.
    fn union(&self, target: &StateSet) -> Option<String> {
        let (mut left, mut names) = (target.clone(), Vec::new());
        for (name, open) in self.named.iter().filter(|(_, open)| open.is_within(target)) {
            let rest = left.without(open);
            if rest != left && names.len() < WINDOWS {
                names.push(name.clone());
                left = rest;
            }
        }
        left.is_empty().then(|| names.join(", "))
    }

    /// The windows that have to be taken from `whole` to leave `target`.
    fn except(&self, whole: &StateSet, target: &StateSet) -> Option<String> {
        let mut rest = whole.without(target);
        if let Some((name, _)) = self.named.iter().find(|(_, open)| *open == rest) {
            return Some(name.clone());
        }
        let mut names = Vec::new();
        for (name, open) in &self.named {
            let mut meets = open.clone();
            meets.keep(target);
            let left = rest.without(open);
            if meets.is_empty() && left != rest && names.len() < WINDOWS {
                names.push(name.clone());
                rest = left;
            }
        }
        rest.is_empty().then(|| names.join(" and "))
    }

    /// A part of one window.
    fn within(&self, target: &StateSet) -> Option<String> {
        let around = || self.named.iter().filter(|(_, open)| target.is_within(open));
        let except = around().find_map(|(name, open)| {
            let names = self.except(open, target)?;
            Some(format!("{name} except {names}"))
        });
        except.or_else(|| {
            around().find_map(|(name, open)| {
                let both = self.named.iter().find(|(_, other)| {
                    let mut meets = open.clone();
                    meets.keep(other);
                    meets == *target
                })?;
                Some(format!("{name} during {}", both.0))
            })
        })
    }
}
