//! Windows on ordinary days, on holidays, over midnight, and when the clock is put forward or back.

use chrono::{Duration, NaiveDateTime, TimeZone};
use proptest::prelude::*;

use super::*;

const PARIS: Tz = Tz::Europe__Paris;

/// An instant from Paris's wall clock; the later one where the time occurs twice.
fn paris(local: &str) -> Instant {
    let local = NaiveDateTime::parse_from_str(local, "%Y-%m-%d %H:%M").unwrap();
    PARIS.from_local_datetime(&local).latest().unwrap().to_utc()
}

fn utc(text: &str) -> Instant {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M")
        .unwrap()
        .and_utc()
}

fn hours(spans: &[&str]) -> Vec<Hours> {
    spans.iter().map(|span| span.parse().unwrap()).collect()
}

fn calendar(name: &str, window: Window) -> Calendar {
    let windows = BTreeMap::from([(name.to_owned(), window)]);
    let holidays = Holidays {
        dates: [date("2026-12-28")].into(),
        yearly: [(12, 25)].into(),
    };
    Calendar {
        zone: PARIS,
        windows,
        holidays,
        freezes: Vec::new(),
    }
}

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// 08:00 to 18:30, not on Friday from 14:00, no weekend.
fn business() -> Calendar {
    let mut window = Window {
        days: [true, true, true, true, true, false, false],
        hours: hours(&["08:00-18:30"]),
        ..Window::default()
    };
    window.weekday_exceptions[4] = Some(hours(&["08:00-14:00"]));
    window.date_exceptions = [
        (date("2026-12-24"), hours(&["09:00-12:00"])),
        (date("2026-12-31"), vec![]),
    ]
    .into();
    calendar("business", window)
}

fn daily(spans: &[&str]) -> Calendar {
    calendar(
        "daily",
        Window {
            days: [true; 7],
            hours: hours(spans),
            holidays: OnHolidays::Open,
            ..Window::default()
        },
    )
}

#[test]
fn business_hours_hold_on_working_days_only() {
    let calendar = business();
    let cases = [
        ("2026-11-23 07:59", false),
        ("2026-11-23 08:00", true),
        ("2026-11-23 18:29", true),
        ("2026-11-23 18:30", false),
        ("2026-11-27 13:59", true),
        ("2026-11-27 14:00", false),
        ("2026-11-28 10:00", false),
        ("2026-12-24 08:30", false),
        ("2026-12-24 11:59", true),
        ("2026-12-25 10:00", false),
        ("2026-12-28 10:00", false),
        ("2026-12-31 10:00", false),
        ("2027-12-24 10:00", true),
    ];
    for (at, open) in cases {
        assert_eq!(calendar.is_open("business", paris(at)), open, "{at}");
    }
}

#[test]
fn the_zone_is_the_configured_one() {
    // 07:30 in London is 08:30 in Paris.
    assert!(business().is_open("business", utc("2026-11-23 07:30")));
    assert!(!business().is_open("business", utc("2026-11-23 17:30")));
}

/// The first instant within `days` at which `window` is open, from `after` on.
fn next_opening(calendar: &Calendar, window: &str, after: Instant, days: u16) -> Option<Instant> {
    let changes = calendar.changes(after, days).into_iter();
    std::iter::once(after)
        .chain(changes)
        .find(|&at| calendar.is_open(window, at))
}

#[test]
fn the_next_opening_skips_weekends_and_holidays() {
    let calendar = business();
    let next = |after| next_opening(&calendar, "business", paris(after), 60);
    assert_eq!(next("2026-11-27 14:00"), Some(paris("2026-11-30 08:00")));
    assert_eq!(next("2026-12-24 12:00"), Some(paris("2026-12-29 08:00")));
    assert_eq!(
        next("2026-11-23 10:00"),
        Some(paris("2026-11-23 10:00")),
        "open already"
    );
    assert_eq!(
        next_opening(&calendar, "business", paris("2026-11-28 10:00"), 1),
        None,
        "not within a day"
    );
    assert_eq!(
        next_opening(&calendar, "nonsense", paris("2026-11-28 10:00"), 60),
        None
    );
    assert_eq!(
        next_opening(&calendar, ALWAYS, paris("2026-11-28 10:00"), 60),
        Some(paris("2026-11-28 10:00"))
    );
}

#[test]
fn hours_over_midnight_belong_to_the_day_they_begin_on() {
    let window = Window {
        days: [false, false, false, false, true, false, false],
        hours: hours(&["22:00-06:00"]),
        ..Window::default()
    };
    let calendar = calendar("night", window);
    let open = |at| calendar.is_open("night", paris(at));
    assert!(!open("2026-11-27 03:00"), "Thursday's night is not one");
    assert!(open("2026-11-27 22:00"));
    assert!(open("2026-11-28 05:59"));
    assert!(!open("2026-11-28 06:00"));
    assert!(!open("2026-11-28 22:00"));
    assert!(open("2026-12-19 03:00"));
    assert!(!open("2026-12-26 03:00"), "the night began on a holiday");
}

#[test]
fn holidays_can_be_days_like_others_or_days_of_a_window() {
    let window = |holidays| Window {
        days: [false, false, false, false, false, true, true],
        hours: hours(&["00:00-24:00"]),
        holidays,
        ..Window::default()
    };
    let on = |holidays, at| calendar("w", window(holidays)).is_open("w", paris(at));
    // 2026-12-28 is a Monday, 2027-12-25 a Saturday; both are holidays.
    assert!(!on(OnHolidays::Open, "2026-12-28 10:00"));
    assert!(on(OnHolidays::Open, "2027-12-25 10:00"));
    assert!(on(OnHolidays::Added, "2026-12-28 10:00"));
    assert!(!on(OnHolidays::Closed, "2027-12-25 10:00"));
}

#[test]
fn an_hour_that_is_skipped_is_never_open() {
    // On 2026-03-29 Paris goes from 02:00 to 03:00, at 01:00 UTC.
    let inside = daily(&["02:00-03:00"]);
    assert!(!inside.is_open("daily", utc("2026-03-29 00:59")));
    assert!(!inside.is_open("daily", utc("2026-03-29 01:00")));
    assert_eq!(
        next_opening(&inside, "daily", utc("2026-03-28 22:00"), 7),
        Some(paris("2026-03-30 02:00")),
        "the next day's"
    );
    let across = daily(&["02:30-05:00"]);
    assert_eq!(
        next_opening(&across, "daily", utc("2026-03-28 22:00"), 7),
        Some(utc("2026-03-29 01:00")),
        "it opens when the clock jumps over its beginning"
    );
}

#[test]
fn an_hour_that_comes_twice_is_open_twice() {
    // On 2026-10-25 Paris goes from 03:00 back to 02:00, at 01:00 UTC.
    let calendar = daily(&["02:00-02:30"]);
    let open = |at| calendar.is_open("daily", utc(at));
    assert!(open("2026-10-25 00:00") && open("2026-10-25 00:29"));
    assert!(!open("2026-10-25 00:30") && !open("2026-10-25 00:59"));
    assert!(open("2026-10-25 01:00") && open("2026-10-25 01:29"));
    assert!(!open("2026-10-25 01:30"));
    let next = next_opening(&calendar, "daily", utc("2026-10-25 00:45"), 7);
    assert_eq!(next, Some(utc("2026-10-25 01:00")), "the second time");
}

#[test]
fn freezes_hold_for_what_they_name() {
    let freeze = |name: &str, until, environments: &[&str]| Freeze {
        name: name.to_owned(),
        from: utc("2026-12-18 17:00"),
        until: utc(until),
        reason: "peak season".to_owned(),
        projects: vec!["shop".to_owned()],
        members: Vec::new(),
        environments: environments.iter().map(|&e| e.to_owned()).collect(),
    };
    let freezes = vec![
        freeze("sale", "2026-12-20 00:00", &[]),
        freeze("peak", "2027-01-04 07:00", &["prod"]),
    ];
    let calendar = Calendar {
        freezes,
        ..Calendar::default()
    };
    let held = |project: &str, environment: &str, at| {
        let resource = Resource::Environment(project.to_owned(), environment.to_owned());
        calendar
            .freeze_for(&resource, utc(at))
            .map(|freeze| freeze.name.as_str())
    };
    assert_eq!(held("shop", "prod", "2026-12-18 16:59"), None);
    assert_eq!(
        held("shop", "prod", "2026-12-18 17:00"),
        Some("peak"),
        "the one that lasts longest"
    );
    assert_eq!(held("shop", "beta", "2026-12-18 17:00"), Some("sale"));
    assert_eq!(held("shop", "beta", "2026-12-20 00:00"), None);
    assert_eq!(held("blog", "prod", "2026-12-24 00:00"), None);
}

#[test]
fn hours_are_read_strictly() {
    for good in ["08:00-18:30", "00:00-24:00", "22:00 - 06:00"] {
        assert!(good.parse::<Hours>().is_ok(), "{good}");
    }
    for bad in [
        "",
        "8:00-18:30",
        "08:00",
        "08:00-25:00",
        "08:60-09:00",
        "24:00-01:00",
        "08:00-08:00",
        "+8:00-09:00",
        "24:01-01:00",
    ] {
        assert!(bad.parse::<Hours>().is_err(), "{bad}");
    }
}

proptest! {
    #![proptest_config(crate::cases::cases(256))]

    /// Whatever the hours, zone and instant: between two changes, the window does not move.
    #[test]
    fn nothing_changes_between_changes(
        from in 0u16..DAY,
        until in 1u16..=DAY,
        days in prop::array::uniform7(any::<bool>()),
        zone in prop::sample::select(vec![PARIS, Tz::UTC, Tz::America__New_York, Tz::Asia__Kathmandu,
            Tz::Australia__Lord_Howe, Tz::America__Sao_Paulo, Tz::Pacific__Apia, Tz::America__Asuncion]),
        own in prop::option::of(prop::sample::select(vec![Tz::Asia__Kolkata, Tz::America__New_York])),
        begins in prop::option::of(0i64..4000),
        lasts in prop::option::of(1i64..4000),
        start in 1_300_000_000i64..1_800_000_000,
    ) {
        prop_assume!(from != until);
        let minutes = |count: i64| Instant::from_timestamp(start - start % 60 + 60 * count, 0).unwrap();
        let window = Window {
            days,
            hours: vec![Hours { from, until }],
            zone: own,
            from: begins.map(minutes),
            until: lasts.map(|count| minutes(begins.unwrap_or(0) + count)),
            ..Window::default()
        };
        let calendar = Calendar { zone, ..calendar("w", window) };
        let after = Instant::from_timestamp(start - start % 60, 0).unwrap();
        let changes = calendar.changes(after, 3);
        let mut open = calendar.is_open("w", after);
        for minute in 1..=3 * 24 * 60 {
            let at = after + Duration::minutes(minute);
            let now = calendar.is_open("w", at);
            prop_assert!(now == open || changes.contains(&at), "{at} {zone}");
            open = now;
        }
    }
}
