//! How facts become words on a page: times, durations, sizes, counts, initials.
//!
//! Plain functions of their arguments; the present instant is one of them. The components call
//! these by path, so a page needs no imports of its own.

use chrono::TimeDelta;

use crate::domain::Instant;

/// A name of at most so many characters fits everywhere.
const UNCUT: usize = 9;
/// How many characters of a longer name's end are always shown.
const NAME_END: usize = 7;

/// As machines read it: `2026-11-22T10:00:00Z`.
pub fn iso(at: &Instant) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// As people read it in full: `2026-11-22 10:00:00 UTC`.
pub fn full(at: &Instant) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// As a title has it: `Mon 30 Nov, 08:00 UTC`.
pub fn day_and_time(at: &Instant) -> String {
    at.format("%a %-d %b, %H:%M UTC").to_string()
}

/// The date alone: `22 Nov 2026`.
pub fn date(at: &Instant) -> String {
    at.format("%-d %b %Y").to_string()
}

/// The time of day: `10:00:00`.
pub fn clock(at: &Instant) -> String {
    at.format("%H:%M:%S").to_string()
}

/// How long before (or after) `now`: `just now`, `42 s ago`, `in 3 min`; older than a fortnight
/// is a date.
pub fn ago(at: &Instant, now: &Instant) -> String {
    let apart = *now - *at;
    let seconds = apart.num_seconds().abs();
    let amount = match seconds {
        0..10 => return "just now".to_owned(),
        10..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        // A day and a half are 36 h: whole days would hide half of it.
        3_600..172_800 => format!("{} h", seconds / 3_600),
        172_800..1_209_600 => count(seconds / 86_400, "day"),
        _ => return date(at),
    };
    if apart < TimeDelta::zero() {
        format!("in {amount}")
    } else {
        format!("{amount} ago")
    }
}

/// A length of time: `350 ms`, `4.2 s`, `3 min 05 s`, `1 h 12 min`, `2 days 3 h`.
pub fn duration(length: TimeDelta) -> String {
    let millis = length.num_milliseconds().max(0);
    let seconds = millis / 1_000;
    match seconds {
        0 => format!("{millis} ms"),
        1..10 => format!("{}.{} s", seconds, millis % 1_000 / 100),
        10..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!(
            "{} {} h",
            count(seconds / 86_400, "day"),
            seconds % 86_400 / 3_600
        ),
    }
}

/// From `start` to `end`, or to `now` while there is no end.
pub fn took(start: &Instant, end: &Option<Instant>, now: &Instant) -> String {
    duration(end.unwrap_or(*now) - *start)
}

/// A number of bytes: `512 B`, `1.4 KiB`, `80 MiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    // Sizes beyond 2^53 lose digits that are not shown anyway.
    #[expect(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
    let mut amount = bytes as f64 / 1_024.0;
    let mut unit = 0;
    while amount >= 1_024.0 && unit + 1 < UNITS.len() {
        amount /= 1_024.0;
        unit += 1;
    }
    if amount < 10.0 {
        format!("{amount:.1} {}", UNITS[unit])
    } else {
        format!("{amount:.0} {}", UNITS[unit])
    }
}

/// A whole number with its digits in groups of three: `1,234,567`.
pub fn number(value: impl Amount) -> String {
    let value = value.whole();
    let digits = value.unsigned_abs().to_string();
    let mut grouped = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if value < 0 { format!("-{grouped}") } else { grouped }
}

/// A number of things, in either of the types that hold one.
pub trait Amount {
    /// The number; more than fits is the largest that does.
    fn whole(&self) -> i64;
}

impl Amount for i64 {
    fn whole(&self) -> i64 {
        *self
    }
}

impl Amount for usize {
    fn whole(&self) -> i64 {
        i64::try_from(*self).unwrap_or(i64::MAX)
    }
}

impl<T: Amount> Amount for &T {
    fn whole(&self) -> i64 {
        (*self).whole()
    }
}

/// A counted noun with a regular plural: `1 server`, `12 servers`.
pub fn count(amount: impl Amount, noun: &str) -> String {
    let amount = amount.whole();
    let plural = if amount == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", number(amount))
}

pub use crate::domain::short_hash as short;

/// A name in two parts, of which the second tells it apart from others and is never cut. The first is
/// empty for a short name.
pub fn halves(name: &str) -> (&str, &str) {
    let count = name.chars().count();
    if count <= UNCUT {
        return ("", name);
    }
    let at = name.char_indices().nth(count - NAME_END).map_or(0, |(at, _)| at);
    name.split_at(at)
}

/// Up to two letters that stand for a person.
pub fn initials(name: &str) -> String {
    let mut parts = name
        .split(|c: char| !c.is_alphanumeric())
        .filter_map(|part| part.chars().next());
    let letters: String = parts.next().into_iter().chain(parts.next_back()).collect();
    letters.to_uppercase()
}

/// The number (0 to 7) of a person's colour, the same on every page.
pub fn hue(name: &str) -> u32 {
    name.bytes().fold(2_166_136_261_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(16_777_619)
    }) >> 29
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn at(seconds: i64) -> Instant {
        DateTime::from_timestamp(1_795_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn times_read_as_a_person_would_say_them() {
        let now = at(0);
        assert_eq!(ago(&at(-3), &now), "just now");
        assert_eq!(ago(&at(-42), &now), "42 s ago");
        assert_eq!(ago(&at(-200), &now), "3 min ago");
        assert_eq!(ago(&at(200), &now), "in 3 min");
        assert_eq!(ago(&at(43 * 3_600), &now), "in 43 h");
        assert_eq!(ago(&at(-2 * 86_400), &now), "2 days ago");
        assert_eq!(ago(&at(-30 * 86_400), &now), "19 Oct 2026");
    }

    #[test]
    fn amounts_keep_two_parts_at_most() {
        assert_eq!(duration(TimeDelta::milliseconds(350)), "350 ms");
        assert_eq!(duration(TimeDelta::milliseconds(4_260)), "4.2 s");
        assert_eq!(duration(TimeDelta::seconds(185)), "3 min 05 s");
        assert_eq!(duration(TimeDelta::seconds(-5)), "0 ms");
        assert_eq!(size(512), "512 B");
        assert_eq!(size(1_433), "1.4 KiB");
        assert_eq!(size(80 << 20), "80 MiB");
        assert_eq!(number(-1_234_567_i64), "-1,234,567");
        assert_eq!(count(1_i64, "server"), "1 server");
        assert_eq!(count(1_000_i64, "line"), "1,000 lines");
    }

    #[test]
    fn the_end_of_a_long_name_is_kept() {
        assert_eq!(halves("web1"), ("", "web1"));
        assert_eq!(halves("frontend-eu-west-12"), ("frontend-eu-", "west-12"));
        assert_eq!(halves("größe-eins-zwei"), ("größe-ei", "ns-zwei"));
    }

    #[test]
    fn people_have_initials_whatever_they_are_called() {
        assert_eq!(initials("Ada Lovelace"), "AL");
        assert_eq!(initials("alice"), "A");
        assert_eq!(initials("jean-luc.picard"), "JP");
        assert_eq!(initials("🚀"), "");
        assert!(hue("alice") < 8);
    }
}
