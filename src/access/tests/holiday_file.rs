//! The iCalendar files that a calendar names.

use super::*;

/// Two days in one year, and one day in each.
const ICS: &str = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20261123\r\nDTEND;VALUE=DATE:2026\r\n 1125\r\n\
     SUMMARY:Two days\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20200714\r\n\
     RRULE:FREQ=YEARLY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

#[test]
fn holidays_come_from_an_icalendar_file() {
    let calendar = format!(
        "{}\n",
        shipped(CALENDAR)
            .unwrap()
            .replace("files = []", "files = [\"h.ics\"]")
    );
    let dir = directory(&[(CALENDAR, &calendar), (TESTS, ""), ("h.ics", ICS)]);
    let calendar = Access::load(dir.path()).unwrap().calendar();
    let open = |time| calendar.is_open("business-hours", at(time));
    assert!(!open("2026-11-23 10:00") && !open("2026-11-24 10:00"));
    assert!(open("2026-11-25 10:00"));
    assert!(!open("2027-07-14 10:00") && open("2027-07-15 10:00"));

    // The times of an alarm are not those of its event.
    let alarm = "BEGIN:VALARM\r\nDTSTART;VALUE=DATE:20261201\r\nEND:VALARM\r\nSUMMARY";
    std::fs::write(dir.path().join("h.ics"), ICS.replacen("SUMMARY", alarm, 1)).unwrap();
    let calendar = Access::load(dir.path()).unwrap().calendar();
    assert!(calendar.is_open("business-hours", at("2026-12-01 10:00")));
    assert!(!calendar.is_open("business-hours", at("2026-11-24 10:00")));
}

/// What is put in place of what in [`ICS`], the line of the mistake, and a part of the message.
const MISTAKES: &[(&str, &str, u32, &str)] = &[
    ("YEARLY", "MONTHLY", 10, "RRULE"),
    ("20261123", "20261323", 3, "not a date"),
    ("DTSTART;VALUE=DATE:20261123\r\n", "", 2, "no DTSTART"),
    ("SUMMARY", "RDATE", 6, "RDATE is not supported here"),
    ("SUMMARY", "EXDATE", 6, "EXDATE is not supported here"),
    ("SUMMARY", "EXRULE", 6, "EXRULE is not supported here"),
    (
        "SUMMARY:Two days",
        "RECURRENCE-ID;VALUE=DATE:20261123",
        6,
        "RECURRENCE-ID is not supported here",
    ),
    (
        "SUMMARY:Two days",
        "STATUS:TENTATIVE",
        6,
        "make it CONFIRMED or CANCELLED",
    ),
    (
        "SUMMARY:Two days",
        "DURATION:PT36H",
        6,
        "A holiday lasts whole days",
    ),
    (
        "SUMMARY:Two days",
        "DURATION:P1D",
        2,
        "both a DTEND and a DURATION",
    ),
    ("YEARLY", "YEARLY;UNTIL=20250101", 10, "RRULE"),
    ("YEARLY", "YEARLY;COUNT=3", 10, "RRULE"),
    ("YEARLY", "YEARLY;BYMONTH=8", 10, "RRULE"),
    ("YEARLY", "YEARLY;INTERVAL=2", 10, "RRULE"),
    ("YEARLY", "YEARLY\r\nRRULE:FREQ=DAILY", 11, "a second RRULE"),
    ("SUMMARY:Two days", "SUMMARY Two days", 6, "no property"),
    (
        "BEGIN:VCALENDAR\r\n",
        "BEGIN:VCALENDAR\r\nMETHOD:CANCEL\r\n",
        2,
        "METHOD:CANCEL is not supported here",
    ),
    (
        "BEGIN:VCALENDAR\r\n",
        "BEGIN:VCALENDAR\r\nCALSCALE:HEBREW\r\n",
        2,
        "CALSCALE:HEBREW is not supported here",
    ),
    ("END:VCALENDAR\r\n", "", 1, "may have been cut off"),
    (
        "END:VCALENDAR",
        "END:VEVENT\r\nEND:VCALENDAR",
        12,
        "There is no BEGIN:VEVENT",
    ),
    (
        "20200714\r\n",
        "20200714\r\nDTEND;VALUE=DATE:20300714\r\n",
        8,
        "two months",
    ),
    ("END:VEVENT\r\n", "", 2, "no END:VEVENT"),
    ("END:VEVENT\r\nEND:VCALENDAR\r\n", "", 8, "no END:VEVENT"),
    (
        "SUMMARY:Two days",
        "DTSTART;VALUE=DATE:20261224",
        6,
        "a second DTSTART",
    ),
];

#[test]
fn each_bad_holiday_file_is_told_with_its_line() {
    let calendar = shipped(CALENDAR)
        .unwrap()
        .replace("files = []", "files = [\"h.ics\"]");
    let dir = directory(&[(CALENDAR, &calendar), (TESTS, "")]);
    let said = |text: &str| {
        std::fs::write(dir.path().join("h.ics"), text).unwrap();
        assert!(Access::load(dir.path()).is_err(), "{text}");
        told(dir.path()).join("\n")
    };
    for (what, instead, line, reason) in MISTAKES {
        let text = ICS.replacen(what, instead, 1);
        assert_ne!(text, ICS, "{what}");
        let problems = said(&text);
        assert!(
            problems.contains(&format!("h.ics:{line}: ")) && problems.contains(reason),
            "{reason}: {problems}"
        );
    }
    let problems = said("nothing");
    assert!(
        problems.contains("h.ics:0: This is not an iCalendar file"),
        "{problems}"
    );
}

/// What is said in an event about the 23rd and 24th of November, and whether it is a holiday then.
const MEANINGS: &[(&str, bool)] = &[
    ("STATUS:CONFIRMED", true),
    ("STATUS:CANCELLED", false),
    ("status;X-A=\"a:b\":cancelled", false),
    ("TRANSP:TRANSPARENT", true),
    ("X-MICROSOFT-CDO-BUSYSTATUS:FREE", true),
    ("DURATION:P2D", true),
    ("DURATION:+PT48H0M0S", true),
    ("DURATION:P1W", true),
    ("RRULE:FREQ=YEARLY;WKST=MO;BYMONTH=11;BYMONTHDAY=23", true),
    ("RRULE:BYMONTH=11;FREQ=YEARLY;INTERVAL=1", true),
];

#[test]
fn what_changes_an_event_is_understood() {
    let dir = directory(&[(TESTS, "")]);
    let calendar = shipped(CALENDAR)
        .unwrap()
        .replace("files = []", "files = [\"h.ics\"]");
    std::fs::write(dir.path().join(CALENDAR), calendar).unwrap();
    let write = |lines: &str| {
        let text = format!(
            "BEGIN:VCALENDAR\nMETHOD:PUBLISH\nBEGIN:VTIMEZONE\nBEGIN:STANDARD\nRRULE:FREQ=YEARLY;BYDAY=1SU\nEND:STANDARD\n\
             END:VTIMEZONE\nBEGIN:VEVENT\nUID:1\nDTSTART;VALUE=DATE:20261123\n{lines}\nEND:VEVENT\nEND:VCALENDAR\n"
        );
        std::fs::write(dir.path().join("h.ics"), text).unwrap();
    };
    for (said, is_holiday) in MEANINGS {
        write(said);
        let access = Access::load(dir.path())
            .map_err(|problems| (said, problems))
            .unwrap();
        let is_open = access
            .calendar()
            .is_open("business-hours", at("2026-11-23 10:00"));
        assert_eq!(is_open, !is_holiday, "{said}");
        if said.starts_with("DURATION") {
            assert!(
                !access
                    .calendar()
                    .is_open("business-hours", at("2026-11-24 10:00")),
                "{said}"
            );
        }
    }
    // What is not known is told, and two versions of one event are.
    write("HOLIDAYNESS:HALF");
    let problems = told(dir.path()).join("\n");
    assert!(
        problems.contains("h.ics:11: warning: “HOLIDAYNESS” is not known here"),
        "{problems}"
    );
    write("END:VEVENT\nBEGIN:VEVENT\nUID:1\nDTSTART;VALUE=DATE:20261125");
    let problems = told(dir.path()).join("\n");
    assert!(
        problems.contains("h.ics:13: warning: The event of line 9 has the same UID"),
        "{problems}"
    );
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
