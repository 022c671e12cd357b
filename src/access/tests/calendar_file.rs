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
        "timezone = \"UTC\"\n[[freezes]]\nname = \"a\"\nreason = \"b\"\nfrom = 2026-01-02\nuntil = 2025-12-31\n",
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
        "timezone = \"UTC\"\n[windows.w]\nfrom = 2026-01-02\nuntil = 2025-12-31\n",
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
        "“08:00:00” has no day: write it like 2026-12-18T18:00:00",
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

/// A value of `until` in a window that has `from = 2026-12-18T18:00:00`, and what is said of it.
const WRONG_ENDS: &[(&str, &str)] = &[
    (
        "2026-02-30",
        "“2026-02-30” is not a day: February 2026 has 28 days.",
    ),
    (
        "2026-13-01",
        "“2026-13-01” is not a day: months go from 01 to 12.",
    ),
    ("2026-2-3", "“2026-2-3” is not a day; write it as 2026-02-03."),
    ("18.12.2026", "write the year first: 2026-12-18."),
    (
        "12-19T18:00:00",
        "“12-19T18:00:00” has no year: write the year first, as 2026-12-19T18:00:00.",
    ),
    (
        "12-19",
        "“12-19” has no year: write the year first, as 2026-12-19.",
    ),
    (
        "2026-12-19T25:00:00",
        "“25:00” is not a time, as a day ends at 24:00.",
    ),
    ("2026-12-19T24:00:00", "write 00:00 of the next day."),
    (
        "2026-12-19 08:60:00",
        "“08:60” is not a time, as minutes go from 00 to 59.",
    ),
    ("2026-12-19T8:30:00", "“8:30” is written “08:30”."),
    ("25:00", "“25:00” is not a time, as a day ends at 24:00."),
    ("\"2026-12-20\"", "stands without quotes: 2026-12-18T18:00:00."),
    ("\"2026-02-30\"", "February 2026 has 28 days."),
    ("2026", "“2026” is not a day or a time; write it like 2026-12-18"),
    (
        "2026-12-18T18:00:00",
        "The window holds no time, as it ends when it begins: “until” has to be later than “from”.",
    ),
    (
        "2026-12-17",
        "The window ends before it begins: “until” has to be later than “from”.",
    ),
    ("2026-12-18T18:00:30", "Write it to the minute"),
];

/// Hours of a window, and what is said of them.
const WRONG_HOURS: &[(&str, &str)] = &[
    (
        "25:00-26:00",
        "“25:00-26:00” is not a span of hours: “25:00” is not a time, as a day ends at 24:00;",
    ),
    (
        "22:00-30:00",
        "“30:00” is not a time, as a day ends at 24:00; write it like “08:00-18:30”, or “22:00-06:00” over midnight.",
    ),
    ("8:60-10:00", "“8:60” is not a time, as minutes go from 00 to 59;"),
    ("8:00-10:00", "“8:00” is written “08:00”;"),
    ("08:00", "“08:00” is not a span of hours; write it like"),
    (
        "09:00-09:00",
        "holds no time; for a whole day write “00:00-24:00”.",
    ),
    (
        "00:00-00:00",
        "holds no time; for a whole day write “00:00-24:00”.",
    ),
    (
        "24:00-06:00",
        "begins where its day ends; write “00:00-06:00”, with the days after.",
    ),
];

/// A line, what stands in the calendar from its second line on, and what is said of that.
const WRONG_DAYS: &[(u32, &str, &str)] = &[
    (
        3,
        "[holidays]\ndates = [\"02-30\"]",
        "“02-30” is not a day: February has 29 days.",
    ),
    (3, "[holidays]\ndates = [\"2026-2-3\"]", "write it as 2026-02-03."),
    (3, "[holidays]\ndates = [\"xmas\"]", "“12-25” for every year."),
    (
        5,
        "[windows.w]\ndays = []\nhours = []\nexceptions = { 2026-02-30 = [] }",
        "February 2026 has 28 days.",
    ),
    (
        3,
        "[windows.w]\ntimezone = \"europe/paris\"\nuntil = 2026-12-18",
        "write “Europe/Paris”, if that is meant.",
    ),
    (
        3,
        "[windows.w]\ntimezone = \"New York\"\nuntil = 2026-12-18",
        "write “America/New_York”, if that is meant.",
    ),
    (
        3,
        "[windows.w]\ntimezone = \"UTC+1\"\nuntil = 2026-12-18",
        "write it like “Europe/Paris” or “UTC”.",
    ),
];

#[test]
fn a_wrong_time_is_told_with_its_line_and_what_is_right() {
    let said = |calendar: &str| {
        let dir = directory(&[(CALENDAR, calendar), (POLICY, ""), (TESTS, "")]);
        told(dir.path()).join("\n")
    };
    for (end, reason) in WRONG_ENDS {
        let calendar =
            format!("timezone = \"UTC\"\n[windows.w]\nfrom = 2026-12-18T18:00:00\nuntil = {end} # then\n");
        let problems = said(&calendar);
        assert!(
            problems.starts_with("calendar.toml:4: ") && problems.contains(reason),
            "{end}: {problems}"
        );
    }
    for (hours, reason) in WRONG_HOURS {
        let calendar =
            format!("timezone = \"UTC\"\n[windows.w]\ndays = [\"mon\"]\nhours = [\n  \"{hours}\",\n]\n");
        let problems = said(&calendar);
        assert!(
            problems.starts_with("calendar.toml:5: ") && problems.contains(reason),
            "{hours}: {problems}"
        );
    }
    for (line, text, reason) in WRONG_DAYS {
        let problems = said(&format!("timezone = \"UTC\"\n{text}\n"));
        let start = format!("calendar.toml:{line}: ");
        assert!(
            problems.starts_with(&start) && problems.contains(reason),
            "{text}: {problems}"
        );
    }
    let good = "timezone = \"UTC\"\n[windows.w]\ndays = [\"mon\"]\nhours = [\"22:00-06:00\", \"00:00-24:00\"]\n\
                from = 2026-12-18\nuntil = 2026-12-18\n[windows.v]\nfrom = 2026-12-18T18:00:00+01:00\n\
                until = 2026-12-19 08:30:00\n";
    assert!(!said(good).contains("calendar.toml"), "{}", said(good));
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
