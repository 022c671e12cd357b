//! `docs/limits.md` tells the truth about limits: each constant stands in the file that the page names,
//! each setting in the sample configuration, and both have the values that the page says.

use std::fs;

use super::root;

/// What stands between backticks in `line`.
fn quoted(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

/// How many of the smallest unit (bytes, seconds, days, pieces) `word` stands for; `None` for a word that is
/// no unit.
fn unit(word: &str) -> Option<u64> {
    Some(match word {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "s" => 1,
        "m" | "minutes" => 60,
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
    let inside = value.strip_suffix(')').and_then(|value| value.split_once('('));
    let value = inside.map_or(value, |(_, value)| value);
    let number = |text: &str| text.trim().replace('_', "").parse::<u64>().ok();
    match value.split_once("<<") {
        Some((value, bits)) => Some(number(value)? << number(bits)?),
        None => value
            .split('*')
            .map(number)
            .try_fold(1, |product, one| Some(product * one?)),
    }
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
    let (files, names): (Vec<&str>, Vec<&str>) = names.into_iter().partition(|name| name.ends_with(".rs"));
    let text = files
        .iter()
        .map(|file| fs::read_to_string(root().join(file)).unwrap_or_default())
        .collect::<String>();
    let mut values = Vec::new();
    for name in names {
        let value = match name.split_once('.') {
            Some((section, key)) => setting(section, key, sample),
            None => constant(name, &text),
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
