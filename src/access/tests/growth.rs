//! Checking a policy takes as long as its files are, and not longer.

use std::fmt::Write as _;
use std::time::{Duration, Instant as Stopwatch};

use crate::access::columns::Vocabulary;
use crate::access::{expectations, lines, roles};

/// Four times as much may take this many times as long: in a straight line it is four, and sixteen if each
/// part were looked at once for each other.
const GROWTH: u32 = 9;

/// Compares how long `work` takes for `size` and for four times as much: the shortest of some tries, as other
/// programs are at work too.
fn assert_grows_straight(size: usize, work: impl Fn(usize) -> Duration) {
    let shortest = |size| (0..3).map(|_| work(size)).min().unwrap();
    let (short, long) = (shortest(size), shortest(4 * size));
    assert!(
        long < short * GROWTH,
        "{short:?} for {size} and {long:?} for {}",
        4 * size
    );
}

#[test]
fn four_times_the_tests_are_read_in_four_times_the_time() {
    assert_grows_straight(2_500, |size| {
        let mut tests = "expect = [\n".to_owned();
        for number in 0..size {
            let minute = number % 60;
            writeln!(
                tests,
                "  \"user{number} may deploy shop/prod at 2026-11-23 10:{minute:02}\","
            )
            .unwrap();
        }
        tests.push_str("]\n");
        let begun = Stopwatch::now();
        let read = expectations::read_all(&tests, chrono_tz::UTC, true, &mut Vec::new());
        let took = begun.elapsed();
        assert_eq!(
            (read.len(), read.last().unwrap().line),
            (size, u32::try_from(size + 1).unwrap())
        );
        took
    });
}

#[test]
fn four_times_the_roles_are_held_against_each_other_in_four_times_the_time() {
    assert_grows_straight(1_500, |size| {
        let mut policy = String::new();
        for number in 0..size {
            writeln!(policy, "p, role:team{number}, shop, dev, view, always, allow").unwrap();
            writeln!(policy, "g, user{number}, role:team{number}").unwrap();
        }
        let known = Vocabulary {
            calendar: None,
            groups: true,
        };
        let read = lines::read(&policy, known, &mut Vec::new());
        let mut problems = Vec::new();
        let begun = Stopwatch::now();
        roles::check(&read, &mut problems);
        let took = begun.elapsed();
        assert_eq!((read.rules.len(), problems), (size, Vec::new()));
        took
    });
}
