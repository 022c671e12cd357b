//! A day as a bar: when something is so, drawn to scale.
//!
//! Drawn as SVG with plain attributes, as styles inside a page are not allowed.

use chrono_tz::Tz;

use crate::domain::Instant;

/// Units of a bar's width.
pub const WIDTH: i64 = 1440;

/// A span of a day, as it is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BarPiece {
    /// From the left, in units of [`WIDTH`].
    pub x: i64,
    pub width: i64,
    /// The class of its look.
    pub tone: &'static str,
    /// What it says under the pointer.
    pub title: String,
}

/// Cuts spans to the day between two instants, and places them on its bar.
pub fn pieces(
    spans: impl IntoIterator<Item = (Instant, Instant, &'static str, String)>,
    (from, until): (Instant, Instant),
) -> Vec<BarPiece> {
    let length = (until - from).num_minutes().max(1);
    let place = |at: Instant| (at - from).num_minutes() * WIDTH / length;
    let piece = |(start, end, tone, title): (Instant, Instant, &'static str, String)| {
        let (x, right) = (place(start.max(from)), place(end.min(until)));
        BarPiece {
            x,
            width: (right - x).max(WIDTH / 240),
            tone,
            title,
        }
    };
    let meets = |(start, end, ..): &(Instant, Instant, &'static str, String)| *start < until && *end > from;
    spans.into_iter().filter(meets).map(piece).collect()
}

/// `08:00–18:30` by the clock of `zone`, `until` as the end of a day where it is one.
pub fn hours(from: Instant, until: Instant, (begins, ends): (Instant, Instant), zone: Tz) -> String {
    if from <= begins && until >= ends {
        return "all day".to_owned();
    }
    let clock = |at: Instant| at.with_timezone(&zone).format("%H:%M").to_string();
    let end = if until >= ends {
        "24:00".to_owned()
    } else {
        clock(until)
    };
    let start = if from <= begins {
        "00:00".to_owned()
    } else {
        clock(from)
    };
    format!("{start}–{end}")
}
