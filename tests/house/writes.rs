//! What the store writes is either a change, which commits only with its event, or a record of
//! what happens along the way, which reaches only the tables below.

use super::paths::Paths;
use super::source::{Function, Source};

/// The tables that may be written without an event, each with what is noted there.
const RECORDED: &[(&str, &str)] = &[
    (
        "auto_progress",
        "which commits of a branch were looked at, and which one waits",
    ),
    ("deployment_servers", "the journal of each server"),
    (
        "deployments",
        "the journal of a deployment: phase, plan, pause and the worker's lease",
    ),
    (
        "hand_acts",
        "what people have begun at balancers, until it is known what came of it",
    ),
    (
        "held_out",
        "where at the balancers' endpoints servers are out because of us",
    ),
    (
        "identities",
        "which groups a login from outside told last, and when",
    ),
    ("jobs", "which instance does a periodic job"),
    (
        "kept_answers",
        "answers to requests that carry a key, for the same request sent again",
    ),
    ("leftovers", "what could not be deleted on servers"),
    ("log_chunks", "log lines"),
    ("observations", "what was seen on servers"),
    (
        "polling",
        "when a repository was asked for news, and what kept it from that",
    ),
    ("pushes", "what Git hosts told, and what came of it"),
    (
        "releases",
        "what was put onto servers, and when it was last found there",
    ),
    ("reservations", "which deployment holds a server"),
    ("sessions", "who is logged in, and when they were last here"),
    ("steps", "the journal of steps"),
    ("tokens", "when and from where an API token was last used"),
];

/// Functions on which both ways to write stand, by file.
const GROUND: &[(&str, &str)] = &[
    ("src/store/audit/append.rs", "append"),
    ("src/store/backend.rs", "unlock_migrations"),
    ("src/store/change.rs", "insert_all"),
    // Changes nothing that can be read.
    ("src/store/sealing.rs", "wipe_remains"),
];

/// Calls of the database that change something.
const EXECUTES: [&str; 6] = [
    "insert_all(",
    ".exec(",
    ".exec_with_returning(",
    ".exec_without_returning(",
    ".execute(",
    ".execute_unprepared(",
];

/// Calls of a row that change something when they are given a connection.
const WRITES_ROW: [&str; 4] = [".insert(", ".update(", ".save(", ".delete("];

/// How a function that writes is allowed to.
#[derive(Debug, PartialEq)]
enum Way {
    Change,
    Record,
    Neither,
}

/// What in the store's file `name` writes without a right to.
pub fn faults(name: &str, source: &Source) -> Vec<String> {
    let is_test = name.ends_with("/tests.rs") || name.contains("/tests/");
    if is_test || !name.starts_with("src/store/") {
        return Vec::new();
    }
    let code = Source::new(source.code_without_tests());
    let paths = Paths::of(&code.code);
    let mut faults = Vec::new();
    for function in code.functions() {
        if !writes(function.body) || GROUND.contains(&(name, function.name.as_str())) {
            continue;
        }
        let Function { name: of, line, .. } = &function;
        match way(&function) {
            Way::Change => {}
            Way::Neither => faults.push(format!(
                "{name}:{line}: {of} writes, but takes neither a Change nor a Record"
            )),
            Way::Record => {
                let tables = tables(function.body, &paths);
                let wrong = tables
                    .iter()
                    .filter(|table| !RECORDED.iter().any(|(known, _)| known == table));
                faults.extend(wrong.map(|table| {
                    format!("{name}:{line}: {of} writes to {table} without an event; take a Change")
                }));
            }
        }
    }
    faults
}

fn writes(body: &str) -> bool {
    let gives_connection = |call: &str| {
        body.match_indices(call).any(|(at, _)| {
            let argument = body[at + call.len()..]
                .split([')', ','])
                .next()
                .unwrap_or_default();
            ["connection(", "db("].iter().any(|end| argument.ends_with(end))
        })
    };
    EXECUTES.iter().any(|call| body.contains(call)) || WRITES_ROW.iter().any(|call| gives_connection(call))
}

fn way(function: &Function<'_>) -> Way {
    let (head, body) = (function.head, function.body);
    let any = |text: &str, signs: &[&str]| signs.iter().any(|sign| text.contains(sign));
    if any(head, &["&Change", "&mut Change", "Leased<Change>"])
        || any(body, &[".change(", ".change_leased(", ".change_by_job("])
    {
        Way::Change
    } else if any(head, &["impl Write", "impl Journal", "&Record", "Leased<Record>"])
        || any(body, &[".record(", ".record_leased("])
    {
        Way::Record
    } else {
        Way::Neither
    }
}

/// The tables that `body` writes to: those whose `Entity` or `ActiveModel` it names, reading aside.
/// A body that names none writes to its file's own.
fn tables(body: &str, paths: &Paths) -> Vec<String> {
    let table_of = |name: &str| {
        let import = paths.imports.iter().find(|import| import.name == name)?;
        let at = import.path.iter().position(|word| word == "entities")?;
        import.path.get(at + 1).cloned()
    };
    let inside = Paths::of(body);
    let mut named: Vec<String> = Vec::new();
    for path in &inside.used {
        let is_row = path.contains(&"Entity".to_owned()) || path.contains(&"ActiveModel".to_owned());
        let reads = path.last().is_some_and(|last| last.starts_with("find"));
        if is_row && !reads {
            named.push(table_of(&path[0]).unwrap_or_else(|| path[0].clone()));
        }
    }
    if inside.words.iter().any(|word| word == "ActiveModel") || named.is_empty() {
        let own = ["Entity", "ActiveModel"].iter().find_map(|name| table_of(name));
        named.push(own.unwrap_or_else(|| "a table that is not named".to_owned()));
    }
    named.sort();
    named.dedup();
    named
}

#[test]
fn a_write_without_an_event_is_seen() {
    const HEAD: &str = "use super::entities::projects::{ActiveModel, Entity};\nuse super::entities::{deployment_servers as parts, sessions};\n";
    let found = |function: &str| faults("src/store/projects.rs", &Source::new(format!("{HEAD}{function}")));
    for bad in [
        "async fn f(store: &Store) { Entity::delete_many().exec(store.db()).await }",
        "async fn f(tx: &Tx) { row.insert(tx.connection()).await }",
        "async fn f(tx: &Tx) { tx.execute_unprepared(sql).await }",
        "async fn f(tx: &impl Write) { Entity::update_many().exec(tx.db()).await }",
        "async fn f(tx: &impl Journal) { row.update(tx.db()).await }",
        "async fn f(tx: &Record) { ActiveModel { a }.save(tx.connection()).await }",
        "async fn f(tx: &impl Write) { insert_all(tx, vec![ActiveModel { a }]).await }",
        "async fn f(tx: &impl Reader) { insert_all(tx, rows).await }",
        "async fn f(store: &Store) { let r = store.record().await?; Entity::delete_by_id(1).exec(r.db()).await }",
        "async fn f(tx: &Leased<Record>) { parts::Entity::find(); Entity::insert(row).exec(tx.db()).await }",
    ] {
        assert_eq!(found(bad).len(), 1, "{bad}: {:?}", found(bad));
    }
    for fine in [
        "async fn f(change: &Change) { Entity::delete_many().exec(change.connection()).await }",
        "async fn f(change: &Leased<Change>) { row.insert(change.db()).await }",
        "async fn f(tx: &impl Write) { sessions::Entity::update_many().exec(tx.db()).await }",
        "async fn f(tx: &impl Journal) { Entity::find_by_id(1); parts::Entity::update_many().exec(tx.db()).await }",
        "fn f(map: &mut HashMap<u8, u8>) { map.insert(1, 2); set.insert(one) }",
        "async fn f(store: &Store) { Entity::find().all(store.db()).await }",
        "#[cfg(test)]\nmod tests { async fn f(store: &Store) { Entity::delete_many().exec(store.db()).await } }",
    ] {
        assert_eq!(found(fine), [""; 0], "{fine}");
    }
}
