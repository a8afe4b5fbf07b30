//! A ruleset as the administrator writes it, in plain data.

use std::path::Path;

use super::PathTemplate;
use crate::origin::Origin;

/// The oldest ABI that a ruleset accepts by default. It is 3 (Linux 6.2), the first ABI that restricts truncation. On
/// an older kernel a request that may not write to a file could still empty it.
pub const DEFAULT_MIN_ABI: u32 = 3;

/// A `<ConfineLandlock NAME>` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesetSpec {
    /// The name, as contexts give it (`landlock:NAME`).
    pub name: Box<str>,
    /// The virtual host in which the section stands, by a name that no other host has. The ruleset belongs to this
    /// host.
    pub host: Option<Box<str>>,
    /// The line where the section begins.
    pub origin: Origin,
    /// The oldest ABI of a kernel that is accepted (`LandlockABI`). It usually is [`DEFAULT_MIN_ABI`].
    pub min_abi: u32,
    /// The paths of `LandlockRead`, `LandlockWrite` and `LandlockExecute`.
    pub paths: Vec<PathRule>,
    /// TCP ports to which the thread may connect (`LandlockConnect`).
    pub connect: Ports,
    /// TCP ports that the thread may bind (`LandlockBind`).
    pub bind: Ports,
    /// The scopes (`LandlockScope`).
    pub scope: Scopes,
    /// Folders in which links are followed, whoever made them (`LandlockTrustPaths`).
    pub trusted: Vec<Box<Path>>,
}

impl RulesetSpec {
    /// A ruleset that grants nothing and restricts all it can.
    pub fn new(name: &str, origin: Origin) -> Self {
        Self {
            name: name.into(),
            host: None,
            origin,
            min_abi: DEFAULT_MIN_ABI,
            paths: Vec::new(),
            connect: Ports::default(),
            bind: Ports::default(),
            scope: Scopes::default(),
            trusted: Vec::new(),
        }
    }

    /// The name for contexts and messages. The name of a virtual host's ruleset also says whose it is.
    pub fn full_name(&self) -> String {
        match &self.host {
            Some(host) => format!("{}@{host}", self.name),
            None => self.name.to_string(),
        }
    }

    /// Whether its paths depend on the request.
    pub(super) fn is_dynamic(&self) -> bool {
        self.paths.iter().any(|rule| rule.path.is_dynamic())
    }
}

/// A path, and what is granted there and below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathRule {
    /// What is granted.
    pub access: PathAccess,
    /// The path.
    pub path: PathTemplate,
    /// Whether the path may be absent (`-/path`). If it is absent, the rule grants nothing.
    pub optional: bool,
    /// The line of the directive.
    pub origin: Origin,
}

/// What a directive grants on a path. Several directives on one path add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PathAccess {
    /// `LandlockRead`: to read files and list directories.
    Read,
    /// `LandlockWrite`: to change files, and to make, remove, rename and link entries of directories. It does not grant
    /// reading.
    Write,
    /// `LandlockExecute`: to run programs, and to read them.
    Execute,
}

/// The TCP ports of one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ports {
    /// The directive is not used. The thread gets no port where the kernel can restrict TCP (ABI 4). An older kernel is
    /// accepted, and TCP is not restricted there.
    #[default]
    Unset,
    /// `any`: the ruleset does not restrict this direction.
    Any,
    /// Only these ports, or no port if the list is empty (`none`). Below ABI 4 this is an error.
    Listed(Vec<u16>),
}

/// Whether the thread can reach processes that are not under the same ruleset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes {
    /// By signals to them.
    pub signals: Scope,
    /// By abstract UNIX sockets that they made.
    pub abstract_sockets: Scope,
}

/// One of the two scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// The directive is not used. The scope is restricted where the kernel can do it (ABI 6). An older kernel is
    /// accepted, and the scope is not restricted there.
    #[default]
    Unset,
    /// The directive asks for it. Below ABI 6 this is an error.
    Restricted,
    /// The ruleset does not restrict it.
    Lifted,
}

/// Words that a directive of a ruleset does not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WordsError {
    /// The directive has no words.
    #[error("nothing given; expected {expected}")]
    Missing {
        /// What the directive takes.
        expected: &'static str,
    },
    /// The word is not one that the directive takes.
    #[error("\"{word}\" is not known here; expected {expected}")]
    Unknown {
        /// The word, escaped.
        word: String,
        /// What the directive takes.
        expected: &'static str,
    },
    /// `any` or `none` stands beside other words.
    #[error("\"{word}\" stands alone: remove it, or the others")]
    NotAlone {
        /// `any` or `none`.
        word: String,
    },
}

impl Ports {
    /// The words of `LandlockConnect` and `LandlockBind`, for messages.
    pub const EXPECTED: &'static str = "TCP ports (0 to 65535), \"none\" or \"any\"";

    /// Adds the words of one directive to those of earlier directives.
    pub fn add<'a>(&mut self, words: impl IntoIterator<Item = &'a str>) -> Result<(), WordsError> {
        let mut missing = true;
        for word in words {
            missing = false;
            let alone = || WordsError::NotAlone { word: word.to_owned() };
            match (word, &mut *self) {
                ("any", Self::Unset) => *self = Self::Any,
                ("any", Self::Any) => {}
                ("any", _) => return Err(alone()),
                ("none", Self::Unset) => *self = Self::Listed(Vec::new()),
                ("none", Self::Listed(ports)) if ports.is_empty() => {}
                ("none", _) => return Err(alone()),
                (_, ports) => {
                    let port = parse_port(word).ok_or_else(|| WordsError::Unknown {
                        word: crate::lsm::escaped(word),
                        expected: Self::EXPECTED,
                    })?;
                    match ports {
                        Self::Any => return Err(WordsError::NotAlone { word: "any".to_owned() }),
                        Self::Unset => *ports = Self::Listed(vec![port]),
                        Self::Listed(listed) => listed.push(port),
                    }
                }
            }
        }
        if missing { Err(WordsError::Missing { expected: Self::EXPECTED }) } else { Ok(()) }
    }
}

/// Reads digits. `u16::from_str` would also accept a plus sign.
fn parse_port(word: &str) -> Option<u16> {
    if word.bytes().all(|b| b.is_ascii_digit()) { word.parse().ok() } else { None }
}

impl Scopes {
    /// The words of `LandlockScope`, for messages.
    pub const EXPECTED: &'static str = "\"signals\", \"abstract-sockets\" or \"none\"";

    /// Neither scope is restricted.
    pub const NONE: Self = Self { signals: Scope::Lifted, abstract_sockets: Scope::Lifted };

    /// Adds the words of one directive to those of earlier directives. The scopes that are named are restricted. Once
    /// the directive is used, a scope that is not named is not restricted.
    pub fn add<'a>(&mut self, words: impl IntoIterator<Item = &'a str>) -> Result<(), WordsError> {
        let mut missing = true;
        for word in words {
            missing = false;
            let mut next = if *self == Self::default() { Self::NONE } else { *self };
            match word {
                "signals" => next.signals = Scope::Restricted,
                "abstract-sockets" => next.abstract_sockets = Scope::Restricted,
                "none" if next == Self::NONE => {}
                "none" => return Err(WordsError::NotAlone { word: word.to_owned() }),
                _ => {
                    return Err(WordsError::Unknown {
                        word: crate::lsm::escaped(word),
                        expected: Self::EXPECTED,
                    });
                }
            }
            *self = next;
        }
        if missing { Err(WordsError::Missing { expected: Self::EXPECTED }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(lines: &[&[&str]]) -> Result<Ports, String> {
        let mut ports = Ports::default();
        for words in lines {
            ports.add(words.iter().copied()).map_err(|e| e.to_string())?;
        }
        Ok(ports)
    }

    fn scopes(words: &[&str]) -> Result<Scopes, String> {
        let mut scopes = Scopes::default();
        scopes.add(words.iter().copied()).map_err(|e| e.to_string())?;
        Ok(scopes)
    }

    #[test]
    fn ports_add_up_over_lines() {
        assert_eq!(ports(&[&["80", "443"], &["0"]]), Ok(Ports::Listed(vec![80, 443, 0])));
        assert_eq!(ports(&[&["any"]]), Ok(Ports::Any));
        assert_eq!(ports(&[&["none"]]), Ok(Ports::Listed(vec![])));
    }

    #[test]
    fn ports_that_make_no_sense_are_refused() {
        for (words, message) in [
            (&[][..], "nothing given; expected TCP ports (0 to 65535), \"none\" or \"any\""),
            (&["65536"], "\"65536\" is not known here; expected TCP ports (0 to 65535), \"none\" or \"any\""),
            (&["+80"], "\"+80\" is not known here; expected TCP ports (0 to 65535), \"none\" or \"any\""),
            (&[""], "\"\" is not known here; expected TCP ports (0 to 65535), \"none\" or \"any\""),
            (&["80", "any"], "\"any\" stands alone: remove it, or the others"),
            (&["any", "80"], "\"any\" stands alone: remove it, or the others"),
            (&["80", "none"], "\"none\" stands alone: remove it, or the others"),
        ] {
            assert_eq!(ports(&[words]).unwrap_err(), message);
        }
    }

    #[test]
    fn scopes_name_what_is_restricted() {
        assert_eq!(scopes(&["none"]), Ok(Scopes::NONE));
        assert_eq!(
            scopes(&["signals"]),
            Ok(Scopes { signals: Scope::Restricted, abstract_sockets: Scope::Lifted })
        );
        assert_eq!(
            scopes(&["abstract-sockets", "signals"]),
            Ok(Scopes { signals: Scope::Restricted, abstract_sockets: Scope::Restricted })
        );
        assert_eq!(
            scopes(&["signals", "none"]).unwrap_err(),
            "\"none\" stands alone: remove it, or the others"
        );
        assert_eq!(
            scopes(&["signal"]).unwrap_err(),
            "\"signal\" is not known here; expected \"signals\", \"abstract-sockets\" or \"none\""
        );
        assert_eq!(
            scopes(&[]).unwrap_err(),
            "nothing given; expected \"signals\", \"abstract-sockets\" or \"none\""
        );
    }
}
