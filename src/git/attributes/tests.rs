//! Patterns against those of Git, and attributes that are made to take memory and time.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::*;

fn attributes(top: &str, below: &[(&str, &str)]) -> Attributes {
    let rules = |content: &str, is_top| Rc::new(FilterRules::read(content.as_bytes(), is_top).unwrap());
    let mut all = Attributes::below(Rc::default(), b"", rules(top, true));
    for (prefix, content) in below {
        all = Attributes::below(Rc::new(all), prefix.as_bytes(), rules(content, false));
    }
    all
}

fn is_lfs(all: &Attributes, path: &[u8]) -> bool {
    all.is_lfs(path, &Budget::new(CancellationToken::new())).unwrap()
}

#[test]
fn patterns_fit_as_git_says() {
    for (pattern, fits, fits_not) in [
        ("*.png", "a.png b/c.png .png", "a.pngx png"),
        ("img/*", "img/a", "img/a/b x/img/a"),
        ("/top", "top", "a/top"),
        ("img/**", "img/a img/a/b", "img x/img/a"),
        ("**/x", "x a/x a/b/x", "ax a/bx"),
        ("a/**/b", "a/b a/x/b a/x/y/b", "a/xb ab"),
        ("**/**/x", "x a/x a/b/x", "ax"),
        ("[a-c]?[!0-9]", "abx cx_", "dbx ab1 ab"),
        ("\\*", "*", "a"),
        ("\"a b\"", "a b", "a"),
        ("a*b*c", "abc axxbyyc", "ab/c acb"),
        ("dir/", "", "dir dir/a"),
    ] {
        let all = attributes(&format!("{pattern} filter=lfs diff=lfs -text\r\n"), &[]);
        let paths = |text: &str| -> Vec<String> {
            match pattern.starts_with('"') {
                true => vec![text.to_owned()],
                false => text.split_whitespace().map(str::to_owned).collect(),
            }
        };
        for path in paths(fits) {
            assert!(is_lfs(&all, path.as_bytes()), "{pattern} {path}");
        }
        for path in paths(fits_not) {
            assert!(!is_lfs(&all, path.as_bytes()), "{pattern} {path}");
        }
    }
}

#[test]
fn the_last_line_of_the_lowest_directory_decides() {
    let top = "[attr]big filter=lfs -text\n# *.a filter=lfs\n*.bin big\n*.raw filter=lfs\nsmall.raw !filter\nx.raw filter=other\n";
    let at_top = attributes(top, &[]);
    let in_sub = attributes(top, &[("sub/", "*.bin -filter\n/deep/*.bin filter=lfs\n")]);
    for (path, is_lfs) in [
        ("a.bin", true),
        ("a.a", false),
        ("a.raw", true),
        ("small.raw", false),
        ("x.raw", false),
        ("sub/a.bin", false),
        ("sub/deep/a.bin", true),
        ("sub/a.raw", true),
    ] {
        let all = if path.starts_with("sub/") {
            &in_sub
        } else {
            &at_top
        };
        assert_eq!(self::is_lfs(all, path.as_bytes()), is_lfs, "{path}");
    }
}

#[test]
fn many_stars_take_no_time() {
    let pattern = "*a".repeat(1000);
    let all = attributes(&format!("{pattern} filter=lfs\n"), &[]);
    assert!(!is_lfs(&all, &[b'a'; 999]));
    assert!(is_lfs(&all, &[b'a'; 1000]));
}

#[test]
fn matching_ends_with_its_budget_and_with_whoever_waits() {
    let pattern = format!("**/{}b filter=lfs\n", "*a".repeat(1000));
    let all = attributes(&pattern.repeat(500), &[]);
    let path = [vec![b'a'; 4000], b"/b".to_vec()].concat();
    let begun = Instant::now();
    let outcome_of = |time: Duration, unwanted: &CancellationToken| {
        let budget = Budget::of(1000, time, unwanted.clone());
        // Each file takes some time, and there may be millions.
        (0..1_000_000).find_map(|_| all.is_lfs(&path, &budget).err())
    };
    let (soon, unwanted) = (Duration::from_millis(100), CancellationToken::new());
    let outcome = outcome_of(soon, &unwanted);
    assert!(matches!(outcome, Some(Error::TooMuchToCompare)), "{outcome:?}");
    let day = Duration::from_secs(86_400);
    let spent = Budget::of(1000, day, unwanted.clone());
    while spent.spend_steps(1 << 20).is_ok() {}
    let told = all.is_lfs(&path, &spent).map_err(|error| error.to_string());
    assert!(told.is_err_and(|told| told.contains("compares too many patterns")));
    unwanted.cancel();
    let outcome = outcome_of(day, &unwanted);
    assert!(matches!(outcome, Some(Error::Cancelled)), "{outcome:?}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn a_file_of_nothing_but_macros_takes_no_time() {
    let macros: String = (0..40_000).map(|n| format!("[attr]m{n} filter\n")).collect();
    let words: String = (0..400)
        .map(|_| format!("f{}\n", " unknown".repeat(100)))
        .collect();
    let begun = Instant::now();
    assert!(
        FilterRules::read([macros, words].concat().as_bytes(), true)
            .unwrap()
            .0
            .is_empty()
    );
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn more_lines_than_anybody_writes_are_refused() {
    let lines = "a filter=lfs\n".repeat(MOST_RULES);
    assert_eq!(
        FilterRules::read(lines.as_bytes(), true).unwrap().0.len(),
        MOST_RULES
    );
    let more = format!("{lines}a filter=lfs\n");
    let error = FilterRules::read(more.as_bytes(), true).unwrap_err();
    assert!(error.to_string().contains("more than 10000 lines"), "{error}");
}

#[test]
fn longer_lines_than_git_reads_are_passed_over() {
    for (bytes, count) in [(LINE_BYTES, 2), (LINE_BYTES + 1, 1)] {
        let end = " filter=lfs";
        let lines = format!("{}{end}\n*.a filter=lfs\n", "?".repeat(bytes - end.len()));
        let rules = FilterRules::read(lines.as_bytes(), true).unwrap();
        assert_eq!(rules.0.len(), count, "{bytes}");
    }
}
