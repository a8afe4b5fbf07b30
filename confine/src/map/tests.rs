//! Whole maps: files, columns, and the index against a scan from the top.

use std::{collections::HashMap, fs, net::IpAddr, ops::ControlFlow, path::Path, sync::Arc};

use ipnet::IpNet;
use proptest::prelude::*;

use super::{
    syntax::{MAX_ERRORS, MAX_FILE, MAX_LINE, glob},
    table::block,
    *,
};
use crate::{Subject, context::BackendName};

mod bad_input;
mod compiled;
mod names;
mod properties;

const LANDLOCK: BackendName = BackendName::LANDLOCK;

fn parse(text: &str) -> Result<Map, MapError> {
    Map::parse(Path::new("t.map"), text.as_bytes(), LANDLOCK)
}

fn map(text: &str) -> Map {
    parse(text).expect("a map")
}

fn error(text: &str) -> String {
    parse(text).expect_err("an error").to_string()
}

fn user(name: &str) -> Subject<'_> {
    Subject { user: Some(name.as_bytes()), ..Subject::default() }
}

fn addr(text: &str) -> Subject<'static> {
    Subject { addr: Some(text.parse().expect("an address")), ..Subject::default() }
}

fn host(name: &str) -> Subject<'_> {
    Subject { host: Some(name.as_bytes()), ..Subject::default() }
}

fn path(name: &str) -> Subject<'_> {
    Subject { path: Some(name.as_bytes()), ..Subject::default() }
}

fn text_of(text: &str) -> MapText {
    MapText::of(Path::new("t.map"), text.as_bytes().to_vec(), LANDLOCK)
}

/// Calls `visit` with each rule of a map without errors.
fn scan(text: &str, mut visit: impl FnMut(MapLine<'_>)) {
    text_of(text).scan(|line| {
        visit(line.expect("a rule"));
        ControlFlow::Continue(())
    });
}

/// Each line that never matches, with the first that holds all of it.
fn shadows(text: &str) -> Vec<(u32, u32)> {
    let mut cover = Cover::default();
    let mut shadows = Vec::new();
    scan(text, |MapLine { line, subject, .. }| {
        if let Some((_, earlier)) = cover.add(subject, Hit { line, list: 0 }) {
            shadows.push((line, earlier.line));
        }
    });
    shadows
}

fn line(map: &Map, subject: &Subject<'_>) -> Option<u32> {
    map.lookup(subject).map(|hit| hit.line)
}

#[test]
fn each_kind_of_subject_matches_what_it_says() {
    let map = map("alice a\n10.0.0.0/8 b\n2001:db8::/32 c\nhost:Dog.Example. d\nuser:10.0.0.1 e\n");
    assert_eq!(line(&map, &user("alice")), Some(1));
    assert_eq!(line(&map, &user("Alice")), None);
    assert_eq!(line(&map, &user("")), None);
    assert_eq!(line(&map, &addr("10.255.0.1")), Some(2));
    assert_eq!(line(&map, &addr("::ffff:10.255.0.1")), Some(2));
    assert_eq!(line(&map, &addr("11.0.0.1")), None);
    assert_eq!(line(&map, &addr("2001:db8:1::1")), Some(3));
    assert_eq!(line(&map, &host("dog.example")), Some(4));
    assert_eq!(line(&map, &host("DOG.EXAMPLE.")), Some(4));
    assert_eq!(line(&map, &host("dog.example..")), None);
    assert_eq!(line(&map, &host(&"x".repeat(10_000))), None);
    assert_eq!(line(&map, &user("10.0.0.1")), Some(5));
    assert_eq!(line(&map, &Subject::default()), None);
    assert_eq!(map.path(), Path::new("t.map"));
    assert_eq!(map.len(), 5);
}

#[test]
fn a_pattern_of_paths_matches_the_file() {
    let map = map("path:/srv/www/*/cgi-bin/** a\nbob b\npath:/srv/www/** c\npath:/srv/*/x.php d\n");
    assert_eq!(line(&map, &path("/srv/www/dog/cgi-bin/x")), Some(1));
    assert_eq!(line(&map, &path("/srv/www/dog/x")), Some(3));
    assert_eq!(line(&map, &path("/srv/www/x.php")), Some(3));
    assert_eq!(line(&map, &path("/srv/ftp/x.php")), Some(4));
    assert_eq!(line(&map, &path("/srv")), None);
    let both = Subject { path: Some(b"/srv/www/x"), ..user("bob") };
    assert_eq!(line(&map, &both), Some(2));
    assert_eq!(line(&map, &Subject { path: Some(b"/srv/www/d/cgi-bin/x"), ..both }), Some(1));
}

#[test]
fn skipped_components_are_counted_from_wherever_a_pattern_can_go_on() {
    let map = map("path:/**/*/**/b x\npath:/**/[ac]/**/c/** y\n");
    for (file, expected) in [
        ("/a/b", Some(1)),
        ("/b", None),
        ("/a/a/a/b", Some(1)),
        ("/a/c", Some(2)),
        ("/c/c/a", Some(2)),
        ("/c/a", None),
        ("/x/a/x/x/c/x/x", Some(2)),
    ] {
        assert_eq!(line(&map, &path(file)), expected, "{file}");
    }
}

#[test]
fn anonymous_is_the_absence_of_a_user_and_star_is_everybody() {
    let map = map("__anonymous__ a\n* b\n");
    assert_eq!(line(&map, &Subject::default()), Some(1));
    assert_eq!(line(&map, &addr("10.0.0.1")), Some(1));
    assert_eq!(line(&map, &user("alice")), Some(2));
    assert_eq!(line(&map, &user("__anonymous__")), Some(2));
}

#[test]
fn the_lowest_line_wins_over_the_longest_prefix() {
    let map = map("10.0.0.0/8 a\n10.1.0.0/16 b\nalice c\n10.1.1.1 d\n::/0 e\n0.0.0.0/0 f\n");
    assert_eq!(line(&map, &addr("10.1.1.1")), Some(1));
    assert_eq!(line(&map, &Subject { addr: addr("9.9.9.9").addr, ..user("alice") }), Some(3));
    assert_eq!(line(&map, &addr("9.9.9.9")), Some(6));
    assert_eq!(line(&map, &addr("::9")), Some(5));
}

#[test]
fn comments_blank_lines_crlf_and_a_byte_order_mark() {
    let text = "\u{feff}# head\r\n\r\n  alice a # tail\r\nbob \"a\"";
    let mut lines = Vec::new();
    scan(text, |l| lines.push(l.line));
    assert_eq!(lines, [3, 4]);
    let map = map(text);
    assert_eq!((line(&map, &user("alice")), line(&map, &user("bob"))), (Some(3), Some(4)));
    assert_eq!(map.list_count(), 1);
}

#[test]
fn lists_are_shared_however_they_are_written() {
    let map = map("a x\nb landlock:x\nc \"x\" # note\nd x selinux:y_t\ne unconfined\nf unconfined\n");
    let lists: Vec<_> = map.lists().map(|l| (l.contexts.to_string(), l.first_line)).collect();
    assert_eq!(
        lists,
        [("landlock:x".into(), 1), ("landlock:x selinux:y_t".into(), 4), ("unconfined".to_owned(), 5)]
    );
    let lists = ["a", "b", "c", "d", "e", "f"].map(|name| map.lookup(&user(name)).map(|hit| hit.list));
    assert_eq!(lists, [0, 0, 0, 1, 2, 2].map(Some));
    assert_eq!(map.lookup(&user("f")), Some(Hit { line: 6, list: 2 }));
    assert_eq!(map.origin(Hit { line: 6, list: 2 }).to_string(), "t.map:6");
}

#[test]
fn of_duplicates_the_first_wins() {
    let text = "a x\nuser:a y\nhost:B x\nhost:b. y\n10.0.0.1 x\nip:10.0.0.1/32 y\n* x\n* y\na z\n\
                path:/a/** x\npath:/a/** y\n";
    assert_eq!(shadows(text), [(2, 1), (4, 3), (6, 5), (8, 7), (9, 1), (10, 7), (11, 7)]);
    let map = map(text);
    assert_eq!(map.len(), 11);
    assert_eq!(map.lookup(&user("a")), Some(Hit { line: 1, list: 0 }));
    assert_eq!(line(&map, &host("b")), Some(3));
    assert_eq!(line(&map, &addr("10.0.0.1")), Some(5));
    let mut lines = Vec::new();
    scan(text, |l| lines.push(format!("{} {} {}", l.line, l.subject, l.contexts)));
    assert_eq!(lines[..3], ["1 a landlock:x", "2 a landlock:y", "3 host:B landlock:x"]);
}

#[test]
fn a_shadow_is_the_first_line_that_takes_all() {
    let text = "10.0.0.0/8 a\n10.1.0.0/16 b\n10.0.0.0/7 c\nalice d\n2001:db8::1 e\nhost:x f\n* g\nbob h\n\
                10.2.0.0/16 i\n::/0 j\nalice k\n__anonymous__ l\n";
    assert_eq!(shadows(text), [(2, 1), (8, 7), (9, 1), (10, 7), (11, 4), (12, 7)]);
}

#[test]
fn errors_name_file_line_and_column() {
    assert_eq!(
        error("alice"),
        "t.map:1:6: no context given; write at least one, such as landlock:NAME, or the word unconfined"
    );
    let later = error("# x\n\nalice a smack:dog\n");
    assert!(
        later
            .starts_with("t.map:3:9: \"smack:dog\" names the LSM smack, which this version does not offer; "),
        "{later}"
    );
    assert_eq!(
        error("alice a b a\n"),
        "t.map:1:11: landlock:a is in the list twice; contexts are entered one after the other and the \
         second time would change nothing, remove one"
    );
    assert_eq!(
        error("alice a \"\"\n"),
        "t.map:1:9: an empty word is no context; write one, such as landlock:NAME, or leave the word out"
    );
    assert_eq!(
        error("a x\r\n  10.0.0.1/8 x\r\n"),
        "t.map:2:3: 10.0.0.1/8 has bits set behind its prefix; did you mean 10.0.0.0/8 (the network) or \
         10.0.0.1 (one address)? (a user of that name is written user:10.0.0.1/8)"
    );
    assert_eq!(
        error("\u{feff}\"a x"),
        "t.map:1:1: the double quote that opens here is not closed on this line; close it"
    );
    assert_eq!(
        error("alice unconfined a\n"),
        "t.map:1:18: unconfined must stand alone: it exempts the request, and the list also confines it; \
         keep either the word or the contexts"
    );
}

#[test]
fn a_map_without_a_rule_is_an_error() {
    for text in ["", "\n", "# only this\r\n", "\u{feff}"] {
        assert_eq!(error(text), "t.map: holds no rule; write at least one, such as: * landlock:NAME");
    }
}

#[test]
fn a_long_word_does_not_fill_the_log() {
    let text = error(&format!("path:{} x", "x".repeat(60_000)));
    assert!(text.len() < 500 && text.contains("xxx..."), "{text}");
}

/// The error of loading `path`, without the directory.
fn load_error(path: &Path) -> String {
    let text = Map::load(path, LANDLOCK).expect_err("an error").to_string();
    let directory = path.parent().expect("a directory").display().to_string();
    text.replace(&format!("{directory}/"), "")
}

#[test]
fn files_that_are_not_maps() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    assert_eq!(
        load_error(&path("none")),
        "none: cannot be opened: No such file or directory (os error 2); create it, or correct the name"
    );
    fs::create_dir(path("dir")).expect("a directory");
    assert_eq!(
        load_error(&path("dir")),
        "dir: is a directory, not a regular file; name the file that holds the rules"
    );
    let status = std::process::Command::new("mkfifo").arg(path("fifo")).status().expect("mkfifo");
    assert!(status.success());
    assert_eq!(
        load_error(&path("fifo")),
        "fifo: is a FIFO, not a regular file; name the file that holds the rules"
    );
    assert_eq!(
        Map::load(Path::new("/dev/null"), LANDLOCK).expect_err("an error").to_string(),
        "/dev/null: is a device or a socket, not a regular file; name the file that holds the rules"
    );
    let huge = fs::File::create(path("huge")).expect("a file");
    huge.set_len(MAX_FILE + 1).expect("a sparse file");
    assert_eq!(
        load_error(&path("huge")),
        "huge: is larger than 1024 MiB; split it, or give whole groups one rule"
    );
    // As large as a map may be, and a hole: no more of it is read than shows that.
    let hole = fs::File::create(path("hole")).expect("a file");
    hole.set_len(MAX_FILE).expect("a sparse file");
    assert_eq!(
        load_error(&path("hole")),
        "hole:1:65537: the line is longer than 64 KiB; a rule is one subject and its contexts, is a line end missing?"
    );
    assert_eq!(MapText::load(&path("hole"), LANDLOCK).expect("a text").bytes().len(), shelf::PIECE);
    fs::write(path("good"), "alice a\n").expect("a file");
    assert_eq!(Map::load(&path("good"), LANDLOCK).expect("a map").len(), 1);
}

#[test]
fn a_denied_file_says_who_must_be_able_to_read() {
    let denied = MapError::Open { path: Path::new("m").into(), source: io_error(libc::EACCES) };
    assert_eq!(
        denied.to_string(),
        "m: cannot be opened: Permission denied (os error 13); \
         let this user read it and search the directories above it (chmod, or the LSM's policy)"
    );
    let broken = MapError::Read { path: Path::new("m").into(), source: io_error(libc::EIO) };
    assert_eq!(
        broken.to_string(),
        "m: cannot be read: Input/output error (os error 5); \
         look for an error of the disk or the network file system"
    );
}

fn io_error(errno: i32) -> std::io::Error {
    std::io::Error::from_raw_os_error(errno)
}

#[test]
fn all_bad_lines_can_be_had_at_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("m");
    let errors = |text: &[u8]| {
        fs::write(&path, text).expect("a file");
        MapText::load(&path, LANDLOCK).expect("a text").all_errors().map_err(|e| e.len())
    };
    assert_eq!(errors(b"a\nb x\nfile:y x\n\xFF\n").expect_err("errors"), 3);
    assert_eq!(errors(b"").expect_err("errors"), 1);
    assert_eq!(errors(&b"a\n".repeat(1000)).expect_err("errors"), MAX_ERRORS);
    assert_eq!(errors(b"a x\n").expect("a map").len(), 1);
}

#[test]
fn each_reading_of_a_map_advances_by_its_size() {
    let text = "alice landlock:a\n".repeat(10_000);
    let size = text.len() as u64;
    let progress = Arc::new(Progress::of(2 * size));
    let map = text_of(&text).watched_by(&progress);
    assert!(map.all_errors().is_ok());
    // It is told of at every 1024th line.
    assert!((size * 9 / 10..=size).contains(&progress.done()), "{progress:?}");
    map.scan(|_| ControlFlow::Continue(()));
    assert!((size * 18 / 10..=2 * size).contains(&progress.done()), "{progress:?}");
    map.scan(|_| ControlFlow::Continue(()));
    assert_eq!((progress.done(), progress.total()), (2 * size, Some(2 * size)));
    assert_eq!(Progress::default().total(), None);
}

#[test]
fn a_hundred_thousand_lines() {
    let mut text = String::new();
    for i in 0..40_000_u32 {
        text += &format!("user{i} tenant-{}\n", i % 100);
        text += &format!("{} net\n", std::net::Ipv4Addr::from(0x0A00_0000 + i));
    }
    for i in 0..19_999 {
        text += &format!("host:h{i}.example.com host\n");
    }
    text += "* rest\n";
    let map = map(&text);
    assert_eq!((map.len(), map.list_count()), (100_000, 103));
    assert_eq!(line(&map, &user("user0")), Some(1));
    assert_eq!(line(&map, &user("user39999")), Some(79_999));
    assert_eq!(line(&map, &addr("10.0.0.255")), Some(512));
    assert_eq!(line(&map, &host("H19998.example.com")), Some(99_999));
    assert_eq!(line(&map, &user("nobody")), Some(100_000));
}
