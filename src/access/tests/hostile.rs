//! Policy files of any content: refused with sentences that name a line, or read as they say.

use chrono_tz::Tz;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::access::columns::Vocabulary;
use crate::access::files::Source;
use crate::access::problem::{MESSAGE_CHARS, Problem};
use crate::access::rule::Rule;
use crate::access::{calendar_file, expectations, ical, lines};
use crate::cases::cases;
use crate::domain::{Calendar, Holidays};

const POLICY_WORDS: [&str; 41] = [
    "p, ",
    "g, ",
    "g2, ",
    "g3, ",
    "p",
    ", ",
    ",",
    "\n",
    "\r\n",
    "# ",
    " ",
    "alice",
    "role:developer",
    "group:/a/b",
    "*",
    "webshop",
    "prod",
    "deploy",
    "view",
    "administer",
    "always",
    "freeze",
    "freeze:x",
    "business-hours",
    "allow",
    "deny",
    "default",
    "guest",
    "auto",
    "role:",
    "\u{202e}",
    "\0",
    "\"",
    "p, alice, webshop, prod, deploy, always, allow\n",
    "g, alice, role:developer\n",
    "g2, deploy, view\n",
    "g3, webshop, projects:web\n",
    "projects:closed",
    "projects:web",
    "users",
    "allow with ",
];

const CALENDAR_WORDS: [&str; 39] = [
    "timezone = ",
    "\"UTC\"",
    "\"Europe/Paris\"",
    "\n",
    "[windows.",
    "w]",
    "[windows.w]\n",
    "days = ",
    "[\"mon\"]",
    "hours = ",
    "\"09:00-17:00\"",
    "\"23:00-01:00\"",
    "\"24:00-00:00\"",
    "from = ",
    "until = ",
    "\"2026-12-24\"",
    "2026-12-24",
    "\"9999-12-31 23:59\"",
    "\"-262143-01-01\"",
    "[holidays]\n",
    "dates = ",
    "[\"12-25\", \"2026-01-01\"]",
    "files = ",
    "[\"x.ics\"]",
    "[\"../x\"]",
    "[[freezes]]\n",
    "reason = ",
    "projects = ",
    "\"x\"",
    "[",
    "]",
    "{",
    "}",
    "=",
    "#",
    "on_holidays = ",
    "\"closed\"",
    "name = ",
    "2026-12-24T10:00:00",
];

const ICAL_WORDS: [&str; 25] = [
    "BEGIN:VCALENDAR\n",
    "BEGIN:VEVENT\n",
    "END:VEVENT\n",
    "BEGIN:VALARM\n",
    "END:VALARM\n",
    "DTSTART;VALUE=DATE:20261225\n",
    "DTEND;VALUE=DATE:20261227\n",
    "DTSTART:20261225T100000Z\n",
    "DTSTART:",
    "DTEND:",
    "20261231",
    "99991231",
    "00000101",
    "-99991231",
    "+2621421231",
    "\n",
    "\r\n",
    " ",
    "\t",
    ":",
    ";",
    "RRULE:FREQ=YEARLY\n",
    "RRULE:FREQ=WEEKLY\n",
    "RDATE:20260101\n",
    "dtstart:20260229\n",
];

const EXPECTATION_WORDS: [&str; 27] = [
    "alice",
    "role:developer",
    "group:x",
    "guest",
    " may ",
    "may",
    "not ",
    "deploy ",
    "view ",
    "destroy ",
    "webshop/beta",
    "everything",
    "*",
    "*/prod",
    "a/b/c",
    " at ",
    "2026-11-23 10:00",
    "2026-03-29 02:30",
    "99999-01-01 00:00",
    "-1-01-01 00:00",
    " ",
    "\u{202e}",
    "“",
    " in group:",
    ", group:y",
    " with role:developer",
    "alice may not deploy webshop/beta at 2026-11-23 10:00",
];

/// Pieces of `words`, and of anything.
fn text_of<const N: usize>(words: [&'static str; N]) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        12 => prop::sample::select(words.to_vec()).prop_map(str::to_owned),
        1 => "\\PC{0,12}",
        1 => vec(any::<char>(), 0..10).prop_map(|chars| chars.into_iter().collect()),
    ];
    vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

/// The first problem that is no sentence about a line of `text`.
fn odd<'a>(problems: &'a [Problem], text: &str) -> Option<&'a Problem> {
    let lines = u32::try_from(text.split('\n').count()).unwrap();
    problems.iter().find(|problem| {
        let message = &problem.message;
        let is_sentence = message.ends_with(['.', '…', '”']) && message.chars().count() <= MESSAGE_CHARS;
        !is_sentence || message.contains(['\n', '\0']) || problem.line > lines
    })
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn policy_lines_are_read_as_they_are_written(text in text_of(POLICY_WORDS)) {
        let mut problems = Vec::new();
        let calendar = Calendar::default();
        let known = Vocabulary { calendar: Some(&calendar), groups: true };
        let read = lines::read(&text, known, &mut problems);
        prop_assert!(odd(&problems, &text).is_none(), "{:?}", odd(&problems, &text));
        prop_assert!(read.rules.len() <= text.lines().count());
        let written: String = read.rules.iter().map(|rule| format!("{}\n", rule.line.text)).collect();
        let again = lines::read(&written, known, &mut Vec::new());
        let rows = |lines: &lines::PolicyLines| lines.rules.iter().map(Rule::row).collect::<Vec<_>>();
        prop_assert_eq!(rows(&again), rows(&read));
    }

    #[test]
    fn a_calendar_is_read_or_refused(text in text_of(CALENDAR_WORDS)) {
        let mut problems = Vec::new();
        let read = calendar_file::read(&text, &Source::Builtin, &mut problems);
        prop_assert!(odd(&problems, &text).is_none(), "{:?}", odd(&problems, &text));
        let calendar = read.map(|(calendar, _)| calendar).unwrap_or_default();
        prop_assert!(calendar.windows.len() + calendar.freezes.len() <= text.len());
    }

    #[test]
    fn holidays_are_read_or_refused(text in text_of(ICAL_WORDS)) {
        let (mut problems, mut holidays) = (Vec::new(), Holidays::default());
        ical::read("x.ics", &text, Tz::Asia__Kathmandu, &mut holidays, &mut problems);
        prop_assert!(odd(&problems, &text).is_none(), "{:?}", odd(&problems, &text));
        let events = text.matches("END:VEVENT").count();
        prop_assert!(holidays.dates.len() + holidays.yearly.len() <= 62 * events);
    }

    #[test]
    fn an_expectation_is_read_or_refused(sentence in text_of(EXPECTATION_WORDS)) {
        for zone in [Tz::UTC, Tz::Europe__Paris] {
            match expectations::read(&sentence, zone, true) {
                Ok(read) => prop_assert!(!read.names.is_empty()),
                Err(why) => prop_assert!(why.ends_with('.'), "{}", why),
            }
        }
    }
}

#[test]
fn a_file_that_is_larger_than_any_policy_is_not_read() {
    let policy = format!("{}\n# ", shipped(POLICY).unwrap());
    let padded = |bytes: usize| format!("{policy}{}", "x".repeat(bytes - policy.len()));
    for (bytes, is_read) in [(8 << 20, true), ((8 << 20) + 1, false)] {
        let dir = directory(&[(POLICY, &padded(bytes))]);
        let problems = told(dir.path()).join("\n");
        assert_eq!(
            problems.contains("has more than 8388608 bytes"),
            !is_read,
            "{problems}"
        );
        assert_eq!(Access::load(dir.path()).is_ok(), is_read);
    }
}

#[test]
fn a_problem_is_one_line_and_no_longer_than_a_sentence() {
    let odd = Problem::error("policy.csv", 1, "one\ntwo\0three\r\n");
    assert_eq!(odd.message, "one two three");
    let long = Problem::error("policy.csv", 1, "é".repeat(601));
    assert!(long.message.chars().count() <= 600 && long.message.starts_with("éé"));
    let whole = Problem::error("policy.csv", 1, "é".repeat(600));
    assert_eq!(whole.message.chars().count(), 600);
}

#[test]
fn of_very_many_problems_the_first_are_shown() {
    let policy = "p, alice\n".repeat(5000);
    let dir = directory(&[(POLICY, &policy)]);
    let report = check(dir.path());
    assert!(!report.is_good());
    assert_eq!(report.problems.len(), 201);
    let last = report.problems.last().unwrap().to_string();
    assert_eq!(
        last,
        "policy.csv:0: 4800 more problems are not shown; mend these first."
    );
    let long = format!("p, {}, a, b, deploy, always, allow\n", "x".repeat(100_000));
    let dir = directory(&[(POLICY, &long)]);
    for told in check(dir.path()).problems {
        assert!(told.message.chars().count() <= MESSAGE_CHARS);
    }
}
