//! No circles among files, and floors inside the large rooms: no file uses one that stands above it.

use std::collections::BTreeSet;

use super::graph::Graph;
#[cfg(test)]
use super::graph::planted;

/// A large room: its directory, and its floors from the top. A floor names modules, each with all
/// that is below it; of several that fit, the longest counts. Files of one floor may use each other.
pub struct Room {
    pub directory: &'static str,
    pub floors: &'static [&'static [&'static str]],
}

/// The large rooms.
pub const ROOMS: &[Room] = &[
    Room {
        directory: "src/engine/",
        floors: &[
            &["mod"],
            &["worker", "scheduler", "keeper", "recovery", "revisit", "doubts"],
            &["phases", "take_up", "closing"],
            &["rollout", "steps"],
            &["run", "pause", "journal", "out_of_service", "undo"],
            &[
                "planning",
                "found",
                "groups",
                "permission",
                "reach",
                "ending",
                "shared",
                "lease",
                "turn",
            ],
            &[
                "agenda",
                "departures",
                "output",
                "lines",
                "live",
                "log_limit",
                "mask",
                "patience",
                "stop",
                "stopwatch",
                "words",
            ],
        ],
    },
    Room {
        directory: "src/web/",
        floors: &[
            &["mod", "routes"],
            &["pages", "live", "hooks", "api"],
            &["views"],
            &[
                "site",
                "gate",
                "kept",
                "login_proxy",
                "principal",
                "problem",
                "visitor",
                "zone",
                "frame",
                "errors",
                "assets",
                "flash",
                "session",
            ],
            &[
                "api_address",
                "connections",
                "cookies",
                "csrf",
                "feed_secret",
                "forms",
                "hook_address",
                "rate",
                "settings",
                "strategy_form",
                "table",
                "trail",
            ],
            &["urls", "look", "format", "terminal", "connections", "labels"],
            &["escape"],
        ],
    },
];

/// Directories that are not put in order yet: what is wrong inside one of them is passed over.
pub const EXCUSED: &[&str] = &[];

/// What in `graph` stands on no floor of its room, or uses what stands above it.
pub fn faults(graph: &Graph, rooms: &[Room]) -> Vec<String> {
    let mut faults = Vec::new();
    for room in rooms {
        for (file, uses) in &graph.ties {
            if !file.starts_with(room.directory) {
                continue;
            }
            let Some(own) = floor_of(room, file) else {
                faults.push(format!("{file} has no place in the table of floors"));
                continue;
            };
            for (used, names) in uses {
                if floor_of(room, used).is_some_and(|floor| floor < own) {
                    let names: Vec<_> = names.iter().map(String::as_str).collect();
                    let names = names.join(", ");
                    faults.push(format!("{file} uses {names} of {used}, which stands above it"));
                }
            }
        }
    }
    faults
}

/// The floor of `file` in `room`, counted from the top.
fn floor_of(room: &Room, file: &str) -> Option<usize> {
    let inside = file.strip_prefix(room.directory)?.strip_suffix(".rs")?;
    let module = inside.strip_suffix("/mod").unwrap_or(inside);
    let fits = |name: &str| {
        let rest = module.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let named = room.floors.iter().enumerate().flat_map(|(at, floor)| {
        let fitting = floor.iter().filter(|name| fits(name));
        fitting.map(move |name| (name.len(), at))
    });
    named.max().map(|(_, at)| at)
}

/// Every circle of files, with what ties them. Circles inside an excused directory are passed over.
pub fn circles(graph: &Graph, excused: &[&str]) -> Vec<String> {
    let is_excused = |circle: &BTreeSet<&str>| {
        let all_in = |directory: &&str| circle.iter().all(|file| file.starts_with(directory));
        excused.iter().any(all_in)
    };
    let circles = graph.circles();
    let wrong = circles.iter().filter(|circle| !is_excused(circle));
    wrong.map(|circle| described(graph, circle)).collect()
}

fn described(graph: &Graph, circle: &BTreeSet<&str>) -> String {
    let mut text = format!("{} files use each other in a circle", circle.len());
    for (file, uses) in graph
        .ties
        .iter()
        .filter(|(file, _)| circle.contains(file.as_str()))
    {
        for (used, names) in uses.iter().filter(|(used, _)| circle.contains(used.as_str())) {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            text += &format!("\n    {file} uses {} of {used}", names.join(", "));
        }
    }
    text
}

#[test]
fn a_circle_is_described_by_its_files_and_what_ties_them() {
    let graph = planted(&[
        ("src/room/a.rs", "use super::b::{B, C};"),
        ("src/room/b.rs", "fn f() { super::a::go() }"),
    ]);
    let text = "2 files use each other in a circle\n    src/room/a.rs uses B, C of src/room/b.rs\n    \
                src/room/b.rs uses super::a::go of src/room/a.rs";
    assert_eq!(circles(&graph, &[]), [text]);
    assert_eq!(circles(&graph, &["src/other/"]), [text]);
    assert_eq!(circles(&graph, &["src/room/"]), [""; 0]);
}

#[test]
fn who_uses_what_stands_above_is_seen() {
    let room = Room {
        directory: "src/room/",
        floors: &[&["mod", "top"], &["steps"], &["steps/shared", "ground"]],
    };
    let graph = planted(&[
        (
            "src/room/mod.rs",
            "mod top; mod ground; pub use ground::G; fn f() { top::go() }",
        ),
        ("src/room/top.rs", "use super::steps::one; fn f() { one::go() }"),
        (
            "src/room/steps/one.rs",
            "use super::two::T; use super::shared::S;",
        ),
        ("src/room/steps/two.rs", "pub struct T;"),
        ("src/room/steps/shared.rs", "use super::two::T;"),
        ("src/room/ground.rs", "fn f() { super::top::go() }"),
        ("src/room/lost.rs", "use super::top::T;"),
        ("src/lost.rs", "use crate::room::top::T;"),
    ]);
    assert_eq!(
        faults(&graph, &[room]),
        [
            "src/room/ground.rs uses super::top::go of src/room/top.rs, which stands above it",
            "src/room/lost.rs has no place in the table of floors",
            "src/room/steps/shared.rs uses T of src/room/steps/two.rs, which stands above it",
        ]
    );
}
