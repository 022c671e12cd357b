//! `docs/limits.md` tells the truth about where limits are: each constant stands in the file that the
//! page names, and each setting in the sample configuration.

use std::fs;

use super::root;

/// What stands between backticks in `line`.
fn quoted(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

/// What `line` says that is not so; nothing for a line that names no limit.
fn fault(line: &str, sample: &str) -> Option<String> {
    let names = quoted(line.rsplit_once(" | ").map_or("", |(_, last)| last));
    let (files, names): (Vec<&str>, Vec<&str>) = names.into_iter().partition(|name| name.ends_with(".rs"));
    let text = files
        .iter()
        .map(|file| fs::read_to_string(root().join(file)).unwrap_or_default())
        .collect::<String>();
    let wrong = names.into_iter().find(|name| match name.split_once('.') {
        Some((section, key)) => {
            let in_section = sample.split(&format!("[{section}]\n")).nth(1);
            let own = in_section.and_then(|rest| rest.split("\n[").next());
            !own.is_some_and(|own| own.contains(&format!("\n{key} = ")))
        }
        None => !text.contains(&format!("const {name}: ")),
    });
    wrong.map(|name| format!("docs/limits.md: {name} is not where this line says: {line}"))
}

#[test]
fn each_limit_is_where_the_page_says() {
    let page = fs::read_to_string(root().join("docs/limits.md")).unwrap();
    let sample = fs::read_to_string(root().join("deployer.sample.toml")).unwrap();
    let faults: Vec<String> = page
        .lines()
        .filter(|line| line.starts_with("| "))
        .filter_map(|line| fault(line, &sample))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(fault("| a | 1 | `NOTHING` in `src/lib.rs` |", &sample).is_some());
    assert!(fault("| a | 1 | `git.nothing` |", &sample).is_some());
}
