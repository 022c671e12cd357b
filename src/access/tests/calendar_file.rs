//! The calendar's file and the iCalendar files it names.

use super::*;

/// A calendar, the line of its mistake, and a part of the message.
const WRONG: &[(&str, u32, &str)] = &[
    ("timezone = \"Mars\"\n", 1, "not a time zone"),
    ("timezone = \"UTC\"\nzone = 1\n", 2, "unknown field `zone`"),
    (
        "timezone = \"UTC\"\n[windows.w]\ndays = [\"mon\"]\nhours = [\"9-17\"]\n",
        4,
        "span of hours",
    ),
    (
        "timezone = \"UTC\"\n[windows.w]\ndays = [\"monday\"]\nhours = []\n",
        3,
        "not a day",
    ),
    (
        "timezone = \"UTC\"\n[windows.w]\nday = [\"mon\"]\nhours = []\n",
        3,
        "unknown field `day`",
    ),
    (
        "timezone = \"UTC\"\n[windows.always]\ndays = []\nhours = []\n",
        2,
        "built in",
    ),
    (
        "timezone = \"UTC\"\n[windows.w]\ndays = []\nhours = []\nholidays = \"no\"\n",
        5,
        "“closed”, “open” or “added”",
    ),
    (
        "timezone = \"UTC\"\n[windows.w]\ndays = []\nhours = []\nexceptions = { mon-fri = [] }\n",
        5,
        "one day",
    ),
    (
        "timezone = \"UTC\"\n[holidays]\ndates = [\n\"2026-02-30\"]\n",
        4,
        "not a day",
    ),
    (
        "timezone = \"UTC\"\n[holidays]\nfiles = [\"../x.ics\"]\n",
        3,
        "not the name of a file",
    ),
    (
        "timezone = \"UTC\"\n[holidays]\nfiles = [\"x.ics\"]\n",
        3,
        "no file “x.ics”",
    ),
    (
        "timezone = \"UTC\"\n[[freezes]]\nname = \"a\"\nreason = \"b\"\nfrom = 2026-01-02\nuntil = 2026-01-01\n",
        6,
        "ends before it begins",
    ),
    (
        "timezone = \"UTC\"\n[[freezes]]\nname = \"a\"\nfrom = 2026-01-02\nuntil = 2026-01-03\n",
        2,
        "missing field `reason`",
    ),
    (
        "timezone = \"Europe/Paris\"\n[[freezes]]\nname = \"a\"\nreason = \"b\"\nfrom = 2026-03-29T02:30:00\nuntil = 2026-05-01\n",
        5,
        "not a time that the clock",
    ),
    (
        "timezone = \"UTC\"\n[[freezes]]\nname = \"a\"\nreason = \"b\"\nfrom = 2026-03-29T02:30:01\nuntil = 2026-05-01\n",
        5,
        "to the minute",
    ),
    ("timezone = \n", 1, "string values must be quoted"),
    (
        "timezone = \"UTC\"\n[windows.w]\ndays = [\"mon\"]\n",
        2,
        "This window has no “hours”",
    ),
    (
        "timezone = \"UTC\"\n[windows.w]\nfrom = 2026-01-02\nuntil = 2026-01-01\n",
        4,
        "The window ends before it begins",
    ),
    (
        "timezone = \"UTC\"\n[windows.w]\ntimezone = \"Mars\"\nuntil = 2026-01-01\n",
        3,
        "not a time zone",
    ),
    (
        "timezone = \"UTC\"\n[windows.w]\nuntil = 08:00:00\n",
        3,
        "not a time that the clock",
    ),
    (
        "timezone = \"UTC\"\n[[freezes]]\nname = \"a\"\nreason = \"b\"\nfrom = 2026-01-02\nuntil = 2026-01-02\nprojects = [\"projects:\"]\n",
        7,
        "is not a name",
    ),
];

#[test]
fn each_bad_calendar_is_told_with_its_line() {
    for (calendar, line, reason) in WRONG {
        let dir = directory(&[(CALENDAR, calendar)]);
        let problems = told(dir.path()).join("\n");
        assert!(
            problems.starts_with(&format!("calendar.toml:{line}: ")),
            "{calendar}\n{problems}"
        );
        assert!(problems.contains(reason), "{calendar}\n{problems}");
        assert!(Access::load(dir.path()).is_err());
    }
}

#[test]
fn a_pipe_in_place_of_a_file_is_refused_and_not_waited_for() {
    let dir = directory(&[(TESTS, "")]);
    std::fs::remove_file(dir.path().join(CALENDAR)).unwrap();
    let mode = nix::sys::stat::Mode::S_IRUSR;
    nix::unistd::mkfifo(&dir.path().join(CALENDAR), mode).unwrap();
    let problems = told(dir.path()).join("\n");
    assert!(
        problems.contains("calendar.toml:0: Cannot read it in"),
        "{problems}"
    );
    assert!(problems.contains("it is no regular file."), "{problems}");
}

#[test]
fn holidays_come_from_an_icalendar_file() {
    let calendar = format!(
        "{}\n",
        shipped(CALENDAR)
            .unwrap()
            .replace("files = []", "files = [\"h.ics\"]")
    );
    let ics = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20261123\r\nDTEND;VALUE=DATE:2026\r\n 1125\r\n\
               SUMMARY:Two days\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20200714\r\n\
               RRULE:FREQ=YEARLY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    let dir = directory(&[(CALENDAR, &calendar), (TESTS, ""), ("h.ics", ics)]);
    let calendar = Access::load(dir.path()).unwrap().calendar();
    let open = |time| calendar.is_open("business-hours", at(time));
    assert!(!open("2026-11-23 10:00") && !open("2026-11-24 10:00"));
    assert!(open("2026-11-25 10:00"));
    assert!(!open("2027-07-14 10:00") && open("2027-07-15 10:00"));

    for (text, line, reason) in [
        (ics.replace("YEARLY", "MONTHLY"), 8, "RRULE"),
        (ics.replace("20261123", "20261323"), 3, "not a date"),
        (
            ics.replace("DTSTART;VALUE=DATE:20261123\r\n", ""),
            2,
            "no DTSTART",
        ),
        (ics.replace("SUMMARY", "RDATE"), 6, "RDATE is not supported here"),
        (
            ics.replace("20200714\r\n", "20200714\r\nDTEND;VALUE=DATE:20300714\r\n"),
            8,
            "two months",
        ),
        (ics.replacen("END:VEVENT\r\n", "", 1), 2, "no END:VEVENT"),
        (
            ics.replace("END:VEVENT\r\nEND:VCALENDAR\r\n", ""),
            8,
            "no END:VEVENT",
        ),
        (
            ics.replace("SUMMARY:Two days", "DTSTART;VALUE=DATE:20261224"),
            6,
            "a second DTSTART",
        ),
        ("nothing".to_owned(), 0, "not an iCalendar file"),
    ] {
        std::fs::write(dir.path().join("h.ics"), text).unwrap();
        let problems = told(dir.path()).join("\n");
        assert!(
            problems.contains(&format!("h.ics:{line}: ")) && problems.contains(reason),
            "{reason}: {problems}"
        );
        assert!(Access::load(dir.path()).is_err());
    }

    // The times of an alarm are not those of its event.
    let alarm = "BEGIN:VALARM\r\nDTSTART;VALUE=DATE:20261201\r\nEND:VALARM\r\nSUMMARY";
    std::fs::write(dir.path().join("h.ics"), ics.replacen("SUMMARY", alarm, 1)).unwrap();
    let calendar = Access::load(dir.path()).unwrap().calendar();
    assert!(calendar.is_open("business-hours", at("2026-12-01 10:00")));
    assert!(!calendar.is_open("business-hours", at("2026-11-24 10:00")));
}

#[test]
fn a_holiday_may_be_written_as_its_midnights_and_is_never_a_part_of_a_day() {
    let dir = directory(&[(TESTS, "")]);
    // By its own clock or in UTC.
    let calendar = |zone: &str| {
        let shipped = shipped(CALENDAR).unwrap().replace("\"UTC\"", zone);
        let calendar = shipped.replace("files = []", "files = [\"h.ics\"]");
        std::fs::write(dir.path().join(CALENDAR), calendar).unwrap();
        Access::load(dir.path()).map(|access| access.calendar())
    };
    let event = |start: &str, end: &str| {
        let text =
            format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART{start}\nDTEND{end}\nEND:VEVENT\nEND:VCALENDAR\n");
        std::fs::write(dir.path().join("h.ics"), text).unwrap();
    };
    for (zone, start, end) in [
        (
            "\"Europe/Paris\"",
            ";TZID=Europe/Paris:20261123T000000",
            ";TZID=Europe/Paris:20261124T000000",
        ),
        ("\"Europe/Paris\"", ":20261122T230000Z", ":20261123T230000Z"),
        ("\"Europe/Paris\"", ":20261123T000000Z", ":20261124T000000Z"),
        ("\"Europe/Paris\"", ":20261123T000000", ":20261123T235900"),
        ("\"UTC\"", ":20261123T000000", ":20261123T235959"),
    ] {
        event(start, end);
        let calendar = calendar(zone).unwrap();
        assert!(
            !calendar.is_open("business-hours", at("2026-11-23 10:00")),
            "{start}"
        );
        assert!(
            calendar.is_open("business-hours", at("2026-11-24 10:00")),
            "{start}"
        );
        assert!(
            calendar.is_open("business-hours", at("2026-11-20 10:00")),
            "{start}"
        );
    }
    // A holiday of some hours is never lost.
    event(":20261224T140000", ":20261225T000000");
    let problems = calendar("\"UTC\"").unwrap_err();
    assert!(
        problems
            .iter()
            .any(|problem| problem.is_error() && problem.line == 3 && problem.message.contains("whole days")),
        "{problems:?}"
    );
}

#[test]
fn of_holidays_some_fifty_years_are_enough() {
    let calendar = shipped(CALENDAR)
        .unwrap()
        .replace("files = []", "files = [\"h.ics\"]");
    let dir = directory(&[(CALENDAR, &calendar), (TESTS, ""), ("h.ics", "")]);
    let first: chrono::NaiveDate = "2000-01-01".parse().unwrap();
    let events = |count: usize| -> String {
        let days = first.iter_days().take(count);
        let events = days.map(|day| {
            let day = day.format("%Y%m%d");
            format!("BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:{day}\r\nEND:VEVENT\r\n")
        });
        format!(
            "BEGIN:VCALENDAR\r\n{}END:VCALENDAR\r\n",
            events.collect::<String>()
        )
    };
    for (count, is_taken) in [(1900, true), (2001, false)] {
        std::fs::write(dir.path().join("h.ics"), events(count)).unwrap();
        assert_eq!(Access::load(dir.path()).is_ok(), is_taken, "{count}");
        let problems = told(dir.path()).join("\n");
        assert_eq!(
            problems.contains("more than 2000 holidays"),
            !is_taken,
            "{problems}"
        );
    }
}
