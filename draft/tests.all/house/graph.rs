//! Which file of the library uses which: the graph that circles and floors are read from.
//!
//! A name belongs to the file that defines it, however it was imported: an import from a module
//! that only hands the name on, by `pub use` or by an import of its own, leads through it. A module
//! that is imported by its name is not used by that alone, but by each path that begins with it.
//! Declaring a module (`mod child;`) and handing on its names use nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::{Import, Paths};
use super::source::Source;

/// A module's path from the root of the library: `["store", "queue"]`.
type Module = Vec<String>;

/// How many times a name is looked up in the next module; no honest chain is as long.
const MOST_HOPS: usize = 16;

/// For each file those it uses, each with the names that tie them.
#[derive(Debug)]
pub struct Graph {
    pub ties: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

impl Graph {
    /// Reads all `sources` of the library; others, and tests, are passed over.
    pub fn of<'a>(sources: impl IntoIterator<Item = (&'a str, &'a Source)>) -> Self {
        let files = sources
            .into_iter()
            .filter_map(|(name, source)| {
                let module = module_of(name)?;
                let paths = Paths::of(&source.code_without_tests());
                Some((module, (name.to_owned(), paths)))
            })
            .collect();
        let library = Library { files };
        let ties = library.files.iter().map(|(module, (name, paths))| {
            let used = library.used_by(module, paths);
            (name.clone(), used)
        });
        Self { ties: ties.collect() }
    }

    /// Every set of files of which each uses, by ways around, each other.
    pub fn circles(&self) -> Vec<BTreeSet<&str>> {
        let reached: BTreeMap<&str, BTreeSet<&str>> = self
            .ties
            .keys()
            .map(|file| (file.as_str(), self.reached_from(file)))
            .collect();
        let mut circles = BTreeSet::new();
        for (file, below) in &reached {
            let circle: BTreeSet<&str> = below
                .iter()
                .copied()
                .filter(|other| reached[other].contains(file))
                .collect();
            if !circle.is_empty() {
                circles.insert(circle);
            }
        }
        circles.into_iter().collect()
    }

    fn reached_from(&self, file: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut open = vec![file];
        while let Some(file) = open.pop() {
            for used in self.ties.get(file).into_iter().flat_map(BTreeMap::keys) {
                if reached.insert(used.as_str()) {
                    open.push(used);
                }
            }
        }
        reached
    }
}

/// The module that the file at `name` is; `None` for tests and for what is no part of the library.
fn module_of(name: &str) -> Option<Module> {
    let inside = name.strip_prefix("src/")?.strip_suffix(".rs")?;
    let mut module: Module = inside.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    let is_root = ["lib", "main"].contains(&inside);
    let is_test = module.iter().any(|part| part == "tests");
    (!is_root && !is_test).then_some(module)
}

/// All modules, each with its file's name and the paths that it names.
struct Library {
    files: BTreeMap<Module, (String, Paths)>,
}

impl Library {
    fn used_by(&self, module: &Module, paths: &Paths) -> BTreeMap<String, BTreeSet<String>> {
        let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut tie = |target: Option<(&Module, Vec<String>)>, name: &str| {
            let Some((found, _)) = target.filter(|(found, _)| *found != module) else {
                return;
            };
            let (file, _) = &self.files[found];
            used.entry(file.clone()).or_default().insert(name.to_owned());
        };
        for import in &paths.imports {
            let target = self.resolve(module, &import.path, 0);
            let is_item = import.glob || target.as_ref().is_some_and(|(_, rest)| !rest.is_empty());
            let is_used = !import.public || paths.words.contains(&import.name);
            if is_item && is_used {
                tie(target, &import.name);
            }
        }
        for path in &paths.used {
            tie(self.resolve(module, path, 0), &path.join("::"));
        }
        used
    }

    /// The module that `path`, written in `from`, leads into, and what is left of the path there:
    /// nothing when it names the module itself. `None` for what is not ours.
    fn resolve(&self, from: &Module, path: &[String], hops: usize) -> Option<(&Module, Vec<String>)> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.walk(&[], rest, hops),
            "self" => self.walk(from, rest, hops),
            "super" => {
                let mut base = from.as_slice();
                let mut rest = path;
                while let [first, others @ ..] = rest
                    && first == "super"
                {
                    (base, rest) = (base.split_last()?.1, others);
                }
                self.walk(base, rest, hops)
            }
            _ if self.child(from, first).is_some() => self.walk(from, path, hops),
            _ => {
                let import = self.import(from, first)?;
                (import.path != path).then_some(())?;
                self.resolve(
                    from,
                    &[&import.path, rest].concat(),
                    hops.checked_add(1).filter(|hops| *hops < MOST_HOPS)?,
                )
            }
        }
    }

    /// Follows `path` downwards from the module `base`, and where a name was handed on, there.
    fn walk(&self, base: &[String], path: &[String], hops: usize) -> Option<(&Module, Vec<String>)> {
        if hops > MOST_HOPS {
            return None;
        }
        let Some((first, rest)) = path.split_first() else {
            let (module, _) = self.files.get_key_value(base)?;
            return Some((module, Vec::new()));
        };
        let base = base.to_vec();
        if let Some(child) = self.child(&base, first) {
            return self.walk(child, rest, hops);
        }
        let handed_on = self.import(&base, first).and_then(|import| {
            let whole = [&import.path, rest].concat();
            self.resolve(&base, &whole, hops + 1)
        });
        handed_on.or_else(|| {
            let (module, _) = self.files.get_key_value(&base)?;
            Some((module, path.to_vec()))
        })
    }

    fn child(&self, module: &Module, name: &str) -> Option<&Module> {
        let child = [module.as_slice(), &[name.to_owned()]].concat();
        self.files.get_key_value(&child).map(|(child, _)| child)
    }

    fn import(&self, module: &Module, name: &str) -> Option<&Import> {
        let (_, paths) = self.files.get(module)?;
        paths
            .imports
            .iter()
            .find(|import| !import.glob && import.name == name)
    }
}

#[cfg(test)]
pub fn planted(files: &[(&str, &str)]) -> Graph {
    let sources: Vec<_> = files
        .iter()
        .map(|(name, code)| (*name, Source::new((*code).to_owned())))
        .collect();
    Graph::of(sources.iter().map(|(name, source)| (*name, source)))
}

#[cfg(test)]
fn circles(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let owned = |circle: BTreeSet<&str>| circle.into_iter().map(str::to_owned).collect();
    planted(files).circles().into_iter().map(owned).collect()
}

#[test]
fn a_circle_is_seen_however_it_is_tied() {
    let b = "use super::a::A; pub struct B(A);";
    for a in [
        "use super::b::B; pub struct A(B);",
        "use crate::room::b::B; pub struct A(B);",
        "use crate::room::{self, c}; pub struct A(room::b::B, c::C);",
        "pub struct A(super::b::B);",
        "pub struct A(crate::room::B);",
        "use super::B as Other; pub struct A(Other);",
        "use crate::room::B; pub struct A(B);",
        "use super::super::room; fn f(x: room::B) {}",
        "use super::b; fn f() { b::make() }",
        "fn f() { use super::b::*; }",
    ] {
        let files = [
            ("src/lib.rs", "pub mod room;"),
            ("src/room/mod.rs", "mod a; mod b; mod c; pub use b::B;"),
            ("src/room/a.rs", a),
            ("src/room/b.rs", b),
            ("src/room/c.rs", "pub struct C;"),
        ];
        assert_eq!(circles(&files), [["src/room/a.rs", "src/room/b.rs"]], "{a}");
    }
}

#[test]
fn a_parent_and_its_child_may_tie_a_circle() {
    let child = "use super::Shared; pub fn work(_: Shared) {}";
    for parent in [
        "mod child; pub struct Shared; fn f() { child::work(Shared) }",
        "mod child; pub use child::work; pub struct Shared; fn f() { work(Shared) }",
        "mod child; use self::child::work; pub struct Shared; fn f() { work(Shared) }",
    ] {
        let files = [("src/room.rs", parent), ("src/room/child.rs", child)];
        assert_eq!(
            circles(&files),
            [["src/room.rs", "src/room/child.rs"]],
            "{parent}"
        );
    }
    let parent = "mod child; pub use child::work; pub struct Shared;";
    let files = [("src/room.rs", parent), ("src/room/child.rs", child)];
    assert_eq!(circles(&files), [[""; 0]; 0], "handing on a name uses nothing");
}

#[test]
fn a_long_circle_is_told_whole_and_tests_are_in_none() {
    let files = [
        ("src/a.rs", "use crate::b::B; pub struct A;"),
        ("src/b.rs", "use crate::c::C; pub struct B;"),
        ("src/c.rs", "use crate::a::A; pub struct C;"),
        (
            "src/d.rs",
            "use crate::a::A; pub struct D; #[cfg(test)]\nmod tests { use crate::e::E; }",
        ),
        ("src/e.rs", "use crate::d::D; pub struct E; // use crate::d::D;"),
        ("src/e/tests.rs", "use crate::d::D;"),
        ("src/main.rs", "use crate::e::E;"),
    ];
    assert_eq!(circles(&files), [["src/a.rs", "src/b.rs", "src/c.rs"]]);
}
