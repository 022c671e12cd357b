//! The reader's time zone: what the address says, else what the browser told, else the calendar's.

use chrono::TimeZone;
use chrono_tz::Tz;

use super::forms::FormData;
use super::visitor::Visitor;
use crate::domain::Instant;

/// The zone that a page is asked in, and a complaint where the address names one that there is not.
pub fn of(visitor: &Visitor, sent: &FormData) -> (Tz, Option<String>) {
    let own = visitor
        .zone()
        .unwrap_or_else(|| visitor.app().policy().calendar().zone);
    let name = sent.text("zone").trim();
    if name.is_empty() {
        return (own, None);
    }
    match name.parse::<Tz>() {
        Ok(zone) => (zone, None),
        Err(_) => (
            own,
            Some("Write a zone of the IANA database, like Europe/Paris or UTC.".to_owned()),
        ),
    }
}

/// Zones that a form offers while typing: the browser's, the calendar's, and UTC.
pub fn offered(visitor: &Visitor) -> Vec<String> {
    let calendar = visitor.app().policy().calendar().zone;
    let all = [visitor.zone(), Some(calendar), Some(Tz::UTC)];
    let mut names: Vec<String> = all
        .into_iter()
        .flatten()
        .map(|zone| zone.name().to_owned())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// `Mon 23 Nov 2026, 10:00 CET`
pub fn words(at: Instant, zone: Tz) -> String {
    at.with_timezone(&zone)
        .format("%a %-d %b %Y, %H:%M %Z")
        .to_string()
}

/// As the value of a field for date and time.
pub fn field_value(at: Instant, zone: Tz) -> String {
    at.with_timezone(&zone).format("%Y-%m-%dT%H:%M").to_string()
}

/// Reads the value of such a field by the clock of `zone`.
pub fn read(text: &str, zone: Tz) -> Result<Instant, String> {
    let forms = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"];
    let local = forms
        .iter()
        .find_map(|form| chrono::NaiveDateTime::parse_from_str(text.trim(), form).ok())
        .ok_or("Write date and time as 2026-11-23 08:30.")?;
    let found = zone.from_local_datetime(&local).earliest();
    let at = found.ok_or_else(|| format!("The clock of {zone} is put forward over this time."))?;
    Ok(at.to_utc())
}
