//! What the kernel prints of its policy: domains and profiles.

use std::{collections::BTreeMap, fmt};

use super::text::Domain;

/// The first lines of the answer to a `select`. They say which domain the kernel found (security/tomoyo/common.c,
/// tomoyo_select_domain and tomoyo_read_domain).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header<'a> {
    pub name: &'a str,
    /// Whether the domain was deleted from the policy. The kernel keeps it with its rules while a thread is in it.
    pub deleted: bool,
    pub profile: u8,
}

impl<'a> Header<'a> {
    /// Reads an answer, of which only the end may be missing. `asked` is the text behind `select` in the question.
    /// `None` says that the domain does not exist. Nothing is allocated.
    ///
    /// # Errors
    /// The answer is to another question, or it ends too early: something else in this process used the same
    /// descriptor.
    pub fn parse(answer: &'a [u8], asked: &[u8]) -> Result<Option<Self>, Garbled> {
        let (first, rest) = line(answer)?;
        if first.strip_prefix(b"# select ") != Some(asked) {
            return Err(Garbled);
        }
        if rest.is_empty() {
            return Ok(None);
        }
        let (mut name, mut rest) = line(rest)?;
        let deleted = name == b"# This is a deleted domain.";
        if deleted {
            (name, rest) = line(rest)?;
        }
        let name = std::str::from_utf8(name).map_err(|_| Garbled)?;
        let (profile, _) = line(rest)?;
        let profile = profile.strip_prefix(b"use_profile ").ok_or(Garbled)?;
        let profile = std::str::from_utf8(profile).ok().and_then(|p| p.parse().ok()).ok_or(Garbled)?;
        Ok(Some(Self { name, deleted, profile }))
    }
}

/// The first line and the text behind it. The line must have its end.
fn line(text: &[u8]) -> Result<(&[u8], &[u8]), Garbled> {
    let end = text.iter().position(|b| *b == b'\n').ok_or(Garbled)?;
    Ok((&text[..end], &text[end + 1..]))
}

/// An answer that does not belong to the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Garbled;

/// A domain in the loaded policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainEntry {
    /// The number of its profile (`use_profile`).
    pub profile: u8,
    /// The domains that it lets a thread move to (`task manual_domain_transition`).
    pub moves_to: Vec<Box<str>>,
    /// Whether it has groups of rules (`use_group`). They stand elsewhere in the policy and may allow more.
    pub groups: bool,
}

impl DomainEntry {
    fn read_line(&mut self, line: &str) {
        if let Some(to) = line.strip_prefix("task manual_domain_transition ") {
            self.moves_to.push(to.into());
        }
        self.groups |= line.starts_with("use_group ");
    }
}

/// The domains of a policy by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Domains(BTreeMap<Box<str>, DomainEntry>);

impl Domains {
    /// Reads `domain_policy`, or the part of it that answers a `select`.
    pub(super) fn parse(text: &str) -> Self {
        let mut domains = BTreeMap::new();
        let mut name: Option<&str> = None;
        let mut entry: Option<&mut DomainEntry> = None;
        for line in text.lines() {
            if line.starts_with('<') {
                (name, entry) = (Some(line), None);
            } else if let Some(profile) = line.strip_prefix("use_profile ") {
                let (Some(name), Ok(profile)) = (name, profile.parse()) else { continue };
                let new = DomainEntry { profile, moves_to: Vec::new(), groups: false };
                entry = Some(domains.entry(name.into()).or_insert(new));
            } else if let Some(entry) = &mut entry {
                entry.read_line(line);
            }
        }
        Self(domains)
    }

    /// The domain, or `None` if the policy does not have it.
    pub fn get(&self, domain: &Domain) -> Option<&DomainEntry> {
        self.0.get(domain.as_str())
    }

    /// All domains, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &DomainEntry)> {
        self.0.iter().map(|(name, entry)| (&**name, entry))
    }
}

/// What a profile does when a program wants something that the policy does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// TOMOYO does not look.
    Disabled,
    /// TOMOYO allows it and adds it to the policy.
    Learning,
    /// TOMOYO allows it and logs it.
    Permissive,
    /// TOMOYO refuses it.
    Enforcing,
}

impl Mode {
    fn parse(word: &str) -> Option<Self> {
        match word {
            "disabled" => Some(Self::Disabled),
            "learning" => Some(Self::Learning),
            "permissive" => Some(Self::Permissive),
            "enforcing" => Some(Self::Enforcing),
            _ => None,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disabled => "disabled",
            Self::Learning => "learning",
            Self::Permissive => "permissive",
            Self::Enforcing => "enforcing",
        })
    }
}

/// A profile: one mode for everything, and other modes for some kinds of access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// `CONFIG`.
    pub mode: Mode,
    /// `CONFIG::file`, `CONFIG::file::open` and so on. The key is the part behind `CONFIG::`.
    pub exceptions: BTreeMap<String, Mode>,
}

impl Profile {
    /// Whether TOMOYO refuses all that the policy does not allow, for each kind of access that it knows.
    pub fn enforces(&self) -> bool {
        self.modes().all(|mode| mode == Mode::Enforcing)
    }

    /// Whether TOMOYO looks at nothing.
    pub fn is_disabled(&self) -> bool {
        self.modes().all(|mode| mode == Mode::Disabled)
    }

    /// The kinds of access that are not enforced, in words. `None` says that all are.
    pub fn gaps(&self) -> Option<String> {
        let mut gaps: Vec<String> = Vec::new();
        if self.mode != Mode::Enforcing {
            gaps.push(format!("CONFIG is {}", self.mode));
        }
        let exceptions = self.exceptions.iter().filter(|(_, mode)| **mode != Mode::Enforcing);
        gaps.extend(exceptions.map(|(what, mode)| format!("CONFIG::{what} is {mode}")));
        (!gaps.is_empty()).then(|| gaps.join(", "))
    }

    fn modes(&self) -> impl Iterator<Item = Mode> {
        std::iter::once(self.mode).chain(self.exceptions.values().copied())
    }
}

/// The profiles of all namespaces, by namespace and number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profiles(BTreeMap<(String, u8), Profile>);

impl Profiles {
    /// Reads the file `profile` (kernel: security/tomoyo/common.c, tomoyo_read_profile). A line begins with the
    /// namespace only where there are several.
    pub(super) fn parse(text: &str) -> Self {
        let mut profiles = BTreeMap::new();
        for line in text.lines() {
            let (namespace, rest) = match line.split_once(' ') {
                Some((ns, rest)) if ns.starts_with('<') => (ns, rest),
                _ => ("<kernel>", line),
            };
            let Some((number, what, mode)) = config_line(rest) else { continue };
            let profile = profiles
                .entry((namespace.to_owned(), number))
                .or_insert_with(|| Profile { mode: Mode::Disabled, exceptions: BTreeMap::new() });
            match what {
                None => profile.mode = mode,
                Some(what) => {
                    profile.exceptions.insert(what.to_owned(), mode);
                }
            }
        }
        Self(profiles)
    }

    /// The profile with this number in the namespace of `domain`. `None` says that it does not exist.
    pub fn of(&self, domain: &Domain, number: u8) -> Option<&Profile> {
        self.0.get(&(domain.namespace().to_owned(), number))
    }

    /// Whether there is no profile. This is so before a policy is loaded.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Reads a line such as `3-CONFIG::file={ mode=enforcing ... }`. Gives the number, `file`, and the mode.
fn config_line(line: &str) -> Option<(u8, Option<&str>, Mode)> {
    let (number, rest) = line.split_once("-CONFIG")?;
    let (what, value) = rest.split_once('=')?;
    let mode = value.split_ascii_whitespace().find_map(|word| word.strip_prefix("mode="))?;
    let what = if what.is_empty() { None } else { Some(what.strip_prefix("::")?) };
    Some((number.parse().ok()?, what, Mode::parse(mode)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOG: &str = "<kernel> /usr/sbin/apache2 //dog";

    fn domain(text: &str) -> Domain {
        Domain::parse(text).unwrap()
    }

    #[test]
    fn an_answer_is_read_as_the_kernel_prints_it() {
        let asked = format!("domain={DOG}");
        let answer = format!("# select {asked}\n{DOG}\nuse_profile 3\nquota_exceeded\n\nfile read /et");
        let found = Header { name: DOG, deleted: false, profile: 3 };
        assert_eq!(Header::parse(answer.as_bytes(), asked.as_bytes()), Ok(Some(found)));
        let none = format!("# select {asked}\n");
        assert_eq!(Header::parse(none.as_bytes(), asked.as_bytes()), Ok(None));
        let deleted = format!("# select pid=7\n# This is a deleted domain.\n{DOG}\nuse_profile 3\n\n");
        let found = Header { name: DOG, deleted: true, profile: 3 };
        assert_eq!(Header::parse(deleted.as_bytes(), b"pid=7"), Ok(Some(found)));
    }

    #[test]
    fn another_questions_answer_or_half_of_one_is_not_taken() {
        let asked = format!("domain={DOG}");
        for answer in [
            String::new(),
            "x".to_owned(),
            "# select pid=7\n".to_owned(),
            format!("# select {asked}"),
            format!("# select {asked}x\n{DOG}\nuse_profile 3\n"),
            format!("# select {asked}\n{DOG}\n"),
            format!("# select {asked}\n{DOG}\nuse_profile 25"),
            format!("# select {asked}\n{DOG}\nuse_profile x\n"),
            format!("# select {asked}\n{DOG}\nuse_profile 256\n"),
        ] {
            assert_eq!(Header::parse(answer.as_bytes(), asked.as_bytes()), Err(Garbled), "{answer}");
        }
    }

    #[test]
    fn a_policy_is_read_domain_by_domain() {
        let domains = Domains::parse(
            "<kernel>\nuse_profile 0\nuse_group 0\n\n<kernel> /usr/sbin/apache2\nuse_profile 2\n\ntask \
             manual_domain_transition <kernel> /usr/sbin/apache2 //dog\nfile read /etc/hostname\n\n\
             <kernel> /usr/sbin/apache2 //dog\nuse_profile 3\n\n",
        );
        let server = domains.get(&domain("<kernel> /usr/sbin/apache2")).unwrap();
        let moves_to = vec![DOG.into()];
        assert_eq!(server, &DomainEntry { profile: 2, moves_to, groups: false });
        assert!(domains.get(&domain("<kernel>")).unwrap().groups);
        assert_eq!(domains.get(&domain(DOG)).unwrap().profile, 3);
        assert_eq!(domains.get(&domain("<kernel> /usr/sbin")), None);
        assert_eq!(domains.iter().count(), 3);
    }

    #[test]
    fn profiles_know_what_they_enforce() {
        let profiles = Profiles::parse(
            "PROFILE_VERSION=20150505\n0-COMMENT=-----Disabled Mode-----\n0-PREFERENCE={ max_audit_log=1024 }\n\
             0-CONFIG={ mode=disabled grant_log=no reject_log=yes }\n\
             1-CONFIG={ mode=learning grant_log=no reject_log=yes }\n\
             2-CONFIG={ mode=permissive grant_log=no reject_log=yes }\n\
             3-CONFIG={ mode=enforcing grant_log=no reject_log=yes }\n\
             4-CONFIG={ mode=disabled grant_log=no reject_log=yes }\n\
             4-CONFIG::file={ mode=enforcing grant_log=no reject_log=yes }\n\
             4-CONFIG::file::open={ mode=permissive grant_log=no reject_log=yes }\n\
             <web> PROFILE_VERSION=20150505\n<web> 3-CONFIG={ mode=learning grant_log=no reject_log=yes }\n",
        );
        let kernel = domain(DOG);
        let of = |number| profiles.of(&kernel, number).unwrap();
        assert!(of(0).is_disabled() && of(3).enforces());
        assert!(!of(1).is_disabled() && !of(1).enforces());
        assert_eq!(of(3).gaps(), None);
        assert_eq!(of(2).gaps().unwrap(), "CONFIG is permissive");
        assert!(!of(4).is_disabled() && !of(4).enforces());
        assert_eq!(of(4).gaps().unwrap(), "CONFIG is disabled, CONFIG::file::open is permissive");
        assert_eq!(profiles.of(&kernel, 7), None);
        assert_eq!(profiles.of(&domain("<web> /x"), 3).unwrap().mode, Mode::Learning);
        assert_eq!(profiles.of(&domain("<other> /x"), 3), None);
        assert!(!profiles.is_empty());
        assert!(Profiles::parse("PROFILE_VERSION=20150505\n").is_empty());
        let all =
            Profiles::parse("<kernel> PROFILE_VERSION=20150505\n<kernel> 3-CONFIG={ mode=enforcing }\n");
        assert!(all.of(&kernel, 3).unwrap().enforces());
    }
}
