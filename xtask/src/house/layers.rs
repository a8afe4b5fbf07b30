//! Checks the rule of the house: each room imports only rooms below it. CONTRIBUTING.md explains it.

use std::collections::{BTreeMap, BTreeSet};

use super::imports::{self, Import};

/// A source file: its path below the crate's `src/`, and its text.
pub struct Source {
    pub path: String,
    pub text: String,
}

/// The module's rooms from the top down. Rooms on one line do not import each other.
const LAYERS: &[&[&str]] = &[
    &["lib"],
    &["startup"],
    &["describe"],
    &["request", "status"],
    &["worker"],
    &["fastcgi"],
    &["report"],
    &["subject"],
    &["config", "thread"],
    &["httpd"],
    &[BINDINGS],
];

const BINDINGS: &str = "apache_sys";
/// The rooms that may use the raw bindings.
const USE_THE_BINDINGS: &[&str] = &["lib", "httpd", "thread"];

/// Rooms of the library that are folders inside another room.
const LIBRARY_FOLDERS: &[&str] = &["map/syntax", "map/table"];

/// The faults in the module's imports, one line each.
pub fn module(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    let height = |room: &str| LAYERS.iter().rev().position(|rooms| rooms.contains(&room));
    for source in sources {
        let from = room(&modules(&source.path), &[]);
        let Some(from_height) = height(&from) else {
            faults.push(format!(
                "src/{}: the room {from} stands in no layer; give it one in xtask",
                source.path
            ));
            continue;
        };
        for import in imports_of(source, &mut faults) {
            let to = room(&import.path, &[]);
            // If it is no room, it is an item of lib.rs.
            let to = if height(&to).is_some() { to } else { "lib".to_owned() };
            let why = if to == BINDINGS && !USE_THE_BINDINGS.contains(&&*from) {
                "only lib.rs, httpd and thread use the raw bindings"
            } else if to == BINDINGS && import.is_public && from != "lib" {
                "a re-export gives the raw bindings to all"
            } else if from != to && height(&to) >= Some(from_height) {
                "a room imports only what stands below it"
            } else {
                continue;
            };
            faults.push(format!(
                "src/{}:{}: {from} imports {} ({}): {why}",
                source.path,
                import.line,
                shown(&import),
                file_of(&import.path, "src", sources),
            ));
        }
    }
    faults
}

/// The faults in the library's imports, one line each: circles between its rooms.
pub fn library(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    let root = sources.iter().find(|s| s.path == "lib.rs").map_or("", |s| &*s.text);
    let passed_on: BTreeMap<_, _> = imports::reexports(root).unwrap_or_default().into_iter().collect();
    // For each pair of rooms, the first import.
    let mut edges: BTreeMap<(String, String), (String, String)> = BTreeMap::new();
    for source in sources.iter().filter(|s| s.path != "lib.rs") {
        let from = room(&modules(&source.path), LIBRARY_FOLDERS);
        for mut import in imports_of(source, &mut faults) {
            if let Some(path) = import.path.first().and_then(|name| passed_on.get(name)) {
                import.path.clone_from(path);
            }
            let to = room(&import.path, LIBRARY_FOLDERS);
            if from != to {
                let at = format!("confine/src/{}:{}", source.path, import.line);
                let file = file_of(&import.path, "confine/src", sources);
                edges.entry((from.clone(), to)).or_insert((at, format!("{} ({file})", shown(&import))));
            }
        }
    }
    for ((from, to), (at, what)) in &edges {
        if let Some(way) = way(&edges, to, from) {
            faults.push(format!("{at}: {from} imports {what}, and there is a way back: {way}"));
        }
    }
    faults
}

/// The rooms through which `from` reaches `to`, if it does, and the import with which the way begins.
fn way(edges: &BTreeMap<(String, String), (String, String)>, from: &str, to: &str) -> Option<String> {
    let mut ways = vec![vec![from.to_owned()]];
    let mut seen = BTreeSet::from([from.to_owned()]);
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            for ((here, next), (at, _)) in edges {
                if Some(here) != way.last() {
                    continue;
                }
                if next == to {
                    return Some(format!("{} > {to} ({at})", way.join(" > ")));
                }
                if seen.insert(next.clone()) {
                    longer.push([&way[..], std::slice::from_ref(next)].concat());
                }
            }
        }
        ways = longer;
    }
    None
}

fn imports_of(source: &Source, faults: &mut Vec<String>) -> Vec<Import> {
    imports::of(&source.text, &modules(&source.path)).unwrap_or_else(|why| {
        faults.push(format!("{}: {why}", source.path));
        Vec::new()
    })
}

/// The module that a file is, from the root of its crate: empty for `lib.rs`.
fn modules(path: &str) -> Vec<String> {
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    path.split('/').filter(|part| *part != "lib").map(str::to_owned).collect()
}

/// The room in which a path from the crate's root ends.
fn room(path: &[String], folders: &[&str]) -> String {
    let folder = path.get(..2).map(|two| two.join("/")).filter(|two| folders.contains(&&**two));
    folder.or_else(|| path.first().cloned()).unwrap_or_else(|| "lib".to_owned())
}

fn shown(import: &Import) -> String {
    match &*import.path {
        [] => "the crate's root".to_owned(),
        path => path.join("::"),
    }
}

/// The file that contains the item of a path, as far as the path says.
fn file_of(path: &[String], below: &str, sources: &[Source]) -> String {
    if path.first().is_some_and(|name| name == BINDINGS) {
        return "apache-sys/src/lib.rs".to_owned();
    }
    let is_there = |file: &String| sources.iter().any(|s| s.path == *file);
    let files = (1..=path.len()).rev().flat_map(|n| {
        let module = path[..n].join("/");
        [format!("{module}.rs"), format!("{module}/mod.rs")]
    });
    format!("{below}/{}", files.into_iter().find(is_there).unwrap_or_else(|| "lib.rs".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(files: &[(&str, &str)]) -> Vec<Source> {
        files.iter().map(|(path, text)| Source { path: (*path).into(), text: (*text).into() }).collect()
    }

    const WORKER: (&str, &str) = ("worker/mod.rs", "pub fn refused() {}");

    #[test]
    fn a_room_may_import_what_stands_below_it_and_lib_may_import_all() {
        let house = sources(&[
            WORKER,
            ("lib.rs", "use apache_sys as sys; use startup::check; use crate::request::gate;"),
            ("request/mod.rs", "use crate::{worker::refused, request::scope::Scope, httpd::log};"),
            ("request/scope.rs", "use super::gate; use crate::config::Settings;"),
            ("httpd/log.rs", "use apache_sys as sys;"),
        ]);
        assert_eq!(module(&house), [""; 0]);
    }

    #[test]
    fn an_upward_import_names_the_two_files_and_the_line() {
        let house =
            sources(&[WORKER, ("report/mod.rs", "use std::fmt;\nuse crate::{\n    worker::refused,\n};")]);
        assert_eq!(
            module(&house),
            [
                "src/report/mod.rs:3: report imports worker::refused (src/worker/mod.rs): a room imports only what stands \
              below it"
            ]
        );
    }

    #[test]
    fn rooms_of_one_height_do_not_import_each_other() {
        let house = sources(&[("config/mod.rs", "use crate::thread::signals;"), ("thread/signals.rs", "")]);
        let faults = module(&house);
        assert_eq!(faults.len(), 1);
        assert!(
            faults[0]
                .starts_with("src/config/mod.rs:1: config imports thread::signals (src/thread/signals.rs)")
        );
    }

    #[test]
    fn items_of_the_root_stand_at_the_top() {
        let house = sources(&[("httpd/log.rs", "fn f() { crate::module_index() }")]);
        assert!(module(&house)[0].contains("httpd imports module_index (src/lib.rs)"));
        let house = sources(&[("httpd/log.rs", "use crate as root; fn f() { root::worker::refused() }")]);
        assert!(module(&house)[0].contains("httpd imports the crate's root (src/lib.rs)"));
    }

    #[test]
    fn the_raw_bindings_are_for_three_rooms() {
        let house = sources(&[("subject/mod.rs", "use apache_sys as sys;")]);
        assert!(module(&house)[0].contains("only lib.rs, httpd and thread use the raw bindings"));
        let house = sources(&[("httpd/mod.rs", "pub use apache_sys as sys;")]);
        assert!(module(&house)[0].contains("a re-export gives the raw bindings to all"));
    }

    #[test]
    fn a_room_without_a_layer_is_a_fault() {
        assert!(module(&sources(&[("attic/mod.rs", "")]))[0].contains("the room attic stands in no layer"));
    }

    #[test]
    fn a_circle_in_the_library_names_both_ends() {
        let house = sources(&[
            ("lib.rs", "pub mod a; pub mod b; pub mod c; pub use a::A;"),
            ("a.rs", "pub struct A; #[cfg(test)] mod tests { fn f() { crate::c::g() } }"),
            ("b/mod.rs", "use crate::A;"),
            ("c.rs", "\npub use crate::b::g;"),
        ]);
        assert_eq!(
            library(&house),
            [
                "confine/src/a.rs:1: a imports c::g (confine/src/c.rs), and there is a way back: c > b > a \
                 (confine/src/b/mod.rs:1)",
                "confine/src/b/mod.rs:1: b imports a::A (confine/src/a.rs), and there is a way back: a > c > b \
                 (confine/src/c.rs:2)",
                "confine/src/c.rs:2: c imports b::g (confine/src/b/mod.rs), and there is a way back: b > a > c \
                 (confine/src/a.rs:1)",
            ]
        );
    }

    #[test]
    fn folders_of_the_library_can_be_rooms() {
        let house = sources(&[
            ("map/syntax/mod.rs", "use crate::map::table::T;"),
            ("map/table/mod.rs", "use super::super::syntax::S;"),
            ("map/mod.rs", "use crate::map::table::T;"),
        ]);
        assert!(module(&[]).is_empty());
        assert_eq!(library(&house).len(), 0, "super::super of map/table is the root");
        let house = sources(&[
            ("map/syntax/mod.rs", "use crate::map::table::T;"),
            ("map/table/mod.rs", "use super::syntax::S;"),
        ]);
        assert_eq!(library(&house).len(), 2);
    }
}
