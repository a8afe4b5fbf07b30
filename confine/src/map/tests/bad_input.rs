//! What administrators and clients can get wrong, and what then holds.

use std::time::{Duration, Instant};

use super::*;

/// A debug build takes ten times as long, and on a busy machine that again.
const LIMIT: Duration = Duration::from_secs(if cfg!(debug_assertions) { 60 } else { 1 });

/// A million lines, one of which is bad: named in under a second.
fn one_bad_line_is_named_at_once(good: impl Fn(u32) -> String, bad: &str, says: &str) {
    let line = |n| if n == 987_654 { format!("{bad}\n") } else { format!("{}\n", good(n)) };
    let text: String = (1..=1_000_000).map(line).collect();
    let start = Instant::now();
    let error = error(&text);
    assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
    assert_eq!(error, format!("t.map:987654:{says}"));
}

#[test]
fn one_bad_line_of_a_million_is_named_at_once() {
    one_bad_line_is_named_at_once(
        |n| format!("user{n} landlock:tenant{}", n % 50),
        "bob",
        "4: no context given; write at least one, such as landlock:NAME, or the word unconfined",
    );
}

#[test]
fn one_bad_pattern_of_a_million_is_named_at_once() {
    one_bad_line_is_named_at_once(
        |n| match n % 2 {
            0 => format!("path:/srv/www/*/app{n}/*.pl landlock:tenant{}", n % 50),
            _ => format!("path:/srv/www/tenant{n}/** landlock:tenant{}", n % 50),
        },
        "path:/srv//www x",
        "1: path:/srv//www is no pattern of paths: it holds two slashes in a row; write one",
    );
}

#[test]
fn a_line_of_any_length_is_a_rule_or_an_error() {
    let name = |length: usize| format!("user:{}", "x".repeat(length - "user:".len() - " c".len()));
    let longest = map(&format!("{} c\n", name(MAX_LINE)));
    assert_eq!(line(&longest, &user(&"x".repeat(MAX_LINE - 7))), Some(1));
    assert!(
        error(&format!("{} c\n", name(MAX_LINE + 1)))
            .starts_with("t.map:1:65537: the line is longer than 64 KiB")
    );
    // Without any line end: bounded memory, and an answer.
    assert!(error(&"x".repeat(50 << 20)).starts_with("t.map:1:65537: "));
    assert!(error(&format!("alice c{}", " ".repeat(MAX_LINE))).starts_with("t.map:1:65537: "));
}

#[test]
fn quotes_and_backslashes_of_any_nesting_end_in_an_error_or_a_rule() {
    for unit in ["\"", "\\", "\\\"", "\"\"", "\" ", "a\"", "\":\"", "\\\\", "\"\\", "user:\""] {
        for count in [1, 2, 3, 1000, 30_000] {
            let text = format!("{} c\n", unit.repeat(count.min(MAX_LINE / unit.len() - 10)));
            if let Err(error) = parse(&text) {
                assert!(error.to_string().starts_with("t.map:1:"), "{unit}");
            }
        }
    }
    let escaped = "\\\"".repeat(10_000);
    let map = map(&format!("\"{escaped}\" c\n"));
    assert_eq!(line(&map, &user(&"\"".repeat(10_000))), Some(1));
}

#[test]
fn any_byte_at_any_place_is_a_rule_or_an_error_of_that_line() {
    let good = b"user:\"a b\" landlock:x # c";
    for at in 0..=good.len() {
        for byte in 0..=255_u8 {
            let mut line = good.to_vec();
            line.insert(at, byte);
            let text = [&b"x y\n"[..], &line, b"\n"].concat();
            if let Err(error) = Map::parse(Path::new("t.map"), &text, LANDLOCK) {
                let error = error.to_string();
                // A line end makes two lines of one.
                let place = error.starts_with("t.map:2:") || (byte == b'\n' && error.starts_with("t.map:3:"));
                assert!(place && !error.contains(char::is_control), "{byte} at {at}: {error:?}");
            }
        }
    }
}

#[test]
fn the_whole_of_either_family_is_a_network() {
    let map = map("0.0.0.0/0 four\n::/0 six\n");
    for (address, expected) in [
        ("0.0.0.0", 1),
        ("255.255.255.255", 1),
        ("::ffff:1.2.3.4", 1),
        ("::", 2),
        ("::1", 2),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 2),
        // Other ways to write an IPv4 address into IPv6 are IPv6.
        ("::1.2.3.4", 2),
        ("64:ff9b::1.2.3.4", 2),
    ] {
        assert_eq!(line(&map, &addr(address)), Some(expected), "{address}");
    }
    assert_eq!(line(&map, &Subject::default()), None, "no address, no network");
}

#[test]
fn ipv4_mapped_clients_and_rules_are_ipv4() {
    let map = map("::ffff:192.0.2.0/120 mapped\n192.0.2.0/24 plain\n::/0 six\n");
    assert_eq!(line(&map, &addr("192.0.2.9")), Some(1));
    assert_eq!(line(&map, &addr("::ffff:192.0.2.9")), Some(1));
    assert_eq!(line(&map, &addr("::ffff:198.51.100.1")), None, "::/0 is not for it");
}

#[test]
fn scoped_addresses_are_refused_in_maps_and_match_without_their_zone() {
    assert!(
        error("fe80::1%eth0 c\n")
            .contains("has a zone, which a client's address here never has; did you mean fe80::1?")
    );
    assert!(error("ip:fe80::%2/10 c\n").contains("did you mean fe80::/10?"));
    assert_eq!(line(&map("fe80::/10 c\n"), &addr("fe80::1")), Some(1));
}

#[test]
fn hosts_in_capitals_and_with_a_dot_at_the_end_are_the_same_host() {
    let map = map("host:WWW.Example.COM a\nhost:other.example. b\n");
    for name in ["www.example.com", "WWW.EXAMPLE.COM", "www.example.com."] {
        assert_eq!(line(&map, &host(name)), Some(1), "{name}");
    }
    assert_eq!(line(&map, &host("Other.Example")), Some(2));
    assert_eq!(line(&map, &host("www.example.com..")), None);
    assert_eq!(line(&map, &host("ẃww.example.com")), None, "only ASCII has capitals here");
}

#[test]
fn user_names_with_blanks_colons_signs_and_other_scripts() {
    let text = "user:\"John Smith\" a\nuser:DOMAIN:bob b\n\"#hash\" c\nuser:#x d\n\"jürgen müller\" e\n日本 f\n\
                \"tab\\\\slash\" g\nuser:* h\nuser:__anonymous__ i\nuser:10.0.0.1 j\na#b k\n";
    let map = map(text);
    for (name, expected) in [
        ("John Smith", 1),
        ("DOMAIN:bob", 2),
        ("#hash", 3),
        ("#x", 4),
        ("jürgen müller", 5),
        ("日本", 6),
        ("tab\\slash", 7),
        ("*", 8),
        ("__anonymous__", 9),
        ("10.0.0.1", 10),
        ("a#b", 11),
    ] {
        assert_eq!(line(&map, &user(name)), Some(expected), "{name}");
    }
    // Names are compared by bytes: another form of the same letter, or Latin-1, is another name.
    assert_eq!(line(&map, &user("ju\u{308}rgen mu\u{308}ller")), None);
    assert_eq!(map.lookup(&Subject { user: Some(b"j\xfcrgen m\xfcller"), ..Subject::default() }), None);
    assert_eq!(line(&map, &user("john smith")), None);
    assert_eq!(line(&map, &user("anybody")), None);
}

#[test]
fn a_user_name_of_four_kilobytes_is_one_like_any_other() {
    let name = "n".repeat(4096);
    let map = map(&format!("{name} a\n{name}x b\n"));
    assert_eq!(line(&map, &user(&name)), Some(1));
    assert_eq!(line(&map, &user(&format!("{name}x"))), Some(2));
    assert_eq!(line(&map, &user(&name[1..])), None);
    assert_eq!(line(&map, &user(&"n".repeat(1 << 20))), None);
}
