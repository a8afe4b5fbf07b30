//! Contexts as they are written, and as they are shown.

use super::*;

const SELINUX: BackendName = BackendName::SELINUX;
const LANDLOCK: BackendName = BackendName::LANDLOCK;

fn context(backend: BackendName, text: &str) -> Context {
    Context { backend, text: text.into() }
}

/// The text of the error that `word` gives with SELinux as the default.
fn error(word: &str) -> String {
    Context::parse(word, SELINUX).expect_err("an error").to_string()
}

fn list_error(words: &[&str]) -> String {
    ContextList::parse(words.iter().copied(), SELINUX).expect_err("an error").to_string()
}

#[test]
fn a_known_prefix_names_the_backend() {
    assert_eq!(Context::parse("selinux:a_t:s0", LANDLOCK), Ok(context(SELINUX, "a_t:s0")));
    assert_eq!(Context::parse("landlock:tenant-a", SELINUX), Ok(context(LANDLOCK, "tenant-a")));
    assert_eq!(Context::parse("landlock:selinux:x", SELINUX), Ok(context(LANDLOCK, "selinux:x")));
    assert_eq!(Context::parse("landlock:unconfined", SELINUX), Ok(context(LANDLOCK, "unconfined")));
}

#[test]
fn any_other_text_belongs_to_the_default_backend() {
    for text in [
        "httpd_dog_t:s0",
        "*:s0:c1",
        "u:r:t:s0-s0:c0.c1023",
        "landlock",
        "<kernel> /usr/sbin/x",
        ":x",
        "日本",
    ] {
        assert_eq!(Context::parse(text, SELINUX), Ok(context(SELINUX, text)));
        assert_eq!(Context::parse(text, LANDLOCK), Ok(context(LANDLOCK, text)));
    }
}

#[test]
fn the_display_form_reads_back_whatever_the_default() {
    for word in ["a_t:s0", "landlock:x", "selinux:landlock:x"] {
        let context = Context::parse(word, SELINUX).expect("a context");
        assert_eq!(Context::parse(&context.to_string(), LANDLOCK), Ok(context));
    }
}

#[test]
fn an_lsm_of_a_later_version_is_an_error_that_says_so() {
    assert_eq!(
        error("smack:dog"),
        format!(
            "\"smack:dog\" names the LSM smack, which this version does not offer; \
             the backends are {}, later versions add smack",
            backends()
        )
    );
    for word in ["smack:x", "Smack:blog", "smack:"] {
        assert!(error(word).contains("which this version does not offer"), "{word}");
    }
}

#[test]
fn a_prefix_in_capitals_is_not_taken_for_a_context() {
    assert_eq!(
        error("SELinux:a_t"),
        "\"SELinux:a_t\": backends are written in lower case; write selinux: before the context"
    );
}

#[test]
fn a_misspelt_prefix_is_not_taken_for_a_context() {
    assert_eq!(
        error("landlok:bob"),
        format!(
            "\"landlok:bob\": there is no backend called \"landlok\"; write landlock: if that was meant (the \
             backends are {}), or selinux:landlok:bob if it is a context of that backend as it stands",
            backends()
        )
    );
    for (word, meant) in [
        ("landlok:bob", "landlock"),
        ("Landloc:bob", "landlock"),
        ("land-lock:bob", "landlock"),
        ("aparmor:blog", "apparmor"),
        ("app_armor:blog", "apparmor"),
        ("selinx:httpd_dog_t:s0", "selinux"),
        ("tomyo://dog", "tomoyo"),
        ("landlok:", "landlock"),
    ] {
        for default in BackendName::ALL {
            let error = Context::parse(word, *default).expect_err(word).to_string();
            assert!(error.contains(&format!("; write {meant}: if that was meant")), "{error}");
        }
        assert!(literal_prefix(word).is_err(), "{word}");
        // As it stands, where that is said.
        assert_eq!(
            Context::parse(&format!("selinux:{word}"), LANDLOCK),
            Ok(context(SELINUX, word)),
            "{word}"
        );
    }
}

#[test]
fn contexts_of_selinux_are_told_from_misspelt_prefixes() {
    for word in [
        "landlock_t:s0",
        "selinux_t:s0:c1",
        "landlok_u:system_r:httpd_t:s0",
        "tomoyo_u:x:y",
        "landlok:system_r:httpd_t",
        "system_u:system_r:httpd_dog_t:s0",
        "root:system_r:httpd_t:s0",
        "dog:s0",
        "*:s0:c1",
    ] {
        assert_eq!(Context::parse(word, SELINUX), Ok(context(SELINUX, word)), "{word}");
    }
}

#[test]
fn a_misspelt_exemption_is_no_context() {
    for word in ["unconfind", "Unconfined", "UNCONFINED", "uncofnined", "unconfinedd"] {
        assert!(error(word).contains("; write unconfined if that was meant, or selinux:"), "{word}");
        assert!(ContextList::parse(["landlock:x", word], SELINUX).is_err(), "{word}");
    }
    for word in ["unconfined_t", "confined", "unconfined_t:s0"] {
        assert_eq!(Context::parse(word, SELINUX), Ok(context(SELINUX, word)), "{word}");
    }
    assert_eq!(Context::parse("landlock:unconfind", SELINUX), Ok(context(LANDLOCK, "unconfind")));
}

#[test]
fn empty_texts_are_refused() {
    let empty = "an empty word is no context; write one, such as landlock:NAME, or leave the word out";
    assert_eq!(error(""), empty);
    assert_eq!(error("  "), empty);
    assert_eq!(
        error("selinux:"),
        "selinux: has no context behind it; write it there without a blank, such as selinux:httpd_dog_t:s0"
    );
    assert_eq!(
        error("landlock: "),
        "landlock: has no context behind it; write it there without a blank, such as landlock:tenant-a"
    );
}

#[test]
fn control_characters_are_refused() {
    assert_eq!(
        error("a_t\0"),
        "\"a_t\\0\" holds the control character U+0000 at byte 4; contexts are printable text, remove it"
    );
    for word in ["\t", "a\nb", "landlock:\u{1b}[31m", "a\u{7f}", "\u{9b}x"] {
        assert!(error(word).contains("holds the control character"), "{word:?}");
    }
}

#[test]
fn a_list_keeps_the_order() {
    assert_eq!(
        ContextList::parse(["landlock:x", "a_t:s0"], SELINUX),
        Ok(ContextList::Contexts([context(LANDLOCK, "x"), context(SELINUX, "a_t:s0")].into()))
    );
    let list = ContextList::parse(["landlock:x", "a_t:s0"], SELINUX).expect("a list");
    assert_eq!(list.to_string(), "landlock:x selinux:a_t:s0");
}

#[test]
fn no_word_is_an_error() {
    assert_eq!(
        list_error(&[]),
        "no context given; write at least one, such as landlock:NAME, or the word unconfined"
    );
}

#[test]
fn unconfined_stands_alone() {
    assert_eq!(ContextList::parse(["unconfined"], SELINUX), Ok(ContextList::Unconfined));
    assert_eq!(ContextList::Unconfined.to_string(), "unconfined");
    let text = "unconfined must stand alone: it exempts the request, and the list also confines it; \
                keep either the word or the contexts";
    for words in [["unconfined", "a_t"], ["a_t", "unconfined"], ["unconfined", "unconfined"]] {
        assert_eq!(list_error(&words), text);
    }
    assert_eq!(
        error("unconfined"),
        "unconfined is not a context but the exemption from all of them; write a context here"
    );
}

#[test]
fn a_repeated_context_is_an_error_however_it_is_written() {
    assert_eq!(
        list_error(&["a_t:s0", "landlock:x", "selinux:a_t:s0"]),
        "selinux:a_t:s0 is in the list twice; contexts are entered one after the other and the second \
         time would change nothing, remove one"
    );
    assert_eq!(
        ContextList::parse_indexed(["a_t", "a_t"], SELINUX).map_err(|(i, _)| i),
        Err(1),
        "the second one is at fault"
    );
}

#[test]
fn a_list_reads_back_from_its_text() {
    for words in [
        &["selinux:a_t:s0:c1,c2", "landlock:x@host"][..],
        &["uid:alice", "tomoyo://dog.example.com //blog", "landlock:x"],
        &["tomoyo:<kernel> /usr/sbin/apache2 //blog", "apparmor:stack blog"],
    ] {
        let list = ContextList::parse(words.iter().copied(), SELINUX).expect("a list");
        assert_eq!(ContextList::of_text(&list.to_string()), Ok(list));
    }
    assert!(ContextList::of_text("").is_err());
    assert!(ContextList::of_text("landlock:x landlock:").is_err());
}
