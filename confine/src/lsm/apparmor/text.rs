//! How contexts of AppArmor are written, and how the kernel prints the label of a thread.
//!
//! | written | command for the kernel | meaning |
//! |---|---|---|
//! | `NAME` | `changeprofile NAME` | change from the server's profile to this one |
//! | `PARENT//HAT` | `changeprofile PARENT//HAT` | change to a hat, for good: no token leads back |
//! | `stack NAME` | `stack NAME` | add this profile: only what both profiles grant is granted |
//!
//! The kernel reads more than a name in such a text (security/apparmor/label.c, aa_label_strn_parse): `&` joins
//! profiles, and `:ns:` names another policy namespace. A context is exactly one profile or hat of the server's own
//! namespace, so a text with either of them is refused. A value that a request supplied can then name another profile,
//! but it can do nothing else.

use std::fmt;

use crate::{problem::Problem, value::Given};

/// The longest name, in bytes. The label of a thread with several stacked profiles must fit into the page that the
/// kernel prints it to.
const MAX_LEN: usize = 1024;

const UNCONFINED: &str = "unconfined";

/// The word before a profile that is added to the thread's own.
pub(super) const STACK: &str = "stack ";

/// What stands between a profile and its hat.
const HAT: &str = "//";

/// What a move does with the profile that the thread is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// The new profile replaces it.
    Change,
    /// The new profile is added to it.
    Stack,
}

/// A context as it was written, in its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written<'a> {
    pub how: How,
    /// The name of a profile, or `PARENT//HAT`.
    pub name: &'a str,
}

/// An error whose remedy shows all forms.
fn forms(why: impl Into<String>) -> Problem {
    Problem::new(why, "write a profile, as in blog, a hat, as in apache2//blog, or \"stack blog\"")
}

impl<'a> Written<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Problem> {
        if text == "stack" {
            return Err(forms("stack wants a profile behind it, in the same word"));
        }
        let (how, name) = match text.strip_prefix(STACK) {
            Some(name) => (How::Stack, name),
            None => (How::Change, text),
        };
        check_bytes(name)?;
        check_kernel_syntax(name)?;
        check_parts(name)?;
        Ok(Self { how, name })
    }
}

/// Checks that the part of a context which a request supplied is the name of one profile or of one hat, or a piece of
/// such a name. A value holds no blank, so it cannot make a stack either.
///
/// # Errors
/// The request supplied `//`, or a slash of its stands beside one of the configuration.
pub(super) fn one_name(given: &Given) -> Result<(), Problem> {
    let text = given.text();
    let slashes = text.as_bytes().windows(HAT.len());
    match slashes.enumerate().find(|(at, two)| *two == HAT.as_bytes() && given.touches(*at..at + HAT.len())) {
        Some(_) => Err(Problem::new(
            "a value is one name, and // in it, or beside it, leads to a hat",
            "write // in the directive, as in ConfineExpr \"apparmor:apache2//%{SERVER_NAME}\"",
        )),
        None => Ok(()),
    }
}

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.how == How::Stack {
            f.write_str(STACK)?;
        }
        f.write_str(self.name)
    }
}

/// Refuses bytes and lengths that no name can have.
fn check_bytes(name: &str) -> Result<(), Problem> {
    if name.is_empty() {
        return Err(forms("there is no profile's name"));
    }
    if name.len() > MAX_LEN {
        return Err(forms(format!("it has {} bytes, more than {MAX_LEN}", name.len())));
    }
    if let Some(c) = name.chars().find(|c| c.is_control() || c.is_whitespace()) {
        return Err(Problem::new(
            format!("the name holds {c:?}"),
            "give the profile a name without blanks: profile NAME /its/path { ... }",
        ));
    }
    // Kernel: lib/ctype.c takes byte 0xA0 for a blank, and do_setattr strips those at the end.
    if name.as_bytes().last() == Some(&0xA0) {
        return Err(Problem::new(
            "the name ends in a character whose last byte the kernel takes for a blank",
            "give the profile another name",
        ));
    }
    Ok(())
}

/// Refuses what the kernel would read as more than a name.
fn check_kernel_syntax(name: &str) -> Result<(), Problem> {
    if name.contains('&') {
        return Err(Problem::new(
            "& joins profiles, and a context names one",
            "write \"stack NAME\" to put a profile on top of the server's",
        ));
    }
    if name.starts_with([':', '=']) {
        return Err(Problem::new(
            "it leads into another policy namespace",
            "name a profile of the namespace that the server is in",
        ));
    }
    // Kernel: security/apparmor/policy.c, aa_lookupn_profile compares only as many bytes as the name has. So each
    // beginning of the word, `unc` for example, means `unconfined`, unless a profile has that name.
    if UNCONFINED.starts_with(name) {
        return Err(Problem::new(
            if name == UNCONFINED {
                "the profile unconfined confines nothing".to_owned()
            } else {
                format!(
                    "the kernel takes {name}, as any beginning of it, for unconfined where no profile is called so"
                )
            },
            "name a profile that confines, or write unconfined in place of the whole list to exempt the request",
        ));
    }
    Ok(())
}

/// Refuses an empty profile or hat. A hat may begin with `/` (`apache2///login`).
fn check_parts(name: &str) -> Result<(), Problem> {
    let mut rest = name;
    while let Some((part, hat)) = rest.split_once(HAT) {
        if part.is_empty() || hat.is_empty() {
            return Err(forms("a profile or hat beside // has no name"));
        }
        rest = hat;
    }
    Ok(())
}

/// The label of a thread, as the kernel prints it: `apache2 (enforce)`, `apache2//&blog (enforce)` or `unconfined`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label<'a> {
    /// The names of the profiles. A name need not be UTF-8.
    names: &'a [u8],
    mode: &'a [u8],
}

impl<'a> Label<'a> {
    pub(super) fn parse(printed: &'a [u8]) -> Self {
        let end = printed.iter().rposition(|b| *b == b'(').filter(|at| *at > 0 && printed[at - 1] == b' ');
        match (end, printed) {
            (Some(at), [.., b')']) => {
                Self { names: &printed[..at - 1], mode: &printed[at + 1..printed.len() - 1] }
            }
            _ => Self { names: printed, mode: UNCONFINED.as_bytes() },
        }
    }

    /// Whether it confines nothing: it has no profile, or its mode is `unconfined`.
    pub(super) fn is_unconfined(self) -> bool {
        self.mode == UNCONFINED.as_bytes()
    }

    /// Whether at least one of its profiles logs, and refuses nothing.
    pub(super) fn complains(self) -> bool {
        self.mode == b"complain" || self.mode == b"mixed"
    }

    /// Whether one of its profiles has this name.
    pub(super) fn holds(self, name: &str) -> bool {
        self.profiles().any(|p| p == name.as_bytes())
    }

    /// Whether a thread that has moved to `written` can have this label.
    pub(super) fn is_of(self, written: Written<'_>) -> bool {
        // A move does not touch the profiles of other namespaces.
        let elsewhere = |profile: &[u8]| profile.first() == Some(&b':');
        !self.is_unconfined()
            && self.holds(written.name)
            && match written.how {
                How::Change => self.profiles().all(|p| p == written.name.as_bytes() || elsewhere(p)),
                How::Stack => true,
            }
    }

    /// Its profiles. The kernel puts `//&` between two of them.
    fn profiles(self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = Some(self.names);
        std::iter::from_fn(move || {
            let all = rest?;
            let at = all.windows(3).position(|w| w == b"//&");
            rest = at.map(|at| &all[at + 3..]);
            Some(at.map_or(all, |at| &all[..at]))
        })
    }

    /// Its profiles, for a message.
    pub(super) fn names(self) -> String {
        String::from_utf8_lossy(self.names).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Option<(How, &str)> {
        Written::parse(text).ok().map(|w| (w.how, w.name))
    }

    fn why(text: &str) -> String {
        Written::parse(text).map_or_else(|e| e.why, |w| panic!("{w} is a context"))
    }

    #[test]
    fn profiles_hats_and_stacks_are_contexts() {
        for name in [
            "blog",
            "/usr/sbin/apache2",
            "apache2//blog",
            "apache2///login",
            "a//b//c",
            "a:b",
            "日本",
            "@x{1,2}",
        ] {
            assert_eq!(written(name), Some((How::Change, name)));
            assert_eq!(written(&format!("stack {name}")), Some((How::Stack, name)));
            let text = format!("stack {name}");
            assert_eq!(Written::parse(&text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn nothing_that_the_kernel_reads_as_more_than_a_name() {
        for text in ["&blog", "a//&b", "a&b", "stack &b", "stack a//&:n:b"] {
            assert_eq!(why(text), "& joins profiles, and a context names one", "{text}");
        }
        for text in [":n:blog", "://", ":", "=x", "stack :n:b", "::x"] {
            assert_eq!(why(text), "it leads into another policy namespace", "{text}");
        }
        for text in [
            "a b",
            "stack  b",
            "stack b ",
            "stack stack b",
            " b",
            "b\u{a0}",
            "b\u{3000}",
            "a\nb",
            "b\0",
            "b\t",
        ] {
            assert!(why(text).starts_with("the name holds "), "{text}");
        }
    }

    #[test]
    fn no_beginning_of_unconfined_is_a_profile() {
        assert_eq!(why("unconfined"), "the profile unconfined confines nothing");
        for text in ["u", "un", "unconf", "unconfine", "stack u", "stack unconfined"] {
            assert!(why(text).contains("unconfined"), "{text}");
        }
        for text in ["unconfined2", "uno", "unconfined//hat", "a//u"] {
            assert!(written(text).is_some(), "{text}");
        }
    }

    #[test]
    fn a_name_that_the_kernel_would_cut_is_refused() {
        assert_eq!("à".as_bytes(), [0xC3, 0xA0]);
        assert!(why("voilà").starts_with("the name ends in a character"));
        assert!(written("voilà2").is_some());
    }

    #[test]
    fn parts_have_names() {
        for text in ["//hat", "a//", "a////b", "stack //", "//"] {
            assert_eq!(why(text), "a profile or hat beside // has no name", "{text}");
        }
        assert_eq!(why("stack "), "there is no profile's name");
        assert_eq!(why("stack"), "stack wants a profile behind it, in the same word");
        assert!(written(&"x".repeat(MAX_LEN)).is_some());
        assert_eq!(why(&"x".repeat(MAX_LEN + 1)), "it has 1025 bytes, more than 1024");
    }

    fn label(printed: &str) -> Label<'_> {
        Label::parse(printed.as_bytes())
    }

    #[test]
    fn labels_are_read_as_the_kernel_prints_them() {
        assert!(label("unconfined").is_unconfined());
        assert!(label("podman (unconfined)").is_unconfined());
        assert!(!label("apache2 (enforce)").is_unconfined());
        assert_eq!(label("apache2//&blog (enforce)").names(), "apache2//&blog");
        assert_eq!(label("a (b) (enforce)").names(), "a (b)");
        assert!(label("a (complain)").complains() && label("a//&b (mixed)").complains());
        assert!(!label("a (enforce)").complains() && !label("unconfined").complains());
        for (printed, held) in [("a//&b//hat (enforce)", ["a", "b//hat"]), ("b//&a (mixed)", ["a", "b"])] {
            assert!(held.iter().all(|name| label(printed).holds(name)), "{printed}");
            assert!(!label(printed).holds("c") && !label(printed).holds("") && !label(printed).holds("hat"));
        }
    }

    #[test]
    fn where_a_thread_arrived_is_told_from_where_it_went() {
        let arrived = |printed, text| label(printed).is_of(Written::parse(text).unwrap());
        assert!(arrived("blog (enforce)", "blog"));
        assert!(arrived("blog (complain)", "blog"));
        assert!(arrived("a//hat (enforce)", "a//hat"));
        assert!(arrived("blog//&:ns:x (enforce)", "blog"));
        assert!(arrived("a//&blog (enforce)", "stack blog"));
        // What a server in complain mode is moved to where the profile does not exist.
        assert!(!arrived("apache2//null-blog (complain)", "blog"));
        assert!(!arrived("apache2//&apache2//null-blog (complain)", "stack blog"));
        assert!(!arrived("a//&blog (enforce)", "blog"));
        assert!(!arrived("blog (unconfined)", "blog"));
        assert!(!arrived("unconfined", "blog"));
        assert!(!arrived("blo (enforce)", "blog"));
        assert!(!arrived("", "blog"));
    }
}
