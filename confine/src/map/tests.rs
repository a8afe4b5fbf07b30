//! Whole maps: files, columns, and the index against a scan from the top.

use std::{collections::HashMap, fs, net::IpAddr, ops::ControlFlow, path::Path};

use ipnet::IpNet;
use proptest::prelude::*;

use super::*;

mod bad_input;

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
        "c: is a compiled map of format 2, and this version reads format 1; compile it again with the confinectl \
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
            let Some(flat) = flat::Flat::unchecked(&damaged) else { continue };
            let map = Map { path: Arc::from(Path::new("c")), flat, default: LANDLOCK };
            for subject in &subjects {
                if let Some(hit) = map.lookup(subject) {
                    let _ = map.list(hit.list);
                }
            }
            let _ = map.lists().count();
        }
    }
}

/// A subject as a test knows it, apart from how the library reads it.
#[derive(Clone, Debug)]
enum Known {
    User(String),
    Net(IpNet, bool),
    Host(String),
    Path(String),
    Anonymous,
    Any,
}

/// Few names and few bits, so that rules and subjects meet often.
fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[ab]{1,2}", "[ab#\"\\\\ :é]{1,4}", Just("10.0.0.1".to_owned()), Just("*".to_owned())]
}

fn host_name() -> impl Strategy<Value = String> {
    "[aAb]{1,2}\\.?"
}

fn address() -> impl Strategy<Value = IpAddr> {
    let low = prop_oneof![0..4_u8, Just(255)];
    (0..2_u8, low, any::<u8>()).prop_map(|(family, low, high)| match family {
        0 => IpAddr::from([10, high & 3, 0, low]),
        _ => IpAddr::from([0x2001, u16::from(high & 3) << 14, 0, 0, 0, 0, 0, low.into()]),
    })
}

/// A network, and whether to write it IPv4-mapped.
fn net() -> impl Strategy<Value = Known> {
    (address(), any::<u8>(), any::<bool>()).prop_map(|(address, prefix, mapped)| {
        let max = if address.is_ipv4() { 32 } else { 128 };
        let prefix = if prefix % 3 == 0 { max } else { prefix % (max + 1) };
        Known::Net(IpNet::new(address, prefix).expect("a prefix in range").trunc(), mapped)
    })
}

/// Few names and all kinds of wildcards, so that patterns overlap.
fn pattern() -> impl Strategy<Value = String> {
    let component = prop_oneof![
        4 => "[ab]{1,2}",
        2 => Just("*".to_owned()),
        2 => Just("**".to_owned()),
        3 => "[ab]\\*[ab]?|\\*[ab]",
        1 => Just("?".to_owned()),
        1 => Just("[!a]*".to_owned()),
    ];
    proptest::collection::vec(component, 0..5).prop_map(|c| format!("/{}", c.join("/")))
}

fn file() -> impl Strategy<Value = String> {
    "(/[ab]{1,3}){0,6}/?"
}

fn known() -> impl Strategy<Value = Known> {
    prop_oneof![
        6 => name().prop_map(Known::User),
        6 => net(),
        4 => host_name().prop_map(Known::Host),
        6 => pattern().prop_map(Known::Path),
        1 => Just(Known::Anonymous),
        1 => Just(Known::Any),
    ]
}

impl Known {
    fn written(&self) -> String {
        match self {
            Self::User(name) => {
                format!("\"user:{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
            }
            Self::Net(IpNet::V4(net), true) => {
                format!("{}/{}", net.addr().to_ipv6_mapped(), 96 + net.prefix_len())
            }
            Self::Net(net, false) if net.prefix_len() == net.max_prefix_len() => net.addr().to_string(),
            Self::Net(net, _) => format!("ip:{net}"),
            Self::Host(name) => format!("host:{name}"),
            Self::Path(pattern) => format!("path:{pattern}"),
            Self::Anonymous => "__anonymous__".to_owned(),
            Self::Any => "*".to_owned(),
        }
    }

    fn matches(&self, s: &Asker) -> bool {
        let plain = |name: &str| name.strip_suffix('.').unwrap_or(name).to_lowercase();
        match self {
            Self::User(name) => s.user.as_ref() == Some(name),
            Self::Net(net, _) => s.addr.is_some_and(|a| net.contains(&a)),
            Self::Host(name) => s.host.as_ref().is_some_and(|h| plain(h) == plain(name)),
            Self::Path(pattern) => s.path.as_ref().is_some_and(|path| {
                let components = |text: &'_ str| {
                    text.split('/').filter(|c| !c.is_empty()).map(str::to_owned).collect::<Vec<_>>()
                };
                let (parts, names) = (components(pattern), components(path));
                let (parts, names): (Vec<_>, Vec<_>) =
                    (parts.iter().map(String::as_str).collect(), names.iter().map(String::as_str).collect());
                path.starts_with('/') && plainly_matches(&parts, &names)
            }),
            Self::Anonymous => s.user.is_none(),
            Self::Any => true,
        }
    }
}

/// The plainest way to match components: each wildcard tries all it could be.
fn plainly_matches(parts: &[&str], names: &[&str]) -> bool {
    fn letters(pattern: &[u8], name: &[u8]) -> bool {
        match pattern {
            [] => name.is_empty(),
            [b'*', rest @ ..] => (0..=name.len()).any(|n| letters(rest, &name[n..])),
            [b'?', rest @ ..] => !name.is_empty() && letters(rest, &name[1..]),
            [b'[', b'!', not, b']', rest @ ..] => {
                name.first().is_some_and(|c| c != not) && letters(rest, &name[1..])
            }
            [c, rest @ ..] => name.first() == Some(c) && letters(rest, &name[1..]),
        }
    }
    match parts {
        [] => names.is_empty(),
        ["**", rest @ ..] => (0..=names.len()).any(|n| plainly_matches(rest, &names[n..])),
        [part, rest @ ..] => {
            names.first().is_some_and(|name| letters(part.as_bytes(), name.as_bytes()))
                && plainly_matches(rest, &names[1..])
        }
    }
}

/// What another implementation says: globset, for which `**` at the end needs a component, and `*` alone
/// needs none.
fn globset_matches(pattern: &str, path: &str) -> bool {
    let glob = |text: &str| {
        let glob = globset::GlobBuilder::new(text).literal_separator(true).build().expect("a glob");
        glob.compile_matcher()
    };
    let components: Vec<_> = pattern.split('/').map(|c| if c == "*" { "?*" } else { c }).collect();
    let pattern = components.join("/");
    let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    let mut shorter = pattern.as_str();
    loop {
        if glob(if shorter.is_empty() { "/" } else { shorter }).is_match(path) {
            return true;
        }
        match shorter.strip_suffix("/**") {
            Some(rest) => shorter = rest,
            None => return false,
        }
    }
}

/// Someone who makes a request; `mapped` gives the address as IPv4-mapped.
#[derive(Clone, Debug)]
struct Asker {
    user: Option<String>,
    addr: Option<IpAddr>,
    mapped: bool,
    host: Option<String>,
    path: Option<String>,
}

fn asker() -> impl Strategy<Value = Asker> {
    let facts = (
        proptest::option::of(name()),
        proptest::option::of(address()),
        proptest::option::of(host_name()),
        proptest::option::of(file()),
    );
    (facts, any::<bool>()).prop_map(|((user, addr, host, path), mapped)| Asker {
        user,
        addr,
        mapped,
        host,
        path,
    })
}

impl Asker {
    fn subject(&self) -> Subject<'_> {
        let addr = self.addr.map(|a| match a {
            IpAddr::V4(v4) if self.mapped => v4.to_ipv6_mapped().into(),
            a => a,
        });
        Subject {
            user: self.user.as_ref().map(String::as_bytes),
            addr,
            host: self.host.as_ref().map(String::as_bytes),
            path: self.path.as_ref().map(String::as_bytes),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_index_finds_what_a_scan_from_the_top_finds(
        rules in proptest::collection::vec((known(), 0..4_u32), 1..40),
        askers in proptest::collection::vec(asker(), 1..20),
    ) {
        let text: String = rules.iter().map(|(s, c)| format!("{} c{c}\n", s.written())).collect();
        let map = map(&text);
        prop_assert_eq!(map.len(), rules.len());
        let shadows: HashMap<_, _> = shadows(&text).into_iter().collect();
        for asker in &askers {
            let subject = asker.subject();
            let expected = rules.iter().position(|(s, _)| s.matches(asker));
            let hit = map.lookup(&subject);
            prop_assert_eq!(hit.map(|h| h.line as usize), expected.map(|i| i + 1), "{}", text);
            if let (Some(hit), Some(i)) = (hit, expected) {
                let given = map.list(hit.list).expect("a list").contexts.to_string();
                prop_assert_eq!(given, format!("landlock:c{}", rules[i].1));
                // What is shadowed never wins.
                prop_assert!(!shadows.contains_key(&hit.line));
            }
            let mut matches = Vec::new();
            scan(&text, |line| matches.push(line.subject.matches(&subject)));
            for (given, (known, _)) in matches.into_iter().zip(&rules) {
                prop_assert_eq!(given, known.matches(asker), "{:?}", known);
            }
        }
    }

    #[test]
    fn a_map_written_from_its_lines_reads_back(
        rules in proptest::collection::vec((known(), 0..4_u32), 1..20),
    ) {
        let text: String = rules.iter().map(|(s, c)| format!("{} c{c}\n", s.written())).collect();
        let write = |text: &str| {
            let mut written = String::new();
            scan(text, |l| written += &format!("{} {}\n", l.subject, l.contexts));
            written
        };
        let written = write(&text);
        prop_assert_eq!(write(&written), &*written);
        prop_assert_eq!(map(&text).lists().collect::<Vec<_>>(), map(&written).lists().collect::<Vec<_>>());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Map::parse(Path::new("m"), &bytes, LANDLOCK);
    }

    #[test]
    fn nearly_right_text_does_not_make_it_panic(
        text in "([a-c:.0-9/\"\\\\# \t\r*_%\\[\\]é\u{a0}-]|user:|ip:|host:|path:/|10\\.0\\.0|::ffff:|landlock:| x\n){0,60}",
    ) {
        if let Err(error) = Map::parse(Path::new("m"), text.as_bytes(), LANDLOCK) {
            prop_assert!(error.to_string().starts_with("m:"));
            prop_assert!(!error.to_string().contains(['\n', '\r']));
        }
    }
}

proptest! {
    // Each case compiles regular expressions.
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn patterns_mean_what_they_mean_to_globset(pattern in pattern(), path in "(/[ab]{1,3}){1,6}/?|/") {
        prop_assert_eq!(glob::matches(&pattern, path.as_bytes()), globset_matches(&pattern, &path));
    }
}
