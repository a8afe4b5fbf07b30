//! Compiled maps: they answer as their source does, and a wrong one is refused.

use std::time::{Duration, Instant};

use super::*;
use crate::map::table::paths;

/// A map with rules of every kind.
const EVERY_KIND: &str = "alice x\n10.0.0.0/8 y\n2001:db8::/32 z\nhost:a.example x\n\
                          path:/srv/*/b*.php/** selinux:y_t:s0\na-user-with-a-name-of-many-bytes unconfined\n* w\n";

/// A folder with the map `m` and its compiled form `c`.
fn compiled(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("m"), text).expect("a map");
    let compiled = Map::compile(&folder.path().join("m"), LANDLOCK).expect("a map");
    fs::write(folder.path().join("c"), compiled.bytes()).expect("a file");
    folder
}

fn load_compiled(folder: &tempfile::TempDir, default: BackendName) -> Result<Map, String> {
    let text = |e: MapError| e.to_string().replace(&format!("{}/", folder.path().display()), "");
    Map::load(&folder.path().join("c"), default).map_err(text)
}

#[test]
fn a_compiled_map_answers_as_its_source() {
    let folder = compiled(EVERY_KIND);
    let (source, compiled) = (map(EVERY_KIND), load_compiled(&folder, LANDLOCK).expect("a map"));
    assert_eq!(compiled.len(), 7);
    assert_eq!(compiled.lists().collect::<Vec<_>>(), source.lists().collect::<Vec<_>>());
    for subject in [
        user("alice"),
        user("bob"),
        user("a-user-with-a-name-of-many-bytes"),
        addr("10.1.1.1"),
        addr("2001:db8::1"),
        host("A.example."),
        path("/srv/x/best.php/z"),
        Subject::default(),
    ] {
        let hit = compiled.lookup(&subject);
        assert!(hit.is_some() && hit == source.lookup(&subject), "{subject:?}");
    }
}

#[test]
fn a_compiled_map_of_another_length_or_content_is_refused() {
    let folder = compiled(EVERY_KIND);
    let file = folder.path().join("c");
    let whole = fs::read(&file).expect("a file");
    for length in (8..whole.len()).step_by(7).chain([whole.len() - 1]) {
        fs::write(&file, &whole[..length]).expect("a file");
        let error = load_compiled(&folder, LANDLOCK).expect_err("cut short");
        assert_eq!(
            error, "c: is a compiled map that is cut short or goes on after its end; compile it again",
            "{length}"
        );
    }
    fs::write(&file, [&whole[..], b"x"].concat()).expect("a file");
    assert!(load_compiled(&folder, LANDLOCK).expect_err("too long").contains("goes on after its end"));
    for at in (8..whole.len()).step_by(5) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x40;
        fs::write(&file, damaged).expect("a file");
        let error = load_compiled(&folder, LANDLOCK).expect_err("damaged");
        assert!(error.starts_with("c: is a compiled map "), "{at}: {error}");
    }
    let mut other = whole.clone();
    other[8] += 1;
    fs::write(&file, &other).expect("a file");
    assert_eq!(
        load_compiled(&folder, LANDLOCK).expect_err("another version"),
        "c: is a compiled map of format 6, and this version reads format 5; compile it again with the confinectl \
         of this version"
    );
    other[8..16].reverse();
    fs::write(&file, &other).expect("a file");
    assert!(load_compiled(&folder, LANDLOCK).expect_err("byte order").contains("of the other byte order"));
}

#[test]
fn a_compiled_map_that_is_older_than_its_source_is_refused() {
    let folder = compiled("alice x\n");
    let source = folder.path().join("m");
    let full = fs::canonicalize(&source).expect("a path").display().to_string();
    fs::write(&source, "alice y\n").expect("a map");
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    fs::File::options().write(true).open(&source).and_then(|f| f.set_modified(later)).expect("a time");
    let full = full.replace(&format!("{}/", folder.path().display()), "");
    assert_eq!(
        load_compiled(&folder, LANDLOCK).expect_err("stale"),
        format!("c: is a compiled map that is older than {full}; compile that again")
    );
    // On a machine that has the compiled form alone.
    fs::remove_file(&source).expect("removed");
    assert_eq!(load_compiled(&folder, LANDLOCK).expect("a map").len(), 1);
}

#[test]
fn a_compiled_map_knows_its_default_backend() {
    let folder = compiled("alice x\n");
    assert_eq!(
        load_compiled(&folder, BackendName::SELINUX).expect_err("another default"),
        "c: is compiled for landlock as the backend of contexts that name none, and here that is selinux; \
         compile it with --default-backend selinux"
    );
    let named = compiled("alice landlock:x\nbob unconfined\n");
    assert_eq!(load_compiled(&named, BackendName::SELINUX).expect("a map").list_count(), 2);
}

#[test]
fn a_compiled_map_is_not_text() {
    let folder = compiled("alice x\n");
    let error = MapText::load(&folder.path().join("c"), LANDLOCK).err().expect("an error").to_string();
    assert!(error.ends_with("/c: is a compiled map; name the text that it was made from"), "{error}");
    assert!(Map::compile(&folder.path().join("c"), LANDLOCK).is_err());
}

/// What a damaged map can do at worst, with a checksum that holds: give wrong answers.
#[test]
fn no_damage_reads_outside_of_a_map() {
    let source = compiled(EVERY_KIND);
    let whole = fs::read(source.path().join("c")).expect("a file");
    let subjects =
        [user("alice"), addr("10.1.1.1"), addr("2001:db8::1"), host("a.example"), path("/srv/x/b.php/z")];
    for at in 0..whole.len() {
        for value in [0, 0x7F, 0xFF] {
            let mut damaged = whole.clone();
            damaged[at] = value;
            let block = block::Block::mended(&damaged).expect("a block");
            let map = Map { path: Arc::from(Path::new("c")), block, default: LANDLOCK };
            for subject in &subjects {
                if let Some(hit) = map.lookup(subject) {
                    let _ = map.list(hit.list);
                }
            }
            let _ = map.lists().count();
        }
    }
}

/// The nodes and branches of a good file are a tree. In a damaged file two edges may lead to one node, so that
/// each component of a path would double the work.
#[test]
fn a_tree_that_is_none_is_left_in_time() {
    let map = map("path:/*/a landlock:a\npath:/*/* landlock:b\n");
    let whole = map.paths();
    let star = whole.branches[0].star;
    let branch = whole.nodes[star as usize].next;
    let mut nodes = whole.nodes.to_vec();
    for node in &mut nodes {
        node.next = branch;
    }
    let damaged = paths::View { nodes: &nodes, ..whole };
    let start = Instant::now();
    // The end keeps the lower line from being found, which would end the search.
    let _ = damaged.get(format!("{}/b", "/a".repeat(40)).as_bytes(), None);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}
