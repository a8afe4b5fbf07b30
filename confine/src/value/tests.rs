use proptest::prelude::*;

use super::*;

fn refused(text: &str, backend: BackendName) -> String {
    of_backend(&Given::whole(text), backend, false).expect_err("an error").to_string()
}

fn pieces(text: &str) -> String {
    let shown = |stretch: &Stretch<'_>| match stretch {
        Stretch::Plain(text) => format!("[{text}]"),
        Stretch::Escaped(text) => format!("\\[{text}]"),
        Stretch::Value(text) => format!("<{text}>"),
    };
    stretches(text).iter().map(shown).collect()
}

#[test]
fn a_value_is_taken_byte_for_byte() {
    for (text, at) in [
        ("alice ", "U+0020, a blank, at byte 6"),
        (" alice", "U+0020, a blank, at byte 1"),
        ("alice\t", "U+0009, a control character, at byte 6"),
        ("alice\u{85}", "U+0085, a control character"),
        ("alice\u{a0}", "U+00A0, a blank"),
        ("\u{2003}alice", "U+2003, a blank, at byte 1"),
        ("alice\u{2028}", "U+2028, a blank"),
        ("alice\u{3000}", "U+3000, a blank"),
        ("al\u{200b}ice", "U+200B, a character that cannot be seen, at byte 3"),
        ("alice\u{2066}", "U+2066, a character that cannot be seen"),
        ("alice\u{e0041}", "U+E0041, a character that cannot be seen"),
        ("alice //admin", "U+0020"),
        ("landlock:alice ", "U+0020, a blank, at byte 15"),
    ] {
        let said = refused(text, BackendName::LANDLOCK);
        assert!(said.starts_with(&format!("it holds {at}")), "{said}");
        assert!(said.contains("a value is one word"), "{said}");
    }
    for text in ["alice", "日本", "a//b", "\"a\"", "*", "a.b@c"] {
        let given = of_backend(&Given::whole(text), BackendName::LANDLOCK, false).expect("a context");
        assert_eq!(given.text(), text);
    }
}

#[test]
fn unconfined_never_comes_from_a_value() {
    for text in ["unconfined", "Unconfined", "UNCONFINED"] {
        assert!(
            refused(text, BackendName::SELINUX).starts_with("only a configuration or a map may say"),
            "{text}"
        );
    }
}

#[test]
fn the_backends_own_prefix_is_taken_off_once() {
    let given =
        of_backend(&Given::whole("landlock:landlock:a"), BackendName::LANDLOCK, false).expect("a context");
    assert_eq!(given, Given::whole("landlock:a"));
}

/// However a text is cut into pieces, a prefix that is not wholly literal is the value's.
#[test]
fn a_prefix_is_found_wherever_the_pieces_meet() {
    for cut in 0..="apparmor:x".len() {
        let (literal, value) = "apparmor:x".split_at(cut);
        let given = Given::join([(false, literal), (true, value)]);
        let said = of_backend(&given, BackendName::LANDLOCK, true).expect_err("an error").to_string();
        assert!(said.contains("a value may not name a backend"), "{said}");
    }
}

#[test]
fn what_a_request_gives_begins_with_a_percent_sign_and_a_brace() {
    for (text, expected) in [
        ("", ""),
        ("//dog", "[//dog]"),
        ("//%{SERVER_NAME} //app", "[//]<%{SERVER_NAME}>[ //app]"),
        ("%{tolower:%{REMOTE_USER}}x", "<%{tolower:%{REMOTE_USER}}>[x]"),
        ("%{A}%{B}", "<%{A}><%{B}>"),
        ("50%-%x", "[50%-%x]"),
        (r"\%{A}", r"\[\%{A}]"),
        (r"\\%{A}", r"\[\\]<%{A}>"),
        ("cost$1 $x", r"\[cost$1 $x]"),
        (r"%{tolower:\}}", r"<%{tolower:\}}>"),
        ("%{A", "<%{A>"),
        (r"a\", r"\[a\]"),
    ] {
        assert_eq!(pieces(text), expected, "{text}");
    }
}

proptest! {
    /// Nothing is lost, and nothing literal holds what begins a value.
    #[test]
    fn stretches_are_the_text(text in "[%{}\\\\$1:aé ]{0,24}") {
        let all = stretches(&text);
        let joined: String = all.iter().map(|s| match s {
            Stretch::Plain(t) | Stretch::Escaped(t) | Stretch::Value(t) => *t,
        }).collect();
        prop_assert_eq!(joined, &*text);
        for stretch in all {
            if let Stretch::Plain(t) = stretch {
                let is_plain = !t.contains("%{") && !t.contains('\\');
                prop_assert!(is_plain, "{}", t);
            }
        }
    }
}
