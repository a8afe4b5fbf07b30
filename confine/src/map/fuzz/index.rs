//! Compares the tables of a map with a scan from the top.

use std::collections::HashSet;

use ipnet::IpNet;

use super::asker::{Asker, DEFAULT, Scanned, assert_fit_for_a_log, each_rule, hit_of, name};
use crate::map::{
    Cover, Map, MapError, MapSubject, MapText, file, syntax::MAX_ERRORS, table::block::SourceStamp,
};

/// The number of rules for which requests are made.
const MOST_ASKERS: usize = 12;

/// `MAP NUL user NUL address NUL host NUL path`; see [`Asker::behind`].
pub(crate) fn map(data: &[u8]) {
    let (bytes, asker) = Asker::behind(data);
    let text = MapText::of(name(), bytes.to_vec(), DEFAULT);
    let scanned = Scanned::of(&text);
    let all = text.all_errors();
    let map = match text.map() {
        Ok(map) => map,
        Err(error) => {
            assert_fit_for_a_log(&error);
            match &error {
                MapError::Line { line, .. } => assert_eq!(Some(*line), scanned.first_error),
                MapError::Empty { .. } => assert!(scanned.errors == 0 && scanned.rules.is_empty()),
                other => panic!("{other}"),
            }
            let errors = all.expect_err("the same errors");
            errors.iter().for_each(assert_fit_for_a_log);
            assert_eq!(errors.len(), scanned.errors.clamp(1, MAX_ERRORS));
            return;
        }
    };
    assert_eq!(scanned.errors, 0);
    assert_eq!(map.len(), scanned.rules.len());
    assert_eq!(all.expect("no errors").len(), map.len());
    subjects_read_back(&scanned);
    lists_are_told_apart(&map, &scanned);
    let askers = askers(&text, asker);
    answers_are_those_of_a_scan(&map, &text, &scanned, &askers);
    answers_are_those_of(&map, &compiled(&map), &askers);
}

/// Checks that a displayed subject is the same subject when a map holds it.
fn subjects_read_back(scanned: &Scanned) {
    for (_, subject, _) in &scanned.rules {
        let line = MapText::of(name(), format!("{subject} x").into_bytes(), DEFAULT);
        let again = Scanned::of(&line);
        assert_eq!(again.rules, [(1, subject.clone(), "landlock:x".to_owned())]);
    }
}

fn lists_are_told_apart(map: &Map, scanned: &Scanned) {
    let mut seen = HashSet::new();
    let firsts = scanned.rules.iter().filter(|(_, _, contexts)| seen.insert(contexts));
    let expected: Vec<_> = firsts.map(|(line, _, contexts)| (contexts.clone(), *line)).collect();
    let lists: Vec<_> = map.lists().map(|l| (l.contexts.to_string(), l.first_line)).collect();
    assert_eq!(lists.len(), map.list_count() as usize);
    // Words that hold blanks may display as two lists.
    if lists.len() == expected.len() {
        assert_eq!(lists, expected);
    }
}

/// Requests that the first rules match or just do not match, and combinations of these with the facts of `asker`.
pub(super) fn askers(text: &MapText, asker: Asker) -> Vec<Asker> {
    let mut askers = vec![asker.clone(), Asker::default()];
    each_rule(text, |_, subject| {
        if askers.len() > MOST_ASKERS {
            return;
        }
        let before = askers.last().cloned().unwrap_or_default();
        match subject {
            MapSubject::User(user) => askers.push(Asker { user: Some(user.to_vec()), ..before }),
            MapSubject::UserInAnyCase(user) => {
                let user = Some(user.to_ascii_uppercase());
                askers.push(Asker { user, ..before });
            }
            MapSubject::Host(host) => {
                let host = [host, b"."].concat().to_ascii_uppercase();
                askers.push(Asker { host: Some(host), ..before });
            }
            MapSubject::Path(path) => {
                askers.push(Asker { path: Some(path.as_bytes().to_vec()), ..before });
                // A path that does not match a `**` by its own text.
                let path = path.replace("**", "a/b").replace("*", "").into_bytes();
                askers.push(Asker { path: Some(path), ..asker.clone() });
            }
            MapSubject::Net(net) => {
                let first = mapped(net, asker.user.is_some());
                askers.push(Asker { addr: Some(first), ..before });
                askers.push(Asker { addr: Some(net.broadcast()), ..asker.clone() });
            }
            MapSubject::Anonymous | MapSubject::Any => {}
        }
    });
    askers
}

/// The first address of a network. With `mapped`, an IPv4 address is in its IPv6 form.
fn mapped(net: IpNet, mapped: bool) -> std::net::IpAddr {
    match net {
        IpNet::V4(net) if mapped => net.network().to_ipv6_mapped().into(),
        net => net.network(),
    }
}

fn answers_are_those_of_a_scan(map: &Map, text: &MapText, scanned: &Scanned, askers: &[Asker]) {
    let mut expected = vec![None; askers.len()];
    let mut shadowed = HashSet::new();
    let mut cover = Cover::default();
    each_rule(text, |line, subject| {
        for (asker, expected) in askers.iter().zip(&mut expected) {
            if expected.is_none() && subject.matches(&asker.subject()) {
                *expected = Some(line);
            }
        }
        if let Some((_, earlier)) = cover.add(subject, hit_of(line)) {
            assert!(earlier.line < line);
            shadowed.insert(line);
        }
    });
    for (asker, expected) in askers.iter().zip(expected) {
        let hit = map.lookup(&asker.subject());
        assert_eq!(hit.map(|h| h.line), expected, "{asker:?}");
        let Some(hit) = hit else { continue };
        assert!(!shadowed.contains(&hit.line), "what is shadowed never wins: {hit:?}");
        let given = map.list(hit.list).expect("a list").contexts.to_string();
        let rule = scanned.rules.iter().find(|(line, _, _)| *line == hit.line);
        assert_eq!(rule.map(|(_, _, contexts)| contexts), Some(&given));
    }
}

/// The map that a server reads from the compiled form.
fn compiled(map: &Map) -> Map {
    let stamp = SourceStamp { size: 0, seconds: 0, nanoseconds: 0 };
    let block = map.block.to_file(stamp, b"landlock", b"/nonexistent/m").expect("memory");
    let mut copy = memmap2::MmapMut::map_anon(block.bytes().len()).expect("memory");
    copy.copy_from_slice(block.bytes());
    file::of_block(name(), copy.make_read_only().expect("memory"), DEFAULT).expect("a map")
}

fn answers_are_those_of(map: &Map, other: &Map, askers: &[Asker]) {
    assert_eq!(map.lists().collect::<Vec<_>>(), other.lists().collect::<Vec<_>>());
    for asker in askers {
        assert_eq!(map.lookup(&asker.subject()), other.lookup(&asker.subject()));
    }
}
