//! The index against a scan from the top, over random maps and subjects; and text that means nothing.

use super::*;

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
