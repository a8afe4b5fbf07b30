//! What a database's answers mean, over real Landlock rulesets and a table in place of the database.

use std::{collections::HashMap, ffi::CString, time::Duration};

use super::*;
use crate::{
    Origin,
    policy::{
        decide::{Rule, Source, decide},
        stand_in::{Expression, Request, backends, told},
    },
};

/// Alice's request where the database gives this for her.
fn alice(rows: Rows) -> Request {
    Request {
        user: Some(b"alice"),
        rows: HashMap::from([(vec![b"alice".to_vec()], rows)]),
        ..Request::default()
    }
}

fn one(value: &[u8]) -> Rows {
    Rows::One(value.to_vec())
}

fn rule(ttl: Duration, parameters: Parameters<Expression>) -> Rule<Expression> {
    rule_of(ttl, parameters, RowsAre::Values)
}

/// Always asks, and reads rows as a map's lines.
fn of_rules() -> Rule<Expression> {
    rule_of(Duration::ZERO, Parameters::User, RowsAre::Rules)
}

fn rule_of(ttl: Duration, parameters: Parameters<Expression>, rows: RowsAre) -> Rule<Expression> {
    let statement = Statement { label: c"tenant".into(), sql: c"SELECT".into() };
    let limits = CacheLimits { ttl, entries: 100 };
    let database = Database::new(statement, parameters, BackendName::LANDLOCK, rows, limits);
    let source = Source::Database(Box::new(database));
    Rule {
        origin: Origin::new("httpd.conf", 1),
        in_log: "httpd.conf:1".into(),
        source,
        same_context: SameContext::Refused,
        backends: None,
    }
}

/// Always asks.
fn by_user() -> Rule<Expression> {
    rule(Duration::ZERO, Parameters::User)
}

fn kept() -> Rule<Expression> {
    rule(Duration::from_secs(3600), Parameters::User)
}

fn by_values(values: &[Expression]) -> Rule<Expression> {
    rule(Duration::from_secs(3600), Parameters::Values(values.into()))
}

fn decided(backends: &Backends, request: &Request, rule: &Rule<Expression>) -> String {
    told(decide([rule], request, backends))
}

#[test]
fn a_row_is_one_context_of_the_directives_backend() {
    let b = backends();
    for value in ["a", "landlock:a"] {
        let said = decided(&b, &alice(one(value.as_bytes())), &by_user());
        assert_eq!(said, "landlock:a by httpd.conf:1", "{value:?}");
    }
    for (value, reason) in [
        ("a ", "it holds U+0020, a blank, at byte 2"),
        ("a ", "a column of type CHAR pads"),
        (" a", "byte 1"),
        ("a b", "rows=rules"),
        ("a\u{a0}", "U+00A0"),
        ("\u{3000}a", "U+3000"),
        ("\"a\"", "there is no ruleset of this name"),
        ("apparmor:a", "a value may not name a backend"),
        ("Unconfined", "only a configuration or a map may say `unconfined`"),
        (" ", "U+0020"),
    ] {
        let said = decided(&b, &alice(one(value.as_bytes())), &by_user());
        assert!(
            said.starts_with("failed by httpd.conf:1: the database gave ") && said.contains(reason),
            "{said}"
        );
    }
}

#[test]
fn a_row_may_be_a_rule_where_the_administrator_says_so() {
    let b = backends();
    for (value, contexts) in [
        ("a", "landlock:a"),
        ("landlock:b", "landlock:b"),
        ("  b\ta  ", "landlock:b landlock:a"),
        ("landlock:\"a\" \"b\"\n", "landlock:a landlock:b"),
        ("a # of the shop", "landlock:a"),
    ] {
        assert_eq!(
            decided(&b, &alice(one(value.as_bytes())), &of_rules()),
            format!("{contexts} by httpd.conf:1"),
            "{value:?}"
        );
    }
}

#[test]
fn no_row_and_an_empty_one_leave_it_to_the_next_rule() {
    let b = backends();
    for rows in [Rows::None, one(b"")] {
        assert_eq!(decided(&b, &alice(rows), &by_user()), "unmatched");
    }
    assert_eq!(decided(&b, &alice(one(b" \t\n")), &of_rules()), "unmatched");
}

#[test]
fn a_request_without_a_user_asks_nothing() {
    let b = backends();
    for user in [None, Some(&b""[..])] {
        let request = Request { user, ..alice(one(b"a")) };
        assert_eq!(decided(&b, &request, &by_user()), "unmatched");
        assert!(request.asked.borrow().is_empty());
    }
}

#[test]
fn what_is_no_context_is_refused_and_shown() {
    let b = backends();
    let of = |rows| decided(&b, &alice(rows), &of_rules());
    assert_eq!(
        of(one(b"c")),
        "failed by httpd.conf:1: the database gave \"c\" for tenant: landlock:c: there is no ruleset of this \
         name; define it with <ConfineLandlock c>, or write one of: a, b; correct what it gives"
    );
    assert_eq!(
        of(one(b"a\nb")),
        "failed by httpd.conf:1: the database gave \"a\\nb\" for tenant: there is the control character \
         U+000A; remove it; correct what it gives"
    );
    assert_eq!(
        of(one(b"a \"b")),
        "failed by httpd.conf:1: the database gave \"a \\\"b\" for tenant: the double quote that opens here \
         is not closed on this line; close it; correct what it gives"
    );
    assert_eq!(
        of(Rows::Several),
        "failed by httpd.conf:1: the database gave more than one row for tenant: which one counts would be \
         left to chance; select one, say by LIMIT 1 behind an ORDER BY; correct what it gives"
    );
    for (value, reason) in [
        (&b"\xff"[..], "it is not UTF-8"),
        (b"a a", "is in the list twice"),
        (b"smack:x", "which this version does not offer"),
        (b"#", "no context given"),
        (b"landlock:", "has no context behind it"),
    ] {
        let said = of(one(value));
        assert!(said.starts_with("failed by ") && said.contains(reason), "{said}");
    }
    let long = of(one(&[b'x'; 5000]));
    assert!(long.contains("xxx...\" for tenant: it is longer than 4096 bytes") && long.len() < 500, "{long}");
}

#[test]
fn a_database_cannot_exempt() {
    let b = backends();
    for value in ["unconfined", " unconfined # really", "\"unconfined\""] {
        let said = decided(&b, &alice(one(value.as_bytes())), &of_rules());
        assert!(said.starts_with("failed by ") && said.contains("only a configuration or a map"), "{said}");
    }
    for value in ["a unconfined", "unconfined a"] {
        let said = decided(&b, &alice(one(value.as_bytes())), &of_rules());
        assert!(said.starts_with("failed by ") && said.contains("unconfined must stand alone"), "{said}");
    }
}

#[test]
fn a_database_that_is_away_refuses_and_is_asked_again() {
    let b = backends();
    let (request, rule) = (alice(one(b"a")), kept());
    request.away.set(true);
    for _ in 0..2 {
        assert_eq!(
            decided(&b, &request, &rule),
            "failed by httpd.conf:1: the database could not be asked with tenant: no connection; mend the \
             database or the way to it, no restart is needed"
        );
    }
    request.away.set(false);
    assert_eq!(decided(&b, &request, &rule), "landlock:a by httpd.conf:1");
    // Kept: the database is not missed.
    request.away.set(true);
    assert_eq!(decided(&b, &request, &rule), "landlock:a by httpd.conf:1");
    assert_eq!(request.asked.borrow().len(), 3);
}

#[test]
fn a_bad_row_is_not_kept_and_no_row_is() {
    let b = backends();
    let rule = kept();
    let bad = alice(one(b"c"));
    for _ in 0..2 {
        assert!(decided(&b, &bad, &rule).starts_with("failed"));
    }
    assert_eq!(bad.asked.borrow().len(), 2);
    let none = alice(Rows::None);
    for _ in 0..2 {
        assert_eq!(decided(&b, &none, &rule), "unmatched");
    }
    assert_eq!(none.asked.borrow().len(), 1);
}

#[test]
fn the_values_are_those_of_the_expressions() {
    let b = backends();
    let rows = HashMap::from([(vec![b"alice".to_vec(), b"shop".to_vec()], one(b"b"))]);
    let request = Request { rows, ..Request::default() };
    assert_eq!(decided(&b, &request, &by_values(&[Ok(b"alice"), Ok(b"shop")])), "landlock:b by httpd.conf:1");
    assert_eq!(decided(&b, &request, &by_values(&[Ok(b"shop"), Ok(b"alice")])), "unmatched");
    // Asked as it is: whether somebody unknown has a row is the table's to say.
    assert_eq!(decided(&b, &request, &by_values(&[Ok(b"")])), "unmatched");
    assert_eq!(decided(&b, &request, &by_values(&[])), "unmatched");
    assert_eq!(*request.asked.borrow(), ["tenant(alice,shop)", "tenant(shop,alice)", "tenant()", "tenant()"]);
    assert_eq!(
        decided(&b, &request, &by_values(&[Ok(b"alice"), Err("no such function")])),
        "failed by httpd.conf:1: the expression failed: no such function; mend the expression of this rule"
    );
}

#[test]
fn answers_of_one_database_are_not_given_for_another() {
    let b = backends();
    let rule = kept();
    let here = alice(one(b"a"));
    let there = Request { database: 1, ..alice(one(b"b")) };
    for _ in 0..2 {
        assert_eq!(decided(&b, &here, &rule), "landlock:a by httpd.conf:1");
        assert_eq!(decided(&b, &there, &rule), "landlock:b by httpd.conf:1");
    }
    assert_eq!(here.asked.borrow().len() + there.asked.borrow().len(), 2);
}

/// However values are cut, no two questions share a key, long ones neither.
#[test]
fn each_question_has_its_own_key() {
    let long = [b'x'; 300];
    let questions: [(usize, &[&[u8]]); 11] = [
        (0, &[]),
        (1, &[]),
        (0, &[b""]),
        (0, &[b"", b""]),
        (0, &[b"ab"]),
        (0, &[b"a", b"b"]),
        (0, &[b"", b"ab"]),
        (0, &[b"ab", b""]),
        (0, &[&long]),
        (0, &[&long[..299], b"x"]),
        (0, &[b"x", &long[..299]]),
    ];
    let keys: Vec<Vec<u8>> =
        questions.iter().map(|(n, values)| with_key(*n, values, <[u8]>::to_vec)).collect();
    for (i, key) in keys.iter().enumerate() {
        assert!(!keys[..i].contains(key), "{:?}", questions[i]);
    }
}

#[test]
fn parameters_are_counted_as_apr_counts_them() {
    let count =
        |sql: &str| Statement { label: c"x".into(), sql: CString::new(sql).expect("SQL") }.parameters();
    for (sql, number) in [
        ("SELECT context FROM tenants", 0),
        ("SELECT context FROM tenants WHERE name = %s", 1),
        ("SELECT c FROM t WHERE a = %s AND b = %d AND c = %lld AND d = %pDt", 4),
        ("SELECT c FROM t WHERE a LIKE '%%s' AND b = %s", 1),
        ("SELECT c FROM t WHERE a LIKE '%%%s'", 1),
        ("SELECT c FROM t WHERE a % 2 = 0 AND b %", 0),
        // Not what was meant, and what APR does.
        ("SELECT c FROM t WHERE a LIKE '%shop%'", 1),
        ("%h%d", 2),
        ("", 0),
    ] {
        assert_eq!(count(sql), Ok(number), "{sql}");
    }
    assert_eq!(
        count("SELECT c FROM t WHERE a = %pDb").expect_err("an error").to_string(),
        "its parameter %pDb is for binary data; write %s"
    );
    assert_eq!(
        count("SELECT c FROM t WHERE a LIKE '%é'").expect_err("an error").to_string(),
        "its text holds \"%é'\"; write %% for a percent sign, and %s for a parameter"
    );
}
