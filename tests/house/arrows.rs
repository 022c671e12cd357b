//! Which module may know which, and which crates belong to one module only.

use super::source::Source;

/// For each module of the library, those it may use; itself always. Further down knows less.
const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("clock", &[]),
    ("config", &["domain"]),
    ("telemetry", &["config"]),
    ("terminal", &[]),
    ("private", &[]),
    ("removal", &[]),
    ("small_file", &[]),
    ("free_room", &[]),
    ("process", &["domain"]),
    ("confinement", &["process", "removal", "free_room"]),
    ("http", &["domain", "small_file"]),
    ("oidc", &["domain", "http"]),
    ("plugin", &["domain", "process", "http"]),
    ("handshake", &["domain", "small_file"]),
    (
        "git",
        &[
            "domain",
            "clock",
            "process",
            "removal",
            "free_room",
            "http",
            "handshake",
            "small_file",
        ],
    ),
    ("ssh", &["domain", "clock", "process", "handshake"]),
    ("sync", &["domain", "clock", "process", "free_room", "ssh"]),
    ("balancer", &["domain", "clock", "http", "small_file"]),
    // A health check asks by HTTP, by TCP or by a command, from here or through a server's sshd.
    (
        "health",
        &["domain", "clock", "confinement", "process", "http", "ssh"],
    ),
    // A change is made from a permit, and only `access` makes those.
    ("store", &["domain", "clock", "access", "private"]),
    ("access", &["domain", "clock", "small_file"]),
    (
        "engine",
        &[
            "domain",
            "clock",
            "confinement",
            "process",
            "removal",
            "access",
            "store",
            "git",
            "ssh",
            "sync",
            "balancer",
            "health",
            "terminal",
            "small_file",
        ],
    ),
    (
        "app",
        &[
            "domain",
            "clock",
            "confinement",
            "private",
            "small_file",
            "access",
            "engine",
            "store",
            "git",
            "ssh",
            "sync",
            "config",
            "balancer",
            "handshake",
            "oidc",
            "plugin",
        ],
    ),
    (
        "web",
        &[
            "domain", "clock", "app", "access", "config", "engine", "git", "store", "terminal",
        ],
    ),
    (
        "demo",
        &[
            "domain",
            "clock",
            "confinement",
            "app",
            "access",
            "config",
            "engine",
            "git",
            "process",
            "ssh",
            "store",
            "web",
            "balancer",
        ],
    ),
    (
        "cli",
        &[
            "domain",
            "clock",
            "app",
            "access",
            "config",
            "demo",
            "git",
            "handshake",
            "http",
            "private",
            "process",
            "small_file",
            "ssh",
            "store",
            "telemetry",
            "web",
        ],
    ),
];

/// Crates that one place knows.
const BELONGS_TO: &[(&str, &[&str])] = &[
    ("sea_orm", &["src/store", "migrations/"]),
    ("sea_orm_migration", &["src/store", "migrations/"]),
    ("poem", &["src/web"]),
    ("poem_openapi", &["src/web/api"]),
    ("askama", &["src/web"]),
    ("casbin", &["src/access"]),
    ("git2", &["src/git", "src/demo"]),
    ("russh", &["src/ssh", "src/git", "src/handshake", "src/demo"]),
    ("clap", &["src/cli", "src/main.rs"]),
    ("openidconnect", &["src/oidc"]),
];

/// What `source`, found at `name`, uses and must not.
pub fn faults(name: &str, source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    let code = source.code_without_tests();
    for (krate, places) in BELONGS_TO {
        let here = places.iter().any(|place| name.starts_with(place)) || name.starts_with("tests/");
        if !here && let Some(line) = line_with_path(&code, krate) {
            faults.push(format!(
                "{name}:{line}: the crate {krate} belongs to {}",
                places.join(" and ")
            ));
        }
    }
    let is_test = name.ends_with("/tests.rs") || name.contains("/tests/");
    let Some(module) = module_of(name).filter(|_| !is_test) else {
        return faults;
    };
    let Some((_, allowed)) = MAY_USE.iter().find(|(known, _)| *known == module) else {
        faults.push(format!(
            "{name}: the module {module} has no place in the table of arrows"
        ));
        return faults;
    };
    for (used, line) in used_modules(&code) {
        let is_module = MAY_USE.iter().any(|(known, _)| *known == used);
        if is_module && used != module && !allowed.contains(&used.as_str()) {
            faults.push(format!("{name}:{line}: {module} must not know {used}"));
        }
    }
    faults
}

/// The library's top-level module that the file at `name` is part of.
fn module_of(name: &str) -> Option<&str> {
    let inside = name.strip_prefix("src/")?;
    let first = inside.split('/').next()?;
    Some(first.trim_end_matches(".rs")).filter(|module| !["lib", "main"].contains(module))
}

/// The line, counted from 1, where a path begins with the crate `krate`.
fn line_with_path(code: &str, krate: &str) -> Option<usize> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.lines()
        .position(|line| {
            line.match_indices(krate).any(|(at, _)| {
                let (before, after) = (&line[..at], &line[at + krate.len()..]);
                let inside = before.trim_end_matches("::").ends_with(is_word);
                let is_use = line.trim_start().starts_with("use ") && after.starts_with([';', ' ']);
                !inside && (after.starts_with("::") || is_use)
            })
        })
        .map(|line| line + 1)
}

/// The modules that paths from `crate::` lead to, each with its line: `crate::a::x` and those of
/// `use crate::{a::x, b};`.
fn used_modules(code: &str) -> Vec<(String, usize)> {
    let mut used = Vec::new();
    for (at, found) in code.match_indices("crate::") {
        let line = code[..at].matches('\n').count() + 1;
        let rest = &code[at + found.len()..];
        let heads = match rest.strip_prefix('{') {
            Some(group) => heads_of_group(group),
            None => vec![head(rest)],
        };
        used.extend(heads.into_iter().map(|head| (head, line)));
    }
    used
}

/// The first word of each part of a group, up to its closing brace.
fn heads_of_group(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut begins) = (0, Vec::new(), true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => begins = true,
            c if begins && !c.is_whitespace() => {
                heads.push(head(&group[at..]));
                begins = false;
            }
            _ => {}
        }
    }
    heads
}

fn head(path: &str) -> String {
    path.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

#[test]
fn a_wrong_arrow_is_seen_in_every_form() {
    for code in [
        "use crate::store::Store;",
        "use crate::{domain::Name, store};",
        "use crate::{\n    domain::{Name, server},\n    store::Store,\n};",
        "fn f() { crate::store::open() }",
        "use sea_orm::Database;",
        "fn f() { ::sea_orm::connect() }",
    ] {
        let source = Source::new(format!("//! Head\n{code}\n"));
        assert_eq!(faults("src/git/mirror.rs", &source).len(), 1, "{code}");
        assert_eq!(faults("src/store/mod.rs", &source), [""; 0], "{code}");
    }
    for fine in [
        "// use crate::store::Store;",
        "const X: &str = \"crate::store\";",
        "use crate::domain::Name;",
        "#[cfg(test)]\nmod tests {\n    use crate::store::Store;\n}",
        "use my_sea_orm::x;",
    ] {
        let source = Source::new(format!("//! Head\n{fine}\n"));
        assert_eq!(faults("src/git/mirror.rs", &source), [""; 0], "{fine}");
    }
}
