//! `docs/limits.md` tells the truth about limits: each constant stands in the file that the page names,
//! each setting in the sample configuration, and both have the values that the page says.

use std::fs;

use super::{files, root};

/// What stands between backticks in `line`.
fn quoted(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

/// How many of the smallest unit (bytes, milliseconds, days, pieces) `word` stands for; `None` for a word
/// that is no unit.
fn unit(word: &str) -> Option<u64> {
    Some(match word {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "s" => 1000,
        "m" | "minutes" => 60_000,
        _ => return None,
    })
}

/// The amounts in a cell of the page, such as “16 KiB, 300 characters”.
fn amounts(cell: &str) -> Vec<u64> {
    let amount = |part: &str| {
        let (number, rest) = part.split_once(' ').unwrap_or((part, ""));
        let number: u64 = number.replace(',', "").parse().ok()?;
        let word = rest.split(' ').next().unwrap_or_default();
        Some(number * unit(word).unwrap_or(1))
    };
    cell.split(", ").filter_map(amount).collect()
}

/// The value of the constant `name` in `text`.
fn constant(name: &str, text: &str) -> Option<u64> {
    let (_, rest) = text.split_once(&format!("const {name}: "))?;
    let (_, value) = rest.split(';').next()?.split_once("= ")?;
    let (value, times) = match value.strip_suffix(')').and_then(|value| value.split_once('(')) {
        Some((maker, value)) => (value, if maker.ends_with("from_secs") { 1000 } else { 1 }),
        None => (value, 1),
    };
    let number = |text: &str| text.trim().replace('_', "").parse::<u64>().ok();
    let value = match value.split_once("<<") {
        Some((value, bits)) => number(value)? << number(bits)?,
        None => value
            .split('*')
            .map(number)
            .try_fold(1, |product, one| Some(product * one?))?,
    };
    Some(value * times)
}

/// The value of the setting `section.key` in the sample configuration.
fn setting(section: &str, key: &str, sample: &str) -> Option<u64> {
    let own = sample.split(&format!("[{section}]\n")).nth(1)?;
    let own = own.split("\n[").next()?;
    let (_, value) = own.split_once(&format!("\n{key} = "))?;
    let value = value.lines().next()?.trim_matches('"');
    let end = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (number, word) = value.split_at(end);
    let unit_of_key = if key.ends_with("_mib") { "MiB" } else { word };
    Some(number.parse::<u64>().unwrap_or(0) * unit(unit_of_key).unwrap_or(1))
}

/// What `line` says that is not so; nothing for a line that names no limit.
fn fault(line: &str, sample: &str) -> Option<String> {
    let mut cells = line.trim_matches(['|', ' ']).split(" | ").skip(1);
    let (cell, names) = (cells.next()?, quoted(cells.next()?));
    let mut values = Vec::new();
    for (at, name) in names
        .iter()
        .enumerate()
        .filter(|(_, name)| !name.ends_with(".rs"))
    {
        let value = match name.split_once('.') {
            Some((section, key)) => setting(section, key, sample),
            // It stands in the file that is named next.
            None => names[at..]
                .iter()
                .find(|later| later.ends_with(".rs"))
                .and_then(|file| fs::read_to_string(root().join(file)).ok())
                .and_then(|text| constant(name, &text)),
        };
        let Some(value) = value else {
            return Some(format!(
                "docs/limits.md: {name} is not where this line says: {line}"
            ));
        };
        values.push(value);
    }
    let amounts = amounts(cell);
    (!amounts.is_empty() && amounts != values)
        .then(|| format!("docs/limits.md: this line says {amounts:?}, but it is {values:?}: {line}"))
}

/// Constants that are named like limits of what others decide, and are none.
const OTHERS: &[&str] = &[
    // The values that settings have where nobody sets them.
    "PACK_LIMIT in src/git/mod.rs",
    "LFS_OBJECT_LIMIT in src/git/mod.rs",
    "LFS_PROJECT_LIMIT in src/git/mod.rs",
    // Of what libgit2 asks our own listener.
    "HEAD_LIMIT in src/git/link.rs",
    // What is beyond it goes to the disk instead.
    "MEMORY_LIMIT in src/sync/pack.rs",
    // A part of the limit of a form.
    "LIMIT in src/web/kept.rs",
    // Of a name that we make ourselves.
    "LONGEST_NAME in src/app/admin/jump_hosts.rs",
];

/// The limits of size in `text`, the file at `path`: whole numbers that are named as such.
fn limits_in<'a>(path: &'a str, text: &'a str) -> impl Iterator<Item = String> + 'a {
    fn is_limit(name: &str) -> bool {
        let mut words = name.split('_');
        words.any(|word| ["LIMIT", "MOST", "LONGEST"].contains(&word))
    }
    let constant = |line: &'a str| {
        let (before, rest) = line.split_once("const ")?;
        let (name, rest) = rest.split_once(": ")?;
        let is_here = before.is_empty() || before.starts_with("pub");
        let is_size = ["u8", "u16", "u32", "u64", "usize", "i64"].contains(&rest.split(' ').next()?);
        (is_here && is_size && is_limit(name)).then_some(name)
    };
    let names = text.lines().filter_map(constant);
    names.map(move |name| format!("{name} in {path}"))
}

#[test]
fn each_limit_of_the_program_is_on_the_page() {
    let page = fs::read_to_string(root().join("docs/limits.md")).unwrap();
    let is_told = |limit: &str| {
        let (name, path) = limit.split_once(" in ").unwrap_or_default();
        let names = [format!("`{name}`"), format!("`{path}`")];
        page.lines()
            .any(|line| names.iter().all(|name| line.contains(name)))
    };
    let mut found = Vec::new();
    for file in files(&root().join("src"), ".rs") {
        if file.ends_with("tests.rs") {
            continue;
        }
        let path = file.strip_prefix(root()).unwrap().display().to_string();
        found.extend(limits_in(&path, &fs::read_to_string(&file).unwrap()));
    }
    let is_other = |limit: &String| OTHERS.contains(&limit.as_str());
    let missing: Vec<&String> = found
        .iter()
        .filter(|limit| !is_told(limit) && !is_other(limit))
        .collect();
    assert!(missing.is_empty(), "docs/limits.md does not tell of {missing:#?}");
    let stale: Vec<&&str> = OTHERS
        .iter()
        .filter(|other| !found.iter().any(|limit| limit == *other))
        .collect();
    assert!(stale.is_empty(), "these are there no more: {stale:?}");
    assert!(found.len() > 60, "{found:?}");
}

#[test]
fn each_limit_is_where_and_what_the_page_says() {
    let page = fs::read_to_string(root().join("docs/limits.md")).unwrap();
    let sample = fs::read_to_string(root().join("deployer.sample.toml")).unwrap();
    let faults: Vec<String> = page
        .lines()
        .filter(|line| line.starts_with("| "))
        .filter_map(|line| fault(line, &sample))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    for (line, is_right) in [
        ("| a | 1 | `NOTHING` in `src/lib.rs` |", false),
        ("| a | 1 | `git.nothing` |", false),
        ("| a | 8 MiB | `FILE_LIMIT` in `src/access/files.rs` |", true),
        ("| a | 8 KiB | `FILE_LIMIT` in `src/access/files.rs` |", false),
        ("| a | 20 days | `UNUSED` in `src/app/cleaner.rs` |", true),
        ("| a | 30 days | `UNUSED` in `src/app/cleaner.rs` |", false),
        ("| a | 10 minutes | `git.fetch_timeout` |", true),
        ("| a | 10 s | `git.fetch_timeout` |", false),
        ("| a | 4 GiB | `git.lfs_object_limit_mib` |", true),
    ] {
        assert_eq!(fault(line, &sample).is_none(), is_right, "{line}");
    }
}

#[test]
fn what_is_tried_with_hostile_input_is_on_the_page() {
    let page = fs::read_to_string(root().join("docs/limits.md")).unwrap();
    let (_, hostile) = page.split_once("## Hostile input").unwrap();
    let mut told: Vec<&str> = quoted(hostile);
    told.retain(|name| name.ends_with(".rs"));
    told.sort_unstable();
    let mut found = Vec::new();
    for directory in ["src", "tests/git", "tests/sync"] {
        for file in files(&root().join(directory), ".rs") {
            let text = fs::read_to_string(&file).unwrap();
            if text.contains("proptest! {") || text.contains("Dice::new(") {
                found.push(file.strip_prefix(root()).unwrap().display().to_string());
            }
        }
    }
    found.sort_unstable();
    assert_eq!(told, found);
}
