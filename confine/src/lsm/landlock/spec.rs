//! What an administrator writes about a ruleset, as plain data.

use std::path::Path;

use super::PathTemplate;
use crate::origin::Origin;

/// The oldest ABI that a ruleset accepts unless it says otherwise: 3 (Linux 6.2), the first under
/// which truncation is restricted, so that "may not write" also means "may not empty".
pub const DEFAULT_MIN_ABI: u32 = 3;

/// One `<ConfineLandlock NAME>` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesetSpec {
    /// The name that contexts give (`landlock:NAME`).
    pub name: Box<str>,
    /// The virtual host that it stands in and belongs to, by a name that no other has.
    pub host: Option<Box<str>>,
    /// Where the section begins.
    pub origin: Origin,
    /// `LandlockABI`: the oldest kernel ABI accepted, usually [`DEFAULT_MIN_ABI`].
    pub min_abi: u32,
    /// `LandlockRead`, `LandlockWrite` and `LandlockExecute`.
    pub paths: Vec<PathRule>,
    /// `LandlockConnect`: TCP ports that may be connected to.
    pub connect: Ports,
    /// `LandlockBind`: TCP ports that may be bound.
    pub bind: Ports,
    /// `LandlockScope`.
    pub scope: Scopes,
    /// `LandlockTrustPaths`: folders in which links are followed, whoever laid them.
    pub trusted: Vec<Box<Path>>,
}

impl RulesetSpec {
    /// A ruleset that grants nothing yet and restricts all it can.
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

    /// Its name in contexts and messages: that of a virtual host's ruleset says whose it is.
    pub fn full_name(&self) -> String {
        match &self.host {
            Some(host) => format!("{}@{host}", self.name),
            None => self.name.to_string(),
        }
    }

    /// Whether requests have a part in its paths.
    pub(super) fn is_dynamic(&self) -> bool {
        self.paths.iter().any(|rule| rule.path.is_dynamic())
    }
}

/// One path and what may be done there and below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathRule {
    /// What is granted.
    pub access: PathAccess,
    /// Where.
    pub path: PathTemplate,
    /// Whether it may be absent (`-/path`); it grants nothing then.
    pub optional: bool,
    /// Where the rule is written.
    pub origin: Origin,
}

/// What a path directive grants. Several on one path add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PathAccess {
    /// `LandlockRead`: read files and list directories.
    Read,
    /// `LandlockWrite`: change files, make, remove, rename and link entries. Reading is not part of
    /// it.
    Write,
    /// `LandlockExecute`: run programs, and read them.
    Execute,
}

/// TCP ports for one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ports {
    /// The directive is not used: no port, on kernels that can restrict TCP (ABI 4); older ones
    /// are accepted and leave TCP alone.
    #[default]
    Unset,
    /// `any`: the ruleset leaves this direction alone.
    Any,
    /// These ports alone; with an empty list (`none`), no port. An error below ABI 4.
    Listed(Vec<u16>),
}

/// Which ways out to processes that are not under the same ruleset are closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes {
    /// Signals to such processes.
    pub signals: Scope,
    /// Abstract UNIX sockets made by such processes.
    pub abstract_sockets: Scope,
}

/// One of the two scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// The directive is not used: restricted on kernels that can (ABI 6); older ones are accepted
    /// and leave it alone.
    #[default]
    Unset,
    /// Asked for: restricted, and an error below ABI 6.
    Restricted,
    /// The ruleset leaves it alone.
    Lifted,
}

/// A word that a ruleset directive does not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WordsError {
    /// Nothing was written after the directive's name.
    #[error("nothing given; expected {expected}")]
    Missing {
        /// What the directive takes.
        expected: &'static str,
    },
    /// Not a port, `any` or `none`; not a scope.
    #[error("\"{word}\" is not known here; expected {expected}")]
    Unknown {
        /// The word, escaped.
        word: String,
        /// What the directive takes.
        expected: &'static str,
    },
    /// `any` or `none` beside something else.
    #[error("\"{word}\" stands alone: remove it, or the others")]
    NotAlone {
        /// `any` or `none`.
        word: String,
    },
}

impl Ports {
    /// What `LandlockConnect` and `LandlockBind` take.
    pub const EXPECTED: &'static str = "TCP ports (0 to 65535), \"none\" or \"any\"";

    /// Adds the words of one directive to those of earlier ones.
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

/// Digits only: `u16::from_str` would also take a plus sign.
fn parse_port(word: &str) -> Option<u16> {
    if word.bytes().all(|b| b.is_ascii_digit()) { word.parse().ok() } else { None }
}

impl Scopes {
    /// What `LandlockScope` takes.
    pub const EXPECTED: &'static str = "\"signals\", \"abstract-sockets\" or \"none\"";

    /// Neither is restricted.
    pub const NONE: Self = Self { signals: Scope::Lifted, abstract_sockets: Scope::Lifted };

    /// Adds the words of one directive to those of earlier ones. What is named is restricted; once
    /// the directive is used, what is not named is lifted.
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
