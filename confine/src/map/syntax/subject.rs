//! The first word of a rule: whom it is for.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;

use super::{address, error::LineError, glob};
use crate::{Subject, context::excerpt};

/// The longest name of a virtual host, in bytes. DNS allows fewer.
pub(in crate::map) const MAX_HOST: usize = 255;

/// Whom a rule of a map is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapSubject<'a> {
    /// `alice` or `user:alice`: the proven HTTP user with exactly this name.
    User(&'a [u8]),
    /// The same in a map that ignores the case of names: the user with this name in any case of ASCII letters.
    UserInAnyCase(&'a [u8]),
    /// An address, which is a network of one, or a network. It is never IPv4-mapped IPv6.
    Net(IpNet),
    /// `host:NAME`: the virtual host with this ServerName, in any case, without the dot at its end.
    Host(&'a [u8]),
    /// `path:PATTERN`: the file that the request maps to, by a pattern of absolute paths.
    Path(&'a str),
    /// `__anonymous__`: a request without a proven user.
    Anonymous,
    /// `*`: any request.
    Any,
}

impl<'a> MapSubject<'a> {
    /// Reads a subject. Its quotes have been removed.
    pub(in crate::map) fn parse(word: &'a str) -> Result<Self, LineError> {
        match word {
            "" => return Err(LineError::NoSubject),
            "*" => return Ok(Self::Any),
            "__anonymous__" => return Ok(Self::Anonymous),
            _ => {}
        }
        let colon = word.bytes().position(|b| b == b':');
        match colon.map(|at| (&word[..at], &word[at + 1..])) {
            Some(("user", "")) => Err(LineError::NoName { kind: "user", example: "user:alice" }),
            Some(("user", name)) => Ok(Self::User(name.as_bytes())),
            Some(("ip", "")) => Err(LineError::NoName { kind: "ip", example: "ip:192.0.2.7" }),
            Some(("ip", text)) => address::parse(text).map(Self::Net).map_err(LineError::Address),
            Some(("host", name)) => host(name),
            Some(("path", pattern)) => glob::check(pattern).map(|()| Self::Path(pattern)),
            colon => Self::bare(word, colon.map(|(kind, _)| kind)),
        }
    }

    /// Reads a word whose prefix is no kind of subject. `kind` is the text before a colon, if there is a colon.
    fn bare(word: &'a str, kind: Option<&str>) -> Result<Self, LineError> {
        // Most words of most maps are names of users, so they are not tried as addresses.
        if kind.is_some() || word.starts_with(|c: char| c.is_ascii_digit()) {
            match address::parse(word) {
                Ok(net) => return Ok(Self::Net(net)),
                Err(error) if address::looks_like_address(word) => {
                    return Err(LineError::LooksLikeAddress { word: excerpt(word), error });
                }
                Err(_) => {}
            }
        }
        if let Some(kind) = kind {
            return Err(LineError::UnknownKind { word: excerpt(word), kind: excerpt(&format!("{kind}:")) });
        }
        if word.len() > 4 && word.starts_with("__") && word.ends_with("__") {
            return Err(LineError::ReservedWord { word: excerpt(word) });
        }
        Ok(Self::User(word.as_bytes()))
    }

    /// Whether a rule for this subject matches `subject`. It is for tools that look at a single rule. The index gives
    /// the same answer for all rules of a map at once.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        match self {
            Self::User(name) => subject.user == Some(name),
            Self::UserInAnyCase(name) => subject.user.is_some_and(|user| user.eq_ignore_ascii_case(name)),
            Self::Net(net) => {
                subject.addr.is_some_and(|a: IpAddr| net.contains(&IpNet::from(a.to_canonical())))
            }
            Self::Host(name) => {
                subject.host.is_some_and(|h| h.strip_suffix(b".").unwrap_or(h).eq_ignore_ascii_case(name))
            }
            Self::Path(pattern) => subject.path.is_some_and(|path| glob::matches(pattern, path)),
            Self::Anonymous => subject.user.is_none(),
            Self::Any => true,
        }
    }
}

/// Reads a virtual host's name.
fn host(text: &str) -> Result<MapSubject<'_>, LineError> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let wrong = |wrong, right| Err(LineError::Host { name: excerpt(text), wrong, right });
    if name.is_empty() {
        return Err(LineError::NoName { kind: "host", example: "host:www.example.com" });
    }
    if name.len() > MAX_HOST {
        return wrong("it is longer than 255 bytes", "write the name as in the ServerName directive");
    }
    if name.contains(['*', '?']) {
        return wrong("it holds a wildcard", "write one line for each virtual host, or * for all");
    }
    if name.contains('/') {
        return wrong("it holds a slash", "write the name alone, without scheme and path");
    }
    if name.contains(char::is_whitespace) {
        return wrong("it holds a blank", "write one name; its contexts come after it, outside the quotes");
    }
    // One colon is followed by a port. An IPv6 address in brackets may be a ServerName, and may have a port, too.
    let port = name.rsplit_once(':').map(|(_, port)| port);
    if port.is_some_and(|p| !p.contains(']') && (name.starts_with('[') || name.matches(':').count() == 1)) {
        return wrong("it has a port, which is not part of the name", "leave the port out");
    }
    Ok(MapSubject::Host(name.as_bytes()))
}

impl fmt::Display for MapSubject<'_> {
    /// Writes the subject as a map would have it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(bytes) | Self::UserInAnyCase(bytes) => {
                let name = String::from_utf8_lossy(bytes);
                let bare = !name.starts_with('#') && MapSubject::parse(&name) == Ok(MapSubject::User(bytes));
                write_word(f, if bare { "" } else { "user:" }, &name)
            }
            Self::Net(net) if net.prefix_len() == net.max_prefix_len() => write!(f, "{}", net.addr()),
            Self::Net(net) => write!(f, "{net}"),
            Self::Host(name) => write_word(f, "host:", &String::from_utf8_lossy(name)),
            Self::Path(pattern) => write_word(f, "path:", pattern),
            Self::Anonymous => f.write_str("__anonymous__"),
            Self::Any => f.write_str("*"),
        }
    }
}

/// Writes a word, with quotes if it needs them.
fn write_word(f: &mut fmt::Formatter<'_>, prefix: &str, text: &str) -> fmt::Result {
    if text.contains(|c: char| c.is_whitespace() || c == '"' || super::parse::is_invisible(c)) {
        return write!(f, "\"{prefix}{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    }
    write!(f, "{prefix}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(word: &str) -> String {
        MapSubject::parse(word).expect_err("an error").to_string()
    }

    fn net(text: &str) -> Result<MapSubject<'static>, LineError> {
        Ok(MapSubject::Net(text.parse().expect("a network")))
    }

    #[test]
    fn users() {
        for word in
            ["alice", "alice@example.org", "12345/admin", "10.1", "__x", "____", "DOG\\bob", "日本", "**"]
        {
            assert_eq!(MapSubject::parse(word), Ok(MapSubject::User(word.as_bytes())));
        }
        for name in ["*", "__anonymous__", "10.0.0.1", "a:b", "::1", "user:", " ", "host:x"] {
            let word = format!("user:{name}");
            assert_eq!(MapSubject::parse(&word), Ok(MapSubject::User(name.as_bytes())));
        }
    }

    #[test]
    fn addresses_with_and_without_a_kind() {
        assert_eq!(MapSubject::parse("10.0.0.1"), net("10.0.0.1/32"));
        assert_eq!(MapSubject::parse("ip:10.0.0.0/8"), net("10.0.0.0/8"));
        assert_eq!(MapSubject::parse("2001:db8::/32"), net("2001:db8::/32"));
        assert_eq!(MapSubject::parse("abba::cafe"), net("abba::cafe/128"));
        assert_eq!(MapSubject::parse("ip:::1"), net("::1/128"));
        assert_eq!(MapSubject::parse("::ffff:192.0.2.0/120"), net("192.0.2.0/24"));
    }

    #[test]
    fn hosts() {
        for (word, name) in [
            ("host:Dog.Example.COM", "Dog.Example.COM"),
            ("host:dog.", "dog"),
            ("host:_", "_"),
            ("host:[::1]", "[::1]"),
            ("host:2001:db8::1", "2001:db8::1"),
        ] {
            assert_eq!(MapSubject::parse(word), Ok(MapSubject::Host(name.as_bytes())));
        }
    }

    #[test]
    fn every_bad_subject_has_its_answer() {
        let kinds = "which is no kind of subject; the kinds are user:, ip:, host: and path:, \
                     and a user whose name holds a colon is written";
        assert_eq!(
            error("file:/srv/**"),
            format!("\"file:/srv/**\" begins with \"file:\", {kinds} user:file:/srv/**")
        );
        assert_eq!(error("User:bob"), format!("\"User:bob\" begins with \"User:\", {kinds} user:User:bob"));
        assert_eq!(error(":x"), format!("\":x\" begins with \":\", {kinds} user::x"));
        assert_eq!(
            error(""),
            "the subject is empty; write a user, an address, host:NAME, __anonymous__ or *"
        );
        assert_eq!(
            error("user:"),
            "user: has nothing behind it; write user:alice, without a blank after the colon"
        );
        assert_eq!(
            error("ip:"),
            "ip: has nothing behind it; write ip:192.0.2.7, without a blank after the colon"
        );
        for word in ["host:", "host:."] {
            assert_eq!(
                error(word),
                "host: has nothing behind it; write host:www.example.com, without a blank after the colon"
            );
        }
        assert_eq!(
            error("__anonymus__"),
            "\"__anonymus__\" is none of the words in double underscores, which are __anonymous__ and __names__, \
             and a user of that name is written user:__anonymus__"
        );
        assert_eq!(
            error("ip:alice"),
            "alice is not an address; write one such as 192.0.2.7 or 2001:db8::7, \
             or a network such as 192.0.2.0/24 or 2001:db8::/32"
        );
        assert_eq!(
            error("10.0.0.0/33"),
            "the prefix of 10.0.0.0/33 is too long; for IPv4 it is a number from 0 to 32 \
             (a user of that name is written user:10.0.0.0/33)"
        );
        assert_eq!(
            error("[::1]"),
            "[::1] has brackets, which belong to URLs; did you mean ::1? \
             (a user of that name is written user:[::1])"
        );
    }

    #[test]
    fn every_bad_host_has_its_answer() {
        let long = format!("host:{}", "x".repeat(256));
        for (word, text) in [
            ("host:*.example.com", "it holds a wildcard; write one line for each virtual host, or * for all"),
            ("host:http://a", "it holds a slash; write the name alone, without scheme and path"),
            ("host:a b", "it holds a blank; write one name; its contexts come after it, outside the quotes"),
            ("host:a:80", "it has a port, which is not part of the name; leave the port out"),
            ("host:[::1]:80", "it has a port, which is not part of the name; leave the port out"),
            (long.as_str(), "it is longer than 255 bytes; write the name as in the ServerName directive"),
        ] {
            let error = error(word);
            assert!(error.starts_with("host:") && error.contains(" cannot be a ServerName: "), "{error}");
            assert!(error.ends_with(text), "{error}");
        }
        assert!(MapSubject::parse(&format!("host:{}.", "x".repeat(255))).is_ok());
    }

    #[test]
    fn the_display_form_is_how_a_map_writes_it() {
        for (word, shown) in [
            ("alice", "alice"),
            ("user:alice", "alice"),
            ("user:*", "user:*"),
            ("user:10.0.0.1", "user:10.0.0.1"),
            ("user:#x", "user:#x"),
            ("John Smith", "\"John Smith\""),
            ("user:a:b c\"\\", "\"user:a:b c\\\"\\\\\""),
            ("ip:10.0.0.1", "10.0.0.1"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("host:A.", "host:A"),
            ("path:/srv/*/a b", "\"path:/srv/*/a b\""),
            ("path:/srv/**", "path:/srv/**"),
            ("*", "*"),
            ("__anonymous__", "__anonymous__"),
        ] {
            assert_eq!(MapSubject::parse(word).expect("a subject").to_string(), shown);
        }
    }
}
