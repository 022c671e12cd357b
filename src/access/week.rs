//! A week, drawn: when somebody may do something.

use chrono::{Datelike, Days, NaiveDate};
use chrono_tz::Tz;
use serde::Serialize;

use super::explain::Ruling;
use super::policy::Policy;
use super::question::PolicyQuestion;
use crate::domain::calendar::beginning;
use crate::domain::{Action, Instant, Resource};

/// Minutes that one sign stands for.
const SIGN_MINUTES: i64 = 30;

/// A span of one day in which nothing changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DaySpan {
    pub from: Instant,
    pub until: Instant,
    #[serde(flatten)]
    pub ruling: Ruling,
}

/// One day of a drawn week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DrawnDay {
    pub date: NaiveDate,
    /// A sign for each half hour of the clock: `#` allowed, `+` with a second person, `.` not.
    pub drawn: String,
    /// The spans in which it is allowed.
    pub spans: Vec<DaySpan>,
}

impl Policy {
    /// The week of `asked.at`, from Monday, by the clock of `zone`.
    pub fn week(&self, asked: &PolicyQuestion, zone: Tz) -> Vec<DrawnDay> {
        let PolicyQuestion {
            names,
            action,
            resource,
            at,
        } = asked;
        let today = at.with_timezone(&zone).date_naive();
        let past = Days::new(u64::from(today.weekday().num_days_from_monday()));
        let Some(monday) = today.checked_sub_days(past) else {
            return Vec::new();
        };
        let days = monday.iter_days().take(7);
        days.filter_map(|date| {
            let (from, until) = (beginning(date, zone)?, beginning(date.succ_opt()?, zone)?);
            let spans = self.spans(names, *action, resource, (from, until));
            Some(DrawnDay {
                drawn: drawn(&spans),
                spans: spans.into_iter().filter(|span| span.ruling.allowed).collect(),
                date,
            })
        })
        .collect()
    }

    /// The spans between two instants in which nothing changes.
    pub fn spans(
        &self,
        names: &[String],
        action: Action,
        resource: &Resource,
        (from, until): (Instant, Instant),
    ) -> Vec<DaySpan> {
        let mut spans: Vec<DaySpan> = Vec::new();
        let days = u16::try_from((until - from).num_days() + 2).unwrap_or(u16::MAX);
        let changes = self
            .calendar
            .changes(from, days)
            .into_iter()
            .filter(|&change| change < until);
        for begins in [from].into_iter().chain(changes) {
            let ruling = self.ruling(names, action, resource, begins);
            match spans.last_mut() {
                Some(last) if last.ruling == ruling => {}
                last => {
                    if let Some(last) = last {
                        last.until = begins;
                    }
                    spans.push(DaySpan {
                        from: begins,
                        until,
                        ruling,
                    });
                }
            }
        }
        spans
    }
}

/// A sign for each half hour that has passed since the day began: 46 to 50 of them.
fn drawn(spans: &[DaySpan]) -> String {
    let (Some(first), Some(last)) = (spans.first(), spans.last()) else {
        return String::new();
    };
    let signs = (last.until - first.from).num_minutes() / SIGN_MINUTES;
    let sign = |number: i64| {
        let at = first.from + chrono::Duration::minutes(SIGN_MINUTES * number);
        let span = spans.iter().rev().find(|span| span.from <= at);
        match span.map(|span| &span.ruling) {
            Some(ruling) if ruling.allowed && ruling.with.is_empty() => '#',
            Some(ruling) if ruling.allowed => '+',
            _ => '.',
        }
    };
    (0..signs).map(sign).collect()
}
