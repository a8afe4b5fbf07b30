//! Decisions over real Landlock rulesets, with a table in place of the server.

use std::{collections::HashMap, path::Path};

use super::*;
use crate::{
    context::ContextList,
    map::Map,
    policy::{
        live_map::LoadOptions,
        prepared_map::PreparedMap,
        stand_in::{Expression, Request, backends, told},
    },
};

fn rule(line: u32, source: Source<Expression>) -> Rule<Expression> {
    Rule {
        origin: Origin::new("httpd.conf", line),
        in_log: format!("httpd.conf:{line}").into(),
        source,
        same_context: SameContext::Refused,
        backends: None,
    }
}

fn constant(backends: &Backends, words: &[&str]) -> Source<Expression> {
    let list = ContextList::parse(words.iter().copied(), BackendName::LANDLOCK).expect("contexts");
    Source::Constant(backends.prepare(&list, SameContext::Refused).expect("known contexts"))
}

fn env() -> Source<Expression> {
    Source::Env { name: c"CONTEXT".into(), backend: BackendName::LANDLOCK, named: false }
}

fn expr(value: Expression) -> Source<Expression> {
    Source::Expr { pieces: [Piece::Value(value)].into(), backend: BackendName::LANDLOCK, named: false }
}

fn map(backends: &Backends, text: &str) -> Source<Expression> {
    let map = Map::parse(Path::new("users.map"), text.as_bytes(), BackendName::LANDLOCK).expect("a map");
    let ready = PreparedMap::new(map, backends, SameContext::Refused).expect("known contexts");
    let options =
        LoadOptions { default: BackendName::LANDLOCK, same_context: SameContext::Refused, early: None };
    Source::Map(Arc::new(LiveMap::new(Path::new("users.map"), options, ready, Arc::default())))
}

fn decided(backends: &Backends, request: &Request, rules: &[Rule<Expression>]) -> String {
    told(decide(rules, request, backends))
}

fn with_env(value: &'static [u8]) -> Request {
    Request { env: HashMap::from([(c"CONTEXT", value)]), ..Request::default() }
}

#[test]
fn the_first_rule_that_matches_decides() {
    let b = backends();
    let rules = [rule(1, constant(&b, &["a"])), rule(2, constant(&b, &["b"]))];
    assert_eq!(decided(&b, &Request::default(), &rules), "landlock:a by httpd.conf:1");
    assert_eq!(decided(&b, &Request::default(), &[]), "unmatched");
}

#[test]
fn several_contexts_keep_their_order() {
    let b = backends();
    let rules = [rule(1, constant(&b, &["b", "a"]))];
    assert_eq!(decided(&b, &Request::default(), &rules), "landlock:b landlock:a by httpd.conf:1");
}

#[test]
fn a_map_decides_by_its_own_line_or_leaves_it_to_the_next_rule() {
    let b = backends();
    let rules = [rule(1, map(&b, "# users\nalice a\nbob unconfined\n")), rule(2, constant(&b, &["b"]))];
    let of = |user| decided(&b, &Request { user: Some(user), ..Request::default() }, &rules);
    assert_eq!(of(b"alice"), "landlock:a by users.map:2");
    assert_eq!(of(b"bob"), "unconfined by users.map:3");
    assert_eq!(of(b"carol"), "landlock:b by httpd.conf:2");
}

#[test]
fn a_variable_that_is_unset_or_empty_leaves_it_to_the_next_rule() {
    let b = backends();
    let rules = [rule(1, env()), rule(2, constant(&b, &["b"]))];
    assert_eq!(decided(&b, &Request::default(), &rules), "landlock:b by httpd.conf:2");
    assert_eq!(decided(&b, &with_env(b""), &rules), "landlock:b by httpd.conf:2");
    assert_eq!(decided(&b, &with_env(b"a"), &rules), "landlock:a by httpd.conf:1");
    assert_eq!(decided(&b, &with_env(b"landlock:a"), &rules), "landlock:a by httpd.conf:1");
}

#[test]
fn an_expression_that_is_empty_leaves_it_to_the_next_rule_and_a_failed_one_fails() {
    let b = backends();
    let after = |value| {
        let rules = [rule(1, expr(value)), rule(2, constant(&b, &["b"]))];
        decided(&b, &Request::default(), &rules)
    };
    assert_eq!(after(Ok(b"")), "landlock:b by httpd.conf:2");
    assert_eq!(after(Ok(b"a")), "landlock:a by httpd.conf:1");
    assert_eq!(
        after(Err("no such function")),
        "failed by httpd.conf:1: the expression failed: no such function; mend the expression of this rule"
    );
}

/// A request must not be able to exempt itself, to add contexts, or to forge a line of the log.
#[test]
fn a_value_from_a_request_is_one_context_and_nothing_else() {
    let b = backends();
    let of = |value| decided(&b, &with_env(value), &[rule(1, env())]);
    assert_eq!(
        of(b"unconfined"),
        "failed by httpd.conf:1: the environment variable gave `unconfined`, which only a configuration \
         or a map may say; write it there, or give a context"
    );
    assert_eq!(
        of(b"a b"),
        "failed by httpd.conf:1: the environment variable gave \"a b\": it holds U+0020, a blank, at byte 2; a value \
         is one word and is taken as it is, byte for byte: remove it from the value"
    );
    assert_eq!(
        of(b"c"),
        "failed by httpd.conf:1: landlock:c: there is no ruleset of this name; define it with \
         <ConfineLandlock c>, or write one of: a, b"
    );
    assert_eq!(
        of(b"\xff"),
        "failed by httpd.conf:1: the environment variable gave a value that is not UTF-8; contexts are \
         plain text"
    );
    assert!(of(b"a\nb").starts_with("failed by httpd.conf:1: the environment variable gave \"a\\nb\": "));
}

/// The configuration alone chooses the LSM.
#[test]
fn a_value_names_no_backend_but_the_directives_own() {
    let b = backends();
    let of = |value| decided(&b, &with_env(value), &[rule(1, env())]);
    assert_eq!(of(b"landlock:a"), "landlock:a by httpd.conf:1");
    for value in
        [&b"apparmor:man"[..], b"tomoyo:<kernel>", b"selinux:*:s0", b"Landlock:a", b"LANDLOCK:a", b"smack:a"]
    {
        let said = of(value);
        assert!(
            said.starts_with("failed by httpd.conf:1: ") && said.contains("a value may not name a backend"),
            "{said}"
        );
    }
    let prefixed = rule(
        1,
        Source::Expr {
            pieces: [Piece::Value(Ok(&b"landlock:a"[..]))].into(),
            backend: BackendName::LANDLOCK,
            named: true,
        },
    );
    let said = decided(&b, &Request::default(), &[prefixed]);
    assert!(said.contains("a value may not name a backend"), "{said}");
}

#[test]
fn what_stands_literally_is_the_configurations() {
    let b = backends();
    let of = |pieces: &[Piece<Expression>]| {
        let source = Source::Expr { pieces: pieces.into(), backend: BackendName::LANDLOCK, named: true };
        decided(&b, &Request::default(), &[rule(1, source)])
    };
    assert_eq!(of(&[Piece::Literal("a".into()), Piece::Value(Ok(b""))]), "landlock:a by httpd.conf:1");
    assert_eq!(of(&[Piece::Escaped(Ok(b"a"))]), "landlock:a by httpd.conf:1");
    // A prefix stands there, so that the text is not empty: it is no context, and never the next rule's.
    assert!(of(&[Piece::Value(Ok(b""))]).contains("landlock: has no context behind it"));
}

#[test]
fn a_map_with_an_unknown_context_names_the_line_that_uses_it_first() {
    let b = backends();
    let map = Map::parse(Path::new("m"), b"alice a\nbob c\ncarol c\n", BackendName::LANDLOCK).expect("a map");
    let error = PreparedMap::new(map, &b, SameContext::Refused).err().expect("an error");
    assert_eq!(error.0, 2);
    assert!(error.1.to_string().starts_with("landlock:c: there is no ruleset of this name"), "{}", error.1);
}

#[test]
fn a_table_of_patterns_decides_every_request() {
    let table = TransitionMap::parse(Path::new("t.conf"), b"# files\n/srv/\\*.php //php\n").expect("a table");
    let backends = backends();
    let later = rule(9, constant(&backends, &["landlock:a"]));
    let rules = [rule(1, Source::Transitions(Arc::new(table))), later];
    let of = |path: &'static [u8]| {
        let request = Request { path: Some(path), ..Request::default() };
        decided(&backends, &request, &rules)
    };
    // Not prepared: a fault of this program, and refused.
    assert!(of(b"/srv/x.php").starts_with("failed by t.conf:2: the table's line has no prepared context"));
    assert_eq!(
        of(b"/srv/x\n.html"),
        "failed by httpd.conf:1: no pattern of t.conf matches \"/srv/x\\n.html\"; add a line for it"
    );
    assert!(of(b"").starts_with("failed by httpd.conf:1: no pattern"));
}
