use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{
    slow::{encode, slow},
    *,
};

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn check(text: &str, yes: &[&str], no: &[&str]) {
    let pattern = pattern(text);
    for name in yes {
        assert!(pattern.matches(name.as_bytes()), "{text} matches {name}");
        assert!(slow(text, name.as_bytes()), "{text} matches {name}, slowly");
    }
    for name in no {
        assert!(!pattern.matches(name.as_bytes()), "{text} does not match {name}");
        assert!(!slow(text, name.as_bytes()), "{text} does not match {name}, slowly");
    }
}

#[test]
fn each_wildcard_matches_what_its_definition_says() {
    check(r"/a/\*", &["/a/", "/a/b", "/a/b.c", "/a/\u{e4} \\"], &["/a", "/b/b", "/a/b/", "/a/b/c", ""]);
    check(r"/a/\*.php", &["/a/.php", "/a/b.php", "/a/b.php.php"], &["/a/b.phps", "/a/b/c.php"]);
    check(r"/\@", &["/", "/b", "/bc-d"], &["/b.c", "/.", "/b/c"]);
    check(r"/\@.\@", &["/b.c", "/.", "/b."], &["/b", "/b.c.d"]);
    check(r"/b\?", &["/bc", "/b.", "/b\\", "/b ", "/b\u{1}"], &["/b", "/b/", "/bcd"]);
    check(r"/\$", &["/0", "/0123456789"], &["/", "/a", "/1a", "/1.0"]);
    check(r"/\+\+", &["/12"], &["/1", "/123", "/1a"]);
    check(r"/\X", &["/0aF", "/f"], &["/", "/g", "/0x"]);
    check(r"/\x", &["/f", "/A", "/7"], &["/ff", "/g", "/"]);
    check(r"/\A", &["/a", "/Zz"], &["/", "/a1", "/a-b"]);
    check(r"/\a\a", &["/ab"], &["/a", "/abc", "/a1"]);
    check(r"/\\\*", &["/\\", "/\\x"], &["/x", "/"]);
    check(r"/\040\177\001", &["/ \u{7f}\u{1}"], &["/040", "/  \u{1}"]);
    check(r"/\303\266\*", &["/\u{f6}", "/\u{f6}x"], &["/x", "/o"]);
    check(r"/a/b", &["/a/b"], &["/a/b/", "/a/bc", "/a", "/A/b"]);
    check(r"/", &["/"], &["/a", "//"]);
}

#[test]
fn repetition_matches_one_or_more_components() {
    check(r"/\{\*\}/\*", &["/a/b", "/a/b/c", "/a/", "//b"], &["/a", "/"]);
    check(r"/w/\{d\}/f", &["/w/d/f", "/w/d/d/f"], &["/w/f", "/w/e/f", "/w/d/e/f", "/w/d/"]);
    check(r"/\{\*\}/\{\*\}/x", &["/a/b/x", "/a/b/c/x"], &["/a/x", "/x"]);
    check(r"/\{\*\-.git\}/\*.php", &["/a/x.php", "/a/b/x.php"], &["/.git/x.php", "/a/.git/x.php", "/x.php"]);
    check(r"/a/\{b\}/", &["/a/b/", "/a/b/b/"], &["/a/b", "/a/", "/a/b/c"]);
}

#[test]
fn subtraction_takes_away_up_to_the_next_slash() {
    check(r"/\*\-a\-b", &["/c", "/ab", "/"], &["/a", "/b", "/c/d"]);
    check(r"/\*\-\*.bak/x", &["/a/x"], &["/a.bak/x", "/.bak/x"]);
    check(r"/\*\-", &["/a"], &["/"]);
    // The characters before the first wildcard are compared first, and the subtraction does not see them.
    check(r"/a\*\-ab", &["/ab", "/ac"], &["/aab", "/b"]);
    check(r"/\*\-ab", &["/aab"], &["/ab"]);
}

#[test]
fn what_is_no_pattern_says_why() {
    for (text, says) in [
        ("", "a pattern begins with /; write the whole path"),
        ("a", "a pattern begins with /; write the whole path"),
        ("/a b", "the byte 32 is no printable ASCII; write it as \\040"),
        ("/\u{e4}", "the byte 195 is no printable ASCII; write it as \\303"),
        ("/\\{a\\}", "\\{ and \\} embrace one whole component; write /\\{name\\}/"),
        ("/\\{a", "\\{ and \\} embrace one whole component; write /\\{name\\}/"),
        ("/\\{a/b\\}/", "\\{ and \\} embrace one whole component; write /\\{name\\}/"),
        ("/a\\{b\\}/c", "\\{ and \\} embrace one whole component; write /\\{name\\}/"),
        ("/\\{a\\}b/c", "\\{ and \\} embrace one whole component; write /\\{name\\}/"),
        ("/\\{a\\{b\\}/c", "\\{ and \\} embrace one whole component; write /\\{name\\}/"),
        ("/a\\}/c", "\\{ and \\} embrace one whole component; write /\\{name\\}/"),
    ] {
        assert_eq!(Pattern::parse(text).unwrap_err().to_string(), says, "{text}");
    }
    for (text, escape) in [
        (r"/\b", r"\b"),
        (r"/\", r"\"),
        (r"/\101", r"\101"),
        (r"/\000", r"\000"),
        (r"/\40", r"\40"),
        (r"/\9", r"\9"),
    ] {
        let says = format!(
            "{escape} is neither a wildcard nor an escape; there are \\* \\@ \\? \\$ \\+ \\X \\x \\A \\a \\- \\{{ \\}} \
             \\\\ and \\ooo for bytes that are no printable ASCII"
        );
        assert_eq!(Pattern::parse(text).unwrap_err().to_string(), says);
    }
    assert_eq!(Pattern::parse(&format!(r"/\*{}", "a".repeat(256))), Err(PatternError::Component(257)));
    assert!(Pattern::parse(&format!(r"/\*{}", "a".repeat(255))).is_ok());
    assert_eq!(Pattern::parse(&format!(r"/\*{}", "/a".repeat(127))), Err(PatternError::Components(128)));
    assert!(Pattern::parse(&format!(r"/\*{}", "/a".repeat(126))).is_ok());
    assert!(Pattern::parse(&format!("/{}", "a/".repeat(500))).is_ok());
}

#[test]
fn the_longest_patterns_are_matched_whole() {
    let text = format!("/{}", r"\*a".repeat(255));
    assert!(pattern(&text).matches(format!("/{}", "a".repeat(255)).as_bytes()));
    assert!(!pattern(&text).matches(format!("/{}", "a".repeat(254)).as_bytes()));
    let text = format!("/{}x", r"\{\*\}/".repeat(126));
    assert!(pattern(&text).matches(format!("/{}x", "a/".repeat(126)).as_bytes()));
    assert!(pattern(&text).matches(format!("/{}x", "a/".repeat(200)).as_bytes()));
    assert!(!pattern(&text).matches(format!("/{}x", "a/".repeat(125)).as_bytes()));
}

#[test]
fn a_hostile_name_takes_no_longer_than_its_length() {
    let texts = [
        format!("/{}b", r"\*a".repeat(40)),
        format!("/{}b", r"\$1".repeat(40)),
        format!("/{}b", r"\{\*a\*\}/".repeat(40)),
    ];
    let names = [format!("/{}", "a".repeat(4000)), format!("/{}", "1".repeat(4000)), "/a".repeat(2000)];
    let start = Instant::now();
    for text in &texts {
        let pattern = pattern(text);
        for name in &names {
            assert!(!pattern.matches(name.as_bytes()));
        }
    }
    // It takes milliseconds. A matcher that goes back and tries again would not end.
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

/// There are only a few different characters, so that patterns and names often match.
fn piece() -> impl Strategy<Value = String> {
    let item = prop_oneof![
        3 => "[ab1.]",
        3 => Just(r"\*".to_owned()),
        1 => Just(r"\@".to_owned()),
        1 => Just(r"\?".to_owned()),
        1 => prop_oneof![Just(r"\$"), Just(r"\+"), Just(r"\X"), Just(r"\x"), Just(r"\A"), Just(r"\a")]
            .prop_map(str::to_owned),
        1 => Just(r"\\".to_owned()),
        1 => Just(r"\001".to_owned()),
        1 => Just(r"\-".to_owned()),
    ];
    proptest::collection::vec(item, 0..5).prop_map(|items| items.concat())
}

fn pattern_text() -> impl Strategy<Value = String> {
    let middle = (piece(), any::<bool>()).prop_map(|(piece, repeated)| {
        if repeated { format!(r"/\{{{piece}\}}") } else { format!("/{piece}") }
    });
    (proptest::collection::vec(middle, 0..4), piece())
        .prop_map(|(middle, last)| format!("{}/{last}", middle.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn it_agrees_with_the_definition(text in pattern_text(), name in "(/[ab1.\\\\\u{1}]{0,4}){1,5}") {
        prop_assert_eq!(pattern(&text).matches(name.as_bytes()), slow(&text, name.as_bytes()), "{} {:?}", text, name);
    }

    /// A pattern without wildcards matches only its own text.
    #[test]
    fn a_literal_matches_itself_alone(name in "/[ab1./ \\\\\u{e4}]{0,8}", other in "/[ab1./ \\\\\u{e4}]{0,8}") {
        let pattern = pattern(&encode(name.as_bytes()));
        prop_assert!(pattern.matches(name.as_bytes()));
        prop_assert_eq!(pattern.matches(other.as_bytes()), name == other);
    }

    #[test]
    fn parsing_never_panics(text in ".{0,40}", name in proptest::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(pattern) = Pattern::parse(&format!("/{text}")) {
            pattern.matches(&name);
        }
    }
}
